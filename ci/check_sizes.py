"""Prints lines per folder and fails on long files.

A file of more than 500 lines needs a reason in a comment among its first 15 lines, starting with `Size:`:

    // Size: one table, a line for each operation; splitting it would hide the pattern.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict

from files import ROOT, source_files

LIMIT = 500
REASON = re.compile(r"\bSize: \S+ \S+")


def main() -> int:
    folders: dict[str, list[int]] = defaultdict(list)
    longest: list[tuple[int, str]] = []
    failures = []
    for path in source_files(".h", ".cpp", ".py", ".pyi", ".sh", ".cu"):
        lines = path.read_text().splitlines()
        name = str(path.relative_to(ROOT))
        folders[str(path.parent.relative_to(ROOT))].append(len(lines))
        longest.append((len(lines), name))
        if len(lines) > LIMIT and not any(REASON.search(line) for line in lines[:15]):
            failures.append(f"{name}: {len(lines)} lines; split it, or say why not (see ci/check_sizes.py)")

    print(f"{'folder':<48}{'files':>6}{'lines':>8}{'longest':>9}")
    for folder, sizes in sorted(folders.items()):
        print(f"{folder:<48}{len(sizes):>6}{sum(sizes):>8}{max(sizes):>9}")
    print(f"{'all':<48}{sum(map(len, folders.values())):>6}{sum(map(sum, folders.values())):>8}")
    print("longest:", ", ".join(f"{name} {size}" for size, name in sorted(longest, reverse=True)[:5]))
    print(*failures, sep="\n", end="\n" if failures else "", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
