"""Elementwise records in ONNX's operators. Where ONNX leaves a case open that pequegrad defines (a division
of integers by zero), the case is spelled out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from .builder import Builder, onnx_type
from .parts import Record, Refused

# From the names of the operands (arrays that broadcast) to the name of the result.
Emit = Callable[[Builder, Record, Sequence[str]], str]

# Records that are one operator each.
DIRECT = {
    "neg": "Neg",
    "abs": "Abs",
    "sign": "Sign",
    "floor": "Floor",
    "ceil": "Ceil",
    "round": "Round",
    "sqrt": "Sqrt",
    "recip": "Reciprocal",
    "exp": "Exp",
    "log": "Log",
    "sin": "Sin",
    "cos": "Cos",
    "tan": "Tan",
    "asin": "Asin",
    "acos": "Acos",
    "atan": "Atan",
    "sinh": "Sinh",
    "cosh": "Cosh",
    "tanh": "Tanh",
    "asinh": "Asinh",
    "acosh": "Acosh",
    "atanh": "Atanh",
    "sigmoid": "Sigmoid",
    "erf": "Erf",
    "isnan": "IsNaN",
    "isinf": "IsInf",
    "add": "Add",
    "sub": "Sub",
    "mul": "Mul",
    "div": "Div",
}


def emit_elementwise(b: Builder, record: Record, x: Sequence[str]) -> str:
    """The result of an elementwise record."""
    kind = DIRECT.get(record.op)
    if kind is not None:
        return b.op(kind, x)
    return SPELLED[record.op](b, record, x)


def _number(b: Builder, record: Record, value: float) -> str:
    return b.constant(value, record.dtype)


def _unary(write: Callable[[Builder, str, Callable[[float], str]], str]) -> Emit:
    """A function of one operand, given numbers of the operand's dtype."""
    return lambda b, record, x: write(b, x[0], lambda value: _number(b, record, value))


def _trunc(b: Builder, x: str, n: Callable[[float], str]) -> str:
    return b.op("Mul", [b.op("Sign", [x]), b.op("Floor", [b.op("Abs", [x])])])


def _expm1(b: Builder, x: str, n: Callable[[float], str]) -> str:
    # tanh(x / 2) (exp(x) + 1) keeps the digits near zero that exp(x) - 1 loses; far out exp alone decides.
    near = b.op("Mul", [b.op("Tanh", [b.op("Mul", [x, n(0.5)])]), b.op("Add", [b.op("Exp", [x]), n(1)])])
    far = b.op("Sub", [b.op("Exp", [x]), n(1)])
    return b.op("Where", [b.op("Less", [b.op("Abs", [x]), n(1)]), near, far])


def _log1p(b: Builder, x: str, n: Callable[[float], str]) -> str:
    # log(1 + x) = 2 atanh(x / (2 + x)), which keeps the digits near zero.
    small = b.op("Less", [b.op("Abs", [x]), n(0.5)])
    inside = b.op("Where", [small, x, n(0)])
    near = b.op("Mul", [b.op("Atanh", [b.op("Div", [inside, b.op("Add", [inside, n(2)])])]), n(2)])
    return b.op("Where", [small, near, b.op("Log", [b.op("Add", [x, n(1)])])])


def _gelu(approximate: str) -> Emit:
    def write(b: Builder, record: Record, x: Sequence[str]) -> str:
        if b.opset >= 20:
            return b.op("Gelu", x, approximate=approximate)
        if approximate == "none":
            scaled = b.op("Mul", [x[0], _number(b, record, 1 / math.sqrt(2))])
            bell = b.op("Erf", [scaled])
        else:
            cube = b.op("Mul", [b.op("Mul", [x[0], x[0]]), x[0]])
            inner = b.op("Add", [x[0], b.op("Mul", [cube, _number(b, record, 0.044715)])])
            bell = b.op("Tanh", [b.op("Mul", [inner, _number(b, record, math.sqrt(2 / math.pi))])])
        share = b.op("Mul", [b.op("Add", [bell, _number(b, record, 1)]), _number(b, record, 0.5)])
        return b.op("Mul", [x[0], share])

    return write


def _ndtr(b: Builder, x: str, n: Callable[[float], str]) -> str:
    bell = b.op("Erf", [b.op("Mul", [x, n(1 / math.sqrt(2))])])
    return b.op("Mul", [b.op("Add", [bell, n(1)]), n(0.5)])


def _isfinite(b: Builder, record: Record, x: Sequence[str]) -> str:
    return b.op("Not", [b.op("Or", [b.op("IsNaN", x), b.op("IsInf", x)])])


# ---- integers and bools


def _logic(on_bools: str, on_bits: str) -> Emit:
    def write(b: Builder, record: Record, x: Sequence[str]) -> str:
        if record.dtype.name == "bool":
            return b.op(on_bools, x)
        b.since(18, on_bits)
        return b.op(on_bits, x)

    return write


def _shift(direction: str) -> Emit:
    def write(b: Builder, record: Record, x: Sequence[str]) -> str:
        if not record.dtype.name.startswith("uint"):
            raise Refused("ONNX shifts unsigned integers only")
        width = record.dtype.itemsize * 8
        beyond = b.op("GreaterOrEqual", [x[1], _number(b, record, width)])
        by = b.op("Where", [beyond, _number(b, record, 0), x[1]])
        moved = b.op("BitShift", [x[0], by], direction=direction)
        return b.op("Where", [beyond, _number(b, record, 0), moved])

    return write


def _extremum(on_numbers: str, on_bools: str) -> Emit:
    return lambda b, record, x: b.op(on_bools if record.dtype.name == "bool" else on_numbers, x)


def _nonzero(b: Builder, record: Record, y: str) -> tuple[str, str]:
    """Where the divisor is zero, and the divisor with ones there: integers divided by 0 give 0."""
    zero = b.op("Equal", [y, _number(b, record, 0)])
    return zero, b.op("Where", [zero, _number(b, record, 1), y])


def _floor_divide(b: Builder, record: Record, x: Sequence[str]) -> str:
    if record.dtype.is_floating:
        return b.op("Floor", [b.op("Div", x)])
    zero, y = _nonzero(b, record, x[1])
    quotient = b.op("Div", [b.op("Sub", [x[0], b.op("Mod", [x[0], y])]), y])
    return b.op("Where", [zero, _number(b, record, 0), quotient])


def _remainder(b: Builder, record: Record, x: Sequence[str]) -> str:
    if record.dtype.is_floating:
        rest = b.op("Mod", x, fmod=1)
        zero = _number(b, record, 0)
        other_sign = b.op("Xor", [b.op("Less", [rest, zero]), b.op("Less", [x[1], zero])])
        wrong = b.op("And", [other_sign, b.op("Not", [b.op("Equal", [rest, zero])])])
        return b.op("Where", [wrong, b.op("Add", [rest, x[1]]), rest])
    zero, y = _nonzero(b, record, x[1])
    return b.op("Where", [zero, _number(b, record, 0), b.op("Mod", [x[0], y])])


def _fmod(b: Builder, record: Record, x: Sequence[str]) -> str:
    if record.dtype.is_floating:
        return b.op("Mod", x, fmod=1)
    zero, y = _nonzero(b, record, x[1])
    return b.op("Where", [zero, _number(b, record, 0), b.op("Mod", [x[0], y], fmod=1)])


# ---- angles and lengths


def _atan2(b: Builder, record: Record, x: Sequence[str]) -> str:
    def n(value: float) -> str:
        return _number(b, record, value)

    up, right = x
    sign = b.op("Where", [b.op("Less", [up, n(0)]), n(-1), n(1)])
    vertical = b.op("Equal", [right, n(0)])
    slope = b.op("Atan", [b.op("Div", [up, b.op("Where", [vertical, n(1), right])])])
    turned = b.op("Add", [slope, b.op("Mul", [sign, n(math.pi)])])
    angle = b.op("Where", [b.op("Less", [right, n(0)]), turned, slope])
    straight = b.op("Mul", [b.op("Sign", [up]), n(math.pi / 2)])
    return b.op("Where", [vertical, straight, angle])


def _hypot(b: Builder, record: Record, x: Sequence[str]) -> str:
    a, c = b.op("Abs", [x[0]]), b.op("Abs", [x[1]])
    long, short = b.op("Max", [a, c]), b.op("Min", [a, c])
    _, safe = _nonzero(b, record, long)
    ratio = b.op("Div", [short, safe])
    root = b.op("Sqrt", [b.op("Add", [b.op("Mul", [ratio, ratio]), _number(b, record, 1)])])
    return b.op("Where", [b.op("IsInf", [long]), long, b.op("Mul", [long, root])])


# ---- comparisons and conversions


def _compare(kind: str) -> Emit:
    return lambda b, record, x: b.op(kind, x)


def _not_equal(b: Builder, record: Record, x: Sequence[str]) -> str:
    return b.op("Not", [b.op("Equal", x)])


def _where(b: Builder, record: Record, x: Sequence[str]) -> str:
    if record.dtype.name != "bool":
        return b.op("Where", x)
    # Between bools a choice is logic, which every runtime has.
    test, then, otherwise = x
    return b.op("Or", [b.op("And", [test, then]), b.op("And", [b.op("Not", [test]), otherwise])])


def _astype(b: Builder, record: Record, x: Sequence[str]) -> str:
    return b.op("Cast", x, to=onnx_type(record.dtype))


def _pow(b: Builder, record: Record, x: Sequence[str]) -> str:
    if record.dtype.is_floating:
        return b.op("Pow", x)
    raise Refused("powers of integers wrap, which ONNX leaves open")


def _silu(b: Builder, record: Record, x: Sequence[str]) -> str:
    return b.op("Mul", [x[0], b.op("Sigmoid", x)])


def _copysign(b: Builder, record: Record, x: Sequence[str]) -> str:
    size, zero = b.op("Abs", [x[0]]), _number(b, record, 0)
    # 1 / -0 is -inf, so that the sign of zeros counts as well.
    inverse = b.op("Reciprocal", [x[1]])
    negative = b.op("Or", [b.op("Less", [x[1], zero]), b.op("Less", [inverse, zero])])
    return b.op("Where", [negative, b.op("Neg", [size]), size])


SPELLED: dict[str, Emit] = {
    "trunc": _unary(_trunc),
    "rsqrt": _unary(lambda b, x, n: b.op("Reciprocal", [b.op("Sqrt", [x])])),
    "exp2": _unary(lambda b, x, n: b.op("Pow", [n(2), x])),
    "expm1": _unary(_expm1),
    "log2": _unary(lambda b, x, n: b.op("Mul", [b.op("Log", [x]), n(1 / math.log(2))])),
    "log10": _unary(lambda b, x, n: b.op("Mul", [b.op("Log", [x]), n(1 / math.log(10))])),
    "log1p": _unary(_log1p),
    "erfc": _unary(lambda b, x, n: b.op("Sub", [n(1), b.op("Erf", [x])])),
    "ndtr": _unary(_ndtr),
    "gelu": _gelu("none"),
    "gelu_tanh": _gelu("tanh"),
    "silu": _silu,
    "isfinite": _isfinite,
    "copysign": _copysign,
    "hypot": _hypot,
    "atan2": _atan2,
    "pow": _pow,
    "where": _where,
    "astype": _astype,
    "maximum": _extremum("Max", "Or"),
    "minimum": _extremum("Min", "And"),
    "floor_divide": _floor_divide,
    "remainder": _remainder,
    "fmod": _fmod,
    "equal": _compare("Equal"),
    "not_equal": _not_equal,
    "less": _compare("Less"),
    "less_equal": _compare("LessOrEqual"),
    "not": _logic("Not", "BitwiseNot"),
    "and": _logic("And", "BitwiseAnd"),
    "or": _logic("Or", "BitwiseOr"),
    "xor": _logic("Xor", "BitwiseXor"),
    "shift_left": _shift("LEFT"),
    "shift_right": _shift("RIGHT"),
}
