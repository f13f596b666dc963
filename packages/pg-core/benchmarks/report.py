"""The page docs/benchmarks.md with a plot for each group, out of results that compare.py has measured."""

from __future__ import annotations

import datetime
import importlib.metadata
import platform
from pathlib import Path
from typing import Any

from data import floor_seconds
from targets import (
    CONVOLUTION_MEAN,
    GROUPS,
    TARGETS,
    Row,
    disagreement,
    geometric_mean,
    ratio,
    verdict,
)

COLUMNS = {
    "pg": "pequegrad",
    "numpy": "NumPy",
    "torch": "torch",
    "inductor": "torch.compile",
    "jax": "jax.jit",
}
GFLOPS, GBYTES = 360.0, 57.0  # best rates measured on the machine that the floors are given for

HOW_TO_READ = """\
Every framework runs in a process of its own, all with the same number of threads; turns are interleaved,
so that noise falls on all alike, and a figure is the median of the quieter half of the turns. Every call
of ours ends with its values computed. One number of each result is compared with the other frameworks',
so that a fast wrong answer shows as a note.

The *ratio* is pequegrad's figure over that of the best rival: below 1 is faster, or less memory. Rivals
are torch, torch.compile and jax.jit; for first calls jax; for small unjitted calls and everything under
"without pg.jit" torch eager; for the import NumPy (pequegrad's own time contains NumPy's); for memory
torch and jax. In the plots a bar is a ratio, the line stands at 1 and the tick at the target. *x floor*
is our time over the least that the machine could need: operations over {gflops:.0f} GFLOP/s or bytes
over {gbytes:.0f} GB/s, the best rates seen on it.

`compile_*` is the first call in a process with every cache empty, beyond a steady call; `second_*` the
first call of a second process, which finds the first one's disk cache (jax without and, in the note,
with its persistent cache). `import` is that of an installed wheel. `rss_gpt` is the peak memory of a
process that trains eight steps."""


def show(value: float | None, unit: str = "s") -> str:
    """A time or a size, readable."""
    if value is None:
        return ""
    if unit == "MiB":
        return f"{value:.0f} MiB"
    if value >= 1:
        return f"{value:.2f} s"
    return f"{value * 1e3:.2f} ms" if value >= 1e-3 else f"{value * 1e6:.2f} us"


def note(row: Row) -> str:
    """What a reader has to know about a row."""
    cached = row.get("jax_cached", {}).get("median")
    parts = [disagreement(row), row.get("pg", {}).get("error", "")]
    parts.append(f"jax with its persistent cache {show(cached)}" if cached else "")
    return "; ".join(p for p in parts if p)


def cells(name: str, row: Row, frameworks: list[str]) -> list[str]:
    """A row of a table."""
    unit = "MiB" if name.startswith("rss") else "s"
    out = [name]
    for f in frameworks:
        found = row.get(f, {})
        out.append(show(found["median"], unit) if "median" in found else "error" if "error" in found else "")
    found, target = ratio(name, row), TARGETS.get(name)
    floor, ours = floor_seconds(name.removeprefix("eager_"), GFLOPS, GBYTES), row.get("pg", {}).get("median")
    out += ["" if found is None else f"{found:.2f}", "" if target is None else f"{target:.2f}"]
    return [*out, verdict(name, row), f"{ours / floor:.1f}" if ours and floor else "", note(row)]


def header(frameworks: list[str]) -> str:
    """The head of a table."""
    names = ["workload", *(COLUMNS[f] for f in frameworks), "ratio", "target", "verdict", "x floor", "note"]
    return f"| {' | '.join(names)} |\n|---|" + "---:|" * (len(frameworks) + 2) + "---|---:|---|"


def table(names: list[str], results: dict[str, Row]) -> str:
    """The rows of a group that were measured, with the frameworks that have a figure in it."""
    present = [n for n in names if results.get(n)]
    frameworks = [f for f in COLUMNS if any(f in results[n] for n in present)]
    lines = [header(frameworks)]
    lines += [f"| {' | '.join(cells(n, results[n], frameworks))} |" for n in present]
    return "\n".join(lines)


def plot(title: str, names: list[str], results: dict[str, Row], path: Path) -> bool:
    """Bars of the group's ratios, a line at 1, a tick at each target; False where there is no ratio."""
    found = [(n, ratio(n, results[n])) for n in names if results.get(n)]
    bars = [(n, r) for n, r in found if r is not None]
    if not bars:
        return False
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": title, "font.size": 9})
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7.5, 0.7 + 0.26 * len(bars)))
    for y, (name, value) in enumerate(bars):
        target = TARGETS.get(name)
        met = target is None or value <= target
        axes.barh(y, value, height=0.7, color="#4c9a5b" if met else "#c7683c")
        axes.text(value, y, f" {value:.2f}", va="center", fontsize=8)
        if target is not None:
            axes.plot([target, target], [y - 0.4, y + 0.4], color="black", linewidth=1.5)
    axes.axvline(1, color="#555555", linewidth=0.8)
    axes.set_yticks(range(len(bars)), [n for n, _ in bars])
    axes.invert_yaxis()
    axes.set_xlim(0, max(1.1, *(1.1 * r for _, r in bars)))
    axes.set_xlabel("time (or memory) over the best rival's; less is better; ticks: targets")
    axes.set_title(title, fontsize=10)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="svg", metadata={"Date": None})
    pyplot.close(figure)
    return True


def about(threads: int) -> dict[str, Any]:
    """The machine, the versions and the day."""
    model, flags = platform.processor() or platform.machine(), ""
    information = Path("/proc/cpuinfo")
    if information.exists():
        for entry in information.read_text().splitlines():
            key, _, value = entry.partition(":")
            if key.strip() == "model name":
                model = value.strip()
            elif key.strip() == "flags":
                flags = value
    sets = [s for s in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if s in flags.split()]
    versions = {}
    for package in ("numpy", "torch", "jax", "llvmlite", "onednn-cpu-gomp"):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "cpu": model,
        "sets": sets,
        "threads": threads,
        "python": platform.python_version(),
        "versions": versions,
        "date": datetime.date.today().isoformat(),
    }


def summary(results: dict[str, Row]) -> str:
    """How many targets are met, and which are not."""
    judged = {n: verdict(n, results[n]) for _, names in GROUPS.values() for n in names if results.get(n)}
    judged = {n: v for n, v in judged.items() if v}
    missed = [f"{n} ({v.removeprefix('missed by ')})" for n, v in judged.items() if v != "met"]
    text = f"{len(judged) - len(missed)} of {len(judged)} targets are met."
    return text + (f" Missed, by how much: {', '.join(missed)}." if missed else "")


def page(results: dict[str, Row], facts: dict[str, Any], command: str, path: Path) -> None:
    """Writes the page, and its plots into a folder of the page's name beside it."""
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    parts = [
        "# Benchmarks on the CPU",
        f"{facts['date']}; {facts['cpu']} ({', '.join(facts['sets']) or 'no vector extensions'}), "
        f"{facts['threads']} threads; Python {facts['python']}, {versions}. Written by\n\n    {command}",
        summary(results),
        HOW_TO_READ.format(gflops=GFLOPS, gbytes=GBYTES),
    ]
    for key, (title, names) in GROUPS.items():
        if not any(results.get(n) for n in names):
            continue
        parts.append(f"## {title}")
        drawing = path.with_suffix("") / f"{key}.svg"
        if plot(title, names, results, drawing):
            parts.append(f"![{title}]({drawing.parent.name}/{drawing.name})")
        parts.append(table(names, results))
        if key == "convolution":
            found = [r for n in names if (r := ratio(n, results.get(n, {}))) is not None]
            if found:
                mean = geometric_mean(found)
                parts.append(f"Geometric mean of the ratios: {mean:.2f}; target {CONVOLUTION_MEAN:.2f}.")
    parts.append(
        "`benchmarks/sweep.py` looks at some hundred ordinary calls beyond these ([sweep.md](sweep.md));\n"
        "`benchmarks/dispatch.py` prints what an op and a call cost beside their arithmetic,\n"
        "`benchmarks/transforms.py` how transforms grow with the size of a program."
    )
    path.write_text("\n\n".join(parts) + "\n")
