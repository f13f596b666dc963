"""Control flow: values, shapes of errors, launches, and what is stored. Derivatives: test_control_derivatives."""

from __future__ import annotations

import gc
import threading
from typing import Any

import numpy as np
import pequegrad as pg
import pytest


def arr(x, dtype="float64") -> pg.Tensor:
    return pg.Tensor(np.asarray(x, dtype))


def launches(f, *args):
    pg.eval(*[a for a in args if isinstance(a, pg.Tensor)]) if args else None
    before = pg.debug.launches()
    result = f(*args)
    pg.eval(result)
    return pg.debug.launches() - before


# ---- branches


def test_cond_takes_one_branch_and_launches_only_that() -> None:
    def f(p, x):
        return pg.cond(p, lambda v: v + 1.0, lambda v: pg.matmul(pg.matmul(pg.matmul(v, v), v), v), x)

    x = pg.ones((3, 3))
    for g in (f, pg.jit(f)):
        g(pg.Tensor(True), x), g(pg.Tensor(False), x)
        assert launches(g, pg.Tensor(True), x) == 1
        assert launches(g, pg.Tensor(False), x) == 3
    np.testing.assert_array_equal(f(pg.Tensor(True), x).numpy(), 2.0)
    np.testing.assert_array_equal(f(pg.Tensor(False), x).numpy(), 27.0)


def test_branches_return_pytrees_and_capture() -> None:
    w = arr(3.0)
    f = pg.jit(lambda p, x: pg.cond(p, lambda: {"a": x * w, "b": (x,)}, lambda: {"a": w, "b": (x - w,)}))
    assert f(pg.Tensor(True), arr(2.0))["a"].item() == 6.0
    assert f(pg.Tensor(False), arr(2.0))["b"][0].item() == -1.0
    w.assign(arr(5.0))  # captured through its handle
    assert f(pg.Tensor(True), arr(2.0))["a"].item() == 10.0


def test_a_python_predicate_chooses_at_trace_time() -> None:
    assert pg.cond(True, lambda: 1, lambda: "untraceable") == 1
    assert pg.cond(0, lambda: 1, lambda: 2) == 2
    assert pg.switch(7, [lambda: 1, lambda: 2]) == 2
    assert pg.ifelse(False, 1, 2) == 2
    assert pg.ifelse(arr(1.0), 1, 2).item() == 1


@pytest.mark.parametrize(
    ("index", "expected"), [(-5, 0.0), (0, 0.0), (1, 10.0), (2, 20.0), (9, 20.0), (2**40, 20.0)]
)
def test_switch_clamps(index: int, expected: float) -> None:
    branches = [lambda x: x * 0.0, lambda x: x * 10.0, lambda x: x * 20.0]
    assert pg.jit(lambda i: pg.switch(i, branches, 1.0))(pg.Tensor(index)).item() == expected


def test_weak_results_follow_strong_ones() -> None:
    out = pg.cond(pg.Tensor(True), lambda x: x, lambda x: 0, arr(2.5, "float32"))
    assert (out.dtype, out.item()) == (pg.float32, 2.5)
    out = pg.cond(pg.Tensor(False), lambda x: x, lambda x: 0, arr(2.5, "float16"))
    assert (out.dtype, out.item()) == (pg.float16, 0.0)


def test_branch_errors_say_what_differs() -> None:
    p, x = pg.Tensor(True), pg.zeros(3)
    with pytest.raises(pg.ShapeError, match=r"float32\[1\] in one branch and float32\[3\]"):
        pg.cond(p, lambda: x, lambda: x[:1])
    with pytest.raises(pg.ShapeError, match="int32"):
        pg.cond(p, lambda: x, lambda: x.astype("int32"))
    with pytest.raises(pg.PytreeError, match="branch"):
        pg.cond(p, lambda: (x,), lambda: x)
    with pytest.raises(pg.ShapeError, match="scalar"):
        pg.cond(x > 0, lambda: x, lambda: x)
    with pytest.raises(pg.ArgumentError, match="str"):
        pg.cond(p, lambda: "a", lambda: "b")
    for bad in (None, "yes", [1]):
        with pytest.raises(pg.ArgumentError):
            pg.cond(bad, lambda: x, lambda: x)
    with pytest.raises(pg.ArgumentError):
        pg.cond(p, 1, 2)
    with pytest.raises(pg.ArgumentError):
        pg.switch(pg.Tensor(0), [])
    with pytest.raises(pg.ArgumentError):
        pg.switch(pg.Tensor(0.5), [lambda: x])


# ---- scan


def reference_scan(f, carry, xs, reverse=False):
    ys = [None] * len(xs)
    for i in reversed(range(len(xs))) if reverse else range(len(xs)):
        carry, ys[i] = f(carry, xs[i])
    return carry, np.stack(ys)


def test_results_of_a_scan_that_nobody_reads_are_not_computed() -> None:
    def step(carry: Any, x: pg.Tensor) -> Any:
        total, count, product = carry
        return (total + pg.sin(x), count + 1.0, product * pg.cos(x)), (x * count, pg.exp(x) * total)

    xs, zero = pg.Tensor(np.linspace(0, 1, 12, dtype=np.float32).reshape(4, 3)), pg.zeros(3)

    def f(xs: pg.Tensor) -> Any:
        return pg.scan(step, (zero, zero, zero + 1), xs)

    whole = f(xs)
    for pick in (
        lambda r: r[0][0],
        lambda r: r[0][1],
        lambda r: r[0][2],
        lambda r: r[1][0],
        lambda r: r[1][1],
    ):
        read = pg.jit(lambda xs, pick=pick: pick(f(xs)))
        np.testing.assert_array_equal(read(xs).numpy(), pick(whole).numpy())
    ops = pg.jit(lambda xs: f(xs)[1][0]).explain(xs).text
    inside = "".join(k.source for k in pg.jit(lambda xs: f(xs)[1][0]).explain(xs).kernels)
    assert "add(" in inside and not any(op in inside for op in ("sin(", "cos(", "exp(")), ops


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("unroll", [1, 2, 3, True])
@pytest.mark.parametrize("jit", [False, True])
def test_scan_against_a_loop(reverse: bool, unroll: int, jit: bool) -> None:
    xs = np.random.default_rng(0).normal(size=(7, 3))

    def step(c, x):
        return c * 0.5 + x, c * x

    f = lambda c, x: pg.scan(step, c, x, reverse=reverse, unroll=unroll)
    carry, ys = (pg.jit(f) if jit else f)(arr([1.0, 2.0, 3.0]), arr(xs))
    want_carry, want_ys = reference_scan(step, np.array([1.0, 2.0, 3.0]), xs, reverse)
    np.testing.assert_allclose(carry.numpy(), want_carry, rtol=1e-14)
    np.testing.assert_allclose(ys.numpy(), want_ys, rtol=1e-14)


def test_scan_hands_carries_on_and_exchanges_them() -> None:
    def step(c, x):
        a, b, fixed = c
        return (b, a + x, fixed), (a, fixed)

    (a, b, fixed), (rows, same) = pg.scan(step, (0, 1, arr([7.0])), pg.arange(4))
    p, q, seen = 0, 1, []
    for x in range(4):
        seen.append(p)
        p, q = q, p + x
    assert (a.item(), b.item(), fixed.tolist(), rows.tolist()) == (p, q, [7.0], seen)
    assert same.shape == (4, 1)


def test_scan_of_length_zero_and_without_slices() -> None:
    carry, ys = pg.scan(lambda c, x: (c + x, c), arr(4.0), pg.zeros((0,), dtype="float64"))
    assert (carry.item(), ys.shape) == (4.0, (0,))
    carry, ys = pg.scan(lambda c, _: (c * 2, c), 1, None, length=5)
    assert (carry.item(), ys.tolist()) == (32, [1, 2, 4, 8, 16])
    assert pg.scan(lambda c, x: (None, x + 1), None, pg.arange(3))[1].tolist() == [1, 2, 3]
    assert pg.scan(lambda c, x: (None, pg.ones(2)), None, None, length=3)[1].shape == (3, 2)


def test_nested_scans_and_conds() -> None:
    def inner(c, x):
        return pg.cond(x > 0, lambda c: c + x, lambda c: c * 2.0, c), c

    def f(c, rows):
        return pg.scan(lambda c, row: pg.scan(inner, c, row), c, rows)

    rows = np.random.default_rng(1).normal(size=(4, 5))
    for g in (f, pg.jit(f)):
        carry, ys = g(arr(1.0), arr(rows))
        c, want = 1.0, np.zeros((4, 5))
        for i in range(4):
            for j in range(5):
                want[i, j] = c
                c = c + rows[i, j] if rows[i, j] > 0 else c * 2.0
        np.testing.assert_allclose(carry.item(), c, rtol=1e-14)
        np.testing.assert_allclose(ys.numpy(), want, rtol=1e-14)


def test_node_counts_do_not_depend_on_the_length() -> None:
    counts = []
    for n in (3, 3000):

        def f(x, n=n):
            return pg.scan(lambda c, _: (pg.sin(c) * c, None), x, None, length=n)[0].sum()

        second = pg.grad(lambda x, f=f: (pg.grad(f)(x) ** 2).sum())
        counts.append([str(pg.make_trace(g)(pg.zeros(2))).count("=") for g in (f, pg.grad(f), second)])
    assert counts[0] == counts[1]


def test_scan_errors() -> None:
    x = pg.zeros(3)
    with pytest.raises(pg.ShapeError, match=r"carry.*float32\[\].*float32\[3\]"):
        pg.scan(lambda c, _: (x, None), arr(0.0, "float32"), None, length=2)
    with pytest.raises(pg.DTypeError, match=r"int32.*float32"):
        pg.scan(lambda c, a: (c + a, None), arr(0, "int32"), x)
    with pytest.raises(pg.PytreeError, match="carry"):
        pg.scan(lambda c, a: ((c, c), None), 0.0, x)
    with pytest.raises(pg.PytreeError, match="pair"):
        pg.scan(lambda c, a: c, 0.0, x)
    with pytest.raises(pg.ShapeError, match="steps"):
        pg.scan(lambda c, a: (c, None), 0.0, (x, pg.zeros(4)))
    with pytest.raises(pg.ShapeError, match="scalar"):
        pg.scan(lambda c, a: (c, None), 0.0, 1.0)
    with pytest.raises(pg.ArgumentError, match="length"):
        pg.scan(lambda c, a: (c, None), 0.0)
    for length in ("a", 1.5):
        with pytest.raises(pg.ArgumentError):
            pg.scan(lambda c, a: (c, None), 0.0, None, length)
    with pytest.raises(pg.InvalidValueError):
        pg.scan(lambda c, a: (c, None), 0.0, None, -1)
    with pytest.raises(pg.InvalidValueError):
        pg.scan(lambda c, a: (c, None), 0.0, x, unroll=0)


def test_a_bad_index_in_a_body_names_its_line() -> None:
    table = pg.arange(3)

    def step(c, i):
        return c + pg.take(table, i, mode="raise"), None  # the line

    line = step.__code__.co_firstlineno + 1
    for f in (lambda i: pg.scan(step, 0, i)[0], pg.jit(lambda i: pg.scan(step, 0, i)[0])):
        assert f(pg.Tensor([0, 2])).item() == 2
        with pytest.raises(IndexError, match=rf"test_control.py:{line}"):
            f(pg.Tensor([0, 9])).eval()


# ---- loops


def test_while_and_fori_loops() -> None:
    collatz = lambda n: pg.while_loop(
        lambda s: s[0] != 1, lambda s: (pg.where(s[0] % 2 == 0, s[0] // 2, 3 * s[0] + 1), s[1] + 1), (n, 0)
    )
    for f in (collatz, pg.jit(collatz)):
        assert f(pg.Tensor(27))[1].item() == 111
        assert f(pg.Tensor(1))[1].item() == 0
    f = pg.jit(lambda a, b: pg.fori_loop(a, b, lambda i, x: x + i, 0))
    assert (f(pg.Tensor(2), pg.Tensor(5)).item(), f(pg.Tensor(5), pg.Tensor(2)).item()) == (9, 0)
    assert pg.fori_loop(3, 3, lambda i, x: x * 0, 5).item() == 5
    assert pg.while_loop(lambda x: x < 10, lambda x: x * 2, 1, max_steps=3).item() == 8
    assert pg.while_loop(lambda x: x < 10, lambda x: x * 2, 1, max_steps=30).item() == 16


def test_loop_errors() -> None:
    with pytest.raises(pg.ShapeError, match="carry"):
        pg.while_loop(lambda x: x.sum() < 3, lambda x: x[:1], pg.zeros(3))
    with pytest.raises(pg.ShapeError, match="scalar"):
        pg.while_loop(lambda x: x < 3, lambda x: x, pg.zeros(3))
    with pytest.raises(pg.ArgumentError):
        pg.fori_loop(None, 3, lambda i, x: x, 0)
    with pytest.raises(pg.ArgumentError):
        pg.fori_loop(0, 2.5, lambda i, x: x, 0)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 16, 33])
def test_associative_scan(n: int, reverse: bool) -> None:
    x = np.random.default_rng(n).uniform(0.5, 1.5, size=(2, n))
    got = pg.associative_scan(pg.multiply, arr(x), reverse=reverse, axis=1).numpy()
    want = np.cumprod(x[:, ::-1], 1)[:, ::-1] if reverse else np.cumprod(x, 1)
    np.testing.assert_allclose(got, want, rtol=1e-13)


def test_associative_scan_of_pairs() -> None:  # a linear recurrence h = a h + b
    a, b = np.random.default_rng(3).uniform(0.5, 1.0, size=(2, 9))
    combine = lambda p, q: (p[0] * q[0], p[1] * q[0] + q[1])
    _, h = pg.associative_scan(combine, (arr(a), arr(b)))
    want, last = [], 0.0
    for i in range(9):
        last = a[i] * last + b[i]
        want.append(last)
    np.testing.assert_allclose(h.numpy(), want, rtol=1e-13)
    with pytest.raises(pg.ShapeError):
        pg.associative_scan(pg.add, pg.zeros(()))
    with pytest.raises(pg.ArgumentError):
        pg.associative_scan(pg.add, ())


# ---- handles and random draws


def test_rebinding_inside_bodies_is_threaded() -> None:
    count = arr(0.0)

    def body(c, x):
        nonlocal count
        count += x
        return c + count, None

    total, _ = pg.scan(body, arr(0.0), arr([1.0, 2.0, 3.0]))
    assert (total.item(), count.item()) == (10.0, 6.0)

    def bump():
        nonlocal count
        count += 1.0
        return count * 1.0

    assert pg.cond(pg.Tensor(True), bump, lambda: count * 0.0).item() == 7.0
    assert count.item() == 7.0
    f = pg.jit(lambda p: pg.cond(p, bump, lambda: count * 0.0))
    assert (f(pg.Tensor(False)).item(), count.item()) == (0.0, 7.0)
    assert (f(pg.Tensor(True)).item(), count.item()) == (8.0, 8.0)


def test_random_draws_advance_in_loops() -> None:
    pg.manual_seed(3)
    looped = pg.scan(lambda c, _: (None, pg.rand(2)), None, None, length=3)[1].numpy()
    after = pg.rand(2).numpy()
    pg.manual_seed(3)
    np.testing.assert_array_equal(looped, np.stack([pg.rand(2).numpy() for _ in range(3)]))
    np.testing.assert_array_equal(after, pg.rand(2).numpy())


# ---- functions of the host


def test_host_calls() -> None:
    calls = []

    def eigen(x):
        calls.append(type(x))
        return np.linalg.eigh(x)

    types = (pg.ShapeDtype(3, "float64"), pg.ShapeDtype((3, 3), "float64"))
    f = lambda x: pg.host_call(eigen, types, x)
    x = np.random.default_rng(0).normal(size=(3, 3))
    x = x + x.T
    for g in (f, pg.jit(f), lambda a: pg.scan(lambda c, _: (None, f(a)), None, None, length=2)[1]):
        w, v = g(arr(x))
        np.testing.assert_allclose(w.numpy().reshape(-1, 3)[-1], np.linalg.eigh(x)[0], rtol=1e-12)
        assert v.shape[-2:] == (3, 3)
    assert calls == [np.ndarray] * 4
    explained = pg.jit(f).explain(arr(x))
    assert len(explained.library_calls) == 1
    assert "eigen" in explained.library_calls[0].text


def test_host_calls_fail_as_python_does() -> None:
    types = pg.ShapeDtype(2, "float32")
    for bad, error in (
        (lambda x: np.zeros(3, np.float32), pg.ShapeError),
        (lambda x: np.zeros(2, np.complex64), pg.DTypeError),
        (lambda x: (x, x), pg.PequegradError),
        (lambda x: 1 / 0, ZeroDivisionError),
        (lambda x: "no", pg.PequegradError),
    ):
        with pytest.raises(error):
            pg.eval(pg.jit(lambda x, bad=bad: pg.host_call(bad, types, x))(pg.zeros(2)))
    with pytest.raises(pg.ArgumentError):
        pg.host_call(3, types, pg.zeros(2))
    with pytest.raises(pg.ArgumentError):
        pg.host_call(abs, 3, pg.zeros(2))
    with pytest.raises(pg.DTypeError, match="bfloat16"):
        pg.host_call(abs, types, pg.zeros(2, dtype="bfloat16"))
    with pytest.raises(pg.UnsupportedError, match="host_call"):
        pg.grad(lambda x: pg.host_call(np.sum, pg.ShapeDtype((), "float32"), x))(pg.zeros(2))


def test_a_host_call_may_compute_but_not_what_computes_it() -> None:
    types = pg.ShapeDtype((), "float32")
    assert pg.host_call(lambda x: (pg.Tensor(x) + 1.0).numpy(), types, 2.0).item() == 3.0
    box = {}
    with pg._core.Trace(False):
        box["y"] = pg.host_call(lambda x: box["y"].numpy(), types, pg.Tensor(1.0))
        with pytest.raises(pg.TraceError, match="computing"):
            box["y"].eval()
    box.clear()  # the function holds the tensor that holds it


def test_threads_run_host_calls_together() -> None:
    f = pg.jit(lambda x: pg.host_call(np.sin, pg.ShapeDtype(4, "float64"), x) + 1.0)
    x = np.arange(4.0)
    wrong = []

    def work(n):
        for i in range(20):
            if not np.allclose(f(arr(x + n + i)).numpy(), np.sin(x + n + i) + 1.0):
                wrong.append(n)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_bodies_are_interned_and_freed() -> None:
    def run(scale):
        pg.scan(lambda c, x: (c + x * scale, None), arr(0.0), arr([1.0, 2.0]))

    gc.collect()  # functions of other tests hold programs
    pg._core.clear_programs()
    resting = pg._core.live_payloads()  # calls of LAPACK are kept for good
    run(2.0)
    before = pg._core.live_payloads()
    run(2.0)
    assert pg._core.live_payloads() == before
    run(3.0)
    assert pg._core.live_payloads() == before + 1
    pg._core.clear_programs()
    run(4.0)
    assert pg._core.live_payloads() <= resting + 2


def test_map_goes_slice_by_slice() -> None:
    xs = np.arange(6.0).reshape(3, 2)
    np.testing.assert_array_equal(pg.map(lambda x: x[::-1] * 2.0, arr(xs)).numpy(), xs[:, ::-1] * 2.0)
    for size in (1, 2, 3, 7):
        f = lambda x, size=size: pg.map(lambda r: {"y": r["a"] * r["b"].sum()}, x, batch_size=size)["y"]
        given = {"a": arr(xs[:, 0]), "b": arr(xs)}
        np.testing.assert_array_equal(f(given).numpy(), xs[:, 0] * xs.sum(1))
        np.testing.assert_array_equal(pg.jit(f)(given).numpy(), xs[:, 0] * xs.sum(1))
        slope = pg.grad(lambda x, f=f: f(x).sum())(given)
        np.testing.assert_allclose(slope["a"].numpy(), xs.sum(1))
    with pytest.raises(pg.InvalidValueError):
        pg.map(lambda x: x, arr(xs), batch_size=0)
