"""Complex tensors: dtypes, interop, refusals, special values, gradients as JAX's."""

from __future__ import annotations

import cmath
import copy
import math
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pequegrad as pg
import pytest
from peers import need, wide_jax

INF, NAN = math.inf, math.nan


# ---- dtypes


@pytest.mark.parametrize(
    ("left", "right", "want"),
    [
        ("complex64", "float32", "complex64"),
        ("complex64", "float64", "complex128"),
        ("complex64", "float16", "complex64"),
        ("complex64", "bfloat16", "complex64"),
        ("complex64", "int64", "complex64"),
        ("complex64", "bool", "complex64"),
        ("complex128", "float32", "complex128"),
        ("complex128", "uint64", "complex128"),
        ("complex64", "complex128", "complex128"),
    ],
)
def test_promotion(left: str, right: str, want: str) -> None:
    x, y = pg.ones(2, dtype=left), pg.ones(2, dtype=right)
    assert (x + y).dtype == want
    assert (y + x).dtype == want
    assert (x * y).tolist() == [1, 1]


@pytest.mark.parametrize(
    ("dtype", "want"),
    [
        ("float16", "complex64"),
        ("bfloat16", "complex64"),
        ("float32", "complex64"),
        ("float64", "complex128"),
        ("int64", "complex64"),
        ("bool", "complex64"),
        ("complex128", "complex128"),
    ],
)
def test_python_complex_numbers_are_weak(dtype: str, want: str) -> None:
    x = pg.ones(2, dtype=dtype)
    assert (x + 1j).dtype == want
    assert (1j * x).dtype == want
    assert (1j * x).tolist() == [1j, 1j]
    assert pg.jit(lambda v: v * 2j + 1)(x).dtype == want


def test_real_numbers_keep_complex_dtypes() -> None:
    x = pg.Tensor(np.array([1 + 2j], np.complex64))
    assert (x * 0.1).dtype == "complex64"
    assert (x + np.float64(3)).dtype == "complex64"
    assert (x.astype("complex128") * 0.1).item() == (1 + 2j) * 0.1


def test_making() -> None:
    assert pg.Tensor(1 + 2j).dtype == "complex64"
    assert pg.Tensor([1, 2j]).tolist() == [1, 2j]
    assert pg.Tensor([1, 0.1j], dtype="complex128").tolist() == [1, 0.1j]
    assert pg.full((2,), 1j).tolist() == [1j, 1j]
    assert pg.full((2,), 1j, dtype="complex128").dtype == "complex128"
    assert pg.zeros(2, dtype=complex).dtype == "complex64"
    assert pg.eye(2, dtype="complex64").tolist() == [[1, 0], [0, 1]]
    assert pg.arange(3, dtype="complex64").tolist() == [0, 1, 2]
    assert pg.complex(1.0, 2.0).item() == 1 + 2j
    assert pg.complex(pg.ones(2, dtype="float16"), pg.ones(2, dtype="int8")).dtype == "complex64"
    assert pg.complex(pg.ones(2, dtype="float64"), 1.0).dtype == "complex128"
    assert pg.full((2,), complex(-0.0, -0.0)).numpy().view(np.uint32).tolist() == [2**31] * 4
    assert pg.iscomplexobj(pg.zeros(1, dtype="complex64"))
    assert pg.isrealobj([1.0])


def test_conversions() -> None:
    x = pg.Tensor(np.array([0, 1j, complex(NAN, 0)], np.complex64))
    assert x.astype("bool").tolist() == [False, True, True]
    assert x.astype("complex128").dtype == "complex128"
    assert pg.Tensor([1, 2]).astype("complex128").tolist() == [1, 2]
    for dtype in ("float32", "float64", "int32", "float16"):
        with pytest.raises(pg.DTypeError, match="imaginary part"):
            x.astype(dtype)
    with pytest.raises(pg.DTypeError, match="complex number"):
        pg.full((2,), 1j, dtype="float32")
    with pytest.raises(TypeError):
        float(pg.Tensor(1j))
    with pytest.raises(pg.DTypeError, match="in-place"):
        y = pg.ones(2)
        y += 1j


def test_parts_as_attributes() -> None:
    z = pg.Tensor([1 + 2j, -3j])
    assert z.real.tolist() == [1, 0]
    assert z.imag.tolist() == [2, -3]
    assert z.conj().tolist() == z.conjugate().tolist() == [1 - 2j, 3j]
    np.testing.assert_allclose(z.angle().numpy(), np.angle(z.numpy()), rtol=1e-6)
    x = pg.Tensor([1.5])
    assert x.real is x
    assert x.imag.tolist() == [0]


# ---- interop


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_travels(dtype: str, rng: np.random.Generator) -> None:
    array = (rng.standard_normal((3, 4)) + 1j * rng.standard_normal((3, 4))).astype(dtype)
    x = pg.Tensor(array)
    assert x.dtype == dtype
    assert x.dtype.itemsize * 12 == x.nbytes
    np.testing.assert_array_equal(x.numpy(), array)
    np.testing.assert_array_equal(np.asarray(memoryview(x)), array)
    np.testing.assert_array_equal(np.from_dlpack(x), array)
    np.testing.assert_array_equal(pg.from_dlpack(array).numpy(), array)
    np.testing.assert_array_equal(pg.from_numpy(array).numpy(), array)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(x)).numpy(), array)
    assert copy.deepcopy(x).tolist() == array.tolist()
    assert x[0, 0].item() == array[0, 0]
    assert complex(x[1, 2]) == array[1, 2]
    assert complex(pg.Tensor(2)) == 2
    assert bool(x[0, 0])
    assert "j" in repr(x)
    torch = need("torch")
    np.testing.assert_array_equal(pg.Tensor(torch.from_numpy(array)).numpy(), array)
    np.testing.assert_array_equal(torch.from_dlpack(x).numpy(), array)


# ---- what is refused


@pytest.mark.parametrize(
    "f",
    [
        lambda z: z < z,
        lambda z: z >= 1.0,
        pg.sort,
        pg.argsort,
        pg.max,
        pg.argmin,
        pg.cummax,
        lambda z: pg.maximum(z, z + 1),
        lambda z: z // z,
        lambda z: z % z,
        pg.floor,
        pg.trunc,
        pg.erf,
        pg.signbit,
        lambda z: pg.atan2(z, z),
        lambda z: z & z,
        lambda z: z.at[0].max(z[1]),
        lambda z: pg.clip(z, 0, 1),
    ],
)
def test_complex_numbers_have_no_order(f: Callable[..., Any]) -> None:
    z = pg.Tensor([1 + 1j, 2])
    with pytest.raises(pg.DTypeError):
        f(z).eval()


# ---- special values: those of C99 Annex G, which the array API standard asks for

FUNCTIONS = {
    "exp": cmath.exp, "log": cmath.log, "sqrt": cmath.sqrt, "sinh": cmath.sinh, "cosh": cmath.cosh,
    "tanh": cmath.tanh, "sin": cmath.sin, "cos": cmath.cos, "tan": cmath.tan, "asin": cmath.asin,
    "acos": cmath.acos, "atan": cmath.atan, "asinh": cmath.asinh, "acosh": cmath.acosh, "atanh": cmath.atanh,
}  # fmt: skip
PARTS = [0.0, -0.0, 1.0, -1.0, 0.5, -2.0, 1e-300, 1e-20, 30.0, -750.0, 1e200, -1e305, INF, -INF, NAN]


# Newer texts know a part here where cmath says NaN for both: a zero, or half a turn.
KNOWN_SINCE_C23 = {"tanh": (0.0, NAN), "tan": (NAN, 0.0), "acosh": (0.0, NAN)}


def same(z: complex, got: complex, want: complex) -> bool:
    """Beside a NaN the sign of the other part is nobody's business."""
    if cmath.isnan(z) or cmath.isnan(want):
        return same_part(abs(got.real), abs(want.real)) and same_part(abs(got.imag), abs(want.imag))
    return same_part(got.real, want.real) and same_part(got.imag, want.imag)


def same_part(got: float, want: float) -> bool:
    if math.isnan(want) or math.isnan(got):
        return math.isnan(want) and math.isnan(got)
    if want == 0:
        return got == 0 and math.copysign(1, got) == math.copysign(1, want)
    return math.isclose(got, want, rel_tol=4e-15, abs_tol=5e-324)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_special_values_are_those_of_c(name: str) -> None:
    points = [complex(re, im) for re in PARTS for im in PARTS]
    late = KNOWN_SINCE_C23.get(name, (1.0, 1.0))
    points = [z for z in points if (repr(abs(z.real)), repr(abs(z.imag))) != (repr(late[0]), repr(late[1]))]
    got = getattr(pg, name)(pg.Tensor(np.array(points, np.complex128))).numpy()
    wrong = []
    for z, w in zip(points, got, strict=True):
        try:
            want = FUNCTIONS[name](z)
        except OverflowError:  # infinite, with signs that cmath does not tell
            assert np.isinf(w), f"{name}({z}) = {w}"
            continue
        except ValueError:  # a pole or an invalid operand, where C has a value
            with np.errstate(all="ignore"):
                want = complex(getattr(np, _NUMPY.get(name, name))(np.complex128(z)))
        # Where C has the sign of sin 2y, the array API standard has that of y.
        if name == "tanh" and math.isinf(z.real) and math.isfinite(z.imag):
            want = complex(want.real, math.copysign(0.0, z.imag))
        elif name == "tan" and math.isinf(z.imag) and math.isfinite(z.real):
            want = complex(math.copysign(0.0, z.real), want.imag)
        if not same(z, w, want):
            wrong.append(f"{name}({z}) = {w}, not {want}")
    assert not wrong, f"{len(wrong)} of {len(points)}: " + "; ".join(wrong[:12])


_NUMPY = {n: "arc" + n[1:] for n in ("asin", "acos", "atan", "asinh", "acosh", "atanh")}


def test_division_by_zero_and_overflow() -> None:
    z = pg.Tensor(np.array([1 + 1j, 1e300 + 1e300j, -1j], np.complex128))
    w = pg.Tensor(np.array([0, 1e300 - 1e300j, 0], np.complex128))
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal((z / w).numpy(), z.numpy() / w.numpy())
    assert abs(pg.Tensor(np.array([3e300 + 4e300j, complex(INF, NAN), complex(NAN, -INF), 5e-324j]))).tolist() == [
        5e300, INF, INF, 5e-324,
    ]  # fmt: skip


# ---- gradients as JAX's

UNARY = [
    "exp", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "asin", "acos", "atan", "asinh", "acosh",
    "atanh", "square", "reciprocal", "log1p", "expm1", "conj", "exp2", "log2", "log10",
]  # fmt: skip


@pytest.fixture(scope="module")
def jnp() -> Iterator[Any]:
    with wide_jax():
        yield need("jax.numpy")


def points(count: int = 5) -> np.ndarray:
    rng = np.random.default_rng(7)
    return rng.uniform(-1.5, 1.5, count) + 1j * rng.uniform(0.2, 1.5, count)


@pytest.mark.parametrize("name", UNARY)
def test_gradient_of_a_real_value_equals_jax(name: str, jnp: Any) -> None:
    import jax

    z, c = points(), points(5)[::-1].copy()
    if name == "acosh":  # JAX's derivative leaves the branch of the function to the left of the axis
        z = np.abs(z.real) + 1j * z.imag
    jax_name = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "asinh": "arcsinh", "acosh": "arccosh",
                "atanh": "arctanh"}.get(name, name)  # fmt: skip
    want = jax.grad(lambda x: (jnp.real(getattr(jnp, jax_name)(x) * c) ** 2).sum())(z)
    got = pg.grad(lambda x: (pg.real(getattr(pg, name)(x) * pg.Tensor(c)) ** 2).sum())(pg.Tensor(z))
    np.testing.assert_allclose(got.numpy(), np.asarray(want), rtol=1e-11, atol=1e-12)


LOSSES: dict[str, Callable[..., Any]] = {
    "abs": lambda np_, z: (np_.abs(z) ** 3).sum(),
    "angle": lambda np_, z: (np_.angle(z) ** 2).sum(),
    "real and imag": lambda np_, z: (np_.real(z) * np_.imag(z) ** 2).sum(),
    "product": lambda np_, z: np_.abs(np_.prod(z)),
    "cumprod": lambda np_, z: np_.real(np_.cumprod(z)).sum(),
    "quotient": lambda np_, z: np_.real(z / (z * z + 2.0)).sum(),
    "power": lambda np_, z: np_.real(z ** (1.5 + 0.5j)).sum(),
    "matmul": lambda np_, z: np_.abs(z[:, None] @ np_.conj(z)[None, :] @ z),
    "from real": lambda np_, z: np_.abs(np_.exp(1j * np_.real(z)) + np_.imag(z)).sum(),
    "var": lambda np_, z: np_.var(z) + np_.std(z),
    "vdot": lambda np_, z: np_.real(np_.vdot(z, z * z)),
    "where": lambda np_, z: np_.real(np_.where(np_.real(z) > 0, z * z, np_.conj(z))).sum(),
}  # fmt: skip
LOSSES["matmul"] = lambda np_, z: (np_.abs(z[:, None] @ np_.conj(z)[None, :] @ z) ** 2).sum()


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_equal_jax(name: str, jnp: Any) -> None:
    import jax

    loss, z = LOSSES[name], points()
    want = jax.grad(lambda x: loss(jnp, x))(z)
    got = pg.grad(lambda x: loss(pg, x))(pg.Tensor(z))
    np.testing.assert_allclose(got.numpy(), np.asarray(want), rtol=1e-11, atol=1e-12)
    again = pg.jit(pg.grad(lambda x: loss(pg, x)))(pg.Tensor(z))
    np.testing.assert_allclose(again.numpy(), got.numpy(), rtol=1e-13)


def test_gradient_by_a_real_argument_through_complex_numbers(jnp: Any) -> None:
    import jax

    x = np.array([0.3, -0.7])
    want = jax.grad(lambda v: jnp.real(jnp.exp(1j * v) * (2 - 1j)).sum())(x)
    got = pg.grad(lambda v: pg.real(pg.exp(1j * v) * (2 - 1j)).sum())(pg.Tensor(x))
    assert got.dtype == "float64"
    np.testing.assert_allclose(got.numpy(), np.asarray(want), rtol=1e-13)


def test_vjp_and_jvp_of_complex_outputs_equal_jax(jnp: Any) -> None:
    import jax

    z, t = points(), points()[::-1].copy()
    _, pull = jax.vjp(lambda x: jnp.sin(x) * jnp.conj(x), z)
    (got,) = pg.vjp(lambda x: pg.sin(x) * pg.conj(x))(pg.Tensor(z), pg.Tensor(t))
    np.testing.assert_allclose(got.numpy(), np.asarray(pull(t)[0]), rtol=1e-12)
    _, want = jax.jvp(lambda x: jnp.sin(x) * jnp.conj(x), (z,), (t,))
    pushed = pg.jvp(lambda x: pg.sin(x) * pg.conj(x))(pg.Tensor(z), pg.Tensor(t))
    np.testing.assert_allclose(pushed.numpy(), np.asarray(want), rtol=1e-12)


def test_holomorphic_derivatives() -> None:
    z = pg.Tensor(np.complex128(0.3 + 0.4j))
    d = pg.grad(pg.sin, holomorphic=True)
    np.testing.assert_allclose(d(z).numpy(), np.cos(0.3 + 0.4j))
    np.testing.assert_allclose(pg.grad(d, holomorphic=True)(z).numpy(), -np.sin(0.3 + 0.4j))
    with pytest.raises(pg.DifferentiationError, match="real value"):
        pg.grad(pg.sin)(z)
    with pytest.raises(pg.DifferentiationError, match="complex arguments"):
        pg.grad(lambda x: x + 1j, holomorphic=True)(pg.Tensor(1.0))
    with pytest.raises(pg.DifferentiationError, match="returned float64"):
        pg.grad(pg.abs, holomorphic=True)(z)


def test_second_derivatives_equal_jax(jnp: Any) -> None:
    import jax

    z, t = points(), points()[::-1].copy()
    for loss in (LOSSES["abs"], LOSSES["quotient"], LOSSES["power"]):
        _, want = jax.jvp(jax.grad(lambda x, loss=loss: loss(jnp, x)), (z,), (t,))
        got = pg.jvp(pg.grad(lambda x, loss=loss: loss(pg, x)))(pg.Tensor(z), pg.Tensor(t))
        np.testing.assert_allclose(got.numpy(), np.asarray(want), rtol=1e-10, atol=1e-11)


def test_derivatives_at_zero_are_finite() -> None:
    z = pg.Tensor(np.zeros(2, np.complex128))
    assert pg.grad(lambda x: pg.abs(x).sum())(z).tolist() == [0, 0]
    assert pg.grad(lambda x: pg.real(pg.prod(x)))(z).tolist() == [0, 0]


def test_jacobians_equal_jax(jnp: Any) -> None:
    import jax

    z, x = points(), np.linspace(-1, 2, 3)
    holomorphic = lambda like: lambda a: like.sin(a) * a.sum()
    for name in ("jacfwd", "jacrev", "hessian"):
        want = getattr(jax, name)(holomorphic(jnp), holomorphic=True)(z)
        got = getattr(pg, name)(holomorphic(pg), holomorphic=True)(pg.Tensor(z))
        np.testing.assert_allclose(got.numpy(), np.asarray(want), rtol=1e-10, atol=1e-10)
    real = lambda like: lambda a: like.abs(a) * like.real(a.sum())
    by_reverse = pg.jacrev(real(pg))(pg.Tensor(z))
    np.testing.assert_allclose(by_reverse.numpy(), np.asarray(jax.jacrev(real(jnp))(z)), rtol=1e-10)
    turned = lambda like: lambda a: like.exp(1j * a) * a.sum()
    by_forward = pg.jacfwd(turned(pg))(pg.Tensor(x))
    np.testing.assert_allclose(by_forward.numpy(), np.asarray(jax.jacfwd(turned(jnp))(x)), rtol=1e-10)
    for f, at, want in ((real(pg), z, by_reverse), (turned(pg), x, by_forward)):
        assert pg.fnjacobian(f)(pg.Tensor(at))[0].tolist() == want.tolist()


@pytest.mark.parametrize(
    ("transform", "f", "argument", "message"),
    [
        (pg.jacfwd, pg.sin, 1j, "complex argument in forward mode"),
        (pg.jacfwd, pg.abs, 1j, "or use jacrev"),
        (pg.jacrev, lambda x: pg.exp(1j * x), 1.0, "or use jacfwd"),
        (pg.jacrev, pg.sin, 1j, "needs holomorphic=True; where the function is not, take real"),
        (pg.fnjacobian, pg.conj, 1j, "holomorphic=True"),
        (lambda f: pg.jacrev(f, holomorphic=True), pg.abs, 1j, "needs complex results"),
        (lambda f: pg.jacfwd(f, holomorphic=True), pg.sin, 1.0, "needs complex arguments"),
    ],
)
def test_jacobians_that_are_no_complex_numbers(
    transform: Any, f: Any, argument: complex, message: str
) -> None:
    with pytest.raises(pg.DifferentiationError, match=message):
        transform(f)(pg.Tensor([argument]))


def test_check_grads_of_complex_functions() -> None:
    z, x = pg.Tensor(points()), pg.Tensor([0.5, 1.5], "float64")
    pg.check_grads(lambda a: pg.sin(a) * pg.conj(a), [z])
    pg.check_grads(lambda a, b: {"abs": pg.abs(a), "turned": pg.exp(1j * b) * a.sum()}, [z, x], order=1)

    @pg.custom_jvp
    def wrong(a: Any) -> Any:
        return a * a

    wrong.defjvp(lambda primals, tangents: (wrong(primals[0]), 2 * pg.conj(primals[0]) * tangents[0]))
    for mode in ("fwd", "rev"):
        with pytest.raises(pg.GradientError, match=r"args\[0\]\[\d\]\.imag: derivative"):
            pg.check_grads(wrong, [z], order=1, modes=mode)
