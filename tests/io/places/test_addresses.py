"""A text is a URL only where it can be nothing else, and is told without secrets."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from drti_core.errors import MissingExtraError, OptionError
from drti_core.io.places import Visit, bring, is_url, told


@pytest.mark.parametrize(
    "name",
    [
        "coin.ptm",
        "a:b",
        "s3:/bucket/x",
        "C:/coin.ptm",
        "c:\\coin",
        "S3://b",
        "://x",
        "x::s3://b",
        "",
    ],
)
def test_odd_names_stay_paths(name: str) -> None:
    assert not is_url(name)
    assert bring(name).path == Path(name)
    assert bring(name).mount is None


def test_a_file_url_is_a_plain_path() -> None:
    assert bring("file:///data/a%20coin.ptm").path == Path("/data/a coin.ptm")
    with pytest.raises(OptionError) as caught:
        bring("file://server/coin.ptm")
    text = "file://server/coin.ptm; expected file:///PATH, of this machine. Name the path itself."
    assert str(caught.value) == text


def test_no_secret_is_told() -> None:
    text = "zip://a::https://me:pw@h.org/b.zip?X-Amz-Signature=1#x s3://key:pw@bucket/c?d"
    assert told(text) == "zip://a::https://h.org/b.zip?… s3://bucket/c?d"


def test_a_missing_extra_or_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OptionError) as unknown:
        bring("nope://a/b")
    assert str(unknown.value) == (
        "nope://a/b: Protocol not known: nope; expected a protocol that fsspec knows"
    )
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(MissingExtraError) as missing:
        bring("s3://me:pw@bucket/coin.ptm")
    assert str(missing.value) == (
        "opening s3://bucket/coin.ptm needs the 'cloud' extra, which is not installed. "
        "Install it with: pip install 'drti[cloud]'"
    )


def test_what_cannot_be_opened_is_told() -> None:
    source: object = 5
    with pytest.raises(OptionError) as caught:
        bring(source)  # type: ignore[arg-type]
    assert str(caught.value) == (
        "an object of the type int; expected a path, a URL, bytes, or a file that is open for "
        "reading"
    )


@pytest.mark.parametrize(
    "url", ["memory://a/../../../etc/passwd", "https://h.org/a/%2e%2e/%2e%2e/etc", "memory://a//b"]
)
def test_a_name_leads_nowhere_else(url: str) -> None:
    for open_it in (Visit().read, Visit().either, Visit().write):
        with pytest.raises(OptionError) as caught:
            open_it(url)
        assert str(caught.value).startswith(f"{url}: ")
