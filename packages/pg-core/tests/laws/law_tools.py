"""Making arguments from samples, and comparing results."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pequegrad as pg
from rows import Arr, Row, Sample

# Relative errors allowed per dtype: a few units in the last place of elementary functions.
TOLERANCE = {"float64": 4e-15, "float32": 2e-6, "float16": 2e-3, "bfloat16": 1.6e-2}


def materialize(spec: Any, dtype: str, rng: np.random.Generator) -> Any:
    """The NumPy value of an argument; bfloat16 stays float32 with bfloat16 values."""
    if isinstance(spec, list):
        return [materialize(x, dtype, rng) for x in spec] if any(isinstance(x, Arr) for x in spec) else spec
    if not isinstance(spec, Arr):
        return spec
    shape = tuple(2 * d for d in spec.shape) if spec.strided else spec.shape
    if spec.kind == "u":  # indices without repetition
        values: Any = rng.permutation(np.arange(int(spec.low), int(spec.high)))[: shape[0]]
    elif spec.kind == "i":
        values = rng.integers(0, int(spec.high), shape)
    elif spec.kind == "b" or dtype == "bool":
        values = rng.integers(0, 2, shape).astype(bool)
    elif "int" in dtype:
        low, high = max(spec.low, 0 if dtype[0] == "u" else -100), spec.high
        low, high = (low, high) if high - low >= 5 else (0 if dtype[0] == "u" else -9, 9)
        if spec.low > 0:
            low, high = 1, max(spec.high, 7)
        values = rng.integers(int(np.ceil(low)), int(high), shape).astype(dtype)
        if spec.distinct and values.size and values.size < 100:
            values = rng.permutation(np.arange(values.size)).reshape(shape).astype(dtype)
    else:
        if spec.distinct:
            count = int(np.prod(shape))
            values = rng.permutation(np.linspace(spec.low, spec.high, count)).reshape(shape)
        else:
            values = rng.uniform(spec.low, spec.high, shape)
        values = round_to(values, dtype)
    values = np.asarray(values)
    return values[tuple(slice(None, None, 2) for _ in shape)] if spec.strided else values


def round_to(values: Any, dtype: str) -> Any:
    if dtype == "bfloat16":
        import ml_dtypes

        return np.asarray(values).astype(ml_dtypes.bfloat16).astype(np.float32)
    return np.asarray(values).astype(dtype)


def arguments(row: Row, sample: Sample, dtype: str) -> list[Any]:
    rng = np.random.default_rng(zlib.crc32(f"{row.name}{dtype}".encode()))
    return [materialize(x, dtype, rng) for x in sample.args]


def to_tensor(x: Any, dtype: str) -> Any:
    if isinstance(x, list):
        return [to_tensor(y, dtype) for y in x]
    if not isinstance(x, np.ndarray):
        return x
    made = pg.Tensor(x)
    return made.astype("bfloat16") if dtype == "bfloat16" and x.dtype == np.float32 else made


def flat(result: Any) -> list[Any]:
    return list(result) if isinstance(result, (list, tuple)) else [result]


def expected_dtype(row: Row, dtype: str) -> str | None:
    if row.out == "any":
        return None
    if row.out in ("bool", "int64"):
        return row.out
    is_float = "float" in dtype
    if row.out == "float":
        return dtype if is_float else "float32"
    if row.out == "sum":
        return dtype if is_float else "uint64" if dtype[0] == "u" else "int64"
    return dtype


def reference(row: Row, args: list[Any], kwargs: dict[str, Any], dtype: str) -> list[np.ndarray]:
    """The reference in float64 (floats) or in the dtype itself (integers, so that they wrap)."""

    def widen(x: Any) -> Any:
        if isinstance(x, list):
            return [widen(y) for y in x]
        if not isinstance(x, np.ndarray):
            return x
        return x.astype(np.float64) if x.dtype.kind == "f" or (row.out == "float" and x.dtype == dtype) else x

    with np.errstate(all="ignore"):
        return [np.asarray(x) for x in flat(row.reference(*[widen(x) for x in args], **kwargs))]


def numpy_of(x: Any) -> np.ndarray:
    return x.astype("float32").numpy() if x.dtype == "bfloat16" else x.numpy()


def assert_close(got: Any, want: np.ndarray, dtype: str, times: float = 1.0, what: str = "") -> None:
    values = numpy_of(got)
    assert values.shape == want.shape, f"{what}: shape {values.shape}, reference {want.shape}"
    if values.dtype.kind != "f" or got.dtype not in TOLERANCE:
        np.testing.assert_array_equal(values, want.astype(values.dtype), err_msg=what)
        return
    tolerance = TOLERANCE[got.dtype.name] * times
    scale = float(np.max(np.abs(want[np.isfinite(want)]), initial=0.0)) or 1.0
    np.testing.assert_allclose(
        values.astype(np.float64),
        want.astype(np.float64),
        rtol=tolerance,
        atol=tolerance * min(scale, 1.0) * 0.5,
        err_msg=what,
    )


def bits(x: Any) -> bytes:
    """A result to the last bit (and shape and dtype)."""
    return repr((x.shape, x.dtype)).encode() + pg._core.to_numpy(x).tobytes()
