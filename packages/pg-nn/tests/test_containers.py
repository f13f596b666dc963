from __future__ import annotations

import numpy as np
import pequegrad as pg
import pg_nn as nn
import pytest


def test_sequential_applies_in_order_and_indexes():
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    x = pg.ones((2, 2))
    np.testing.assert_allclose(net(x).numpy(), net[2](pg.relu(net[0](x))).numpy(), rtol=1e-6)
    assert len(net) == 3 and isinstance(net[-2], nn.ReLU) and len(net[:2]) == 2
    assert [type(m).__name__ for m in net] == ["Linear", "ReLU", "Linear"]
    with pytest.raises(IndexError, match="index 3 is outside of 3 modules"):
        net[3]


def test_sequential_from_list_and_from_dict():
    assert list(nn.Sequential([nn.Linear(1, 1)]).params_dict()) == ["0.weight", "0.bias"]
    named = nn.Sequential({"a": nn.Linear(1, 1, bias=False), "b": nn.ReLU()})
    assert list(named.params_dict()) == ["a.weight"] and isinstance(named[1], nn.ReLU)
    assert isinstance(named.b, nn.ReLU)


def test_module_list_grows_and_replaces():
    layers = nn.ModuleList([nn.Linear(1, 1)]).append(nn.ReLU()).extend([nn.Linear(1, 2)])
    layers[1] = nn.Linear(1, 1, bias=False)
    assert list(layers.params_dict()) == ["0.weight", "0.bias", "1.weight", "2.weight", "2.bias"]
    assert not nn.ModuleList(layers).eval()[2].training


def test_module_dict():
    heads = nn.ModuleDict({"b": nn.Linear(1, 1), "a": nn.ReLU()})
    heads["c"] = nn.Tanh()
    assert heads.keys() == ["b", "a", "c"] == list(heads) and "a" in heads and len(heads) == 3
    del heads["a"]
    assert [name for name, _ in heads.items()] == ["b", "c"] and len(heads.values()) == 2
    assert list(heads.params_dict()) == ["b.weight", "b.bias"]
    with pytest.raises(nn.errors.ModuleError):
        heads["d"] = 3
