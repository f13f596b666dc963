"""Rules stated by hand: checkpoint, custom_vjp, custom_jvp, custom_prim, and functions of the host.

Functions and rules are traced once per call inside a trace, into closed graphs, so that every other transform
goes through them. Outside of any trace the function is simply called.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import threading
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from . import _core, dt, pytree
from ._bodies import Type, over_tensors, rebind, tensors, trace, type_of, with_threads
from ._core import Tensor
from ._ops.common import cast, positive_shape
from .errors import ArgumentError, DifferentiationError, DTypeError, PytreeError, ShapeError

# ---- checkpoint


class Policy(NamedTuple):
    """Which values a checkpointed function keeps for its derivative."""

    name: str
    code: int


class checkpoint_policies:
    """What ``pg.checkpoint`` may keep, under the names of ``jax.checkpoint_policies``.

    >>> pg.checkpoint_policies.dots_saveable.name
    'dots_saveable'
    """

    nothing_saveable = Policy("nothing_saveable", 0)
    dots_saveable = checkpoint_dots = Policy("dots_saveable", 1)
    dots_with_no_batch_dims_saveable = Policy("dots_with_no_batch_dims_saveable", 2)
    checkpoint_dots_with_no_batch_dims = dots_with_no_batch_dims_saveable
    everything_saveable = Policy("everything_saveable", 3)


def checkpoint(f: Callable[..., Any], policy: Policy | None = None) -> Callable[..., Any]:
    """The same function, whose derivative computes it again instead of keeping what it computed.

    ``policy`` names what is kept all the same: nothing (the default), products of matrices and convolutions,
    or everything. Random draws inside are the same ones when it is computed again.

    >>> pg.grad(pg.checkpoint(lambda x: pg.sin(x).sum()))(pg.zeros(2)).tolist()
    [1.0, 1.0]
    """
    if not callable(f):
        raise ArgumentError(f"checkpoint: expected a function, got a {type(f).__name__}")
    if policy is not None and not isinstance(policy, Policy):
        raise ArgumentError(
            f"checkpoint: policy must be one of pg.checkpoint_policies, got a {type(policy).__name__}"
        )
    code = 0 if policy is None else policy.code

    @functools.wraps(f)
    def checkpointed(*args: Any, **kwargs: Any) -> Any:
        if not _core.trace_open() or code == checkpoint_policies.everything_saveable.code:
            return f(*args, **kwargs)
        given, body = over_tensors(f, args, kwargs)
        kinds = [type_of(x) for x in given]
        (traced,), threaded = with_threads(lambda handles: [trace(body, kinds, "checkpoint", handles)])
        closed, captures = _core.close_bodies([traced.parts])
        results = _core.control("call", closed, [*captures, *given, *threaded], (code,))
        rebind(threaded, results[traced.results :])
        return pytree.unflatten(traced.tree, results[: traced.results])

    return checkpointed


# ---- custom derivatives


def _positional(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    if not kwargs:
        return args
    try:
        bound = inspect.signature(f).bind(*args, **kwargs)
    except TypeError as error:
        raise ArgumentError(f"{getattr(f, '__name__', 'function')}: {error}") from None
    bound.apply_defaults()
    if bound.kwargs:
        raise ArgumentError("a function with a rule of its own takes no keyword-only arguments")
    return bound.args


class _Split:
    """Arguments in those the rule is about, and constants."""

    def __init__(self, args: tuple[Any, ...], constant: Sequence[int], what: str) -> None:
        count = len(args)
        for i in constant:
            if not isinstance(i, int) or not -count <= i < count:
                raise ArgumentError(f"{what}: nondiff_argnums names argument {i} of {count}")
        chosen = {i % count for i in constant}
        self.args = args
        self.places = [i for i in range(count) if i not in chosen]
        self.constants = [args[i] for i in sorted(chosen)]
        self.leaves, self.tree = tensors([args[i] for i in self.places], f"{what}: argument ")

    @property
    def types(self) -> list[Type]:
        return [type_of(x) for x in self.leaves]

    def chosen(self, values: list[Tensor]) -> list[Any]:
        """The arguments of the rule, of these leaves."""
        return pytree.unflatten(self.tree, values)

    def all(self, values: list[Tensor]) -> list[Any]:
        """All arguments."""
        out = list(self.args)
        for i, value in zip(self.places, self.chosen(values), strict=True):
            out[i] = value
        return out


class _Rule:
    """What custom_vjp and custom_jvp share: a function that looks like the one it wraps."""

    def __init__(self, fun: Callable[..., Any], nondiff_argnums: Sequence[int] = ()) -> None:
        if not callable(fun):
            raise ArgumentError(f"{type(self).__name__}: expected a function, got a {type(fun).__name__}")
        functools.update_wrapper(self, fun)
        self.fun = fun
        given = (nondiff_argnums,) if isinstance(nondiff_argnums, int) else nondiff_argnums
        if not isinstance(given, (tuple, list)) or not all(isinstance(i, int) for i in given):
            raise ArgumentError(f"{type(self).__name__}: nondiff_argnums must be positions of arguments")
        self.nondiff_argnums = tuple(given)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        args = _positional(self.fun, args, kwargs)
        if not _core.trace_open():
            return self.fun(*args)
        return self._record(_Split(args, self.nondiff_argnums, self._name))

    @property
    def _name(self) -> str:
        return getattr(self.fun, "__name__", type(self).__name__)

    def _record(self, split: _Split) -> Any:
        raise NotImplementedError

    def _checked(self, traced: Any, what: str) -> Any:
        if traced.written:
            raise ArgumentError(
                f"{self._name}: {what} changes a tensor from outside, or draws random numbers without a key; "
                "take it as an argument and return the new value"
            )
        return traced


class custom_vjp(_Rule):
    """A function whose reverse derivative is stated by ``f.defvjp(fwd, bwd)``.

    ``fwd(*args)`` returns the result and residuals; ``bwd(residuals, cotangent)`` a tuple with the cotangent
    of every argument (None for zero). Arguments in ``nondiff_argnums`` are constants: they come first in
    ``bwd``. Forward mode, and derivatives of every order, follow as long as ``bwd`` is linear in the
    cotangent.

    >>> @pg.custom_vjp
    ... def clipped(x):
    ...     return x
    >>> clipped.defvjp(lambda x: (x, None), lambda _, ct: (pg.clip(ct, -1.0, 1.0),))
    >>> pg.grad(lambda x: (clipped(x) * 100.0).sum())(pg.zeros(2)).tolist()
    [1.0, 1.0]
    """

    fwd: Callable[..., Any] | None = None
    bwd: Callable[..., Any] | None = None

    def defvjp(self, fwd: Callable[..., Any], bwd: Callable[..., Any]) -> None:
        """State the rule."""
        if not callable(fwd) or not callable(bwd):
            raise ArgumentError(f"{self._name}.defvjp: expected two functions")
        self.fwd, self.bwd = fwd, bwd

    def _record(self, split: _Split) -> Any:
        if len(_open_rules.of.get(id(self), [])) == _DEEPEST:
            return self.fun(*split.args)
        with _open_rules.entered(self):
            return self._with_rules(split)

    def _with_rules(self, split: _Split) -> Any:
        name, fwd, bwd = self._name, self.fwd, self.bwd
        if fwd is None or bwd is None:
            raise DifferentiationError(f"{name}: state its derivative with {name}.defvjp(fwd, bwd)")
        body = self._checked(trace(lambda x: self.fun(*split.all(x)), split.types, name), "it")
        kept: list[Any] = []  # residuals: leaves, tensors of them as None; their structure

        def forward(values: list[Tensor]) -> Any:
            made = fwd(*split.all(values))
            if not isinstance(made, tuple) or len(made) != 2:
                raise PytreeError(f"{name}: fwd must return a pair (result, residuals)")
            result, residuals = made
            leaves, tree = pytree.flatten(residuals)
            found, structure = tensors(result, f"{name}: the result of fwd")
            if structure != body.tree:
                raise PytreeError(
                    f"{name}: fwd returns {structure}, the function {body.tree}; they must agree"
                )
            kept[:] = [[None if isinstance(r, Tensor) else r for r in leaves], tree]
            return found + [r for r in leaves if isinstance(r, Tensor)]

        ahead = self._checked(trace(forward, split.types, name), "fwd")
        results = body.types
        for i, (a, b) in enumerate(zip(ahead.types, results, strict=False)):
            if (a.shape, a.dtype) != (b.shape, b.dtype):
                raise ShapeError(f"{name}: fwd returns {a} as result {i}, the function {b}")

        def backward(values: list[Tensor]) -> Any:
            leaves, tree = kept
            rest = iter(values)
            residuals = pytree.unflatten(tree, [next(rest) if r is None else r for r in leaves])
            ct = pytree.unflatten(body.tree, list(rest))
            made = bwd(*split.constants, residuals, ct)
            return _cotangents(made, split, name)

        kinds = ahead.types[len(results) :] + [t._replace(weak=False) for t in results]
        back = self._checked(trace(backward, kinds, name), "bwd")
        closed, captures = _core.close_custom_vjp(body.parts, ahead.parts, back.parts)
        found = _core.control("custom_vjp", closed, [*captures, *split.leaves], (len(captures),))
        return pytree.unflatten(body.tree, found)


def _cotangents(made: Any, split: _Split, name: str) -> list[Tensor]:
    """One cotangent per leaf, with its type."""
    trees = split.tree.children
    if not isinstance(made, (tuple, list)) or len(made) != len(trees):
        raise PytreeError(
            f"{name}: bwd must return a tuple of {len(trees)} cotangents, one for each argument"
        )
    out: list[Tensor] = []
    rest = iter(split.types)
    for i, (tree, given) in enumerate(zip(trees, made, strict=True)):
        kinds = [next(rest) for _ in range(tree.num_leaves)]
        if given is None:
            leaves: list[Any] = [None] * tree.num_leaves
        else:
            leaves, structure = pytree.flatten(given, lambda x: x is None)
            if len(leaves) != tree.num_leaves:
                raise PytreeError(f"{name}: bwd returns {structure} for argument {i}, which is {tree}")
        for leaf, kind in zip(leaves, kinds, strict=True):
            zero = leaf is None or kind.dtype.kind not in "fc"
            x = (
                _core.full(0, kind.dtype.code, False, kind.shape, kind.device)
                if zero
                else tensors(leaf, name)[0][0]
            )
            if x.shape != kind.shape:
                raise ShapeError(f"{name}: bwd returns {type_of(x)} for argument {i}, which is {kind}")
            out.append(cast(x, kind.dtype))
    return out


class custom_jvp(_Rule):
    """A function whose forward derivative is stated by ``f.defjvp(rule)``.

    ``rule(primals, tangents)`` returns the result and its tangent, which is linear in the tangents; reverse
    mode is its transpose. Arguments in ``nondiff_argnums`` are constants: they come first.

    >>> @pg.custom_jvp
    ... def double(x):
    ...     return x * 2.0
    >>> _ = double.defjvp(lambda primals, tangents: (double(*primals), tangents[0] * 3.0))
    >>> pg.grad(double)(pg.Tensor(1.0)).item()
    3.0
    """

    rule: Callable[..., Any] | None = None

    def defjvp(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """State the rule."""
        if not callable(rule):
            raise ArgumentError(f"{self._name}.defjvp: expected a function")
        self.rule = rule
        return rule

    def _record(self, split: _Split) -> Any:
        name, rule = self._name, self.rule
        if rule is None:
            raise DifferentiationError(f"{name}: state its derivative with {name}.defjvp(rule)")
        nested = _open_rules.of.get(id(self), [])
        for primals, values in nested[-1:]:
            # Inside its own rule its value at the primals is known, and is derived by the rule again.
            if len(primals) == len(split.leaves) and all(
                _core.same_node(a, b) for a, b in zip(primals, split.leaves, strict=True)
            ):
                return values()
        if len(nested) == _DEEPEST:
            return self.fun(*split.args)
        body = self._checked(trace(lambda x: self.fun(*split.all(x)), split.types, name), "it")
        count, results = len(split.leaves), len(body.outs)

        def rates(values: list[Tensor]) -> Any:
            x, y, t = values[:count], values[count : count + results], values[count + results :]
            with _open_rules.entered(self, x, lambda: pytree.unflatten(body.tree, [+v for v in y])):
                made = rule(*split.constants, tuple(split.chosen([+v for v in x])), tuple(split.chosen(t)))
            if not isinstance(made, tuple) or len(made) != 2:
                raise PytreeError(f"{name}: the rule must return a pair (result, tangent)")
            out_tree = pytree.structure(made[0])
            found, tree = tensors(made[1], f"{name}: the tangent of the rule")
            if out_tree != body.tree or tree != body.tree:
                raise PytreeError(f"{name}: the rule returns {out_tree} and {tree}, the function {body.tree}")
            for i, (x_, kind) in enumerate(zip(found, body.types, strict=True)):
                if x_.shape != kind.shape:
                    raise ShapeError(f"{name}: the rule returns {type_of(x_)} as tangent of a result {kind}")
                found[i] = cast(x_, kind.dtype)
            return found

        strong = [t._replace(weak=False) for t in split.types]
        traced = self._checked(trace(rates, split.types + body.types + strong, name), "the rule")
        closed, captures = _core.close_custom_jvp(body.parts, traced.parts)
        found = _core.control("custom_jvp", closed, [*captures, *split.leaves], (len(captures),))
        return pytree.unflatten(body.tree, found)


# A rule may call its own function: each such call is traced with its rules in turn, for derivatives of higher
# order. This deep inside of its own rules a function is its plain body.
_DEEPEST = 3


class _OpenRules(threading.local):
    """The rules being traced in this thread, by function: for custom_jvp its primals, and its value there."""

    def __init__(self) -> None:
        self.of: dict[int, list[tuple[list[Tensor], Callable[[], Any]]]] = {}

    @contextlib.contextmanager
    def entered(
        self, rule: _Rule, primals: Sequence[Tensor] = (), value: Callable[[], Any] = lambda: None
    ) -> Iterator[None]:
        """While the rule of this function is traced."""
        stack = self.of.setdefault(id(rule), [])
        stack.append((list(primals), value))
        try:
            yield
        finally:
            stack.pop()
            if not stack:
                del self.of[id(rule)]


_open_rules = _OpenRules()


class custom_prim:
    """A primitive written in Python: what it computes, and the rules that go with it.

    Without ``shape`` the function is written with tensors. With it, the function runs on the host: it takes
    and returns NumPy arrays, and ``shape(*args)`` says what it returns, from abstract arguments that have
    ``shape`` and ``dtype`` (see ``pg.host_call``; ``vectorized=True`` if leading axes may be added to all
    arguments and results alike, which is what vmap then does). ``@p.vjp`` states the reverse derivative, from
    which forward mode and all orders follow.

    >>> cube = pg.custom_prim(lambda x: x ** 3)
    >>> @cube.vjp
    ... def _(primals, cotangents, outputs):
    ...     return (3.0 * primals[0] ** 2 * cotangents,)
    >>> pg.grad(cube)(pg.Tensor(2.0)).item()
    12.0
    """

    def __init__(
        self, f: Callable[..., Any], shape: Callable[..., Any] | None = None, *, vectorized: bool = False
    ) -> None:
        if not callable(f) or not (shape is None or callable(shape)):
            raise ArgumentError("custom_prim: expected a function, and a function for its shape rule")
        functools.update_wrapper(self, f)
        self._plain = f if shape is None else lambda *args: host_call(f, shape, *args, vectorized=vectorized)
        self._rule: custom_vjp | None = None

    def vjp(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """State the cotangents of the arguments: ``rule(primals, cotangents, outputs)`` returns a tuple."""
        if not callable(rule):
            raise ArgumentError("custom_prim.vjp: expected a function")

        def forward(*args: Any) -> Any:
            out = self(*args)  # with its rule, for derivatives of higher order
            return out, (args, out)

        self._rule = custom_vjp(self._plain)
        self._rule.defvjp(forward, lambda kept, ct: rule(kept[0], ct, kept[1]))
        return rule

    def __call__(self, *args: Any) -> Any:
        return (self._rule or self._plain)(*args)


# ---- functions of the host


class ShapeDtype:
    """The shape and dtype of a tensor that does not exist yet.

    >>> pg.ShapeDtype((2, 3), "float32")
    ShapeDtype((2, 3), float32)
    """

    __slots__ = ("dtype", "shape")

    def __init__(self, shape: Any, dtype: Any) -> None:
        self.shape = positive_shape(shape, "ShapeDtype")
        self.dtype = dt.as_dtype(dtype)

    def __repr__(self) -> str:
        return f"ShapeDtype({self.shape}, {self.dtype})"


@functools.lru_cache(maxsize=1024)
def _flat(f: Callable[..., Any], in_tree: pytree.PyTree, out_tree: pytree.PyTree) -> Callable[..., Any]:
    """f on leaves; one object for equal questions, so that programs are found again."""

    @functools.wraps(f)
    def flat(*leaves: np.ndarray) -> list[Any]:
        made = f(*pytree.unflatten(in_tree, leaves))
        given = pytree.leaves(made)  # NumPy's named results pass for tuples
        if len(given) != out_tree.num_leaves:
            raise PytreeError(f"host_call: {f} returned {len(given)} arrays, {out_tree} was announced")
        return given

    return flat


def host_call(
    f: Callable[..., Any] | _core.NativeKernel, result_types: Any, *args: Any, vectorized: bool = False
) -> Any:
    """Call a Python function on NumPy arrays, as an op: also inside ``jit``, loops and branches.

    ``result_types`` is the pytree of the result, with anything that has ``shape`` and ``dtype`` as leaves
    (``pg.ShapeDtype``, tensors, arrays), or a function of the arguments that returns it. ``f`` must be pure:
    it may run any number of times, or not at all when nobody needs the result. It receives copies. It has no
    derivative of its own (see ``pg.custom_vjp``). Under ``vmap`` it is called for one example after another,
    or once with leading batch axes on all arguments when ``vectorized``.

    >>> import numpy as np
    >>> pg.host_call(lambda x: np.sort(x), pg.ShapeDtype(3, "float32"), pg.Tensor([3.0, 1.0, 2.0])).tolist()
    [1.0, 2.0, 3.0]
    """
    native = isinstance(f, _core.NativeKernel)
    if not native and not callable(f):
        raise ArgumentError(f"host_call: expected a function, got a {type(f).__name__}")
    given, in_tree = tensors(tuple(args), "host_call: argument ")
    if callable(result_types) and not hasattr(result_types, "shape"):
        result_types = result_types(*pytree.unflatten(in_tree, given))
    leaves, out_tree = pytree.flatten(result_types)
    kinds = []
    for leaf in leaves:
        if not hasattr(leaf, "shape") or not hasattr(leaf, "dtype"):
            raise ArgumentError(
                f"host_call: result_types holds a {type(leaf).__name__}; its leaves have a shape and a dtype"
            )
        kinds.append((tuple(leaf.shape), dt.as_dtype(leaf.dtype)))
    for kind in [x.dtype for x in given] + [kind for _, kind in kinds]:
        if kind is dt.bfloat16 and not native:
            raise DTypeError("host_call: NumPy has no bfloat16; convert with .astype('float32') and back")
    try:
        flat = f if native else _flat(f, in_tree, out_tree)
    except TypeError:  # not hashable
        flat = _flat.__wrapped__(f, in_tree, out_tree)
    results = _core.host_call(flat, given, [(shape, kind.code) for shape, kind in kinds], bool(vectorized))
    return pytree.unflatten(out_tree, results)
