"""Weights in files beside the model. Names come from the model, so they are not trusted: only regular files
below the model's own directory are opened, and no symbolic link is followed on the way.
"""

from __future__ import annotations

import mmap
import os
import stat
import warnings

from ..errors import FileError, InvalidModelError

__all__ = ["Directory", "check_location"]


def check_location(location: str) -> tuple[str, ...]:
    """The components of a relative POSIX path; anything else is refused.

    >>> check_location("weights/a.bin")
    ('weights', 'a.bin')
    >>> check_location("../secret")
    Traceback (most recent call last):
        ...
    pg_onnx.errors.InvalidModelError: external data at '../secret': not a plain relative path
    """
    parts = location.split("/")
    bad = (
        not location
        or "\0" in location
        or "\\" in location
        or ":" in location
        or any(part in ("", "..") for part in parts)
    )
    steps = tuple(part for part in parts if part != ".")
    if bad or not steps:
        raise InvalidModelError(f"external data at {location!r}: not a plain relative path")
    return steps


class Directory:
    """The directory of a model, from which files of weights are mapped when they are asked for."""

    def __init__(self, path: str | None) -> None:
        self.path = path
        self._maps: dict[tuple[str, ...], memoryview] = {}

    def view(self, location: str, offset: int, length: int | None) -> memoryview:
        """Bytes of a file, mapped read-only."""
        steps = check_location(location)
        if steps not in self._maps:
            self._maps[steps] = self._open(steps, location)
        data = self._maps[steps]
        length = len(data) - offset if length is None else length
        if offset < 0 or length < 0 or offset > len(data) or length > len(data) - offset:
            raise InvalidModelError(
                f"external data at {location!r}: bytes {offset} to {offset + length} of a file of {len(data)}"
            )
        return data[offset : offset + length]

    def _open(self, steps: tuple[str, ...], location: str) -> memoryview:
        if self.path is None:
            raise FileError(f"external data at {location!r}: the model has no directory; read it from a path")
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        handle = -1
        try:
            handle = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            for i, step in enumerate(steps):
                kind = os.O_DIRECTORY if i + 1 < len(steps) else 0
                below = os.open(step, flags | kind, dir_fd=handle)
                os.close(handle)
                handle = below
            return _mapped(handle, location)
        except OSError as error:
            if isinstance(error, FileError):
                raise
            reason = error.strerror or type(error).__name__
            raise FileError(f"external data at {location!r}: {reason} (links are not followed)") from None
        finally:
            if handle >= 0:
                os.close(handle)


def _mapped(handle: int, location: str) -> memoryview:
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode):
        raise FileError(f"external data at {location!r}: not a regular file")
    if found.st_nlink > 1:
        warnings.warn(f"external data at {location!r} has {found.st_nlink} names (hard links)", stacklevel=2)
    if found.st_size == 0:
        return memoryview(b"")
    return memoryview(mmap.mmap(handle, found.st_size, access=mmap.ACCESS_READ))
