"""Kernels of users: compiled functions and Python functions as ops."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pequegrad as pg
import pytest

X = np.random.default_rng(1).standard_normal((3, 4)).astype(np.float32)

_TYPE = ctypes.CFUNCTYPE(
    None, ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(ctypes.c_int64), ctypes.POINTER(ctypes.c_double)
)


def count(shapes: Any) -> int:
    out = 1
    for i in range(shapes[0]):
        out *= shapes[1 + i]
    return out


@_TYPE
def scale_shift(buffers: Any, shapes: Any, attributes: Any) -> None:
    n = count(shapes)
    x = np.ctypeslib.as_array(ctypes.cast(buffers[0], ctypes.POINTER(ctypes.c_float)), (n,))
    out = np.ctypeslib.as_array(ctypes.cast(buffers[1], ctypes.POINTER(ctypes.c_float)), (n,))
    out[:] = x * np.float32(attributes[0]) + np.float32(attributes[1])


def same(x: Any) -> Any:
    return pg.ShapeDtype(x.shape, x.dtype)


def test_a_compiled_function_is_a_call_of_a_program() -> None:
    k = pg.kernel(scale_shift, same, attributes=(2.0, 1.0), name="scale_shift")
    f = pg.jit(lambda x: k(pg.exp(x)).sum())
    x = pg.Tensor(X)
    explained = f.explain(x)
    (call,) = explained.library_calls
    assert call.name == "host_call" and "scale_shift" in call.text and call.bytes == 2 * X.nbytes
    want = np.exp(X) * np.float32(2) + np.float32(1)
    np.testing.assert_allclose(f(x).item(), want.sum(), rtol=1e-6)
    np.testing.assert_allclose(k(pg.Tensor(X)).numpy(), X * np.float32(2) + np.float32(1))
    assert f.explain(x).traces == 1, "a kernel is one function, however often it is traced"
    address = ctypes.cast(scale_shift, ctypes.c_void_p).value
    by_address = pg.kernel(address, same, attributes=(1.0, 3.0))
    np.testing.assert_array_equal(by_address(x).numpy(), X + 3)

    class WithAddress:
        def __init__(self) -> None:
            self.address = address

    np.testing.assert_array_equal(pg.kernel(WithAddress(), same, attributes=(1.0, 3.0))(x).numpy(), X + 3)


def test_llvmlite_code_runs_without_python() -> None:
    llvm = pytest.importorskip("llvmlite.binding")
    ir = """
    define void @negate(ptr %buffers, ptr %shapes, ptr %attributes) {
    entry:
      %x = load ptr, ptr %buffers
      %slot = getelementptr ptr, ptr %buffers, i64 1
      %out = load ptr, ptr %slot
      %place = getelementptr i64, ptr %shapes, i64 1
      %n = load i64, ptr %place
      br label %loop
    loop:
      %i = phi i64 [0, %entry], [%next, %loop]
      %from = getelementptr double, ptr %x, i64 %i
      %v = load double, ptr %from
      %w = fneg double %v
      %to = getelementptr double, ptr %out, i64 %i
      store double %w, ptr %to
      %next = add i64 %i, 1
      %more = icmp slt i64 %next, %n
      br i1 %more, label %loop, label %end
    end:
      ret void
    }
    """
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine()
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(ir), machine)
    engine.finalize_object()
    k = pg.kernel(engine.get_function_address("negate"), same, name="negate")
    x = np.arange(5.0)
    np.testing.assert_array_equal(pg.jit(lambda x: k(x) + 1.0)(pg.Tensor(x)).numpy(), 1 - x)


def test_vmap_calls_it_for_each_example_or_once() -> None:
    seen = []

    def f(x: np.ndarray) -> np.ndarray:
        seen.append(x.shape)
        return np.sort(x, -1)

    x = pg.Tensor(X)
    one, all_at_once = pg.kernel(f, same), pg.kernel(f, same, vectorized=True)
    np.testing.assert_array_equal(pg.vmap(one)(x).numpy(), np.sort(X, -1))
    assert seen == [(4,)] * 3
    seen.clear()
    np.testing.assert_array_equal(pg.vmap(all_at_once)(x).numpy(), np.sort(X, -1))
    assert seen == [(3, 4)]


def test_derivatives_are_stated() -> None:
    cube = pg.kernel(lambda x: x**3, same)
    with pytest.raises(pg.UnsupportedError, match="no derivative"):
        pg.grad(lambda x: cube(x).sum())(pg.Tensor(X))

    @cube.vjp
    def _(primals: Any, ct: Any, outputs: Any) -> Any:
        return (3.0 * primals[0] ** 2 * ct,)

    x = pg.Tensor(X)
    np.testing.assert_allclose(pg.jit(pg.grad(lambda x: cube(x).sum()))(x).numpy(), 3 * X**2, rtol=1e-5)
    with pytest.raises(pg.DifferentiationError, match="stated already"):
        cube.jvp(lambda p, t: (cube(*p), t[0]))
    square = pg.kernel(lambda x: x**2, same, name="square")
    square.jvp(lambda p, t: (square(*p), 2.0 * p[0] * t[0]))
    np.testing.assert_allclose(pg.grad(lambda x: square(x).sum())(x).numpy(), 2 * X, rtol=1e-6)
    np.testing.assert_allclose(pg.jvp(square)(x, pg.ones((3, 4))).numpy(), 2 * X, rtol=1e-6)


def test_several_results_and_wrong_ones() -> None:
    both = pg.kernel(
        lambda x: (x.sum(), x.max(0)), (pg.ShapeDtype((), "float32"), pg.ShapeDtype(4, "float32"))
    )
    total, most = pg.jit(both)(pg.Tensor(X))
    np.testing.assert_allclose(total.item(), X.sum(), rtol=1e-5)
    np.testing.assert_array_equal(most.numpy(), X.max(0))
    wrong = pg.kernel(lambda x: x[0], same)
    with pytest.raises(pg.ShapeError, match="announced"):
        wrong(pg.Tensor(X)).eval()
    for bad in (3.5, None, "name"):
        with pytest.raises(pg.PequegradError, match="expected a function"):
            pg.kernel(bad, same)
    with pytest.raises(pg.PequegradError, match="attributes are for compiled"):
        pg.kernel(lambda x: x, same, attributes=(1.0,))
    with pytest.raises(pg.PequegradError, match="no address"):
        pg.kernel(0, same)


def test_cffi_pointers() -> None:
    cffi = pytest.importorskip("cffi")
    ffi = cffi.FFI()
    pointer = ffi.cast(
        "void (*)(void**, const int64_t*, const double*)", ctypes.cast(scale_shift, ctypes.c_void_p).value
    )
    k = pg.kernel(pointer, same, attributes=(1.0, 3.0))
    np.testing.assert_array_equal(k(pg.Tensor(X)).numpy(), X + 3)


def test_a_kernel_of_bfloat16_gets_its_bits() -> None:
    @_TYPE
    def copy(buffers: Any, shapes: Any, attributes: Any) -> None:
        ctypes.memmove(buffers[1], buffers[0], 2 * count(shapes))

    x = pg.Tensor(X).astype("bfloat16")
    k = pg.kernel(copy, same)
    assert k(x).dtype == pg.bfloat16 and pg.array_equal(k(x), x)
