"""User rewrite patterns: what is found, what is left alone, and that programs follow the registered set."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pequegrad as pg
import pytest

X = np.random.default_rng(0).standard_normal((4, 5)).astype(np.float32)


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    yield
    for p in pg.compiler.patterns():
        p.unregister()


def norm(x: Any, y: Any) -> Any:
    return pg.sqrt(x * x + y * y)


def found(f: Any, *args: Any) -> dict[str, int]:
    return pg.jit(f).explain(*args).patterns


def ops(f: Any, *args: Any) -> str:
    return " ".join(k.name for k in pg.jit(f).explain(*args).kernels)


def test_a_pattern_is_found_at_other_shapes_dtypes_and_orders() -> None:
    example = (pg.ShapeDtype((2, 3), "float32"),) * 2
    with pg.compiler.register_pattern(norm, pg.hypot, example=example, name="norm"):
        for x in (pg.Tensor(X), pg.Tensor(X[0]), pg.Tensor(X.astype("f8")), pg.ones((2, 1, 3))):
            y = pg.exp(x)
            assert found(lambda x, y: norm(x, y) + 1.0, x, y) == {"norm": 1}
            assert "hypot" in ops(norm, x, y) and "sqrt" not in ops(norm, x, y)
            want = np.hypot(x.numpy(), y.numpy())
            np.testing.assert_allclose(pg.jit(norm)(x, y).numpy(), want, rtol=1e-6)
            np.testing.assert_allclose(norm(x, y).numpy(), want, rtol=1e-6)
        x = pg.Tensor(X)
        assert found(lambda x, y: pg.sqrt(y * y + x * x), x, x + 1) == {"norm": 1}, "addition commutes"
        assert found(lambda x, y: norm(x + 2, norm(y, x)), x, x + 1) == {"norm": 2}
        assert found(lambda x, y: pg.sqrt(x * x + y * x), x, x + 1) == {}, "another operand"
        assert found(lambda x: pg.sqrt(x * x + 1.0), x) == {}


def test_attributes_must_agree() -> None:
    def mean_square(x: Any) -> Any:
        return (x * x).sum(1) / x.shape[1]

    with pg.compiler.register_pattern(
        mean_square, lambda x: (x * x).mean(1), example=(pg.Tensor(X),), name="mean square"
    ):
        assert found(mean_square, pg.Tensor(X[:3, :4])) == {"mean square": 1}
        assert found(lambda x: (x * x).sum(0) / x.shape[1], pg.Tensor(X)) == {}, "another axis"
        assert found(lambda x: (x * x).sum(1) / 7.0, pg.Tensor(X)) == {}, "another number"


def test_where_refuses_operands() -> None:
    with pg.compiler.register_pattern(
        norm,
        pg.hypot,
        example=(pg.Tensor(X),) * 2,
        where=lambda x, y: len(x.shape) == 2 and x.dtype == pg.float32,
    ):
        assert found(norm, pg.Tensor(X), pg.Tensor(X)) == {"norm": 1}
        assert found(norm, pg.Tensor(X[0]), pg.Tensor(X[0])) == {}
        assert found(norm, pg.Tensor(X.astype("f8")), pg.Tensor(X.astype("f8"))) == {}


def test_a_number_among_the_operands_may_be_a_literal() -> None:
    def scaled(x: Any, scale: Any) -> Any:
        return pg.tanh(x * scale)

    with pg.compiler.register_pattern(
        scaled,
        lambda x, s: 2 * pg.sigmoid(2 * s * x) - 1,
        example=(pg.Tensor(X), pg.Tensor(np.float32(0.5))),
        name="scaled",
    ):
        x = pg.Tensor(X)
        assert found(lambda x: scaled(x, 0.25), x) == {"scaled": 1}
        assert found(scaled, x, 0.25) == {"scaled": 1}
        np.testing.assert_allclose(
            pg.jit(lambda x: scaled(x, 0.25))(x).numpy(), np.tanh(X * 0.25), rtol=1e-5, atol=1e-6
        )


def test_what_others_need_stays() -> None:
    with pg.compiler.register_pattern(norm, pg.hypot, example=(pg.Tensor(X),) * 2):
        x, y = pg.Tensor(X), pg.Tensor(X + 1)

        def both(x: Any, y: Any) -> Any:
            s = x * x + y * y
            return pg.sqrt(s), s

        assert found(both, x, y) == {}


def test_patterns_apply_after_derivatives_and_under_vmap() -> None:
    x, y = pg.Tensor(X), pg.Tensor(X + 1)
    want = pg.grad(lambda x: norm(x, y).sum())(x).numpy()
    with pg.compiler.register_pattern(norm, pg.hypot, example=(x, y), name="norm"):
        value, _ = pg.jit(pg.value_and_grad(lambda x, y: norm(x, y).sum()))(x, y)
        got = pg.jit(pg.grad(lambda x: norm(x, y).sum()))(x).numpy()
        np.testing.assert_allclose(got, want, rtol=1e-5)
        assert found(pg.vmap(lambda x, y: norm(x, y) * 2.0), x, y) == {"norm": 1}
        loop = lambda x, y: pg.fori_loop(0, 3, lambda i, c: norm(c, y), x)
        assert found(loop, x, y) == {"norm": 1}
        np.testing.assert_allclose(value.item(), np.hypot(X, X + 1).sum(), rtol=1e-5)


def test_programs_follow_the_registered_set() -> None:
    f = pg.jit(lambda x, y: norm(x, y))
    x, y = pg.Tensor(X), pg.Tensor(X + 1)

    def kernel() -> str:
        return f.explain(x, y).kernels[0].name

    assert "sqrt" in kernel()
    with pg.compiler.register_pattern(norm, pg.hypot, example=(x, y)):
        explained = f.explain(x, y)
        assert "hypot" in explained.kernels[0].name
        assert explained.retrace_reason == "other rewrite patterns are registered now"
        assert "patterns replaced: norm 1 times" in str(explained)
    traces = f.explain(x, y).traces
    assert "sqrt" in kernel() and traces == 2, "the program from before fits again"
    handle = pg.compiler.register_pattern(norm, lambda x, y: pg.hypot(y, x), example=(x, y))
    assert "hypot" in kernel() and f.explain(x, y).traces == 3
    handle.unregister()
    handle.unregister()
    assert "sqrt" in kernel() and not pg.compiler.patterns()


def test_no_pattern_loops() -> None:
    x = pg.Tensor(X)
    with (
        pg.compiler.register_pattern(
            lambda x: pg.exp(x), lambda x: pg.exp(x) * 1.0 + 0.0, example=(x,), name="grows"
        ),
        pg.compiler.register_pattern(lambda x: pg.sin(x), lambda x: pg.sin(pg.sin(x) * 0 + x), example=(x,)),
    ):
        assert found(lambda x: pg.exp(pg.exp(x)), x) == {"grows": 2}
        np.testing.assert_allclose(pg.jit(lambda x: pg.sin(x))(x).numpy(), np.sin(X), rtol=1e-6)


def test_later_patterns_see_what_earlier_ones_made() -> None:
    x = pg.Tensor(X)
    first = pg.compiler.register_pattern(norm, pg.hypot, example=(x, x), name="first")
    second = pg.compiler.register_pattern(
        pg.hypot, lambda x, y: pg.sqrt(x * x + y * y), example=(x, x), name="second"
    )
    assert found(norm, x, x + 1) == {"first": 1, "second": 1}
    assert [p.name for p in pg.compiler.patterns()] == ["first", "second"]
    first.unregister()
    second.unregister()


def test_a_larger_pattern_with_products() -> None:
    def block(x: Any, w: Any, b: Any) -> Any:
        return pg.relu(x @ w + b)

    calls = []

    def run(x: np.ndarray, w: np.ndarray, b: np.ndarray) -> np.ndarray:
        calls.append(x.shape)
        return np.maximum(x @ w + b, 0)

    fused = pg.kernel(
        run, lambda x, w, b: pg.ShapeDtype((x.shape[0], w.shape[1]), x.dtype), name="fused_block"
    )
    w, b = pg.Tensor(X.T.copy()), pg.ones(4)
    with pg.compiler.register_pattern(block, fused, example=(pg.Tensor(X), w, b), name="block"):
        f = pg.jit(lambda x: block(block(x, w, b), w.T, pg.zeros(5)).sum())
        x = pg.Tensor(X[:3])
        explained = f.explain(x)
        assert explained.patterns == {"block": 2}
        assert [c.name for c in explained.library_calls] == ["host_call"] * 2
        assert "fused_block" in explained.library_calls[0].text
        h = np.maximum(X[:3] @ X.T + 1, 0)
        np.testing.assert_allclose(f(x).item(), np.maximum(h @ X, 0).sum(), rtol=1e-5)
        assert (3, 5) in calls and (3, 4) in calls


def test_what_cannot_be_registered_says_why() -> None:
    x = pg.Tensor(X)
    register = pg.compiler.register_pattern
    with pytest.raises(pg.ShapeError, match=r"float32\[4, 5\].*float32\[4\]"):
        register(lambda x: pg.exp(x), lambda x: pg.exp(x).sum(1), example=(x,))
    with pytest.raises(pg.DTypeError, match=r"float32.*float64"):
        register(lambda x: pg.exp(x), lambda x: pg.exp(x.astype("float64")), example=(x,))
    with pytest.raises(pg.InvalidValueError, match="check=False"):
        register(lambda x: pg.exp(x), lambda x: pg.exp(x) * 1.01, example=(x,))
    with pytest.raises(pg.PequegradError, match="computes nothing"):
        register(lambda x: x, lambda x: x, example=(x,))
    with pytest.raises(pg.PequegradError, match="argument 1 does not matter"):
        register(lambda x, y: pg.exp(x), lambda x, y: pg.exp(x), example=(x, x))
    with pytest.raises(pg.PequegradError, match="reads a tensor from outside"):
        register(lambda y: y + x, lambda y: y + 1.0, example=(x,))
    with pytest.raises(pg.PequegradError, match="one tensor"):
        register(lambda x: (x, x), lambda x: x, example=(x,))
    with pytest.raises(pg.PequegradError, match="refuses the example"):
        register(norm, pg.hypot, example=(x, x), where=lambda x, y: False)
    assert not pg.compiler.patterns()
    with register(lambda x: pg.exp(x), lambda x: pg.exp(x) * 2.0, example=(x,), check=False):
        np.testing.assert_allclose(pg.jit(lambda x: pg.exp(x))(x).numpy(), 2 * np.exp(X), rtol=1e-6)


def test_errors_of_a_replacement_reach_the_caller() -> None:
    def replacement(x: Any) -> Any:
        return pg.exp(x) if len(x.shape) == 2 else pg.exp(x).sum()

    with pg.compiler.register_pattern(lambda x: pg.exp(x), replacement, example=(pg.Tensor(X),)):
        with pytest.raises(pg.ShapeError, match="must agree"):
            pg.jit(lambda x: pg.exp(x))(pg.Tensor(X[0]))
        with pytest.raises(pg.ShapeError, match="must agree"):
            pg.exp(pg.Tensor(X[0])).eval()
    assert pg.exp(pg.zeros(3)).tolist() == [1.0] * 3


def test_threads_register_and_run() -> None:
    x = pg.Tensor(X)
    errors: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(5):
                with pg.compiler.register_pattern(norm, pg.hypot, example=(x, x)):
                    f = pg.jit(lambda x, y: norm(x, y))
                    np.testing.assert_allclose(f(x, x + 1).numpy(), np.hypot(X, X + 1), rtol=1e-6)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors and not pg.compiler.patterns()
