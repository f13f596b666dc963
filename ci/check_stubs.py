"""Compares the committed stub of the extension module with what the module says; --update writes it."""

from __future__ import annotations

import difflib
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STUB = ROOT / "packages" / "pg-core" / "python" / "pequegrad" / "_core.pyi"


def generate() -> str:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pybind11_stubgen", "pequegrad._core", "-o", folder]
        command += ["--exit-code", "--numpy-array-use-type-var"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"pybind11-stubgen failed:\n{done.stdout}{done.stderr}")
        found = Path(folder) / "pequegrad" / "_core.pyi"
        text = found.read_text() if found.exists() else (found.with_suffix("") / "__init__.pyi").read_text()
    formatter = ["ruff", "format", "--stdin-filename", "_core.pyi", "-"]
    return subprocess.run(formatter, input=text, capture_output=True, text=True, check=True).stdout


def main() -> int:
    fresh = generate()
    if "--update" in sys.argv[1:]:
        STUB.write_text(fresh)
        print("wrote", STUB.relative_to(ROOT))
        return 0
    committed = STUB.read_text() if STUB.exists() else ""
    if fresh == committed:
        print("stub is up to date")
        return 0
    diff = difflib.unified_diff(committed.splitlines(), fresh.splitlines(), "committed", "fresh", lineterm="")
    print(*diff, sep="\n")
    print("the stub is out of date; run: hatch run stubs", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
