"""Derivatives: ``grad``, ``vjp``, ``jvp``, ``linearize`` and the Jacobians, over ``pequegrad.extend``."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pequegrad as pg
from pequegrad import extend

from . import _trees, dtypes
from ._array import make
from ._flat import Flat, Leaves, fill, unwrap, wrap
from ._keys import PRNGKeyArray
from ._lift import Tensor, cast

Argnums = int | Sequence[int]


def _function(f: Any) -> None:
    if not callable(f):
        raise TypeError(f"Expected a callable value, got {f!r}")


def _chosen(args: Sequence[Any], argnums: Argnums, what: str) -> list[int]:
    try:
        several: Sequence[Any] = argnums if isinstance(argnums, (tuple, list)) else (argnums,)
        given = [operator.index(i) for i in several]
    except TypeError:
        raise TypeError(f"{what}: argnums must be an int or a sequence of ints, got {argnums!r}") from None
    for i in given:
        if not -len(args) <= i < len(args):
            raise TypeError(
                f"differentiating with respect to argnums={argnums} requires at least {i + 1} positional "
                f"arguments "
                f"to be passed by the caller, but got only {len(args)} positional arguments."
            )
    return [i % len(args) for i in given]


def _check_input(x: Any, what: str, holomorphic: bool, allow_int: bool) -> None:
    kind = getattr(x, "dtype", None)
    own = None if isinstance(x, PRNGKeyArray) else unwrap(x, what)[0].dtype
    if own is None:
        if allow_int:
            return
        raise TypeError(f"{what} requires real- or complex-valued inputs, but got {kind}.")
    if holomorphic and not own.is_complex:
        raise TypeError(
            f"{what} with holomorphic=True requires inputs with complex dtype, but got {own.name}."
        )
    if not own.is_inexact and not allow_int:
        raise TypeError(
            f"{what} requires real- or complex-valued inputs (input dtype that is a sub-dtype of "
            f"np.inexact), but "
            f"got {own.name}. If you want to use Boolean- or integer-valued inputs, use vjp or set "
            f"allow_int to True."
        )
    if own.is_complex and not holomorphic and what in ("jacfwd", "jacrev"):
        raise TypeError(f"{what} requires real-valued inputs, but got {own.name}; set holomorphic=True.")


def float0_zeros(shape: Sequence[int]) -> np.ndarray[Any, Any]:
    """The derivative of or by integers: nothing."""
    return np.zeros(tuple(shape), dtypes.float0)


def _pull(linear: extend.Linear, cts: Sequence[Tensor | None]) -> list[Tensor | None]:
    try:
        return linear.pull(cts)
    except pg.ArgumentError as error:
        if "reverse mode" not in str(error):
            raise
        raise ValueError(
            "Reverse-mode differentiation does not work for lax.while_loop or lax.fori_loop with dynamic "
            "start/stop "
            "values. Try using lax.scan, or using fori_loop with static start/stop."
        ) from None


class _At:
    """A function at a point: its value, and its derivative by some of its arguments."""

    def __init__(
        self,
        f: Callable[..., Any],
        args: Sequence[Any],
        kwargs: dict[str, Any],
        chosen: list[int],
        has_aux: bool,
    ) -> None:
        self.inputs = Leaves(tuple(args[i] for i in chosen))

        def of_chosen(*given: Any) -> Any:
            whole = list(args)
            for i, x in zip(chosen, given, strict=True):
                whole[i] = x
            return f(*whole, **kwargs)

        self.f = f
        tree = _trees.flatten((tuple(args[i] for i in chosen), {}))[1]
        both = Leaves.of(tree, self.inputs.tensors, self.inputs.kinds)
        flat = self.flat = Flat(of_chosen, both, has_aux)
        outs, self.linear = extend.linearize(flat, self.inputs.tensors)
        self.outs, self._aux = flat.split(outs)

    @property
    def value(self) -> Any:
        return self.flat.out.build(self.outs)

    @property
    def aux(self) -> Any:
        return self.flat.build_aux(self._aux)

    def pull(self, cts: Sequence[Tensor | None]) -> tuple[Any, ...]:
        """Cotangents of the arguments."""
        found = _pull(self.linear, [*cts, *[None] * len(self._aux)])
        return tuple(self.inputs_like(found))

    def inputs_like(self, found: Sequence[Tensor | None]) -> Any:
        leaves: list[Any] = []
        for g, x, kind in zip(found, self.inputs.tensors, self.inputs.kinds, strict=True):
            if not x.dtype.is_inexact:
                leaves.append(float0_zeros(x.shape if kind is not None else x.shape[:-1]))
            else:
                leaves.append(make(pg.zeros_like(x) if g is None else g, bool(kind)))
        return _trees.unflatten(self.inputs.tree, leaves)


def _scalar(at: _At, what: str, holomorphic: bool) -> Tensor:
    out = at.flat.out
    if out.tree.type is not None:
        raise TypeError(f"Gradient only defined for scalar-output functions. Output was {at.value!r}."[:400])
    y = at.outs[0]
    if y.shape != ():
        raise TypeError(f"Gradient only defined for scalar-output functions. Output had shape: {y.shape}.")
    if holomorphic and not y.dtype.is_complex:
        raise TypeError(
            f"{what} with holomorphic=True requires outputs with complex dtype, but got {y.dtype.name}."
        )
    if (not holomorphic and y.dtype.is_complex) or not y.dtype.is_inexact:
        raise TypeError(
            f"{what} requires real-valued outputs (output dtype that is a sub-dtype of np.floating), but got "
            f"{y.dtype.name}. For holomorphic differentiation, pass holomorphic=True. For differentiation of "
            "non-holomorphic functions involving complex outputs, use jax.vjp directly."
        )
    return y


def value_and_grad(
    fun: Callable[..., Any],
    argnums: Argnums = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
    reduce_axes: Sequence[Any] = (),
) -> Callable[..., Any]:
    """The function that returns ``fun``'s value and its gradient.

    >>> import pg_jax as jax, pg_jax.numpy as jnp
    >>> jax.value_and_grad(lambda x: jnp.sum(x**2))(jnp.arange(3.0))
    (Array(5., dtype=float32), Array([0., 2., 4.], dtype=float32))
    """
    _function(fun)

    @functools.wraps(fun)
    def value_and_grad_f(*args: Any, **kwargs: Any) -> Any:
        chosen = _chosen(args, argnums, "value_and_grad")
        for i in chosen:
            for leaf in _trees.flatten(args[i])[0]:
                _check_input(leaf, "grad", holomorphic, allow_int)
        at = _At(fun, args, kwargs, chosen, has_aux)
        y = _scalar(at, "grad", holomorphic)
        found = at.pull([pg.ones_like(y)])
        grads = found if isinstance(argnums, (tuple, list)) else found[0]
        return ((at.value, at.aux) if has_aux else at.value), grads

    return value_and_grad_f


def grad(
    fun: Callable[..., Any],
    argnums: Argnums = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
    reduce_axes: Sequence[Any] = (),
) -> Callable[..., Any]:
    """The function that returns the gradient of ``fun``.

    >>> import pg_jax as jax, pg_jax.numpy as jnp
    >>> jax.grad(jnp.tanh)(0.5)
    Array(0.7864477, dtype=float32, weak_type=True)
    """
    both = value_and_grad(fun, argnums, has_aux, holomorphic, allow_int)

    @functools.wraps(fun)
    def grad_f(*args: Any, **kwargs: Any) -> Any:
        value, g = both(*args, **kwargs)
        return (g, value[1]) if has_aux else g

    return grad_f


# ---- vjp, jvp, linearize


def _tangents(given: Any, like: Leaves, what: str) -> list[Tensor | None]:
    """One tangent for each leaf; integers have none."""
    leaves, tree = _trees.flatten(given)
    if tree != like.tree:
        raise TypeError(
            f"{what}: tree structure of the (co)tangent does not match: got {tree}, expected {like.tree}"
        )
    out: list[Tensor | None] = []
    for leaf, x, kind in zip(leaves, like.tensors, like.kinds, strict=True):
        if not x.dtype.is_inexact:
            own = getattr(leaf, "dtype", None)
            if own != dtypes.float0 and kind is not None:
                raise TypeError(
                    f"{what}: the (co)tangent of an integer or bool of shape {x.shape} must have dtype "
                    f"float0, got {own}"
                )
            out.append(None)
            continue
        t, weak = unwrap(leaf, what)
        if t.dtype is not x.dtype and not (weak or isinstance(leaf, (int, float, complex))):
            raise TypeError(
                f"{what}: primal and tangent dtypes must be equal (or float0 for integers), got "
                f"{x.dtype.name} and "
                f"{t.dtype.name}."
            )
        if t.shape != x.shape:
            raise ValueError(f"{what}: primal and tangent shapes must be equal, got {x.shape} and {t.shape}.")
        out.append(cast(t, x.dtype))
    return out


def vjp(fun: Callable[..., Any], *primals: Any, has_aux: bool = False, reduce_axes: Any = ()) -> Any:
    """The value of ``fun``, and the function that pulls a cotangent back to its arguments.

    >>> import pg_jax as jax, pg_jax.numpy as jnp
    >>> y, pull = jax.vjp(jnp.sin, 0.0)
    >>> pull(2.0)
    (Array(2., dtype=float32, weak_type=True),)
    """
    _function(fun)
    at = _At(fun, primals, {}, list(range(len(primals))), has_aux)
    like = Leaves.of(at.flat.out.tree, at.outs, at.flat.out.kinds)

    def pull(*cotangent: Any) -> tuple[Any, ...]:
        if len(cotangent) != 1:
            raise TypeError(
                f"The function returned by `jax.vjp` was called with {len(cotangent)} arguments, but takes 1."
            )
        return at.pull(_tangents_like(cotangent[0], like))

    return (at.value, pull, at.aux) if has_aux else (at.value, pull)


def _tangents_like(given: Any, like: Leaves) -> list[Tensor | None]:
    try:
        return _tangents(given, like, "vjp")
    except TypeError as error:
        raise ValueError(str(error)) from None


def jvp(fun: Callable[..., Any], primals: Any, tangents: Any, has_aux: bool = False) -> Any:
    """The value of ``fun``, and its derivative in the direction of the tangents.

    >>> import pg_jax as jax, pg_jax.numpy as jnp
    >>> jax.jvp(jnp.sin, (0.0,), (2.0,))[1]
    Array(2., dtype=float32, weak_type=True)
    """
    _function(fun)
    if not isinstance(primals, (tuple, list)) or not isinstance(tangents, (tuple, list)):
        raise TypeError(
            "primal and tangent arguments to jax.jvp must be tuples or lists; found "
            f"{type(primals).__name__} and {type(tangents).__name__}."
        )
    inputs = Leaves((tuple(primals), {}))
    given = _tangents((tuple(tangents), {}), inputs, "jvp")
    flat = Flat(fun, inputs, has_aux)
    outs, rates = extend.jvp(flat, inputs.tensors, given)
    values, aux = flat.split(outs)
    slopes = _rates(flat, values, rates[: len(values)])
    value = flat.out.build(values)
    return (value, slopes, flat.build_aux(aux)) if has_aux else (value, slopes)


def _rates(flat: Flat, values: Sequence[Tensor], rates: Sequence[Tensor | None]) -> Any:
    """Tangents of results."""
    leaves: list[Any] = []
    for y, t, kind in zip(values, rates, flat.out.kinds, strict=True):
        if not y.dtype.is_inexact:
            leaves.append(float0_zeros(y.shape if kind is not None else y.shape[:-1]))
        else:
            leaves.append(wrap(pg.zeros_like(y) if t is None else t, kind))
    return _trees.unflatten(flat.out.tree, leaves)


def linearize(fun: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """The value of ``fun``, and the linear function from tangents of its arguments to those of its value.

    >>> import pg_jax as jax, pg_jax.numpy as jnp
    >>> y, push = jax.linearize(jnp.sin, 0.0)
    >>> push(3.0)
    Array(3., dtype=float32, weak_type=True)
    """
    _function(fun)
    at = _At(fun, primals, {}, list(range(len(primals))), has_aux)

    def push(*tangents: Any) -> Any:
        rates = at.linear.push(_tangents(tangents, at.inputs, "linearize"))
        return _rates(at.flat, at.outs, rates[: len(at.outs)])

    return (at.value, push, at.aux) if has_aux else (at.value, push)


def linear_transpose(fun: Callable[..., Any], *primals: Any, reduce_axes: Any = ()) -> Callable[..., Any]:
    """The transpose of a function that is linear; ``primals`` only tell types.

    >>> import pg_jax as jax, pg_jax.numpy as jnp
    >>> jax.linear_transpose(lambda x: 3.0 * x, jax.ShapeDtypeStruct((), jnp.float32))(2.0)
    (Array(6., dtype=float32),)
    """
    from ._api import ShapeDtypeStruct, example_of

    leaves, tree = _trees.flatten(primals)
    given = _trees.unflatten(tree, [example_of(x) if isinstance(x, ShapeDtypeStruct) else x for x in leaves])
    pull: Callable[..., Any] = vjp(fun, *given)[1]
    return pull


# ---- Jacobians


def _unit_vectors(leaves: Sequence[Tensor]) -> tuple[list[Tensor], int]:
    total, start, parts = sum(x.size for x in leaves), 0, []
    for x in leaves:
        rows = pg.eye(total, x.size, k=-start, dtype=x.dtype)
        parts.append(rows.reshape((total, *x.shape)))
        start += x.size
    return parts, total


def _jacobian(
    fun: Callable[..., Any],
    argnums: Argnums,
    has_aux: bool,
    holomorphic: bool,
    allow_int: bool,
    forward: bool,
) -> Callable[..., Any]:
    what = "jacfwd" if forward else "jacrev"
    _function(fun)

    @functools.wraps(fun)
    def jacobian(*args: Any, **kwargs: Any) -> Any:
        chosen = _chosen(args, argnums, what)
        for i in chosen:
            for leaf in _trees.flatten(args[i])[0]:
                _check_input(leaf, what, holomorphic, allow_int)
        at = _At(fun, args, kwargs, chosen, has_aux)
        for y in at.outs:
            if not y.dtype.is_inexact or (y.dtype.is_complex and not holomorphic):
                raise TypeError(
                    f"{what} requires real-valued outputs (output dtype that is a sub-dtype of "
                    f"np.floating), but got "
                    f"{y.dtype.name}."
                )
        xs, ys = at.inputs.tensors, at.outs
        table = _columns(at, xs, ys) if forward else _rows(at, xs, ys)
        rows = []
        for j, kind_y in enumerate(at.flat.out.kinds):
            kinds = [bool(kind_y) if forward else bool(kind) for kind in at.inputs.kinds]
            parts = [make(block, kind) for block, kind in zip(table[j], kinds, strict=True)]
            row = _trees.unflatten(at.inputs.tree, parts)
            rows.append(row if isinstance(argnums, (tuple, list)) else row[0])
        result = _trees.unflatten(at.flat.out.tree, rows)
        return (result, at.aux) if has_aux else result

    return jacobian


def _columns(at: _At, xs: Sequence[Tensor], ys: Sequence[Tensor]) -> list[list[Tensor]]:
    vectors, total = _unit_vectors(xs)

    def push(*tangents: Tensor) -> list[Tensor]:
        return fill(at.linear.push(list(tangents))[: len(ys)], ys)

    pushed = pg.vmap(push)(*vectors) if total else [pg.zeros((0, *y.shape), dtype=y.dtype) for y in ys]
    table = []
    for y, columns in zip(ys, pushed, strict=True):
        row, start = [], 0
        for x in xs:
            part = pg.moveaxis(columns[start : start + x.size], 0, -1)
            row.append(part.reshape((*y.shape, *x.shape)))
            start += x.size
        table.append(row)
    return table


def _rows(at: _At, xs: Sequence[Tensor], ys: Sequence[Tensor]) -> list[list[Tensor]]:
    vectors, total = _unit_vectors(ys)
    extra = [None] * len(at._aux)

    def pull(*cts: Tensor) -> list[Tensor]:
        return fill(_pull(at.linear, [*cts, *extra]), xs)

    pulled = pg.vmap(pull)(*vectors) if total else [pg.zeros((0, *x.shape), dtype=x.dtype) for x in xs]
    table, start = [], 0
    for y in ys:
        table.append(
            [
                rows[start : start + y.size].reshape((*y.shape, *x.shape))
                for x, rows in zip(xs, pulled, strict=True)
            ]
        )
        start += y.size
    return table


def jacfwd(
    fun: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False, holomorphic: bool = False
) -> Callable[..., Any]:
    """The Jacobian by forward mode.

    >>> import pg_jax as jax, pg_jax.numpy as jnp
    >>> jax.jacfwd(lambda x: x * x)(jnp.array([1.0, 2.0]))
    Array([[2., 0.],
           [0., 4.]], dtype=float32)
    """
    return _jacobian(fun, argnums, has_aux, holomorphic, False, True)


def jacrev(
    fun: Callable[..., Any],
    argnums: Argnums = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
) -> Callable[..., Any]:
    """The Jacobian by reverse mode.

    >>> import pg_jax as jax, pg_jax.numpy as jnp
    >>> jax.jacrev(lambda x: x.sum() * x)(jnp.array([1.0, 2.0]))
    Array([[4., 1.],
           [2., 5.]], dtype=float32)
    """
    return _jacobian(fun, argnums, has_aux, holomorphic, allow_int, False)


def hessian(
    fun: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False, holomorphic: bool = False
) -> Callable[..., Any]:
    """All second derivatives: forward over reverse.

    >>> import pg_jax as jax, pg_jax.numpy as jnp
    >>> jax.hessian(lambda x: jnp.sum(x**3))(jnp.array([1.0, 2.0]))
    Array([[ 6.,  0.],
           [ 0., 12.]], dtype=float32)
    """
    inner = jacrev(fun, argnums, has_aux, holomorphic)
    return jacfwd(inner, argnums, has_aux, holomorphic)
