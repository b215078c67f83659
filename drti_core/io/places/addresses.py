"""Which texts are URLs, and how they are told: never with a password or a signature."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias
from urllib.parse import urlsplit
from urllib.request import url2pathname

from drti_core.errors import MissingExtraError, OptionError

#: Whatever can be opened: a path, a URL, the bytes of a file, or a file that is open for reading.
Source: TypeAlias = str | os.PathLike[str] | bytes | BinaryIO

_URL = re.compile(r"[a-z][a-z0-9+.-]+://")
#: Names and passwords before a host, and what signs an address of the web, in any text.
_USER = re.compile(r"(?<=://)[^/?#\s'\"]*@")
_QUERY = re.compile(r"(https?://[^?#\s'\"]*)[?#][^\s'\"]*?(?=::|:?[\s'\"]|:?$)")
#: Protocols of paths on this machine.
_OWN = ("file", "local")


def is_url(source: object) -> bool:
    """Whether a text is a URL; a drive of Windows and a name with a colon are none.

    >>> [is_url(text) for text in ("s3://b/a.ptm", "zip://a::b.zip", "C:/a.ptm", "a:b", "s3:a")]
    [True, True, False, False, False]
    """
    return isinstance(source, str) and _URL.match(source) is not None


def protocol_of(url: str) -> str:
    """What stands before the first ``://``."""
    return url.partition("://")[0]


def told(text: str) -> str:
    """A text in which URLs stand without passwords and signatures.

    >>> told("https://me:secret@a.org/b.ptm?sig=1: is empty")
    'https://a.org/b.ptm?…: is empty'
    """
    return _QUERY.sub(r"\1?…", _USER.sub("", text))


def own_path(url: str) -> Path | None:
    """The path of a URL that names a file on this machine; None of any other.

    Raises:
        OptionError: it names another machine.
    """
    if protocol_of(url) not in _OWN or "::" in url:
        return None
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost"):
        raise OptionError(
            told(url), expected="file:///PATH, of this machine", mend="Name the path itself."
        )
    return Path(url2pathname(parts.path))


def store_of(url: str) -> tuple[Any, str]:
    """Fsspec's file system of a URL, and the path in it.

    Raises:
        MissingExtraError: fsspec is not installed.
        OptionError: no such protocol, or the package is missing that brings it; names it.
    """
    try:
        import fsspec
        from fsspec.core import url_to_fs
    except ImportError:
        raise MissingExtraError(f"opening {told(url)}", "cloud") from None
    kind = protocol_of(url)
    options: dict[str, Any] = {}
    if kind in ("http", "https") and "client_kwargs" not in fsspec.config.conf.get(kind, {}):
        options = _patience()
    try:
        return url_to_fs(url, **options)  # type: ignore[no-any-return]
    except ImportError as error:
        raise OptionError(
            f"{kind}:// cannot be used ({told(str(error))})",
            where=told(url),
            expected="the package that brings it",
        ) from None
    except ValueError as error:
        raise OptionError(
            told(str(error)), where=told(url), expected="a protocol that fsspec knows"
        ) from None


#: Seconds in which a server must be reached, and in which it must send something.
CONNECT, SILENT = 30, 60


def _patience() -> dict[str, Any]:
    """How long a server of the web is waited for; aiohttp's own limit ends long downloads."""
    try:
        from aiohttp import ClientTimeout
    except ImportError:
        return {}  # which fsspec tells of
    times = ClientTimeout(total=None, sock_connect=CONNECT, sock_read=SILENT)
    return {"client_kwargs": {"timeout": times}}
