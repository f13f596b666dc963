"""The real NVRTC takes the kernels of some programs, for an architecture a day; no kernel spills registers.

Needs no GPU: `pip install nvidia-cuda-nvrtc-cu12` (the dependency group "cuda"). PG_TEST_NVRTC names another file.
"""

from __future__ import annotations

import ctypes
import os
import re
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
    # All in one text: the names of kernels are made different.
    unit, names = _core.cuda_prelude(), {}
    for i, (text, name) in enumerate(texts.items()):
        for old in re.findall(r"\b(kernel\d+)\(", text):
            names[f"k{i}_{old}"] = name
            text = text.replace(f" {old}(", f" k{i}_{old}(")
        unit += text
    architecture = ARCHITECTURES[number_of_today(len(ARCHITECTURES))]
    log = compiled(lib, unit, architecture)
    kernels = []
    for part in log.split("Compiling entry function '")[1:]:
        spilled, registers = (
            re.search(r"(\d+) bytes spill stores", part),
            re.search(r"Used (\d+) registers", part),
        )
        assert spilled and registers, part
        kernels.append((names[part.partition("'")[0]], int(spilled[1]), int(registers[1])))
    assert len(kernels) == len(names)
    with capsys.disabled():
        most = max(kernels, key=lambda k: k[2])
        print(f"\n{len(kernels)} kernels for {architecture}: at most {most[2]} registers ({most[0]})")
    for name, spilled, registers in kernels:
        assert spilled == 0 or any(word in name for word in MAY_SPILL), f"{name} spills {spilled} bytes"
        assert registers <= 128, f"{name} takes {registers} registers"
