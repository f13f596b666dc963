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
    compile_with(compiler, path, "\n".join(checks), tmp_path)


def compile_with(compiler: str, header: Path, text: str, folder: Path) -> None:
    """Compiles the text behind a header of NVIDIA's; skips where that needs others that are not there."""
    source = folder / "check.cpp"
    source.write_text(f'#include "{header}"\n{text}\n')
    others = sorted(header.parent.parent.parent.glob("*/include"))  # of the other wheels
    places = [f"-I{place}" for place in (header.parent, *others)]
    done = subprocess.run(
        [compiler, "-std=c++17", "-fsyntax-only", "-Wno-deprecated-declarations", *places, str(source)],
        capture_output=True,
        text=True,
    )
    if "No such file or directory" in done.stderr:
        pytest.skip(f"a header that {header.name} includes is not installed")
    assert done.returncode == 0, done.stderr


TABLES = {
    "cuda.h": "driver.h",
    "nvrtc.h": "compile.cpp",
    "cublasLt.h": "cublas.cpp",
    "cudnn.h": "cudnn.cpp",
    "cufft.h": "call_fft.cpp",
}
ALIKE = """
#include <cstddef>
#include <cstdint>
#include <type_traits>
template <class A, class B> constexpr bool one() {
  if (std::is_pointer<A>::value || std::is_pointer<B>::value)
    return std::is_pointer<A>::value && std::is_pointer<B>::value;
  return sizeof(A) == sizeof(B) && std::is_floating_point<A>::value == std::is_floating_point<B>::value;
}
template <class A, class B> struct alike { static constexpr bool value = false; };
template <class R, class... A, class S, class... B> struct alike<R(A...), S(B...)> {
  template <bool... all> struct list {};
  template <bool same> static constexpr bool every() {
    if constexpr (same) return std::is_same<list<true, one<A, B>()...>, list<one<A, B>()..., true>>::value;
    else return false;
  }
  static constexpr bool value = sizeof(R) == sizeof(S) && every<sizeof...(A) == sizeof...(B)>();
};
"""


@pytest.mark.parametrize("header", sorted(TABLES))
def test_prototypes_are_those_of_the_headers(header: str, tmp_path: Path) -> None:
    path, compiler = headers(header), shutil.which("g++")
    if path is None or compiler is None:
        pytest.skip(f"{header} is not installed")
    # Handles of ours and of the header differ in type, not in kind: pointers, and numbers of one size.
    parts = ["".join((SOURCES / name).read_text()) for name in ("driver.h", TABLES[header])]
    names = set(re.findall(r"\b(\w+)\s*\*", parts[1])) | {"Result"}
    aliases = dict(re.findall(r"^using (\w+) = ([^;<]+);", "\n".join(parts), re.MULTILINE))
    structs = set(re.findall(r"^struct (\w+) \{$", parts[1], re.MULTILINE)) & names
    table = re.search(r"#define (PG_\w+_FUNCTIONS)\(PG_FUNCTION\)(?:.*\\\n)*.*\n", parts[1])
    assert table
    text = [
        *[f"struct {name};" for name in sorted(structs)],
        *[f"using {name} = {meaning};" for name, meaning in aliases.items()],
        table[0],
        "#define PG_CHECK(member, symbol, parameters) "
        "static_assert(::alike<int parameters, std::remove_pointer_t<decltype(&symbol)>>::value, #symbol);",
        f"{table[1]}(PG_CHECK)",
    ]
    inside = "\n".join(text)
    compile_with(compiler, path, f"{ALIKE}\nnamespace ours {{\n{inside}\n}}", tmp_path)


def test_every_constant_is_used() -> None:
    text = "".join(path.read_text() for path in SOURCES.glob("*.cpp"))
    for _, name, _ in CONSTANTS:
        assert name in text, name
