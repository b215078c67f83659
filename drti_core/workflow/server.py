"""One folder over HTTP, for the browser of this machine alone.

The server binds to the loopback address, answers GET and HEAD of plain files inside the folder, in
whole or by byte range (RFC 9110, 14), and refuses requests that name another host, by which a
page of the web could read it under a name of its own (DNS rebinding). Where somebody waits for it,
it also takes what a page of the folder posts.
"""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote_to_bytes

from drti_core.errors import DrtiError, FileError, OptionError

#: The only address that is bound to.
LOOPBACK = "127.0.0.1"

#: Content types by ending; not the system's table, which differs from machine to machine.
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".dzi": "application/xml",
    ".htm": "text/html; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".onnx": "application/octet-stream",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".tzb": "application/octet-stream",
    ".tzi": "application/json",
    ".wasm": "application/wasm",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
    ".xml": "application/xml",
}
_OTHER = "application/octet-stream"
#: One range; what asks for several, or for another unit, gets the whole file.
_RANGE = re.compile(r"bytes=(?:([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18}))")
#: What no part of a path may hold: it would name another folder, drive or stream somewhere.
_FORBIDDEN = re.compile(r"[/\\:\0]")
_PIECE = 1 << 18
#: Seconds after which a silent connection is closed.
_PATIENCE = 30.0
#: Bytes that a page may post at once.
_LONGEST_POST = 1 << 26


class FolderServer(ThreadingHTTPServer):
    """Serves a folder on the loopback address; a context manager that closes it.

    Args:
        folder: what is served; links inside it are not followed.
        port: 0 for any that is free.
        take: called with the path and the body of what a page of the folder posts, in a thread of
            the server; without it posts are refused.

    Raises:
        OptionError: the port is out of range.
        DrtiError: ``folder`` is no folder, or the port is taken.
    """

    daemon_threads = True
    # Two servers must not share a port, as Windows would let them.
    allow_reuse_address = sys.platform != "win32"

    def __init__(
        self, folder: Path, port: int = 0, take: Callable[[str, bytes], None] | None = None
    ) -> None:
        if not 0 <= port <= 65535:
            raise OptionError(f"port {port}", expected="0 (any that is free) to 65535")
        if not folder.is_dir():
            raise FileError("is not a folder", where=str(folder), expected="a folder to serve")
        self.folder, self.take = folder.resolve(), take
        try:
            super().__init__((LOOPBACK, port), _Handler)
        except OSError as error:
            raise DrtiError(
                f"cannot listen on port {port}: {error.strerror}",
                where=LOOPBACK,
                mend="Choose another port, or 0 for any that is free.",
            ) from None

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        """Address of the folder, with a slash at its end."""
        return f"http://{LOOPBACK}:{self.port}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a browser that went away; of other faults as usual."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    def find(self, target: str) -> Path | None:
        """The file that the target of a request names, or None if there is none to be served.

        Args:
            target: path as it stands in the request; a query is left out, each part is decoded
                once, and a folder stands for its ``index.html``.
        """
        path = target.partition("?")[0].partition("#")[0]
        if not path.startswith("/"):
            return None
        found = self.folder
        parts = path[1:].split("/")
        if parts[-1] == "":
            parts[-1] = "index.html"
        for part in parts:
            try:
                name = unquote_to_bytes(part).decode("utf-8")
            except UnicodeDecodeError:
                return None
            if name in ("", ".", "..") or _FORBIDDEN.search(name):
                return None
            found /= name
        try:
            # A link anywhere, or a name that the system takes for another, resolves elsewhere.
            return found if found.is_file() and found.resolve() == found else None
        except OSError:  # the name is too long, for one
            return None


@contextmanager
def serving(
    folder: Path, port: int = 0, take: Callable[[str, bytes], None] | None = None
) -> Iterator[FolderServer]:
    """Serve a folder in threads of its own until the block is left; see :class:`FolderServer`."""
    with FolderServer(folder, port, take) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: FolderServer
    protocol_version = "HTTP/1.1"
    timeout = _PATIENCE

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_POST(self) -> None:
        if self.server.take is None:
            self.send_error(HTTPStatus.NOT_IMPLEMENTED)
            return
        hosts, origin = self.headers.get_all("Host", []), self.headers.get_all("Origin", [])
        if hosts not in self._hosts():
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
            return
        # Any page of the web may post here; its browser says where it comes from.
        if origin and origin != [f"http://{hosts[0]}"]:
            self.send_error(HTTPStatus.FORBIDDEN)
            return
        length = self.headers.get("Content-Length", "")
        if not re.fullmatch("[0-9]{1,18}", length):
            self.send_error(HTTPStatus.LENGTH_REQUIRED)
            return
        if int(length) > _LONGEST_POST:
            self.send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return
        body = self.rfile.read(int(length))
        if len(body) < int(length):  # it went away
            self.close_connection = True
            return
        self.server.take(self.path, body)
        self.send_response(HTTPStatus.NO_CONTENT)
        self.end_headers()

    def version_string(self) -> str:
        return "drti"

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are nobody's news."""

    def _answer(self, *, with_body: bool) -> None:
        if self.headers.get_all("Host", []) not in self._hosts():
            # 421: the request was meant for another server.
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
            return
        path = self.server.find(self.path)
        try:
            file = path.open("rb") if path is not None else None
        except OSError:
            file = None
        if path is None or file is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        with file:
            size = file.seek(0, 2)
            part = self._range(size)
            if part is None:
                self.send_response(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
                self._headers(0, _OTHER, {"Content-Range": f"bytes */{size}"})
                return
            first, count, whole = part
            self.send_response(HTTPStatus.OK if whole else HTTPStatus.PARTIAL_CONTENT)
            extra = {} if whole else {"Content-Range": f"bytes {first}-{first + count - 1}/{size}"}
            self._headers(count, TYPES.get(path.suffix.lower(), _OTHER), extra)
            if with_body:
                self._send(file, first, count)

    def _hosts(self) -> list[list[str]]:
        """What the header Host may be."""
        names = [LOOPBACK, "localhost"]
        allowed = [[f"{name}:{self.server.port}"] for name in names]
        return allowed + [[name] for name in names] if self.server.port == 80 else allowed

    def _headers(self, size: int, kind: str, extra: dict[str, str]) -> None:
        own = {
            "Content-Type": kind,
            "Content-Length": str(size),
            "Accept-Ranges": "bytes",
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Referrer-Policy": "no-referrer",
        }
        for name, value in (own | extra).items():
            self.send_header(name, value)
        self.end_headers()

    def _range(self, size: int) -> tuple[int, int, bool] | None:
        """First byte, number of bytes, and whether no range is meant; None for one beyond it."""
        match = _RANGE.fullmatch(self.headers.get("Range", "").replace(" ", ""))
        # There is no validator that If-Range could be compared with: the whole file, then.
        if match is None or "If-Range" in self.headers:
            return 0, size, True
        start, end, suffix = match.groups()
        if suffix is not None:
            first, last = max(0, size - int(suffix)), size - 1
        else:
            first, last = int(start), min(int(end) if end else size - 1, size - 1)
            if end and int(end) < int(start):
                return 0, size, True  # no valid range: it is to be ignored
        return (first, last - first + 1, False) if first <= last else None

    def _send(self, file: BinaryIO, first: int, count: int) -> None:
        file.seek(first)
        while count:
            piece = file.read(min(_PIECE, count))
            if not piece:  # it was cut meanwhile: the client must not wait for the rest
                self.close_connection = True
                return
            self.wfile.write(piece)
            count -= len(piece)
