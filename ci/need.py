"""Installs a dependency group of the root pyproject.toml unless all of it is there: python ci/need.py GROUP

Kept apart from the environment's own dependencies so that `hatch run train` does not download torch and jax.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent


def members(groups: dict[str, list[Any]], name: str) -> list[str]:
    """The requirements of a group, with the groups that it includes."""
    found: list[str] = []
    for entry in groups[name]:
        found += members(groups, entry["include-group"]) if isinstance(entry, dict) else [entry]
    return found


def is_there(text: str) -> bool:
    requirement = Requirement(text)
    if requirement.marker is not None and not requirement.marker.evaluate():
        return True
    try:
        version = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return False
    return requirement.specifier.contains(version, prereleases=True)


def main() -> int:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    missing = [text for name in sys.argv[1:] for text in members(groups, name) if not is_there(text)]
    if not missing:
        return 0
    print("installing", *missing, flush=True)
    return subprocess.call([sys.executable, "-m", "pip", "install", "-q", *missing])


if __name__ == "__main__":
    sys.exit(main())
