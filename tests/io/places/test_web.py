"""Servers of the web that send too little, too much, too slowly, or elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from drti_core.errors import DrtiError, FileError, FormatError, MissingFileError
from drti_core.io import regular
from drti_core.io.places import addresses, bring, mounts, stores

pytest.importorskip("aiohttp")

CONTENT = bytes(range(256)) * 4000


class Handler(BaseHTTPRequestHandler):
    """A name says how the server behaves."""

    protocol_version = "HTTP/1.1"
    asked: ClassVar[list[tuple[str, str]]] = []

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        span = self.headers.get("Range", "")
        Handler.asked.append((self.path, span))
        getattr(self, path.strip("/").partition(".")[0].replace("/", "_"), self.none)(span)

    def none(self, _: str) -> None:
        self.send_error(404)

    def sound(self, span: str) -> None:
        start, stop = (int(part) for part in span.removeprefix("bytes=").split("-"))
        part = CONTENT[start : stop + 1]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {start}-{start + len(part) - 1}/{len(CONTENT)}")
        self._send(part, len(part))

    def whole(self, _: str) -> None:
        self.send_response(200)
        self._send(CONTENT, len(CONTENT))

    def both(self, span: str) -> None:
        (self.sound if span else self.whole)(span)

    def cut(self, _: str) -> None:
        self.send_response(200)
        self._send(CONTENT[:1000], len(CONTENT))
        self.close_connection = True

    def silent(self, _: str) -> None:
        self.send_response(200)
        self._send(CONTENT[:1000], len(CONTENT))
        time.sleep(1)

    def endless(self, _: str) -> None:
        self.send_response(206)
        self.send_header("Content-Range", "bytes 0-99/1000")
        self.send_header("Connection", "close")
        self.end_headers()
        while True:
            self.wfile.write(bytes(1 << 20))

    def local(self, _: str) -> None:
        self.send_response(302)
        self.send_header("Location", "file:///etc/passwd")
        self._send(b"", 0)

    def broken(self, _: str) -> None:
        self.send_error(503)

    def _send(self, content: bytes, length: int) -> None:
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(content)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        pass  # who has heard enough hangs up


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_heads_come_by_one_question_each_and_wholes_by_another(url: str) -> None:
    Handler.asked.clear()
    place = bring(f"{url}/both.ptm?signature=secret")
    with regular.open_file(place.path) as file:
        assert file.read(1000) == CONTENT[:1000]
    assert Handler.asked == [("/both.ptm?signature=secret", "bytes=0-65535")]
    assert regular.read_bytes(place.path, len(CONTENT), "bytes") == CONTENT
    assert Handler.asked[-1] == ("/both.ptm?signature=secret", "")
    # Of what lies beside it the signature says nothing.
    assert not regular.look(place.path.with_name("plane 1.jpg")).exists()
    assert Handler.asked[-1] == ("/plane%201.jpg", "bytes=0-65535")


def test_a_server_that_gives_whole_files_only(url: str) -> None:
    assert regular.read_bytes(bring(f"{url}/whole.ptm").path, len(CONTENT), "bytes") == CONTENT


@pytest.mark.parametrize(
    ("name", "kind", "text"),
    [
        ("none.ptm", MissingFileError, "is not there"),
        ("broken.ptm", FileError, "cannot be read (503 Service Unavailable)"),
    ],
)
def test_what_a_server_refuses_is_told_without_secrets(
    url: str, name: str, kind: type[DrtiError], text: str
) -> None:
    with pytest.raises(kind) as caught:
        bring(f"{url.replace('//', '//me:secret@')}/{name}?signature=secret")
    assert str(caught.value) == f"{url}/{name}?…: {text}"


def test_a_redirection_leads_to_the_web_only(url: str) -> None:
    with pytest.raises(FileError) as caught:
        bring(f"{url}/local.ptm")
    assert str(caught.value) == f"{url}/local.ptm: cannot be read (file:///etc/passwd)"


def test_what_ends_too_soon_is_refused(url: str) -> None:
    with pytest.raises(FileError) as caught:
        regular.check(bring(f"{url}/cut.ptm").path)
    assert str(caught.value).startswith(f"{url}/cut.ptm: cannot be read (Response payload is not")


def test_who_is_silent_is_not_waited_for(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "SILENT", 0.1)
    monkeypatch.setattr(stores, "SILENT", 0.1)
    start = time.monotonic()
    with pytest.raises(FileError) as caught:
        bring(f"{url}/silent.ptm")
    assert time.monotonic() - start < 0.9
    assert str(caught.value) == (
        f"{url}/silent.ptm: does not answer; expected a connection in 30 and bytes in 0.1 seconds. "
        "Try again later."
    )


def test_who_is_slow_is_given_up(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place = bring(f"{url}/whole.ptm")
    monkeypatch.setattr(stores, "_SLOW", 1e15)
    monkeypatch.setattr(stores, "_SLOW_AFTER", 0)
    with pytest.raises(FileError) as caught:
        regular.check(place.path)
    assert "bytes a second; expected 1000000000000000.0 at least" in str(caught.value)


def test_who_never_ends_is_cut_off(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place = bring(f"{url}/endless.ptm")
    assert place.path.stat().st_size == 1000  # as it claimed
    monkeypatch.setenv(mounts.LIMIT, "3")
    with pytest.raises(FormatError) as caught:
        regular.check(place.path)
    assert "expected at most 3000000 to be fetched." in str(caught.value)


def test_a_folder_of_the_web_ends_with_a_slash(url: str) -> None:
    place = bring(f"{url}/coin/")
    assert place.path.is_dir()
    assert not regular.look(place.path / "info.json").exists()
    assert list(Path(place.path).iterdir()) == []
