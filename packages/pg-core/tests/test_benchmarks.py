"""The parts of the benchmark that measure nothing: ratios, verdicts, merging, tables and plots."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture(scope="module")
def parts() -> Any:
    """The benchmark's modules, which import each other by their bare names."""
    names, loaded = ("data", "models_data", "targets", "report"), ModuleType("parts")
    before = {n: sys.modules.get(n) for n in names}
    sys.path.insert(0, str(BENCHMARKS))
    try:
        for name in names:
            setattr(loaded, name, importlib.import_module(name))
    finally:
        sys.path.remove(str(BENCHMARKS))
        for name, module in before.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module
    return loaded


def row(**medians: float) -> dict[str, Any]:
    return {name: {"median": value, "check": 1.0} for name, value in medians.items()}


@pytest.mark.parametrize(
    ("name", "figures", "expected"),
    [
        ("seed", {"pg": 1, "numpy": 0.1, "torch": 4, "inductor": 2, "jax": 5}, 0.5),
        ("compile_gpt", {"pg": 1, "torch": 0.1, "jax": 4}, 0.25),
        ("second_mlp", {"pg": 1, "jax": 4, "jax_cached": 0.5}, 0.25),
        ("tiny_eager", {"pg": 1, "numpy": 0.1, "torch": 4, "jax": 0.2}, 0.25),
        ("eager_gpt_step", {"pg": 3, "torch": 2}, 1.5),
        ("rss_gpt", {"pg": 300, "torch": 400, "inductor": 100, "jax": 600}, 0.75),
        ("import", {"pg": 3, "numpy": 2, "torch": 1}, 1.5),
        ("seed", {"torch": 1}, None),
        ("seed", {"pg": 1, "numpy": 1}, None),
    ],
)
def test_a_ratio_is_taken_against_the_rivals_that_count(
    parts: Any, name: str, figures: dict[str, float], expected: float | None
) -> None:
    assert parts.targets.ratio(name, row(**figures)) == expected


def test_a_verdict_says_by_how_much_a_target_is_missed(parts: Any) -> None:
    verdict = parts.targets.verdict
    assert verdict("mm1024", row(pg=1.0, torch=1.0)) == "met"
    assert verdict("mm1024", row(pg=1.1, torch=1.0)) == "missed by 10 %"
    assert verdict("mm1024", row(torch=1.0)) == ""


def test_every_target_belongs_to_a_group(parts: Any) -> None:
    grouped = [n for _, names in parts.targets.GROUPS.values() for n in names]
    assert len(grouped) == len(set(grouped))
    assert set(parts.targets.TARGETS) == set(grouped)
    assert set(grouped) == {
        *parts.data.TIMED,
        *parts.data.EAGER,
        *parts.data.FRESH,
        *parts.models_data.MODELS,
    }


def test_a_later_run_replaces_what_it_measured_and_nothing_else(parts: Any) -> None:
    old = {"seed": row(pg=1, torch=2), "mm1024": row(pg=3)}
    new = {"seed": row(pg=5), "bmm64x128": row(pg=7)}
    merged = parts.targets.merged(old, new)
    assert {n: {p: r["median"] for p, r in found.items()} for n, found in merged.items()} == {
        "seed": {"pg": 5, "torch": 2},
        "mm1024": {"pg": 3},
        "bmm64x128": {"pg": 7},
    }


def test_a_wrong_result_becomes_a_note(parts: Any) -> None:
    wrong = {"pg": {"median": 1.0, "check": 2.0}, "torch": {"median": 1.0, "check": 1.0}}
    assert parts.targets.disagreement(row(pg=1, torch=1)) == ""
    assert "value 2" in parts.targets.disagreement(wrong)
    assert "value 2" in parts.report.table(["seed"], {"seed": wrong})


def test_a_geometric_mean(parts: Any) -> None:
    assert parts.targets.geometric_mean([0.5, 2.0]) == pytest.approx(1.0)


def test_the_page_has_a_table_and_a_plot_for_each_group_with_results(parts: Any, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    results = {
        "seed": row(pg=3e-4, torch=5e-3, inductor=4e-4),
        "mm1024": row(pg=8e-3, torch=7e-3),
        "conv_alex1_fwd": row(pg=1e-2, torch=2e-2),
        "rss_gpt": row(pg=300, torch=400),
        "second_mlp": row(pg=0.1, jax=1.0, jax_cached=0.4),
    }
    facts = {
        "cpu": "a processor",
        "sets": ["avx2"],
        "threads": 2,
        "python": "3.11",
        "versions": {"numpy": "2"},
        "date": "2026-01-02",
    }
    target = tmp_path / "benchmarks.md"
    parts.report.page(results, facts, "the command", target)
    text = target.read_text()
    assert "4 of 5 targets are met. Missed, by how much: mm1024 (14 %)" in text
    assert "| seed | 300.00 us | 5.00 ms | 400.00 us | 0.75 | 0.75 | met | 1.0 |" in text
    assert "| rss_gpt | 300 MiB | 400 MiB |" in text
    assert "jax with its persistent cache 400.00 ms" in text
    assert "Geometric mean of the ratios: 0.50; target 0.92." in text
    for group in ("kernels", "products", "convolution", "processes"):
        assert f"(benchmarks/{group}.svg)" in text
        assert (tmp_path / "benchmarks" / f"{group}.svg").read_text().startswith("<?xml")
    assert not (tmp_path / "benchmarks" / "training.svg").exists()
