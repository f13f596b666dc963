"""``python -m pequegrad doctor``: what of CUDA was found on this machine, and what would help.

The exit code is 0 when CUDA can be used, 1 when something is missing that the first kernel needs.
"""

from __future__ import annotations

import sys

from . import cuda

USAGE = "usage: python -m pequegrad doctor"


def doctor() -> int:
    """Print driver, GPUs and libraries; 0 when CUDA can be used, else 1."""
    found = cuda.report()
    version = found["driver"]
    print(f"driver: CUDA {version // 1000}.{version % 1000 // 10}" if version else "driver: none in use")
    for index, gpu in enumerate(found["devices"]):
        gib = gpu["bytes"] / 2**30
        print(f"cuda:{index}: {gpu['name']}, sm_{gpu['architecture']}, {gib:.1f} GiB")
    for library in found["libraries"]:
        if library["path"]:
            print(f"{library['name']}: {library['path']}")
        else:
            print(f"{library['name']}: missing: {library['why']} (or set {library['variable']} to its path)")
    if found["missing"]:
        print(f"CUDA cannot be used: {found['missing']}")
        return 1
    print("CUDA can be used")
    return 0


def main(arguments: list[str]) -> int:
    if arguments == ["doctor"]:
        return doctor()
    print(USAGE, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
