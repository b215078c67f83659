"""A memory card is sorted into captures, and nothing on it is lost or mixed."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image

from drti_core.cli import main
from drti_core.errors import OptionError, OutputExistsError, StackError
from drti_core.workflow import split
from drti_core.workflow.split import split_card

NOON = datetime(2026, 5, 1, 12)


def shoot(path: Path, seconds: float | None = None) -> Path:
    """A photograph, taken so long after noon."""
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    if seconds is not None:
        at = NOON + timedelta(seconds=seconds)
        exif.get_ifd(34665)[36867] = at.strftime("%Y:%m:%d %H:%M:%S")
        exif.get_ifd(34665)[37521] = f"{at.microsecond:06d}"
    Image.new("RGB", (8, 8), (len(path.name), 9, 9)).save(path, exif=exif)
    os.utime(path, (1e9, 1e9))
    return path


@pytest.fixture
def card(tmp_path: Path) -> Path:
    """Seven shots: the camera's counter begins anew in a second folder, and one has a sidecar."""
    folder = tmp_path / "card"
    for number, name in enumerate(["9998", "9999"]):
        shoot(folder / "DCIM" / "100" / f"IMG_{name}.JPG", number)
    for number in range(1, 6):
        shoot(folder / "DCIM" / "101" / f"IMG_{number:04}.JPG", 60 * number)
    (folder / "DCIM" / "101" / "IMG_0001.JPG.xmp").write_text("sidecar")
    (folder / "MISC.MRK").write_text("no photograph")
    shoot(folder / "DCIM" / "100" / "._IMG_9998.JPG")
    return folder


def tree(folder: Path) -> list[str]:
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(found)


def test_a_card_is_parted_by_number_in_the_order_of_the_shots(card: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    before = tree(card)
    assert split_card(card, out, by=3, dry_run=True).captures[0].folder == out / "001"
    assert not out.exists()
    report = split_card(card, out, by=3)
    assert tree(out) == [
        # By their names alone 0001 would come before 9998.
        "001/1-IMG_9998.JPG", "001/2-IMG_9999.JPG", "001/3-IMG_0001.JPG",
        "001/3-IMG_0001.JPG.xmp", "002/IMG_0002.JPG", "002/IMG_0003.JPG", "002/IMG_0004.JPG",
    ]  # fmt: skip
    assert report.notes == (
        "Left over, as 3 make a capture: IMG_0005.JPG alone.",
        f"{out / '001'}: names are numbered, so that their order is that of the shots.",
        "Left where they are, as no photographs: MISC.MRK.",
    )
    assert [path.name for path in report.left] == ["IMG_0005.JPG"]
    assert tree(card) == before
    assert [capture.status for capture in split_card(card, out, by=3).captures] == ["unchanged"] * 2


def test_a_card_is_parted_where_the_camera_rested(card: Path, tmp_path: Path) -> None:
    shoot(card / "DCIM" / "101" / "IMG_0006.JPG", 300.4)
    shots = [capture.shots for capture in split_card(card, tmp_path / "a", gap=59).captures]
    assert shots == [2, 1, 1, 1, 1, 2]
    report = split_card(card, tmp_path / "b", gap=59, by=2)
    assert [capture.shots for capture in report.captures] == [2, 2]
    assert len(report.left) == 4
    silent = shoot(card / "DCIM" / "101" / "IMG_0007.JPG")
    with pytest.raises(StackError) as caught:
        split_card(card, tmp_path / "c", gap=10)
    assert str(caught.value) == (
        f"{silent}: its EXIF does not say when it was taken; expected the time of every "
        "photograph. Split by the number of shots instead."
    )


def test_nothing_is_written_over(card: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    kept = out / "002" / "kept.txt"
    kept.parent.mkdir(parents=True)
    kept.write_text("kept")
    for how in ("copy", "link", "move"):
        with pytest.raises(OutputExistsError):
            split_card(card, out, by=3, how=how)
    assert tree(out) == ["002/kept.txt"]
    with pytest.raises(OptionError):
        split_card(card, card / "out", by=3)
    assert [c.folder.name for c in split_card(card, out, by=3, first=3).captures] == ["003", "004"]


@pytest.mark.parametrize("other_disk", [False, True])
def test_what_is_moved_leaves_the_card_when_all_is_in_its_place(
    card: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, other_disk: bool
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    if other_disk:
        monkeypatch.setattr(Path, "hardlink_to", refuse)
    before, out = tree(card), tmp_path / "out"
    copy = split._put
    monkeypatch.setattr(split, "_put", lambda *a: refuse() if "0003" in a[0].name else copy(*a))
    with pytest.raises(OSError, match="cross-device"):
        split_card(card, out, by=3, how="move")
    assert tree(card) == before
    assert sorted(path.name for path in out.iterdir()) == ["001"]
    monkeypatch.setattr(split, "_put", copy)
    statuses = [capture.status for capture in split_card(card, out, by=3, how="move").captures]
    assert statuses == ["unchanged", "new"]
    assert tree(card) == ["DCIM/100/._IMG_9998.JPG", "DCIM/101/IMG_0005.JPG", "MISC.MRK"]
    assert len(tree(out)) == 7


def test_the_verb_tells_what_is_left(card: Path, tmp_path: Path, capsys) -> None:
    assert main(["split", str(card), "--out", str(tmp_path / "out"), "--by", "3", "--link"]) == 1
    assert "Left over, as 3 make a capture: IMG_0005.JPG alone." in capsys.readouterr().out
    linked = tmp_path / "out" / "002" / "IMG_0002.JPG"
    assert linked.samefile(card / "DCIM" / "101" / "IMG_0002.JPG")
    assert main(["split", str(card), "--out", str(tmp_path / "out")]) == 1
    assert "neither by nor gap" in capsys.readouterr().err
