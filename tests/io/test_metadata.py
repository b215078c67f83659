"""What photographs say of themselves goes with the model, through every file, and comes back."""

from __future__ import annotations

import json
import struct
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, TiffImagePlugin

import drti_core as drti
from drti_core.cli import main
from drti_core.errors import FormatError
from drti_core.formats.lp import write_lp
from drti_core.formats.rti.trailer import trailer, with_trailer
from drti_core.io import strict_xml
from drti_core.io.pictures import exif, xmp
from drti_core.io.pictures.photos import probe
from drti_core.io.pictures.tiff import write_tiff
from drti_core.io.pictures.writers import Tags, rows_of
from drti_core.model import Metadata
from drti_core.registry.doors import open_stack
from drti_core.testing import dome, make_stack

PACKET = (
    b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
    b'rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" dc:rights="A museum"/></rdf:RDF>'
    b'</x:xmpmeta><?xpacket end="w"?>'
)
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def camera_exif() -> Image.Exif:
    tags = Image.Exif()
    tags[271], tags[272], tags[274] = "Makers & Sons", "Model 1", 1
    tags[33432] = "A museum"
    inner = tags.get_ifd(34665)
    inner[33434] = TiffImagePlugin.IFDRational(1, 60)
    inner[36867] = "2020:01:02 03:04:05"
    inner[37500] = b"private" * 20
    inner[40962] = 9999
    tags.get_ifd(34853)[1] = "N"
    return tags


EXIF = exif.clean(camera_exif().tobytes())


def read_exif(block: bytes | None) -> tuple[dict, dict, dict]:
    tags = Image.Exif()
    tags.load(block)
    first = {tag: value for tag, value in tags.items() if tag not in (34665, 34853)}
    return first, dict(tags.get_ifd(34665)), dict(tags.get_ifd(34853))


KNOWN = (
    {271: "Makers & Sons", 272: "Model 1", 33432: "A museum"},
    {33434: TiffImagePlugin.IFDRational(1, 60), 36867: "2020:01:02 03:04:05"},
    {1: "N"},
)


@pytest.fixture(params=["jpg", "png", "tif"])
def photographs(request, tmp_path):
    """Six photographs of which the second has it all."""
    folder, lights = tmp_path / "photographs", dome(6)
    folder.mkdir()
    pixels = make_stack(lights=lights).images
    names = [f"{number}.{request.param}" for number in range(6)]
    for number, name in enumerate(names):
        said = {}
        if number == 1:
            said = {"icc_profile": ICC, "exif": camera_exif()}
            if request.param != "tif":
                said["xmp"] = PACKET
            if request.param == "png":
                from PIL.PngImagePlugin import PngInfo

                said["pnginfo"] = PngInfo()
                said["pnginfo"].add_itxt("XML:com.adobe.xmp", PACKET.decode())
                del said["xmp"]
        image = Image.fromarray(pixels[number])
        if number == 1 and request.param == "tif":
            # Pillow writes either tags of a directory or EXIF, but not both.
            rows, tags = rows_of(pixels[number]), Tags(exif=EXIF, xmp=PACKET)
            write_tiff(folder / name, rows, pixels[number].shape[:2], np.uint8, icc=ICC, tags=tags)
        else:
            image.save(folder / name, **said)
    write_lp(folder / "dirs.lp", names, lights)
    return folder


def assert_all_there(metadata, size: float | None = 0.125) -> None:
    assert metadata.icc == ICC
    assert metadata.xmp == PACKET
    assert read_exif(metadata.exif) == KNOWN
    assert metadata.pixel_size_mm == size


@pytest.mark.slow
def test_from_photographs_to_folders_renders_and_trailers_and_back(photographs, tmp_path):
    ends = photographs.joinpath("dirs.lp")
    assert_all_there(open_stack(ends), None)
    for output in ("folder", "model.rti"):
        report = drti.fit_file(
            ends, tmp_path / output, codec="hsh", pixel_size_mm=0.125, crop=drti.Window(1, 2, 8, 9)
        )
        assert not any("no place" in note for note in report.notes)
        model = drti.open_model(tmp_path / output)
        assert_all_there(model.metadata)
        names = [path.name for path in sorted(photographs.glob("[0-9]*"))]
        assert model.metadata.provenance == {
            "software": f"drti {drti.__version__}",
            "codec": {
                "id": "hsh",
                "class": "drti_core.codecs.hsh:HshCodec",
                "options": drti_options("hsh"),
            },
            "photographs": names,
            "light_file": "dirs.lp",
            "crop": [2, 1, 9, 8],
        }
        assert np.allclose(model.metadata.lights.xyz, dome(6).xyz, atol=1e-6)
        # Pictures of it carry the same, and are photographs again.
        renders = tmp_path / f"renders of {output}"
        renders.mkdir()
        lights = dome(6)
        for ending in ("tif", "png", "jpg"):
            drti.save_relit(model, lights, renders / f"{ending}.{ending}")
            files = sorted(renders.glob(f"{ending}-*"), key=lambda path: int(path.stem[4:]))
            write_lp(renders / "dirs.lp", [file.name for file in files], lights, overwrite=True)
            assert_all_there(open_stack(renders / "dirs.lp"))
            with Image.open(files[0]) as picture:
                picture.load()
                if ending == "tif":
                    assert float(picture.tag_v2[282]) == float(picture.tag_v2[283]) == 80.0
                    assert picture.tag_v2[296] == 3
                    assert picture.tag_v2[271] == "Makers & Sons"
                if ending == "png":
                    assert picture.info["dpi"] == pytest.approx((203.2, 203.2))
                assert read_exif(probe(files[0]).exif) == KNOWN
    # Converted, nothing is lost.
    drti.convert_file(tmp_path / "folder", tmp_path / "again.rti")
    drti.convert_file(tmp_path / "again.rti", tmp_path / "again")
    assert_all_there(drti.open_model(tmp_path / "again").metadata)
    provenance = drti.open_model(tmp_path / "folder").metadata.provenance
    assert drti.open_model(tmp_path / "again").metadata.provenance == provenance


def drti_options(spec: str) -> dict:
    codec = drti.get_codec(spec)
    return {option.name: getattr(codec, option.name) for option in fields(codec)}


def test_the_command_line(photographs, tmp_path, capsys):
    out = tmp_path / "model"
    assert main(["fit", str(photographs), "-o", str(out), "--pixel-size", "0.05"]) == 0
    info = json.loads((out / "info.json").read_text())
    assert info["pixelSizeInMM"] == 0.05
    assert info["drti"]["provenance"]["photographs"][0].startswith("0.")
    assert "exif" in info["drti"]
    capsys.readouterr()
    assert main(["info", "--json", str(out)]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["provenance"]["codec"]["id"] == "hsh"
    assert said["exif_bytes"] == len(EXIF)
    assert main(["fit", str(photographs), "-o", str(tmp_path / "b"), "--pixel-size", "-1"]) == 1
    assert capsys.readouterr().err == (
        "error: pixel size -1.0; expected millimetres, more than 0\n"
    )


def test_a_codec_that_knows_nothing_of_it(tmp_path):
    """What a codec leaves out of the metadata is added from the photographs."""
    stack = replace(make_stack(), icc=ICC, xmp=PACKET, exif=EXIF, pixel_size_mm=0.5)
    from drti_core.model.provenance import with_provenance

    codec = drti.get_codec("ptm")
    model = codec.fit(make_stack()).with_metadata(xmp=b"own", provenance={"software": "mine"})
    found = with_provenance(model, stack, codec, mask=Path("/secret/mask.png"), crop=None).metadata
    assert (found.icc, found.xmp, found.exif, found.pixel_size_mm) == (ICC, b"own", EXIF, 0.5)
    assert found.provenance["software"] == "mine"
    assert found.provenance["mask"] == "mask.png"
    assert "crop" not in found.provenance


# --- EXIF


@pytest.mark.parametrize("order", ["<", ">"])
def test_exif_of_both_byte_orders(order):
    tags = camera_exif()
    tags.endian = order
    block = tags.tobytes()
    assert block[:8].endswith(b"II*\0" if order == "<" else b"MM\0*") or block[6:10] in (
        b"II*\0",
        b"MM\0*",
    )
    assert read_exif(exif.clean(block)) == KNOWN
    assert exif.clean(exif.clean(block)) == exif.clean(block)


def test_exif_that_is_none():
    for block in (None, b"", b"Exif\0\0", b"II*\0", b"II*\0\x08\0\0\0", b"nonsense" * 9):
        assert exif.clean(block) is None
    assert exif.write(exif.Exif()) is None


def test_damaged_exif_never_raises():
    block = camera_exif().tobytes()
    random = np.random.default_rng(0)
    for _ in range(2000):
        data = bytearray(block)
        for at in random.integers(6, len(data), random.integers(1, 9)):
            data[at] = random.integers(256)
        exif.clean(bytes(data[: random.integers(6, len(data) + 1)]))


def test_a_directory_that_points_at_itself_ends():
    entry = struct.pack("<HHII", 34665, 4, 1, 8)
    block = b"II*\0" + struct.pack("<IH", 8, 1) + entry + bytes(4)
    assert exif.clean(block) is None
    many = b"II*\0" + struct.pack("<IH", 8, 65535) + entry * 100
    assert exif.clean(many) is None


# --- Packets


@pytest.mark.parametrize("packet", [None, PACKET, b"no packet", PACKET + b"\n   "])
def test_facts_are_taken_out_byte_for_byte(packet):
    facts = {"name": "Königsgrab <1> & 2", "sizes": [1, 2.5, None]}
    found, node = xmp.split(xmp.with_facts(packet, facts), Path("a.rti"))
    assert found == packet
    assert node.value == facts


def test_packets_without_facts_are_left_alone():
    for packet in (PACKET, b"<drti:facts>", b"x"):
        assert xmp.split(packet, Path("a")) == (packet, None)


def test_facts_are_seen_by_other_programs():
    """They are a property of well-formed RDF."""
    for packet in (PACKET, None):
        root = strict_xml.parse(xmp.with_facts(packet, {"a": "<&>"}), Path("a.rti"))
        described = root.child("rdf:RDF").children[-1]
        assert described.child("drti:facts").text == '{"a": "<&>"}'


DAMAGED = {
    "no JSON": "its drti:facts cannot be read (Expecting value: line 1 column 1 (char 0))",
    '{"lights": [1, 2]}': "drti:facts.lights: [1, 2]; expected x, y, z of each light",
    '{"encoding": "sRGB"}': 'drti:facts.encoding: "sRGB"; expected "srgb" or "linear"',
    '{"pixelSizeInMM": -1}': "drti:facts.pixelSizeInMM: -1; expected a finite number above 0",
    '{"icc": "%"}': 'drti:facts.icc: "%"; expected base64',
    '{"provenance": 1}': "drti:facts.provenance: 1; expected an object",
    "[]": "drti:facts: []; expected an object",
}


@pytest.mark.parametrize("text", DAMAGED)
def test_damaged_facts_are_noted(text):
    tail = xmp.with_facts(PACKET, {}).replace(b"{}", text.encode())
    found = with_trailer(Metadata(notes=("first",)), tail, Path("a.rti"), (4, 5))
    assert found.xmp == tail
    assert found.lights is None
    assert found.notes == (
        "first",
        f"what the packet says of the model is not used: a.rti: {DAMAGED[text]}",
    )


def test_deep_facts():
    tail = xmp.with_facts(None, {}).replace(b"{}", b"[" * 100_000)
    with pytest.raises(FormatError, match="drti:facts cannot be read"):
        xmp.split(tail, Path("a.rti"))


def test_facts_can_be_left_out_of_a_rti(tmp_path):
    model = drti.get_codec("hsh").fit(make_stack()).with_metadata(xmp=PACKET)
    notes = drti.save_model(model, tmp_path / "a.rti", writer="rti:facts=false")
    assert "a .rti has no place for: lights" in notes
    assert (tmp_path / "a.rti").read_bytes().endswith(PACKET)
    assert trailer(Metadata(xmp=PACKET), True, None) == PACKET
    assert trailer(Metadata(), True, None) == b""


def test_a_photograph_with_damaged_facts_is_a_photograph(tmp_path):
    for text in (b'{"pixelSizeInMM": "wide"}', b"{"):
        packet = xmp.with_facts(PACKET, {}).replace(b"{}", text)
        Image.new("RGB", (4, 3)).save(tmp_path / "a.jpg", xmp=packet)
        info = probe(tmp_path / "a.jpg")
        assert info.pixel_size_mm is None
        assert info.xmp == packet


def test_large_packets_are_left_out_of_jpeg_only(tmp_path):
    model = (
        drti.get_codec("ptm")
        .fit(make_stack())
        .with_metadata(xmp=PACKET.replace(b"A museum", b"x" * 70_000))
    )
    light = dome(1)
    for ending, kept in {"jpg": False, "png": True, "tif": True}.items():
        drti.save_relit(model, light, tmp_path / f"a.{ending}")
        assert (probe(tmp_path / f"a.{ending}").xmp == model.metadata.xmp) == kept
