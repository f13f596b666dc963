"""The real NVRTC takes the kernels of some programs, for an architecture a day; no kernel spills registers.

Needs no GPU: `pip install nvidia-cuda-nvrtc-cu12` (the dependency group "cuda"). PG_TEST_NVRTC names another file.
"""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pequegrad as pg
import pytest
from pequegrad import _core
from pequegrad._libraries import find_nvidia
from slices import number_of_today

ARCHITECTURES = ("sm_75", "sm_80", "sm_90")

# Kernels that may spill, by a word of their text, and why.
MAY_SPILL: dict[str, str] = {}


def compiler() -> Any:
    path = os.environ.get("PG_TEST_NVRTC") or find_nvidia("libnvrtc.so.12") or find_nvidia("libnvrtc.so.13")
    if not path:
        pytest.skip("NVRTC is not installed")
    return ctypes.CDLL(path)


def compiled(lib: Any, text: str, architecture: str) -> str:
    """What ptxas says of the kernels in a text; fails with the compiler's words."""
    program, size = ctypes.c_void_p(), ctypes.c_size_t()
    assert lib.nvrtcCreateProgram(ctypes.byref(program), text.encode(), b"kernels.cu", 0, None, None) == 0
    words = ["--std=c++17", "--fmad=false", f"--gpu-architecture={architecture}", "--ptxas-options=-v"]
    options = (ctypes.c_char_p * len(words))(*[word.encode() for word in words])
    result = lib.nvrtcCompileProgram(program, len(words), options)
    lib.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    lib.nvrtcGetProgramLog(program, log)
    lib.nvrtcDestroyProgram(ctypes.byref(program))
    assert result == 0, log.value.decode()
    return log.value.decode()


def programs() -> dict[str, tuple[Any, list[np.ndarray]]]:
    rng = np.random.default_rng(0)
    x, w = rng.random((64, 3000)).astype(np.float32), rng.random(3000).astype(np.float32)

    def layer_norm(x: Any, w: Any) -> Any:
        y = x - x.mean(1, keepdims=True)
        return y * pg.rsqrt((y * y).mean(1, keepdims=True) + 1e-5) * w

    return {
        "chain": (lambda x: pg.tanh(pg.exp(x) * 2 - pg.sin(x) / (x + 3)), [x]),
        "softmax": (lambda x: pg.softmax(x, 1), [x]),
        "layer norm": (layer_norm, [x, w]),
        "its gradient": (lambda x, w: pg.grad(lambda x: pg.sin(layer_norm(x, w)).sum())(x), [x, w]),
        "columns": (lambda x: (x.sum(0), x.max(0)), [x]),
        "everything": (lambda x: x.sum(), [x]),
        "short rows": (lambda x: pg.softmax(x[:, :200], 1), [x]),
        "transpose": (lambda x: x.T + 1, [x]),
        "halves": (
            lambda x: [pg.gelu(x.astype(d)) + x.astype(d).sum() for d in ("float16", "bfloat16")],
            [x],
        ),
        "integers": (lambda x: [(x * 100).astype(d) // 7 % 5 << 2 for d in ("int8", "int64", "uint16")], [x]),
        "complex": (lambda x: (x * 1j * x).sum(0), [x]),
        "double": (lambda x: pg.erf(x.astype("float64")) ** 1.5 + pg.lgamma(x.astype("float64")), [x]),
        "random": (lambda x: x + pg.random.normal(pg.random.key(3).to(x.device), x.shape), [x]),
        "gather": (lambda x: x[(x[:, 0] * 60).astype("int32")], [x]),
    }


def test_real_compiler(gpu: str, capsys: pytest.CaptureFixture[str]) -> None:
    lib = compiler()
    texts: dict[str, str] = {}
    for name, (f, arrays) in programs().items():
        arguments = [pg.Tensor(a, device=gpu) for a in arrays]
        for kernel in pg.jit(f).explain(*arguments).kernels:
            if "__global__" in kernel.source:  # others are of the host
                texts.setdefault(kernel.source, f"{name}: {kernel.name}")
    assert len(texts) >= len(programs()) - 1
    named = {f"{name} {i}": text for i, (text, name) in enumerate(texts.items())}
    check_kernels(lib, named, [architecture_of_today()], capsys)


def architecture_of_today() -> str:
    return ARCHITECTURES[number_of_today(len(ARCHITECTURES))]


def check_kernels(
    lib: Any, texts: dict[str, str], architectures: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Compile texts, many at a time, and see what they take."""
    names = list(texts)
    units = [range(i, min(i + 32, len(names))) for i in range(0, len(names), 32)]

    def one(task: tuple[str, range]) -> list[tuple[str, int, int]]:
        architecture, unit = task
        text = _core.cuda_prelude() + "".join(in_namespace(texts[names[i]], f"u{i}_") for i in unit)
        kernels = []
        for part in compiled(lib, text, architecture).split("Compiling entry function '")[1:]:
            spilled = re.search(r"(\d+) bytes spill stores", part)
            registers = re.search(r"Used (\d+) registers", part)
            of = re.match(r"_ZN\d+u(\d+)_", part)
            assert spilled and registers and of, part
            kernels.append((f"{names[int(of[1])]} for {architecture}", int(spilled[1]), int(registers[1])))
        return kernels

    with ThreadPoolExecutor(2) as pool:
        kernels = [k for part in pool.map(one, [(a, u) for a in architectures for u in units]) for k in part]
    assert len(kernels) >= len(texts) * len(architectures)
    most = max(kernels, key=lambda k: k[2])
    with capsys.disabled():
        print(f"\n{len(kernels)} kernels: at most {most[2]} registers ({most[0].splitlines()[0]})")
    for name, spilled, registers in kernels:
        assert spilled == 0 or any(word in name for word in MAY_SPILL), f"{name} spills {spilled} bytes"
        assert registers <= 128, f"{name} takes {registers} registers"


def in_namespace(text: str, name: str) -> str:
    """The text with names of its own; the macros that it defines end with it."""
    ends = "".join(
        f"#undef {macro}\n" for macro in re.findall(r"^[ \t]*#[ \t]*define[ \t]+(\w+)", text, re.M)
    )
    without_linkage = text.replace('extern "C" ', "")
    return f"namespace {name} {{\n{without_linkage}\n}}\n{ends}"


# Every function in one dtype under jit, and its gradient; the emulator keeps the texts that it compiles.
PROGRAM = """
import sys, zlib
from concurrent.futures import ThreadPoolExecutor
tests, of, slices = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
sys.path[:0] = [tests, tests + "/laws"]
import pequegrad as pg
from cells import cells, check
pg.set_default_device("cuda")
chosen = {}
for cell in cells():
    if cell.mode in ("jit", "jit of grad") and zlib.crc32(cell.function.encode()) % slices == of:
        chosen.setdefault((cell.function, cell.mode), []).append(cell)
def run(cell):
    try:
        check(cell)
    except BaseException:  # the matrix says what is wrong with it; here its kernels count
        pass
with ThreadPoolExecutor(12) as pool:
    list(pool.map(run, [all[zlib.crc32(all[0].id.encode()) % len(all)] for all in chosen.values()]))
"""


def texts_of_functions(folder: Path, of: int, slices: int) -> dict[str, str]:
    """Structurally distinct texts: those that differ in more than numbers."""
    if "PG_LIBCUDA" not in os.environ:
        pytest.skip("the GPU is real")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(Path(__file__).parent), str(of), str(slices)],
        capture_output=True,
        text=True,
        env={**os.environ, "PGEMU_KEEP": str(folder), "PG_CACHE": "0"},
    )
    assert done.returncode == 0, done.stderr
    distinct: dict[str, str] = {}
    for path in sorted(folder.glob("*.cu")):
        text = path.read_text()
        distinct.setdefault(re.sub(r"\d+", "0", text), text)
    return {f"text {i}\n{text}": text for i, text in enumerate(distinct.values())}


def test_kernels_of_some_functions(gpu: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lib = compiler()
    check_kernels(
        lib, texts_of_functions(tmp_path, number_of_today(48), 48), [architecture_of_today()], capsys
    )


@pytest.mark.nightly
def test_kernels_of_all_functions(gpu: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lib = compiler()
    check_kernels(lib, texts_of_functions(tmp_path, 0, 1), list(ARCHITECTURES), capsys)
