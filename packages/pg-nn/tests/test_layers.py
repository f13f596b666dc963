from __future__ import annotations

import numpy as np
import pequegrad as pg
import pg_nn as nn
import pytest
from nn_parity import check_module, torch

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


CASES = {
    "linear": (lambda: nn.Linear(5, 3), lambda: torch.nn.Linear(5, 3), normal(4, 5)),
    "linear, vector": (lambda: nn.Linear(5, 3), lambda: torch.nn.Linear(5, 3), normal(5)),
    "linear, no bias": (
        lambda: nn.Linear(5, 3, bias=False),
        lambda: torch.nn.Linear(5, 3, bias=False),
        normal(2, 4, 5),
    ),
    "conv": (
        lambda: nn.Conv2d(3, 4, 3, padding=1),
        lambda: torch.nn.Conv2d(3, 4, 3, padding=1),
        normal(2, 3, 6, 7),
    ),
    "conv, one image": (lambda: nn.Conv2d(3, 4, 3), lambda: torch.nn.Conv2d(3, 4, 3), normal(3, 6, 7)),
    "conv, stride and dilation": (
        lambda: nn.Conv2d(2, 4, (3, 2), stride=(2, 1), padding=(2, 1), dilation=(1, 2), bias=False),
        lambda: torch.nn.Conv2d(2, 4, (3, 2), stride=(2, 1), padding=(2, 1), dilation=(1, 2), bias=False),
        normal(2, 2, 9, 8),
    ),
    "conv, groups": (
        lambda: nn.Conv2d(4, 6, 3, groups=2),
        lambda: torch.nn.Conv2d(4, 6, 3, groups=2),
        normal(2, 4, 5, 5),
    ),
    "conv, depthwise": (
        lambda: nn.Conv2d(4, 4, 3, groups=4),
        lambda: torch.nn.Conv2d(4, 4, 3, groups=4),
        normal(2, 4, 5, 5),
    ),
    "conv, same": (
        lambda: nn.Conv2d(2, 3, (2, 3), padding="same"),
        lambda: torch.nn.Conv2d(2, 3, (2, 3), padding="same"),
        normal(2, 2, 5, 5),
    ),
    "max pool": (lambda: nn.MaxPool2d(2), lambda: torch.nn.MaxPool2d(2), normal(2, 3, 6, 7)),
    "max pool, overlapping": (
        lambda: nn.MaxPool2d(3, stride=2, padding=1),
        lambda: torch.nn.MaxPool2d(3, stride=2, padding=1),
        normal(2, 3, 7, 8),
    ),
    "max pool, one image": (
        lambda: nn.MaxPool2d((2, 3)),
        lambda: torch.nn.MaxPool2d((2, 3)),
        normal(3, 6, 7),
    ),
    "max pool, dilated": (
        lambda: nn.MaxPool2d(2, stride=3, dilation=2, ceil_mode=True),
        lambda: torch.nn.MaxPool2d(2, stride=3, dilation=2, ceil_mode=True),
        normal(2, 3, 8, 9),
    ),
    "avg pool": (lambda: nn.AvgPool2d(2), lambda: torch.nn.AvgPool2d(2), normal(2, 3, 6, 7)),
    "avg pool, overlapping": (
        lambda: nn.AvgPool2d(3, stride=2, padding=1),
        lambda: torch.nn.AvgPool2d(3, stride=2, padding=1),
        normal(2, 3, 7, 8),
    ),
    "avg pool, uncounted padding": (
        lambda: nn.AvgPool2d(3, stride=2, padding=1, ceil_mode=True, count_include_pad=False),
        lambda: torch.nn.AvgPool2d(3, stride=2, padding=1, ceil_mode=True, count_include_pad=False),
        normal(2, 3, 8, 9),
    ),
    "relu": (nn.ReLU, lambda: torch.nn.ReLU(), np.array([-2, -0.0, 0, 1, 3], np.float32)),
    "gelu": (nn.GELU, lambda: torch.nn.GELU(), 3 * normal(50)),
    "gelu, tanh": (lambda: nn.GELU("tanh"), lambda: torch.nn.GELU("tanh"), 3 * normal(50)),
    "silu": (nn.SiLU, lambda: torch.nn.SiLU(), 5 * normal(50)),
    "tanh": (nn.Tanh, lambda: torch.nn.Tanh(), 3 * normal(50)),
    "sigmoid": (nn.Sigmoid, lambda: torch.nn.Sigmoid(), np.array([-100, -3, 0, 3, 100], np.float32)),
    "flatten": (nn.Flatten, lambda: torch.nn.Flatten(), normal(2, 3, 4)),
    "flatten, range": (lambda: nn.Flatten(0, -2), lambda: torch.nn.Flatten(0, -2), normal(2, 3, 4)),
    "dropout, eval": (lambda: nn.Dropout(0.5).eval(), lambda: torch.nn.Dropout(0.5), normal(5)),
    "dropout, all": (lambda: nn.Dropout(1.0), lambda: torch.nn.Dropout(1.0), normal(5)),
    "embedding": (
        lambda: nn.Embedding(7, 3),
        lambda: torch.nn.Embedding(7, 3),
        np.array([[1, 6, 1], [0, 2, 1]]),
    ),
    "embedding, padding": (
        lambda: nn.Embedding(7, 3, padding_idx=-1),
        lambda: torch.nn.Embedding(7, 3, padding_idx=-1),
        np.array([[1, 6, 1], [0, 2, 6]]),
    ),
    "layer norm": (lambda: nn.LayerNorm(6), lambda: torch.nn.LayerNorm(6), 3 + 2 * normal(4, 6)),
    "layer norm, two axes": (
        lambda: nn.LayerNorm((3, 4), eps=1e-3, bias=False),
        lambda: torch.nn.LayerNorm((3, 4), eps=1e-3, bias=False),
        normal(2, 3, 4),
    ),
    "layer norm, plain": (
        lambda: nn.LayerNorm(6, elementwise_affine=False),
        lambda: torch.nn.LayerNorm(6, elementwise_affine=False),
        normal(4, 6),
    ),
    "batch norm": (lambda: nn.BatchNorm2d(3), lambda: torch.nn.BatchNorm2d(3), 2 + 3 * normal(4, 3, 5, 5)),
    "batch norm, average": (
        lambda: nn.BatchNorm2d(3, momentum=None, eps=1e-3),
        lambda: torch.nn.BatchNorm2d(3, momentum=None, eps=1e-3),
        normal(4, 3, 5, 5),
    ),
    "batch norm, plain": (
        lambda: nn.BatchNorm2d(3, affine=False, track_running_stats=False),
        lambda: torch.nn.BatchNorm2d(3, affine=False, track_running_stats=False),
        normal(4, 3, 5, 5),
    ),
    "batch norm, eval": (
        lambda: nn.BatchNorm2d(3).eval(),
        lambda: torch.nn.BatchNorm2d(3),
        normal(4, 3, 5, 5),
    ),
}


@pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")  # torch's, about its own speed
@pytest.mark.parametrize("jit", [False, True], ids=["eager", "jit"])
@pytest.mark.parametrize("name", CASES)
def test_layer_equals_torch(name, jit):
    make, make_torch, x = CASES[name]
    check_module(make(), make_torch(), x, jit=jit, atol=1e-5)


def test_every_layer_has_a_case():
    layers = {n for n in nn.layers.__all__ if not n.endswith("Loss")}
    assert {type(make()).__name__ for make, _, _ in CASES.values()} == layers


def test_batch_norm_follows_torch_over_many_batches():
    ours, theirs = nn.BatchNorm2d(2), torch.nn.BatchNorm2d(2)
    for _ in range(10):
        x = 4 * normal(6, 2, 3, 3) + 1
        ours(pg.Tensor(x)).eval()
        theirs(torch.tensor(x))
    for name, value in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[name].numpy(), value.numpy(), rtol=1e-5, atol=1e-6)
    x = normal(3, 2, 3, 3)
    np.testing.assert_allclose(
        ours.eval()(pg.Tensor(x)).numpy(),
        theirs.eval()(torch.tensor(x)).detach().numpy(),
        rtol=1e-4,
        atol=1e-6,
    )


@pytest.mark.parametrize(
    ("make", "fan_in"),
    [
        (lambda: nn.Linear(50, 400), 50),
        (lambda: nn.Conv2d(8, 64, 5), 200),
        (lambda: nn.Conv2d(8, 64, 5, groups=4), 50),
    ],
)
def test_initial_weights_have_torchs_bounds(make, fan_in):
    pg.random.manual_seed(0)
    layer = make()
    bound = 1 / np.sqrt(fan_in)
    weight, bias = layer.weight.numpy(), layer.bias.numpy()
    for values in (weight, bias):
        assert np.abs(values).max() <= bound
        assert np.abs(values).max() > 0.9 * bound
    assert abs(weight.mean()) < 0.05 * bound
    assert abs(weight.std() - bound / np.sqrt(3)) < 0.02 * bound


def test_initial_embedding_is_normal():
    pg.random.manual_seed(0)
    table = nn.Embedding(200, 100).weight.numpy()
    assert abs(table.mean()) < 0.03 and abs(table.std() - 1) < 0.03 and np.abs(table).max() > 3
    assert not nn.Embedding(5, 4, padding_idx=2).weight.numpy()[2].any()


def test_initialisation_follows_the_global_seed():
    pg.random.manual_seed(7)
    first = nn.Linear(3, 3)
    second = nn.Linear(3, 3)
    pg.random.manual_seed(7)
    again = nn.Linear(3, 3)
    np.testing.assert_array_equal(first.weight.numpy(), again.weight.numpy())
    assert not np.array_equal(first.weight.numpy(), second.weight.numpy())


@pytest.mark.parametrize("jit", [False, True])
def test_dropout_keeps_the_mean_and_draws_anew(jit):
    layer = nn.Dropout(0.25)
    f = pg.jit(lambda x: layer(x)) if jit else layer
    x = pg.ones((20_000,))
    a, b = f(x).numpy(), f(x).numpy()
    assert set(np.unique(a)) == {np.float32(0), np.float32(1 / 0.75)}
    assert abs(a.mean() - 1) < 0.03 and not np.array_equal(a, b)


def test_dropout_gradient_uses_the_same_mask():
    layer = nn.Dropout(0.5)

    def f(x):
        out = layer(x)
        return out.sum(), out

    (_, out), (grad,) = pg.value_and_grad(f, wrt=[0], has_aux=True)(pg.ones((100,)))
    np.testing.assert_array_equal(grad.numpy(), out.numpy())


@pytest.mark.parametrize(
    ("run", "error", "message"),
    [
        (
            lambda: nn.Linear(3, 2)(pg.ones((2, 4))),
            pg.errors.ShapeError,
            r"last axis .* 3 elements, got input shape \(2, 4\)",
        ),
        (lambda: nn.Conv2d(3, 2, 3)(pg.ones((4, 4))), pg.errors.ShapeError, r"\[N, C, H, W\]"),
        (lambda: nn.Conv2d(3, 2, 3)(pg.ones((1, 4, 8, 8))), pg.errors.ShapeError, "channel"),
        (lambda: nn.Conv2d(3, 2, 3, groups=2), nn.errors.ModuleError, "divisible by groups 2"),
        (lambda: nn.Conv2d(3, 2, "3"), ValueError, "whole number"),
        (lambda: nn.MaxPool2d(2, padding=2)(pg.ones((1, 1, 4, 4))), ValueError, "more than half the kernel"),
        (lambda: nn.BatchNorm2d(2)(pg.ones((1, 3, 2, 2))), pg.errors.ShapeError, r"\(N, 2, H, W\)"),
        (
            lambda: nn.BatchNorm2d(2)(pg.ones((1, 2, 1, 1))),
            pg.errors.ShapeError,
            "more than one value per channel",
        ),
        (lambda: nn.LayerNorm(3)(pg.ones((2, 4))), pg.errors.ShapeError, r"last axes .* \(3,\)"),
        (lambda: nn.Embedding(3, 2)(pg.ones((2,))), pg.errors.DTypeError, "integers"),
        (lambda: nn.Embedding(3, 2)(pg.Tensor([3])).eval(), IndexError, "3"),
        (lambda: nn.Embedding(3, 2, padding_idx=3), nn.errors.ModuleError, "padding_idx 3"),
        (lambda: nn.Dropout(1.5), nn.errors.ModuleError, "between 0 and 1"),
        (lambda: nn.Flatten(3)(pg.ones((2, 2))), pg.errors.ShapeError, "start_dim 3"),
        (lambda: nn.GELU("fast")(pg.ones((2,))), ValueError, "'none' or 'tanh'"),
    ],
)
def test_mistakes_raise(run, error, message):
    with pytest.raises(error, match=message):
        run()


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (lambda: nn.Linear(2, 3), lambda: torch.nn.Linear(2, 3)),
        (lambda: nn.Conv2d(1, 2, 3), lambda: torch.nn.Conv2d(1, 2, 3)),
        (
            lambda: nn.Conv2d(2, 4, 3, 1, padding="same", groups=2, bias=False, dilation=2),
            lambda: torch.nn.Conv2d(2, 4, 3, 1, padding="same", groups=2, bias=False, dilation=2),
        ),
        (lambda: nn.Embedding(3, 2, padding_idx=1), lambda: torch.nn.Embedding(3, 2, padding_idx=1)),
        (lambda: nn.GELU(), lambda: torch.nn.GELU()),
        (lambda: nn.AvgPool2d(2), lambda: torch.nn.AvgPool2d(2)),
        (lambda: nn.MaxPool2d(2), lambda: torch.nn.MaxPool2d(2)),
        (lambda: nn.Flatten(), lambda: torch.nn.Flatten()),
    ],
)
def test_repr_reads_like_torchs(ours, theirs):
    assert repr(ours()) == repr(theirs())
