"""One folder over HTTP, for the browser of this machine's user alone.

The server binds to the loopback address and answers GET and HEAD of plain files inside the folder,
in whole or by byte range (RFC 9110, 14). Who asks must know a path that cannot be guessed, and on
Linux be of the same user: other users see that path in the list of processes, where it is an
argument of the browser. Refused are requests that name another host, by which a page of the web
could read the folder under a name of its own (DNS rebinding), and those that pages of other
origins make. Where somebody waits for it, the server also takes what a page of the folder posts,
and makes files of it that are not there yet.
"""

from __future__ import annotations

import hmac
import io
import os
import re
import secrets
import socket
import stat
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote_to_bytes

from drti_core.errors import DrtiError, FileError, OptionError
from drti_core.io.threads import start

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
#: Seconds that a connection may take for its next request to be whole, or to take a piece.
_PATIENCE = 30.0
#: Connections at a time; a browser opens six, and keeps them.
_MOST = 64
#: Seconds that a connection which has to go is waited for.
_ROOM = 1.0
#: Bytes of a request before its body.
_LONGEST_HEAD = 1 << 15
#: What somebody reads who followed a link.
_REFUSAL = "Another page asked for this. Paste the address into the browser yourself."
#: Bytes that a page may post at once.
_LONGEST_POST = 1 << 26


class FolderServer(ThreadingHTTPServer):
    """Serves a folder on the loopback address; a context manager that closes it.

    Args:
        folder: what is served, but hidden files; links inside it are not followed.
        port: 0 for any that is free.
        take: called with the path and the body of what a page of the folder posts, in a thread of
            the server; without it posts are refused.
        make: called with the path of a file that is not there, in a thread of the server; gives
            its bytes, or None for none.

    Raises:
        OptionError: the port is out of range.
        DrtiError: ``folder`` is no folder, or the port is taken.
    """

    daemon_threads = True
    # Two servers must not share a port, as Windows would let them.
    allow_reuse_address = sys.platform != "win32"

    def __init__(
        self,
        folder: Path,
        port: int = 0,
        take: Callable[[str, bytes], None] | None = None,
        make: Callable[[str], bytes | None] | None = None,
    ) -> None:
        if not 0 <= port <= 65535:
            raise OptionError(f"port {port}", expected="0 (any that is free) to 65535")
        if not folder.is_dir():
            raise FileError("is not a folder", where=str(folder), expected="a folder to serve")
        self.folder, self.take, self.make = folder.resolve(), take, make
        #: The first part of every path: whoever does not know it is served nothing.
        self.token = secrets.token_urlsafe(16)
        self.patience = _PATIENCE
        self._places = threading.BoundedSemaphore(_MOST)
        #: Connections that have not said what they want, the longest silent first.
        self._silent: dict[socket.socket, None] = {}
        self._lock = threading.Lock()
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
        return f"http://{LOOPBACK}:{self.port}/{self.token}/"

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether a connection is listened to: of the same user, and not one too many."""
        del request
        owner = _owner(client_address[1], self.port)
        # What acts for others as root, such as the relay of WSL, can read anything anyway.
        known = sys.platform == "win32" or owner is None or owner in (0, os.geteuid())
        return known and (self._places.acquire(blocking=False) or self._make_room())

    def _make_room(self) -> bool:
        """Take the place of the connection that has been silent longest, if one is."""
        with self._lock:
            longest = next(iter(self._silent), None)
            if longest is None:
                return False
            del self._silent[longest]
            with suppress(OSError):  # it may have gone by itself
                longest.shutdown(socket.SHUT_RDWR)
        return self._places.acquire(timeout=_ROOM)

    def listen(self, connection: socket.socket) -> None:
        """Note that a connection may now say what it wants."""
        with self._lock:
            self._silent[connection] = None

    def heard(self, connection: socket.socket) -> None:
        """Note that it has said so, or has ended."""
        with self._lock:
            self._silent.pop(connection, None)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own; where there is none to be had, not at all."""
        try:
            super().process_request(request, client_address)
        except RuntimeError:
            self._places.release()
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer until the connection ends."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.heard(request)
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a browser that went away; of other faults as usual."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    def inside(self, target: str) -> str | None:
        """The path in the folder that the target of a request asks for; None without the token."""
        parts = target.partition("?")[0].partition("#")[0].split("/", 2)
        if len(parts) < 3 or parts[0] != "":
            return None
        given, token = parts[1].encode("utf-8", "replace"), self.token.encode()
        return parts[2] if hmac.compare_digest(given, token) else None

    def open(self, path: str) -> tuple[BinaryIO, str] | None:
        """The file that a path names, to be read, and its ending; None for none to be served.

        Args:
            path: in the folder, as it stands in a request: each part is decoded once, and a folder
                stands for its ``index.html``.
        """
        names = []
        for part in (path + "index.html" if path.endswith("/") or not path else path).split("/"):
            try:
                name = unquote_to_bytes(part).decode("utf-8")
            except UnicodeDecodeError:
                return None
            # What is hidden is not meant to be shown; .. is no part of a path either.
            if not name or name.startswith(".") or _FORBIDDEN.search(name):
                return None
            names.append(name)
        ending = Path(names[-1]).suffix.lower()
        file: BinaryIO | None = None
        with suppress(OSError):  # there is none, it is a link, its name is too long …
            file = _open(self.folder, names)
        if file is None and self.make is not None:
            made = self.make("/".join(names))
            file = None if made is None else io.BytesIO(made)
        return None if file is None else (file, ending)


def _open(folder: Path, names: list[str]) -> BinaryIO | None:
    """Open a regular file step by step, so that no step can become a link meanwhile."""
    if sys.platform == "win32" or os.open not in os.supports_dir_fd:
        found = folder.joinpath(*names)
        # A link anywhere, or a name that the system takes for another, resolves elsewhere.
        return found.open("rb") if found.is_file() and found.resolve() == found else None
    step = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    here = os.open(folder, step)
    try:
        for name in names[:-1]:
            below = os.open(name, step, dir_fd=here)
            os.close(here)
            here = below
        # A device may act on being opened, and a pipe may let one wait.
        if not stat.S_ISREG(os.stat(names[-1], dir_fd=here, follow_symlinks=False).st_mode):
            return None
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        file = os.fdopen(os.open(names[-1], flags, dir_fd=here), "rb")
    finally:
        os.close(here)
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    return None


def _owner(port: int, server: int) -> int | None:
    """Who has a connection to ``server`` open from ``port``: a user's id, -1 for nobody.

    Returns:
        None where the system does not tell, which is anywhere but on Linux.
    """
    for _ in range(3):  # of a long list an entry may be missed while others come and go
        for table, family, address in (
            ("tcp", socket.AF_INET, LOOPBACK),
            ("tcp6", socket.AF_INET6, f"::ffff:{LOOPBACK}"),
        ):
            packed = socket.inet_pton(family, address)
            words = struct.unpack(f"={len(packed) // 4}I", packed)
            host = "".join(f"{word:08X}" for word in words)
            wanted = f" {host}:{port:04X} {host}:{server:04X} 01 "  # 01: established
            try:
                text = Path("/proc/net", table).read_text("ascii")
            except (FileNotFoundError, PermissionError):
                if table == "tcp":
                    return None
                continue
            except OSError:  # no more files: that is no reason to trust anybody
                return -1
            _, found, rest = text.partition(wanted)
            if found:
                return int(rest.split(None, 4)[3])  # behind its queues, timer and retransmissions
    return -1


@contextmanager
def serving(
    folder: Path,
    port: int = 0,
    take: Callable[[str, bytes], None] | None = None,
    make: Callable[[str], bytes | None] | None = None,
) -> Iterator[FolderServer]:
    """Serve a folder in threads of its own until the block is left; see :class:`FolderServer`."""
    with FolderServer(folder, port, take, make) as server:
        thread = start(partial(server.serve_forever, 0.05), "serving")
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Incoming(io.RawIOBase):
    """What a connection says: so many bytes, and until a certain time."""

    def __init__(self, connection: socket.socket, patience: float) -> None:
        self._connection, self._patience = connection, patience
        self._left, self._until = 0, 0.0

    def allow(self, size: int) -> None:
        """Let it say so many bytes from now on."""
        self._left, self._until = size, time.monotonic() + self._patience

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        seconds = self._until - time.monotonic()
        if seconds <= 0:
            raise TimeoutError
        if self._left <= 0:
            raise ConnectionAbortedError("it says too much")
        self._connection.settimeout(seconds)
        try:
            count = self._connection.recv_into(buffer, min(len(buffer), self._left))
        finally:
            self._connection.settimeout(self._patience)
        self._left -= count
        return count


class _Handler(BaseHTTPRequestHandler):
    server: FolderServer
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.connection.settimeout(self.server.patience)
        self._incoming = _Incoming(self.connection, self.server.patience)
        self.rfile = io.BufferedReader(self._incoming)

    def handle_one_request(self) -> None:
        self._incoming.allow(_LONGEST_HEAD)
        self.server.listen(self.connection)
        super().handle_one_request()

    def parse_request(self) -> bool:
        sound = super().parse_request()
        self.server.heard(self.connection)
        return sound

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_POST(self) -> None:
        if self.server.take is None:
            self.send_error(HTTPStatus.NOT_IMPLEMENTED)
            return
        path = self._asked()
        if path is None:
            return
        length = self.headers.get("Content-Length", "")
        if not re.fullmatch("[0-9]{1,18}", length):
            self.send_error(HTTPStatus.LENGTH_REQUIRED)
            return
        if int(length) > _LONGEST_POST:
            self.send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return
        self._incoming.allow(int(length))
        body = self.rfile.read(int(length))
        if len(body) < int(length):  # it went away
            self.close_connection = True
            return
        self.server.take(f"/{path}", body)
        self.send_response(HTTPStatus.NO_CONTENT)
        self.end_headers()

    def version_string(self) -> str:
        return "drti"

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are nobody's news."""

    def end_headers(self) -> None:
        """What every answer tells the browser: to keep it from others, and not to keep it."""
        own = {
            "Cache-Control": "no-store",
            "Content-Security-Policy": "frame-ancestors 'self'",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }
        for name, value in own.items():
            self.send_header(name, value)
        super().end_headers()

    def _asked(self) -> str | None:
        """The path in the folder, if the request is one to be answered; else it is refused."""
        status = None
        hosts, origins = self.headers.get_all("Host", []), self.headers.get_all("Origin", [])
        sites = self.headers.get_all("Sec-Fetch-Site", [])
        path = self.server.inside(self.path)
        if hosts not in self._hosts():
            status = HTTPStatus.MISDIRECTED_REQUEST  # it was meant for another server
        elif origins and origins != [f"http://{hosts[0]}"]:
            status = HTTPStatus.FORBIDDEN  # a page of another origin: its browser says so
        elif sites and sites not in (["none"], ["same-origin"]):
            status = HTTPStatus.FORBIDDEN
        elif "Service-Worker" in self.headers:
            status = HTTPStatus.FORBIDDEN  # it would outlive this server
        elif path is None:
            status = HTTPStatus.NOT_FOUND
        if status is None:
            return path
        self.send_error(status, explain=_REFUSAL if status == HTTPStatus.FORBIDDEN else None)
        return None

    def _answer(self, *, with_body: bool) -> None:
        if "Transfer-Encoding" in self.headers or self.headers.get("Content-Length", "0") != "0":
            self.send_error(HTTPStatus.BAD_REQUEST)  # its body would be taken for a request
            return
        path = self._asked()
        if path is None:
            return
        found = self.server.open(path)
        if found is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        file, ending = found
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
            self._headers(count, TYPES.get(ending, _OTHER), extra)
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
