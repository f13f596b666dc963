"""What the commands share: reports, progress, limits, and the inputs of a model."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import FileError, UnsupportedError, UsageError, clean
from ..limits import Limits
from ..reader import ELEMENT_TYPES, Model, TensorType, ValueInfo, read

SCHEMA = 1  # of the JSON objects


class Report:
    """What a command found: lines for people, and one object for programs."""

    def __init__(self, command: str, as_json: bool) -> None:
        self.command, self.as_json = command, as_json
        self.lines: list[str] = []
        self.data: dict[str, Any] = {}

    def head(self) -> dict[str, Any]:
        """The first entries of every object."""
        return {"schema": SCHEMA, "command": self.command}

    def say(self, line: str = "") -> None:
        """A line for people."""
        self.lines.append(clean(line))

    def print(self, code: int) -> None:
        """Writes the object or the lines to the standard output."""
        if self.as_json:
            print(json.dumps({**self.head(), "ok": code == 0, "exit_code": code, **self.data}))
        elif self.lines:
            print("\n".join(self.lines))


class Progress:
    """Says on a terminal how far a command is, from the first second on."""

    def __init__(self, options: argparse.Namespace, what: str, total: int) -> None:
        self.what, self.total, self.done = what, total, 0
        self.shown = not options.quiet and not options.json and sys.stderr.isatty()
        self.start, self.written = time.monotonic(), False

    def step(self) -> None:
        """One more is done."""
        self.done += 1
        if self.shown and time.monotonic() - self.start > 1:
            sys.stderr.write(f"\r{self.what}: {self.done}/{self.total}")
            sys.stderr.flush()
            self.written = True

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self.written:
            sys.stderr.write("\r\x1b[K")


def limits_of(options: argparse.Namespace) -> Limits:
    """The limits that the command line sets."""
    limits = Limits()
    if options.max_elements is not None:
        if options.max_elements < 1:
            raise UsageError("--max-elements needs a positive number")
        limits = replace(
            limits,
            max_elements=options.max_elements,
            max_folded_elements=min(limits.max_folded_elements, options.max_elements),
        )
    return limits


def add_model(sub: argparse.ArgumentParser) -> None:
    """The argument that names the model."""
    sub.add_argument("model", metavar="MODEL", help="an ONNX file, or - for the standard input")


def read_model(options: argparse.Namespace) -> Model:
    """The model that the command line names."""
    limits = limits_of(options)
    if options.model == "-":
        data = sys.stdin.buffer.read(limits.max_file_bytes + 1)
        return read(data, limits)
    return read(options.model, limits)


def true_inputs(model: Model) -> list[ValueInfo]:
    """The inputs that are no initializers."""
    names = {t.name for t in model.graph.initializers}
    return [value for value in model.graph.inputs if value.name not in names]


# ---- inputs


def add_inputs(sub: argparse.ArgumentParser) -> None:
    """How to give or make inputs."""
    sub.add_argument(
        "--input", action="append", default=[], metavar="NAME=FILE.npy", help="an input's numbers"
    )
    sub.add_argument("--inputs", metavar="FILE.npz", help="inputs by name")
    sub.add_argument(
        "--shape", action="append", default=[], metavar="NAME:2,3,224,224", help="an input's shape"
    )
    sub.add_argument("--dim", action="append", default=[], metavar="NAME=N", help="an extent that has a name")
    sub.add_argument("--seed", type=int, default=0, metavar="N", help="of random inputs (default 0)")


def given_inputs(options: argparse.Namespace) -> dict[str, np.ndarray]:
    """The arrays that the command line names."""
    found: dict[str, np.ndarray] = {}
    if options.inputs:
        with _loaded(options.inputs) as arrays:
            if not hasattr(arrays, "files"):
                raise UsageError(f"--inputs {options.inputs}: holds one array without a name; use --input")
            found.update({name: arrays[name] for name in arrays.files})
    for item in options.input:
        name, _, path = item.partition("=")
        if not path:
            raise UsageError(f"--input {item}: write NAME=FILE.npy")
        array = _loaded(path)
        if not isinstance(array, np.ndarray):
            raise UsageError(f"--input {item}: holds several arrays; use --inputs")
        found[name] = array
    return found


def _loaded(path: str) -> Any:
    try:
        return np.load(path, allow_pickle=False)
    except OSError as error:
        raise FileError(f"{path}: {error.strerror or error}") from None
    except ValueError as error:
        raise FileError(f"{path}: no NumPy file of plain numbers ({error})") from None


def pairs(items: Sequence[str], separator: str, option: str) -> dict[str, str]:
    """``NAME<separator>VALUE`` items as a dict."""
    out = {}
    for item in items:
        name, found, value = item.rpartition(separator)
        if not found or not name:
            raise UsageError(f"{option} {item}: write NAME{separator}VALUE")
        out[name] = value
    return out


def whole_numbers(text: str, option: str) -> tuple[int, ...]:
    """Comma-separated extents."""
    try:
        values = tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise UsageError(f"{option}: {text!r} is no list of whole numbers") from None
    if any(v < 0 for v in values):
        raise UsageError(f"{option}: {text!r} has a negative extent")
    return values


def make_inputs(
    model: Model,
    options: argparse.Namespace,
    rng: np.random.Generator,
    default: int = 2,
    given: Mapping[str, np.ndarray] | None = None,
) -> dict[str, np.ndarray]:
    """An array for each input: given, or random of the stated type; extents without a number are
    ``default`` unless ``--dim`` or ``--shape`` says otherwise.
    """
    infos = true_inputs(model)
    names = [info.name for info in infos]
    found = dict(given or {})
    shapes = pairs(options.shape, ":", "--shape")
    for name in (*found, *shapes):
        if name not in names:
            raise UsageError(f"the model has no input {name!r}; there are {', '.join(map(repr, names))}")
    dims = {k: whole_numbers(v, "--dim") for k, v in pairs(options.dim, "=", "--dim").items()}
    out = {}
    for info in infos:
        if info.name in found:
            out[info.name] = found[info.name]
            continue
        if not isinstance(info.type, TensorType):
            raise UsageError(f"input {info.name!r} is a {info.type}; give it with --input")
        kind = ELEMENT_TYPES.get(info.type.dtype)
        if kind is None or not kind.known or kind.name == "bfloat16":
            name = kind.name if kind else f"type {info.type.dtype}"
            raise UnsupportedError(f"input {info.name!r}: random numbers of {name}")
        if info.name in shapes:
            shape = whole_numbers(shapes[info.name], "--shape")
        elif info.type.shape is None:
            raise UsageError(f"input {info.name!r} has no stated shape; give --shape {info.name}:...")
        else:
            shape = tuple(_extent(d, dims, default) for d in info.type.shape)
        out[info.name] = _random(kind.name, shape, rng)
    return out


def _extent(dim: int | str | None, dims: Mapping[str, tuple[int, ...]], default: int) -> int:
    if isinstance(dim, int):
        return dim
    given = dims.get(dim or "", ())
    return given[0] if given else default


def _random(kind: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    try:
        if kind == "bool":
            return rng.integers(0, 2, shape).astype(bool)
        if "int" in kind:  # small, since they are often indices
            return rng.integers(0, 2, shape).astype(kind)
        if "complex" in kind:
            return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(kind)
        return rng.normal(size=shape).astype(kind)
    except (ValueError, MemoryError):
        raise UsageError(f"an input of shape {shape} is too large; give --shape or --dim") from None


def shown(value: np.ndarray) -> str:
    """One line about an array."""
    head = f"{value.dtype}{list(value.shape)}"
    if value.size == 0 or value.dtype.kind not in "fiu":
        return head
    if value.size == 1:
        return f"{head} = {value.reshape(-1)[0]}"
    wide = value.astype(np.float64)
    return f"{head} min {wide.min():.6g} mean {wide.mean():.6g} max {wide.max():.6g}"
