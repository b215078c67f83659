"""The calls of the system that outputs are made with: all of them, so that a test can fail each.

Names are looked up in a folder that is open (``dir_fd``), and no link is followed, where the
system can do that; elsewhere by paths. Before every call :meth:`System.step` is called with its
name and the path: a test replaces :data:`os_` by an object of a class of its own whose ``step``
raises or kills.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_DESCRIPTORS = {os.open, os.mkdir, os.rename, os.unlink, os.rmdir, os.stat} <= os.supports_dir_fd
_FOLDER = getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
#: A folder that may be entered but not listed can be opened so.
_ENTER = _FOLDER | getattr(os, "O_PATH", os.O_RDONLY)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_NO_WAIT = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_RENAME_NOREPLACE, _RENAME_EXCHANGE = 1, 2


@dataclass(frozen=True)
class Folder:
    """A folder that is open: what is done in it is done there, whatever becomes of its path.

    Args:
        path: of the folder.
        descriptor: None where the system works by paths only.
    """

    path: Path
    descriptor: int | None

    def place(self, name: str) -> str | Path:
        """What the system is given with ``dir_fd``: the name, or the path where there is none."""
        return self.path / name if self.descriptor is None else name


class System:
    """The calls; each raises what the system says (OSError), but :meth:`exchange` and removals."""

    def step(self, call: str, path: Path) -> None:
        """Called before each call, with its name (that of the method); does nothing."""

    @contextmanager
    def opened(self, path: Path, within: Folder | None = None) -> Iterator[Folder]:
        """Open a folder; one ``within`` another by its name, and only if it is no link."""
        self.step("opened", path)
        if not _DESCRIPTORS:
            found = path.stat() if within is None else path.lstat()
            if not stat.S_ISDIR(found.st_mode):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
            yield Folder(path, None)
            return
        if within is None:
            descriptor = os.open(path, _ENTER)
        else:
            descriptor = os.open(path.name, _ENTER | _NO_LINK, dir_fd=within.descriptor)
        try:
            yield Folder(path, descriptor)
        finally:
            os.close(descriptor)

    def make_parents(self, path: Path) -> None:
        """Make a folder and those above it where they are missing."""
        self.step("make_parents", path)
        path.mkdir(parents=True, exist_ok=True)

    def make_file(self, folder: Folder, name: str) -> None:
        """Make an empty file that is new; the system itself applies the umask."""
        self.step("make_file", folder.path / name)
        flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | _NO_LINK
        os.close(os.open(folder.place(name), flags, 0o666, dir_fd=folder.descriptor))

    def make_folder(self, folder: Folder, name: str, mode: int = 0o777) -> None:
        """Make an empty folder that is new."""
        self.step("make_folder", folder.path / name)
        os.mkdir(folder.place(name), mode, dir_fd=folder.descriptor)

    def exposed(self, folder: Folder, name: str) -> bool:
        """Whether another user may swap what is made under a new name, and that can be helped.

        It cannot without ``/proc``, nor on a disk that keeps no owners: there everybody may write
        into everything.
        """
        if folder.descriptor is None or _through(folder.descriptor) is None:
            return False
        ways = {os.path.abspath(folder.path), os.path.realpath(folder.path)}  # noqa: PTH100
        if not any(map(_is_open_to_others, {f for w in ways for f in (Path(w), *Path(w).parents)})):
            return False
        self.step("exposed", folder.path / name)
        flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | _NO_LINK
        descriptor = os.open(name, flags, 0o600, dir_fd=folder.descriptor)
        try:
            return _is_private(os.fstat(descriptor))
        finally:
            os.close(descriptor)
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder.descriptor)

    @contextmanager
    def opened_private(self, path: Path, within: Folder) -> Iterator[Folder]:
        """Open an empty folder of this user's alone, which others may rename but not enter.

        Its path goes by the descriptor, so it leads there whatever becomes of the name; for other
        processes of this user, too.

        Raises:
            OSError: it is something else, for somebody changed what lies there.
        """
        with self.opened(path, within) as folder:
            descriptor = folder.descriptor
            way = None if descriptor is None else _through(descriptor)
            if way is None or not _is_private(way.stat()) or self.names(folder):
                raise OSError(errno.EINVAL, "another user changed what is there", str(path))
            yield Folder(way, descriptor)

    def take_mode(self, folder: Folder, name: str, old: os.stat_result | None) -> None:
        """Let only those read and write what was made who may do so with what it replaces.

        Args:
            folder: where it lies.
            name: of it.
            old: what it replaces; nothing is done for a link or another user's.
        """
        if sys.platform == "win32":
            return
        if folder.descriptor is None or old is None or stat.S_ISLNK(old.st_mode):
            return
        if old.st_uid != os.geteuid():
            return
        self.step("take_mode", folder.path / name)
        flags = os.O_RDONLY | _NO_LINK | _NO_WAIT
        descriptor = os.open(name, flags, dir_fd=folder.descriptor)
        try:
            made, mode = os.fstat(descriptor), old.st_mode & 0o777 | 0o600  # it is written yet
            if stat.S_ISDIR(made.st_mode):
                mode |= (mode & 0o444) >> 2
            if made.st_gid != old.st_gid:
                try:
                    os.fchown(descriptor, -1, old.st_gid)
                except OSError:  # this user is no member of that group: nor may another one read it
                    mode &= ~0o070
            mode |= made.st_mode & 0o7000
            if mode != stat.S_IMODE(made.st_mode):
                os.fchmod(descriptor, mode)
        finally:
            os.close(descriptor)

    def state(self, folder: Folder, name: str) -> os.stat_result | None:
        """What lies there, links not followed; None if nothing does."""
        self.step("state", folder.path / name)
        try:
            return os.stat(folder.place(name), dir_fd=folder.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def names(self, folder: Folder) -> list[str]:
        """What a folder holds, sorted."""
        self.step("names", folder.path)
        if folder.descriptor is None:
            return sorted(part.name for part in folder.path.iterdir())
        descriptor = os.open(".", os.O_RDONLY | _FOLDER, dir_fd=folder.descriptor)
        try:
            return sorted(os.listdir(descriptor))  # noqa: PTH208 - of no path
        finally:
            os.close(descriptor)

    def sync(self, folder: Folder, name: str) -> None:
        """Have a file on the disk itself, whatever happens to the machine.

        Raises:
            OSError: also if it is no regular file.
        """
        self.step("sync", folder.path / name)
        flags = os.O_RDWR | _NO_LINK | _NO_WAIT
        descriptor = os.open(folder.place(name), flags, dir_fd=folder.descriptor)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, "is no regular file any more", name)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def rename(self, source: Folder, old: str, target: Folder, new: str) -> None:
        """Give something another place, in one step; a file that is there is replaced."""
        self.step("rename", target.path / new)
        os.replace(
            source.place(old),
            target.place(new),
            src_dir_fd=source.descriptor,
            dst_dir_fd=target.descriptor,
        )

    def rename_new(self, source: Folder, old: str, target: Folder, new: str) -> None:
        """The same, but nothing is replaced.

        Raises:
            FileExistsError: something is there.
        """
        self.step("rename_new", target.path / new)
        done, code = _renameat2(source, old, target, new, _RENAME_NOREPLACE)
        if done:
            return
        if code in (
            errno.ENOSYS,
            errno.EINVAL,
            errno.EPERM,
            errno.ENOTSUP,
        ):  # not here: look, then do
            if os.path.lexists(target.path / new):
                code = errno.EEXIST
            else:
                self.rename(source, old, target, new)
                return
        raise OSError(code, os.strerror(code), str(target.path / new))

    def exchange(self, source: Folder, one: str, target: Folder, other: str) -> bool:
        """Swap two places in one step; False where the system or the file system cannot."""
        self.step("exchange", target.path / other)
        return _renameat2(source, one, target, other, _RENAME_EXCHANGE)[0]

    def remove(self, folder: Folder, name: str) -> OSError | None:
        """Remove a file, a link or a whole folder; links in it are not followed.

        Returns:
            Why something of it is still there; None if nothing is.
        """
        path = folder.path / name
        try:
            found = self.state(folder, name)
            if found is None:
                return None
            self.step("remove", path)
            if not stat.S_ISDIR(found.st_mode):
                os.unlink(folder.place(name), dir_fd=folder.descriptor)
                return None
            failed: list[OSError] = []

            def keep(_: Callable[..., Any], __: str, error: Any) -> None:
                if isinstance(error[1], OSError) and not isinstance(error[1], FileNotFoundError):
                    failed.append(error[1])

            shutil.rmtree(folder.place(name), onerror=keep, dir_fd=folder.descriptor)
        except FileNotFoundError:
            return None
        except OSError as error:
            return error
        return failed[0] if failed else None

    def remove_empty(self, folder: Folder, name: str) -> None:
        """Remove a folder that holds nothing."""
        self.step("remove_empty", folder.path / name)
        os.rmdir(folder.place(name), dir_fd=folder.descriptor)

    def unlink(self, folder: Folder, name: str) -> None:
        """Remove a file or a link, if it is there."""
        self.step("unlink", folder.path / name)
        try:
            os.unlink(folder.place(name), dir_fd=folder.descriptor)
        except FileNotFoundError:
            return


#: What every output is made with; asked for at each call, so that a test may replace it.
os_ = System()


def _through(descriptor: int) -> Path | None:
    """A path to what is open, for this process and others of its user; None without ``/proc``."""
    try:
        # Not ``/proc/self``: a program that is given the path may be another process.
        path = Path("/proc", Path("/proc/self").readlink(), "fd", str(descriptor))
        return path if os.path.samestat(path.stat(), os.fstat(descriptor)) else None
    except OSError:
        return None


def _is_open_to_others(path: Path) -> bool:
    """Whether another user (root apart) may give what lies in a folder another name."""
    if sys.platform == "win32":  # where modes tell nothing of it
        return False
    try:
        found = path.stat()
    except OSError:
        return False
    if found.st_uid not in (0, os.geteuid()):
        return True
    return bool(found.st_mode & 0o022) and not found.st_mode & stat.S_ISVTX


def _is_private(found: os.stat_result) -> bool:
    if sys.platform == "win32":
        return True
    return found.st_uid == os.geteuid() and not found.st_mode & 0o077


def _renameat2(source: Folder, old: str, target: Folder, new: str, how: int) -> tuple[bool, int]:
    """Whether it is done, and the number of the error."""
    function = _function()
    if function is None or source.descriptor is None or target.descriptor is None:
        return False, errno.ENOSYS
    ctypes.set_errno(0)
    names = os.fsencode(old), os.fsencode(new)
    if function(source.descriptor, names[0], target.descriptor, names[1], how) == 0:
        return True, 0
    return False, ctypes.get_errno() or errno.ENOSYS


@cache
def _function() -> Any:
    if not sys.platform.startswith("linux"):
        return None
    function = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if function is not None:
        number, text = ctypes.c_int, ctypes.c_char_p
        function.argtypes = (number, text, number, text, ctypes.c_uint)
    return function
