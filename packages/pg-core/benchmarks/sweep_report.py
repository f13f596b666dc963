"""The page docs/sweep.md, with a plot of all ratios, out of what sweep.py has measured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from report import about

Row = dict[str, Any]
Ratios = tuple[float | None, float | None]

HOW_TO_READ = """\
Ordinary calls, each unjitted and under `pg.jit`, beside the same call of the other frameworks in the same
process. Unjitted calls are held against the better of NumPy and torch eager, jitted ones against the best of
those and `jax.jit`. A ratio is our time over that of the best rival: below 1 is faster. Every result is
compared with a rival's. The sizes are matrices of 8 x 8 (small), 250 x 400 (medium) and 2500 x 4000 (large)
unless the name says otherwise. A small unjitted call of a microsecond or less is mostly the price of a call
from Python."""


def _share(values: list[float], limit: float) -> str:
    return f"{sum(v <= limit for v in values)} of {len(values)}"


def plot(found: list[Ratios], limit: float, path: Path) -> None:
    """All ratios in rising order, unjitted and jitted, with lines at 1 and at the limit."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "sweep", "font.size": 9})
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7.5, 3.6))
    for place, (label, colour) in enumerate((("unjitted", "#c7683c"), ("jitted", "#4c9a5b"))):
        values = sorted(v for r in found if (v := r[place]) is not None)
        share = [100.0 * (i + 1) / len(values) for i in range(len(values))]
        axes.plot(share, values, label=label, color=colour)
    axes.axhline(1, color="#555555", linewidth=0.8)
    axes.axhline(limit, color="black", linewidth=0.8, linestyle=":")
    axes.set_yscale("log")
    axes.set_xlabel("percent of the calls")
    axes.set_ylabel("time over the best rival's")
    axes.legend(frameon=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="svg", metadata={"Date": None})
    pyplot.close(figure)


def page(
    results: dict[str, Row],
    ratios: Callable[[Row], Ratios],
    table: str,
    command: str,
    threads: int,
    limit: float,
    path: Path,
) -> None:
    """Writes the page, and its plot into a folder of the page's name beside it."""
    facts = about(threads)
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    found = [ratios(row) for row in results.values()]
    unjitted = [a for a, _ in found if a is not None]
    jitted = [b for _, b in found if b is not None]
    drawing = path.with_suffix("") / "ratios.svg"
    plot(found, limit, drawing)
    parts = [
        "# Ordinary calls on the CPU",
        f"{facts['date']}; {facts['cpu']} ({', '.join(facts['sets']) or 'no vector extensions'}), "
        f"{threads} threads; Python {facts['python']}, {versions}. Written by\n\n    {command}",
        f"At most {limit} times the best rival's time: {_share(unjitted, limit)} unjitted calls, "
        f"{_share(jitted, limit)} jitted ones. At most 1.0: {_share(unjitted, 1.0)} and {_share(jitted, 1.0)}.",
        HOW_TO_READ,
        f"![ratios]({drawing.parent.name}/{drawing.name})",
        f"## Slower than {limit} times the best rival\n\nWorst first; times in microseconds.",
        table,
    ]
    path.write_text("\n\n".join(parts) + "\n")
