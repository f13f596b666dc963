"""The compiler's passes, seen from outside: what is dropped, merged, folded, absorbed, and printed."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pequegrad as pg
import pytest


def run(code: str, **switches: str) -> str:
    """What a fresh process prints."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **switches},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout


def after(text: str, name: str) -> str:
    """The graph that a pass left, of the last program in a dump."""
    return text.rsplit(f"after {name} (", 1)[1].split("after ", 1)[0]


CODE = """
import numpy as np, pequegrad as pg
x = pg.Tensor(np.arange(6, dtype=np.float32).reshape(2, 3))
y = pg.Tensor(np.ones((2, 3), np.float32))
def f(x, y):
    same = x.detach().astype("float32")
    twice = pg.exp(same) + pg.exp(x)
    dead = pg.tanh(twice) * 3
    two = pg.full((2, 3), 2.0) * pg.full((2, 3), 3.0)
    return ((twice * two).T @ y).reshape(9, 1)
print(pg.jit(f)(x, y).shape)
"""


def test_every_pass_does_its_work() -> None:
    text = run(CODE, PG_DUMP="all", PG_VERIFY="1")
    simplified = after(text, "simplify")
    assert simplified.count("exp(") == 1, "equal records are one"
    assert "stop_gradient" not in simplified and "astype" not in simplified
    assert "full(6)" in simplified, "literals are computed by the compiler"
    selected = after(text, "select_calls")
    call = next(line for line in selected.splitlines() if "dot_general" in line)
    assert "ba,bc->ac" in call, "a permuted operand is read in place under other labels"
    final = after(text, "remove_dead")
    assert "tanh" not in final and "permute" not in final and "reshape" not in final
    assert "(9, 1)" in text


def test_one_pass_can_be_dumped() -> None:
    text = run(CODE, PG_DUMP="select_calls")
    assert "after select_calls (" in text and "after simplify (" not in text


def test_kernels_are_printed_once() -> None:
    code = (
        "import numpy as np, pequegrad as pg\n"
        "for _ in range(3): (pg.Tensor(np.ones(7, np.float32)) * 2 + 1).eval()\n"
        "f = pg.jit(lambda x: x * 2 + 1)\n"
        "for _ in range(3): f(pg.Tensor(np.ones(7, np.float32)))\n"
    )
    for on in ("1", "true", "YES", "on"):
        text = run(code, PG_KERNEL_DB=on)
        blocks = [block for block in text.split("kernel(") if block.strip()]
        assert len(blocks) == len(set(blocks)) >= 1
        if on == "1":
            assert "f32[7]" in text
    for off in ("0", "false", "No", "off", ""):
        assert run(code, PG_KERNEL_DB=off) == ""


def test_switches_that_are_none_raise() -> None:
    with pytest.raises(subprocess.CalledProcessError):
        run("import pequegrad as pg; (pg.ones(3) + pg.ones(3)).eval()", PG_KERNEL_DB="maybe")


def test_views_at_the_end_cost_nothing() -> None:
    f = pg.jit(lambda x: (x * 2).reshape(6).reshape(3, 2))
    explained = f.explain(pg.ones((2, 3)))
    assert str(explained).count("kernel ") == 1
    g = pg.jit(lambda x: x.reshape(6))
    assert "0 kernels" in str(g.explain(pg.ones((2, 3))))
    before = pg.debug.launches()
    x = pg.Tensor(np.ones((2, 3), np.float32))
    x.reshape(3, 2).eval()
    assert pg.debug.launches() == before


def test_a_program_counts_what_it_explains() -> None:
    f = pg.jit(lambda x: pg.softmax(x @ x, axis=-1).sum())
    x = pg.Tensor(np.ones((16, 16), np.float32))
    explained = f.explain(x)
    before = pg.debug.launches()
    f(x)
    assert pg.debug.launches() - before == len(explained.kernels) + len(explained.library_calls)


def test_a_step_of_many_small_parameters_is_few_launches() -> None:
    rng = np.random.default_rng(3)
    shapes = [(8,), (3, 4)] * 10
    params = [rng.normal(size=shape).astype(np.float32) for shape in shapes]

    @pg.jit
    def step(params: list[pg.Tensor], lr: float) -> list[pg.Tensor]:
        return [p - lr * p.flip(0) for p in params]

    given = [pg.Tensor(p) for p in params]
    step(given, 0.5)
    before = pg.debug.launches()
    for out, p in zip(step(given, 0.5), params, strict=True):
        np.testing.assert_array_equal(out.numpy(), p - np.float32(0.5) * p[::-1])
    assert pg.debug.launches() - before <= 4
