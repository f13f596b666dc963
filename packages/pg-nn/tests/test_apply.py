from __future__ import annotations

import gc
import threading
import warnings

import numpy as np
import pequegrad as pg
import pg_nn as nn
import pytest


def net() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))


X = np.random.default_rng(0).normal(size=(5, 1, 4, 4)).astype(np.float32)


def values(tensors):
    return {name: t.numpy(copy=True) for name, t in tensors.items()}


def assert_same(a, b):
    assert list(a) == list(b)
    for name in a:
        np.testing.assert_array_equal(a[name], b[name])


def test_apply_leaves_the_module_untouched_and_warns_once():
    model = net()
    before = values(model.state_dict())
    params = {name: 3 * t for name, t in model.params_dict().items()}
    with pytest.warns(UserWarning, match="functional_call"):
        nn.apply_to_module(model, params, pg.Tensor(X)).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nn.apply_to_module(model, params, pg.Tensor(X)).eval()
    assert_same(values(model.state_dict()), before)


def test_apply_restores_after_an_error():
    layer = nn.Linear(2, 1)
    weight = layer.weight
    with pytest.raises(pg.errors.ShapeError):
        nn.apply_to_module(layer, {n: 2 * t for n, t in layer.params_dict().items()}, pg.ones((3, 7)))
    assert layer.weight is weight


def test_apply_nests():
    layer = nn.Linear(1, 1, bias=False)
    layer.load_state_dict({"weight": [[1.0]]})

    class Outer(nn.StatefulModule):
        def __init__(self):
            super().__init__()
            self.inner = layer

        def forward(self, x):
            tripled = {"weight": 3 * self.inner.weight}
            return self.inner(x) + nn.apply_to_module(self.inner, tripled, x)

    out = nn.apply_to_module(Outer(), {"inner.weight": pg.Tensor([[10.0]])}, pg.ones((1, 1)))
    assert out.item() == 40.0


def test_apply_is_private_to_its_thread():
    layer = nn.Linear(1, 1, bias=False)
    layer.load_state_dict({"weight": [[1.0]]})
    inside, leave = threading.Event(), threading.Event()

    class Waiting(nn.StatefulModule):
        def __init__(self):
            super().__init__()
            self.inner = layer

        def forward(self, x):
            inside.set()
            leave.wait(10)
            return self.inner(x)

    results = []
    call = lambda: results.append(
        nn.apply_to_module(Waiting(), {"inner.weight": pg.Tensor([[5.0]])}, pg.ones((1, 1))).item()
    )
    thread = threading.Thread(target=call)
    thread.start()
    assert inside.wait(10)
    assert layer(pg.ones((1, 1))).item() == 1.0
    leave.set()
    thread.join()
    assert results == [5.0]


def test_functional_call_returns_new_buffers():
    model = net()
    reference = net()
    reference.load_state_dict(model.state_dict())
    before = values(model.state_dict())
    out, buffers = nn.functional_call(model, (model.params_dict(), model.buffers_dict()), pg.Tensor(X))
    assert_same(values(model.state_dict()), before)
    np.testing.assert_allclose(out.numpy(), reference(pg.Tensor(X)).numpy(), rtol=1e-6)
    assert_same(values(buffers), values(reference.buffers_dict()))


def test_wrong_parameters_raise_with_a_diff():
    layer = nn.Linear(2, 1)
    with pytest.raises(nn.errors.StateDictError) as caught:
        nn.apply_to_module(layer, {"weight": pg.ones((1, 3)), "w": pg.ones((1,))}, pg.ones((1, 2)))
    assert str(caught.value) == (
        "apply_to_module: the parameters do not fit Linear:\n"
        "- missing:    bias  (expected float32(1,))\n"
        "- unexpected: w  (got float32(1,))\n"
        "- differs:    weight  (expected float32(1, 2), got float32(1, 3))"
    )
    with pytest.raises(nn.errors.StateDictError, match="the buffers do not fit"):
        nn.functional_call(layer, (layer.params_dict(), {"x": pg.ones((1,))}), pg.ones((1, 2)))


def test_gradients_through_apply_equal_those_of_value_and_grad():
    model = net()
    start = model.state_dict()
    y = pg.Tensor([0, 1, 2, 0, 1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loss, (grads,) = pg.fngrad(
            lambda p: nn.cross_entropy(nn.apply_to_module(model, p, pg.Tensor(X)), y),
            wrt=[0],
            return_outs=True,
        )(model.params_dict())
    loss2, grads2 = nn.value_and_grad(model, lambda x: nn.cross_entropy(model(x), y))(pg.Tensor(X))
    np.testing.assert_allclose(loss.numpy(), loss2.numpy(), rtol=1e-6)
    for name in grads:
        np.testing.assert_allclose(grads[name].numpy(), grads2[name].numpy(), rtol=1e-5, atol=1e-6)
    assert model[1].num_batches_tracked.item() == start["1.num_batches_tracked"].item() + 1


@pytest.mark.parametrize("jit", [False, True])
def test_value_and_grad_updates_buffers_once_and_gives_aux(jit):
    model = net()

    def loss_fn(x):
        out = model(x)
        return (out * out).sum(), out

    run = nn.value_and_grad(model, loss_fn, has_aux=True)
    run = pg.jit(run) if jit else run
    for i in range(3):
        (loss, out), grads = run(pg.Tensor(X))
        assert model[1].num_batches_tracked.item() == i + 1
    assert out.shape == (5, 3) and list(grads) == list(model.params_dict())
    assert np.abs(model[1].running_mean.numpy()).max() > 0
    assert loss.ndim == 0


def test_model_called_under_jit_updates_buffers():
    model, reference = net(), net()
    reference.load_state_dict(model.state_dict())
    f = pg.jit(lambda x: model(x))
    for i in range(3):
        x = pg.Tensor(X + i)
        np.testing.assert_allclose(f(x).numpy(), reference(x).numpy(), rtol=1e-5, atol=1e-6)
    for name, value in reference.buffers_dict().items():
        np.testing.assert_allclose(model.buffers_dict()[name].numpy(), value.numpy(), rtol=1e-5, atol=1e-6)


def test_backward_teaches():
    layer = nn.Linear(1, 1)
    with pytest.raises(pg.errors.PequegradError, match="value_and_grad"):
        layer(pg.ones((1, 1))).sum().backward()


@pytest.mark.parametrize("jit", [False, True])
def test_training_leaves_nothing_behind(jit):
    def train():
        model = net()
        optimizer = nn.AdamW(model)
        y = pg.Tensor([0, 1, 2, 0, 1])

        def step(x):
            loss, grads = nn.value_and_grad(model, lambda x: nn.cross_entropy(model(x), y))(x)
            optimizer.step(grads)
            return loss

        run = pg.jit(step) if jit else step
        alive = []
        for _ in range(4):
            run(pg.Tensor(X)).eval()
            gc.collect()
            alive.append((pg.debug.live_nodes(), pg.debug.live_buffers()))
        assert alive[1] == alive[-1]

    pg.random.normal().eval()  # the thread's generator
    gc.collect()
    before = pg.debug.live_nodes(), pg.debug.live_buffers()
    train()
    gc.collect()
    pg.random.normal().eval()
    assert (pg.debug.live_nodes(), pg.debug.live_buffers()) == before
