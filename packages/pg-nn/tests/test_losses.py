from __future__ import annotations

import numpy as np
import pequegrad as pg
import pg_nn as nn
import pytest
from nn_parity import assert_close, torch

RNG = np.random.default_rng(0)
F = torch.nn.functional


def normal(*shape):
    return (3 * RNG.normal(size=shape)).astype(np.float32)


def check(ours, theirs, x):
    """Value and gradient with respect to the first argument, each weighted so that "none" is tested too."""
    x_torch = torch.tensor(x, requires_grad=True)
    out_torch = theirs(x_torch)
    weights = np.arange(1, out_torch.numel() + 1, dtype=np.float32).reshape(tuple(out_torch.shape))
    (out_torch * torch.tensor(weights)).sum().backward()

    def f(x):
        out = ours(x)
        return (out * pg.Tensor(weights)).sum(), out

    for run in (
        pg.value_and_grad(f, wrt=[0], has_aux=True),
        pg.jit(pg.value_and_grad(f, wrt=[0], has_aux=True)),
    ):
        (_, out), (grad,) = run(pg.Tensor(x))
        assert_close(out, out_torch, atol=1e-6)
        assert_close(grad, x_torch.grad, atol=1e-5)


CLASS_WEIGHT = np.array([0.5, 2.0, 1.0, 0.25], np.float32)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(4,), (6, 4), (2, 4, 3, 2)])
def test_cross_entropy_by_index(shape, weighted, smoothing, reduction):
    target = np.asarray(
        RNG.integers(0, 4, tuple(n for i, n in enumerate(shape) if i != min(1, len(shape) - 1)))
    )
    if target.ndim:
        target.flat[0] = -100
    weight = CLASS_WEIGHT if weighted else None
    check(
        lambda x: nn.cross_entropy(
            x,
            pg.Tensor(target),
            weight=None if weight is None else pg.Tensor(weight),
            reduction=reduction,
            label_smoothing=smoothing,
        ),
        lambda x: F.cross_entropy(
            x,
            torch.tensor(target),
            weight=None if weight is None else torch.tensor(weight),
            reduction=reduction,
            label_smoothing=smoothing,
        ),
        normal(*shape),
    )


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(4,), (6, 4), (2, 4, 3)])
def test_cross_entropy_by_probability(shape, weighted, smoothing, reduction):
    target = np.abs(normal(*shape))
    target /= target.sum(axis=min(1, len(shape) - 1), keepdims=True)
    options = {"reduction": reduction, "label_smoothing": smoothing}
    check(
        lambda x: nn.cross_entropy(
            x, pg.Tensor(target), weight=pg.Tensor(CLASS_WEIGHT) if weighted else None, **options
        ),
        lambda x: F.cross_entropy(
            x, torch.tensor(target), weight=torch.tensor(CLASS_WEIGHT) if weighted else None, **options
        ),
        normal(*shape),
    )


def test_cross_entropy_with_another_ignore_index():
    target = np.array([1, 3, 0, 3])
    check(
        lambda x: nn.cross_entropy(x, pg.Tensor(target), ignore_index=3),
        lambda x: F.cross_entropy(x, torch.tensor(target), ignore_index=3),
        normal(4, 4),
    )


def test_cross_entropy_of_large_logits_is_finite():
    loss = nn.cross_entropy(pg.Tensor([[1e4, -1e4]]), pg.Tensor([1]))
    assert loss.item() == 2e4


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_mse(reduction):
    target = normal(3, 4)
    check(
        lambda x: nn.mse_loss(x, pg.Tensor(target), reduction=reduction),
        lambda x: F.mse_loss(x, torch.tensor(target), reduction=reduction),
        normal(3, 4),
    )


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("positive", [False, True])
def test_bce_with_logits(positive, weighted, reduction):
    x = normal(5, 3)
    x[0] = [0, 200, -200]
    target = RNG.uniform(size=(5, 3)).astype(np.float32)
    weight, pos_weight = np.abs(normal(5, 3)), np.array([0.5, 1, 3], np.float32)

    def options(make):
        return {
            "reduction": reduction,
            "weight": make(weight) if weighted else None,
            "pos_weight": make(pos_weight) if positive else None,
        }

    check(
        lambda x: nn.binary_cross_entropy_with_logits(x, pg.Tensor(target), **options(pg.Tensor)),
        lambda x: F.binary_cross_entropy_with_logits(x, torch.tensor(target), **options(torch.tensor)),
        x,
    )


def test_bce_second_derivative_at_zero():
    f = lambda x: nn.binary_cross_entropy_with_logits(x, pg.Tensor([1.0]), reduction="sum")
    second = pg.grad(lambda x: pg.grad(f)(x).sum())(pg.Tensor([0.0]))
    np.testing.assert_allclose(second.numpy(), [0.25], rtol=1e-6)


def test_loss_modules_are_the_functions():
    x, y = pg.Tensor(normal(3, 4)), pg.Tensor([0, 1, 2])
    weight = pg.Tensor(CLASS_WEIGHT)
    module = nn.CrossEntropyLoss(weight=weight, label_smoothing=0.1)
    assert module(x, y).item() == nn.cross_entropy(x, y, weight, label_smoothing=0.1).item()
    assert nn.MSELoss("sum")(x, x + 1).item() == pytest.approx(12, rel=1e-5)
    assert nn.BCEWithLogitsLoss()(x, x * 0).item() == nn.binary_cross_entropy_with_logits(x, x * 0).item()


@pytest.mark.parametrize(
    ("run", "error", "message"),
    [
        (
            lambda x: nn.cross_entropy(x, pg.Tensor([0, 1])),
            ValueError,
            r"indices of shape \(3,\), got \(2,\)",
        ),
        (
            lambda x: nn.cross_entropy(x, pg.ones((3, 5))),
            ValueError,
            r"shape of the logits \(3, 4\), got \(3, 5\)",
        ),
        (lambda x: nn.cross_entropy(x, pg.Tensor([0, 1, 4])).eval(), IndexError, "4"),
        (
            lambda x: nn.cross_entropy(x, pg.Tensor([True, False, True])),
            TypeError,
            "class indices or probabilities",
        ),
        (
            lambda x: nn.cross_entropy(x, pg.Tensor([0, 1, 2]), reduction="avg"),
            ValueError,
            '"mean", "sum" or "none"',
        ),
        (
            lambda x: nn.cross_entropy(x, pg.Tensor([0, 1, 2]), label_smoothing=2),
            ValueError,
            "between 0 and 1",
        ),
        (
            lambda x: nn.cross_entropy(x, pg.Tensor([0, 1, 2]), weight=pg.ones((3,))),
            ValueError,
            r"weight must have shape \(4,\)",
        ),
        (lambda x: nn.mse_loss(x, pg.ones((3, 1))), ValueError, "shapes differ"),
        (lambda x: nn.binary_cross_entropy_with_logits(x, pg.ones((4,))), ValueError, "shapes differ"),
    ],
)
def test_mistakes_raise(run, error, message):
    with pytest.raises(error, match=message) as caught:
        run(pg.ones((3, 4)))
    assert isinstance(caught.value, (pg.errors.PequegradError, ValueError))
