"""Light files as they are found, and the photographs that their names mean."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drti_core.capture import open_capture
from drti_core.errors import (
    FileError,
    FormatError,
    LightError,
    MissingFileError,
    OptionError,
    OutputExistsError,
    StackError,
    UnsupportedFormatError,
)
from drti_core.formats.lp import (
    READER,
    WRITER,
    check_target,
    parse_lp,
    resolve,
    text,
    write_lights,
    write_lp,
)
from drti_core.formats.lp.text import MAX_BYTES, MAX_ROWS
from drti_core.lights import LightDirections
from drti_core.registry.doors import find_reader, open_stack
from drti_core.workflow import convert_file

LIGHTS = LightDirections([[0, 0, 1], [0.6, 0, 0.8], [0, -0.6, 0.8]])


def lp(folder: Path, content: str | bytes, name: str = "dirs.lp") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def photo(path: Path, grey: int) -> Path:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (6, 4), (grey,) * 3).save(path)
    return path


def greys(stack) -> list[int]:
    """The level of each photograph of a stack of flat ones."""
    from drti_core.arrays import Window

    return [round(float(v)) for v in stack.codes(Window(0, 0, *stack.shape)).mean(axis=(1, 2))]


# --- Real files


@pytest.mark.parametrize(
    ("name", "count", "first", "notes"),
    [
        ("no_count_no_names", 60, None, ()),
        ("realrti_item3", 72, "image00.jpg", ()),
        ("realrti_item4", 63, "image00.jpg", ()),
        (
            "realrti_item7",
            48,
            "image00.jpg",
            (
                "1 of 48 lights are below the horizon (the lowest: line 18, z = -0.001191); "
                "they were raised to it.",
            ),
        ),
        (
            "realrti_item12",
            48,
            "image00.jpg",
            ("The count in the first row is 47, but 48 lights follow.",),
        ),
    ],
)
def test_malformed_files_as_found(data, name, count, first, notes):
    found = parse_lp(data / "lp" / f"{name}.lp")
    assert len(found.names) == len(found.lights) == len(found.xyz) == count
    assert found.names[0] == first
    assert found.notes == notes
    assert not found.positions
    assert (found.lights.xyz[:, 2] >= 0).all()
    length = np.linalg.norm(found.xyz, axis=1, keepdims=True)
    assert np.abs(found.lights.xyz - found.xyz / length).max() < 2e-3


@pytest.mark.slow
def test_every_collection_resolves(data):
    files = [*data.rglob("dirs.lp"), data / "files/reference_8x5/reference_8x5.lp"]
    assert len(files) > 15
    for file in files:
        stack = open_stack(file)
        assert len(stack) == len(stack.lights)
        assert [Path(n).stem for n in stack.names] == [
            re.split(r"[/\\]", str(name))[-1].rsplit(".", 1)[0] for name in parse_lp(file).names
        ]


# --- Text


@pytest.mark.parametrize(
    ("content", "names", "xyz"),
    [
        ("2\na.jpg 0 0 1\nb.jpg 0.6 0 0.8\n", ["a.jpg", "b.jpg"], [[0, 0, 1], [0.6, 0, 0.8]]),
        ("1  \r\n\r\n  a.jpg\t0\t0\t1  \r\n", ["a.jpg"], [[0, 0, 1]]),
        ("# dome 3\n1\n# lamp\na.jpg 0 0 1", ["a.jpg"], [[0, 0, 1]]),
        ("a.jpg 0 0 1\r", ["a.jpg"], [[0, 0, 1]]),
        ("\ufeff1\na.jpg 0 0 1\n", ["a.jpg"], [[0, 0, 1]]),
        ("0 0 1\n.6 0 +.8\n", [None, None], [[0, 0, 1], [0.6, 0, 0.8]]),
        ("a 6e-1 0 8.0E-01\n", ["a"], [[0.6, 0, 0.8]]),
        (
            "a 0,577350269 0,577350269 0.577350269\n",
            ["a"],
            [[0.577350269, 0.577350269, 0.577350269]],
        ),
        (
            "C:\\My  Scans\\jpeg-exports\\x 0.5.jpg 0 0 1\r\n",
            ["C:\\My  Scans\\jpeg-exports\\x 0.5.jpg"],
            [[0, 0, 1]],
        ),
        ("1\n7 0 0 1\n", ["7"], [[0, 0, 1]]),
        ("빛 ä.jpg 0 0 1\n", ["빛 ä.jpg"], [[0, 0, 1]]),
        ("ljus_å.jpg 0 0 1\n".encode("cp1252"), ["ljus_å.jpg"], [[0, 0, 1]]),
    ],
)
def test_variants(tmp_path, content, names, xyz):
    found = parse_lp(lp(tmp_path, content))
    assert list(found.names) == names
    assert found.xyz.tolist() == xyz
    assert found.notes == ()


def test_many_digits_and_lengths(tmp_path):
    found = parse_lp(lp(tmp_path, "a 0.57735026918962584 0 0\nb 0 0 1\n"))
    assert found.xyz[0, 0] == 0.57735026918962584
    assert found.notes == (
        "1 of 2 light directions are not unit vectors (lengths 0.5774 to 1); they were normalised.",
    )


def test_positions_in_millimetres(tmp_path):
    found = parse_lp(lp(tmp_path, "a 0 0 400\nb 300 0 400\nc 0 -300 400\n"))
    assert found.positions
    assert found.xyz.tolist() == [[0, 0, 400], [300, 0, 400], [0, -300, 400]]
    assert np.allclose(found.lights.xyz, LIGHTS.xyz)
    assert found.notes == (
        "The vectors are 400 to 500 long: they were taken as positions of the lights in "
        "millimetres; where the size of a pixel is not known, their directions from the origin are "
        "used.",
    )


def test_positions_become_near_lights(tmp_path):
    for name in "abc":
        Image.new("RGB", (20, 10), "grey").save(tmp_path / f"{name}.png")
    path = lp(tmp_path, "a.png 0 0 400\nb.png 300 0 400\nc.png 0 -300 400\n")
    assert open_stack(path).positions is None
    near = open_stack(path, pixel_size_mm=0.5).positions
    assert near.xyz.tolist() == [[0, 0, 800], [600, 0, 800], [0, -600, 800]]
    with pytest.raises(LightError) as inside:  # as of micrometres
        open_stack(path, pixel_size_mm=500)
    assert str(inside.value) == (
        "the lamps stand 0.046 widths of the picture from its centre; expected 0.25 or more. Give "
        "the right size of a pixel, in the unit of the lamps' positions."
    )
    with pytest.raises(OptionError) as none:
        open_stack(path, pixel_size_mm=float("nan"))
    assert str(none.value) == "pixel size nan; expected millimetres, more than 0"


EXPECTED = "expected 'name x y z' with three numbers. Correct the line, or put a # before it."


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("b.jpg 0 0", "'b.jpg 0 0'"),
        ("b.jpg", "'b.jpg'"),
        ("12", "'12'"),
        ("b.jpg 0 0 up", "'b.jpg 0 0 up'"),
        ("b.jpg 0 0 1,000.5", "'b.jpg 0 0 1,000.5'"),
        ("b.jpg, 0, 0, 1", "'b.jpg, 0, 0, 1'"),
        ("b.jpg 0 0 1_0", "'b.jpg 0 0 1_0'"),
        ("b" * 80, "'" + "b" * 57 + "...'"),
    ],
)
def test_bad_lines_are_named(tmp_path, line, shown):
    path = lp(tmp_path, f"2\na.jpg 0 0 1\n{line}\n")
    with pytest.raises(FormatError) as error:
        parse_lp(path)
    assert str(error.value) == f"{path}, line 3: {shown}; {EXPECTED}"


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ("b nan 0 1", "direction nan 0 1; expected three finite numbers"),
        ("b 0 0 inf", "direction 0 0 inf; expected three finite numbers"),
        ("b 0 0 0", "direction 0 0 0; expected a length of 0.0001 or more"),
        (
            "b 0 0 -1",
            "direction 0 0 -1; expected z >= 0: a light above the object. Give directions from "
            "the object to the light, z towards the camera.",
        ),
    ],
)
def test_bad_directions_are_named(tmp_path, row, text):
    path = lp(tmp_path, f"2\n\na 0 0 1\n{row}\n")
    with pytest.raises(LightError) as error:
        parse_lp(path)
    assert str(error.value) == f"{path}, line 4: {text}"


def test_files_that_are_none(tmp_path):
    path = lp(tmp_path, "3\n\n# nothing\n")
    with pytest.raises(LightError) as empty:
        parse_lp(path)
    assert str(empty.value) == f"{path}: no light; expected a row for each photograph"
    for content in ("1\na 0 0 1\n".encode("utf-16"), b"\x81\x8d 0 0 1"):
        path = lp(tmp_path, content)
        with pytest.raises(FormatError) as binary:
            parse_lp(path)
        assert str(binary.value) == (
            f"{path}: is not plain text; expected a light file in UTF-8 or Windows-1252. "
            "Save it as UTF-8."
        )
    with pytest.raises(MissingFileError) as missing:
        parse_lp(tmp_path / "no.lp")
    assert str(missing.value) == f"{tmp_path / 'no.lp'}: is not there; expected a light file (.lp)"


def test_a_huge_file_is_not_read(tmp_path):
    path = tmp_path / "big.lp"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(FormatError) as error:
        parse_lp(path)
    assert str(error.value) == (
        f"{path}: {MAX_BYTES + 1} bytes; expected at most {MAX_BYTES} bytes of a light file"
    )


# --- Writing


def test_written_bytes(tmp_path):
    path = tmp_path / "out.lp"
    lights = LightDirections([[1, 1, 1], [-0.0, 0, 1], [1e-6, 0, 1]])
    write_lp(path, ["C:\\a b\\x.jpg", None, "#3.jpg"], lights)
    assert path.read_bytes() == (
        b"3\nC:/a b/x.jpg 0.57735026 0.57735026 0.57735026\n0 0 1\n./#3.jpg 1e-06 0 1\n"
    )
    found = parse_lp(path)
    assert found.names == ("C:/a b/x.jpg", None, "./#3.jpg")
    assert np.abs(found.lights.xyz - lights.xyz).max() < 1e-7
    with pytest.raises(OutputExistsError):
        write_lp(path, [None] * 3, lights)
    write_lp(path, [None] * 3, LIGHTS, overwrite=True)
    assert parse_lp(path).names == (None, None, None)


def test_unwritable_names(tmp_path):
    path = tmp_path / "out.lp"
    with pytest.raises(OptionError) as count:
        write_lp(path, ["a"], LIGHTS)
    assert str(count.value) == f"{path}: 1 names; expected 3"
    for target in (path, tmp_path / "out.csv"):
        for name, expected in (
            ("b\nc", "a name without line breaks"),
            ("caf\udce9", "a name that is text (UTF-8)"),
        ):
            with pytest.raises(OptionError) as refused:
                write_lights(target, ["a", name, "d"], LIGHTS)
            assert str(refused.value) == (
                f"{target}: name {name!r}; expected {expected}. Rename the photograph."
            )
            assert not target.exists()


@pytest.mark.parametrize("ending", ["lp", "csv"])
def test_no_name_is_taken_for_a_comment(tmp_path, ending):
    """Nor loses its blanks: what is written is read back, and leads to the photographs."""
    path = tmp_path / f"out.{ending}"
    names = ["# a.jpg", "  b.jpg", '"c", d.jpg']
    write_lights(path, names, LIGHTS, comments=["# a.jpg"])
    assert parse_lp(path).names == ("./# a.jpg", "./  b.jpg", '"c", d.jpg')
    for name in names:
        (tmp_path / name).touch()
    assert resolve(parse_lp(path))[0] == [tmp_path / name for name in names]


def test_a_table_with_a_field_that_is_too_long(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("name,x,y,z\na,0,0,1\n" + "b" * 140_000 + ",0,0,1\n")
    with pytest.raises(FormatError) as error:
        parse_lp(path)
    assert str(error.value) == (
        f"{path}, line 3: field larger than field limit (131072); expected a row of a table"
    )


@pytest.mark.parametrize("convention", ["cartesian", "spherical", "polar", "disk"])
def test_converted_there_and_back(tmp_path, convention):
    source, table, back = (tmp_path / name for name in ("a.lp", "b.csv", "c.lp"))
    write_lp(source, ["a.jpg", "b c.jpg", "d.jpg"], LIGHTS)
    assert convert_file(source, table, convention=convention).notes == ()
    assert convert_file(table, back).notes == ()
    found = parse_lp(back)
    assert found.names == ("a.jpg", "b c.jpg", "d.jpg")
    assert np.abs(found.lights.xyz - LIGHTS.xyz).max() < 1e-6


def test_conversion_reports_and_refuses(tmp_path):
    source = lp(tmp_path, "3\na 0 0 1\nb 1 0 -0.01\n")
    assert convert_file(source, tmp_path / "t.csv", convention="spherical").notes == (
        "The count in the first row is 3, but 2 lights follow.",
        "1 of 2 lights are below the horizon (the lowest: line 3, z = -0.01); "
        "they were raised to it.",
    )
    assert (tmp_path / "t.csv").read_text().splitlines()[1:] == ["a,0,90", "b,0,0"]
    with pytest.raises(OptionError) as ending:
        check_target(tmp_path / "t.txt", None)
    assert str(ending.value) == f"{tmp_path / 't.txt'}: ending '.txt'; expected .lp or .csv"
    with pytest.raises(OptionError) as convention:
        convert_file(source, tmp_path / "t.lp", convention="polar")
    assert str(convention.value) == (
        f"{tmp_path / 't.lp'}: polar lights; expected Cartesian ones in a .lp file. "
        "Write a .csv file instead."
    )
    with pytest.raises(OutputExistsError):
        convert_file(source, tmp_path / "t.csv")


# --- Names and photographs


def test_rows_get_the_photographs_they_name(tmp_path):
    """Not the n-th of the folder's sorted listing, where img10 comes before img2 (B6)."""
    rows = [f"img{i}.png {0.001 * i} 0 1" for i in range(1, 13)]
    for i in range(1, 13):
        photo(tmp_path / f"img{i}.png", 10 * i)
    stack = open_stack(lp(tmp_path, "\n".join(rows)))
    assert greys(stack) == [10 * i for i in range(1, 13)]
    shuffled = open_stack(lp(tmp_path, "\n".join(rows[::-1])))
    assert greys(shuffled) == [10 * i for i in range(12, 0, -1)]
    assert shuffled.lights.xyz[0, 0] == pytest.approx(0.012, abs=1e-5)


def test_rows_without_names_take_the_natural_order(tmp_path):
    for i in (1, 2, 10):
        photo(tmp_path / f"img{i}.png", i)
    dome = lp(tmp_path, "0 0 1\n0.6 0 0.8\n0 -0.6 0.8\n")
    stack = open_stack(tmp_path)
    assert greys(stack) == [1, 2, 10]
    assert stack.notes == (
        "The rows have no names: the pictures were taken in natural order, img1.png to img10.png.",
    )
    mask = photo(tmp_path / "mask.png", 255)
    assert greys(open_stack(tmp_path, mask=mask)) == [1, 2, 10]
    untold = open_stack(tmp_path)
    assert greys(untold) == [1, 2, 10]
    assert untold.notes[1] == "Left out, as they are no photographs by their names: mask.png."
    photo(tmp_path / "img11.png", 11)
    with pytest.raises(StackError) as error:
        open_stack(tmp_path)
    assert str(error.value) == (
        f"{dome}: 3 rows without names and 4 photographs in {tmp_path}; expected a name in each "
        "row, or a photograph for each row. Name the photographs, or take the others out of the "
        "folder."
    )


def test_photographs_of_a_mask_are_photographs(tmp_path):
    for i in (1, 2, 3):
        photo(tmp_path / f"mask_{i}.png", i)
    rows = "0 0 1\n0.6 0 0.8\n0 -0.6 0.8\n"
    lp(tmp_path, rows)
    assert greys(open_stack(tmp_path)) == [1, 2, 3]
    assert open_capture(tmp_path).names == ("mask_1.png", "mask_2.png", "mask_3.png")


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("sub/a.png", "set/lights/sub/a.png"),
        ("sub\\a.png", "set/lights/sub/a.png"),
        ("C:\\Users\\me\\my scans\\a.png", "set/lights/a.png"),
        ("/home/me/a.png", "set/lights/a.png"),
        ("../pictures/a.png", "set/pictures/a.png"),
        ("C:\\x\\jpeg-exports\\a.png", "set/jpeg-exports/a.png"),
        ("a.tif", "set/lights/a.png"),
        ("A.JPG", "set/lights/a.png"),
        ("A.PNG", "set/lights/a.png"),
        ("a", "set/lights/a.png"),
        ("C:\\x\\a.jpg", "set/jpeg-exports/a.png"),
        ("a\u0308.png", "set/lights/\u00e4.png"),
    ],
)
def test_where_photographs_are_looked_for(tmp_path, name, where):
    photo(tmp_path / where, 77)
    file = lp(tmp_path / "set/lights", f"1\n{name} 0 0 1\n")
    assert greys(open_stack(file)) == [77]


def test_absolute_names_and_another_folder(tmp_path):
    there = photo(tmp_path / "elsewhere/a.png", 5)
    file = lp(tmp_path / "set", f"{there} 0 0 1\n")
    assert greys(open_stack(file)) == [5]
    photo(tmp_path / "more/a.png", 6)
    assert greys(open_stack(lp(tmp_path / "set", "a.png 0 0 1\n"), images=tmp_path / "more")) == [6]


def test_the_exact_name_wins(tmp_path):
    for name, grey in (("a.png", 1), ("a.tif", 2), ("b.png", 3)):
        photo(tmp_path / name, grey)
    stack = open_stack(lp(tmp_path, "a.tif 0 0 1\nb.jpg 0.6 0 0.8\n"))
    assert greys(stack) == [2, 3]
    assert stack.notes == (f"Pictures of {tmp_path} that no row names are left out: a.png.",)


def test_missing_photographs(tmp_path):
    photo(tmp_path / "a.png", 1)
    rows = "".join(f"{n}.png 0 0 1\n" for n in "abcdef")
    file = lp(tmp_path, rows)
    with pytest.raises(MissingFileError) as error:
        open_stack(file)
    assert str(error.value) == (
        f"{file}: 5 of 6 photographs are not there: b.png, c.png, d.png, e.png, …; "
        f"expected them in {tmp_path}. Put them there, or name their folder (images=)."
    )
    long = "x" * 5000
    with pytest.raises(MissingFileError, match="1 of 1 photographs are not there"):
        open_stack(lp(tmp_path, f"{long}.png 0 0 1\n"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
@pytest.mark.parametrize(
    ("make", "what"),
    [
        (Path.mkdir, "a folder"),
        (lambda path: os.mkfifo(path), "a named pipe"),
        (lambda path: path.symlink_to("/dev/null"), "a device"),
    ],
)
@pytest.mark.parametrize("name", ["b.png", "C:\\shots\\b.png"])
def test_what_is_no_photograph_is_told_as_what_it_is(tmp_path, make, what, name):
    photo(tmp_path / "a.png", 1)
    make(tmp_path / "b.png")
    with pytest.raises(FileError) as error:
        open_stack(lp(tmp_path, f"a.png 0 0 1\n{name} 0.6 0 0.8\nc.png 0 0.6 0.8\n"))
    assert str(error.value) == f"{tmp_path / 'b.png'}: is {what}; expected a regular file"


def test_ambiguous_and_double_photographs(tmp_path):
    photo(tmp_path / "a.png", 1)
    photo(tmp_path / "a.tif", 1)
    file = lp(tmp_path, "# x\na.jpg 0 0 1\n")
    with pytest.raises(StackError) as several:
        open_stack(file)
    assert str(several.value) == (
        f"{file}, line 2: 'a.jpg' may be a.png, a.tif; expected one photograph of this name. "
        "Give its exact name."
    )
    file = lp(tmp_path, "a.png 0 0 1\na.tif 0 0 1\nx/A.PNG 0.6 0 0.8\n")
    with pytest.raises(StackError) as double:
        open_stack(file)
    assert str(double.value) == (
        f"{file}, line 1 and line 3: 'a.png' and 'x/A.PNG' are the same photograph "
        f"{tmp_path / 'a.png'}; expected a photograph of its own for each row"
    )


def test_some_rows_without_names(tmp_path):
    photo(tmp_path / "a.png", 1)
    file = lp(tmp_path, "a.png 0 0 1\n0.6 0 0.8\n")
    with pytest.raises(StackError) as error:
        open_stack(file)
    assert str(error.value) == (
        f"{file}, line 2: has no name, though other rows have; expected 'name x y z'. "
        "Name the photograph of every row."
    )


# --- The reader


def test_reader(tmp_path):
    photo(tmp_path / "a.png", 1)
    file = lp(tmp_path, "1\na.png 0 0 1\n")
    lp(tmp_path, b"\0\5\x16\7", "._dirs.lp")
    assert WRITER is None
    assert READER.reader_id == "lp"
    assert READER.sniff(tmp_path, b"")
    assert greys(READER.read(tmp_path)) == greys(READER.read(file)) == [1]
    # Beside a model it is still the folder of photographs, for those who ask for these.
    (tmp_path / "info.json").write_text("{}")
    assert find_reader(tmp_path).reader_id == "folder"
    assert greys(open_stack(tmp_path)) == [1]


@pytest.mark.parametrize(
    ("head", "is_lights"),
    [
        (b"1\na.jpg 0 0 1\n", True),
        (b"0.1 0.2 0.9\n" * 60, True),
        (b"# dome\n0,1 0,2 0,9\n", True),
        (b"name,disk_x,disk_y\na,0,0\n", True),
        (b"", False),
        (b"12\n", False),
        (b"PTM_1.2\nPTM_FORMAT_RGB\n512\n512\n1 1 1 1 1 1\n", False),
        (b"#HSH1.2\r\n512 512 3\r\n9 2 1\r\n", False),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", False),
        (b"just some words\n", False),
        (b'{"width": 1}', False),
    ],
)
def test_sniffing(tmp_path, head, is_lights):
    assert READER.sniff(tmp_path / "x", head[:512]) is is_lights


def test_sniffing_real_files(data):
    for file in sorted(data.rglob("*.lp")):
        assert READER.sniff(file, file.read_bytes()[:512]), file
    for pattern in ("*.ptm", "*.rti", "*.json", "*.jpg"):
        for file in sorted(data.rglob(pattern))[:20]:
            assert not READER.sniff(file, file.read_bytes()[:512]), file
    assert not READER.sniff(data / "relight" / "ptm", b"")


def test_rows_go_to_the_photographs_by_order(tmp_path):
    """The lights of a dome were measured with a ball, whose photographs had other names."""
    for name, grey in (("c10.png", 3), ("c2.png", 2), ("c1.png", 1)):
        photo(tmp_path / name, grey)
    file = lp(tmp_path, "ball1.jpg 0 0 1\nball2.jpg 0.6 0 0.8\nball3.jpg 0 0.6 0.8\n")
    with pytest.raises(MissingFileError) as error:
        open_stack(file)
    assert str(error.value) == (
        f"{file}: 3 of 3 photographs are not there: ball1.jpg, ball2.jpg, ball3.jpg; expected them "
        f"in {tmp_path}. Put them there, or name their folder (images=). Or the rows may be those "
        "of the 3 pictures there by their order (by_order=)."
    )
    order = "the pictures were taken in natural order, c1.png to c10.png."
    for stack, why in (
        (
            open_stack(file, by_order=True),
            "The names in the light file are left alone, as was asked",
        ),
        (
            open_stack(file, reader="lp:by_order=unmatched"),
            "No photograph is there that a row names",
        ),
    ):
        assert greys(stack) == [1, 2, 3]
        assert stack.notes == (f"{why}: {order}",)
    named = lp(tmp_path, "c10.png 0 0 1\nc2.png 0.6 0 0.8\nc1.png 0 0.6 0.8\n", "named.lp")
    assert greys(open_stack(named, reader="lp:by_order=unmatched")) == [3, 2, 1]
    assert greys(open_stack(named, by_order=True)) == [1, 2, 3]
    photo(tmp_path / "c11.png", 4)
    with pytest.raises(StackError) as few:
        open_stack(file, by_order=True)
    assert str(few.value) == (
        f"{file}: 3 rows and 4 photographs in {tmp_path}; expected a name in each row, or a "
        "photograph for each row. Name the photographs, or take the others out of the folder."
    )
    (tmp_path / "a.dome").write_text('{"lightConfiguration": "directional", "directions": []}')
    with pytest.raises(OptionError) as other:
        open_stack(tmp_path / "a.dome", by_order=True)
    assert str(other.value) == (
        f"{tmp_path / 'a.dome'}: photographs by their order for the reader dome; expected a light "
        "file"
    )


def test_folders_without_one_light_file(tmp_path):
    with pytest.raises(LightError) as none:
        open_stack(tmp_path, reader="lp")
    assert str(none.value) == (
        f"{tmp_path}: no light file; expected one file *.lp. Put it beside the photographs."
    )
    with pytest.raises(UnsupportedFormatError) as unknown:
        open_stack(tmp_path)
    assert str(unknown.value) == (
        f"{tmp_path}: not a folder (it is empty) of a known format; expected one of: "
        "lights of RelightLab (.dome) beside their photographs; "
        "photographs with a light file (.lp), or their folder; "
        "photometric-stereo benchmarks (filenames.txt, light_directions.txt, "
        "light_intensities.txt); "
        "project of RelightLab (.relight) with its photographs"
    )
    lp(tmp_path, "a 0 0 1", "b10.lp")
    lp(tmp_path, "a 0 0 1", "b2.LP")
    with pytest.raises(LightError) as several:
        open_stack(tmp_path)
    assert str(several.value) == (
        f"{tmp_path}: 2 light files: b2.LP, b10.lp; expected one file *.lp. "
        "Name the light file itself."
    )


@pytest.mark.parametrize("name", ["a", "p{}.png", "sub/p{}"])
def test_folders_are_looked_up_once_however_many_rows_there_are(tmp_path, monkeypatch, name):
    """Neither the system nor the pictures are asked again for each row."""
    for number in range(3):
        photo(tmp_path / f"q{number}.png", number)
    rows = 2000
    path = lp(tmp_path, "".join(f"{name.format(i)} 0 0 1\n" for i in range(rows)))
    asked: list[str] = []
    for call in ("stat", "scandir", "listdir"):
        real = getattr(os, call)
        monkeypatch.setattr(
            os, call, lambda *a, real=real, **k: (asked.append(str(a)), real(*a, **k))[1]
        )
    with pytest.raises(MissingFileError, match=f"{rows} of {rows} photographs are not there"):
        open_stack(path)
    assert len(asked) < 300, len(asked)


def test_more_rows_than_any_dome_takes_are_refused(tmp_path, monkeypatch):
    assert MAX_ROWS == 100_000
    monkeypatch.setattr(text, "MAX_ROWS", 100)
    path = lp(tmp_path, "a 0 0 1\n" * 101 + "and no light at all\n")
    with pytest.raises(FormatError) as caught:
        parse_lp(path)
    assert str(caught.value) == (
        f"{path}: more than 100 lights; expected a row for each photograph. "
        "Leave out the rows without one."
    )
    lp(tmp_path, "\n".join(["0 " * 101] * 2 + ["1 " * 101]))
    with pytest.raises(FormatError, match="more than 100 lights"):
        parse_lp(path)


def test_a_folder_that_may_not_be_listed_is_asked_for_each_photograph(tmp_path, monkeypatch):
    photo(tmp_path / "in" / "a.png", 7)
    path = lp(tmp_path, "in/a.png 0 0 1\n")
    real = os.listdir

    def denied(folder):
        if str(folder).endswith("in"):
            raise PermissionError(13, "Permission denied", folder)
        return real(folder)

    monkeypatch.setattr(os, "listdir", denied)
    assert greys(open_stack(path)) == [7]
