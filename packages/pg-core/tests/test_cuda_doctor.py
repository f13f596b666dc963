"""What is said about CUDA: by the doctor, by errors, and by the table of constants."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

SOURCES = Path(__file__).parent.parent / "src" / "backends" / "cuda"


def doctor(**env: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "pequegrad", "doctor"],
        capture_output=True,
        text=True,
        env={**os.environ, **env},
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_without_a_driver() -> None:
    code, text = doctor(PG_LIBCUDA="/nonexistent/libcuda.so.1")
    assert code == 1
    assert "PG_LIBCUDA=/nonexistent/libcuda.so.1 cannot be loaded" in text
    assert "driver: none in use" in text


def test_what_is_missing_comes_with_a_command(gpu: str) -> None:
    code, text = doctor(PG_LIBNVRTC="/nonexistent/libnvrtc.so")
    assert code == 1
    assert "PG_LIBNVRTC=/nonexistent/libnvrtc.so cannot be loaded" in text
    assert re.search(r"cuDNN: (/|missing: .* pip install 'pg-core\[cuda1[23]\]')", text)


def test_all_is_there(gpu: str) -> None:
    code, text = doctor()
    assert code == 0 and "CUDA can be used" in text
    assert re.search(r"^cuda:0: .*, sm_\d+, .* GiB$", text, re.MULTILINE)


def test_unknown_words() -> None:
    done = subprocess.run([sys.executable, "-m", "pequegrad", "heal"], capture_output=True, text=True)
    assert done.returncode == 2 and "usage" in done.stderr


def headers(name: str) -> Path | None:
    roots = [Path(p) for p in (os.environ.get("CUDA_HOME", ""), "/usr/local/cuda") if p]
    spec = find_spec("nvidia")
    places = [root / "include" / name for root in roots]
    for root in (spec.submodule_search_locations or ()) if spec else ():
        places += sorted(Path(root).glob(f"*/include/{name}"))
    return next((place for place in places if place.exists()), None)


CONSTANTS = re.findall(r"PG_CONSTANT\((\w+\.h), (\w+), (-?\w+)\)", (SOURCES / "constants.h").read_text())


@pytest.mark.parametrize("header", sorted({header for header, *_ in CONSTANTS}))
def test_constants_are_those_of_the_headers(header: str, tmp_path: Path) -> None:
    path, compiler = headers(header), shutil.which("g++")
    if path is None or compiler is None:
        pytest.skip(f"{header} is not installed")
    checks = [f'static_assert({name} == {value}, "{name}");' for h, name, value in CONSTANTS if h == header]
    source = tmp_path / "check.cpp"
    source.write_text("\n".join([f'#include "{path}"', *checks]))
    others = sorted(path.parent.parent.parent.glob("*/include"))  # of the other wheels
    done = subprocess.run(
        [compiler, "-std=c++17", "-fsyntax-only", f"-I{path.parent}", *[f"-I{o}" for o in others], source],
        capture_output=True,
        text=True,
    )
    if "No such file or directory" in done.stderr:
        pytest.skip(f"a header that {header} includes is not installed")
    assert done.returncode == 0, done.stderr


def test_every_constant_is_used() -> None:
    text = "".join(path.read_text() for path in SOURCES.glob("*.cpp"))
    for _, name, _ in CONSTANTS:
        assert name in text, name
