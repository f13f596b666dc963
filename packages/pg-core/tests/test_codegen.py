"""Generated code: the interpreter's bits at every length and special value, and what happens around it: lazy
import, no compiler, a broken compiler, the disk cache. (laws/test_tiers.py has every function.)"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import accuracy
import numpy as np
import pequegrad as pg
import pytest
from pequegrad import _core

CAN = _core.codegen_status()["reason"] == ""
needs_compiler = pytest.mark.skipif(not CAN, reason=f"no code: {_core.codegen_status()['reason']}")


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = _core.set_codegen("automatic")
    yield
    _core.set_codegen(before)


def both(f: Callable[..., Any], *arrays: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Results of f interpreted and generated, with one bit pattern for every NaN."""
    out = []
    for mode in ("off", "all"):
        _core.set_codegen(mode)
        jitted = pg.jit(f)
        tensors = [pg.Tensor(a) for a in arrays]
        results = [np.array(_core.to_numpy(x)) for x in pg.pytree.leaves(jitted(*tensors))]
        if mode == "all":
            tiers = {k.tier for k in jitted.explain(*tensors).kernels}
            assert tiers <= {"generated code"}, tiers
        out.append(results)
    return out[0], out[1]


def assert_same(f: Callable[..., Any], *arrays: np.ndarray) -> None:
    for a, b in zip(*both(f, *arrays)):
        assert a.dtype == b.dtype and a.shape == b.shape
        nan = (a != a) & (b != b)
        word = np.dtype(f"u{a.itemsize}") if a.itemsize < 16 else a.dtype
        differ = (np.atleast_1d(a).view(word) != np.atleast_1d(b).view(word)) & ~np.atleast_1d(nan)
        assert not differ.any(), f"{differ.sum()} of {a.size} differ"


def patterns(n: int, seed: int) -> np.ndarray:
    """Floats of every exponent, with special values in front."""
    bits = np.random.default_rng(seed).integers(0, 2**32, n, np.uint64).astype(np.uint32)
    special = np.array([0, -0.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 1, 3e38], np.float32)
    x = bits.view(np.float32)
    x[: special.size] = special[:n]
    return x


UNARY = [
    "exp",
    "exp2",
    "expm1",
    "log",
    "log2",
    "log10",
    "log1p",
    "sin",
    "cos",
    "tan",
    "asin",
    "atan",
    "sinh",
    "tanh",
    "erf",
    "sigmoid",
    "sqrt",
    "rsqrt",
    "floor",
    "round",
]


@needs_compiler
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_functions_of_every_bit_pattern(dtype: str) -> None:
    x = patterns(5003, 1)
    with np.errstate(all="ignore"):
        given = x.astype({"float64": "float64", "float16": "float16"}.get(dtype, "float32"))

    def some(names: list[str], x: pg.Tensor) -> list[pg.Tensor]:
        return [getattr(pg, name)(x.astype(dtype)) for name in names]

    for start in range(0, len(UNARY), 6):  # a few per kernel
        assert_same(functools.partial(some, UNARY[start : start + 6]), given)
    assert_same(lambda x: [x.astype(dtype).astype(t) for t in ("int32", "uint8", "bool")], given)


@needs_compiler
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "uint32", "int64", "uint64"])
def test_integers(dtype: str) -> None:
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    rng = np.random.default_rng(2)
    x, y = (rng.integers(low, high, 301, dtype, endpoint=True) for _ in range(2))
    x[:3], y[:6] = low, [0, 1, high, 0, 1, high]
    if low < 0:
        y[6:9] = -1
    assert_same(
        lambda x, y: [
            x + y,
            x * y,
            x // y,
            x % y,
            pg.maximum(x, y),
            x < y,
            x.astype("float32"),
            x.astype("float16"),
        ],
        x,
        y,
    )
    assert_same(lambda x, y: [x << (y & 15), x >> (y & 15), x.astype("int16"), abs(x), -x, x & y], x, y)


@needs_compiler
@pytest.mark.parametrize("n", [1, 7, 8, 15, 16, 17, 31, 33, 63, 64, 65, 100, 129, 1000, 1025])
def test_every_length(n: int) -> None:
    x = np.random.default_rng(n).standard_normal((3, n)).astype(np.float32)
    assert_same(
        lambda x: [pg.exp(x) * 2, x.sum(1), x.sum(0), x.max(1), pg.softmax(x), x.T + 1, x[:, ::-1]], x
    )
    assert_same(lambda x: [(x > 0).all(1), (x > 2).any(0), x.astype("bfloat16").sum(1), x.min()], x)
    assert_same(lambda x: [pg.pad(x, ((1, 1), (2, 3))) + 1, pg.concat([x, x * 2], 1), x[:, ::2] * 3], x)


KERNELS: list[tuple[str, Callable[..., Any], tuple[int, ...]]] = [
    ("seed", lambda x: ((pg.permute(x, (0, 2, 1)) + 2) + x[:, :20].sum()).sum(2) * 3, (50, 20, 100)),
    ("layer norm", lambda x: pg.layer_norm(x, x.shape[-1]), (37, 1003)),
    ("layer norm gradient", pg.grad(lambda x: (pg.layer_norm(x, 130) ** 2).sum()), (64, 130)),
    ("softmax gradient", pg.grad(lambda x: (pg.softmax(x) ** 2).sum()), (33, 257)),
    ("variance", lambda x: pg.var(x, 0), (1000, 30)),
    ("long sum", lambda x: x.sum(), (700, 1001)),
    ("long columns", lambda x: (x * x).sum(0), (9000, 20)),
    ("short rows", lambda x: x.sum(-1), (300, 5, 3)),
    ("middle axis", lambda x: pg.logsumexp(x, 1), (6, 50, 40)),
    ("two axes", lambda x: (x + 1).prod((0, 2)), (4, 50, 4)),
    ("rows of a table", lambda x: x[pg.Tensor([5, 0, -1, 2])] * 2, (9, 70)),
    ("elements of rows", lambda x: pg.take_along_axis(x, pg.argmax(x, 1).reshape((-1, 1)), 1), (40, 33)),
    ("upper triangle", lambda x: pg.triu(x) + pg.tril(x.T), (45, 45)),
    ("windows", lambda x: x[:, 1:-1] - x[:, 2:] + x[:, :-2], (20, 131)),
    ("random", lambda x: x + pg.random.normal(pg.random.key(3), (31, 77)), (31, 77)),
    ("random bits", lambda x: pg.random.randint(pg.random.key(3), (77,), 0, 10), (1,)),
    ("empty", lambda x: [x[:0] + 1, x[:0].sum(0), x[:0].sum()], (3, 5)),
    ("scalar", lambda x: x.sum() * 2 + 1, (3,)),
    ("large", lambda x: pg.tanh(x) + pg.sum(x, 1, keepdims=True), (300, 1100)),
]


@needs_compiler
@pytest.mark.parametrize(("f", "shape"), [k[1:] for k in KERNELS], ids=[k[0] for k in KERNELS])
def test_kernels(f: Callable[..., Any], shape: tuple[int, ...], rng: np.random.Generator) -> None:
    assert_same(f, rng.standard_normal(shape).astype(np.float32))


@needs_compiler
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int8", "bool", "int64"])
@pytest.mark.parametrize("shape", [(32, 16), (33, 17), (128, 64), (129, 65), (140, 300), (3, 50, 70)])
def test_transposed_operands(dtype: str, shape: tuple[int, ...], rng: np.random.Generator) -> None:
    """Tiles of both axes, whole ones and those that stick out."""
    x = np.array(pg.astype(pg.Tensor(rng.integers(-100, 100, shape)), dtype))
    y = np.array(pg.astype(pg.Tensor(rng.integers(-100, 100, (*shape[:-2], shape[-1], shape[-2]))), dtype))

    def swap(x: pg.Tensor) -> pg.Tensor:
        return pg.swapaxes(x, -1, -2)

    def f(x: pg.Tensor, y: pg.Tensor) -> tuple[pg.Tensor, ...]:
        return pg.maximum(x, swap(y)), swap(y) == x

    def plain(x: pg.Tensor) -> pg.Tensor:
        return swap(x)

    assert_same(f, x, y)
    assert_same(plain, x)
    largest, equal = both(f, x, y)[1]
    np.testing.assert_array_equal(largest, np.maximum(x, np.swapaxes(y, -1, -2)))
    np.testing.assert_array_equal(equal, np.swapaxes(y, -1, -2) == x)
    np.testing.assert_array_equal(both(plain, x)[1][0], np.swapaxes(x, -1, -2))


@needs_compiler
@pytest.mark.parametrize(
    "shape", [(3, 20, 100), (2, 16, 32), (5, 17, 33), (2, 64, 300), (4, 40, 50), (2, 65, 40)]
)
def test_sums_that_read_across_rows(shape: tuple[int, ...], rng: np.random.Generator) -> None:
    """Lanes over the last axis of x, where y has its second: a tile per grid point where that one is short."""
    x = rng.standard_normal(shape)
    y = rng.standard_normal((shape[0], shape[2], shape[1]))

    def f(x: pg.Tensor, y: pg.Tensor) -> tuple[pg.Tensor, ...]:
        z = x + pg.swapaxes(y, 1, 2)
        return z.sum(1), pg.var(z, 1), z.max(1)

    for dtype in ("float32", "float64", "float16"):
        assert_same(f, x.astype(dtype), y.astype(dtype))
    z = x + y.swapaxes(1, 2)
    for made, want in zip(both(f, x, y)[1], (z.sum(1), z.var(1), z.max(1)), strict=True):
        np.testing.assert_allclose(made, want, rtol=1e-12, atol=1e-13)


@needs_compiler
@pytest.mark.parametrize("axes", [(0, 2, 3, 1), (0, 3, 1, 2), (3, 2, 1, 0), (2, 0, 3, 1), (1, 3, 0, 2)])
def test_permuted_copies(axes: tuple[int, ...], rng: np.random.Generator) -> None:
    x = rng.standard_normal((3, 40, 19, 33), dtype=np.float32)

    def f(x: pg.Tensor) -> pg.Tensor:
        return pg.exp(pg.permute(x, axes))

    assert_same(f, x)
    np.testing.assert_allclose(both(f, x)[1][0], np.exp(x.transpose(axes)), rtol=1e-6)


@needs_compiler
def test_outputs_beyond_the_caches_are_streamed(rng: np.random.Generator) -> None:
    assert_same(lambda x: x * 2 + 1, rng.standard_normal(9 << 20).astype(np.float32))


@needs_compiler
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("function", accuracy.FUNCTIONS, ids=[f.name for f in accuracy.FUNCTIONS])
def test_errors_stay_below_their_limits(function: accuracy.Function) -> None:
    _core.set_codegen("all")
    _core.clear_programs()
    x = accuracy.operands("float32", 6_000_007 if function.slow else 1_200_007, seed=11)
    measured = accuracy.measure(function, x)
    assert measured.wrong == 0
    assert measured.error <= function.single, measured


@needs_compiler
def test_a_bad_index_is_reported(rng: np.random.Generator) -> None:
    _core.set_codegen("all")
    x = pg.Tensor(rng.standard_normal((9, 70)).astype(np.float32))
    f = pg.jit(lambda x, i: x[i] * 2)
    for at in (9, -10, 1 << 40):
        with pytest.raises(pg.PequegradError, match=f"index {at if at >= 0 else at + 9}|index {at}"):
            f(x, pg.Tensor(np.array([1, 2, at])))
    assert f(x, pg.Tensor(np.array([1, -2]))).shape == (2, 70)


@needs_compiler
def test_equal_kernels_are_compiled_once() -> None:
    _core.set_codegen("all")
    x = pg.ones(5).eval()
    before = _core.codegen_status()
    for _ in range(3):
        pg.jit(lambda x: pg.cos(x) * 1.2345 + 0.777)(x)
    after = _core.codegen_status()
    assert after["compiled"] + after["loaded"] - before["compiled"] - before["loaded"] <= 1
    assert after["shared"] - before["shared"] == 2


@needs_compiler
def test_a_kernel_that_is_run_often_is_generated() -> None:
    f = pg.jit(lambda x: pg.exp(x) * 3.25)
    x = pg.zeros((4, 1000)).eval()
    assert f.explain(x).kernels[0].tier == "interpreter"
    before = f(x).numpy()
    for _ in range(5000):
        f(x)
    _core.finish_codegen()
    assert f.explain(x).kernels[0].tier == "generated code"
    np.testing.assert_array_equal(before, f(x).numpy())


@needs_compiler
def test_large_work_is_generated_in_the_background(rng: np.random.Generator) -> None:
    x = pg.Tensor(rng.standard_normal((1100, 1003)).astype(np.float32))
    f = pg.jit(lambda x: pg.tanh(x * 1.625) + pg.exp(-x * x))
    results = {f(x).numpy().tobytes() for _ in range(40)}  # interpreted at first
    _core.finish_codegen()
    assert f.explain(x).kernels[0].tier == "generated code"
    assert results == {f(x).numpy().tobytes()}


@needs_compiler
def test_programs_of_many_threads_are_generated(rng: np.random.Generator) -> None:
    arrays = [pg.Tensor(rng.standard_normal((300, 400 + i)).astype(np.float32)) for i in range(4)]
    wanted = [(pg.sin(x) * 2.125).sum(1).numpy() for x in arrays]

    def work(i: int) -> list[np.ndarray]:
        f = pg.jit(lambda x: (pg.sin(x) * 2.125).sum(1))
        return [f(arrays[i]).numpy() for _ in range(30)]

    with ThreadPoolExecutor(4) as pool:
        for want, got in zip(wanted, pool.map(work, range(4))):
            assert all(np.array_equal(want, g) for g in got)
    _core.finish_codegen()


# ---- other processes


def run(code: str, **environment: str) -> str:
    path = [str(Path(pg.__file__).parents[1]), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path), "PYTHONWARNINGS": "default", **environment}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


PROGRAM = """
    import sys
    import numpy as np
    import pequegrad as pg
    assert "llvmlite" not in sys.modules
    f = pg.jit(lambda x: pg.softmax(x * 2) + 1)
    x = pg.Tensor(np.arange(30, dtype=np.float32).reshape(2, 15))
    y = f(x).numpy()
    print(float(y.sum()), {k.tier for k in f.explain(x).kernels}, "llvmlite" in sys.modules)
    print(pg.debug.generated())
"""


@needs_compiler
def test_a_second_process_needs_no_compiler(tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    first = run(PROGRAM, PG_LLVM="all", PG_CACHE_DIR=cache)
    assert "{'generated code'} True" in first and "'loaded': 0" in first
    second = run(PROGRAM, PG_LLVM="all", PG_CACHE_DIR=cache)
    assert "{'generated code'} False" in second and "'compiled': 0" in second
    assert first.split()[0] == second.split()[0]
    assert (os.stat(cache).st_mode & 0o777) == 0o700


@needs_compiler
@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "other length", "noise"])
def test_damaged_entries_are_compiled_anew(tmp_path: Path, damage: str) -> None:
    cache = tmp_path / "cache"
    first = run(PROGRAM, PG_LLVM="all", PG_CACHE_DIR=str(cache))
    for entry in cache.iterdir():
        content = bytearray(entry.read_bytes())
        if damage == "cut":
            content = content[: len(content) // 2]
        elif damage == "flipped":
            content[len(content) // 2] ^= 1
        elif damage == "empty":
            content = bytearray()
        elif damage == "other length":
            content += b"more"
        else:
            content = bytearray(os.urandom(len(content)))
        entry.write_bytes(content)
    again = run(PROGRAM, PG_LLVM="all", PG_CACHE_DIR=str(cache))
    assert "'loaded': 0" in again and first.split()[0] == again.split()[0]
    assert "'compiled': 0" in run(PROGRAM, PG_LLVM="all", PG_CACHE_DIR=str(cache))


@needs_compiler
def test_an_open_folder_is_not_used(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir(mode=0o755)
    out = run(PROGRAM, PG_LLVM="all", PG_CACHE_DIR=str(cache))
    assert "compiled kernels are not kept on disk" in out and "chmod 700" in out
    assert list(cache.iterdir()) == [] and "{'generated code'}" in out


@needs_compiler
def test_the_disk_cache_can_be_switched_off(tmp_path: Path) -> None:
    out = run(PROGRAM, PG_LLVM="all", PG_CACHE_DIR=str(tmp_path / "cache"), PG_CACHE="0")
    assert "{'generated code'} True" in out and list(tmp_path.iterdir()) == []


def test_code_generation_can_be_switched_off(tmp_path: Path) -> None:
    out = run(PROGRAM, PG_LLVM="0", PG_CACHE_DIR=str(tmp_path / "cache"))
    assert "{'interpreter'} False" in out and "switched off by PG_LLVM=0" in out


@needs_compiler
def test_without_llvmlite_everything_runs(tmp_path: Path) -> None:
    hidden = """
        from importlib import metadata
        known = metadata.version
        def version(name):
            if name == "llvmlite":
                raise metadata.PackageNotFoundError(name)
            return known(name)
        metadata.version = version
    """
    out = run(
        textwrap.dedent(hidden) + textwrap.dedent(PROGRAM), PG_LLVM="all", PG_CACHE_DIR=str(tmp_path / "c")
    )
    assert "interpreter: llvmlite is not installed" in out and "Warning" not in out


@needs_compiler
def test_a_compiler_that_fails_is_told_once(tmp_path: Path) -> None:
    broken = """
        import sys
        sys.modules["llvmlite.binding"] = None
    """
    more = "\n    pg.jit(lambda x: pg.exp(x) - 1)(x).eval()\n"
    code = textwrap.dedent(broken) + textwrap.dedent(PROGRAM.rstrip() + more)
    out = run(code.replace('"llvmlite" in sys.modules', "0"), PG_LLVM="all", PG_CACHE_DIR=str(tmp_path / "c"))
    assert out.count("RuntimeWarning: kernels run on the interpreter") == 1
    assert "interpreter: " in out


@needs_compiler
def test_every_instruction_set_computes_the_same_bits(tmp_path: Path) -> None:
    code = """
        import hashlib
        import numpy as np
        import pequegrad as pg
        x = pg.Tensor(np.random.default_rng(5).standard_normal((37, 1003)).astype(np.float32))
        def f(x):
            y = pg.softmax(pg.exp(x) * pg.tanh(x)) + pg.sigmoid(x).astype("float16").astype("float32")
            return [y, x.sum(0), x.astype("bfloat16").max(1), x.T * 2, pg.exp(x.astype("float64")), x[:, ::3] > 0]
        j = pg.jit(f)
        print("bits", hashlib.sha256(b"".join(pg._core.to_numpy(y).tobytes() for y in j(x))).hexdigest())
        print({k.tier for k in j.explain(x).kernels})
    """
    found = set()
    for isa in ("avx2", "avx512"):
        out = run(code, PG_ISA=isa, PG_LLVM="all", PG_CACHE_DIR=str(tmp_path / "cache"))
        assert "{'generated code'}" in out
        found.add(out.split()[1])
    found.add(run(code, PG_LLVM="0").split()[1])
    assert len(found) == 1


@needs_compiler
def test_a_process_may_end_or_fork_while_code_is_generated(tmp_path: Path) -> None:
    code = """
        import os
        import pequegrad as pg
        x = pg.ones((1000, 1000)).eval()
        fs = [pg.jit(lambda x, i=i: pg.tanh(x + i) * pg.exp(x)) for i in range(12)]
        first = [float(f(x)[0, 0]) for f in fs]
        if os.fork() == 0:
            again = [float(f(x)[0, 0]) for f in fs]
            os._exit(0 if again == first else 1)
        assert os.wait()[1] == 0
        print("over")
    """
    assert "over" in run(code, PG_CACHE_DIR=str(tmp_path / "cache"))


def test_importing_pequegrad_imports_no_compiler() -> None:
    assert "llvmlite" not in run("import sys, pequegrad; print([m for m in sys.modules if 'llvm' in m])")
