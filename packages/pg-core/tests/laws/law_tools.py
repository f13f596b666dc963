"""Making arguments from samples, and comparing results."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pequegrad as pg
from rows import Arr, Row, Sample

# Relative errors allowed per dtype: a few units in the last place of elementary functions.
TOLERANCE = {"float64": 4e-15, "float32": 2e-6, "float16": 2e-3, "bfloat16": 1.6e-2}
TOLERANCE |= {"complex128": 8e-15, "complex64": 4e-6}


def materialize(spec: Any, dtype: str, rng: np.random.Generator, slot: int | None = None) -> Any:
    """The NumPy value of an argument; bfloat16 stays float32 with bfloat16 values.

    With ``slot``, its place among the array arguments, floats lie on a grid that every floating dtype holds,
    away from integers, halves and zero, and on no point of another argument's grid.
    """
    if isinstance(spec, (list, tuple)) and not isinstance(spec, Arr):
        if not any(isinstance(x, Arr) for x in spec):
            return spec
        return type(spec)(
            materialize(x, dtype, rng, slot if slot is None else slot + i) for i, x in enumerate(spec)
        )
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
        values = _integers(spec, dtype, rng, shape)
    elif "complex" in dtype:
        re, im = (_reals(spec, rng, shape, slot) for _ in range(2))
        values = (re + 1j * im).astype(dtype)
    else:
        values = round_to(_reals(spec, rng, shape, slot), dtype)
    values = np.asarray(values)
    return values[tuple(slice(None, None, 2) for _ in shape)] if spec.strided else values


def _integers(spec: Arr, dtype: str, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    low, high = max(spec.low, 0 if dtype[0] == "u" else -100), spec.high
    low, high = (low, high) if high - low >= 5 else (0 if dtype[0] == "u" else -9, 9)
    if spec.low > 0:
        low, high = 1, max(spec.high, 7)
    values = rng.integers(int(np.ceil(low)), int(high), shape).astype(dtype)
    if spec.distinct and 0 < values.size < 100:
        values = rng.permutation(np.arange(values.size)).reshape(shape).astype(dtype)
    return values


def _reals(spec: Arr, rng: np.random.Generator, shape: tuple[int, ...], slot: int | None) -> np.ndarray:
    count = int(np.prod(shape))
    if slot is None:
        if spec.distinct:
            return rng.permutation(np.linspace(spec.low, spec.high, count)).reshape(shape)
        return rng.uniform(spec.low, spec.high, shape)
    unit = 2.0 ** (np.ceil(np.log2(max(abs(spec.low), abs(spec.high)))) - 8)  # bfloat16 has 8 bits
    points = np.arange(np.ceil(spec.low / unit), np.floor(spec.high / unit) + 1)
    if count < points.size // 4:
        points = points[points % 4 == slot % 3 + 1]
    elif count <= points.size // 2 or not spec.distinct:
        points = points[points % 2 == 1]
    return unit * (
        rng.permutation(points)[:count] if count <= points.size else rng.choice(points, count)
    ).reshape(shape)


def round_to(values: Any, dtype: str) -> Any:
    if dtype == "bfloat16":
        import ml_dtypes

        return np.asarray(values).astype(ml_dtypes.bfloat16).astype(np.float32)
    return np.asarray(values).astype(dtype)


class Bound:
    """A sample with its arrays taken out: the op and its reference as functions of arrays alone.

    ``values`` are the arrays, in the order of arguments and keywords, lists opened; ``typed`` those that have
    the cell's dtype, ``wrt`` those with a derivative.
    """

    def __init__(self, row: Row, sample: Sample, dtype: str, entry: int = 0, grid: bool = False) -> None:
        self.row, self.sample, self.dtype = row, sample, dtype
        rng = np.random.default_rng(zlib.crc32(f"{row.name}{dtype}{entry or ''}".encode()))
        self.values: list[np.ndarray] = []
        self.typed: list[int] = []
        self.wrt: list[int] = []
        self._args = [self._open(x, rng, grid, i) for i, x in enumerate(sample.args)]
        self._kwargs = {k: self._open(x, rng, grid, k) for k, x in sample.kwargs.items()}

    def _open(self, spec: Any, rng: np.random.Generator, grid: bool, place: int | str) -> Any:
        """The argument with places instead of arrays."""
        if isinstance(spec, (list, tuple)) and not isinstance(spec, Arr):
            return type(spec)(self._open(x, rng, grid, place) for x in spec)
        if not isinstance(spec, Arr):
            return spec
        index = len(self.values)
        self.values.append(materialize(spec, self.dtype, rng, index if grid else None))
        if spec.kind == "":
            self.typed.append(index)
            if not self.row.diff or place in self.row.diff:
                self.wrt.append(index)
        return Place(index)

    def _filled(self, spec: Any, arrays: Sequence[Any]) -> Any:
        if isinstance(spec, Place):
            return arrays[spec.index]
        if isinstance(spec, (list, tuple)):
            return type(spec)(self._filled(x, arrays) for x in spec)
        return spec

    def ours(self, *arrays: Any) -> list[Any]:
        """The results of pequegrad on tensors."""
        kwargs = {k: self._filled(x, arrays) for k, x in self._kwargs.items()}
        if self.row.typed:
            kwargs["dtype"] = self.dtype
        return flat(self.row.function(*[self._filled(x, arrays) for x in self._args], **kwargs))

    def reference(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The oracle's results: in double precision for floats, in the dtype itself for integers, so that
        they wrap.
        """

        def widen(x: np.ndarray) -> Any:
            if x.dtype.kind in "fc":
                return x.astype(np.float64 if x.dtype.kind == "f" else np.complex128)
            return x.astype(np.float64) if self.row.out == "float" and x.dtype == self.dtype else x

        given = [widen(x) for x in arrays]
        kwargs = {k: self._filled(x, given) for k, x in self._kwargs.items()}
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            out = self.row.reference(*[self._filled(x, given) for x in self._args], **kwargs)
            made = [np.asarray(x) for x in flat(out)]
            return (
                [x.astype(self.dtype if self.dtype != "bfloat16" else "float64") for x in made]
                if self.row.typed
                else made
            )

    def tensors(self) -> list[Any]:
        return [to_tensor(x, self.dtype) for x in self.values]


class Place(NamedTuple):
    index: int


def bind(row: Row, index: int, dtype: str, entry: int = 0, grid: bool = False) -> Bound:
    return Bound(row, row.samples[index], dtype, entry, grid)


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
    if "complex" in dtype:
        return {"complex64": "float32", "complex128": "float64"}[dtype] if row.out == "real" else dtype
    if row.out == "float":
        return dtype if is_float else "float32"
    if row.out == "sum":
        return dtype if is_float else "uint64" if dtype[0] == "u" else "int64"
    return dtype


def numpy_of(x: Any) -> np.ndarray:
    return x.astype("float32").numpy() if x.dtype == "bfloat16" else x.numpy()


def assert_close(got: Any, want: np.ndarray, dtype: str, times: float = 1.0, what: str = "") -> None:
    values = numpy_of(got)
    assert values.shape == want.shape, f"{what}: shape {values.shape}, reference {want.shape}"
    if values.dtype.kind not in "fc":
        np.testing.assert_array_equal(values, want.astype(values.dtype), err_msg=what)
        return
    tolerance = TOLERANCE[got.dtype.name] * times
    scale = float(np.max(np.abs(want[np.isfinite(want)]), initial=0.0)) or 1.0
    np.testing.assert_allclose(
        values.astype(np.complex128 if values.dtype.kind == "c" else np.float64),
        want.astype(np.complex128 if values.dtype.kind == "c" else np.float64),
        rtol=tolerance,
        atol=tolerance * min(scale, 1.0) * 0.5,
        err_msg=what,
    )


def bits(x: Any) -> bytes:
    """A result to the last bit (and shape and dtype)."""
    return repr((x.shape, x.dtype)).encode() + pg._core.to_numpy(x).tobytes()
