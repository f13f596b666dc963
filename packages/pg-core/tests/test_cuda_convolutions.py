"""Convolutions on a GPU, real or emulated, forward and backward, against the CPU's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pequegrad as pg
import pytest

rng = np.random.default_rng(0)

# image, kernel, options
FORMS: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "plain": ((2, 3, 7, 6), (4, 3, 3, 2), {}),
    "one axis": ((2, 3, 11), (4, 3, 3), {"stride": 2, "padding": 1}),
    "three axes": ((1, 2, 5, 4, 6), (3, 2, 2, 3, 2), {"padding": (1, 0, 1), "stride": (1, 1, 2)}),
    "strides": ((2, 3, 9, 8), (4, 3, 3, 3), {"stride": (2, 3), "padding": (1, 2)}),
    "dilation": ((2, 3, 9, 8), (4, 3, 3, 3), {"dilation": 2, "padding": 2}),
    "groups": ((2, 6, 5, 5), (4, 3, 3, 3), {"groups": 2, "padding": 1}),
    "depthwise": ((2, 4, 5, 5), (8, 1, 3, 3), {"groups": 4, "padding": "same"}),
    "same, even kernel": ((2, 3, 6, 6), (4, 3, 2, 2), {"padding": "same"}),
    "same, strided": ((2, 3, 8, 8), (4, 3, 3, 3), {"padding": "same", "stride": 2}),
    "higher end": ((2, 3, 6, 5), (2, 3, 3, 3), {"padding": ((0, 2), (1, 3))}),
    "lower end": ((2, 3, 6, 5), (2, 3, 3, 3), {"padding": ((2, 0), (3, 1))}),
    "unreached": ((2, 3, 6, 6), (2, 3, 3, 3), {"padding": ((1, 0), (1, 0)), "stride": 2}),
    "cropped": ((2, 3, 8, 9), (2, 3, 3, 3), {"padding": ((-1, 2), (-2, -1))}),
    "all but cropped away": ((1, 1, 4, 4), (1, 1, 2, 2), {"padding": ((-3, 3), (2, -3))}),
    "pointwise": ((2, 5, 4, 4), (7, 5, 1, 1), {}),
}


def filled(shape: tuple[int, ...], dtype: str = "float32") -> pg.Tensor:
    return pg.Tensor(rng.standard_normal(shape), dtype=dtype)


def step(options: dict[str, Any], axes: int) -> Any:
    def f(x: Any, w: Any, ct: Any) -> Any:
        y, cotangents = pg.vjp(lambda x, w: conv(x, w, **options), (0, 1), True)(x, w, ct)
        return y, *cotangents

    conv = (pg.conv1d, pg.conv2d, pg.conv3d)[axes - 1]
    return pg.jit(f)


def both(f: Any, *operands: Any, gpu: str, tolerance: float) -> None:
    for w, g in zip(f(*operands), f(*[t.to(gpu) for t in operands]), strict=True):
        assert g.device == gpu and g.dtype is w.dtype
        wanted = w.astype("float64").numpy()
        scale = np.abs(wanted).max(initial=1.0)
        np.testing.assert_allclose(g.astype("float64").numpy(), wanted, rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize("form", FORMS)
def test_forms(form: str, gpu: str) -> None:
    image, kernel, options = FORMS[form]
    x, w = filled(image), filled(kernel)
    f = step(options, len(image) - 2)
    conv = (pg.conv1d, pg.conv2d, pg.conv3d)[len(image) - 3]
    ct = filled(conv(x, w, **options).shape)
    both(f, x, w, ct, gpu=gpu, tolerance=1e-5)


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [("float16", 3e-3), ("bfloat16", 2e-2), ("float32", 1e-5), ("float64", 1e-13)]
)
def test_dtypes(dtype: str, tolerance: float, gpu: str) -> None:
    x, w, ct = filled((2, 4, 6, 6), dtype), filled((6, 2, 3, 3), dtype), filled((2, 6, 6, 6), dtype)
    both(step({"padding": 1, "groups": 2}, 2), x, w, ct, gpu=gpu, tolerance=tolerance)


def test_bias_transposed_and_second_derivatives(gpu: str) -> None:
    x, w, b = filled((2, 3, 5, 5)), filled((4, 3, 3, 3)), filled((4,))

    def loss(x: Any, w: Any, b: Any) -> Any:
        return pg.tanh(pg.conv2d(x, w, b, padding=1)).sum()

    def f(x: Any, w: Any, b: Any) -> Any:
        along = pg.grad(lambda w: (pg.grad(loss, (1,))(x, w, b)[0] * w).sum())(w)
        return *pg.grad(loss, (0, 1, 2))(x, w, b), along, pg.conv_transpose2d(x, w.transpose(1, 0, 2, 3))

    both(pg.jit(f), x, w, b, gpu=gpu, tolerance=2e-5)


def test_no_elements(gpu: str) -> None:
    ct = pg.zeros((0, 4, 3, 3))
    both(step({}, 2), filled((0, 3, 5, 5)), filled((4, 3, 3, 3)), ct, gpu=gpu, tolerance=0)
    both(step({}, 2), filled((2, 0, 5, 5)), filled((4, 0, 3, 3)), filled((2, 4, 3, 3)), gpu=gpu, tolerance=0)


def test_slices_lie_anywhere(gpu: str) -> None:
    """Rows of a scan's operand begin at multiples of 4 bytes; the library wants 16."""

    def f(x: Any, w: Any) -> Any:
        return pg.scan(lambda c, row: (c + pg.conv2d(row, w), pg.conv2d(row, row)), pg.conv2d(x[0], w), x)

    both(pg.jit(f), filled((3, 1, 1, 5, 5)), filled((1, 1, 3, 3)), gpu=gpu, tolerance=1e-5)
