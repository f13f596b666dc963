"""Transforms are linear in the size of the graph: in nodes, and roughly in time; small ones inside a long trace do
not look at all of it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))
import transforms


@pytest.mark.parametrize("name", transforms.TRANSFORMS)
def test_nodes_are_linear(name: str) -> None:
    counts = [transforms.traced(name, n).num_nodes for n in (100, 200, 300)]
    assert counts[2] - counts[1] == counts[1] - counts[0] > 0


def test_small_gradients_are_linear() -> None:
    counts = [transforms.small_gradients(n).num_nodes for n in (10, 20, 30)]
    assert counts[2] - counts[1] == counts[1] - counts[0] > 0


def test_bodies_are_linear() -> None:
    counts = [len(str(transforms.long_body(n)).splitlines()) for n in (100, 200, 300)]
    assert counts[2] - counts[1] == counts[1] - counts[0] > 0


@pytest.mark.nightly
@pytest.mark.parametrize("name", transforms.TRANSFORMS)
def test_time_is_linear(name: str) -> None:
    half, whole = (transforms.seconds(lambda n=n: transforms.traced(name, n)) for n in (50_000, 100_000))
    assert whole / half < 3.5, (
        f"{half:.2f} s for half, {whole:.2f} s"
    )  # coarse: benchmarks/transforms.py prints it


@pytest.mark.nightly
def test_small_gradients_cost_their_own_size() -> None:
    half, whole = (transforms.seconds(lambda n=n: transforms.small_gradients(n)) for n in (3_000, 6_000))
    assert whole / half < 3.5
