"""Bodies of control flow: tracing a Python function into a closed graph, and applying records to such graphs.

What a body reads from outside becomes an input of the record that holds it. Handles from outside that it
rebinds (``x += 1``, random draws without a key) become results, and name the new values after the call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from . import _core, dt, pytree
from ._core import Tensor
from ._ops.common import as_tensor, operand
from .errors import ArgumentError, DTypeError, PytreeError, ShapeError


class Type(NamedTuple):
    """The type of one leaf."""

    shape: tuple[int, ...]
    dtype: dt.DType
    weak: bool
    device: tuple[int, int]

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]"


def type_of(x: Tensor) -> Type:
    """The type of a tensor."""
    return Type(x.shape, x.dtype, x.weak, x.device.pair)


def tensors(tree: Any, what: str) -> tuple[list[Tensor], pytree.PyTree]:
    """The leaves as tensors, and the structure; Python numbers are weak."""
    leaves, structure = pytree.flatten(tree)
    out = []
    for n, leaf in enumerate(leaves):
        x = operand(leaf)
        if x is NotImplemented:
            path = pytree.paths(tree)[n]
            raise ArgumentError(
                f"{what}{path} is a {type(leaf).__name__}; control flow takes and returns tensors and numbers"
            )
        out.append(x if isinstance(x, Tensor) else _number(x))
    return out, structure


def _number(x: Any) -> Tensor:
    strong = as_tensor(x)
    return _core.number(x, strong.dtype.code, True, (), strong.device.pair)


def over_tensors(
    f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[list[Tensor], Callable[[list[Tensor]], Any]]:
    """The tensors among the leaves of a call's arguments, and the call as a function of them."""
    leaves, tree = pytree.flatten((args, kwargs))
    places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, Tensor)]

    def body(values: list[Tensor]) -> Any:
        replaced = list(leaves)
        for i, value in zip(places, values, strict=True):
            replaced[i] = value
        new_args, new_kwargs = pytree.unflatten(tree, replaced)
        return f(*new_args, **new_kwargs)

    return [leaves[i] for i in places], body


class Traced(NamedTuple):
    """A function's results on placeholders. The results of threaded handles follow those of the function."""

    body: _core.Body
    params: list[Tensor]
    outs: list[Tensor]
    tree: pytree.PyTree
    results: int  # how many are the function's own
    written: list[Tensor]  # handles from outside that it rebound

    @property
    def types(self) -> list[Type]:
        return [type_of(x) for x in self.outs]

    @property
    def parts(self) -> tuple[_core.Body, list[Tensor], list[Tensor]]:
        """What ``_core.close_bodies`` takes."""
        return self.body, self.params, self.outs


def trace(
    f: Callable[[list[Tensor]], Any],
    types: Sequence[Type],
    what: str,
    threaded: Sequence[Tensor] = (),
    adapt: Callable[[list[Tensor]], list[Tensor]] | None = None,
) -> Traced:
    """Call f on placeholders. ``threaded`` handles name placeholders too, behind the others; ``adapt`` has
    the last word on the results.
    """
    with _core.Body() as body:
        params = [body.param(t.shape, t.dtype.code, t.weak, t.device) for t in types]
        given = [+x for x in params]  # the function's own handles: it may rebind them
        for handle in threaded:
            t = type_of(handle)
            state = body.param(t.shape, t.dtype.code, t.weak, t.device)
            params.append(state)
            body.bind(handle, state)
        leaves, tree = tensors(f(given), f"{what}: the result")
        outs = [+x for x in leaves]
        if adapt is not None:
            outs = adapt(outs)
        outs += [+handle for handle in threaded]
    written = [handle for handle, _ in body.written]
    return Traced(body, params, outs, tree, len(leaves), written)


def with_threads(make: Callable[[list[Tensor]], Sequence[Traced]]) -> tuple[Sequence[Traced], list[Tensor]]:
    """Trace until all handles that some body rebinds are threaded through every body."""
    threaded: list[Tensor] = []
    while True:
        traced = make(threaded)
        known = {id(handle) for handle in threaded}
        fresh = {id(h): h for t in traced for h in t.written if id(h) not in known}
        if not fresh:
            return traced, threaded
        threaded = threaded + list(fresh.values())


def rebind(handles: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    """Let threaded handles name their values after the call."""
    for handle, value in zip(handles, values, strict=True):
        _core.rebind(handle, value)


def common(groups: Sequence[Sequence[Type]], what: str, tree: pytree.PyTree) -> list[dt.DType]:
    """The dtype of each result on which all groups agree; weak ones follow strong ones."""
    out: list[dt.DType] = []
    for i, types in enumerate(zip(*groups, strict=True)):
        wanted = next((t for t in types if not t.weak), types[0])
        for t in types:
            if t.shape != wanted.shape or (t.dtype is not wanted.dtype and not t.weak):
                raise ShapeError(
                    f"{what}: result{pytree.default_registry.tree_paths(tree)[i]} is {wanted} in one branch "
                    f"and {t} in another; branches must return equal types"
                )
        out.append(wanted.dtype)
    return out


def check_trees(trees: Sequence[pytree.PyTree], what: str) -> None:
    """All branches return one structure."""
    for tree in trees[1:]:
        if tree != trees[0]:
            raise PytreeError(f"{what}: one branch returns {trees[0]}, another {tree}; they must agree")


def settle(
    make: Callable[[list[Type], list[Tensor]], Traced],
    init: Sequence[Tensor],
    tree: pytree.PyTree,
    what: str,
    of_result: Callable[[pytree.PyTree], pytree.PyTree],
) -> tuple[Traced, list[Tensor], list[Tensor]]:
    """Trace a body whose first results are the next carry until types and rebound handles are settled.

    Weak carries become what the body makes of them; strong ones must keep their type (``keep`` casts weak
    results). Returns the trace, the carry to begin with, and the handles threaded behind it.
    """
    carry = list(init)
    threaded: list[Tensor] = []
    while True:
        traced = make([type_of(x) for x in carry], threaded)
        after = of_result(traced.tree)
        if after != tree:
            raise PytreeError(f"{what}: the carry is {tree}, the body returns {after}; they must agree")
        known = {id(h) for h in threaded}
        fresh = {id(h): h for h in traced.written if id(h) not in known}
        promoted = False
        types = traced.types
        for i, (x, t) in enumerate(zip(carry, types[: len(carry)], strict=True)):
            if x.shape == t.shape and x.dtype is t.dtype:
                continue
            if x.shape == t.shape and x.weak:
                carry[i] = _core.astype(x, t.dtype.code)
                promoted = True
                continue
            error = DTypeError if x.shape == t.shape else ShapeError
            path = pytree.default_registry.tree_paths(tree)[i]
            raise error(
                f"{what}: the carry{path} is {type_of(x)} and the body "
                f"returns {t}; it must keep its shape and dtype"
            )
        for handle, t in zip(threaded, types[traced.results :], strict=True):
            if (t.shape, t.dtype) != (handle.shape, handle.dtype):
                raise ShapeError(
                    f"{what}: the body changes a tensor from outside from {type_of(handle)} to {t}; it must "
                    "keep its shape and dtype"
                )
        if not fresh and not promoted:
            return traced, carry, threaded
        threaded = threaded + list(fresh.values())


def keep(types: Sequence[Type]) -> Callable[[list[Tensor]], list[Tensor]]:
    """For ``trace``: weak results in the places of strong carries take their dtype."""

    def adapt(outs: list[Tensor]) -> list[Tensor]:
        for i, (x, t) in enumerate(zip(outs, types, strict=False)):
            if (
                x.weak
                and not t.weak
                and x.dtype is not t.dtype
                and (t.dtype.kind == "f" or x.dtype.kind != "f")
            ):
                outs[i] = _core.astype(x, t.dtype.code)
        return outs

    return adapt
