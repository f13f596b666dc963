"""What the op table cannot say of convolution, pooling, attention and einsum: errors, corners, graphs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pequegrad as pg
import pytest
from peers import need

# ---- attention


def _torch_attention(q: Any, k: Any, v: Any, mask: Any) -> tuple[Any, list[Any]]:
    torch = need("torch")
    given = [torch.from_numpy(a).requires_grad_() for a in (q, k, v)]
    out = torch.nn.functional.scaled_dot_product_attention(*given, torch.from_numpy(mask))
    out.sum().backward()
    return out.detach().numpy(), [g.grad.numpy() for g in given]


@pytest.mark.parametrize("kind", ["boolean", "additive"])
def test_a_query_that_sees_nobody_gets_zeros_and_no_gradient(kind: str, rng: np.random.Generator) -> None:
    q, k, v = (rng.standard_normal((2, 4, 3)) for _ in range(3))
    mask = rng.random((2, 4, 4)) < 0.6
    mask[0, 1] = mask[1, 3] = False
    given = mask if kind == "boolean" else np.where(mask, 0.0, -np.inf)
    f = lambda q, k, v: pg.scaled_dot_product_attention(q, k, v, pg.Tensor(given))
    want, grads = _torch_attention(q, k, v, given)
    out, got = pg.fngrad(f, wrt=[0, 1, 2], return_outs=True)(*map(pg.Tensor, (q, k, v)))
    np.testing.assert_allclose(out.numpy(), want, rtol=1e-12, atol=1e-14)
    assert not out.numpy()[0, 1].any()
    for g, w in zip(got, grads):
        np.testing.assert_allclose(g.numpy(), w, rtol=1e-12, atol=1e-13)
    second = pg.grad(lambda q: (pg.grad(lambda a: f(a, pg.Tensor(k), pg.Tensor(v)).sum())(q) ** 2).sum())
    assert np.isfinite(second(pg.Tensor(q)).numpy()).all()


def test_attention_drops_by_its_key() -> None:
    q = pg.ones((2, 3, 4))
    key = pg.random.key(3)
    f = lambda key: pg.scaled_dot_product_attention(q, q, q, dropout_p=0.5, dropout_key=key)
    once, again, other = f(key), f(key), f(pg.random.key(4))
    assert np.array_equal(once.numpy(), again.numpy()) and not np.array_equal(once.numpy(), other.numpy())
    assert np.isin(np.round(once.numpy() * 3).astype(int), [0, 2, 4, 6]).all()


# ---- gradients where others have NaN


@pytest.mark.parametrize(
    ("name", "f"),
    [
        ("norm 2", lambda x: pg.norm(x)),
        ("norm 3", lambda x: pg.norm(x, 3)),
        ("norm rows", lambda x: pg.norm(x, 2, 1).sum()),
        ("normalize", lambda x: pg.normalize(x).sum()),
        ("lp_pool", lambda x: pg.lp_pool1d(x, 2, 2).sum()),
        ("cdist", lambda x: pg.cdist(x, x).sum()),
        ("cosine", lambda x: pg.cosine_similarity(x, x).sum()),
    ],
)
def test_derivatives_at_zero_are_finite(name: str, f: Any) -> None:
    at = pg.zeros((2, 4))
    assert np.isfinite(pg.grad(f)(at).numpy()).all(), name
    second = pg.jvp(lambda x: pg.grad(f)(x), [0])(at, pg.ones((2, 4)))
    assert np.isfinite(second.numpy()).all(), name


def test_derivatives_of_activations_in_the_far_tails() -> None:
    x = pg.Tensor(np.array([-1e4, -200.0, -90.0, 0.0, 90.0, 200.0, 1e4], np.float32))
    for f in (
        pg.mish,
        pg.softplus,
        pg.log_sigmoid,
        pg.elu,
        pg.celu,
        pg.selu,
        pg.silu,
        pg.gelu,
        pg.tanhshrink,
    ):
        first = pg.grad(lambda x, f=f: f(x).sum())
        assert np.isfinite(f(x).numpy()).all(), f.__name__
        assert np.isfinite(first(x).numpy()).all(), f.__name__
        assert np.isfinite(pg.grad(lambda x, first=first: first(x).sum())(x).numpy()).all(), f.__name__


# ---- pooling


def test_max_pool_indices_name_the_elements(rng: np.random.Generator) -> None:
    for x in (
        rng.integers(-100, 100, (2, 3, 6, 7)).astype(np.int8),
        rng.standard_normal((2, 3, 6, 7)).astype(np.float32),
        rng.integers(0, 9, (2, 3, 6, 7)).astype(np.uint64),
    ):
        best, places = pg.max_pool2d(pg.Tensor(x), 3, 2, 1, return_indices=True)
        flat = x.reshape(2, 3, -1)
        want = np.take_along_axis(flat, places.numpy().reshape(2, 3, -1), -1).reshape(best.shape)
        assert best.dtype.name == x.dtype.name and places.dtype == "int64"
        np.testing.assert_array_equal(best.numpy(), want)


def test_of_equal_elements_the_first_has_the_gradient() -> None:
    x = pg.zeros((1, 1, 3, 5))
    for f in (lambda x: pg.max_pool2d(x, 3, 1), lambda x: pg.adaptive_max_pool2d(x, (2, 3))):
        torch = need("torch")
        t = torch.zeros(1, 1, 3, 5, requires_grad=True)
        g = (
            torch.nn.functional.max_pool2d(t, 3, 1)
            if f(x).shape == (1, 1, 1, 3)
            else torch.nn.functional.adaptive_max_pool2d(t, (2, 3))
        )
        g.sum().backward()
        np.testing.assert_array_equal(pg.grad(lambda x, f=f: f(x).sum())(x).numpy(), t.grad.numpy())


# ---- einsum


def test_einsum_orders_of_many_operands_agree(rng: np.random.Generator) -> None:
    letters = "abcdefghij"
    arrays = [rng.standard_normal((2, 3)) if i % 2 == 0 else rng.standard_normal((3, 2)) for i in range(9)]
    equation = ",".join(letters[i : i + 2] for i in range(9)) + "->" + letters[0] + letters[9]
    want = np.linalg.multi_dot(arrays)
    for optimize in ("auto", "greedy", "optimal", False):
        got = pg.einsum(equation, *map(pg.Tensor, arrays), optimize=optimize)
        np.testing.assert_allclose(got.numpy(), want, rtol=1e-12)


def test_einsum_finds_the_cheap_order() -> None:
    big = [pg.zeros((30, 30)), pg.zeros((30, 30)), pg.zeros((30, 30)), pg.zeros(30)]
    for optimize in ("auto", "greedy", "optimal"):
        path = pg.einsum_path("ab,bc,cd,d->a", *big, optimize=optimize)
        assert path[0] == (2, 3), optimize
    many = [pg.zeros((3, 3))] * 20
    equation = ",".join(f"{chr(97 + i)}{chr(98 + i)}" for i in range(20))
    assert len(pg.einsum_path(equation, *many)) == 19


def test_einsum_is_one_product_where_it_can_be() -> None:
    trace = pg.make_trace(lambda a, b: pg.einsum("bhqd,bhkd->bqhk", a, b))(
        pg.zeros((2, 3, 4, 5)), pg.zeros((2, 3, 6, 5))
    )
    assert str(trace).count("dot_general") == 1 and "permute" not in str(trace)


# ---- errors

_IMAGE, _KERNEL = (1, 4, 5, 5), (2, 4, 3, 3)
ERRORS: list[tuple[type[Exception], str, Any]] = [
    (pg.ShapeError, "conv2d: needs images", lambda: pg.conv2d(pg.zeros((5, 5)), pg.zeros(_KERNEL))),
    (pg.ShapeError, "4 channels need 3", lambda: pg.conv2d(pg.zeros(_IMAGE), pg.zeros((2, 3, 3, 3)))),
    (pg.ShapeError, "bias", lambda: pg.conv2d(pg.zeros(_IMAGE), pg.zeros(_KERNEL), pg.zeros(3))),
    (pg.InvalidValueError, "stride", lambda: pg.conv2d(pg.zeros(_IMAGE), pg.zeros(_KERNEL), stride=0)),
    (pg.InvalidValueError, "padding", lambda: pg.conv2d(pg.zeros(_IMAGE), pg.zeros(_KERNEL), padding="x")),
    (pg.ArgumentError, "one int or 2", lambda: pg.conv2d(pg.zeros(_IMAGE), pg.zeros(_KERNEL), padding=1.5)),
    (
        pg.ShapeError,
        "batch_groups",
        lambda: pg.conv_general(pg.zeros(_IMAGE), pg.zeros(_KERNEL), batch_groups=2),
    ),
    (
        pg.InvalidValueError,
        "output_padding",
        lambda: pg.conv_transpose2d(pg.zeros(_IMAGE), pg.zeros((4, 2, 3, 3)), output_padding=1),
    ),
    (
        pg.ShapeError,
        "give no result",
        lambda: pg.conv_transpose2d(pg.zeros(_IMAGE), pg.zeros((4, 2, 1, 1)), padding=9),
    ),
    (pg.InvalidValueError, "half the kernel", lambda: pg.max_pool2d(pg.zeros(_IMAGE), 2, padding=2)),
    (pg.ShapeError, "does not fit", lambda: pg.avg_pool2d(pg.zeros(_IMAGE), 7)),
    (pg.ShapeError, "at least 1", lambda: pg.adaptive_avg_pool2d(pg.zeros(_IMAGE), 0)),
    (pg.InvalidValueError, "mode is one of", lambda: pg.interpolate(pg.zeros(_IMAGE), 4, mode="cubic")),
    (pg.InvalidValueError, "align_corners", lambda: pg.interpolate(pg.zeros(_IMAGE), 4, align_corners=True)),
    (pg.ArgumentError, "scale_factor", lambda: pg.interpolate(pg.zeros(_IMAGE), None, -1.0)),
    (pg.ShapeError, "grid_sample", lambda: pg.grid_sample(pg.zeros(_IMAGE), pg.zeros((2, 3, 3, 2)))),
    (pg.ShapeError, "fold", lambda: pg.fold(pg.zeros((1, 5, 4)), (3, 3), 2)),
    (pg.ShapeError, "pixel_shuffle", lambda: pg.pixel_shuffle(pg.zeros((3, 2, 2)), 2)),
    (pg.ShapeError, "halve", lambda: pg.glu(pg.zeros(3))),
    (pg.ShapeError, "last axes", lambda: pg.layer_norm(pg.zeros((2, 3)), (2, 3, 4))),
    (pg.ShapeError, "groups", lambda: pg.group_norm(pg.zeros((2, 3)), 2)),
    (pg.ShapeError, "weight needs shape", lambda: pg.layer_norm(pg.zeros((2, 3)), 3, pg.ones(2))),
    (
        pg.ArgumentError,
        "not both",
        lambda: pg.scaled_dot_product_attention(*[pg.ones((2, 2))] * 3, pg.ones((2, 2)), is_causal=True),
    ),
    (
        pg.DTypeError,
        "boolean or floating",
        lambda: pg.scaled_dot_product_attention(*[pg.ones((2, 2))] * 3, pg.Tensor([[1, 0], [1, 1]])),
    ),
    (
        pg.ShapeError,
        "do not share",
        lambda: pg.scaled_dot_product_attention(pg.ones((5, 2, 2)), *[pg.ones((2, 2, 2))] * 2),
    ),
    (pg.ShapeError, "'j' stands for", lambda: pg.einsum("ij,jk", pg.zeros((2, 3)), pg.zeros((4, 2)))),
    (pg.ShapeError, "has 3 labels", lambda: pg.einsum("ijk", pg.zeros((2, 3)))),
    (pg.InvalidValueError, "stands twice", lambda: pg.einsum("ij->ii", pg.zeros((2, 3)))),
    (pg.InvalidValueError, "in no operand", lambda: pg.einsum("ij->ik", pg.zeros((2, 3)))),
    (pg.InvalidValueError, "letters", lambda: pg.einsum("i1->i", pg.zeros((2, 3)))),
    (pg.InvalidValueError, "names 2 operands", lambda: pg.einsum("i,j", pg.zeros(2))),
    (pg.InvalidValueError, "optimize", lambda: pg.einsum("i,i", pg.zeros(2), pg.zeros(2), optimize="best")),
    (pg.InvalidValueError, "path", lambda: pg.einsum("i,i", pg.zeros(2), pg.zeros(2), optimize=[(0, 5)])),
    (pg.ArgumentError, "equation", lambda: pg.einsum()),
    (pg.IndexingError, "integers", lambda: pg.gather(pg.zeros((2, 2)), 0, pg.zeros((2, 2)))),
    (pg.ShapeError, "rank", lambda: pg.gather(pg.zeros((2, 2)), 0, pg.Tensor([0]))),
    (pg.IndexingError, "out of range", lambda: pg.gather(pg.zeros((2, 2)), 0, pg.Tensor([[2]])).eval()),
    (pg.InvalidValueError, "reduce", lambda: pg.scatter_reduce(pg.zeros(2), 0, pg.Tensor([0]), 1, "median")),
    (pg.ShapeError, "ids", lambda: pg.segment_sum(pg.zeros(3), pg.Tensor([0, 1]), 2)),
]


@pytest.mark.parametrize(("error", "text", "call"), ERRORS, ids=[f"{i}" for i in range(len(ERRORS))])
def test_errors_teach(error: type[Exception], text: str, call: Any) -> None:
    with pytest.raises(error, match=text):
        call()


def test_indices_out_of_range() -> None:
    x, index = pg.Tensor([1.0, 2.0, 3.0]), pg.Tensor([-1, 5, 0])
    assert pg.gather(x, 0, index, index_mode="clip").tolist() == [3.0, 3.0, 1.0]
    assert pg.gather(x, 0, index, index_mode="drop").tolist() == [3.0, 0.0, 1.0]
    assert pg.scatter(x, 0, index, 9.0, index_mode="drop").tolist() == [9.0, 2.0, 9.0]
    assert pg.scatter(x, 0, index, 9.0, "add", index_mode="clip").tolist() == [10.0, 2.0, 21.0]
    assert pg.segment_sum(x, pg.Tensor([-1, 0, 7]), 2).tolist() == [2.0, 0.0]


def test_segments_without_rows_have_the_neutral_element() -> None:
    x, ids = pg.Tensor([1.0, 2.0]), pg.Tensor([2, 2])
    assert pg.segment_max(x, ids, 3).tolist() == [-math.inf, -math.inf, 2.0]
    assert pg.segment_min(x, ids, 3).tolist() == [math.inf, math.inf, 1.0]
    assert pg.segment_mean(x, ids, 3).tolist() == [0.0, 0.0, 1.5]


def test_softmax_keeps_its_digits_over_wide_logits(rng: np.random.Generator) -> None:
    x = rng.uniform(-100, 100, (64, 300)).astype(np.float32)
    wide = x.astype(np.float64)
    e = np.exp(wide - wide.max(-1, keepdims=True))
    for got, want in (
        (pg.softmax(pg.Tensor(x)), e / e.sum(-1, keepdims=True)),
        (pg.logsumexp(pg.Tensor(x), -1), np.log(e.sum(-1)) + wide.max(-1)),
    ):
        nearest = np.abs(want).astype(np.float32)
        ulp = np.nextafter(nearest, np.float32(math.inf)).astype(np.float64) - nearest
        assert (np.abs(got.numpy() - want) / ulp).max() <= 4
