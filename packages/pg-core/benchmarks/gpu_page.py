"""The page of a run on a GPU: only what was measured stands there."""

from __future__ import annotations

from typing import Any

from gpu_tables import KINDS, TRAINING, gigabytes, teraflops

RIVALS = ("torch", "inductor", "jax", "cupy")
HEADINGS = {
    "pg": "pequegrad", "pg_eager": "unjitted", "pg_custom": '"custom" allocator', "torch": "torch",
    "inductor": "torch.compile", "jax": "jax", "cupy": "CuPy",
}  # fmt: skip


def seconds(row: dict[str, Any], kind: str) -> float | None:
    """A framework's time, where it was measured."""
    return row.get(kind, {}).get("seconds")


def agree(row: dict[str, Any]) -> bool:
    """Is pequegrad's result that of most others?"""
    ours = row.get("pg", {}).get("check")
    others = [row[k]["check"] for k in RIVALS if row.get(k, {}).get("check") is not None]
    if ours is None or not others:
        return True
    middle = sorted(others)[len(others) // 2]
    return abs(ours - middle) <= 2e-2 * max(abs(middle), 1e-2)


def milliseconds(value: float | None) -> str:
    """A cell."""
    return "" if value is None else f"{1e3 * value:.4f}" if value < 1e-3 else f"{1e3 * value:.3f}"


def ratio(ours: float | None, theirs: float | None) -> str:
    """Our time over theirs."""
    return "" if not ours or not theirs else f"{ours / theirs:.2f}"


def copy_bandwidth(saved: dict[str, Any]) -> float | None:
    """GB/s of the fastest copy on the device."""
    row = saved["rows"].get("copy", {})
    times = [t for t in (seconds(row, k) for k in RIVALS) if t]
    size = gigabytes("copy", saved["about"]["small"])
    return size / min(times) if times and size else None


def share(name: str, saved: dict[str, Any]) -> str:
    """Of the copy's bandwidth, or of the fastest product's operations."""
    ours = seconds(saved["rows"].get(name, {}), "pg")
    if not ours:
        return ""
    small = saved["about"]["small"]
    size, work, bandwidth = gigabytes(name, small), teraflops(name, small), copy_bandwidth(saved)
    if size and bandwidth:
        return f"{size / ours:.0f} GB/s, {100 * size / ours / bandwidth:.0f} % of a copy"
    return f"{work / ours:.1f} TFLOP/s" if work else ""


def best_rival(row: dict[str, Any]) -> float | None:
    """The fastest of the others."""
    times = [t for t in (seconds(row, k) for k in RIVALS) if t]
    return min(times) if times else None


def cells(name: str, saved: dict[str, Any]) -> list[str]:
    """A row of the table."""
    row = saved["rows"][name]
    times = [milliseconds(seconds(row, kind)) for kind in KINDS]
    return [name, *times, ratio(seconds(row, "pg"), best_rival(row)), share(name, saved)]


def line(name: str, saved: dict[str, Any]) -> str:
    """The row as it is printed while measuring, with what could not be measured and why."""
    row = saved["rows"][name]
    text = f"| {' | '.join(cells(name, saved))} |"
    for kind, answer in row.items():
        if "error" in answer:
            text += f"\n    {kind}: {answer['error']}"
    return (
        text
        if agree(row)
        else text
        + "\n    THE RESULTS DIFFER: "
        + str({kind: answer.get("check") for kind, answer in row.items()})
    )


def goals(saved: dict[str, Any]) -> list[str]:
    """What the device was to show, where it was measured: (goal, figure, met?)."""
    rows, out = saved["rows"], []

    def goal(text: str, value: float | None, limit: float, at_least: bool = False) -> None:
        if value is not None:
            met = value >= limit if at_least else value <= limit
            out.append(f"| {text} | {value:.2f} | {'yes' if met else 'no'} |")

    def of(name: str, ours: str, theirs: str) -> float | None:
        row = rows.get(name, {})
        a, b = seconds(row, ours), seconds(row, theirs)
        return a / b if a and b else None

    if saved.get("seed_kernels") is not None:
        goal("seed's example: kernels (1)", saved["seed_kernels"], 1)
    goal("seed's example, jitted: time over torch.compile's (1.00)", of("seed", "pg", "inductor"), 1)
    goal(
        "seed's example, jitted: torch eager's time over ours (3.00 or more)",
        of("seed", "torch", "pg"),
        3,
        True,
    )
    goal("seed's example, unjitted: time over torch eager's (1.00)", of("seed", "pg_eager", "torch"), 1)
    goal("seed's example: jitted over unjitted", of("seed", "pg", "pg_eager"), 1)
    bandwidth = copy_bandwidth(saved)
    for name in ("negate", "add", "chain", "softmax", "softmax_long", "layer_norm"):
        ours, size = seconds(rows.get(name, {}), "pg"), gigabytes(name, saved["about"]["small"])
        if ours and bandwidth and size:
            goal(f"{name}: share of the copy's bandwidth (0.90 or more)", size / ours / bandwidth, 0.9, True)
        goal(f"{name}: time over torch.compile's (1.00)", of(name, "pg", "inductor"), 1)
    for name in ("mm_float32", "mm_bfloat16", "mm_tf32"):
        goal(f"{name}: time over torch's (1.00, within 2 %)", of(name, "pg", "torch"), 1.02)
    for name in TRAINING[1:]:
        goal(f"{name}: time over torch.compile's with CUDA graphs (1.00)", of(name, "pg", "inductor"), 1)
    goal("tiny: time over torch.compile's (0.50)", of("tiny", "pg", "inductor"), 0.5)
    goal('allocations: "custom" over the pool (1.00)', of("allocations", "pg_custom", "pg"), 1)
    return out


def page(saved: dict[str, Any]) -> str:
    """The whole page."""
    about = saved["about"]
    device = about["device"]
    driver = f"CUDA {about['driver'] // 1000}.{about['driver'] % 1000 // 10}"
    bandwidth = copy_bandwidth(saved)
    lines = [
        "# On a GPU",
        "",
        f"Measured on {about['date']} by `hatch run gpu` at commit {about['commit']}: {device['name']}, "
        f"sm_{device['architecture']}, {device['bytes'] / 2**30:.0f} GiB; driver of {driver}"
        + (f" ({about['nvidia_smi']})" if about["nvidia_smi"] else "")
        + f"; Python {about['python']}, "
        + ", ".join(f"{name} {version}" for name, version in about["versions"].items())
        + ".",
        "",
        "Times in milliseconds an iteration: the median of several turns, each framework in a process of its "
        "own. torch.compile with CUDA graphs (`reduce-overhead`), torch's optimizers fused. The ratio is "
        "pequegrad's time over the fastest other framework's: below 1 is faster. An empty cell was not "
        "measured.",
        "",
    ]
    if about["small"]:
        lines[2:2] = ["**Small operands on an emulated GPU: these figures say nothing about speed.**", ""]
    if bandwidth:
        lines += [f"The fastest copy within the device moves {bandwidth:.0f} GB/s, read and written.", ""]
    lines += [
        "| row | " + " | ".join(HEADINGS[kind] for kind in KINDS) + " | ratio | what it reaches |",
        "|---" * (len(KINDS) + 3) + "|",
        *(f"| {' | '.join(cells(name, saved))} |" for name in saved["rows"]),
        "",
    ]
    met = goals(saved)
    if met:
        lines += ["## Goals", "", "| goal | measured | met |", "|---|---|---|", *met, ""]
    lines += [
        "Rows: `copy` is the other frameworks' copy of 1 GiB, `negate` and `add` one operation on 64 Mi "
        "elements, `chain` ten; `seed` is `((x.permute(0, 2, 1) + 2) + y).sum(2) * 3`; `softmax` of rows of "
        "4,096 and of 131,072; `layer_norm` of rows of 1,024 and its gradients; `transposed` is `x + y.T` of "
        "8,192 rows; `mm_` products of 4,096 rows in float32 and 8,192 in bfloat16; `tiny` adds 8 numbers; "
        "`allocations` makes 48 tensors of different sizes; the `_step` rows are whole training steps. "
        "All multiply float32 as float32, but in the rows `_tf32`, where tensor cores may round it.",
        "",
    ]
    return "\n".join(lines)
