"""vmap: axes, pytrees, nesting, errors, random numbers, collectives; the same graph for any number of examples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pequegrad as pg
import pytest
from peers import need
from pequegrad import collectives


def t(*shape: int, seed: int = 0) -> pg.Tensor:
    return pg.Tensor(np.random.default_rng(seed).standard_normal(shape))


def same(a: Any, b: Any) -> None:
    for x, y in zip(pg.pytree.leaves(a), pg.pytree.leaves(b), strict=True):
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=1e-12, atol=1e-12)


# ---- axes and pytrees


def test_in_axes_as_pytrees_none_and_negative() -> None:
    f = lambda p, x, y: {"a": p["w"] @ x + y, "b": (x, p["b"])}
    p = {"w": t(4, 3), "b": t(5, 2)}
    x, y = t(3, 5, seed=1), t(5, seed=2)
    got = pg.vmap(f, in_axes=({"w": None, "b": 0}, -1, 0), out_axes={"a": 1, "b": (-1, 0)})(p, x, y)
    want = [f({"w": p["w"], "b": p["b"][i]}, x[:, i], y[i]) for i in range(5)]
    same(got["a"], np.stack([w["a"].numpy() for w in want], 1))
    same(got["b"][0], np.stack([w["b"][0].numpy() for w in want], -1))
    same(got["b"][1], p["b"])


def test_keyword_arguments_are_mapped_along_axis_0() -> None:
    got = pg.vmap(lambda x, scale, shift: x * scale + shift, in_axes=(1, None))(
        t(3, 2), 2.0, shift=t(2, seed=1)
    )
    same(got, (t(3, 2).numpy() * 2.0).T + t(2, seed=1).numpy()[:, None])


def test_results_that_do_not_differ() -> None:
    x = t(3, 2)
    assert pg.vmap(lambda x: pg.ones(2))(x).shape == (3, 2)
    assert pg.vmap(lambda x: (1.5, None))(x)[0].tolist() == [1.5, 1.5, 1.5]
    assert pg.vmap(lambda x: pg.ones(2), out_axes=None)(x).shape == (2,)
    assert pg.vmap(lambda x: x, out_axes=-1)(x).shape == (2, 3)
    assert pg.vmap(lambda: pg.ones(2), axis_size=4)().shape == (4, 2)


def test_nested_with_jit_and_derivatives_in_any_order() -> None:
    x, y = t(3, 4), t(5, 4, seed=1)
    table = x.numpy() @ y.numpy().T
    dots = lambda f: pg.vmap(pg.vmap(f, (None, 0)), (0, None))
    f = lambda a, b: (a * b).sum()
    same(dots(f)(x, y), table)
    same(pg.jit(dots(f))(x, y), table)
    same(dots(pg.jit(f))(x, y), table)
    same(pg.vmap(pg.jit(pg.vmap(f, (None, 0))), (0, None))(x, y), table)
    g = lambda a, b: pg.tanh(a @ b)
    slope = lambda a, b: b.numpy() * (1 - np.tanh(a.numpy() @ b.numpy()) ** 2)
    want = np.stack([[slope(x[i], y[j]) for j in range(5)] for i in range(3)])
    same(dots(pg.grad(g))(x, y), want)
    same(pg.jit(dots(pg.jit(pg.grad(g))))(x, y), want)
    same(pg.grad(lambda a: dots(g)(a, y).sum())(x), want.sum(1))
    tangent = pg.jvp(lambda a: dots(g)(a, y))(x, pg.ones_like(x))
    same(tangent, want.sum(-1))
    hessians = pg.vmap(pg.hessian(lambda a: (pg.sin(a) * a.sum()).sum()))(x)
    same(hessians[1], pg.hessian(lambda a: (pg.sin(a) * a.sum()).sum())(x[1]))
    whole = pg.hessian(lambda a: pg.vmap(lambda r: (r**3).sum())(a).sum())(x)
    same(pg.diagonal(pg.reshape(whole, (12, 12))), 6 * x.numpy().ravel())


def test_the_graph_does_not_depend_on_the_number_of_examples() -> None:
    def program(x: pg.Tensor, w: pg.Tensor) -> pg.Tensor:
        loss = lambda w, x: (pg.softmax(pg.tanh(x @ w)) ** 2).sum() + pg.sort(x).max() + x[pg.argsort(x)][0]
        return pg.vmap(pg.grad(loss), (None, 0))(w, x)

    w = t(4, 3)
    counts = {n: pg.make_trace(program)(t(n, 4), w).num_nodes for n in (2, 200)}
    assert counts[2] == counts[200] < 150


def test_numbers_and_weak_types() -> None:
    assert pg.vmap(lambda x: x * 0.1)(pg.ones(2, dtype="bfloat16")).dtype == "bfloat16"
    assert pg.vmap(lambda x, s: x * s, (0, None))(pg.ones(2, dtype="float16"), 3.0).dtype == "float16"
    assert pg.vmap(lambda x: x + 1)(pg.Tensor([1, 2])).tolist() == [2, 3]
    before = pg._core.counters()["builds"]
    for rate in (0.5, 0.25, 0.125):  # a number is no part of the program
        pg.vmap(lambda x: pg.sinh(x) * rate)(pg.ones(7)).eval()  # noqa: B023
    assert pg._core.counters()["builds"] <= before + 1


def test_zero_examples() -> None:
    x = pg.zeros((0, 3))
    assert pg.vmap(lambda v: (v @ pg.ones((3, 2)), v.sum(), pg.sort(v)))(x)[0].shape == (0, 2)
    image, kernel = pg.zeros((0, 1, 2, 5)), pg.zeros((0, 3, 2, 3))
    assert pg.vmap(pg.conv1d)(image, kernel).shape == (0, 1, 3, 3)


def test_out_of_range_rows_stay_out_of_range() -> None:
    table, rows = t(3, 5), pg.Tensor([[0, 9], [4, 1], [2, 3]])
    apply = lambda mode: pg.vmap(lambda a, r: pg._core.apply("gather", (a, r), (mode,)))(table, rows)
    want = np.stack([table.numpy()[i, np.minimum(rows.numpy()[i], 4)] for i in range(3)])
    same(apply(1), want)
    want[0, 1] = 0.0
    same(apply(2), want)
    with pytest.raises(pg.IndexingError):
        apply(0).eval()


# ---- errors


def test_reading_a_value_names_the_line() -> None:
    for read in (float, bool, lambda v: v.numpy(), lambda v: v.tolist()):
        with pytest.raises(pg.TraceError, match=r"test_vmap.py:\d+"):
            pg.vmap(lambda x: pg.zeros(()) if read(x.sum()) else x)(t(3, 2))  # noqa: B023
    outside = pg.Tensor(2.0)
    assert pg.vmap(lambda x: x * float(outside))(pg.ones(2)).tolist() == [2.0, 2.0]  # no placeholder


def test_handles_from_outside_are_plain() -> None:
    state = pg.zeros(2)
    seen = []

    def f(x: pg.Tensor) -> pg.Tensor:
        seen.append(state.numpy().tolist())
        local = pg.zeros(2)
        local += x  # its own handle may be rebound
        x *= 2.0
        return local + x

    assert pg.vmap(f)(pg.ones((3, 2))).tolist() == [[3.0, 3.0]] * 3
    assert seen == [[0.0, 0.0]]

    def leak(x: pg.Tensor) -> pg.Tensor:
        state.assign(x)
        return x

    with pytest.raises(pg.TraceError, match="differs from example to example"):
        pg.vmap(leak)(t(3, 2))
    assert state.tolist() == [0.0, 0.0]
    counter = pg.Tensor(0.0)

    def count(x: pg.Tensor) -> pg.Tensor:
        counter.assign(counter + 1.0)
        return x

    pg.vmap(count)(t(3))
    assert counter.item() == 1.0
    pg.jit(pg.vmap(count))(t(3))
    assert counter.item() == 2.0


def test_a_placeholder_that_escapes_is_refused() -> None:
    kept: list[pg.Tensor] = []
    pg.vmap(lambda x: kept.append(x) or x)(t(3))
    with pytest.raises(pg.TraceError):
        kept[0] + 1.0


def test_errors_say_what_was_given() -> None:
    x = t(3, 2)
    with pytest.raises(
        pg.ShapeError, match=r"(?s)argument 0\['a'\] has 3 along axis 0.*argument 1 has 2 along"
    ):
        pg.vmap(lambda p, y: y)({"a": x}, t(2))
    with pytest.raises(pg.ShapeError, match="axis_size is 4"):
        pg.vmap(lambda v: v, axis_size=4)(x)
    with pytest.raises(pg.AxisError, match=r"argument 1 is to be mapped along axis 0, but it has 0 axes"):
        pg.vmap(lambda a, b: a)(x, 1.0)
    with pytest.raises(pg.ArgumentError, match="2 entries for 1 positional"):
        pg.vmap(lambda a: a, in_axes=(0, 1))(x)
    with pytest.raises(pg.PytreeError, match="structure of the arguments"):
        pg.vmap(lambda a: a, in_axes=({"b": 0},))({"a": x})
    with pytest.raises(pg.InvalidValueError, match="nothing is mapped"):
        pg.vmap(lambda a: a, in_axes=None)(x)
    with pytest.raises(pg.InvalidValueError, match="out_axes is None"):
        pg.vmap(lambda a: a, out_axes=None)(x)
    with pytest.raises(pg.AxisError, match="out_axes puts the batch axis"):
        pg.vmap(lambda a: a, out_axes=2)(x)
    with pytest.raises(pg.ArgumentError, match="returned a str at"):
        pg.vmap(lambda a: (a, "s"))(x)
    with pytest.raises(pg.ArgumentError, match="is a str and cannot be mapped"):
        pg.vmap(lambda a, b: a)(x, "s")
    with pytest.raises(pg.ArgumentError, match="needs a function"):
        pg.vmap(3)  # type: ignore[arg-type]
    with pytest.raises(pg.ArgumentError, match="an axis is an integer"):
        pg.vmap(lambda a: a, in_axes=True)(x)


# ---- random numbers


@pytest.mark.parametrize("jit", [False, True])
def test_draws_are_those_of_the_loop(jit: bool) -> None:
    def f(x: pg.Tensor) -> pg.Tensor:
        return pg.rand(2) + pg.random.randint(None, (2,), 0, 100) + pg.randn(2) * x

    x = t(3, 2)
    pg.manual_seed(7)
    mapped = pg.jit(pg.vmap(f)) if jit else pg.vmap(f)
    got, after = mapped(x).numpy(), pg.rand(3).numpy()
    pg.manual_seed(7)
    want = np.stack([f(x[i]).numpy() for i in range(3)])
    same(got, want)
    np.testing.assert_array_equal(after, pg.rand(3).numpy())


def test_draws_under_nested_maps_are_those_of_nested_loops() -> None:
    x = t(3, 4)

    def inner(v: pg.Tensor) -> pg.Tensor:
        return pg.rand(2) + v

    def outer(row: pg.Tensor) -> pg.Tensor:
        return pg.vmap(inner)(row) + pg.rand(1)

    pg.manual_seed(1)
    got = pg.vmap(outer)(x).numpy()
    pg.manual_seed(1)
    same(
        got,
        np.stack([(pg.Tensor(np.stack([inner(v).numpy() for v in row])) + pg.rand(1)).numpy() for row in x]),
    )


def test_explicit_keys() -> None:
    keys = pg.random.split(pg.random.key(0), 3)
    got = pg.vmap(lambda k: pg.random.normal(k, (4,)))(keys).numpy()
    np.testing.assert_array_equal(got, np.stack([pg.random.normal(k, (4,)).numpy() for k in keys]))
    shared = pg.vmap(lambda x: pg.random.uniform(pg.random.key(5), (2,)) + x)(pg.zeros(3)).numpy()
    assert (shared == shared[0]).all()
    jax = need("jax")
    theirs = jax.vmap(lambda k: jax.random.bits(k, (4,), "uint32"))(
        jax.random.split(jax.random.PRNGKey(0), 3)
    )
    np.testing.assert_array_equal(
        pg.vmap(lambda k: pg.random.bits(k, (4,)))(keys).numpy(), np.asarray(theirs)
    )


def test_gradients_see_the_same_draws() -> None:
    def noisy(w: pg.Tensor) -> pg.Tensor:
        return (w * pg.rand(2)).sum()

    pg.manual_seed(2)
    got = pg.vmap(pg.grad(noisy))(pg.ones((3, 2))).numpy()
    pg.manual_seed(2)
    np.testing.assert_array_equal(got, np.stack([pg.rand(2).numpy() for _ in range(3)]))


# ---- collectives


def test_collectives_equal_jax() -> None:
    jax = need("jax")
    x = t(4, 3).astype("float32")

    def program(lax: Any) -> Any:
        perm = [(0, 1), (1, 3), (2, 0), (3, 2)]
        return lambda v: (
            lax.psum(v, "i"),
            lax.pmean(v * 2.0, "i"),
            lax.pmax(v, "i"),
            lax.pmin(v, "i"),
            lax.psum(1, "i"),
            v * lax.axis_index("i"),
            lax.all_gather(v, "i", axis=1),
            lax.all_gather(v, "i", axis=0, tiled=True),
            lax.ppermute(v, "i", perm),
        )

    got = pg.vmap(program(collectives), axis_name="i")(x)
    want = jax.vmap(program(jax.lax), axis_name="i")(x.numpy())
    for g, w in zip(got, want, strict=True):
        np.testing.assert_allclose(np.asarray(g), np.asarray(w), rtol=1e-6)


def test_derivatives_of_collectives() -> None:
    x = t(3)
    f = lambda v: (collectives.psum(v * v, "i") * v) + collectives.all_gather(v, "i")[0]
    whole = lambda x: pg.vmap(f, axis_name="i")(x)
    same(whole(x), (x.numpy() ** 2).sum() * x.numpy() + x.numpy()[0])
    want = (x.numpy() ** 2).sum() * np.eye(3) + 2 * np.outer(x.numpy(), x.numpy())
    want[:, 0] += 1
    same(pg.jacrev(whole)(x), want)
    same(pg.jacfwd(whole)(x), want)
    shift = lambda v: collectives.ppermute(v, "i", [(0, 1), (1, 2)]) * v
    shifted = lambda x: pg.vmap(shift, axis_name="i")(x)
    same(pg.grad(lambda x: shifted(x).sum())(x), np.array([x[1].item(), (x[0] + x[2]).item(), x[1].item()]))


def test_axes_of_nested_maps() -> None:
    x = t(2, 3)

    def f(v: pg.Tensor) -> Any:
        return (
            collectives.psum(v, "outer"),
            collectives.psum(v, "inner"),
            collectives.psum(v, ("outer", "inner")),
            collectives.axis_index(("outer", "inner")) + v * 0,
            collectives.axis_size(("outer", "inner")) + v * 0,
        )

    outs = pg.vmap(pg.vmap(f, axis_name="inner"), axis_name="outer")(x)
    v = x.numpy()
    same(outs[0], np.broadcast_to(v.sum(0), (2, 3)))
    same(outs[1], np.broadcast_to(v.sum(1)[:, None], (2, 3)))
    same(outs[2], np.full((2, 3), v.sum()))
    same(outs[3], np.arange(6.0).reshape(2, 3))
    same(outs[4], np.full((2, 3), 6.0))
    # the sum over an axis does not differ along it
    assert pg.vmap(lambda v: collectives.psum(v, "i"), axis_name="i", out_axes=None)(x).shape == (3,)
    assert pg.vmap(lambda v: collectives.psum(v > 0, "i"), axis_name="i")(x).dtype == "int64"


def test_collectives_need_their_axis() -> None:
    with pytest.raises(pg.ArgumentError, match=r"give it to .* as axis_name"):
        collectives.psum(t(3), "i")
    with pytest.raises(pg.ArgumentError, match="the axes are 'j'"):
        pg.vmap(lambda x: collectives.psum(x, "i"), axis_name="j")(t(3))
    with pytest.raises(pg.InvalidValueError, match="receives twice"):
        pg.vmap(lambda x: collectives.ppermute(x, "i", [(0, 1), (2, 1)]), axis_name="i")(t(3))
    with pytest.raises(pg.InvalidValueError, match="leaves the 3 examples"):
        pg.vmap(lambda x: collectives.ppermute(x, "i", [(0, 3)]), axis_name="i")(t(3))


# ---- records

# Records that hold bodies, and the one that picks their results: one rule for all forward transforms lifts the bodies.
BY_BODIES = {
    "call",
    "cond",
    "custom_jvp",
    "custom_vjp",
    "host_call",
    "opaque_linear",
    "pick",
    "scan",
    "while",
    "strips",  # which only the compiler makes: nothing transforms it
}


def records() -> dict[str, dict[str, Any]]:
    every = {name: pg._core.op_rules(name) for name in pg._core.op_names()}
    return {name: rules for name, rules in every.items() if rules["arity"] != 0 and name not in BY_BODIES}


def test_every_record_has_a_batching_rule() -> None:
    assert [name for name, rules in records().items() if not rules["batch"]] == []


def test_records_state_one_fact_per_argument_and_no_taylor_rule() -> None:
    for name, rules in records().items():
        assert not set(rules) & {"jet", "taylor", "vjp", "backward"}
        facts = set(rules["facts"])
        assert facts, f"{name} states no fact: a derivative through it raises"
        assert facts <= {"none", "linear", "partial", "jvp"}
        assert rules["transpose"] or "linear" not in facts, name
        assert rules["jvp"] == ("jvp" in facts) or name == "scatter", (
            name
        )  # scatter's facts depend on its mode
        assert rules["arity"] < 0 or len(rules["facts"]) <= rules["arity"], name
