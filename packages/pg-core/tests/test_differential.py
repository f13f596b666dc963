"""Random programs of many dtypes against NumPy to the last bit where nothing rounds: op by op, lazily and jitted
(see ``fuzz/programs.py``). Programs against torch, with derivatives, are in ``test_random_programs.py``.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pequegrad as pg
import pytest
from slices import number_of_today

sys.path.insert(0, str(Path(__file__).parent / "fuzz"))
programs = importlib.import_module("programs")

MANY, BLOCK = 20_000, 500


@pytest.mark.parametrize("block", range(4))
def test_random_programs_equal_numpy(block: int) -> None:
    """Other programs each day."""
    first = 100 * (block + 4 * number_of_today(MANY // 400))
    found = programs.run(0, range(first, first + 100))
    assert not found.bad, "\n".join(found.bad)


@pytest.mark.nightly
def test_very_many_random_programs_equal_numpy(capsys: pytest.CaptureFixture[str]) -> None:
    found = programs.run(0, range(MANY))
    with capsys.disabled():
        print("", *found.lines(), sep="\n")
    assert not found.bad
    assert min(found.counts.values()) >= 100


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("sub", lambda d, a, b: b - a),
        ("sum", lambda d, a: pg.sum(a, axis=d[0], keepdims=not d[1])),
        ("sin", lambda d, a: pg.sin(a) * 1.0001 if a.dtype.name == "float64" else pg.sin(a)),
        ("astype", lambda d, a: a),
    ],
)
def test_a_wrong_op_is_found(name: str, wrong: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(programs.STEPS, name, programs.STEPS[name]._replace(ours=wrong))
    assert programs.run(0, range(300)).bad
