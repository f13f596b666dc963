"""Which primitives the bridge knows, and what it says of a jaxpr that has others."""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Callable, Iterator
from typing import Any

import jax
import pequegrad as pg
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn

from .. import _primitives

# Primitives that stand for the jaxpr in one of their parameters; names of several versions of jax.
INLINED = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "core_call": "call_jaxpr",
    "remat": "jaxpr",
    "remat2": "jaxpr",
    "checkpoint": "jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
    "custom_vjp_call_jaxpr": "fun_jaxpr",
}
# Primitives whose rule calls these jaxprs.
BODIES = {
    "scan": ("jaxpr",),
    "while": ("cond_jaxpr", "body_jaxpr"),
    "cond": ("branches",),
    "custom_linear_solve": ("jaxprs",),
    "scatter": ("update_jaxpr",),
    "reduce": ("jaxpr",),
    "reduce_window": ("jaxpr",),
}

_registered: dict[str, Callable[..., Any]] = {}


class UnsupportedPrimitive(pg.UnsupportedError):
    """A jaxpr has primitives that the bridge does not know. ``primitives`` names them."""

    def __init__(self, message: str, primitives: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.primitives = primitives


def register(primitive: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator: ``rule(*tensors, **params)`` evaluates a primitive, given by itself or by name.

    It takes and returns pequegrad tensors (a list where the primitive has several results); jaxprs among the
    parameters arrive as functions of tensors.

    >>> import jax
    >>> from jax.extend.core import Primitive
    >>> from pg_jax import bridge
    >>> double = Primitive("double")
    >>> _ = double.def_abstract_eval(lambda x: x)
    >>> @bridge.register(double)
    ... def _(x):
    ...     return x + x
    >>> bridge.jit(double.bind)(3.0)
    Array(6., dtype=float32, weak_type=True)
    """
    name = _primitives.canonical(getattr(primitive, "name", primitive))

    def decorate(rule: Callable[..., Any]) -> Callable[..., Any]:
        _registered[name] = rule
        return rule

    return decorate


def supported() -> list[str]:
    """The names of all primitives that the bridge evaluates.

    >>> from pg_jax import bridge
    >>> "dot_general" in bridge.supported(), "ragged_dot_general" in bridge.supported()
    (True, False)
    """
    return sorted({*_primitives.table, *_registered, *INLINED, "platform_index"})


def rule_of(name: str) -> Callable[..., Any] | None:
    """The function that evaluates a primitive."""
    name = _primitives.canonical(name)
    return _registered.get(name) or _primitives.table.get(name)


def is_registered(name: str) -> bool:
    """Whether a user states the rule."""
    return _primitives.canonical(name) in _registered


def obstacle(eqn: JaxprEqn) -> str | None:
    """Why an equation cannot be evaluated, or None. Bodies are not looked into."""
    name = _primitives.canonical(eqn.primitive.name)
    if name in _registered or name in INLINED or name == "platform_index":
        return None
    if name not in _primitives.table:
        return "not implemented"
    params = eqn.params
    if name == "scatter" and params.get("update_jaxpr") is not None and not params["unique_indices"]:
        return "update by a function (.at[].apply) of indices that may be equal"
    if name == "reduce_window" and (len(eqn.outvars) > 1 or params["consts"] or not eqn.invars[0].aval.ndim):
        return "several operands, constants or no axis"
    if name in ("random_seed", "random_wrap") and getattr(params.get("impl"), "tag", "fry") != "fry":
        return f"random generator {params['impl'].name!r}"
    if name == "conv_general_dilated" and eqn.invars[0].aval.ndim > 5:
        return f"{eqn.invars[0].aval.ndim - 2} spatial axes"
    if name in ("eigh", "svd") and params.get("subset_by_index") is not None:
        return "subset_by_index"
    if name == "qr" and params.get("pivoting"):
        return "pivoting"
    if name == "eig" and params.get("compute_left_eigenvectors"):
        return "left eigenvectors"
    return None


def bodies_in(value: Any) -> Iterator[ClosedJaxpr | Jaxpr]:
    """The jaxprs in a parameter."""
    if isinstance(value, (ClosedJaxpr, Jaxpr)):
        yield value
    elif isinstance(value, (tuple, list)):
        for x in value:
            yield from bodies_in(x)


def equations(jaxpr: Any) -> Iterator[JaxprEqn]:
    """All equations that evaluation meets, those of inner jaxprs included."""
    for eqn in jaxpr.eqns:
        yield eqn
        name = _primitives.canonical(eqn.primitive.name)
        inner: tuple[str, ...] = (INLINED[name],) if name in INLINED else BODIES.get(name, ())
        for key in inner:
            for body in bodies_in(eqn.params[key]):
                yield from equations(getattr(body, "jaxpr", body))


def _folder(module: Any) -> str:
    return os.path.join(os.path.dirname(os.path.abspath(module.__file__)), "")


_OWN = (_folder(jax), _folder(pg), _folder(_primitives).removesuffix(os.path.join("_primitives", "")))
_INSTALLED = tuple({sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib")})


def source_of(eqn: JaxprEqn) -> str:
    """Where the user's code called for an equation: ``file:line (function)``."""
    traceback = getattr(eqn.source_info, "traceback", None)
    frames = [] if traceback is None else list(traceback.frames)
    outside = [f for f in frames if not f.file_name.startswith(_OWN) and "jaxlib" not in f.file_name]
    if not outside:
        return "unknown place"
    own = next((f for f in outside if not f.file_name.startswith(_INSTALLED)), outside[0])
    return f"{own.file_name}:{own.line_num} ({own.function_name})"


def check(jaxpr: Any, by_jax: bool = False) -> None:
    """Raise for all equations of a jaxpr that cannot be evaluated, before anything runs.

    With ``by_jax``, jax evaluates them on the host, unless their use is in what they do, not in results.
    """
    places: dict[tuple[str, str], dict[str, int]] = {}
    for eqn in equations(jaxpr):
        why = obstacle(eqn)
        if why is not None and not (by_jax and eqn.outvars):
            where = places.setdefault((eqn.primitive.name, why), {})
            source = source_of(eqn)
            where[source] = where.get(source, 0) + 1
    if not places:
        return
    lines = []
    for (name, why), where in sorted(places.items()):
        lines.append(f"  {name}: {why}")
        for source, times in where.items():
            lines.append(f"    at {source}" + (f", {times} times" if times > 1 else ""))
    names = tuple(sorted({name for name, _ in places}))
    raise UnsupportedPrimitive(
        f"bridge.jit: {len(names)} primitive{'s' * (len(names) > 1)} of this function cannot be evaluated:\n"
        + "\n".join(lines)
        + "\nState a rule with bridge.register(primitive), or let jax evaluate these on the host with "
        'bridge.jit(..., fallback="jax")',
        names,
    )
