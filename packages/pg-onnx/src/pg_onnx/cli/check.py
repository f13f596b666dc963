"""``pg-onnx check``: is a file valid, and is all that it needs supported? Nothing is run."""

from __future__ import annotations

import argparse

from ..errors import UnsupportedError
from ..plan import unsupported
from .common import Report, add_model, limits_of, read_model
from .inspect import all_nodes

HELP = "is a model valid, and is everything in it supported? nothing is run"
EXAMPLE = "pg-onnx check model.onnx --json"


def add_arguments(sub: argparse.ArgumentParser) -> None:
    """The options of this command."""
    add_model(sub)


def execute(options: argparse.Namespace, report: Report) -> int:
    """Fills the report; 4 when something is not supported."""
    model = read_model(options)
    missing = unsupported(model, limits_of(options))
    for tensor in model.graph.initializers:
        if tensor.external is not None:
            tensor.raw_bytes()  # maps the file, so that a missing one is known now
    total = len(all_nodes(model.graph))
    bad = len({name for reason in missing for name in reason.nodes})
    report.data |= {
        "file": options.model,
        "nodes": total,
        "supported_nodes": total - bad,
        "unsupported": [
            {
                "domain": r.domain,
                "op": r.op,
                "version": r.version,
                "reason": r.reason,
                "count": len(r.nodes),
                "nodes": list(r.nodes[:20]),
            }
            for r in missing
        ],
    }
    if not missing:
        report.say(f"{options.model}: valid, all {total} nodes are supported")
        return 0
    for reason in missing:
        names = ", ".join(reason.nodes[:3]) + (", ..." if len(reason.nodes) > 3 else "")
        report.say(f"{reason}{f' [{names}]' if names else ''}")
    report.say(f"{options.model}: valid, {total - bad} of {total} nodes are supported")
    return UnsupportedError.exit_code
