"""The spine of jit: matching under hostile arguments, state that is read and written, life cycle."""

from __future__ import annotations

import dataclasses
import gc
import weakref
from typing import Any

import numpy as np
import pequegrad as pg
import pytest
from pequegrad import _core


def entries(f: Any) -> int:
    return len(f.entries)


# ---- what fits ---------------------------------------------------------------------------------------------


def test_dict_keys_of_any_type_and_order() -> None:
    f = pg.jit(lambda d: d[1] - d["x"] * d[(2, 3)])
    a, b, c = pg.Tensor(7.0), pg.Tensor(2.0), pg.Tensor(3.0)
    assert f({1: a, "x": b, (2, 3): c}).item() == 1
    assert f({(2, 3): c, 1: a, "x": b}).item() == 1
    assert entries(f) == 1
    assert f({1: b, "x": a, (2, 3): c}).item() == -19


def test_keywords_in_any_order() -> None:
    f = pg.jit(lambda **named: named["a"] - named["b"])
    a, b = pg.Tensor(5.0), pg.Tensor(2.0)
    names = {"".join(["a"]): a, "".join(["b"]): b}
    assert f(a=a, b=b).item() == f(b=b, a=a).item() == f(**names).item() == 3
    assert entries(f) == 1
    assert f(a=a, b=b, c=a).item() == 3
    assert entries(f) == 2


class Sly:
    """A container whose flattening does what `Sly.action` says."""

    action: Any = None

    def __init__(self, inside: Any) -> None:
        self.inside = inside


def _flatten_sly(x: Sly) -> tuple[Any, Any]:
    if Sly.action is not None:
        Sly.action()
    return (x.inside,), None


@pytest.fixture(autouse=True)
def _no_action() -> Any:
    yield
    Sly.action = None


pg.pytree.register(Sly, _flatten_sly, lambda _, children: Sly(children[0]))


def test_flattening_may_change_what_is_being_matched() -> None:
    f = pg.jit(lambda items, d: items[0] + items[2] + d["k"])

    def fresh() -> tuple[list[Any], dict[str, Any]]:
        return [pg.Tensor([1.0]), Sly(pg.Tensor([2.0])), pg.Tensor([3.0])], {"k": pg.Tensor([4.0])}

    items, d = fresh()
    assert f(items, d).item() == 8

    # The leaves found before keep their value; containers that shrank do not fit any more.
    items, d = fresh()
    Sly.action = lambda: _core.rebind(items[0], pg.Tensor([5.0, 5.0]))
    assert f(items, d).item() == 8
    items, d = fresh()
    Sly.action = items.clear
    with pytest.raises((IndexError, ValueError, TypeError)):
        f(items, d)
    items, d = fresh()
    Sly.action = f.clear
    assert f(items, d).item() == 8
    items, d = fresh()
    Sly.action = d.clear
    with pytest.raises((KeyError, ValueError)):
        f(items, d)


def test_an_error_while_matching_is_the_callers() -> None:
    f = pg.jit(lambda s: s.inside * 2)
    f(Sly(pg.Tensor([1.0])))

    def fail() -> None:
        raise RuntimeError("no")

    Sly.action = fail
    with pytest.raises(RuntimeError, match="no"):
        f(Sly(pg.Tensor([1.0])))
    Sly.action = None
    assert f(Sly(pg.Tensor([4.0]))).item() == 8
    assert entries(f) == 1


class Odd:
    """Hashable; equality runs Python code."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __hash__(self) -> int:
        return 1

    def __eq__(self, other: object) -> bool:
        if self.value == "raise":
            raise ValueError("cannot be compared")
        return isinstance(other, Odd) and self.value == other.value


def test_static_values_with_their_own_equality() -> None:
    f = pg.jit(lambda x, o: x * len(o.value), static_argnums=1)
    x = pg.Tensor([2.0])
    assert f(x, Odd("ab")).item() == 4
    assert f(x, Odd("ab")).item() == 4
    assert entries(f) == 1
    assert f(x, Odd("abc")).item() == 6
    f(x, Odd("raise"))
    with pytest.raises(ValueError, match="compared"):
        f(x, Odd("other"))


def test_numpy_scalars_are_told_apart_by_bits() -> None:
    f = pg.jit(lambda x, s: x * float(s), static_argnums=1)
    x = pg.Tensor([1.0])
    assert not np.signbit(f(x, np.float32(0.0)).item())
    assert np.signbit(f(x, np.float32(-0.0)).item())
    f(x, np.float32("nan"))
    count = entries(f)
    f(x, np.float32("nan"))
    assert entries(f) == count == 3


def test_integers_beyond_64_bits_raise() -> None:
    f = pg.jit(lambda x, n: x * n)
    x = pg.Tensor([1.0])
    assert f(x, 3).item() == 3
    with pytest.raises(ValueError, match="64 bits"):
        f(x, 1 << 70)
    assert f(x, 5).item() == 5
    assert entries(f) == 1


def test_deep_nesting_is_an_error_not_a_crash() -> None:
    deep: Any = pg.Tensor([1.0])
    for _ in range(5000):
        deep = [deep]
    with pytest.raises((ValueError, RecursionError)):
        pg.jit(lambda x: x)(deep)
    # Released in a loop: letting go of it at once is the interpreter's recursion.
    while isinstance(deep, list):
        deep = deep[0]


def test_reasons_name_the_argument() -> None:
    f = pg.jit(lambda a, *, t: a + t["w"][0])
    f(pg.ones(3), t={"w": [pg.ones(3)]})
    f(pg.ones(3), t={"w": [pg.ones(1)]})
    assert f.reasons == ["argument t['w'][0] changed from f32[3] to f32[1]"]
    f(pg.ones(3), t={"w": [2.0]})
    assert "argument t['w'][0] changed from f32[1] to 2.0" in f.reasons[-1]
    f(pg.ones(3), t={"w": [pg.ones(1)], "v": None})
    assert "keys" in f.reasons[-1] and "'v'" in f.reasons[-1]
    assert f.entries[-1].reason == f.reasons[-1]
    assert f.entries[0].reason is None


def test_the_program_used_longest_ago_is_dropped() -> None:
    f = pg.jit(lambda x: x + 1, max_entries=2)
    one, two, three = pg.ones(1), pg.ones(2), pg.ones(3)
    f(one), f(two), f(one), f(three)
    assert f.traces == 3
    f(one)
    assert f.traces == 3  # still there
    f(two)
    assert f.traces == 4


# ---- state -------------------------------------------------------------------------------------------------


def test_rebinding_an_argument_reaches_the_caller() -> None:
    def f(x: pg.Tensor, rate: Any) -> pg.Tensor:
        x += 1
        rate += 1
        return x * rate

    x, y = pg.Tensor([1.0]), pg.Tensor([1.0])
    jitted = pg.jit(f)
    for _ in range(3):
        assert jitted(x, 2.0).item() == f(y, 2.0).item()
        assert x.item() == y.item()
    assert x.item() == 4
    assert entries(jitted) == 1


def test_rebinding_an_argument_given_twice_is_refused() -> None:
    def f(x: pg.Tensor, y: pg.Tensor) -> pg.Tensor:
        x += 1
        return x + y

    x = pg.Tensor([1.0])
    with pytest.raises(pg.TraceError, match="given twice"):
        pg.jit(f)(x, x)
    assert x.item() == 1

    def g(y: pg.Tensor) -> pg.Tensor:
        x.assign(x + 1)
        return y

    with pytest.raises(pg.TraceError, match="captured"):
        pg.jit(g)(x)
    assert x.item() == 1


def test_captured_tensors_may_be_returned() -> None:
    w, count = pg.Tensor([3.0]), pg.Tensor(0.0)

    def f(x: pg.Tensor) -> tuple[pg.Tensor, ...]:
        count.assign(count + x)
        return w, count, w

    jitted = pg.jit(f)
    assert [t.item() for t in jitted(pg.Tensor(2.0))] == [3, 2, 3]
    w.assign(pg.Tensor([4.0]))
    assert [t.item() for t in jitted(pg.Tensor(2.0))] == [4, 4, 4]
    assert entries(jitted) == 1


def test_captured_values_cannot_be_read_into_a_program() -> None:
    w = pg.Tensor([3.0])
    for read in (lambda: w.item(), lambda: w.numpy(), lambda: bool(w), lambda: w.tolist(), lambda: float(w)):
        with pytest.raises(pg.TraceError):
            pg.jit(lambda x, read=read: x * (read() is not None))(pg.ones(1))
    assert w.item() == 3
    f = pg.jit(lambda x: (x + w, repr(w)))
    assert "no value" in f(pg.ones(1))[1]
    made = pg.jit(lambda x: x * pg.Tensor([2.0]).item())  # made inside: a constant
    assert made(pg.ones(1)).item() == 2


def test_guards() -> None:
    scale = 2.0

    def f(x: pg.Tensor) -> pg.Tensor:
        return x * scale * len(NAMES)

    global NAMES
    NAMES = "ab"
    jitted = pg.jit(f)
    x = pg.Tensor([1.0])
    assert jitted(x).item() == 4
    scale = -0.0
    assert np.signbit(jitted(x).item())
    assert "closure variable 'scale'" in jitted.reasons[-1] and "2.0 to -0.0" in jitted.reasons[-1]
    scale = 0.0
    assert not np.signbit(jitted(x).item())
    NAMES = "abc"
    scale = 1.0
    assert jitted(x).item() == 3
    count = jitted.traces
    assert jitted(x).item() == 3
    assert jitted.traces == count
    del NAMES
    with pytest.raises(NameError):
        jitted(x)
    NAMES = ""


NAMES = ""


def test_a_result_that_cannot_be_built_does_not_undo_the_program() -> None:
    broken = False

    class Box:
        def __init__(self, inside: Any) -> None:
            self.inside = inside

    def unflatten(_: Any, children: Any) -> Box:
        if broken:
            raise RuntimeError("box")
        return Box(children[0])

    pg.pytree.register(Box, lambda b: ((b.inside,), None), unflatten)
    count = pg.Tensor(0.0)

    def f(x: pg.Tensor) -> Box:
        count.assign(count + 1)
        return Box(x)

    jitted = pg.jit(f)
    jitted(pg.ones(1))
    broken = True
    with pytest.raises(RuntimeError, match="box"):
        jitted(pg.ones(1))
    assert count.item() == 2


# ---- the raw types -----------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Point:
    x: Any
    y: Any


def test_fields_need_no_flattening() -> None:
    names = ("x", "y")

    def miss(jitted: Any, args: Any, kwargs: Any) -> _core.JitEntry:
        with _core.Trace(True) as trace:
            p = trace.param((2,), args[0].x.dtype.code, False, (0, 0))
            out = p * 2
        leaf = ("tensor", (2,), args[0].x.dtype.code, False, (0, 0))
        in_spec = ("tuple", (("tuple", (("fields", Point, names, (leaf, ("static", 7))),)), ("dict", (), ())))
        return _core.JitEntry(
            trace, in_spec, [p], [out], ("fields", Point, names, (("out", 0), ("static", 8)))
        )

    f = _core.JitFunction(lambda p: None, miss)
    made = f(Point(pg.Tensor([1.0, 2.0]), 7))
    assert type(made) is Point and made.x.tolist() == [2, 4] and made.y == 8
    f(Point(pg.Tensor([1.0, 2.0]), 7))
    assert f.traces == 1


def test_misuse_raises() -> None:
    with pytest.raises(TypeError):
        _core.JitFunction.__new__(_core.JitFunction)(1)
    with pytest.raises(TypeError):
        _core.JitFunction(1, 2)
    with pytest.raises(ValueError):
        _core.JitFunction(len, len, 0)
    with pytest.raises(TypeError):
        _core.JitFunction(len, lambda *a: 3)(1)
    with pytest.raises(ValueError):
        _core.JitEntry.__new__(_core.JitEntry).explain()
    with _core.Trace(True) as trace:
        p = trace.param((), 11, False, (0, 0))
    args = ("tuple", (("tuple", (("tensor", (), 11, False, (0, 0)),)), ("dict", (), ())))
    none = ("tuple", (("tuple", ()), ("dict", (), ())))
    for in_spec, params, outs, out_spec in [
        (none, [p], [p], ("out", 0)),
        (args, [], [], ("none",)),
        (args, [pg.ones(())], [], ("none",)),
        (args, [p], [p], ("out", 1)),
        (args, [p], [p], ("tensor", (), 11, False, (0, 0))),
        (("tuple", ()), [], [], ("none",)),
        (("what",), [], [], ("none",)),
        (7, [], [], ("none",)),
        (args, [p], [7], ("out", 0)),
    ]:
        with pytest.raises((pg.PequegradError, TypeError, ValueError, RuntimeError)):
            _core.JitEntry(trace, in_spec, params, outs, out_spec)
    with pytest.raises((pg.PequegradError, TypeError)):
        _core.JitEntry(trace, args, [p], [p], ("out", 0), [("cell", 1, 2, 3, "x")])


def test_it_is_a_method_and_keeps_attributes() -> None:
    class Layer:
        def __init__(self, w: float) -> None:
            self.w = pg.Tensor([w])

        @pg.jit
        def forward(self, x: pg.Tensor) -> pg.Tensor:
            """Doc."""
            return x * self.w

    a, b = Layer(2.0), Layer(3.0)
    assert (a.forward(pg.ones(1)).item(), b.forward(pg.ones(1)).item()) == (2, 3)
    bound = a.forward
    assert bound(pg.ones(1)).item() == 2
    assert Layer.forward(b, pg.ones(1)).item() == 3
    assert Layer.forward.__doc__ == "Doc." and Layer.forward.__name__ == "forward"

    class Special(_core.JitFunction):
        pass

    entry = pg.jit(lambda x: x + 1)
    special = Special(entry.function, entry.options.miss)
    assert special(pg.ones(1)).item() == 2
    assert weakref.ref(special)() is special


def test_a_function_without_tensors() -> None:
    f = pg.jit(lambda flag: ("yes", None) if flag else [])
    assert f(True) == ("yes", None)
    assert f(False) == []
    assert f(True) == ("yes", None)
    assert f.traces == 2
    assert "0 kernels" in f.entries[-1].explain()


def test_recursion_over_a_static_argument() -> None:
    @pg.jit.withargs(static_argnums=1)
    def power(x: pg.Tensor, n: int) -> pg.Tensor:
        return x if n == 1 else x * power(x, n - 1)

    assert power(pg.Tensor([2.0]), 10).item() == 1024
    assert entries(power) == 1


def test_details_and_graph() -> None:
    w = pg.ones(4)
    f = pg.jit(lambda x, y: (pg.exp(x) * y + w, x @ y))
    x = pg.ones(4)
    f(x, x)
    details = f.entries[-1].details()
    assert len(details["kernels"]) >= 1 and len(details["library_calls"]) <= 1
    assert details["arguments"] == 2 and details["hidden_inputs"] == 1 and details["results"] == 2
    assert details["flops"] > 0 and details["bytes"] > 0 and details["compile_seconds"] > 0
    graph = f.entries[-1].graph
    ops = [record[0] for record in graph.records]
    assert graph.num_inputs == 3 and "exp" in ops and "dot_general" in ops
    assert any(record[6][0] == __file__ for record in graph.records)
    assert "exp(" in str(graph)


# ---- life cycle --------------------------------------------------------------------------------------------


def test_nothing_is_left_behind() -> None:
    gc.collect()
    nodes, buffers = _core.live_nodes(), _core.live_buffers()

    def make() -> Any:
        w = pg.ones((8, 8))
        state = pg.zeros(8)

        def f(x: pg.Tensor, s: float, box: Sly) -> dict[str, Any]:
            state.assign(state + s)
            return {"y": (x @ w).sum() * s + box.inside, "state": state, "f": f}

        jitted = pg.jit(f)
        for n in (2, 3, 4):
            for s in (0.5, 1.5):
                jitted(pg.ones((n, 8)), s, Sly(pg.Tensor([1.0])))
        with pytest.raises(ValueError):
            jitted(pg.ones((2, 7)), 1.0, Sly(pg.Tensor([1.0])))
        return weakref.ref(jitted), weakref.ref(jitted.entries[0]), jitted

    function, entry, jitted = make()
    assert _core.live_nodes() > nodes
    jitted.clear()
    gc.collect()
    assert entry() is None and function() is jitted
    del jitted
    gc.collect()
    assert function() is None
    assert _core.live_nodes() <= nodes and _core.live_buffers() <= buffers
