"""The drop-in under the name of jax: each test is a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def run(code: str) -> str:
    before = f"import sys; sys.path.insert(0, {str(HERE)!r})\n"
    done = subprocess.run([sys.executable, "-c", before + code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip()


def test_modules_are_the_same_objects() -> None:
    code = (
        "import pg_jax; pg_jax.install_as_jax(); pg_jax.install_as_jax()\n"
        "import jax, jax.numpy as jnp, jax.scipy.special, pg_jax.numpy\n"
        "from jax import lax, tree_util\nfrom jax.numpy import linalg\n"
        "assert jnp is pg_jax.numpy and lax is pg_jax.lax and jax.tree_util is pg_jax.tree_util\n"
        "assert jnp.__spec__.name == 'pg_jax.numpy' and jax.Array is pg_jax.Array\n"
        "assert jax.__version_info__ >= (0, 10) and pg_jax.__version__ != jax.__version__\n"
        "print(float(jax.jit(jax.grad(lambda x: jnp.sin(x)))(0.0)))\n"
        "try:\n    import jax._src\nexcept ImportError:\n    print('private')\n"
        "try:\n    import pg_jax.bridge\nexcept ImportError as error:\n    print(error)\n"
    )
    lines = run(code).splitlines()
    assert lines[:2] == ["1.0", "private"] and "install_as_jax" in lines[2]


def test_the_real_jax_is_not_replaced() -> None:
    pytest.importorskip("jax")
    code = (
        "import jax, pg_jax\n"
        "try:\n    pg_jax.install_as_jax()\nexcept RuntimeError as error:\n    print(error)\n"
    )
    assert "the real jax is loaded" in run(code)


def test_the_drop_in_has_all_names_that_optax_uses() -> None:
    pytest.importorskip("optax")
    code = (
        "import importlib, json, pg_jax; pg_jax.install_as_jax()\n"
        "from names_of_jax import names_of_jax\n"
        "missing = []\n"
        "for name in sorted(names_of_jax('optax')):\n"
        "    found, parts = importlib.import_module('jax'), name.split('.')\n"
        "    for i, part in enumerate(parts[1:], 2):\n"
        "        try:\n            found = getattr(found, part)\n"
        "        except AttributeError:\n"
        "            try:\n                found = importlib.import_module('.'.join(parts[:i]))\n"
        "            except ImportError:\n                missing.append(name)\n                break\n"
        "print(json.dumps(missing))\n"
    )
    assert json.loads(run(code)) == []


OPTIMIZERS = """
import json, sys
if sys.argv[1] == "drop-in":
    import pg_jax
    pg_jax.install_as_jax()
import jax, jax.numpy as jnp, numpy as np, optax

x = jax.random.normal(jax.random.key(0), (16, 5))
y = jnp.arange(16) % 3
start = {"w": jax.random.normal(jax.random.key(1), (5, 3)) * 0.3, "b": jnp.zeros(3)}

def loss(p):
    return optax.softmax_cross_entropy_with_integer_labels(jnp.tanh(x @ p["w"] + p["b"]), y).mean()

makers = {
    "adabelief": lambda: optax.adabelief(0.05),
    "adafactor": lambda: optax.adafactor(0.05),
    "adagrad": lambda: optax.adagrad(0.1),
    "adam": lambda: optax.adam(0.05),
    "adamax": lambda: optax.adamax(0.05),
    "adamw": lambda: optax.adamw(optax.cosine_decay_schedule(0.05, 6)),
    "clipped sgd": lambda: optax.chain(optax.clip_by_global_norm(0.5), optax.sgd(0.1, momentum=0.9, nesterov=True)),
    "lamb": lambda: optax.lamb(0.05),
    "lion": lambda: optax.lion(0.02),
    "noisy_sgd": lambda: optax.noisy_sgd(0.1, key=0),
    "radam": lambda: optax.radam(0.05),
    "rmsprop": lambda: optax.rmsprop(0.05),
    "yogi": lambda: optax.yogi(0.05),
    "masked": lambda: optax.masked(optax.sgd(0.1), {"w": True, "b": False}),
    "averaged": lambda: optax.MultiSteps(optax.adam(0.05), 2),
}
found = {}
for name, make in makers.items():
    optimizer = make()
    params, state = start, optimizer.init(start)

    @jax.jit
    def step(params, state):
        value, grads = jax.value_and_grad(loss)(params)
        changes, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, changes), state, value

    losses = []
    for _ in range(6):
        params, state, value = step(params, state)
        losses.append(float(value))
    found[name] = losses
print(json.dumps(found))
"""


@pytest.mark.nightly
def test_optimizers_of_optax_end_where_they_end_on_jax() -> None:
    pytest.importorskip("optax")
    found = {}
    for way in ("jax", "drop-in"):
        command = [sys.executable, "-c", OPTIMIZERS, way]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, (way, done.stderr[-3000:])
        found[way] = json.loads(done.stdout)
    assert found["jax"].keys() == found["drop-in"].keys()
    for name, losses in found["jax"].items():
        assert found["drop-in"][name] == pytest.approx(losses, rel=1e-4), name
