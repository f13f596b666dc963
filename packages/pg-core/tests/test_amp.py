"""Mixed precision: which operations ``pg.amp.autocast`` lowers, composed with every transform, and loss scaling."""

from __future__ import annotations

from typing import Any

import numpy as np
import pequegrad as pg
import pytest
from peers import need


def products(f: Any, *args: Any) -> list[str]:
    """The dtypes in which a function's products are computed."""
    trace = pg.make_trace(f)(*args)
    return [str(n.dtype) for n in trace.nodes if n.op in ("dot_general", "conv")]


def low(x: np.ndarray, dtype: str = "bfloat16") -> np.ndarray:
    return pg.Tensor(x).astype(dtype).astype("float32").numpy()


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_products_are_of_rounded_operands_and_nothing_else_changes(dtype: str, rng: Any) -> None:
    x, w = rng.normal(size=(5, 8)).astype("float32"), rng.normal(size=(8, 3)).astype("float32")
    f = pg.amp.autocast(lambda x, w: pg.exp(pg.tanh(x @ w)).sum(1), dtype)
    for run in (f, pg.jit(f)):
        got = run(pg.Tensor(x), pg.Tensor(w))
        assert got.dtype is pg.float32
        product = low(low(x, dtype) @ low(w, dtype), dtype)
        np.testing.assert_allclose(got.numpy(), np.exp(np.tanh(product)).sum(1), rtol=2e-2)
    assert products(f, pg.Tensor(x), pg.Tensor(w)) == [dtype]


def test_convolutions_too_and_only_float32() -> None:
    image, kernel = pg.ones((1, 2, 5, 5)), pg.ones((3, 2, 3, 3))
    f = pg.amp.autocast(lambda a, b: pg.conv2d(a, b))
    assert products(f, image, kernel) == ["bfloat16"]
    assert products(f, image.astype("float64"), kernel.astype("float64")) == ["float64"]
    assert products(pg.amp.autocast(lambda a: a * a), image) == []


def test_gradients_are_float32_and_their_products_are_lowered() -> None:
    x, w = pg.rand((4, 8)), pg.rand((8, 3))
    loss = pg.amp.autocast(lambda w, x: pg.tanh(x @ w).sum())
    for gradient in (pg.grad(loss), pg.amp.autocast(pg.grad(lambda w, x: pg.tanh(x @ w).sum()))):
        assert products(gradient, w, x) == ["bfloat16"] * 2
        got = pg.jit(gradient)(w, x)
        assert got.dtype is pg.float32
        exact = pg.grad(lambda w: pg.tanh(x @ w).sum())(w)
        np.testing.assert_allclose(got.numpy(), exact.numpy(), rtol=0.05, atol=0.02)


def test_what_a_function_reads_from_outside_and_the_bodies_of_loops() -> None:
    w = pg.rand((4, 4))

    def f(x: Any) -> Any:
        return pg.scan(lambda c, _: (pg.tanh(c @ w), None), x, None, length=3)[0]

    lowered = pg.amp.autocast(f)
    x = pg.rand((2, 4))
    text = str(pg.make_trace(lowered)(x))
    assert "bf16" in text and "bf16" not in str(pg.make_trace(f)(x))
    by_hand = x
    for _ in range(3):
        product = by_hand.astype("bfloat16") @ w.astype("bfloat16")
        by_hand = pg.tanh(product.astype("float32"))
    assert lowered(x).tolist() == by_hand.tolist()
    exact = pg.grad(lambda x: f(x).sum())(x)
    for run in (pg.grad(lambda x: lowered(x).sum()), pg.jit(pg.jacrev(lambda x: lowered(x).sum()))):
        np.testing.assert_allclose(run(x).numpy(), exact.numpy(), rtol=0.1, atol=0.05)
    assert pg.vmap(lowered)(x[:, None]).shape == (2, 1, 4)


def test_handles_that_the_function_rebinds_take_lowered_values() -> None:
    total = pg.zeros((2, 2))
    ones = pg.full((2, 2), 1.001)

    @pg.amp.autocast
    def f(x: Any) -> Any:
        nonlocal total
        total += x @ ones
        return x @ ones

    out = f(pg.ones((2, 2)))
    assert total.tolist() == out.tolist() == [[2.0, 2.0], [2.0, 2.0]]
    assert products(f, pg.ones((2, 2))) == ["bfloat16"]  # one product, not one of each kind


def test_pytrees_keywords_and_numbers() -> None:
    f = pg.amp.autocast(lambda p, *, scale: {"y": (p["x"] @ p["x"]) * scale})
    assert f({"x": pg.ones((2, 2))}, scale=3)["y"].tolist() == [[6.0, 6.0], [6.0, 6.0]]


def test_errors() -> None:
    with pytest.raises(pg.DTypeError, match="bfloat16 or float16, got float32"):
        pg.amp.autocast(lambda x: x, "float32")
    with pytest.raises(pg.PequegradError, match="expected a function"):
        pg.amp.autocast(3)  # type: ignore[arg-type]
    with pytest.raises(pg.PequegradError, match="growth above 1"):
        pg.amp.LossScale.start(growth=1.0)


def test_small_gradients_in_float16_need_the_loss_scale(rng: Any) -> None:
    """Gradients below float16's least number vanish without a scale."""
    x = pg.Tensor(rng.normal(size=(8, 16)).astype("float32"))
    w = pg.Tensor(rng.normal(size=(16, 4)).astype("float32"))

    def loss(w: Any) -> Any:
        return (x @ w).sum() * 1e-9

    gradient = pg.grad(pg.amp.autocast(loss, "float16"))(w)
    assert not gradient.numpy().any()
    scale = pg.amp.LossScale.start()
    scaled = pg.grad(lambda w: scale.scale(pg.amp.autocast(loss, "float16")(w)))(w)
    np.testing.assert_allclose(scale.unscale(scaled).numpy(), pg.grad(loss)(w).numpy(), rtol=0.05, atol=1e-10)


def test_the_scale_moves_as_that_of_torch() -> None:
    torch = need("torch")
    ours = pg.amp.LossScale.start(2.0**10, 2.0, 3)
    adjust = pg.jit(lambda scale, finite: scale.adjust(finite))
    factor, tracker = torch.full((1,), 2.0**10), torch.zeros(1, dtype=torch.int32)
    for finite in [True, True, True, False, True, True, False, False, True, True, True, True]:
        ours = adjust(ours, pg.Tensor(finite))
        torch._amp_update_scale_(factor, tracker, torch.tensor([0.0 if finite else 1.0]), 2.0, 0.5, 3)
        assert ours.factor.item() == factor.item()
        assert ours.good_steps.item() == tracker.item()


def test_a_step_that_overflowed_is_not_taken() -> None:
    params = {"w": pg.ones(2)}
    bad = {"w": pg.Tensor([float("inf"), 1.0])}
    finite = pg.amp.all_finite(bad)
    stepped = {"w": params["w"] - bad["w"]}
    assert pg.amp.select_tree(finite, stepped, params)["w"].tolist() == [1.0, 1.0]
