"""Files that are either the old one or the new one, whatever happens in between."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

from .errors import RunError

ASIDE = ".part"  # suffix of a file that is being written


def write_file(path: Path, content: bytes) -> None:
    """Replace a file at once: written aside, flushed to disk, renamed.

    Raises:
        RunError: the disk is full, or the place cannot be written to; the old file is untouched
            and nothing is left aside.
    """
    aside = path.with_name(path.name + ASIDE)
    try:
        try:
            with aside.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                aside.unlink(missing_ok=True)
            raise
        _flush_directory(path.parent)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from None


def read_file(path: Path) -> bytes:
    """The content of a file.

    Raises:
        RunError: it does not exist or cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror or error}") from None


def read_text(path: Path) -> str:
    """The content of a text file.

    Raises:
        RunError: it does not exist, cannot be read or is not UTF-8.
    """
    try:
        return read_file(path).decode()
    except UnicodeDecodeError as error:
        raise RunError(f"cannot read {path}: byte {error.start} is not UTF-8 text") from None


def read_archive(path: Path) -> io.BytesIO:
    """The content of a zip archive, which ``torch.save`` and ``numpy.savez`` write.

    Raises:
        RunError: it does not exist or cannot be read, is cut short, or a checksum is wrong.
    """
    content = io.BytesIO(read_file(path))
    if not content.getbuffer().nbytes:
        raise RunError(f"cannot read {path}: it is empty")
    if not zipfile.is_zipfile(content):
        raise RunError(f"cannot read {path}: it is no zip archive, or cut short")
    try:
        with zipfile.ZipFile(content) as archive:
            damaged = archive.testzip()
    except Exception:  # of many kinds, by what the damaged bytes happen to say
        damaged = "its table of contents"
    if damaged is not None:
        raise RunError(f"cannot read {path}: {damaged} is damaged")
    content.seek(0)
    return content


def make_directory(path: Path) -> None:
    """Make a directory and its parents where they do not exist.

    Raises:
        RunError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot make the directory {path}: {error.strerror or error}") from None


@contextlib.contextmanager
def locked_directory(path: Path) -> Iterator[None]:
    """Keep other processes that ask for it out of a directory; the lock dies with the process.

    Raises:
        RunError: another process has it, or it cannot be opened.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise RunError(f"cannot open the directory {path}: {error.strerror or error}") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(f"{path} is in use by another training process") from None
        except OSError:
            pass  # a file system without locks: go on unprotected
        yield
    finally:
        os.close(descriptor)


def _flush_directory(path: Path) -> None:
    """Make a rename last through a power failure, where the system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
