"""Convolutions, windows, gathering and scattering in XLA's general form."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pequegrad as pg

from .. import _operators, dtypes
from .._array import Array, make
from .._lift import Tensor, axis_of, cast, lift, lift_all
from .._primitives import contractions, indexing, reductions
from . import _elementwise


class ConvDimensionNumbers(NamedTuple):
    """Where batch, feature and space lie in operand, kernel and result."""

    lhs_spec: Sequence[int]
    rhs_spec: Sequence[int]
    out_spec: Sequence[int]


class GatherDimensionNumbers(NamedTuple):
    """The axes of a general gather."""

    offset_dims: tuple[int, ...]
    collapsed_slice_dims: tuple[int, ...]
    start_index_map: tuple[int, ...]
    operand_batching_dims: tuple[int, ...] = ()
    start_indices_batching_dims: tuple[int, ...] = ()


class ScatterDimensionNumbers(NamedTuple):
    """The axes of a general scatter."""

    update_window_dims: Sequence[int]
    inserted_window_dims: Sequence[int]
    scatter_dims_to_operand_dims: Sequence[int]
    operand_batching_dims: Sequence[int] = ()
    scatter_indices_batching_dims: Sequence[int] = ()


class GatherScatterMode:
    """What places out of range mean."""

    CLIP, FILL_OR_DROP, PROMISE_IN_BOUNDS, ONE_HOT = "clip", "fill", "promise_in_bounds", "drop"


# ---- convolutions


def conv_dimension_numbers(lhs_shape: Any, rhs_shape: Any, dimension_numbers: Any) -> ConvDimensionNumbers:
    """Letters, such as ("NHWC", "HWIO", "NHWC"), as positions.

    >>> from pg_jax import lax
    >>> lax.conv_dimension_numbers((1, 2, 2, 1), (1, 1, 1, 1), ("NHWC", "HWIO", "NHWC")).lhs_spec
    (0, 3, 1, 2)
    """
    rank = len(lhs_shape)
    if isinstance(dimension_numbers, ConvDimensionNumbers):
        return dimension_numbers
    if len(rhs_shape) != rank:
        raise ValueError(
            f"convolution requires lhs and rhs ndim to be equal, got {rank} and {len(rhs_shape)}."
        )
    if dimension_numbers is None:
        plain = tuple(range(rank))
        return ConvDimensionNumbers(plain, plain, plain)
    lhs, rhs, out = dimension_numbers
    if not isinstance(lhs, str):
        return ConvDimensionNumbers(tuple(lhs), tuple(rhs), tuple(out))
    for spec in (lhs, rhs, out):
        if len(spec) != rank or len(set(spec)) != rank:
            raise ValueError(
                f"convolution dimension_numbers[0] must have {rank} distinct letters, got {spec}"
            )
    space = [c for c in lhs if c not in "NC"]
    if sorted(space) != sorted(c for c in rhs if c not in "OI") or sorted(space) != sorted(
        c for c in out if c not in "NC"
    ):
        raise ValueError(
            "convolution dimension_numbers elements must each have the same set of spatial characters, got "
            f"{dimension_numbers}."
        )
    order = [c for c in rhs if c not in "OI"]
    return ConvDimensionNumbers(
        tuple(lhs.index(c) for c in ["N", "C", *order]),
        tuple(rhs.index(c) for c in ["O", "I", *order]),
        tuple(out.index(c) for c in ["N", "C", *order]),
    )


def padtype_to_pads(
    in_shape: Any, window_shape: Any, window_strides: Any, padding: Any
) -> list[tuple[int, int]]:
    """ "SAME", "SAME_LOWER" or "VALID" as margins.

    >>> from pg_jax import lax
    >>> lax.padtype_to_pads((4,), (3,), (1,), "SAME")
    [(1, 1)]
    """
    if not isinstance(padding, str):
        return [(operator.index(a), operator.index(b)) for a, b in padding]
    name = padding.upper()
    if name == "VALID":
        return [(0, 0)] * len(in_shape)
    if name not in ("SAME", "SAME_LOWER"):
        raise RuntimeError(
            f"Unrecognized padding type: expected 'VALID' or 'SAME' or 'SAME_LOWER', got {padding}."
        )
    out = []
    for n, window, step in zip(in_shape, window_shape, window_strides, strict=True):
        total = max((-(-n // step) - 1) * step + window - n, 0)
        small, large = total // 2, total - total // 2
        out.append((small, large) if name == "SAME" else (large, small))
    return out


def conv_general_dilated(
    lhs: Any, rhs: Any, window_strides: Sequence[int], padding: Any, lhs_dilation: Any = None, rhs_dilation:
    Any = None,
    dimension_numbers: Any = None, feature_group_count: int = 1, batch_group_count: int = 1, precision: Any
    = None,
    preferred_element_type: Any = None, out_sharding: Any = None,
) -> Array:  # fmt: skip
    """The correlation of images with kernels.

    >>> from pg_jax import lax
    >>> import pg_jax.numpy as jnp
    >>> lax.conv_general_dilated(jnp.ones((1, 1, 3)), jnp.ones((1, 1, 2)), (1,), "VALID")
    Array([[[2., 2.]]], dtype=float32)
    """
    x, w = lift_all("conv_general_dilated", lhs, rhs)
    if x._t.dtype is not w._t.dtype:
        if not (x._w or w._w):
            raise TypeError(
                f"lax.conv_general_dilated requires arguments to have the same dtypes, got "
                f"{x._t.dtype.name}, {w._t.dtype.name}."
            )
        kind = dtypes.join((x._t.dtype, x._w), (w._t.dtype, w._w))[0]
        x, w = make(cast(x._t, kind)), make(cast(w._t, kind))
    numbers = conv_dimension_numbers(x.shape, w.shape, dimension_numbers)
    ones = (1,) * (x.ndim - 2)
    spread, dilation = lhs_dilation or ones, rhs_dilation or ones
    space = [
        (x.shape[i] - 1) * d + 1 if x.shape[i] else 0
        for i, d in zip(numbers.lhs_spec[2:], spread, strict=True)
    ]
    window = [(w.shape[i] - 1) * d + 1 for i, d in zip(numbers.rhs_spec[2:], dilation, strict=True)]
    inputs, features = w.shape[numbers.rhs_spec[1]], x.shape[numbers.lhs_spec[1]]
    if features != inputs * feature_group_count:
        raise ValueError(
            f"conv_general_dilated feature_group_count * rhs input feature dimension must equal the lhs "
            f"feature "
            f"dimension, got {feature_group_count} * {inputs} != {features}."
        )
    if isinstance(window_strides, int) or len(window_strides) != x.ndim - 2:
        raise TypeError(
            f"conv_general_dilated window_strides must have one entry for each spatial axis, got "
            f"{window_strides}"
        )
    preferred = None if preferred_element_type is None else dtypes.of(preferred_element_type)
    made = contractions.conv_general_dilated(
        x._t, w._t, window_strides=window_strides, padding=padtype_to_pads(space, window, window_strides,
        padding),
        lhs_dilation=spread, rhs_dilation=dilation, dimension_numbers=numbers,
        feature_group_count=feature_group_count,
        batch_group_count=batch_group_count, preferred_element_type=preferred,
    )  # fmt: skip
    return make(made)


def conv(
    lhs: Any,
    rhs: Any,
    window_strides: Any,
    padding: Any,
    precision: Any = None,
    preferred_element_type: Any = None,
) -> Array:
    """The correlation of images (N, C, ...) with kernels (O, I, ...).

    >>> from pg_jax import lax
    >>> import pg_jax.numpy as jnp
    >>> lax.conv(jnp.ones((1, 1, 2, 2)), jnp.ones((1, 1, 2, 2)), (1, 1), "VALID")
    Array([[[[4.]]]], dtype=float32)
    """
    return conv_general_dilated(
        lhs, rhs, window_strides, padding, preferred_element_type=preferred_element_type
    )


def conv_with_general_padding(
    lhs: Any, rhs: Any, window_strides: Any, padding: Any, lhs_dilation: Any, rhs_dilation: Any, precision:
    Any = None,
    preferred_element_type: Any = None,
) -> Array:  # fmt: skip
    """``conv`` with any margins and dilations.

    >>> from pg_jax import lax
    >>> import pg_jax.numpy as jnp
    >>> lax.conv_with_general_padding(jnp.ones((1, 1, 2)), jnp.ones((1, 1, 2)), (1,), [(1, 0)], None, None)
    Array([[[1., 2.]]], dtype=float32)
    """
    return conv_general_dilated(
        lhs,
        rhs,
        window_strides,
        padding,
        lhs_dilation,
        rhs_dilation,
        preferred_element_type=preferred_element_type,
    )


def conv_transpose(
    lhs: Any, rhs: Any, strides: Any, padding: Any, rhs_dilation: Any = None, dimension_numbers: Any = None,
    transpose_kernel: bool = False, precision: Any = None, preferred_element_type: Any = None,
    use_consistent_padding: bool = False,
) -> Array:  # fmt: skip
    """The convolution whose strides spread the input.

    >>> from pg_jax import lax
    >>> import pg_jax.numpy as jnp
    >>> lax.conv_transpose(jnp.ones((1, 2, 1)), jnp.ones((2, 1, 1)), (2,), "VALID").shape
    (1, 4, 1)
    """
    if use_consistent_padding:
        raise NotImplementedError("conv_transpose: use_consistent_padding is not implemented")
    x, w = lift_all("conv_transpose", lhs, rhs)
    space = "".join(chr(ord("0") + i) for i in range(x.ndim - 2))
    names = dimension_numbers or (f"N{space}C", f"{space}IO", f"N{space}C")
    numbers = conv_dimension_numbers(x.shape, w.shape, names)
    dilation = rhs_dilation or (1,) * (x.ndim - 2)
    kernel = [(w.shape[i] - 1) * d + 1 for i, d in zip(numbers.rhs_spec[2:], dilation, strict=True)]
    pads = padding
    if isinstance(padding, str) and padding in ("SAME", "VALID"):
        pads = [_transposed(k, s, padding) for k, s in zip(kernel, strides, strict=True)]
    t = w._t
    if transpose_kernel:
        t = pg.flip(t, tuple(numbers.rhs_spec[2:]))
        t = pg.swapaxes(t, numbers.rhs_spec[0], numbers.rhs_spec[1])
    return conv_general_dilated(
        x,
        make(t),
        (1,) * (x.ndim - 2),
        pads,
        strides,
        dilation,
        numbers,
        preferred_element_type=preferred_element_type,
    )


def _transposed(k: int, s: int, padding: str) -> tuple[int, int]:
    if padding == "SAME":
        total = k + s - 2
        low = k - 1 if s > k - 1 else -(-total // 2)
    else:
        total = k + s - 2 + max(k - s, 0)
        low = k - 1
    return low, total - low


# ---- windows


def _monoid(computation: Callable[..., Any]) -> str | None:
    for name, functions in (
        ("sum", (_elementwise.add, _operators.add, operator.add)),
        ("prod", (_elementwise.mul, _operators.multiply, operator.mul)),
        ("max", (_elementwise.max, _operators.maximum)),
        ("min", (_elementwise.min, _operators.minimum)),
    ):
        if computation in functions:
            return name
    return None


def _on_tensors(computation: Callable[..., Any]) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda a, b: cast(lift(computation(make(a), make(b)))._t, a.dtype)


def _neutral(name: str, kind: pg.DType) -> Any:
    if name in ("sum", "prod"):
        return 0 if name == "sum" else 1
    if kind.is_inexact:
        return -np.inf if name == "max" else np.inf
    if kind is pg.bool_:
        return name != "max"
    limits = np.iinfo(dtypes.NUMPY[kind])
    return int(limits.min if name == "max" else limits.max)


def reduce_window(
    operand: Any, init_value: Any, computation: Any, window_dimensions: Any, window_strides: Any = None,
    padding: Any = "VALID", base_dilation: Any = None, window_dilation: Any = None,
) -> Array:  # fmt: skip
    """Each window folded by a function.

    >>> from pg_jax import lax
    >>> import pg_jax.numpy as jnp
    >>> lax.reduce_window(jnp.arange(4.0), -jnp.inf, lax.max, (2,), (2,), "VALID")
    Array([1., 3.], dtype=float32)
    """
    x, init = lift_all("reduce_window", operand, init_value)
    if x._t.dtype is not init._t.dtype and not init._w:
        raise TypeError(
            f"reduce_window got operand of dtype {x._t.dtype.name} and init_value of dtype "
            f"{init._t.dtype.name}"
        )
    ones = (1,) * x.ndim
    strides, base, window = window_strides or ones, base_dilation or ones, window_dilation or ones
    dilated = [(n - 1) * d + 1 if n else 0 for n, d in zip(x.shape, base, strict=True)]
    reach = [(n - 1) * d + 1 for n, d in zip(window_dimensions, window, strict=True)]
    pads = padtype_to_pads(dilated, reach, strides, padding)
    name = _monoid(computation)
    if (
        name in ("sum", "max", "min")
        and not init._t.is_abstract
        and init._t.item() == _neutral(name, x._t.dtype)
    ):
        made = getattr(reductions, f"reduce_window_{name}")(
            x._t, window_dimensions=window_dimensions, window_strides=strides, padding=pads,
            base_dilation=base,
            window_dilation=window,
        )  # fmt: skip
        return make(made)
    how = name or _on_tensors(computation)
    return make(
        pg.reduce_window(
            x._t,
            how,
            tuple(window_dimensions),
            tuple(strides),
            pads,
            base_dilation=tuple(base),
            window_dilation=tuple(window),
            init=cast(init._t, x._t.dtype),
        )
    )


def reduce(
    operands: Any, init_values: Any, computation: Any, dimensions: Any, out_sharding: Any = None
) -> Any:
    """Axes folded by a function of two arrays.

    >>> from pg_jax import lax
    >>> import pg_jax.numpy as jnp
    >>> lax.reduce(jnp.arange(4), 0, lax.add, (0,))
    Array(6, dtype=int32)
    """
    if isinstance(operands, (tuple, list)):
        raise NotImplementedError("lax.reduce of several operands is not implemented")
    x, init = lift_all("reduce", operands, init_values)
    axes = tuple(axis_of(a, x.ndim) for a in dimensions)
    start = cast(init._t, x._t.dtype)
    fold = _on_tensors(computation)
    name = _monoid(computation)
    if name is not None:
        return make(fold(start, getattr(reductions, f"reduce_{name}")(x._t, axes=axes)), x._w and init._w)
    kept = [i for i in range(x.ndim) if i not in axes]
    rows = pg.reshape(pg.permute(x._t, (*axes, *kept)), (-1, *[x.shape[i] for i in kept]))
    while rows.shape[0] > 1:
        half = rows.shape[0] // 2
        both = fold(rows[:half], rows[half : 2 * half])
        rows = pg.concatenate([both, rows[2 * half :]]) if rows.shape[0] % 2 else both
    start = pg.broadcast_to(start, rows.shape[1:])
    return make(fold(start, rows[0]) if rows.shape[0] else start)


# ---- gather and scatter


def gather(
    operand: Any, start_indices: Any, dimension_numbers: Any, slice_sizes: Any, *, unique_indices: bool =
    False,
    indices_are_sorted: bool = False, mode: Any = None, fill_value: Any = None,
) -> Array:  # fmt: skip
    """Windows at computed places.

    >>> from pg_jax import lax
    >>> import pg_jax.numpy as jnp
    >>> numbers = lax.GatherDimensionNumbers((), (0,), (0,))
    >>> lax.gather(jnp.arange(5), jnp.array([[3]]), numbers, (1,))
    Array([3], dtype=int32)
    """
    x, index = lift_all("gather", operand, start_indices)
    made = indexing.gather(
        x._t,
        index._t,
        dimension_numbers=dimension_numbers,
        slice_sizes=slice_sizes,
        mode=mode,
        fill_value=fill_value,
    )
    return make(made, x._w)


def _scatter(name: str, doc: str) -> Any:
    f = getattr(indexing, name)

    def apply(
        operand: Any, scatter_indices: Any, updates: Any, dimension_numbers: Any, *, indices_are_sorted:
        bool = False,
        unique_indices: bool = False, mode: Any = None,
    ) -> Array:  # fmt: skip
        x, index, u = lift_all(name, operand, scatter_indices, updates)
        return make(
            f(x._t, index._t, cast(u._t, x._t.dtype), dimension_numbers=dimension_numbers, mode=mode), x._w
        )

    apply.__name__, apply.__doc__ = name, doc
    return apply


scatter = _scatter("scatter", "Windows at computed places replaced.")
scatter_add = _scatter("scatter_add", "Windows added at computed places.")
scatter_sub = _scatter("scatter_sub", "Windows subtracted at computed places.")
scatter_mul = _scatter("scatter_mul", "Windows multiplied at computed places.")
scatter_min = _scatter("scatter_min", "The smaller of an array and windows at computed places.")
scatter_max = _scatter("scatter_max", "The larger of an array and windows at computed places.")
