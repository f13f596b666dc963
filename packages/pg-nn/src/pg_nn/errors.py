"""Errors of pg_nn: each names what was passed, what was needed, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pequegrad.errors import PequegradError

__all__ = [
    "CheckpointDamagedError",
    "CheckpointError",
    "CheckpointNotFoundError",
    "CheckpointWriteError",
    "ModuleError",
    "OptimizerError",
    "StateDictError",
    "describe_mismatch",
]


class ModuleError(PequegradError, TypeError):
    """A module was built or assigned to in a way that would silently not work."""


class StateDictError(PequegradError, ValueError):
    """Names, shapes or dtypes of a state dict differ from what its receiver holds."""


class OptimizerError(PequegradError, ValueError):
    """An optimizer was given hyperparameters or gradients that it cannot use."""


class CheckpointError(PequegradError):
    """A checkpoint could not be read or written."""


class CheckpointDamagedError(CheckpointError, ValueError):
    """A file is truncated, damaged, or not a safetensors file."""


class CheckpointNotFoundError(CheckpointError, FileNotFoundError):
    """There is no checkpoint at the given path."""


class CheckpointWriteError(CheckpointError, OSError):
    """A checkpoint could not be written; the file that was there before is untouched."""


def describe_mismatch(
    expected: Mapping[str, Any],
    given: Mapping[str, Any],
    describe: Callable[[Any], str],
    differs: Callable[[Any, Any], bool],
) -> list[str]:
    """Lines of a diff between two mappings; empty when they agree.

    `describe` renders one value, `differs` compares two of the same name.

    >>> describe_mismatch({"a": 1, "b": 2}, {"b": 3, "c": 4}, str, lambda x, y: x != y)
    ['- missing:    a  (expected 1)', '- unexpected: c  (got 4)', '- differs:    b  (expected 2, got 3)']
    """
    lines = [f"- missing:    {k}  (expected {describe(v)})" for k, v in expected.items() if k not in given]
    lines += [f"- unexpected: {k}  (got {describe(v)})" for k, v in given.items() if k not in expected]
    lines += [
        f"- differs:    {k}  (expected {describe(v)}, got {describe(given[k])})"
        for k, v in expected.items()
        if k in given and differs(v, given[k])
    ]
    return lines
