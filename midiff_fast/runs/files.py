"""Files that are either the old one or the new one, whatever happens in between."""

from __future__ import annotations

import contextlib
import fcntl
import os
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
