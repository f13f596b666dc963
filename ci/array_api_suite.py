"""Runs the official test suite of the Python array API standard against this library.

    python ci/array_api_suite.py PATH/TO/array-api-tests [--module pequegrad] [--max-examples 20] [-n 2]

PATH is a checkout of github.com/data-apis/array-api-tests with its submodule; the interpreter needs what its
requirements.txt names (pytest, hypothesis, ndindex). Where array_api_strict is installed, it runs the suite
as well and the two are compared. Without --random the suite draws the same examples in every run.

Exit codes: 0 only the failures below, 1 others (or fewer passes than array_api_strict), 2 nothing could run.
"""

from __future__ import annotations

import argparse
import fnmatch
import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

# Test ids (with wildcards) that may fail, and why.
EXPECTED: dict[str, str] = {}


def run(suite: Path, module: str, options: argparse.Namespace) -> dict[str, str]:
    """Test id -> "passed", "failed" or "skipped"."""
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}"]
        command += [
            f"--max-examples={options.max_examples}",
            "--disable-deadline",
            "--no-header",
            "--tb=short",
        ]
        command += [] if options.random else ["--derandomize"]
        command += ["-n", str(options.n)] if options.n else []
        command += ["-k", options.k] if options.k else []
        env = {
            **os.environ,
            "ARRAY_API_TESTS_MODULE": module,
            "ARRAY_API_TESTS_VERSION": options.version,
            "ARRAY_API_STRICT_API_VERSION": options.version,
        }
        done = subprocess.run(
            [*command, "array_api_tests"], cwd=suite, env=env, capture_output=True, text=True, check=False
        )
        if options.verbose:
            print(done.stdout)
        if not report.exists() or done.returncode > 1:
            print(done.stdout[-4000:] + done.stderr[-4000:], file=sys.stderr)
            sys.exit(2)
        outcomes = {}
        for case in ElementTree.parse(report).iter("testcase"):
            outcome = "passed"
            for child in case:
                outcome = {"failure": "failed", "error": "failed", "skipped": "skipped"}.get(
                    child.tag, outcome
                )
            file = case.get("classname", "").removeprefix("array_api_tests.").replace(".", "::")
            outcomes[f"{file}::{case.get('name')}"] = outcome
        return outcomes


def names_with(outcomes: dict[str, str], outcome: str) -> list[str]:
    """The ids of tests with an outcome."""
    return sorted(name for name, found in outcomes.items() if found == outcome)


def reason(name: str) -> str | None:
    """Why a test may fail."""
    return next((why for pattern, why in EXPECTED.items() if fnmatch.fnmatchcase(name, pattern)), None)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("suite", type=Path, help="a checkout of the suite")
    parser.add_argument("--module", default="pequegrad.array_api", help="the namespace to test (%(default)s)")
    parser.add_argument("--version", default="2024.12", help="the version of the standard (%(default)s)")
    parser.add_argument("--max-examples", type=int, default=20, help="examples for each test (%(default)s)")
    parser.add_argument("--random", action="store_true", help="other examples in every run")
    parser.add_argument("--no-strict", action="store_true", help="do not run array_api_strict")
    parser.add_argument("--verbose", action="store_true", help="print what pytest says")
    parser.add_argument("-n", type=int, default=0, help="processes (needs pytest-xdist)")
    parser.add_argument("-k", default="", help="only tests that match, as pytest's -k")
    options = parser.parse_args()
    if not (options.suite / "array_api_tests" / "test_signatures.py").exists():
        print(f"{options.suite} holds no array_api_tests", file=sys.stderr)
        return 2
    ours = run(options.suite, options.module, options)
    passed, failed = names_with(ours, "passed"), names_with(ours, "failed")
    unexpected = [name for name in failed if reason(name) is None]
    for name in failed:
        print(f"{'UNEXPECTED' if name in unexpected else 'expected'}  {name}  {reason(name) or ''}".rstrip())
    for pattern in EXPECTED:
        hits = fnmatch.filter(ours, pattern)
        if hits and not set(hits) & set(failed):
            print(f"no longer fails: {pattern}")
    print(
        f"{options.module}: {len(passed)} passed, {len(failed)} failed ({len(unexpected)} unexpected), "
        f"{len(names_with(ours, 'skipped'))} skipped, of {len(ours)}"
    )
    fewer = False
    if not options.no_strict and importlib.util.find_spec("array_api_strict") is not None:
        strict = run(options.suite, "array_api_strict", options)
        theirs = names_with(strict, "passed")
        print(f"array_api_strict: {len(theirs)} passed, {len(names_with(strict, 'failed'))} failed")
        for name in sorted(set(theirs) - set(passed)):
            print(f"passed by array_api_strict only: {name}")
        fewer = len(passed) < len(theirs)
    return 1 if unexpected or fewer else 0


if __name__ == "__main__":
    sys.exit(main())
