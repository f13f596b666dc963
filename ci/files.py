"""The files of the checkout that checks look at: those git knows or would add."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def source_files(*suffixes: str) -> list[Path]:
    """Files with one of the suffixes, sorted, as absolute paths; ignored files are left out."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    paths = (ROOT / name for name in listed.split("\0") if name.endswith(suffixes))
    return sorted(path for path in paths if path.is_file())
