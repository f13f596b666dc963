from __future__ import annotations

import numpy as np
import pequegrad as pg
import pg_nn as nn
import pytest
from nn_parity import torch

RNG = np.random.default_rng(0)
START = {"w": RNG.normal(size=(3, 4)).astype(np.float32), "b": RNG.normal(size=(4,)).astype(np.float32)}
GRADS = [{name: RNG.normal(size=v.shape).astype(np.float32) for name, v in START.items()} for _ in range(20)]

CASES = {
    "sgd": (nn.SGD, nn.sgd, nn.SGDState, torch.optim.SGD, {"lr": 0.1}),
    "sgd, decay": (nn.SGD, nn.sgd, nn.SGDState, torch.optim.SGD, {"lr": 0.1, "weight_decay": 0.01}),
    "sgd, momentum": (nn.SGD, nn.sgd, nn.SGDState, torch.optim.SGD, {"lr": 0.05, "momentum": 0.9}),
    "sgd, dampening": (
        nn.SGD,
        nn.sgd,
        nn.SGDState,
        torch.optim.SGD,
        {"lr": 0.05, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01},
    ),
    "sgd, nesterov": (
        nn.SGD,
        nn.sgd,
        nn.SGDState,
        torch.optim.SGD,
        {"lr": 0.05, "momentum": 0.8, "nesterov": True, "weight_decay": 0.1},
    ),
    "adam": (nn.Adam, nn.adam, nn.AdamState, torch.optim.Adam, {"lr": 0.01}),
    "adam, all": (
        nn.Adam,
        nn.adam,
        nn.AdamState,
        torch.optim.Adam,
        {"lr": 0.02, "betas": (0.8, 0.99), "eps": 1e-5, "weight_decay": 0.1},
    ),
    "adamw": (nn.AdamW, nn.adamw, nn.AdamState, torch.optim.AdamW, {"lr": 0.01, "weight_decay": 0.1}),
}


def run_torch(make, options):
    params = {name: torch.nn.Parameter(torch.tensor(v)) for name, v in START.items()}
    optimizer = make(list(params.values()), **options)
    for step, grads in enumerate(GRADS):
        optimizer.param_groups[0]["lr"] = rate(options["lr"], step)
        for name, p in params.items():
            p.grad = torch.tensor(grads[name])
        optimizer.step()
    return {name: p.detach().numpy() for name, p in params.items()}


def rate(lr, step):
    return lr * 0.95**step


def tensors(arrays):
    return {name: pg.Tensor(v) for name, v in arrays.items()}


def assert_close(params, expected):
    for name, value in expected.items():
        np.testing.assert_allclose(params[name].numpy(), value, rtol=2e-6, atol=2e-6, err_msg=name)
        assert params[name].dtype == pg.dt.float32


@pytest.mark.parametrize("jit", [False, True], ids=["eager", "jit"])
@pytest.mark.parametrize("name", CASES)
def test_functional_equals_torch(name, jit):
    _, update, make_state, make_torch, options = CASES[name]
    expected = run_torch(make_torch, options)
    update = pg.jit(update) if jit else update
    params = tensors(START)
    state = make_state(params, **options)
    for step, grads in enumerate(GRADS):
        state = state.replace(lr=rate(options["lr"], step))
        state, params = update(params, tensors(grads), state)
    assert_close(params, expected)
    assert state.step.item() == 20
    assert list(params) == list(START)


@pytest.mark.parametrize("jit", [False, True], ids=["eager", "jit"])
@pytest.mark.parametrize("name", CASES)
def test_stateful_equals_torch(name, jit):
    make, _, _, make_torch, options = CASES[name]
    params = tensors(START)
    optimizer = make(params, **options)
    step_fn = pg.jit(lambda grads: optimizer.step(grads)) if jit else optimizer.step
    for step, grads in enumerate(GRADS):
        optimizer.lr = rate(options["lr"], step)
        step_fn(tensors(grads))
    assert_close(params, run_torch(make_torch, options))


def test_learning_rate_does_not_retrace():
    layer = nn.Linear(3, 1)
    optimizer = nn.Adam(layer, lr=1e-3)
    traces = []

    @pg.jit
    def step(x):
        traces.append(1)
        loss, grads = nn.value_and_grad(layer, lambda x: (layer(x) ** 2).sum())(x)
        optimizer.step(grads)
        return loss

    losses = []
    for i in range(6):
        optimizer.lr = 0.1 / (i + 1)
        losses.append(step(pg.ones((2, 3))).item())
    assert len(traces) == 1 and losses[-1] < losses[0]


def test_pytrees_of_any_form():
    params = [pg.ones((2,)), (pg.ones(()), {"x": pg.ones((1,))})]
    grads = pg.pytree.map(lambda p: p * 2, params)
    state, new = nn.sgd(params, grads, nn.SGDState(params, lr=0.25, momentum=0.5))
    np.testing.assert_array_equal(new[1][1]["x"].numpy(), [0.5])
    assert pg.pytree.structure(new) == pg.pytree.structure(params)
    assert pg.pytree.structure(state.velocity) == pg.pytree.structure(params)


def test_module_as_params():
    layer = nn.Linear(2, 1)
    state = nn.AdamState(layer, lr=0.1)
    grads = pg.grad(lambda m: m(pg.ones((1, 2))).sum())(layer)
    state, new = nn.adam(layer, grads, state)
    assert isinstance(new, nn.Linear)
    np.testing.assert_allclose(new.weight.numpy(), layer.weight.numpy() - 0.1, rtol=1e-5)


def test_state_is_immutable_and_replaceable():
    state = nn.SGDState({"w": pg.ones((1,))}, lr=0.1)
    assert state.lr.shape == () and state.replace(lr=0.2).lr.item() == 0.2 and state.lr.item() == 0.1
    with pytest.raises(nn.errors.OptimizerError, match="replace"):
        state.lr = 0.3


def test_state_dict_continues_exactly():
    def fresh():
        params = tensors(START)
        return params, nn.AdamW(params, lr=0.01)

    params, optimizer = fresh()
    for grads in GRADS:
        optimizer.step(tensors(grads))
    other, first = fresh()
    for grads in GRADS[:7]:
        first.step(tensors(grads))
    saved, weights = first.state_dict(), {n: t.numpy(copy=True) for n, t in other.items()}
    assert set(saved) == {
        "lr", "beta1", "beta2", "eps", "weight_decay", "step", "mean.w", "mean.b", "variance.w", "variance.b",
    }  # fmt: skip
    first.step(tensors(GRADS[0]))
    resumed, second = fresh()
    second.load_state_dict(saved)
    for name in resumed:
        resumed[name].assign(pg.Tensor(weights[name]))
    for grads in GRADS[7:]:
        second.step(tensors(grads))
    for name in params:
        np.testing.assert_array_equal(resumed[name].numpy(), params[name].numpy())


def test_sequence_of_parameters():
    params = [pg.ones((2,)), pg.ones((3,))]
    optimizer = nn.SGD(params, lr=0.5)
    optimizer.step([pg.ones((2,)), pg.ones((3,))])
    np.testing.assert_array_equal(params[1].numpy(), [0.5] * 3)


LAYER = nn.Linear(2, 1)


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (lambda: nn.SGD(LAYER, lr=0.1).step(), "needs the gradients"),
        (lambda: nn.SGD(LAYER, lr=0.1).zero_grad(), "nothing to reset"),
        (lambda: nn.SGD(LAYER, lr=0.1).step({"weight": pg.ones((1, 2))}), r"missing \['bias'\]"),
        (lambda: nn.SGD(LAYER, lr=0.1).step([pg.ones((1,))]), "1 gradients for 2 parameters"),
        (lambda: nn.SGD([pg.ones((2,))], lr=0.1).step([pg.ones((3,))]), "differ in shape"),
        (lambda: nn.SGD(LAYER, lr=-1.0), "lr must not be negative"),
        (lambda: nn.SGD(LAYER, lr="fast"), "lr must be a number"),
        (lambda: nn.SGD(LAYER, lr=0.1, nesterov=True), "nesterov needs a momentum"),
        (lambda: nn.SGD(3, lr=0.1), "needs a module"),
        (lambda: nn.SGD([], lr=0.1), "at least one parameter"),
        (lambda: nn.Adam(LAYER, betas=(0.9, 1.0)), "below 1"),
        (lambda: nn.SGDState({"w": pg.ones((1,))}, lr=0.1).replace(rate=1), "no hyperparameter rate"),
        (lambda: nn.SGDState({"w": pg.ones((1,))}, lr=0.1).replace(momentum=0.9), "built without momentum"),
        (lambda: nn.sgd({}, {}, nn.AdamState({})), "must be an SGDState"),
        (lambda: nn.adam({}, {}, nn.SGDState({}, 0.1)), "must be an AdamState"),
        (
            lambda: nn.sgd(
                {"w": pg.ones((1,))}, {"v": pg.ones((1,))}, nn.SGDState({"w": pg.ones((1,))}, 0.1)
            ),
            "different structures",
        ),
    ],
)
def test_mistakes_raise(run, message):
    with pytest.raises(nn.errors.OptimizerError, match=message):
        run()
