"""A file appears whole or not at all, and says itself whether it is whole.

The bytes go to a temporary name in the same folder, end in a seal (the SHA-256
of everything before it), are flushed to the disk, read back, and only then take
their name. HDF5 ignores what follows its own end of file, so that any reader
opens a sealed file; `check_seal` sees every truncation and every flipped bit
before the HDF5 library, which a corrupt file can crash or hang, touches it.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from tumorsim.store.errors import ResultError

Content = bytes | bytearray | memoryview | Callable[[BinaryIO], None]

_MAGIC = b"\ntumorsim sha256 "
SEAL_SIZE = len(_MAGIC) + 64 + 1
_PIECE = 1 << 24
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


def seal(digest: str) -> bytes:
    """The last bytes of a whole file."""
    return _MAGIC + digest.encode() + b"\n"


def check_target(path: Path | str, force: bool = False) -> Path:
    """The path, if a file can be written there; call it before a long computation.

    Raises
    ------
    ResultError
        The file exists and ``force`` is false, it is no regular file, or its
        folder is missing or closed to writing.
    """
    path = Path(path)
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        mode = None
    except (OSError, ValueError) as error:
        raise ResultError(path, "file", f"cannot be looked at ({error})", "Choose another name with --out") from error
    if mode is not None and not stat.S_ISREG(mode):
        kind = "is a folder" if stat.S_ISDIR(mode) else "is not a regular file"
        raise ResultError(path, "file", kind, 'Give the name of a file, e.g. "result.h5"')
    if mode is not None and not force:
        raise _exists(path)
    folder = path.parent
    if not folder.is_dir():
        rule = f"the folder {folder} does not exist"
        raise ResultError(path, "file", rule, "Create it, or choose another with --out")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ResultError(path, "file", f"the folder {folder} is not writable", "Choose another with --out")
    return path


def commit(path: Path | str, content: Content, *, force: bool = False, sealed: bool = True) -> Path:
    """Write a file whole, or leave everything as it was.

    Parameters
    ----------
    path
        Final name. An existing file is replaced only with ``force``.
    content
        All bytes, without the seal; or what writes them into an open file, for those that do not fit into memory.
    sealed
        End the file with its seal; false for formats that allow no such end.

    Returns
    -------
    Path
        The path.

    Raises
    ------
    ResultError
        As `check_target`; or the disk is full, or refuses the write.
    """
    path = check_target(path, force)
    part = path.with_name(f".{path.name[:80]}.{os.getpid()}-{secrets.token_hex(4)}.part")
    view = None if callable(content) else memoryview(content).cast("B")
    size = 0 if view is None else len(view)
    try:
        digest, size = _fill(part, view, sealed) if view is not None else _pour(part, content, sealed)
        with open(part, "rb") as file:
            if _hash(file, size) != digest:
                raise ResultError(path, "file", "the disk gave back other bytes than were written", "Check the disk")
        _publish(part, path, force)
    except OSError as error:
        with contextlib.suppress(OSError):
            size = max(size, part.stat().st_size)
        raise _explained(path, error, size) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
    return path


def _fill(part: Path, view: memoryview, sealed: bool) -> tuple[str, int]:
    """Write bytes and the seal; returns their hash and their number."""
    hashed = hashlib.sha256()
    with open(part, "xb") as file:
        for start in range(0, len(view), _PIECE):
            hashed.update(view[start : start + _PIECE])
            file.write(view[start : start + _PIECE])
        _end(file, hashed.hexdigest(), sealed)
    return hashed.hexdigest(), len(view)


def _pour(part: Path, content: Any, sealed: bool) -> tuple[str, int]:
    """Let ``content`` write where it likes, then hash what is there and seal it."""
    with open(part, "x+b") as file:
        content(file)
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        digest = _hash(file, size)
        file.seek(size)
        _end(file, digest, sealed)
    return digest, size


def _end(file: BinaryIO, digest: str, sealed: bool) -> None:
    if sealed:
        file.write(seal(digest))
    file.flush()
    os.fsync(file.fileno())


def _publish(part: Path, path: Path, force: bool) -> None:
    """Give the finished file its name; without ``force`` never over another, even one made this instant."""
    if force:
        os.replace(part, path)
    else:
        try:
            os.link(part, path)
        except FileExistsError:
            raise _exists(path) from None
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            _publish_without_links(part, path)
    with contextlib.suppress(OSError):  # not every system can flush a folder
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _publish_without_links(part: Path, path: Path) -> None:
    """For file systems without hard links: reserve the name, then replace the reservation."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    except FileExistsError:
        raise _exists(path) from None
    os.replace(part, path)


def _exists(path: Path) -> ResultError:
    return ResultError(path, "file", "exists already", "Use --force to replace it, or choose another name with --out")


def _explained(path: Path, error: OSError, size: int) -> ResultError:
    if error.errno in _NO_SPACE:
        rule = f"no room for {size / 1e6:.1f} MB ({error.strerror}); nothing was written, an earlier file is untouched"
        return ResultError(path, "file", rule, "Free some space, or choose another disk with --out")
    rule = f"cannot be written ({error.strerror or error})"
    return ResultError(path, "file", rule, "Choose another place with --out")


def check_seal(path: Path | str) -> os.stat_result:
    """Check that a file is whole.

    Returns
    -------
    os.stat_result
        Which file was checked (device, inode, size, time).

    Raises
    ------
    ResultError
        No such file, not a regular file, no seal, or other bytes than were sealed.
    """
    path = Path(path)
    try:
        with open(path, "rb", opener=_open_regular) as file:
            found = os.fstat(file.fileno())
            body = found.st_size - SEAL_SIZE
            if body <= 0:
                rule = f"is no result: it has only {found.st_size} bytes"
                raise ResultError(path, "file", rule, "Run the scenario again")
            digest = _hash(file, body)
            last = file.read(SEAL_SIZE + 1)
    except OSError as error:
        raise _unopened(path, error) from error
    _compare(path, last, digest)
    return found


def read_sealed(path: Path | str) -> memoryview:
    """All bytes of a whole file, without the seal: what was checked is what is returned.

    Raises
    ------
    ResultError
        As `check_seal`.
    """
    path = Path(path)
    try:
        with open(path, "rb", opener=_open_regular) as file:
            content = memoryview(file.read())
    except OSError as error:
        raise _unopened(path, error) from error
    body = content[: max(0, len(content) - SEAL_SIZE)]
    _compare(path, bytes(content[len(body) :]), hashlib.sha256(body).hexdigest())
    return body


def _unopened(path: Path, error: OSError) -> ResultError:
    if isinstance(error, FileNotFoundError):
        return ResultError(path, "file", "does not exist", "Give the path that `tumorsim run` printed")
    return ResultError(path, "file", f"cannot be read ({error.strerror or error})", "Check path and permissions")


def _compare(path: Path, last: bytes, digest: str) -> None:
    """The last bytes of a file against the seal that it ought to have."""
    if not last.startswith(_MAGIC):
        rule = "has no seal at its end: it is cut short, was changed by another program, or is no tumorsim result"
        raise ResultError(path, "file", rule, "Take the original, or run the scenario again")
    if last != seal(digest):
        rule = "is damaged: its bytes are not those that were written (SHA-256 differs)"
        raise ResultError(path, "file", rule, "Copy it again from the original, or run the scenario again")


def _open_regular(name: str, flags: int) -> int:
    """Open without waiting on a FIFO, and refuse what is no file."""
    descriptor = os.open(name, flags | getattr(os, "O_NONBLOCK", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file")
    return descriptor


def _hash(file: BinaryIO, size: int) -> str:
    hashed, left = hashlib.sha256(), size
    while left and (piece := file.read(min(left, _PIECE))):
        hashed.update(piece)
        left -= len(piece)
    return hashed.hexdigest()
