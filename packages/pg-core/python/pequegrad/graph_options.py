"""What the attribute words of a record mean: ``TraceNode.options``, for programs that read graphs."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any

from . import dt

Words = tuple[int, ...]
Options = dict[str, Any]

INDEX_MODES = ("raise", "clip", "drop")
SCATTER_MODES = ("set", "add", "mul", "min", "max")
STATED = (
    "softmax",
    "log_softmax",
    "logsumexp",
    "softplus",
    "inverse_root",
    "standardised",
    "scaled",
)


def options_of(op: str, words: Sequence[int], kind: dt.DType) -> Options:
    """The named attributes of a record of this op, whose result has the dtype ``kind``.

    >>> from pequegrad.graph_options import options_of
    >>> options_of("permute", (1, 0), pg.float32)
    {'axes': (1, 0)}
    """
    reader = _READERS.get(op)
    return {} if reader is None else reader(tuple(words), kind)


def _fields(*names: str) -> Callable[[Words, dt.DType], Options]:
    """One word per name; names that end in ``?`` are bools."""
    keys = [(name.rstrip("?"), name.endswith("?")) for name in names]
    return lambda words, _: {
        key: bool(word) if truth else word for (key, truth), word in zip(keys, words, strict=True)
    }


def _axes(words: Words, _: dt.DType) -> Options:
    return {"axes": words}


def _value(words: Words, kind: dt.DType) -> Options:
    """Floats of every width and the real part of complex numbers travel as the bits of a double."""
    if kind.is_floating or kind.is_complex:
        return {"value": struct.unpack("<d", struct.pack("<q", words[0]))[0]}
    if kind.name == "bool":
        return {"value": bool(words[0])}
    return {"value": words[0] % 2**64 if kind.name == "uint64" else words[0]}


def _broadcast(words: Words, _: dt.DType) -> Options:
    rank = words[0]
    return {"shape": words[1 : 1 + rank], "axes": words[1 + rank :]}


def _columns(*names: str) -> Callable[[Words, dt.DType], Options]:
    """A row of words for every axis."""

    def read(words: Words, _: dt.DType) -> Options:
        return {name: words[i :: len(names)] for i, name in enumerate(names)}

    return read


def _iota(words: Words, _: dt.DType) -> Options:
    return {"axis": words[3], "shape": words[4:]}


def _labels(words: Words, _: dt.DType) -> Options:
    a, b, c = words[:3]
    rest = words[3:]
    return {"a": rest[:a], "b": rest[a : a + b], "c": rest[a + b : a + b + c]}


def _blocks(words: Words, rank: int, names: Sequence[str], last: str) -> Options:
    out: Options = {name: words[i * rank : (i + 1) * rank] for i, name in enumerate(names)}
    if missing := words[len(names) * rank :]:
        out[last] = missing
    return out


def _conv(words: Words, _: dt.DType) -> Options:
    names = ("strides", "low", "high", "dilation")
    return {"groups": words[1], **_blocks(words[2:], words[0], names, "extents")}


def _window(words: Words, _: dt.DType) -> Options:
    return _blocks(words[1:], words[0], ("window", "strides", "low", "high", "dilation"), "extents")


def _stated(words: Words, _: dt.DType) -> Options:
    return {"rule": STATED[words[0]], "axes": words[1:]}


def _pick(words: Words, _: dt.DType) -> Options:
    return {"result": words[0]}


def _dtype(words: Words, _: dt.DType) -> Options:
    return {"dtype": dt.all_dtypes[words[0]]}


def _gather(words: Words, _: dt.DType) -> Options:
    return {"mode": INDEX_MODES[words[0]]}


def _scatter(words: Words, _: dt.DType) -> Options:
    return {"how": SCATTER_MODES[words[0]], "mode": INDEX_MODES[words[1]]}


_CUMULATIVE = _fields("axis", "reverse?")
_READERS: dict[str, Callable[[Words, dt.DType], Options]] = {
    "full": _value,
    "number": _value,
    "astype": _dtype,
    "bitcast": _dtype,
    "threefry": _fields("word"),
    "reshape": lambda words, _: {"shape": words},
    "permute": _axes,
    "broadcast": _broadcast,
    "slice": _columns("start", "stop", "step"),
    "pad": _columns("low", "high", "interior"),
    "concat": _fields("axis"),
    "iota": _iota,
    "gather": _gather,
    "scatter": _scatter,
    "dot_general": _labels,
    "stated": _stated,
    "sort": _fields("axis", "descending?"),
    "argsort": _fields("axis", "descending?", "count"),
    "triangular_solve": _fields("lower?", "transposed?", "unit_diagonal?"),
    "fft": lambda words, _: {"inverse": bool(words[0]), "axes": words[1:]},
    "pick": _pick,
    "scan": _fields("length", "reverse?", "constants", "carries"),
    "while": _fields("constants"),
    **dict.fromkeys(("conv", "conv_input_grad", "conv_weight_grad"), _conv),
    **dict.fromkeys(
        (
            "reduce_window_max",
            "reduce_window_sum",
            "window_max_grad",
            "window_max_pick",
            "window_sum_grad",
        ),
        _window,
    ),
    **dict.fromkeys(
        ("reduce_sum", "reduce_prod", "reduce_max", "reduce_min", "reduce_all", "reduce_any"), _axes
    ),
    **dict.fromkeys(("cumulative_sum", "cumulative_prod", "cumulative_max", "cumulative_min"), _CUMULATIVE),
}
