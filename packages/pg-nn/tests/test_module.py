from __future__ import annotations

import copy
import gc
import pickle
import weakref

import numpy as np
import pequegrad as pg
import pg_nn as nn
import pytest


class Block(nn.StatefulModule):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 3)
        self.norm = nn.BatchNorm2d(2)
        self.scale = nn.Parameter(pg.ones((3,)))
        self.rest = nn.Sequential(nn.Linear(3, 2, bias=False), nn.Dropout(0.5))

    def forward(self, x):
        return self.rest(self.first(x) * self.scale)


def test_names_and_order_are_torchs():
    block = Block()
    assert list(block.params_dict()) == [
        "scale",
        "first.weight",
        "first.bias",
        "norm.weight",
        "norm.bias",
        "rest.0.weight",
    ]
    assert list(block.buffers_dict()) == ["norm.running_mean", "norm.running_var", "norm.num_batches_tracked"]
    assert list(block.state_dict()) == [
        "scale",
        "first.weight",
        "first.bias",
        "norm.weight",
        "norm.bias",
        "norm.running_mean",
        "norm.running_var",
        "norm.num_batches_tracked",
        "rest.0.weight",
    ]
    assert [name for name, _ in block.named_modules()] == ["", "first", "norm", "rest", "rest.0", "rest.1"]


def test_attributes_work_without_super_init():
    class Forgetful(nn.StatefulModule):
        def __init__(self):
            self.layer = nn.Linear(1, 1)

    assert list(Forgetful().params_dict()) == ["layer.weight", "layer.bias"]


def test_train_and_eval_reach_every_submodule():
    block = Block()
    assert all(m.training for m in block.modules())
    assert block.eval() is block
    assert not any(m.training for m in block.modules())
    block.train()
    assert all(m.training for m in block.modules())


def test_shared_parameters_appear_once_and_are_trained_together():
    class Tied(nn.StatefulModule):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(5, 3)
            self.head = nn.Linear(3, 5, bias=False)
            self.head.weight = self.embed.weight

        def forward(self, x):
            return self.head(self.embed(x))

    tied = Tied()
    assert list(tied.params_dict()) == ["embed.weight"]
    assert list(tied.state_dict()) == ["embed.weight", "head.weight"]
    doubled = {"embed.weight": 2 * tied.embed.weight}
    x = pg.Tensor([0, 1])
    np.testing.assert_allclose(nn.apply_to_module(tied, doubled, x).numpy(), 4 * tied(x).numpy(), rtol=1e-6)


def test_state_dict_is_a_snapshot():
    layer = nn.Linear(2, 2)
    before = layer.state_dict()
    kept = before["weight"].numpy(copy=True)
    layer.weight.assign(layer.weight + 1)
    np.testing.assert_array_equal(before["weight"].numpy(), kept)
    layer.load_state_dict(before)
    np.testing.assert_array_equal(layer.weight.numpy(), kept)


def test_load_state_dict_takes_arrays_and_casts_between_floats():
    layer = nn.Linear(2, 1)
    layer.load_state_dict({"weight": np.array([[1.0, 2.0]], np.float64), "bias": np.zeros(1, np.float16)})
    assert layer.weight.dtype == pg.dt.float32
    np.testing.assert_array_equal(layer.weight.numpy(), [[1, 2]])


def test_strict_load_shows_a_diff_and_changes_nothing():
    layer = nn.Linear(2, 3)
    before = layer.weight.numpy(copy=True)
    bad = {"weight": pg.ones((2, 3)), "extra": pg.ones((1,))}
    with pytest.raises(nn.errors.StateDictError) as caught:
        layer.load_state_dict(bad)
    assert str(caught.value) == (
        "Linear.load_state_dict: the state does not fit this module:\n"
        "- missing:    bias  (expected float32(3,))\n"
        "- unexpected: extra  (got float32(1,))\n"
        "- differs:    weight  (expected float32(3, 2), got float32(2, 3))"
    )
    np.testing.assert_array_equal(layer.weight.numpy(), before)
    layer.load_state_dict({"bias": pg.ones((3,)), "other": pg.ones((1,))}, strict=False)
    np.testing.assert_array_equal(layer.bias.numpy(), np.ones(3))
    with pytest.raises(nn.errors.StateDictError, match="differs"):
        layer.load_state_dict({"bias": pg.ones((4,))}, strict=False)
    with pytest.raises(nn.errors.StateDictError, match="differs"):
        layer.load_state_dict({"weight": pg.ones((3, 2)), "bias": pg.zeros((3,), dtype=pg.dt.int32)})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda m: setattr(m, "layers", [nn.Linear(1, 1)]), "nn.ModuleList"),
        (lambda m: setattr(m, "layers", {"a": nn.Linear(1, 1)}), "nn.ModuleDict"),
        (lambda m: setattr(m, "weight", 3.0), "is registered"),
        (lambda m: m.register_parameter("count", pg.Tensor([1])), "floating dtype"),
        (lambda m: m.register_buffer("a.b", None), "without dots"),
        (lambda m: m.register_buffer("forward", None), "taken by the class"),
        (lambda m: nn.Parameter([1.0]), "pg.Tensor"),
        (lambda m: nn.StatefulModule()(1), "does not define forward"),
        (lambda m: nn.ModuleList()(1), "not callable"),
    ],
)
def test_mistakes_raise(make, message):
    with pytest.raises(nn.errors.ModuleError, match=message):
        make(nn.Linear(1, 1))


def test_unknown_attribute_names_the_class():
    with pytest.raises(AttributeError, match="Linear has no attribute 'wieght'"):
        _ = nn.Linear(1, 1).wieght


def test_assigning_to_a_buffer_updates_its_handle():
    norm = nn.BatchNorm2d(2)
    handle = norm.running_mean
    norm.running_mean = pg.ones((2,))
    assert norm.running_mean is handle
    np.testing.assert_array_equal(handle.numpy(), [1, 1])


def test_setting_none_and_deleting():
    layer = nn.Linear(2, 2)
    layer.bias = None
    assert layer.bias is None and list(layer.params_dict()) == ["weight"]
    del layer.weight
    assert list(layer.params_dict()) == []


def test_non_persistent_buffers_are_not_saved():
    module = nn.StatefulModule()
    module.register_buffer("cache", pg.ones((1,)), persistent=False)
    assert "cache" in module.buffers_dict() and "cache" not in module.state_dict()


def test_pytree_leaves_are_parameters_and_floating_buffers():
    block = Block()
    leaves, structure = pg.pytree.flatten(block)
    assert len(leaves) == 6 + 2
    assert structure == pg.pytree.flatten(Block())[1] or structure != pg.pytree.flatten(Block().eval())[1]
    doubled = pg.pytree.map(lambda t: 2 * t, block)
    assert isinstance(doubled, Block)
    np.testing.assert_array_equal(doubled.first.weight.numpy(), 2 * block.first.weight.numpy())
    assert list(doubled.params_dict()) == list(block.params_dict())
    assert ".first.weight" in pg.pytree.paths(block)


def test_structures_compare_by_configuration():
    same = [pg.pytree.structure(nn.Linear(2, 3)) for _ in range(2)]
    assert same[0] == same[1] and hash(same[0]) == hash(same[1])
    assert same[0] != pg.pytree.structure(nn.Linear(2, 3, bias=False))
    assert same[0] != pg.pytree.structure(nn.Linear(2, 3).eval())
    assert pg.pytree.structure(nn.Dropout(0.1)) != pg.pytree.structure(nn.Dropout(0.2))


def test_gradient_with_respect_to_a_module():
    layer = nn.Linear(2, 1)
    x = pg.ones((3, 2))
    grads = pg.grad(lambda m: m(x).sum())(layer)
    assert isinstance(grads, nn.Linear)
    np.testing.assert_allclose(grads.weight.numpy(), [[3, 3]])
    np.testing.assert_allclose(grads.bias.numpy(), [3])


def test_module_as_jit_argument():
    layer = nn.Linear(2, 1)
    x = pg.ones((3, 2))
    f = pg.jit(lambda m, x: m(x))
    np.testing.assert_allclose(f(layer, x).numpy(), layer(x).numpy(), rtol=1e-6)
    other = nn.Linear(2, 1)
    np.testing.assert_allclose(f(other, x).numpy(), other(x).numpy(), rtol=1e-6)


def test_to_casts_floating_tensors():
    norm = nn.BatchNorm2d(2).to(pg.dt.float64)
    assert norm.weight.dtype == norm.running_mean.dtype == pg.dt.float64
    assert norm.num_batches_tracked.dtype == pg.dt.int64
    assert norm.to("cpu") is norm


def test_moving_to_a_missing_gpu_changes_nothing():
    if pg.device.is_cuda_available():
        pytest.skip("there is a GPU")
    layer = nn.Linear(1, 1)
    with pytest.raises(pg.errors.DeviceError):
        layer.to("cuda")
    assert layer.weight.device == pg.device.cpu()


def test_repr():
    assert repr(Block()) == (
        "Block(\n"
        "  (first): Linear(in_features=4, out_features=3, bias=True)\n"
        "  (norm): BatchNorm2d(2, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)\n"
        "  (rest): Sequential(\n"
        "    (0): Linear(in_features=3, out_features=2, bias=False)\n"
        "    (1): Dropout(p=0.5)\n"
        "  )\n"
        ")"
    )


def test_copy_and_pickle():
    block = Block()
    for other in (copy.deepcopy(block), pickle.loads(pickle.dumps(block))):
        assert other.first is not block.first
        for name, value in block.state_dict().items():
            np.testing.assert_array_equal(other.state_dict()[name].numpy(), value.numpy())
        other.scale.assign(pg.zeros((3,)))
    np.testing.assert_array_equal(block.scale.numpy(), np.ones(3))


def test_a_module_is_freed_after_use():
    layer = nn.Linear(2, 1)
    f = pg.jit(lambda m, x: m(x))
    f(layer, pg.ones((1, 2)))
    seen = weakref.ref(layer)
    del layer
    gc.collect()
    assert seen() is None


def test_a_module_in_forward_under_jit_follows_the_training_flag():
    net = nn.Sequential(nn.Dropout(0.5))
    f = pg.jit(lambda x: net(x))
    x = pg.ones((1000,))
    assert 300 < int((f(x) == 0).sum().item()) < 700
    net.eval()
    np.testing.assert_array_equal(f(x).numpy(), np.ones(1000))
    net.train()
    assert int((f(x) == 0).sum().item()) > 300


def test_a_model_in_a_closure_is_compared_only_after_a_change(monkeypatch):
    net = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5)).eval()
    f = pg.jit(lambda x: net(x))
    x = pg.ones((1, 2))
    f(x)
    compared = []
    equal = nn._module_tree.Structure.__eq__
    monkeypatch.setattr(nn._module_tree.Structure, "__eq__", lambda a, b: compared.append(1) or equal(a, b))
    f(x)
    assert not compared
    nn.Linear(1, 1)  # some change, though not to this model
    f(x)
    assert compared
    compared.clear()
    f(x)
    assert not compared


@pytest.mark.parametrize(
    "change",
    [
        lambda net: setattr(net[0], "weight", nn.Parameter(pg.ones((1, 1)))),
        lambda net: net.__setitem__(1, nn.Tanh()),
        lambda net: net.append(nn.Tanh()),
        lambda net: setattr(net[1], "approximate", "tanh"),
        lambda net: net.train(),
        lambda net: net[0].weight.assign(pg.ones((1, 1))),
    ],
)
def test_changes_of_a_model_reach_a_jitted_function(change):
    net = nn.Sequential(nn.Linear(1, 1), nn.GELU(), nn.Dropout(0.999999), nn.Linear(1, 1)).eval()
    f = pg.jit(lambda x: net(x))
    x = pg.full((1, 1), 1.0)
    net.load_state_dict({**net.state_dict(), "0.weight": [[2.0]], "0.bias": [0.0]})
    before = f(x).item()
    change(net)
    pg.random.manual_seed(0)
    after = f(x).item()
    pg.random.manual_seed(0)
    assert after == pytest.approx(net(x).item(), rel=1e-6)
    assert after != before
