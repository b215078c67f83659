"""Environment maps and relighting by them."""

from __future__ import annotations

import errno
import json
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from drti_core.arrays import Window
from drti_core.cli import main
from drti_core.colour import linear_to_srgb, srgb_to_linear
from drti_core.decoder import Decoder, Dense, Terms
from drti_core.errors import (
    DrtiError,
    FileError,
    FormatError,
    LightError,
    MissingFileError,
    OptionError,
)
from drti_core.io.pictures.exr import read_exr, write_exr
from drti_core.io.pictures.hdr import read_hdr
from drti_core.io.pictures.save import save_picture
from drti_core.lights import LightDirections
from drti_core.model import RelightableModel
from drti_core.registry import catalogue, doors
from drti_core.relight.environment import EnvironmentLight, averaged, is_linear, reduced, sampled
from drti_core.relight.environment_map import Environment, open_environment
from drti_core.stack.samples.demo import make_stack
from drti_plugins.benchmark.environment import benchmark_environment, made_up_environment

SIZE = (24, 32)
ALL = Window(0, 0, *SIZE)


@pytest.fixture(scope="module")
def stack():
    return make_stack(SIZE, 30)


@dataclass(frozen=True, eq=False, kw_only=True)
class Net(RelightableModel):
    """A small network over another model's planes."""

    codec_id: ClassVar[str] = "net"

    def decoder(self) -> Decoder:
        random = np.random.default_rng(1)
        assert self.planes is not None
        k = self.planes.count
        from drti_core.lights.bases import Basis

        bias = Terms(Basis("affine", 4), random.normal(0, 0.4, (12, 4)).astype(np.float32))
        first = Dense(random.normal(0, 0.3, (12, k)).astype(np.float32), bias, "elu")
        last = random.normal(0, 0.2, (3, 12)).astype(np.float32)
        return Decoder(("planes",), (first, Dense(last, np.full(3, 0.4, np.float32), "none")))

    def config(self) -> dict[str, Any]:
        return {"codec": "net", "version": 1}


def summed(model, environment) -> np.ndarray:
    total = np.zeros((*model.shape, 3))
    for xyz, weights in environment.power():
        lights = LightDirections(xyz.astype(np.float32))
        for start in range(0, len(lights), 64):
            part = slice(start, start + 64)
            total += np.einsum("lhwc,lc->hwc", model.relight(lights[part]), weights[part])
    return total


@pytest.mark.parametrize(
    "spec",
    ["ptm", "ptm:colorspace=lrgb", "hsh:terms=16", "sh", "rbf", "bilinear", "rbf:colorspace=mycc"],
)
def test_averaged_weights_equal_the_sum_over_all_lights(stack, spec):
    model = catalogue.codec(spec).fit(stack)
    random = np.random.default_rng(0)
    environment = Environment(random.gamma(0.3, 1, (16, 32, 3)).astype(np.float32))
    lit = EnvironmentLight(model, environment)
    assert lit.exact
    assert lit.error() is None
    assert np.abs(lit.render(ALL) - summed(model, environment)).max() < 1e-4
    part = Window(5, 7, 9, 11)
    assert np.array_equal(lit.render(part), lit.render(ALL)[part.slices])


@pytest.mark.slow
def test_ten_thousand_lights_a_hundred_times_faster(stack):
    model = catalogue.codec("ptm").fit(stack)
    cost = benchmark_environment(model, window=Window(0, 0, 8, 8))
    assert cost.lights == 10_000
    assert cost.largest_difference < 0.01
    assert cost.speedup > 100


def test_white_surroundings_give_the_mean_over_the_hemisphere(stack):
    """Equal areas: the mean of x², y², z² over the hemisphere is 1/3, that of z 1/2."""
    white = Environment(np.full((64, 128, 3), 7, np.float32))
    total = [(xyz.T @ weights[:, 0], (xyz**2).T @ weights[:, 0]) for xyz, weights in white.power()]
    first, second = (sum(part) for part in zip(*total, strict=True))
    assert np.allclose(first, [0, 0, 0.5], atol=2e-3)
    assert np.allclose(second, 1 / 3, atol=2e-3)
    brighter = Environment(np.full((64, 128, 3), 7, np.float32), exposure=1.0)
    model = catalogue.codec("hsh").fit(stack)
    one, two = (EnvironmentLight(model, e).render(ALL) for e in (white, brighter))
    assert np.allclose(2 * one, two, rtol=1e-5)


def peak(environment: Environment) -> np.ndarray:
    """Where the light comes from, (3,)."""
    moment = sum(xyz.T @ weights.sum(axis=1) for xyz, weights in environment.power())
    return moment / np.linalg.norm(moment)


def test_directions_of_maps():
    spot = np.zeros((90, 180, 3), np.float32)
    spot[44:46, 89:91] = 1  # the centre: where the camera looks from
    assert np.allclose(peak(Environment(spot)), [0, 0, 1], atol=0.02)
    assert np.allclose(peak(Environment(spot, rotate=30)), [0.5, 0, np.sqrt(0.75)], atol=0.02)
    right = np.roll(spot, 20, axis=1)  # 40° to the right is towards -x
    angle = np.radians(40)
    assert np.allclose(peak(Environment(right)), [-np.sin(angle), 0, np.cos(angle)], atol=0.02)
    up = np.roll(spot, -15, axis=0)  # 30° up
    assert np.allclose(peak(Environment(up)), [0, 0.5, np.sqrt(0.75)], atol=0.02)
    with pytest.raises(LightError) as caught:
        Environment(spot, rotate=180)
    assert str(caught.value) == (
        "environment map: no light comes from above the object; expected some with z > 0"
    )


def test_directions_of_a_mirror_ball():
    ball = np.zeros((101, 141, 3), np.float32)
    ball[50, 70] = 1
    assert np.allclose(peak(Environment(ball, "mirrorball")), [0, 0, 1], atol=1e-6)
    # A mirror tilted by 20° reflects 40° off: at sin 20° of the radius.
    ball = np.zeros((101, 141, 3), np.float32)
    ball[50 - 17, 70] = 1
    angle = 2 * np.arcsin(17 / 50.5)
    found = peak(Environment(ball, "mirrorball"))
    assert np.allclose(found, [0, np.sin(angle), np.cos(angle)], atol=1e-6)
    ball = np.zeros((101, 141, 3), np.float32)
    ball[50, 70 + 17] = 1
    assert peak(Environment(ball, "mirrorball"))[0] > 0.5
    # Solid angles of the whole ball are the sphere, those of its front half the hemisphere.
    whole = Environment(np.ones((400, 400, 3), np.float32), "mirrorball")
    xyz, solid = whole.directions(np.arange(whole.size))
    assert np.isclose(solid.sum(), 4 * np.pi, rtol=1e-3)
    assert np.isclose(solid[xyz[:, 2] > 0].sum(), 2 * np.pi, rtol=1e-3)
    panorama = Environment(np.ones((50, 100, 3), np.float32))
    assert np.isclose(panorama.directions(np.arange(panorama.size))[1].sum(), 4 * np.pi)


@pytest.mark.slow
def test_networks_are_sampled_and_the_error_is_stated(stack):
    model = catalogue.codec("rbf").fit(stack)
    net = Net(shape=model.shape, planes=model.planes)
    assert not is_linear(net.decoder())
    radiance = np.random.default_rng(0).gamma(0.5, 1, (32, 64, 1)).astype(np.float32)
    environment = Environment(radiance * np.array([1, 0.9, 0.7], np.float32))
    lit = EnvironmentLight(net, environment, samples=200)
    truth = summed(net, environment)
    error = lit.error()
    assert not lit.exact
    assert error is not None
    real = 255 * np.sqrt(np.mean((np.clip(lit.render(ALL), 0, 1) - np.clip(truth, 0, 1)) ** 2))
    assert real < 2
    assert abs(error.rms - real) < 0.3 * real
    assert error.pixels == 2 * 24 * 32
    assert 500 < error.lights <= 2304
    coarse = EnvironmentLight(net, environment, samples=10).error()
    assert coarse is not None
    assert coarse.rms > error.rms
    again, other = (sampled(environment, 50, seed) for seed in (3, 3))
    assert np.array_equal(again.weights, other.weights)
    assert not np.array_equal(
        again.weights, sampled(environment, 50, 4).weights[: len(again.weights)]
    )
    with pytest.raises(OptionError) as caught:
        averaged(net.decoder(), environment)
    assert str(caught.value) == "a decoder of 2 layers; expected one linear layer"
    with pytest.raises(OptionError, match="0 samples; expected 1 to 65536"):
        sampled(environment, 0)
    with pytest.raises(OptionError, match="1000000000000 samples; expected 1 to 65536"):
        EnvironmentLight(net, environment, samples=10**12)


def test_samples_and_reductions_keep_the_light():
    environment = made_up_environment(2)
    parts = list(environment.power())
    weights = np.concatenate([w for _, w in parts]).sum(axis=0)
    moment = sum(xyz.T @ w.sum(axis=1) for xyz, w in parts)
    small = reduced(environment)
    assert np.allclose(small.weights.sum(axis=0), weights)
    assert np.allclose(small.lights.xyz.T @ small.weights.sum(axis=1), moment, atol=0.02)
    mean = np.mean(
        [sampled(environment, 40, seed).weights.sum(axis=0) for seed in range(60)], axis=0
    )
    assert np.allclose(mean, weights, rtol=0.02)


def test_linear_light_of_an_srgb_model(stack):
    model = catalogue.codec("hsh").fit(stack)
    radiance = np.ones((8, 16, 3), np.float32)
    environment = Environment(radiance)
    lit = EnvironmentLight(model, environment, samples=2000, linear_light=True)
    total = np.zeros((*SIZE, 3))
    for xyz, weights in environment.power():
        shown = model.relight(LightDirections(xyz.astype(np.float32)))
        total += np.einsum("lhwc,lc->hwc", srgb_to_linear(shown), weights)
    assert np.abs(lit.render(ALL) - linear_to_srgb(total)).max() < 0.01
    plain = EnvironmentLight(model, environment).render(ALL)
    assert np.abs(lit.render(ALL) - plain).max() > 0.02


def rle(values: np.ndarray) -> bytes:
    """One scan line of the newer coding: a run where all are equal, else literals."""
    out = b"\x02\x02" + struct.pack(">H", len(values))
    for channel in values.T:
        for start in range(0, len(channel), 100):
            part = channel[start : start + 100]
            if (part == part[0]).all():
                out += bytes([128 + len(part), part[0]])
            else:
                out += bytes([len(part)]) + part.tobytes()
    return out


def test_radiance_files_in_all_codings(tmp_path):
    random = np.random.default_rng(0)
    rgbe = random.integers(20, 255, (3, 150, 4)).astype(np.uint8)
    rgbe[..., 3] = random.integers(120, 136, (3, 150))
    rgbe[1, :, 1] = 9
    rgbe[0, 0, 3] = 0
    value = rgbe[..., :3] / 256 * 2.0 ** (rgbe[..., 3:].astype(float) - 128) / 2
    value[0, 0] = 0
    head = b"#?RADIANCE\nEXPOSURE=2\nFORMAT=32-bit_rle_rgbe\n\n-Y 3 +X 150\n"
    path = tmp_path / "a.hdr"
    for body in (rgbe.tobytes(), b"".join(rle(row) for row in rgbe)):
        path.write_bytes(head + body)
        assert np.allclose(read_hdr(path), value, rtol=1e-6)
    # The old coding repeats the pixel before: (1, 1, 1, n).
    old = b"".join(row[0].tobytes() + b"\1\1\1\x95" for row in rgbe)
    path.write_bytes(head + old)
    assert np.allclose(read_hdr(path), np.repeat(value[:, :1], 150, axis=1), rtol=1e-6)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"#?RADIANCE\n", "the header breaks off; expected -Y H +X W"),
        (b"#?RADIANCE\nFORMAT=32-bit_rle_xyze\n\n", "FORMAT=32-bit_rle_xyze; expected FORMAT=32"),
        (b"#?R\n\n+Y 3 +X 3\n", "+Y 3 +X 3; expected -Y H +X W"),
        (b"#?R\nEXPOSURE=1e-99\n\n", "EXPOSURE=1e-99; expected a number above 0"),
        (b"#?R\n\n-Y 60000 +X 60000\n" + bytes(50), "claims 60000x60000 pixels in 73 bytes"),
        (b"#?R\n\n-Y 1 +X 100\n" + b"\2\2\0\x64" + b"\xff\1\0", "row 0: a damaged run of pixels"),
        (b"#?R\n\n-Y 1 +X 100\n" + b"\2\2\0\x64" + b"\0\0\0", "row 0: a damaged run of pixels"),
        (b"#?R\n\n-Y 1 +X 5\n" + bytes(9), "row 0: is truncated; expected 5 pixels"),
        (b"#?R\n\n-Y 1 +X 5\n" + b"\1\1\1\4" * 5, "row 0: a damaged run of pixels"),
        (b"\x76\x2f\x31\x01" + bytes(40), "damaged OpenEXR file"),
        (b"", "is empty; expected an 8- or 16-bit RGB"),
    ],
)
def test_damaged_maps(tmp_path, data, text):
    path = tmp_path / "map.hdr"
    path.write_bytes(data)
    with pytest.raises(DrtiError) as caught:
        open_environment(path)
    assert text in str(caught.value)
    assert str(caught.value).startswith(str(path))


def test_truncated_anywhere(tmp_path):
    values = np.random.default_rng(0).random((5, 9, 3)).astype(np.float32)
    write_exr(tmp_path / "a.exr", values)
    row = np.full((9, 4), 7, np.uint8)
    hdr = b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 5 +X 9\n" + rle(row) * 5
    for name, whole in (("a.exr", (tmp_path / "a.exr").read_bytes()), ("a.hdr", hdr)):
        (tmp_path / name).write_bytes(whole)
        open_environment(tmp_path / name)
        for length in range(0, len(whole) - 1, 7):
            (tmp_path / name).write_bytes(whole[:length])
            with pytest.raises(DrtiError):
                open_environment(tmp_path / name)


def test_maps_of_bad_values(tmp_path):
    bad = np.ones((4, 8, 3), np.float32)
    bad[1, 1, 1] = np.nan
    with pytest.raises(FormatError, match=r"radiance from nan to nan; expected finite values of 0"):
        Environment(bad)
    write_exr(tmp_path / "a.exr", np.full((4, 8, 3), -1, np.float32))
    with pytest.raises(FormatError) as caught:
        open_environment(tmp_path / "a.exr")
    assert str(caught.value) == (
        f"{tmp_path / 'a.exr'}: radiance from -1 to -1; expected finite values of 0 or more"
    )
    with pytest.raises(MissingFileError) as missing:
        open_environment(tmp_path / "none.hdr")
    assert str(missing.value) == (f"{tmp_path / 'none.hdr'}: No such file or directory")
    with pytest.raises(OptionError, match="kind 'cube'; expected equirectangular or mirrorball"):
        Environment(np.ones((4, 8, 3), np.float32), "cube")


@pytest.mark.slow
def test_command_line(stack, tmp_path, capsys):
    model = tmp_path / "m.ptm"
    doors.save_model(catalogue.codec("ptm").fit(stack), model)
    sky = np.random.default_rng(0).random((20, 40, 3)).astype(np.float32)
    write_exr(tmp_path / "sky.exr", sky)
    save_picture(tmp_path / "sky.png", np.rint(linear_to_srgb(sky) * 255).astype(np.uint8))
    pictures = []
    for name in ("sky.exr", "sky.png"):
        out = tmp_path / f"{name}.npy"
        argv = ["relight", str(model), "--env", str(tmp_path / name), "-o", str(out), "--float"]
        assert main([*argv, "--rotate", "20"]) == 0
        said = capsys.readouterr().out
        assert said == (
            f"wrote {out}\nnote: the values are sRGB encoded\nnote: weights averaged over all "
            "lights of the map: no light was left out\n"
        )
        pictures.append(np.load(out))
    assert np.abs(pictures[0] - pictures[1]).max() < 0.005
    lit = EnvironmentLight(doors.open_model(model), Environment(sky, rotate=20))
    assert np.allclose(pictures[0], lit.render(ALL), atol=1e-5)
    argv = [
        "relight",
        str(model),
        "--env",
        str(tmp_path / "sky.png"),
        "-o",
        str(tmp_path / "o.png"),
    ]
    assert main([*argv, "--linear-light", "--samples", "64"]) == 0
    assert "note: 64 lights drawn from the map; against a sum over " in capsys.readouterr().out
    assert main([*argv, "--light", "0,0,1"]) == 1
    assert capsys.readouterr().err == (
        "error: options that exclude one another; expected lights, --path or --env, and no "
        "--enhance with --env\n"
    )


@pytest.mark.slow
def test_benchmark_of_a_model(stack, tmp_path, capsys):
    model = tmp_path / "m.rti"
    doors.save_model(catalogue.codec("hsh").fit(stack), model)
    assert main(["benchmark", "environment", str(model), "--size", "6x5", "--json"]) == 0
    (cost,) = json.loads(capsys.readouterr().out)
    assert (cost["codec"], cost["width"], cost["height"]) == ("hsh", 6, 5)
    assert cost["lights"] == 10_000
    assert cost["largest_difference"] < 0.01


@pytest.mark.parametrize("suffix", [".hdr", ".exr"])
def test_a_map_is_a_regular_file(suffix, tmp_path):
    path = tmp_path / f"map{suffix}"
    os.mkfifo(path)
    for read in (open_environment, read_exr, read_hdr):
        with pytest.raises(FileError) as error:
            read(path)
        assert str(error.value) == f"{path}: is a named pipe; expected a regular file"
    path.unlink()
    path.symlink_to(path.name)
    with pytest.raises(FileError) as error:
        open_environment(path)
    assert str(error.value) == f"{path}: Too many levels of symbolic links"


def test_an_exr_that_cannot_be_written_is_a_system_error(tmp_path):
    """OpenEXR tells it as a RuntimeError, in words."""
    pytest.importorskip("OpenEXR", reason="the extra exr is not installed")
    values = np.random.default_rng(0).random((300, 400, 3), np.float32)
    for path, number in (
        (Path("/dev/full"), errno.ENOSPC),
        (tmp_path / "none" / "a.exr", errno.ENOENT),
        (tmp_path, errno.EISDIR),
    ):
        with pytest.raises(OSError) as error:  # noqa: PT011 - its number is looked at
            write_exr(path, values)
        assert (error.value.errno, error.value.filename) == (number, str(path))


@pytest.mark.parametrize("exposure", [1e308, 1024.0, 64.1, -65.0, float("inf"), float("nan")])
def test_exposures_that_no_picture_holds_are_refused(exposure):
    with pytest.raises(OptionError) as caught:
        Environment(np.ones((8, 16, 3), np.float32), exposure=exposure)
    assert str(caught.value) == f"exposure {exposure:g}; expected -64 to 64 stops"


@pytest.mark.parametrize("exposure", [-64.0, 64.0])
@pytest.mark.parametrize("linear_light", [False, True])
def test_the_largest_exposures_give_pictures(exposure, linear_light):
    model = catalogue.codec("ptm").fit(make_stack((16, 24), 10))
    sky = Environment(np.ones((8, 16, 3), np.float32), exposure=exposure)
    lit = EnvironmentLight(model, sky, samples=16, linear_light=linear_light)
    assert np.isfinite(lit.render(Window(0, 0, 16, 24))).all()
