"""Formats the C++ files in place, or with --check fails on any that would change."""

from __future__ import annotations

import subprocess
import sys

from files import source_files


def main() -> int:
    files = [str(path) for path in source_files(".h", ".cpp")]
    if not files:
        return 0
    mode = ["--dry-run", "-Werror"] if "--check" in sys.argv[1:] else ["-i"]
    return subprocess.call(["clang-format", *mode, *files])


if __name__ == "__main__":
    sys.exit(main())
