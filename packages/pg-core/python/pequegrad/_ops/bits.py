"""Bits of numbers: reading them as another dtype, shifting and counting them, rounding away the last."""

from __future__ import annotations

from typing import Any

from .. import _core, dt
from .._core import Tensor
from ..errors import DTypeError, InvalidValueError, ShapeError
from .common import TensorLike, as_tensor, cast, elementwise, reshape_to
from .logic import bitwise_and, bitwise_or, where
from .numbers import bitwise_count

_UNSIGNED = {1: dt.uint8, 2: dt.uint16, 4: dt.uint32, 8: dt.uint64}


def _word(x: Tensor) -> Tensor:
    """The bits as an unsigned integer of the width."""
    word = _UNSIGNED[x.dtype.itemsize]
    return x if x.dtype is word else _core.apply("bitcast", (x,), (word.code,))


def _integer(x: TensorLike, what: str) -> Tensor:
    x = as_tensor(x)
    if not x.dtype.is_integer:
        raise DTypeError(f"{what}: needs integers, got {x.dtype}; convert with .astype('int64')")
    return x


def bitcast(x: TensorLike, dtype: Any) -> Tensor:
    """The same bits read as another dtype, as XLA does.

    From a dtype to one of half its width the result has a last axis of 2 more, the lower bits first; to one
    of twice the width x must have that axis, and so on for other widths. Bits have no derivative.

    >>> pg.bitcast(pg.Tensor([1.0]), "uint32").tolist()
    [1065353216]
    >>> pg.bitcast(pg.Tensor([258], dtype="uint16"), "uint8").tolist()
    [[2, 1]]
    """
    x = as_tensor(x)
    wanted = dt.as_dtype(dtype)
    if x.dtype.is_complex or wanted.is_complex or x.dtype.is_bool != wanted.is_bool:
        raise DTypeError(
            f"bitcast: {x.dtype} to {wanted}; complex numbers are taken apart with pg.real and pg.imag, and "
            "bools have no bits of their own"
        )
    have, want = x.dtype.itemsize, wanted.itemsize
    if have == want:
        return _core.apply("bitcast", (x,), (wanted.code,))
    bits = _word(x)
    if have > want:
        count = have // want
        shifts = cast(as_tensor([8 * want * i for i in range(count)]), bits.dtype)
        pieces = elementwise("shift_right", reshape_to(bits, (*bits.shape, 1)), shifts)
        return _core.apply("bitcast", (cast(pieces, _UNSIGNED[want]),), (wanted.code,))
    count = want // have
    if not x.ndim or x.shape[-1] != count:
        raise ShapeError(f"bitcast: {x.dtype} to {wanted} needs a last axis of {count}, got shape {x.shape}")
    wide = cast(bits, _UNSIGNED[want])
    shifts = cast(as_tensor([8 * have * i for i in range(count)]), wide.dtype)
    whole = elementwise("shift_left", wide, shifts)  # no bit stands twice: the sum is their union
    joined = cast(_core.apply("reduce_sum", (whole,), (x.ndim - 1,)), wide.dtype)
    return _core.apply("bitcast", (reshape_to(joined, x.shape[:-1]),), (wanted.code,))


def shift_right_logical(x: TensorLike, y: TensorLike) -> Tensor:
    """The bits of integers moved down, zeros entering at the top also for negative ones; a shift by the width
    or more gives 0.

    >>> pg.shift_right_logical(pg.Tensor([-1], dtype="int32"), 28).tolist()
    [15]
    """
    what = "shift_right_logical"
    x = _integer(x, what)
    y = _integer(y, what)
    kind = dt.all_dtypes[_core.promote(x, y)[0]]
    moved = elementwise("shift_right", _word(cast(x, kind)), _word(cast(y, kind)))
    return _core.apply("bitcast", (moved,), (kind.code,))


def count_leading_zeros(x: TensorLike) -> Tensor:
    """How many zeros stand above the highest bit that is set, in the dtype of the integers.

    >>> pg.count_leading_zeros(pg.Tensor([1, 0, -1], dtype="int8")).tolist()
    [7, 8, 0]
    """
    x = _integer(x, "count_leading_zeros")
    bits = _word(x)
    width = 8 * x.dtype.itemsize
    step = 1
    while step < width:  # every bit below the highest is set
        bits = bitwise_or(bits, elementwise("shift_right", bits, step))
        step *= 2
    return cast(width - cast(bitwise_count(bits), dt.int64), x.dtype)


_FIELDS = {dt.float16: (5, 10), dt.bfloat16: (8, 7), dt.float32: (8, 23), dt.float64: (11, 52)}


def reduce_precision(x: TensorLike, exponent_bits: int, mantissa_bits: int) -> Tensor:
    """Floats rounded (to even) to what a format with so many bits holds: too large ones become infinite,
    those below its normal numbers 0. The derivative is that of the identity, as of a conversion.

    >>> pg.reduce_precision(pg.Tensor([1.01, 1e30]), 5, 10).tolist()
    [1.009765625, inf]
    """
    x = as_tensor(x)
    if x.dtype not in _FIELDS:
        raise DTypeError(f"reduce_precision: needs floats, got {x.dtype}")
    exponent, mantissa = _FIELDS[x.dtype]
    if exponent_bits < 1 or mantissa_bits < 0:
        raise InvalidValueError(
            f"reduce_precision: needs at least 1 exponent bit and 0 mantissa bits, got {exponent_bits} and "
            f"{mantissa_bits}"
        )
    bits = _word(x)
    sign = 1 << (exponent + mantissa)
    if mantissa_bits < mantissa:
        gone = mantissa - mantissa_bits
        last = bitwise_and(elementwise("shift_right", bits, gone), 1)
        bits = bitwise_and(bits + (last + ((1 << (gone - 1)) - 1)), 2 * sign - (1 << gone))
    if exponent_bits < exponent:
        bias, reduced = (1 << (exponent - 1)) - 1, (1 << (exponent_bits - 1)) - 1
        negative = bitwise_and(bits, sign)
        power = bitwise_and(bits, sign - (1 << mantissa))
        infinite = bitwise_or(negative, sign - (1 << mantissa))
        bits = where(power > ((bias + reduced) << mantissa), infinite, bits)
        bits = where(power <= ((bias - reduced) << mantissa), negative, bits)
    made = _core.apply("bitcast", (bits,), (x.dtype.code,))
    # Bits have no derivative: that of the identity comes from a difference that is zero (and keeps -0.0).
    finite = abs(x) < float("inf")
    return where(x == x, made, x) - where(finite, x.detach() - x, 0.0)
