"""Control flow and rules stated by hand take functions: they are tested in files of their own."""

from __future__ import annotations

from rows import Row

ROWS: list[Row] = []
ELSEWHERE = {
    "test_control.py": {
        "associative_scan",
        "cond",
        "fori_loop",
        "host_call",
        "ifelse",
        "map",
        "scan",
        "switch",
        "while_loop",
    },
    "test_control_derivatives.py": {"checkpoint"},
}
