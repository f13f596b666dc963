"""Channels last inside networks of convolutions: what is converted, and that nothing else changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pequegrad as pg
import pytest
from peers import need
from test_libraries import needs_onednn
from test_pipeline import after, run

CHAIN = """
import numpy as np, pequegrad as pg
x, w, b, v = (pg.Tensor(np.ones(s, np.float32)) for s in ((2, 4, 8, 8), (6, 4, 3, 3), (6,), (5, 6, 3, 3)))
def net(x, w, b, v):
    h = pg.max_pool2d(pg.relu(pg.conv2d(x, w, b, padding=1)), 2)
    return pg.conv2d(h, v, padding=1)
print(pg.jit(net)(x, w, b, v).shape)
"""

GOLDEN = """
graph(%0: f32[2,4,8,8], %1: f32[6,4,3,3], %2: f32[6], %3: f32[5,6,3,3]):
  %4: f32[2,8,8,4] = permute(%0, axes=(0, 2, 3, 1))
  %5: f32[2,8,8,6] = conv(%4, %1, %2, strides=(1, 1), low=(1, 1), high=(1, 1), channels last)
  %6: f32[2,8,8,6] = full(0)
  %7: bool[2,8,8,6] = less_equal(%5, %6)
  %8: f32[2,8,8,6] = where(%7, %6, %5)
  %9: f32[2,4,4,6] = reduce_window_max(%8, window=(1, 2, 2, 1), strides=(1, 2, 2, 1))
  %10: f32[2,4,4,5] = conv(%9, %3, strides=(1, 1), low=(1, 1), high=(1, 1), channels last)
  %11: f32[2,5,4,4] = permute(%10, axes=(0, 3, 1, 2))
  return %11
"""


def array(*shape: int) -> pg.Tensor:
    return pg.Tensor(np.random.default_rng(sum(shape)).standard_normal(shape, dtype=np.float32))


def conversions(text: str) -> int:
    """Kernels that do nothing but move elements."""
    return sum(line.startswith(("kernel permute", "kernel reshape_permute")) for line in text.splitlines())


@needs_onednn
def test_a_chain_is_converted_at_its_two_ends_only() -> None:
    text = run(CHAIN, PG_DUMP="all", PG_VERIFY="1")
    assert "after layout (" in run(CHAIN, PG_DUMP="layout")
    graph = after(text, "remove_dead")
    assert graph[graph.index("graph(") :].strip() == GOLDEN.strip()


@needs_onednn
def test_nothing_stands_between_the_layers_of_a_training_step() -> None:
    def loss(p: list[pg.Tensor], x: pg.Tensor) -> pg.Tensor:
        for w, b in zip(p[::2], p[1::2]):
            x = pg.max_pool2d(pg.relu(pg.conv2d(x, w, b, padding=1)), 2)
        return (x.reshape((x.shape[0], -1)) ** 2).mean()

    p = [array(16, 3, 3, 3), array(16), array(16, 16, 3, 3), array(16), array(32, 16, 3, 3), array(32)]
    text = str(pg.jit(pg.grad(loss)).explain(p, array(4, 3, 16, 16)))
    calls = [line for line in text.splitlines() if line.startswith("call ")]
    assert len(calls) == 3 + 3 + 2 + 3 + 3
    assert all("channels last" in c or "window=(1, 2, 2, 1)" in c for c in calls)
    assert conversions(text) <= 1, "the image alone; the last layer's mean reads any order"


@needs_onednn
def test_images_given_with_the_channels_last_are_used_as_they_are() -> None:
    def net(x: pg.Tensor, w: pg.Tensor, v: pg.Tensor) -> pg.Tensor:
        def conv(x: pg.Tensor, w: pg.Tensor) -> pg.Tensor:
            return pg.conv2d(x.permute((0, 3, 1, 2)), w, padding=1).permute((0, 2, 3, 1))

        return conv(pg.tanh(conv(x, w)), v)

    x, w, v = array(3, 7, 9, 5), array(6, 5, 3, 3), array(4, 6, 3, 3)
    text = str(pg.jit(net).explain(x, w, v))
    assert conversions(text) == 0 and text.count("channels last") == 2
    want = pg.jit(net)(*(a.astype(pg.float64) for a in (x, w, v))).numpy()
    np.testing.assert_allclose(pg.jit(net)(x, w, v).numpy(), want, rtol=2e-4, atol=4e-5)


@needs_onednn
def test_statistics_of_channels_speak_for_the_plain_order() -> None:
    """Batch norm keeps the rows of a channel in the cache; images given with the channels last weigh more."""
    x, w, v = array(3, 32, 9, 9), array(8, 32, 3, 3), array(40, 8, 3, 3)

    def net(x: pg.Tensor, w: pg.Tensor, v: pg.Tensor) -> pg.Tensor:
        return pg.conv2d(pg.relu(batch_norm(pg.conv2d(x, w, padding=1))), v, padding=1)

    def turned(x: pg.Tensor, w: pg.Tensor, v: pg.Tensor) -> pg.Tensor:
        return net(x.permute((0, 3, 1, 2)), w, v).permute((0, 2, 3, 1))

    given = pg.Tensor(np.ascontiguousarray(x.numpy().transpose(0, 2, 3, 1)))
    assert "channels last" not in str(pg.jit(net).explain(x, w, v))
    assert "channels last" in str(pg.jit(turned).explain(given, w, v))
    np.testing.assert_allclose(
        pg.jit(turned)(given, w, v).numpy().transpose(0, 3, 1, 2),
        pg.jit(net)(x, w, v).numpy(),
        rtol=2e-4,
        atol=2e-4,
    )


@needs_onednn
def test_a_bias_is_added_by_the_convolution() -> None:
    x, w, b = array(2, 8, 9, 9), array(12, 8, 3, 3), array(12)
    biased = pg.jit(lambda x, w, b: pg.conv2d(x, w, b))
    assert "1 library calls" in str(biased.explain(x, w, b)) and "0 kernels" in str(biased.explain(x, w, b))
    want = pg.conv2d(x, w).eval() + b.reshape((12, 1, 1))
    np.testing.assert_allclose(biased(x, w, b).numpy(), want.numpy(), rtol=1e-6, atol=1e-6)
    wrong_axis = pg.jit(lambda x, w, b: pg.conv2d(x, w) + b)  # along the width
    want = pg.conv2d(x, w[:7]).eval() + b[:7]
    np.testing.assert_allclose(wrong_axis(x, w[:7], b[:7]).numpy(), want.numpy(), rtol=1e-6, atol=1e-6)
    twice = pg.jit(lambda x, w, b: (lambda y: y * (y + b.reshape((12, 1, 1))))(pg.conv2d(x, w)))
    y = pg.conv2d(x, w).eval()
    want = y * (y + b.reshape((12, 1, 1)))
    np.testing.assert_allclose(twice(x, w, b).numpy(), want.numpy(), rtol=1e-5, atol=1e-5)


@needs_onednn
def test_a_convolution_by_itself_stays_as_it_is() -> None:
    text = str(pg.jit(lambda x, w: pg.conv2d(x, w)).explain(array(2, 8, 9, 9), array(8, 8, 3, 3)))
    assert "channels last" not in text and conversions(text) == 0


# ---- the same numbers: against torch, and against the program in float64, which stays as it is


def batch_norm(x: Any) -> Any:
    axes = (0, *range(2, x.ndim))
    mean = x.mean(axes, keepdims=True)
    return (x - mean) / pg.sqrt(((x - mean) ** 2).mean(axes, keepdims=True) + 1e-3)


def group_norm(x: Any) -> Any:
    rows = x.reshape((x.shape[0], 2, -1))
    mean = rows.mean(-1, keepdims=True)
    return ((rows - mean) / pg.sqrt(((rows - mean) ** 2).mean(-1, keepdims=True) + 1e-3)).reshape(x.shape)


def two(between: Callable[[Any], Any], **options: Any) -> Callable[..., Any]:
    def net(x: Any, w: Any, v: Any) -> Any:
        conv = {3: pg.conv1d, 4: pg.conv2d, 5: pg.conv3d}[x.ndim]
        return conv(between(conv(x, w, padding=1)), v, **options)

    return net


def dense(x: Any, w: Any, v: Any) -> Any:
    h = pg.conv2d(x, w, padding=1)
    h = pg.concatenate([h, -h[:, ::2], h[:, 1::2]], axis=1)
    return pg.conv2d(pg.relu(h), v, padding=1)


def residual(x: Any, w: Any, v: Any) -> Any:
    h = pg.conv2d(x, w, padding=1)
    return pg.relu(h + pg.conv2d(pg.relu(h), v, padding=1)).mean((2, 3))


def batch_grouped(x: Any, w: Any, v: Any) -> Any:
    h = pg.conv_general(x, w, padding=((1, 1), (1, 1)), batch_groups=2)
    return pg.conv2d(pg.tanh(h), v)


def strange_axes(x: Any, w: Any, v: Any) -> Any:
    h = pg.conv2d(x.permute((0, 3, 1, 2)), w, padding=1) / 24
    h = h + h.swapaxes(2, 3)
    h = h / (1 + pg.abs(h).sum(0, keepdims=True)) + h.max(1, keepdims=True) - h.mean(2, keepdims=True)
    return pg.conv2d(h, v) * (1 - 0.1 * pg.arange(7, dtype=h.dtype))


IMAGE = (4, 6, 9, 9)
SHAPES = {"x": IMAGE, "w": (8, 6, 3, 3), "v": (10, 8, 3, 3)}
NETS: dict[str, tuple[Callable[..., Any], dict[str, tuple[int, ...]]]] = {
    "tanh": (two(pg.tanh), {}),
    "strides": (two(pg.tanh, stride=(2, 1), padding=(0, 2)), {}),
    "dilation": (two(pg.tanh, dilation=(2, 3), padding=((1, 2), (3, 0))), {}),
    "negative margins": (two(pg.tanh, padding=((-1, 2), (0, -2))), {}),
    "groups": (two(pg.tanh, groups=2), {"v": (10, 4, 3, 3)}),
    "depthwise": (two(pg.tanh, groups=8, padding=1), {"v": (16, 1, 3, 3)}),
    "batch groups": (batch_grouped, {}),
    "one axis": (two(pg.tanh), {"x": (4, 6, 17), "w": (8, 6, 3), "v": (10, 8, 2)}),
    "three axes": (two(pg.tanh), {"x": (2, 6, 5, 4, 6), "w": (8, 6, 3, 3, 3), "v": (5, 8, 2, 3, 1)}),
    "one channel": (two(pg.tanh), {"x": (4, 1, 9, 9), "w": (8, 1, 3, 3)}),
    "one pixel": (two(pg.tanh, padding=1), {"x": (4, 6, 1, 1)}),
    "no example": (two(pg.tanh), {"x": (0, 6, 9, 9)}),
    "no channel": (two(pg.tanh), {"x": (2, 0, 9, 9), "w": (8, 0, 3, 3)}),
    "largest": (two(lambda h: pg.max_pool2d(h, 2)), {}),
    "largest, overlapping": (two(lambda h: pg.max_pool2d(h, 3, 2, padding=1)), {}),
    "mean pooled": (two(lambda h: pg.avg_pool2d(h, (3, 2), (2, 1), padding=(1, 0))), {}),
    "padded": (two(lambda h: pg.pad(h, ((0, 0), (0, 0), (1, 2), (0, -1)))), {}),
    "cut": (two(lambda h: h[:, :, 1:-1:2, ::-1]), {}),
    "batch norm": (two(lambda h: pg.relu(batch_norm(h))), {}),
    "group norm": (two(group_norm), {}),
    "dense": (dense, {"v": (10, 16, 3, 3)}),
    "residual": (residual, {"v": (8, 8, 3, 3)}),
    "strange axes": (strange_axes, {"x": (4, 9, 9, 64), "w": (8, 64, 3, 3)}),
}


@needs_onednn
@pytest.mark.parametrize("name", NETS)
def test_networks_and_their_gradients_keep_their_numbers(name: str) -> None:
    net, shapes = NETS[name]
    args = [array(*shape) for shape in (SHAPES | shapes).values()]

    def both(*args: Any) -> Any:
        y = net(*args)
        return y, *pg.grad(lambda *a: pg.sin(net(*a)).sum(), argnums=(0, 1, 2))(*args)

    text = str(pg.jit(both).explain(*args))
    results = pg.jit(both)(*args)
    exact = pg.jit(both)(*(a.astype(pg.float64) for a in args))
    assert "channels last" not in str(pg.jit(both).explain(*(a.astype(pg.float64) for a in args)))
    if name not in ("no example", "no channel", "negative margins", "group norm"):
        assert ("channels last" in text) == (name != "batch norm")
    for got, want in zip(results, exact, strict=True):
        assert got.shape == want.shape
        scale = max(1.0, float(np.abs(want.numpy()).max(initial=0)))
        np.testing.assert_allclose(got.numpy() / scale, want.numpy() / scale, rtol=2e-4, atol=4e-5)


@needs_onednn
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_halves(dtype: str) -> None:
    args = [array(*shape).astype(dtype) for shape in SHAPES.values()]
    net = two(lambda h: pg.max_pool2d(pg.relu(h), 2))
    got = pg.jit(net)(*args).astype("float32").numpy()
    want = pg.jit(net)(*(a.astype(pg.float64) for a in args)).numpy()
    assert "channels last" in str(pg.jit(net).explain(*args))
    np.testing.assert_allclose(got, want, rtol=0.05, atol=0.02 * np.abs(want).max())


@needs_onednn
def test_torch_computes_the_same() -> None:
    torch = need("torch")
    f = torch.nn.functional
    x, w, v = (array(*shape) for shape in SHAPES.values())
    b = array(8)

    def net(x: Any, w: Any, b: Any, v: Any) -> Any:
        h = pg.max_pool2d(pg.relu(pg.conv2d(x, w, b, stride=(1, 2), padding=(2, 1))), 3, 2, padding=1)
        return pg.conv2d(h, v, padding=1).sum()

    got = pg.jit(pg.value_and_grad(net, wrt=(0, 1, 2, 3)))(x, w, b, v)
    tensors = [torch.tensor(a.numpy(), requires_grad=True) for a in (x, w, b, v)]
    h = f.relu(f.conv2d(*tensors[:3], stride=(1, 2), padding=(2, 1)))
    y = f.conv2d(f.max_pool2d(h, 3, 2, padding=1), tensors[3], padding=1).sum()
    y.backward()
    np.testing.assert_allclose(float(got[0]), y.item(), rtol=1e-3)
    for ours, theirs in zip(got[1], tensors, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.grad.numpy(), rtol=2e-3, atol=1e-3)


@needs_onednn
@pytest.mark.parametrize(("n", "kernel", "stride"), [(1, (3, 3), 1), (3, (5, 1), (2, 1))])
def test_few_images_are_cut_into_bands_of_rows(n: int, kernel: tuple[int, int], stride: Any) -> None:
    x, w, b = array(n, 32, 24, 64), array(64, 64, *kernel), array(64)

    def net(x: Any, w: Any, b: Any) -> Any:
        y = pg.conv2d(x.permute((0, 3, 1, 2)), w, b, stride=stride, padding=(2, 1))
        return y.permute((0, 2, 3, 1))

    assert "channels last" in str(pg.jit(net).explain(x, w, b))
    want = pg.jit(net)(*(a.astype(pg.float64) for a in (x, w, b))).numpy()
    np.testing.assert_allclose(pg.jit(net)(x, w, b).numpy(), want, rtol=2e-4, atol=1e-3)
