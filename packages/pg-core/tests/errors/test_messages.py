"""Programs that must fail, with their messages: what was passed, what was needed, what to do."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np
import pequegrad as pg
import pytest

x23 = lambda: pg.ones((2, 3))

CASES: list[tuple[str, Any, type, type, str]] = [
    # name, program, our class, a built-in class it also is, message
    ("matmul", lambda: x23() @ pg.ones((4, 5)), pg.ShapeError, ValueError, r"matmul: inner sizes differ: \(2, 3\) @ \(4, 5\) needs 3 == 4"),
    ("matmul hint", lambda: x23() @ x23(), pg.ShapeError, ValueError, "transpose one side"),
    ("matmul scalar", lambda: x23() @ pg.Tensor(1.0), pg.ShapeError, ValueError, r"use \* for numbers"),
    ("add", lambda: x23() + pg.ones(4), pg.ShapeError, ValueError, r"\(2, 3\).*\(4,?\)"),
    ("reshape", lambda: x23().reshape(4, 2), pg.ShapeError, ValueError, r"shape \(2, 3\) has 6 elements, \(4, 2\) needs 8"),
    ("reshape -1 -1", lambda: x23().reshape(-1, -1), pg.ShapeError, ValueError, "only one extent may be -1"),
    ("reshape -1", lambda: x23().reshape(4, -1), pg.ShapeError, ValueError, "do not divide"),
    ("axis", lambda: x23().sum(2), pg.AxisError, IndexError, "sum: axis 2 is out of range for rank 2; allowed: -2 to 1"),
    ("axis twice", lambda: x23().sum((0, -2)), pg.AxisError, ValueError, "given twice"),
    ("axis type", lambda: x23().sum(1.5), pg.ArgumentError, TypeError, "an axis is an integer, got float"),
    ("permute", lambda: pg.permute(x23(), (0, 0)), pg.AxisError, ValueError, "name each once"),
    ("squeeze", lambda: pg.squeeze(x23(), 0), pg.ShapeError, ValueError, "only axes of extent 1 can go"),
    ("concatenate", lambda: pg.concatenate([x23(), pg.ones((2, 4))]), pg.ShapeError, ValueError, r"tensor 1 of shape \(2, 4\) does not fit \(2, 3\)"),
    ("concatenate nothing", lambda: pg.concatenate([]), pg.InvalidValueError, ValueError, "pass at least one"),
    ("stack", lambda: pg.stack([x23(), pg.ones(3)]), pg.ShapeError, ValueError, "all must be equal"),
    ("split", lambda: pg.split(pg.ones(5), 2), pg.ShapeError, ValueError, "do not divide into 2 equal parts"),
    ("broadcast_to", lambda: pg.broadcast_to(x23(), (3, 2)), pg.ShapeError, ValueError, r"\(2, 3\).*\(3, 2\)"),
    ("index", lambda: x23()[5], pg.IndexingError, IndexError, r"index 5 is out of range for axis 0 of extent 2 \(shape \(2, 3\)\)"),
    ("index array", lambda: x23()[[0, 7]], pg.IndexingError, IndexError, "index 7 is out of range"),
    ("index tensor", lambda: x23()[pg.Tensor([0, 7])].eval(), pg.IndexingError, IndexError, "7"),
    ("too many", lambda: x23()[0, 0, 0], pg.IndexingError, IndexError, "has 2 axes, the key"),
    ("float index", lambda: x23()[1.0], pg.IndexingError, IndexError, "an index is an integer"),
    ("float array", lambda: x23()[pg.ones(2)], pg.IndexingError, IndexError, r"\.astype\('int64'\)"),
    ("mask", lambda: x23()[pg.Tensor([True])], pg.IndexingError, IndexError, "a mask of shape"),
    ("two ellipses", lambda: x23()[..., 0, ...], pg.IndexingError, IndexError, "one Ellipsis"),
    ("step 0", lambda: x23()[::0], pg.IndexingError, IndexError, "step of a slice"),
    ("write", lambda: x23().at[0].set(pg.ones(5)), pg.ShapeError, ValueError, r"shape \(5,\) does not fit the part of shape \(3,\)"),
    ("write floats", lambda: pg.zeros(2, dtype="int32").at[0].set(pg.Tensor(1.5)), pg.DTypeError, TypeError, r"cannot write float32 values into a int32"),
    ("in place", lambda: pg.zeros(2, dtype="int32").__iadd__(pg.ones(2)), pg.DTypeError, TypeError, "cannot turn int32 into float32"),
    ("assign", lambda: pg.zeros(2).assign(pg.ones(3)), pg.ShapeError, ValueError, "does not fit"),
    ("bitwise", lambda: pg.bitwise_and(x23(), 1), pg.DTypeError, TypeError, "bitwise and needs integers or bools"),
    ("dtype", lambda: x23().astype("float31"), pg.DTypeError, TypeError, "the dtypes are bool"),
    ("operand", lambda: pg.exp("text"), pg.ArgumentError, TypeError, "expected a tensor"),
    ("operator", lambda: x23() + "text", builtins.TypeError, TypeError, "unsupported operand"),
    ("max of nothing", lambda: pg.max(pg.zeros((0, 3)), 0), pg.ShapeError, ValueError, "an empty max has no value"),
    ("argmax of nothing", lambda: pg.argmax(pg.zeros(0)), pg.ShapeError, ValueError, "no elements"),
    ("conv channels", lambda: pg.conv2d(pg.ones((1, 3, 5, 5)), pg.ones((4, 2, 3, 3))), pg.ShapeError, ValueError, "3 channels need 2"),
    ("conv rank", lambda: pg.conv2d(pg.ones((5, 5)), pg.ones((4, 3, 3, 3))), pg.ShapeError, ValueError, r"\[N, C, H, W\]"),
    ("conv small", lambda: pg.conv2d(pg.ones((1, 1, 2, 2)), pg.ones((1, 1, 3, 3))).eval(), pg.ShapeError, ValueError, "conv"),
    ("conv bias", lambda: pg.conv2d(pg.ones((1, 1, 3, 3)), pg.ones((2, 1, 1, 1)), pg.ones(3)), pg.ShapeError, ValueError, r"bias needs shape \(2,\)"),
    ("pool", lambda: pg.max_pool2d(pg.ones((1, 1, 2, 2)), 3), pg.ShapeError, ValueError, "a window of 3 does not fit 2"),
    ("pool padding", lambda: pg.max_pool2d(pg.ones((1, 1, 8, 8)), 2, padding=2), pg.InvalidValueError, ValueError, "half the kernel"),
    ("interpolate", lambda: pg.interpolate(pg.ones((1, 1, 2, 2)), 4, mode="cubic"), pg.InvalidValueError, ValueError, "nearest, nearest-exact, area"),
    ("cross entropy", lambda: pg.cross_entropy_loss_probs(pg.ones((2, 3)), pg.ones(2)), pg.ShapeError, ValueError, r"Tensor\.one_hot\(3, y\)"),
    ("einsum", lambda: pg.einsum("ij,jk->ik", x23()), pg.InvalidValueError, ValueError, "names 2 operands, got 1"),
    ("einsum sizes", lambda: pg.einsum("ij,jk->ik", x23(), x23()), pg.ShapeError, ValueError, "stands for extents"),
    ("item", lambda: x23().item(), pg.InvalidValueError, ValueError, "one element"),
    ("ambiguous", lambda: bool(x23()), pg.InvalidValueError, ValueError, r"ambiguous; use \.any\(\) or \.all\(\)"),
    ("backward", lambda: x23().backward(), pg.UnsupportedError, NotImplementedError, r"pg\.value_and_grad\(loss_fn\)"),
    ("grad of int", lambda: pg.grad(lambda p: p["w"].sum())({"w": pg.Tensor([1, 2])}), pg.DifferentiationError, TypeError, r"argument 0\['w'\] is int64"),
    ("grad not scalar", lambda: pg.grad(lambda x: x * 2)(x23()), pg.DifferentiationError, TypeError, r"must return a scalar, it returned shape \(2, 3\)"),
    ("grad of int result", lambda: pg.grad(lambda x: x.astype("int32").sum())(x23()), pg.DifferentiationError, TypeError, "returned int64"),
    ("grad of text", lambda: pg.grad(lambda x: "a")(x23()), pg.DifferentiationError, TypeError, "returned a str"),
    ("grad by text", lambda: pg.grad(lambda x: x)("a"), pg.DifferentiationError, TypeError, "argument 0 is a str"),
    ("grad two outputs", lambda: pg.grad(lambda x: (x.sum(), x.sum()))(x23()), pg.DifferentiationError, TypeError, "has_aux=True"),
    ("grad argnums", lambda: pg.grad(lambda x: x.sum(), argnums=3)(x23()), pg.ArgumentError, TypeError, "argument 3 of 1"),
    ("vjp cotangent", lambda: pg.vjp(lambda x: x * 2)(x23(), pg.ones(3)), pg.ShapeError, ValueError, r"cotangent has shape \(3,\), it needs \(2, 3\)"),
    ("vjp structure", lambda: pg.vjp(lambda x: (x, x))(x23(), x23()), pg.PytreeError, ValueError, "expected a tuple, got a leaf"),
    ("jvp dtype", lambda: pg.jvp(lambda x: x)(x23(), pg.ones((2, 3), dtype="float64")), pg.DTypeError, TypeError, "is float64, it needs float32"),
    ("pytree", lambda: pg.pytree.map(lambda a, b: a, {"w": 1}, {"v": 1}), pg.PytreeError, ValueError, r"missing keys \['w'\]"),
    ("cuda", lambda: x23().to("cuda"), pg.DeviceError, RuntimeError, "cannot place data on cuda:0"),
    ("device", lambda: x23().to("tpu"), pg.DeviceError, RuntimeError, "write 'cpu', 'cuda'"),
    ("random key", lambda: pg.random.uniform(3), pg.ArgumentError, TypeError, "the first argument is a key"),
    ("ragged", lambda: pg.Tensor([[1], [2, 3]]), pg.ShapeError, ValueError, "ragged"),
    ("iterate a scalar", lambda: list(pg.Tensor(1.0)), pg.ArgumentError, TypeError, r"use \.item\(\)"),
    ("jit option", lambda: pg.jit(lambda x: x, static=1), pg.ArgumentError, TypeError, "unknown option 'static'"),
    ("memory", lambda: (pg.zeros(2**45, dtype="uint8") + 1).eval(), pg.OutOfMemoryError, MemoryError, "bytes|GiB|TiB|memory"),
    ("huge shape", lambda: pg.zeros((2**40, 2**40)), pg.ShapeError, ValueError, "63 bits|too many|overflow|elements"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("program", "kind", "also", "message"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_fails_with_a_clear_typed_error(program: Any, kind: type, also: type, message: str) -> None:
    with pytest.raises(kind, match=message) as caught:
        program()
    assert isinstance(caught.value, also)
    if kind is not builtins.TypeError:
        assert isinstance(caught.value, pg.PequegradError)


def test_an_index_out_of_range_at_evaluation_names_the_line() -> None:
    rows = pg.Tensor([0, 9])
    y = pg.ones((2, 3))[rows]
    with pytest.raises(IndexError, match=r"test_messages\.py:\d+"):
        y.numpy()


def test_memory_limit() -> None:
    core = pg._core
    x = pg.ones(1000).eval()
    core.empty_cache()
    core.set_memory_limit(64 << 20)
    try:
        with pytest.raises(MemoryError, match="limit"):
            (pg.ones(64 << 20) + 1).eval()
        assert (x + 1).sum().item() == 2000.0  # nothing is lost
    finally:
        core.set_memory_limit(0)


def test_an_error_inside_a_traced_function_leaves_nothing_open() -> None:
    def broken(x: Any) -> Any:
        return x @ np.ones((7, 7))

    for f in (pg.jit(broken), pg.grad(broken), lambda x: pg.jvp(broken)(x, x)):
        with pytest.raises(pg.ShapeError):
            f(x23())
    assert (x23() + 1).sum().item() == 12.0
    assert pg.jit(lambda x: x * 2)(pg.ones(1)).tolist() == [2.0]


@pytest.mark.parametrize(
    "junk", [None, "text", object(), {}, [], (), 1.5, -1, 2**70, float("nan"), np.array("a"), b"b", 1j]
)
def test_no_argument_kills_the_process(junk: Any) -> None:
    x = x23()
    for name in pg.__all__:
        f = getattr(pg, name)
        if (
            not callable(f)
            or isinstance(f, type)
            or name in ("jit", "eval", "set_default_device", "manual_seed", "make_trace", "debug")
        ):
            continue
        for args in ((junk,), (x, junk), (junk, x), (x, junk, junk)):
            try:
                f(*args)
            except Exception as error:
                assert not isinstance(error, (pg.InternalError, SystemError)), (name, args, error)
