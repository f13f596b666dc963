"""Convolution and its transpose over one to three axes, and windows taken out of images and put back.

Images are [N, C, space...], or [C, space...] for one example. All of it comes down to the records ``conv``
and ``conv_input_grad``, which are each other's transposes.
"""

# Size: one computation, under a documented name for each number of axes.

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _core, dt
from .._core import Tensor
from ..errors import ArgumentError, InvalidValueError, ShapeError
from .common import TensorLike, as_tensor, cast, reshape_to
from .complex import complex as complex_of
from .complex import imag, real
from .shape import concatenate, part, permute

Ints = tuple[int, ...]
_SPACE = {1: "L", 2: "H, W", 3: "D, H, W"}


def per_axis(value: Any, what: str, rank: int) -> Ints:
    """One int for all axes, or one each."""
    if isinstance(value, (tuple, list)):
        if len(value) != rank or not all(isinstance(v, (int, np.integer)) for v in value):
            raise ArgumentError(f"{what} needs one int or {rank}, got {tuple(value)}")
        return tuple(int(v) for v in value)
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool):
        raise ArgumentError(f"{what} needs one int or {rank}, got {value!r}")
    return (int(value),) * rank


def batched(x: Tensor, rank: int, what: str) -> tuple[Tensor, bool]:
    """x with a batch axis, and whether it had one."""
    if x.ndim == rank + 2:
        return x, True
    if x.ndim == rank + 1:
        return reshape_to(x, (1, *x.shape)), False
    raise ShapeError(
        f"{what}: needs images [N, C, {_SPACE[rank]}] or [C, {_SPACE[rank]}], got shape {x.shape}"
    )


def _margins(padding: Any, what: str, space: Ints, span: Ints, strides: Ints) -> tuple[Ints, Ints]:
    """Low and high margins of each spatial axis: an int, one each, (low, high) pairs, "valid", or "same":
    then the result has one element per stride begun, and an odd margin is larger at the end.
    """
    rank = len(span)
    if isinstance(padding, str):
        if padding == "valid":
            return (0,) * rank, (0,) * rank
        if padding == "same":
            total = [
                max((-(-n // t) - 1) * t + k - n, 0) for n, k, t in zip(space, span, strides, strict=True)
            ]
            return tuple(t // 2 for t in total), tuple(t - t // 2 for t in total)
        raise InvalidValueError(f"{what}: padding is a number, pairs, 'same' or 'valid', got {padding!r}")
    if isinstance(padding, (tuple, list)) and padding and isinstance(padding[0], (tuple, list)):
        if len(padding) != rank or any(len(p) != 2 for p in padding):
            raise ArgumentError(
                f"{what}: padding needs a (before, after) pair for each of {rank} axes, got {padding!r}"
            )
        return tuple(int(p[0]) for p in padding), tuple(int(p[1]) for p in padding)
    both = per_axis(padding, f"{what}: padding", rank)
    return both, both


def _operands(x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    kind = dt.all_dtypes[_core.promote(x, weight)[0]]
    kind = dt.float32 if kind.kind in "biu" else kind
    return cast(x, kind), cast(weight, kind)


def _bilinear(op: str, operands: tuple[Tensor, Tensor], words: Ints) -> Tensor:
    """The record, which is real; complex operands are taken apart."""
    x, weight = operands
    if not x.dtype.is_complex:
        return _core.apply(op, operands, words)
    a, b, c, d = real(x), imag(x), real(weight), imag(weight)
    products = [_core.apply(op, pair, words) for pair in ((a, c), (b, d), (a, d), (b, c))]
    return complex_of(products[0] - products[1], products[2] + products[3])


def _with_bias(made: Tensor, bias: Any, outputs: int, rank: int, what: str) -> Tensor:
    if bias is None:
        return made
    b = as_tensor(bias)
    if b.shape != (outputs,):
        raise ShapeError(f"{what}: bias needs shape ({outputs},), got {b.shape}")
    return made + reshape_to(b, (1, outputs, *(1,) * rank))


def _spread(x: Tensor, dilation: Ints) -> Tensor:
    """Zeros between the elements of the spatial axes."""
    if max(dilation) == 1:
        return x
    words = [0] * 6 + [w for d in dilation for w in (0, 0, d - 1)]
    return _core.apply("pad", (x, _core.full(0, x.dtype.code, False, (), x.device.pair)), words)


def conv_general(
    x: TensorLike,
    weight: TensorLike,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    *,
    input_dilation: Any = 1,
    batch_groups: int = 1,
    layout: tuple[str, str, str] | None = None,
) -> Tensor:
    """The correlation of images [N, C, space...] with kernels [O, C / groups, space...] in XLA's general
    form.

    ``padding`` is an int, one per axis, (before, after) pairs, "same" or "valid"; negative amounts crop.
    ``dilation`` spreads the kernel, ``input_dilation`` the image (zeros between its elements). With
    ``batch_groups`` the batch and the kernels are cut into so many parts, and part i of the kernels meets
    part i of the batch only. ``layout`` says in letters how the axes of images, kernels and the result are
    ordered, ``("NHWC", "HWIO", "NHWC")`` for example: N, C and O, I are told from all other letters, which
    are the spatial axes.

    >>> x = pg.reshape(pg.arange(3.0), (1, 1, 3))
    >>> pg.conv_general(x, pg.ones((1, 1, 2)), padding=((1, -1),), input_dilation=2).tolist()
    [[[0.0, 0.0, 1.0, 1.0]]]
    """
    what = "conv_general"
    x, weight = as_tensor(x), as_tensor(weight)
    if layout is not None:
        to_x, to_weight, back = _orders(layout, x.ndim, weight.ndim)
        made = conv_general(
            permute(x, to_x),
            permute(weight, to_weight),
            stride,
            padding,
            dilation,
            groups,
            input_dilation=input_dilation,
            batch_groups=batch_groups,
        )
        return permute(made, back)
    rank = weight.ndim - 2
    if rank not in _SPACE or x.ndim != weight.ndim:
        raise ShapeError(
            f"{what}: needs images [N, C, space...] and kernels [O, C / groups, space...] over 1 to 3 axes, "
            f"got {x.shape} and {weight.shape}"
        )
    spread = per_axis(input_dilation, f"{what}: input_dilation", rank)
    if min(spread) < 1:
        raise InvalidValueError(f"{what}: input_dilation {spread} must be at least 1")
    x = _spread(x, spread)
    if batch_groups == 1:
        return _conv(x, weight, None, stride, padding, dilation, groups, rank, what)
    n, outputs = x.shape[0], weight.shape[0]
    if groups != 1 or batch_groups < 1 or n % batch_groups or outputs % batch_groups:
        raise ShapeError(
            f"{what}: batch_groups={batch_groups} must divide {n} examples and {outputs} kernels, and leaves "
            f"groups at 1 (got {groups})"
        )
    parts = reshape_to(x, (batch_groups, n // batch_groups, *x.shape[1:]))
    parts = permute(parts, (1, 0, *range(2, parts.ndim)))
    joined = reshape_to(parts, (n // batch_groups, batch_groups * x.shape[1], *x.shape[2:]))
    return _conv(joined, weight, None, stride, padding, dilation, batch_groups, rank, what)


def _orders(layout: Any, *ranks: int) -> tuple[list[int], list[int], list[int]]:
    """How to permute images and kernels into [N, C, space...] and [O, I, space...], and the result out of it;
    the order of the spatial axes is that of the images.
    """
    good = isinstance(layout, (tuple, list)) and len(layout) == 3 and all(isinstance(t, str) for t in layout)
    if not good or any(len(t) != len(layout[0]) or len(set(t)) != len(t) for t in layout):
        raise ArgumentError(f"conv_general: layout needs three words of different letters, got {layout!r}")
    space = [c for c in layout[0] if c not in "NC"]
    orders = ["NC" + "".join(space), "OI" + "".join(space), "NC" + "".join(space)]
    if any(set(a) != set(b) for a, b in zip(layout, orders, strict=True)) or set(ranks) != {len(layout[0])}:
        raise ArgumentError(
            f"conv_general: layout {layout!r} does not name N and C (O and I for the kernels) and one set of "
            f"spatial axes for tensors of rank {', '.join(map(str, ranks))}"
        )
    to_x, to_weight, _ = ([t.index(c) for c in order] for t, order in zip(layout, orders, strict=True))
    return to_x, to_weight, [orders[2].index(c) for c in layout[2]]


def _conv(
    x: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
    rank: int,
    what: str,
) -> Tensor:
    weight = as_tensor(weight)
    x, had_batch = batched(as_tensor(x), rank, what)
    if weight.ndim != rank + 2:
        raise ShapeError(f"{what}: needs kernels [O, C / groups, {_SPACE[rank]}], got shape {weight.shape}")
    if groups < 1 or x.shape[1] != weight.shape[1] * groups or weight.shape[0] % groups:
        raise ShapeError(
            f"{what}: images of shape {x.shape} with kernels of shape {weight.shape} and groups={groups}: "
            f"{x.shape[1]} channels need {weight.shape[1]} * {groups}, and {weight.shape[0]} kernels must "
            f"divide by {groups}"
        )
    strides = per_axis(stride, f"{what}: stride", rank)
    dilations = per_axis(dilation, f"{what}: dilation", rank)
    if min(strides) < 1 or min(dilations) < 1:
        raise InvalidValueError(f"{what}: stride {strides} and dilation {dilations} must be at least 1")
    span = tuple((k - 1) * d + 1 for k, d in zip(weight.shape[2:], dilations, strict=True))
    low, high = _margins(padding, what, x.shape[2:], span, strides)
    words = (rank, groups, *strides, *low, *high, *dilations)
    made = _with_bias(_bilinear("conv", _operands(x, weight), words), bias, weight.shape[0], rank, what)
    return made if had_batch else reshape_to(made, made.shape[1:])


def conv1d(
    x: TensorLike,
    weight: TensorLike,
    bias: TensorLike | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """The correlation of sequences [N, C, L] with kernels [O, C / groups, K]; ``padding`` as in
    ``conv_general``.

    >>> pg.conv1d(pg.ones((1, 1, 3)), pg.ones((1, 1, 2))).tolist()
    [[[2.0, 2.0]]]
    """
    return _conv(x, weight, bias, stride, padding, dilation, groups, 1, "conv1d")


def conv2d(
    x: TensorLike,
    weight: TensorLike,
    bias: TensorLike | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """The correlation of images [N, C, H, W] with kernels [O, C / groups, KH, KW]; ``padding`` as in
    ``conv_general``.

    >>> pg.conv2d(pg.ones((1, 1, 3, 3)), pg.ones((1, 1, 2, 2))).tolist()
    [[[[4.0, 4.0], [4.0, 4.0]]]]
    """
    return _conv(x, weight, bias, stride, padding, dilation, groups, 2, "conv2d")


def conv3d(
    x: TensorLike,
    weight: TensorLike,
    bias: TensorLike | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """The correlation of volumes [N, C, D, H, W] with kernels [O, C / groups, KD, KH, KW]; ``padding`` as in
    ``conv_general``.

    >>> pg.conv3d(pg.ones((1, 1, 2, 2, 2)), pg.ones((1, 1, 2, 2, 2))).tolist()
    [[[[[8.0]]]]]
    """
    return _conv(x, weight, bias, stride, padding, dilation, groups, 3, "conv3d")


# ---- transposed


def _conv_transpose(
    x: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: int,
    dilation: Any,
    rank: int,
) -> Tensor:
    what = f"conv_transpose{rank}d"
    weight = as_tensor(weight)
    x, had_batch = batched(as_tensor(x), rank, what)
    if weight.ndim != rank + 2 or groups < 1 or x.shape[1] != weight.shape[0] or x.shape[1] % groups:
        raise ShapeError(
            f"{what}: needs images [N, C, {_SPACE[rank]}] and kernels [C, O / groups, {_SPACE[rank]}] whose "
            f"C divides by groups={groups}, got {x.shape} and {weight.shape}"
        )
    strides = per_axis(stride, f"{what}: stride", rank)
    dilations = per_axis(dilation, f"{what}: dilation", rank)
    margin = per_axis(padding, f"{what}: padding", rank)
    more = per_axis(output_padding, f"{what}: output_padding", rank)
    if min(strides) < 1 or min(dilations) < 1:
        raise InvalidValueError(f"{what}: stride {strides} and dilation {dilations} must be at least 1")
    if any(not 0 <= m < max(s, d) for m, s, d in zip(more, strides, dilations, strict=True)):
        raise InvalidValueError(
            f"{what}: output_padding {more} must be smaller than stride {strides} or dilation {dilations}"
        )
    space = tuple(
        (n - 1) * s - 2 * p + d * (k - 1) + m + 1
        for n, s, p, d, k, m in zip(
            x.shape[2:], strides, margin, dilations, weight.shape[2:], more, strict=True
        )
    )
    if min(space) < 1 or min(x.shape[2:]) < 1:
        raise ShapeError(f"{what}: images of shape {x.shape} with padding {margin} give no result: {space}")
    # The image whose convolution with these kernels would have the shape of x. Its far margin is smaller by
    # the output padding, so that the shapes agree whatever that is.
    high = tuple(p - m for p, m in zip(margin, more, strict=True))
    words = (rank, groups, *strides, *margin, *high, *dilations, *space)
    made = _bilinear("conv_input_grad", _operands(x, weight), words)
    made = _with_bias(made, bias, weight.shape[1] * groups, rank, what)
    return made if had_batch else reshape_to(made, made.shape[1:])


def conv_transpose1d(
    x: TensorLike,
    weight: TensorLike,
    bias: TensorLike | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """The transpose of ``conv1d`` as a map of images: kernels are [C, O / groups, K], and the result has
    ``(L - 1) * stride - 2 * padding + dilation * (K - 1) + output_padding + 1`` elements.

    >>> pg.conv_transpose1d(pg.ones((1, 1, 2)), pg.ones((1, 1, 2)), stride=2).tolist()
    [[[1.0, 1.0, 1.0, 1.0]]]
    """
    return _conv_transpose(x, weight, bias, stride, padding, output_padding, groups, dilation, 1)


def conv_transpose2d(
    x: TensorLike,
    weight: TensorLike,
    bias: TensorLike | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """The transpose of ``conv2d`` as a map of images: kernels are [C, O / groups, KH, KW]; extents as in
    ``conv_transpose1d``.

    >>> pg.conv_transpose2d(pg.ones((1, 1, 1, 1)), pg.ones((1, 1, 2, 2))).tolist()
    [[[[1.0, 1.0], [1.0, 1.0]]]]
    """
    return _conv_transpose(x, weight, bias, stride, padding, output_padding, groups, dilation, 2)


def conv_transpose3d(
    x: TensorLike,
    weight: TensorLike,
    bias: TensorLike | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """The transpose of ``conv3d`` as a map of images: kernels are [C, O / groups, KD, KH, KW]; extents as in
    ``conv_transpose1d``.

    >>> pg.conv_transpose3d(pg.ones((1, 1, 1, 1, 1)), pg.ones((1, 1, 1, 1, 2))).tolist()
    [[[[[1.0, 1.0]]]]]
    """
    return _conv_transpose(x, weight, bias, stride, padding, output_padding, groups, dilation, 3)


# ---- windows as columns


def _sliding(
    size: Ints, kernel: Any, dilation: Any, padding: Any, stride: Any, what: str
) -> tuple[Ints, Ints, Ints, Ints, Ints]:
    rank = len(size)
    kernels, dilations, margin, strides = (
        per_axis(v, f"{what}: {name}", rank)
        for v, name in (
            (kernel, "kernel_size"),
            (dilation, "dilation"),
            (padding, "padding"),
            (stride, "stride"),
        )
    )
    if min(*kernels, *dilations, *strides) < 1 or min(margin) < 0:
        raise InvalidValueError(
            f"{what}: kernel_size {kernels}, dilation {dilations} and stride {strides} must be at least 1, "
            f"padding {margin} at least 0"
        )
    counts = tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, p, d, k, s in zip(size, margin, dilations, kernels, strides, strict=True)
    )
    if min(counts) < 1:
        raise ShapeError(
            f"{what}: no window of {kernels} (dilation {dilations}) fits {size} padded by {margin}"
        )
    return kernels, dilations, margin, strides, counts


def unfold(x: TensorLike, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Tensor:
    """The windows of images [N, C, H, W] as columns: [N, C * KH * KW, windows].

    >>> pg.unfold(pg.reshape(pg.arange(4.0), (1, 1, 2, 2)), (1, 2)).tolist()
    [[[0.0, 2.0], [1.0, 3.0]]]
    """
    x, had_batch = batched(as_tensor(x), 2, "unfold")
    kernels, dilations, margin, strides, counts = _sliding(
        x.shape[2:], kernel_size, dilation, padding, stride, "unfold"
    )
    zero = _core.full(0, x.dtype.code, False, (), x.device.pair)
    x = _core.apply("pad", (x, zero), [0] * 6 + [w for p in margin for w in (p, p, 0)])
    for i in (0, 1):  # one axis after the other: taps and places instead of the extent
        axis = 2 + 2 * i
        taps = [_strided(x, axis, k * dilations[i], counts[i], strides[i]) for k in range(kernels[i])]
        pieces = [reshape_to(t, (*t.shape[:axis], 1, *t.shape[axis:])) for t in taps]
        x = concatenate(pieces, axis) if len(pieces) > 1 else pieces[0]
    n, c, kh, h, kw, w = x.shape
    made = reshape_to(permute(x, (0, 1, 2, 4, 3, 5)), (n, c * kh * kw, h * w))
    return made if had_batch else reshape_to(made, made.shape[1:])


def _strided(x: Tensor, axis: int, start: int, count: int, step: int) -> Tensor:
    words: list[int] = []
    for i, n in enumerate(x.shape):
        words += (start, start + (count - 1) * step + 1, step) if i == axis else (0, n, 1)
    return _core.apply("slice", (x,), words)


def fold(
    x: TensorLike,
    output_size: Any,
    kernel_size: Any,
    dilation: Any = 1,
    padding: Any = 0,
    stride: Any = 1,
) -> Tensor:
    """The images [N, C, H, W] in which every window of [N, C * KH * KW, windows] is added at its place: the
    transpose of ``unfold``.

    >>> pg.fold(pg.ones((1, 2, 2)), (1, 3), (1, 2)).tolist()
    [[[[1.0, 2.0, 1.0]]]]
    """
    x = as_tensor(x)
    had_batch = x.ndim == 3
    if x.ndim == 2:
        x = reshape_to(x, (1, *x.shape))
    size = per_axis(output_size, "fold: output_size", 2)
    kernels, dilations, margin, strides, counts = _sliding(
        size, kernel_size, dilation, padding, stride, "fold"
    )
    taps, places = math.prod(kernels), math.prod(counts)
    if x.ndim != 3 or x.shape[1] % taps or x.shape[2] != places:
        raise ShapeError(
            f"fold: windows of {kernels} in {size} need columns [N, C * {taps}, {places}], got {x.shape}"
        )
    x = reshape_to(x, (x.shape[0], x.shape[1] // taps, *kernels, *counts))
    zero = _core.full(0, x.dtype.code, False, (), x.device.pair)
    for i in (
        1,
        0,
    ):  # the last axis first: its places lie at the end, its taps just before the others' places
        taken = 2 + i
        place = x.ndim - 1 if i else x.ndim - 2
        total: Tensor | None = None
        for k in range(kernels[i]):
            tap = part(x, taken, k, k + 1)
            tap = reshape_to(tap, (*tap.shape[:taken], *tap.shape[taken + 1 :]))
            low = k * dilations[i] - margin[i]
            high = size[i] - low - ((counts[i] - 1) * strides[i] + 1)
            words = [0] * (3 * tap.ndim)
            words[3 * (place - 1) : 3 * place] = low, high, strides[i] - 1
            tap = _core.apply("pad", (tap, zero), words)
            total = tap if total is None else total + tap
        assert total is not None
        x = total
    return x if had_batch else reshape_to(x, x.shape[1:])


def pixel_shuffle(x: TensorLike, upscale_factor: int) -> Tensor:
    """Channels turned into resolution: [..., C * r * r, H, W] to [..., C, H * r, W * r] (Shi et al. 2016).

    >>> pg.pixel_shuffle(pg.reshape(pg.arange(4), (4, 1, 1)), 2).tolist()
    [[[0, 1], [2, 3]]]
    """
    x = as_tensor(x)
    if x.ndim < 3 or upscale_factor < 1 or x.shape[-3] % (upscale_factor * upscale_factor):
        raise ShapeError(
            f"pixel_shuffle: needs [..., C * {upscale_factor} * {upscale_factor}, H, W], got shape {x.shape}"
        )
    *lead, c, h, w = x.shape
    n, c = len(lead), c // (upscale_factor * upscale_factor)
    x = reshape_to(x, (*lead, c, upscale_factor, upscale_factor, h, w))
    x = permute(x, (*range(n), n, n + 3, n + 1, n + 4, n + 2))
    return reshape_to(x, (*lead, c, h * upscale_factor, w * upscale_factor))


def pixel_unshuffle(x: TensorLike, downscale_factor: int) -> Tensor:
    """Resolution turned into channels: [..., C, H * r, W * r] to [..., C * r * r, H, W].

    >>> pg.pixel_unshuffle(pg.reshape(pg.arange(4), (1, 2, 2)), 2).tolist()
    [[[0]], [[1]], [[2]], [[3]]]
    """
    x = as_tensor(x)
    if x.ndim < 3 or downscale_factor < 1 or x.shape[-1] % downscale_factor or x.shape[-2] % downscale_factor:
        raise ShapeError(
            f"pixel_unshuffle: needs [..., C, H * {downscale_factor}, W * {downscale_factor}], got shape "
            f"{x.shape}"
        )
    *lead, c, h, w = x.shape
    n = len(lead)
    x = reshape_to(
        x, (*lead, c, h // downscale_factor, downscale_factor, w // downscale_factor, downscale_factor)
    )
    x = permute(x, (*range(n), n, n + 2, n + 4, n + 1, n + 3))
    return reshape_to(
        x, (*lead, c * downscale_factor * downscale_factor, h // downscale_factor, w // downscale_factor)
    )
