"""ICC profiles, and pixels brought from one to another."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import numpy as np
import pytest
from PIL import ImageCms

from drti_core.colour import linear_to_srgb, srgb_to_linear
from drti_core.errors import StackError
from drti_core.io.pictures.icc import converter, description, profile

#: Linear Display P3 from linear sRGB (both D65), from their chromaticities.
SRGB_TO_P3 = np.array(
    [[0.82246197, 0.17753803, 0], [0.03319420, 0.96680580, 0], [0.01708263, 0.07239744, 0.91051993]]
)


def colours(dtype: Any = np.uint8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max + 1, (20, 30, 3)).astype(dtype)


def expected(codes: np.ndarray) -> np.ndarray:
    top = np.iinfo(codes.dtype).max
    return linear_to_srgb(srgb_to_linear(codes / top) @ SRGB_TO_P3.T) * top


def test_profiles_are_read_by_littlecms():
    for space, name in (("srgb", "sRGB"), ("displayp3", "Display P3")):
        icc = profile(space)
        assert description(icc) == name
        found = ImageCms.ImageCmsProfile(io.BytesIO(icc)).profile
        assert found.version == 4.4
        assert found.xcolor_space == "RGB "
        assert found.icc_version == 0x04400000
        # Red adapted to D50, as published for both spaces.
        red = (0.4361, 0.2225, 0.0139) if space == "srgb" else (0.5151, 0.2412, -0.0011)
        assert np.allclose(found.red_colorant[0], red, atol=3e-4)


def test_the_bytes_never_change():
    """B23: no time of creation, nothing of the machine."""
    digests = [hashlib.sha256(profile(s)).hexdigest()[:16] for s in ("srgb", "displayp3")]
    assert digests == ["47170760105e2746", "2b3a68d65beaef03"]


def test_our_srgb_is_everybodys():
    theirs = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert converter(theirs, "srgb") is None
    assert converter(None, "srgb") is None
    assert converter(profile("displayp3"), "displayp3") is None


def test_to_display_p3():
    convert = converter(None, "displayp3")
    assert convert is not None
    assert np.abs(convert(colours()) - expected(colours())).max() < 1.5
    back = converter(profile("displayp3"), "srgb")
    assert back is not None
    assert np.abs(back(convert(colours())).astype(int) - colours()).max() <= 5
    grey = colours()[..., :1]
    assert convert(grey) is grey


def test_sixteen_bits():
    pytest.importorskip("pyvips")
    convert = converter(None, "displayp3")
    assert convert is not None
    found = convert(colours(np.uint16))
    assert found.dtype == np.uint16
    assert np.abs(found - expected(colours(np.uint16))).max() < 330  # half a percent


@pytest.mark.parametrize("icc", [b"", b"rubbish" * 40, profile("srgb")[:200]])
def test_damaged_profiles(icc: bytes):
    assert description(icc) == ""
    if icc:
        with pytest.raises(StackError, match=r"^the photographs' colour profile cannot be used \("):
            converter(icc, "srgb")


def test_profiles_of_other_colours_are_refused():
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    with pytest.raises(StackError) as caught:
        converter(lab, "srgb")
    assert str(caught.value).endswith(
        "; expected an ICC profile of RGB. Save the photographs with another profile, or keep "
        "theirs as it is."
    )
