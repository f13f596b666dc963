"""``pg-onnx ops``: the operators that can be imported."""

from __future__ import annotations

import argparse

from ..ops.registry import rules
from .common import Report

HELP = "the operators that can be imported, with their versions"
EXAMPLE = "pg-onnx ops --md"


def add_arguments(sub: argparse.ArgumentParser) -> None:
    """The options of this command."""
    sub.add_argument("--md", action="store_true", help="as a table in Markdown")


def execute(options: argparse.Namespace, report: Report) -> int:
    """Fills the report."""
    table: dict[str, list[int]] = {}
    for (domain, op), versions in rules().items():
        table[f"{domain}::{op}" if domain else op] = sorted(versions)
    report.data["ops"] = dict(sorted(table.items()))
    if options.md:
        report.say("| operator | since versions |")
        report.say("|---|---|")
    for name, since in report.data["ops"].items():
        text = ", ".join(map(str, since))
        report.say(f"| {name} | {text} |" if options.md else f"{name} {text}")
    return 0
