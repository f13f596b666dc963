"""Primitives that jax itself evaluates on the host, where a user asks for that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pequegrad as pg
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, jaxpr_as_fun
from pequegrad import Tensor

from . import _stats


class Fallback:
    """Evaluates single equations by jax, in the middle of a program."""

    def __init__(self, jaxpr: Jaxpr) -> None:
        self._jaxpr = jaxpr

    def __call__(self, eqn: JaxprEqn, operands: list[Tensor]) -> list[Tensor]:
        given: dict[Any, Tensor] = {
            atom: x for atom, x in zip(eqn.invars, operands, strict=True) if not isinstance(atom, Literal)
        }
        function = self._host_function(eqn, list(given))
        outs = [var.aval for var in eqn.outvars]
        types = [pg.ShapeDtype(_shape(aval), _exchanged(aval)) for aval in outs]
        arguments = [x.astype("float32") if x.dtype is pg.bfloat16 else x for x in given.values()]
        made = pg.host_call(function, types, *arguments)
        return [
            x.astype("bfloat16") if aval.dtype.name == "bfloat16" else x
            for x, aval in zip(made, outs, strict=True)
        ]

    def _host_function(self, eqn: JaxprEqn, invars: list[Any]) -> Callable[..., list[Any]]:
        names = self._jaxpr.debug_info.with_unknown_names()
        alone = Jaxpr([], invars, list(eqn.outvars), [eqn], eqn.effects, names)
        run = jax.jit(jaxpr_as_fun(ClosedJaxpr(alone, [])))
        name = eqn.primitive.name
        keys = [jax.dtypes.issubdtype(v.aval.dtype, jax.dtypes.prng_key) for v in invars]

        def call(*arrays: np.ndarray[Any, Any]) -> list[Any]:
            _stats.fallback[name] += 1
            given = [
                jax.random.wrap_key_data(x) if key else jax.numpy.asarray(x, v.aval.dtype)
                for x, key, v in zip(arrays, keys, invars, strict=True)
            ]
            return [_to_numpy(x) for x in run(*given)]

        return call


def _shape(aval: Any) -> tuple[int, ...]:
    return (*aval.shape, 2) if jax.dtypes.issubdtype(aval.dtype, jax.dtypes.prng_key) else aval.shape


def _exchanged(aval: Any) -> str:
    """The dtype that crosses the border: NumPy has neither keys nor bfloat16."""
    if jax.dtypes.issubdtype(aval.dtype, jax.dtypes.prng_key):
        return "uint32"
    return "float32" if aval.dtype.name == "bfloat16" else str(aval.dtype.name)


def _to_numpy(x: Any) -> np.ndarray[Any, Any]:
    if jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key):
        x = jax.random.key_data(x)
    return np.asarray(x, np.float32) if x.dtype.name == "bfloat16" else np.asarray(x)
