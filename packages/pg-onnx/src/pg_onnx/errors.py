"""Errors of pg_onnx: each is one line, and carries the exit code of the command ``pg-onnx``.

Codes: 2 wrong use, 3 invalid or corrupt model, 4 valid but unsupported, 5 a limit is exceeded, 6 a file
cannot be read or written.

>>> ResourceLimitError("graph", limit="max_nodes").exit_code
5
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from pequegrad import errors

__all__ = [
    "FileError",
    "InvalidModelError",
    "OnnxError",
    "ResourceLimitError",
    "Unsupported",
    "UnsupportedError",
    "UsageError",
    "clean",
]

_LONGEST = 4000  # characters of a message; a hostile name must not flood the terminal


def clean(text: str) -> str:
    """Text from a file made fit for a terminal: one line, control characters escaped.

    >>> clean("a\\x1b[31m" + chr(10) + "b")
    'a\\\\x1b[31m\\\\nb'
    """
    if not text.isprintable():
        text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


class OnnxError(errors.PequegradError):
    """Base class of all errors raised by pg_onnx."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str) -> None:
        super().__init__(clean(message))


class UsageError(OnnxError, errors.ArgumentError):
    """A function or the command was called with arguments that do not fit the model."""

    exit_code = 2


class InvalidModelError(OnnxError, ValueError):
    """A file is not a valid ONNX model: truncated, corrupt, or against the rules of the format."""

    exit_code = 3


@dataclass(frozen=True)
class Unsupported:
    """One thing that a model needs and pg_onnx lacks, with the names of the nodes that need it."""

    domain: str
    op: str
    version: int
    reason: str
    nodes: tuple[str, ...] = ()

    def __str__(self) -> str:
        op = f"{self.domain}::{self.op}" if self.domain else self.op
        count = f" ({len(self.nodes)} nodes)" if len(self.nodes) > 1 else ""
        return f"{op}-{self.version}{count}: {self.reason}" if op else self.reason


class UnsupportedError(OnnxError, errors.UnsupportedError):
    """A valid model that needs something pg_onnx lacks; ``reasons`` lists all of it."""

    exit_code = 4

    def __init__(self, message: str, reasons: Sequence[Unsupported] = ()) -> None:
        super().__init__(message)
        self.reasons = tuple(reasons)


class ResourceLimitError(OnnxError, errors.OutOfMemoryError):
    """A model exceeds a limit; ``limit`` names the field of ``Limits`` that allows more."""

    exit_code = 5

    def __init__(self, message: str, limit: str = "") -> None:
        super().__init__(f"{message}; raise Limits.{limit} to allow more" if limit else message)
        self.limit = limit


class FileError(OnnxError, OSError):
    """A file is missing, of the wrong kind, or cannot be read or written."""

    exit_code = 6
