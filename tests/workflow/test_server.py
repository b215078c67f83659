"""The server of drti view: a folder on the loopback address, and nothing else."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time

import pytest

from drti_core.errors import DrtiError, OptionError
from drti_core.workflow.server import FolderServer, _owner, serving

SECRET = b"not for the browser"


@pytest.fixture
def folder(tmp_path):
    inside = tmp_path / "inside"
    (inside / "tiles" / "0").mkdir(parents=True)
    (inside / "index.html").write_text("<!doctype html>hello")
    (inside / "planes.tzb").write_bytes(bytes(range(200)))
    (inside / "empty.txt").touch()
    (inside / "tiles" / "0" / "å b%.jpg").write_bytes(b"jpeg")
    (tmp_path / "secret.txt").write_bytes(SECRET)
    (tmp_path / "inside2").mkdir()
    (tmp_path / "inside2" / "secret.txt").write_bytes(SECRET)
    (inside / "link.txt").symlink_to(tmp_path / "secret.txt")
    (inside / "outside").symlink_to(tmp_path, target_is_directory=True)
    (inside / "index-link.html").symlink_to(inside / "index.html")
    (inside / ".git").mkdir()
    for hidden in (".git/config", ".hidden.txt", "tiles/.env"):
        (inside / hidden).write_bytes(SECRET)
    if os.name == "posix":
        os.mkfifo(inside / "pipe")
        (inside / "tiles" / "device").symlink_to("/dev/zero")
    return inside


@pytest.fixture
def server(folder):
    with serving(folder) as server:
        yield server


def ask(server, path, method="GET", host=None, *, token=True, **headers):
    """The answer, its status, headers and body; the path goes out as it is, after the token."""
    if token and path.startswith("/"):
        path = f"/{server.token}{path}"
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        if host != "":
            connection.putheader("Host", host or f"127.0.0.1:{server.port}")
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def test_a_file(server):
    status, headers, body = ask(server, "/index.html")
    assert (status, body) == (200, b"<!doctype html>hello")
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["Content-Length"] == "20"
    assert headers["Accept-Ranges"] == "bytes"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "no-store"
    assert ask(server, "/")[2] == body
    assert ask(server, "/?a=../b#c")[2] == body


def test_head_is_get_without_a_body(server):
    status, headers, body = ask(server, "/planes.tzb", "HEAD")
    got = ask(server, "/planes.tzb")
    del headers["Date"], got[1]["Date"]
    assert (status, headers) == got[:2]
    assert (body, len(got[2])) == (b"", 200)


def test_names_are_decoded_once(server):
    path = "/tiles/0/%C3%A5%20b%25.jpg"
    assert ask(server, path)[0] == 200
    assert ask(server, path)[1]["Content-Type"] == "image/jpeg"
    assert ask(server, "/tiles/0/%25C3%25A5%2520b%2525.jpg")[0] == 404


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=10-19", 10, 19),
        ("bytes=190-", 190, 199),
        ("bytes=190-5000", 190, 199),
        ("bytes=-5", 195, 199),
        ("bytes=-5000", 0, 199),
        ("bytes=0-", 0, 199),
    ],
)
def test_ranges(server, asked, first, last):
    status, headers, body = ask(server, "/planes.tzb", Range=asked)
    assert status == 206
    assert body == bytes(range(first, last + 1))
    assert headers["Content-Range"] == f"bytes {first}-{last}/200"
    assert headers["Content-Length"] == str(last - first + 1)


@pytest.mark.parametrize("asked", ["bytes=200-", "bytes=5000-6000", "bytes=-0"])
def test_ranges_beyond_the_file(server, asked):
    status, headers, body = ask(server, "/planes.tzb", Range=asked)
    assert (status, body) == (416, b"")
    assert headers["Content-Range"] == "bytes */200"


@pytest.mark.parametrize(
    "asked", ["bytes=5-2", "bytes=0-1,5-6", "items=0-1", "bytes=a-b", "bytes=-"]
)
def test_what_is_no_range_gets_the_whole_file(server, asked):
    status, headers, body = ask(server, "/planes.tzb", Range=asked)
    assert (status, len(body)) == (200, 200)
    assert "Content-Range" not in headers


def test_a_range_under_a_condition_gets_the_whole_file(server):
    assert ask(server, "/planes.tzb", Range="bytes=0-1", If_Range='"x"')[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/tiles/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/%2E%2E%2Fsecret.txt",
        "/..%2fsecret.txt",
        "/..%5csecret.txt",
        "/..\\secret.txt",
        "/%252e%252e/secret.txt",
        "/./index.html",
        "/tiles//0",
        "/../inside2/secret.txt",
        "/link.txt",
        "/outside/secret.txt",
        "/outside/inside/index.html",
        "/index-link.html",
        "/etc/passwd",
        "//etc/passwd",
        "/C:/secret.txt",
        "/index.html:stream",
        "/index.html%00.png",
        "/%FF",
        "/tiles",
        "/tiles/",
        "/.git/config",
        "/.hidden.txt",
        "/%2egit/config",
        "/tiles/.env",
        "/pipe",
        "/tiles/device",
        "/index.html/",
        "/" + "a" * 5000,
        "index.html",
        "http://127.0.0.1/index.html",
        "*",
    ],
)
@pytest.mark.parametrize("token", [True, False])
def test_nothing_else_is_served(server, path, token):
    status, _, body = ask(server, path, token=token)
    assert status == 404
    assert SECRET not in body


@pytest.mark.parametrize(
    "before", ["", "/", "/{0}x", "/x{0}", "/{1}", "/%2D{0}", "/{0}/{0}", "{0}"]
)
def test_nothing_is_served_without_the_token(server, before):
    token = server.token
    assert len(token) == 22
    before = before.format(token, token.swapcase())
    assert ask(server, f"{before}/index.html", token=False)[0] == 404
    assert ask(server, f"{before}/", token=False)[0] == 404
    assert ask(server, f"/{token}/index.html", token=False)[0] == 200


def test_no_two_servers_share_a_token(folder):
    with FolderServer(folder) as one, FolderServer(folder) as two:
        assert one.token != two.token


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "null"},
        {"Origin": "http://evil.example"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": ""},
        {"Service_Worker": "script"},
    ],
)
def test_pages_of_other_origins_are_refused(server, headers):
    """Even those that know the token: their browser says where a request comes from."""
    status, found, body = ask(server, "/index.html", **headers)
    assert (status, b"hello" in body) == (403, False)
    assert b"Paste the address into the browser yourself." in body
    assert "Access-Control-Allow-Origin" not in found
    own = {"Origin": f"http://127.0.0.1:{server.port}", "Sec_Fetch_Site": "same-origin"}
    assert ask(server, "/index.html", **own)[0] == 200
    assert ask(server, "/index.html", Sec_Fetch_Site="none")[0] == 200


def test_what_every_answer_tells_the_browser(server):
    wanted = {
        "Cache-Control": "no-store",
        "Content-Security-Policy": "frame-ancestors 'self'",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    for path, method in (("/", "GET"), ("/none", "GET"), ("/planes.tzb", "HEAD"), ("/", "POST")):
        headers = ask(server, path, method)[1]
        assert {name: headers.get(name) for name in wanted} == wanted
        assert not [name for name in headers if name.startswith("Access-Control")]


def test_a_body_is_not_taken_for_a_request(server):
    """A page may post bytes that look like a request of another kind."""
    inner = f"GET /{server.token}/ HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n"
    for header in (f"Content-Length: {len(inner)}", "Transfer-Encoding: chunked"):
        head = inner.removesuffix("\r\n") + f"{header}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as line:
            line.sendall((head + inner).encode())
            found = b""
            with contextlib.suppress(ConnectionError):
                while piece := line.recv(1000):
                    found += piece
        assert found.startswith(b"HTTP/1.1 400 ")
        assert (found.count(b"HTTP/1.1 "), b"hello" in found) == (1, False)


def test_a_request_is_bounded_in_size(server):
    line = f"GET /{server.token}/ HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
    assert b" 200 " in said(server, line + "A: " + "x" * 30_000 + "\r\n\r\n")
    assert said(server, line + "A: " + "x" * 40_000 + "\r\n\r\n") == b""
    assert said(server, line + "A: x\r\n" * 200 + "\r\n")[8:13] == b" 431 "
    assert said(server, "GET /" + "x" * 50_000) == b""
    assert ask(server, "/")[0] == 200


@pytest.mark.slow
def test_a_request_is_bounded_in_time(server):
    """A byte now and then does not hold a connection for ever."""
    server.patience = 0.3
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as line:
        with contextlib.suppress(ConnectionError):
            for byte in b"GET / HTTP/1.1\r\nHost: " + b"x" * 1000:
                line.sendall(bytes([byte]))
                time.sleep(0.02)
        assert time.monotonic() - started < 5
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as line:
        assert line.recv(1) == b""  # who says nothing is heard no longer


def connected(server):
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


def test_connections_are_bounded_in_number(folder, monkeypatch):
    monkeypatch.setattr("drti_core.workflow.server._MOST", 6)
    with serving(folder, take=lambda path, body: None) as server:
        begun = f"POST /{server.token}/a HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
        with contextlib.ExitStack() as kept:
            for _ in range(6):
                line = kept.enter_context(connected(server))
                line.sendall(f"{begun}Content-Length: 5\r\n\r\n".encode())
            while server._places._value or server._silent:  # until all have been heard
                time.sleep(0.01)
            assert said(server, f"GET /{server.token}/ HTTP/1.1\r\n") == b""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:  # their places are free again
            with contextlib.suppress(ConnectionError):
                assert ask(server, "/")[0] == 200
                return
        pytest.fail("no place became free")


def test_who_says_nothing_makes_room(folder, monkeypatch):
    monkeypatch.setattr("drti_core.workflow.server._MOST", 6)
    with serving(folder) as server, contextlib.ExitStack() as kept:
        silent = [kept.enter_context(connected(server)) for _ in range(6)]
        while len(server._silent) < 6:
            time.sleep(0.01)
        assert ask(server, "/")[0] == 200
        assert silent[0].recv(1) == b""
        silent[5].settimeout(0.01)
        with pytest.raises(TimeoutError):
            silent[5].recv(1)


def test_no_thread_to_be_had(folder, monkeypatch, capfd):
    monkeypatch.setattr("drti_core.workflow.server._MOST", 6)
    with serving(folder) as server:
        no_thread(server, monkeypatch)
    assert capfd.readouterr().err == ""


def no_thread(server, monkeypatch):
    with monkeypatch.context() as patch:

        def start(_: object) -> None:
            raise RuntimeError("can't start new thread")

        patch.setattr(threading.Thread, "start", start)
        for _ in range(7):
            assert said(server, f"GET /{server.token}/ HTTP/1.1\r\n") == b""
    assert ask(server, "/")[0] == 200


#: Asks for a page as another user; a connection that is just closed gives nothing.
STRANGER = """
import json, os, socket, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
found = []
for text in json.load(sys.stdin):
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::ffff:127.0.0.1")):
        with socket.socket(family) as line:
            line.settimeout(10)
            try:
                line.connect((host, int(sys.argv[1])))
                line.sendall(text.encode())
                found.append(line.recv(1000).decode())
            except ConnectionError:
                found.append("")
print(json.dumps(found))
"""


@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root of Linux can be another user"
)
def test_another_user_gets_nothing(server):
    """Not even with the token, which stands in the list of processes once a browser is opened."""
    texts = [
        f"GET /{token}index.html HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n"
        for token in ("", f"{server.token}/")
    ]
    done = subprocess.run(
        [sys.executable, "-c", STRANGER, str(server.port)],
        input=json.dumps(texts), capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert json.loads(done.stdout) == [""] * 4
    assert b" 200 " in said(server, texts[1])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells whose a connection is")
def test_whose_a_connection_is(server):
    port = server.port
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::ffff:127.0.0.1")):
        with socket.socket(family) as line:
            line.connect((host, port))
            assert _owner(line.getsockname()[1], port) == os.geteuid()
            assert _owner(line.getsockname()[1], port + 1) == -1
    assert _owner(1, port) == -1


def test_where_the_system_does_not_tell(server, monkeypatch):
    monkeypatch.setattr("drti_core.workflow.server._owner", lambda *_: None)
    assert ask(server, "/")[0] == 200
    monkeypatch.setattr("drti_core.workflow.server._owner", lambda *_: -1)
    with pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
        ask(server, "/")


def test_every_file_found_is_inside(folder):
    """What the server would hand out of a few thousand hostile paths lies in the folder."""
    parts = [
        "..",
        ".",
        "",
        "%2e%2e",
        "tiles",
        "0",
        "outside",
        "secret.txt",
        "index.html",
        "link.txt",
    ]
    parts += [".git", "config", "pipe"]
    with FolderServer(folder) as server:
        found = [
            opened[0]
            for one in parts for two in parts for three in parts
            if (opened := server.open(f"{one}/{two}/{three}")) is not None
        ]  # fmt: skip
        for file in found:
            with file:
                assert b"hello" in file.read()
        assert found == []
        opened = server.open("tiles/0/%C3%A5%20b%25.jpg")
        assert opened is not None
        with opened[0] as file:
            assert (file.read(), opened[1]) == (b"jpeg", ".jpg")


def test_a_folder_that_becomes_a_link_meanwhile(folder, monkeypatch):
    """Each step is opened from the one before it, and never through a link."""
    real = os.open

    def swapped(path, flags, *rest, **named):
        if path == "0":
            shutil.rmtree(folder / "tiles" / "0")
            (folder / "tiles" / "0").symlink_to(folder.parent, target_is_directory=True)
        return real(path, flags, *rest, **named)

    with FolderServer(folder) as server:
        monkeypatch.setattr(os, "open", swapped)
        monkeypatch.setattr(os, "supports_dir_fd", os.supports_dir_fd | {swapped})
        assert server.open("tiles/0/secret.txt") is None


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "[::1]:{port}", ""]
)
def test_other_hosts_are_refused(server, host):
    """A page of the web cannot read the folder under a name that it points at this machine."""
    status, _, body = ask(server, "/index.html", host=host.format(port=server.port))
    assert status == 421
    assert b"hello" not in body
    assert ask(server, "/", host=f"localhost:{server.port}")[0] == 200


def test_two_hosts_are_refused(server):
    host = f"Host: 127.0.0.1:{server.port}\r\n"
    request = f"GET /{server.token}/ HTTP/1.1\r\n{host}"
    assert b" 421 " in said(server, f"{request}Host: evil.example\r\n\r\n")
    assert b" 200 " in said(server, f"{request}\r\n")


def said(server, text):
    """The beginning of the answer to what goes out as it is; nothing if it just ends."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as line:
        line.sendall(text.encode())
        try:
            return line.recv(100)
        except ConnectionError:
            return b""


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_other_methods_are_refused(server, method):
    assert ask(server, "/index.html", method)[0] == 501


def post(server, path, body=b"", **headers):
    headers.setdefault("Content_Length", str(len(body)))
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as line:
        lines = [f"POST /{server.token}{path} HTTP/1.1", f"Host: 127.0.0.1:{server.port}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items() if value]
        line.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        return int(line.recv(100).split()[1])


def test_posts_are_taken_where_they_are_waited_for(folder):
    found = []
    with serving(folder, take=lambda *post: found.append(post)) as server:
        assert post(server, "/done", b"[1]") == 204
        assert post(server, "/done", b"[2]", Origin=f"http://127.0.0.1:{server.port}") == 204
        assert post(server, "/done", b"[3]", Origin="http://evil.example") == 403
        assert post(server, "/done", b"[3]", Origin="null") == 403
        assert post(server, "/done", Content_Length="") == 411
        assert post(server, "/done", Content_Length="-1") == 411
        assert post(server, "/done", Content_Length=str(2**40)) == 413
        assert ask(server, "/done", "POST", host="evil.example")[0] == 421
        assert ask(server, "/done", "POST", token=False, Content_Length="0")[0] == 404
    assert found == [("/done", b"[1]"), ("/done", b"[2]")]


def test_only_the_loopback_address_is_bound(server):
    assert server.socket.getsockname()[0] == "127.0.0.1"


def test_many_at_once(server):
    found = []

    def work():
        for _ in range(5):
            found.append(ask(server, "/planes.tzb", Range="bytes=3-7")[2])

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [bytes(range(3, 8))] * 40


def test_the_server_is_gone_after_the_block(folder):
    with serving(folder) as server:
        assert ask(server, "/")[0] == 200
    with pytest.raises(OSError, match="refused"):
        ask(server, "/")


def test_errors_of_servers(folder, tmp_path):
    with pytest.raises(OptionError) as found:
        FolderServer(folder, 70000)
    assert str(found.value) == "port 70000; expected 0 (any that is free) to 65535"
    with pytest.raises(DrtiError) as missing:
        FolderServer(tmp_path / "nothing")
    assert str(missing.value) == (
        f"{tmp_path / 'nothing'}: is not a folder; expected a folder to serve"
    )
    with FolderServer(folder) as server, pytest.raises(DrtiError) as taken:
        FolderServer(folder, server.port)
    assert str(taken.value) == (
        f"127.0.0.1: cannot listen on port {server.port}: Address already in use. "
        "Choose another port, or 0 for any that is free."
    )
