"""Zarr stores: what others make of them, what they claim and are not, levels, windows."""

from __future__ import annotations

import json
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drti_core.arrays import Window
from drti_core.decoder import Planes
from drti_core.errors import (
    DrtiError,
    FormatError,
    MissingExtraError,
    MissingFileError,
    OptionError,
    UnsupportedFormatError,
)
from drti_core.formats.folder import FolderWriter
from drti_core.formats.zarr import ZarrReader, ZarrWriter
from drti_core.formats.zarr import reader as reading
from drti_core.formats.zarr.arrays import Array
from drti_core.io import strict_json
from drti_core.io.windowed import WindowedCodes
from drti_core.lights import LightDirections
from drti_core.model import Metadata, StoredModel
from drti_core.registry.doors import open_model
from drti_core.testing.compare import files_of

H, W = 150, 205
#: A codec of which a folder knows nothing: any number of planes will do.
NINE = {"codec": "nobody", "version": 1}
SMALL = ZarrWriter(chunk=64, shard=128)


def model(dtype: Any = np.uint8, shape: tuple[int, int] = (H, W), count: int = 12) -> StoredModel:
    rng = np.random.default_rng(count)
    wave = np.add.outer(np.arange(shape[0]) * 3, np.arange(shape[1]) * 2)
    codes = ((wave + rng.integers(0, 40, (count, *shape))) % 256).astype(dtype)
    planes = Planes(codes, rng.uniform(0.2, 1, count), rng.uniform(0, 1, count))
    config = {"codec": "hsh", "version": 1, "colorspace": "rgb", "terms": 4, "exponent": 1.5}
    metadata = Metadata(lights=LightDirections.spread(9), pixel_size_mm=0.5)
    return StoredModel(config, shape, planes, metadata=metadata)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    SMALL.write(model(), tmp_path / "coin.zarr")
    return tmp_path / "coin.zarr"


def change(path: Path, *keys: Any, to: Any) -> None:
    """Another value in a JSON file."""
    whole = value = json.loads(path.read_text())
    for key in keys[:-1]:
        value = value[key]
    value[keys[-1]] = to
    path.write_text(json.dumps(whole))


# -- the same store, opened by others -------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_zarr_python_reads_the_same_planes(tmp_path: Path, dtype: Any) -> None:
    zarr = pytest.importorskip("zarr")
    stored = model(dtype)
    SMALL.write(replace(stored, metadata=Metadata(mask=np.eye(H, W) > 0)), tmp_path / "a.zarr")
    group = zarr.open_group(tmp_path / "a.zarr", mode="r")
    assert stored.planes is not None
    assert np.array_equal(group["0/planes"][...], stored.planes.codes)
    assert np.array_equal(group["0/mask"][...], np.eye(H, W) > 0)
    assert group["0/planes"].metadata.dimension_names == ("plane", "y", "x")


def test_what_zarr_python_writes_by_the_convention_is_read(store: Path) -> None:
    zarr = pytest.importorskip("zarr")
    codes = np.asarray(model().planes.codes)  # type: ignore[union-attr]
    for shards in (None, (12, 128, 128)):
        array = zarr.create_array(
            store / "0" / "planes",
            shape=codes.shape,
            chunks=(4, 64, 32),
            shards=shards,
            dtype="uint8",
            compressors=[zarr.codecs.GzipCodec(level=1)],
            config={"write_empty_chunks": True},
            overwrite=True,
        )
        array[...] = codes
        assert np.array_equal(ZarrReader().read(store).planes.codes, codes)  # type: ignore[union-attr]


@pytest.mark.slow
def test_xarray_and_dask_open_a_level(tmp_path: Path) -> None:
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("dask.array")
    store = tmp_path / "coin.zarr"
    SMALL.write(model(shape=(300, 411)), store)
    level = xarray.open_zarr(store, group="1", chunks={}, consolidated=False)
    assert level["planes"].dims == ("plane", "y", "x")
    assert dict(level.sizes) == {"plane": 12, "y": 150, "x": 206}
    assert level["y"].values[:2].tolist() == [0.5, 1.5]  # a pixel of 0.5 mm, halved once
    assert level["y"].attrs == {"units": "mm"}
    mean = level["planes"].isel(plane=0).mean().compute()
    assert mean == pytest.approx(ZarrReader(level=1).read(store).planes.codes[0].mean())  # type: ignore[union-attr]


# -- levels and windows ---------------------------------------------------------------------------


def test_a_level_is_the_mean_of_four_codes_of_the_finer_one(tmp_path: Path) -> None:
    SMALL.write(model(shape=(301, 517)), tmp_path / "a.zarr")
    for level in (1, 2):
        fine, half = (
            np.asarray(ZarrReader(level=n).read(tmp_path / "a.zarr").planes.codes)  # type: ignore[union-attr]
            for n in (level - 1, level)
        )
        padded = np.pad(fine, [(0, 0), *((0, -side % 2) for side in fine.shape[1:])], mode="edge")
        four = padded.reshape(12, half.shape[1], 2, half.shape[2], 2).astype(int).sum((2, 4))
        assert np.array_equal(half, (four + 2) // 4)
    stored = ZarrReader(level=2).read(tmp_path / "a.zarr")
    assert (stored.shape, stored.metadata.pixel_size_mm) == ((76, 130), 2.0)
    with pytest.raises(UnsupportedFormatError, match=r"level 3; expected 0 to 2$"):
        ZarrReader(level=3).read(tmp_path / "a.zarr")


def test_large_planes_are_read_by_windows_alone(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = np.asarray(ZarrReader().read(store).planes.codes)  # type: ignore[union-attr]
    picture = open_model(store).relight(LightDirections.from_spherical(30, 50))
    monkeypatch.setattr(reading, "_AT_ONCE", 0)
    found = ZarrReader().read(store)
    assert found.planes is not None
    codes: Any = found.planes.codes
    (store / "0/planes/c/0/1/0").unlink()  # what is not looked at is not missed
    assert np.array_equal(codes[:, 3:70, 60:200], whole[:, 3:70, 60:200])
    assert np.array_equal(codes[3:6][1, 5:9, ::-7], whole[4, 5:9, ::-7])
    assert np.array_equal(codes[[7, 2], 100, 5:], whole[[7, 2], 100, 5:])
    window = Window(20, 30, 40, 50)
    lit = open_model(store).relight(LightDirections.from_spherical(30, 50), window)
    assert np.array_equal(lit, picture[:, 20:60, 30:80])
    with pytest.raises(MissingFileError) as caught:
        found.planes.read(Window(140, 0, 1, 1))
    assert str(caught.value) == f"{store}/0/planes/c/0/1/0: is missing; expected a part of it"


def test_tiles_are_made_of_the_levels_that_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same bytes as from planes in memory, whose levels are made anew."""
    SMALL.write(model(shape=(301, 517), count=5), tmp_path / "a.zarr")
    tiles = FolderWriter(layout="deepzoom", image="png", tile=64)
    whole = replace(ZarrReader().read(tmp_path / "a.zarr"), config=NINE, decoder=None)
    tiles.write(whole, tmp_path / "whole")
    monkeypatch.setattr(reading, "_AT_ONCE", 0)
    parts = replace(ZarrReader().read(tmp_path / "a.zarr"), config=NINE, decoder=None)
    assert isinstance(parts.planes and parts.planes.codes, WindowedCodes)
    tiles.write(parts, tmp_path / "parts")
    assert files_of(tmp_path / "whole") == files_of(tmp_path / "parts")
    (tmp_path / "a.zarr/1/planes/c/0/0/0").write_bytes(bytes(9))
    with pytest.raises(FormatError, match="1/planes/c/0/0/0: 9 bytes"):
        tiles.write(parts, tmp_path / "damaged")


# -- what a store claims and is not ---------------------------------------------------------------


PLANES, INNER = "0/planes/zarr.json", ("codecs", 0, "configuration")
HOSTILE: list[tuple[str, tuple[Any, ...], Any, str]] = [
    ("zarr.json", ("attributes",), {"ome": {}}, "a Zarr group without the attribute 'drti'"),
    ("zarr.json", ("attributes", "drti", "convention"), 2, "2; expected an integer in 1..1"),
    ("zarr.json", ("attributes", "drti", "shape"), [H, 10**9], "an integer in 1..65535"),
    ("zarr.json", ("attributes", "drti", "shape"), [H, W + 1], "as the root says"),
    ("zarr.json", ("attributes", "drti", "planes", "levels", 0), "../coin.zarr/0/planes", "path"),
    ("zarr.json", ("attributes", "drti", "planes", "levels", 0), "/etc", "the path of an array"),
    ("zarr.json", ("attributes", "drti", "arrays"), {"a": "0/planes/../planes"}, "the path of"),
    ("zarr.json", ("attributes", "drti", "lights"), [[0, 0]], "2 values; expected 3 values"),
    (PLANES, ("shape",), [12, 2**40, 2**40], "an integer in 0..2147483648"),
    (PLANES, ("shape",), [12, H, W, 1], "1 values; expected 4|3 values; expected 4"),
    (PLANES, ("data_type",), "object", "'object'; expected bool, int8"),
    (PLANES, ("data_type",), ["numpy.void", {}], "expected bool, int8"),
    (PLANES, ("codecs", 0), {"name": "pickle"}, "transpose, bytes, then zstd, gzip, crc32c"),
    (PLANES, (*INNER, "codecs", 2), {"name": "blosc"}, "then zstd, gzip, crc32c"),
    (PLANES, (*INNER, "chunk_shape"), [1, 1, 1], "chunks of 1 values"),
    (PLANES, (*INNER, "chunk_shape"), [3, 60, 64], r"sides that divide \[12, 128, 128\]"),
    (PLANES, (*INNER, "chunk_shape"), [3, 0, 64], "an integer in 1.."),
    (PLANES, (*INNER, "index_codecs"), [{"name": "bytes"}], "expected bytes, crc32c"),
    (PLANES, (*INNER, "codecs", 0, "configuration", "order"), [0, 0, 1], "each of 0 to 2 once"),
    (
        PLANES,
        ("chunk_grid", "configuration", "chunk_shape"),
        [3072, 2**20, 2**20],
        "up to 1048576 chunks",
    ),
    (PLANES, ("storage_transformers",), [{"name": "x"}], "expected none"),
]


@pytest.mark.parametrize(("file", "keys", "to", "said"), HOSTILE, ids=range(len(HOSTILE)))
def test_claims_are_refused_by_name(
    store: Path, file: str, keys: tuple[Any, ...], to: Any, said: str
) -> None:
    change(store / file, *keys, to=to)
    with pytest.raises((FormatError, UnsupportedFormatError), match=said) as caught:
        ZarrReader().read(store)
    assert "zarr.json" in str(caught.value)


def _bomb(size: int) -> bytes:
    return pytest.importorskip("numcodecs.zstd").compress(bytes(size), 1)  # type: ignore[no-any-return]


def test_a_chunk_that_unpacks_to_more_than_it_may_have_is_not_unpacked(store: Path) -> None:
    array = Array.open(store, "0/planes")
    with pytest.raises(FormatError) as caught:
        replace(array.pipeline, steps=("zstd",)).decode(_bomb(1 << 22), (3, 64, 64), "c/0")
    assert str(caught.value) == (
        "c/0: damaged chunk (a frame of 4194304 bytes); expected zstd of 12288 bytes"
    )
    import gzip

    with pytest.raises(FormatError, match="12289 bytes; expected 12288 of a chunk"):
        replace(array.pipeline, steps=("gzip",)).decode(
            gzip.compress(bytes(1 << 22)), (3, 64, 64), "c/0"
        )


def test_an_index_that_names_bytes_outside_is_refused(store: Path) -> None:
    from drti_core.formats.zarr.chunks import _crc

    path = store / "0/planes/c/0/0/0"
    data = bytearray(path.read_bytes())
    count = 4 * 2 * 2
    table = np.frombuffer(bytes(data[-16 * count - 4 : -4]), "<u8").reshape(-1, 2).copy()
    for offset, length in ((0, 2**63), (2**64 - 2, 5), (len(data), 1)):
        table[3] = offset, length
        data[-16 * count - 4 :] = table.tobytes() + _crc(table.tobytes())
        path.write_bytes(data)
        with pytest.raises(FormatError, match="an index that names bytes outside of the shard"):
            ZarrReader().read(store)
    table[3] = 2**64 - 1
    data[-16 * count - 4 :] = table.tobytes() + _crc(table.tobytes())
    path.write_bytes(data)
    with pytest.raises(FormatError, match=r"c/0/0/0 chunk 0\.1\.1: is missing; expected a chunk"):
        ZarrReader().read(store)


def test_no_link_leads_out_of_the_store(store: Path, tmp_path: Path) -> None:
    shard = store / "0/planes/c/0/0/0"
    shard.rename(tmp_path / "elsewhere")
    shard.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FormatError, match=r"is a link to .*elsewhere; expected a file inside"):
        ZarrReader().read(store)


def test_a_store_that_was_not_published_is_no_model(store: Path) -> None:
    (store / "zarr.json").unlink()
    with pytest.raises(DrtiError, match=r"holds 0, decoder|holds 0\)|of a known format"):
        open_model(store)


def test_without_the_extra_it_is_named(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "google_crc32c", None)
    said = (
        "Zarr needs the 'zarr' extra, which is not installed. Install it with: "
        "pip install 'drti[zarr]'"
    )
    for use in (lambda: SMALL.refuse(model()), lambda: open_model(store)):
        with pytest.raises(MissingExtraError) as caught:
            use()
        assert str(caught.value) == said


def test_a_store_of_another_kind_is_not_replaced(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    other = zarr.create_group(tmp_path / "cells.zarr").create_array("0", shape=(4,), dtype="u1")
    other[...] = 1
    with warnings.catch_warnings(), pytest.raises(OptionError, match="a model's Zarr store"):
        SMALL.write(model(), tmp_path / "cells.zarr", overwrite=True)


@pytest.mark.parametrize(
    ("options", "said"),
    [({"chunk": 32}, "a chunk of 64"), ({"chunk": 96, "shard": 128}, "a multiple of 96")],
)
def test_options_out_of_range(options: dict[str, int], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        ZarrWriter(**options).refuse(model())


def test_the_attributes_are_those_of_the_convention(store: Path) -> None:
    """docs/zarr.md has a row for each attribute."""
    page = (Path(__file__).parents[2] / "docs" / "zarr.md").read_text(encoding="utf-8")
    SMALL.write(
        replace(
            model(),
            arrays={"a": np.zeros(2)},
            metadata=replace(
                model().metadata,
                **dict.fromkeys(("icc", "xmp", "exif"), b"x"),
                mask=np.ones((H, W), bool),
                provenance={"software": "drti"},
                comments=("one",),
            ),
        ),
        store,
        overwrite=True,
    )
    own = strict_json.load(store / "zarr.json")["attributes"]["drti"].object()
    for name in [*own, *(f"planes.{key}" for key in own["planes"])]:
        assert f"| `{name}` |" in page, name
