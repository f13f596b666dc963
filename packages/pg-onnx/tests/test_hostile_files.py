"""Files that lie are refused with one line and the right exit code, within 1 GiB and 10 seconds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hostile
import pytest
from slices import number_of_today

ELSEWHERE = {"a folder": {6}, "a device": {6}, "nothing": {6}}
EXPECTED = {name: codes for name, (_, _, codes) in hostile.CASES.items()} | ELSEWHERE


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, Any]]]:
    """What the command did with each file: one process starts a child for each."""
    cases = hostile.write_cases(tmp_path_factory.mktemp("hostile"))
    lines = "".join(json.dumps(arguments) + "\n" for arguments in cases.values())
    done = subprocess.run(
        [sys.executable, hostile.__file__],
        input=lines,
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    yield dict(zip(cases, answers, strict=True))


@pytest.mark.parametrize("name", EXPECTED)
def test_a_file(found: dict[str, dict[str, Any]], name: str) -> None:
    case = found[name]
    assert case["code"] in EXPECTED[name], case
    assert case["seconds"] < hostile.SECONDS and case["memory"] < hostile.LIMIT, case
    said = case["said"]
    assert "Traceback" not in said and "\x1b" not in said and len(said) < 10_000, case
    if case["code"] not in (0, 4):  # a report of what is missing has a line for each
        assert said.count("\n") == 1 and said.startswith("pg-onnx: error: "), case


def mutations(first: int, count: int) -> None:
    script = str(Path(hostile.__file__).with_name("fuzz_files.py"))
    arguments = [sys.executable, script, "--seed", str(first), "--count", str(count)]
    path = [str(Path(hostile.__file__).parent)]
    done = subprocess.run(
        arguments,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": ":".join([*path, *sys.path])},
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_few_mutations() -> None:
    mutations(100 * number_of_today(50), 60)


@pytest.mark.nightly
@pytest.mark.parametrize("first", range(10_000, 15_000, 500))
def test_thousands_of_mutations(first: int) -> None:
    mutations(first, 500)
