"""Evaluation of a jaxpr with the primitive table, on pequegrad tensors.

Keys of random numbers are tensors of two words, uint32[..., 2]. Primitives that only move elements do to keys
what they do to each of the two words.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
import pequegrad as pg
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal
from pequegrad import Tensor

from .. import _primitives
from . import _rules
from ._fallback import Fallback

# Parameters that say where results lie: there is one device.
_PLACES = frozenset(("sharding", "out_sharding", "memory_space"))


def is_key(aval: Any) -> bool:
    """Whether a type is that of keys of random numbers."""
    return bool(jax.dtypes.issubdtype(aval.dtype, jax.dtypes.prng_key))


def tensor_of(value: Any, dtype: Any = None) -> Tensor:
    """A constant of a jaxpr, or an argument, as a tensor; arrays of jax share their memory."""
    if isinstance(value, jax.Array):
        if jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key):
            value = jax.random.key_data(value)
        return pg.from_numpy(np.asarray(value))
    array = np.asarray(value, dtype)
    if array.dtype == jax.dtypes.float0:
        array = np.zeros(array.shape, np.bool_)
    return pg.Tensor(array)


class Walker:
    """Evaluates jaxprs. ``fallback`` takes equations that the table cannot evaluate."""

    def __init__(self, fallback: Fallback | None = None) -> None:
        self._fallback = fallback
        self._constants: dict[int, tuple[Any, Tensor]] = {}

    def constant(self, value: Any) -> Tensor:
        """The tensor of a constant, made once."""
        known = self._constants.get(id(value))
        if known is None:
            known = self._constants[id(value)] = (value, tensor_of(value))
        return known[1]

    def prepare(self, jaxpr: Jaxpr, consts: Sequence[Any]) -> None:
        """Make the tensors of all constants, before a trace begins."""
        for value in consts:
            self.constant(value)
        for eqn in _rules.equations(jaxpr):
            for param in eqn.params.values():
                for body in _rules.bodies_in(param):
                    for value in getattr(body, "consts", ()):
                        self.constant(value)

    def closed(self, body: ClosedJaxpr | Jaxpr) -> Callable[..., list[Tensor]]:
        """A jaxpr as a function of tensors."""
        inner = body.jaxpr if isinstance(body, ClosedJaxpr) else body
        consts = body.consts if isinstance(body, ClosedJaxpr) else ()
        return lambda *args: self.run(inner, consts, args)

    def run(self, jaxpr: Jaxpr, consts: Sequence[Any], args: Sequence[Tensor]) -> list[Tensor]:
        """The results of a jaxpr."""
        env: dict[Any, Tensor] = dict(zip(jaxpr.invars, args, strict=True))
        env.update((var, self.constant(value)) for var, value in zip(jaxpr.constvars, consts, strict=True))
        for eqn in jaxpr.eqns:
            operands = [self._read(env, atom) for atom in eqn.invars]
            try:
                results = self._equation(eqn, operands)
            except Exception as error:
                error.add_note(f"in the primitive {eqn.primitive.name}, called at {_rules.source_of(eqn)}")
                raise
            for var, value in zip(eqn.outvars, results, strict=True):
                _check(eqn, var.aval, value)
                env[var] = value
        return [self._read(env, atom) for atom in jaxpr.outvars]

    def _read(self, env: dict[Any, Tensor], atom: Any) -> Tensor:
        if not isinstance(atom, Literal):
            return env[atom]
        kind = atom.aval.dtype
        if kind == jax.dtypes.float0:
            return pg.full(atom.aval.shape, False, dtype="bool")
        value = np.asarray(atom.val, kind)
        return pg.full((), value.item(), dtype=value.dtype) if value.ndim == 0 else self.constant(atom.val)

    def _equation(self, eqn: JaxprEqn, operands: list[Tensor]) -> Sequence[Tensor]:
        name = _primitives.canonical(eqn.primitive.name)
        if name in _rules.INLINED and not _rules.is_registered(name):
            return self.closed(eqn.params[_rules.INLINED[name]])(*operands)
        if name == "platform_index":
            return [pg.full((), _platform(eqn.params["platforms"]), dtype="int32")]
        if _rules.obstacle(eqn) is not None:
            assert self._fallback is not None, "checked before"
            return self._fallback(eqn, operands)
        rule = _rules.rule_of(name)
        assert rule is not None
        params = {key: value for key, value in eqn.params.items() if key not in _PLACES}
        if name in _rules.BODIES or _rules.is_registered(name):
            params = {key: self._callable(value) for key, value in params.items()}
        keyed = [is_key(atom.aval) for atom in eqn.invars]
        if any(keyed) and name not in _rules.BODIES and not name.startswith("random_"):
            return _by_words(rule, params, operands, keyed, eqn)
        made = rule(*operands, **params)
        return list(made) if isinstance(made, (list, tuple)) else [made]

    def _callable(self, value: Any) -> Any:
        if isinstance(value, (ClosedJaxpr, Jaxpr)):
            return self.closed(value)
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return type(value)(*map(self._callable, value))
        if isinstance(value, (tuple, list)):
            return type(value)(map(self._callable, value))
        return value


def _by_words(
    rule: Callable[..., Any], params: dict[str, Any], operands: list[Tensor], keyed: list[bool], eqn: JaxprEqn
) -> list[Tensor]:
    if not all(is_key(var.aval) for var in eqn.outvars):
        raise _rules.UnsupportedPrimitive(
            f"bridge.jit: {eqn.primitive.name} of keys of random numbers", (eqn.primitive.name,)
        )
    made = []
    for word in (0, 1):
        parts = [x[..., word] if key else x for x, key in zip(operands, keyed, strict=True)]
        results = rule(*parts, **params)
        made.append(list(results) if isinstance(results, (list, tuple)) else [results])
    return [pg.stack(words, -1) for words in zip(*made, strict=True)]


def _platform(platforms: Sequence[Any]) -> int:
    """Which branch is for the CPU, or for any platform."""
    for i, names in enumerate(platforms):
        if names is None or "cpu" in names:
            return i
    raise pg.UnsupportedError(f"platform_dependent: no branch for the cpu and no default among {platforms}")


def _check(eqn: JaxprEqn, aval: Any, value: Tensor) -> None:
    """A rule that yields another type than jax would make everything after it wrong."""
    if is_key(aval):
        shape, dtype = (*aval.shape, 2), "uint32"
    else:
        shape, dtype = aval.shape, "bool" if aval.dtype == jax.dtypes.float0 else aval.dtype.name
    if value.shape != shape or value.dtype.name != dtype:
        raise pg.InternalError(
            f"the rule of {eqn.primitive.name} returned {value.dtype}{list(value.shape)} where jax has "
            f"{dtype}{list(shape)}"
        )
