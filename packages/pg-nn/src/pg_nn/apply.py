"""Modules as functions of their parameters: apply_to_module, functional_call, value_and_grad."""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import pequegrad as pg
from pequegrad import Tensor
from pequegrad.errors import ArgumentError

from ._scope import replaced, resolve
from ._state import compute, describe, snapshot
from .errors import StateDictError, describe_mismatch
from .module import StatefulModule

__all__ = ["apply_to_module", "functional_call", "value_and_grad"]

_warned: weakref.WeakSet[StatefulModule] = weakref.WeakSet()


def apply_to_module(model: StatefulModule, params: Mapping[str, Tensor], *args: Any, **kwargs: Any) -> Any:
    """`model(*args, **kwargs)` with `params` in place of its own parameters; the model is not changed.

    Statistics that layers such as BatchNorm2d update in training mode are computed and dropped; where they
    are needed use `functional_call`, or call the model itself.

    >>> import pequegrad as pg, pg_nn as nn
    >>> model = nn.Linear(2, 1)
    >>> doubled = {name: 2 * value for name, value in model.params_dict().items()}
    >>> x = pg.ones((3, 2))
    >>> bool(pg.allclose(nn.apply_to_module(model, doubled, x), 2 * model(x)))
    True
    """
    if model not in _warned and any(module._buffers and module.training for module in model.modules()):
        _warned.add(model)
        warnings.warn(
            f"apply_to_module: {type(model).__name__} is in training mode and has buffers, whose updates are "
            "dropped; use nn.functional_call to get them, or model.eval()",
            stacklevel=2,
        )
    copies = [(handle, snapshot(resolve(handle))) for handle in _own(model, "_buffers").values()]
    with replaced(_pairs("apply_to_module", "parameters", model, params) + copies):
        return model(*args, **kwargs)


def functional_call(
    model: StatefulModule,
    state: tuple[Mapping[str, Tensor], Mapping[str, Tensor]],
    *args: Any,
    **kwargs: Any,
) -> tuple[Any, dict[str, Tensor]]:
    """`model(*args, **kwargs)` with `state = (params, buffers)`; returns the output and the updated buffers.

    The model itself is not changed.

    >>> import pequegrad as pg, pg_nn as nn
    >>> model = nn.BatchNorm2d(1)
    >>> state = (model.params_dict(), model.buffers_dict())
    >>> out, buffers = nn.functional_call(model, state, 10 * pg.ones((2, 1, 2, 2)))
    >>> buffers["running_mean"].numpy(), model.running_mean.numpy()
    (array([1.], dtype=float32), array([0.], dtype=float32))
    """
    if not isinstance(state, tuple) or len(state) != 2:
        raise StateDictError(
            f"functional_call: state must be a pair (params, buffers), got {type(state).__name__}"
        )
    params, buffers = state
    pairs = _pairs("functional_call", "parameters", model, params)
    _pairs("functional_call", "buffers", model, buffers)
    fresh = {name: snapshot(value) for name, value in buffers.items()}
    with replaced(pairs + _pairs("functional_call", "buffers", model, fresh)):
        out = model(*args, **kwargs)
    return out, fresh


def value_and_grad(
    model: StatefulModule, loss_fn: Callable[..., Any], has_aux: bool = False
) -> Callable[..., tuple[Any, dict[str, Tensor]]]:
    """A function that returns `loss_fn(*args)` and its gradients by parameter name.

    `loss_fn` calls `model` as usual. With `has_aux` it returns `(loss, aux)`, and so does the new function in
    place of the loss. Buffers that the model updates are updated once, also under jit.

    >>> import pequegrad as pg, pg_nn as nn
    >>> model = nn.Linear(2, 1)
    >>> def loss_fn(x, y):
    ...     return nn.mse_loss(model(x), y)
    >>> loss, grads = nn.value_and_grad(model, loss_fn)(pg.ones((4, 2)), pg.zeros((4, 1)))
    >>> sorted(grads)
    ['bias', 'weight']
    """
    if not isinstance(model, StatefulModule):
        raise StateDictError(
            f"value_and_grad: the first argument must be a module, got {type(model).__name__}"
        )

    def with_gradients(*args: Any, **kwargs: Any) -> tuple[Any, dict[str, Tensor]]:
        handles, buffers = _own(model, "_parameters"), _own(model, "_buffers")

        def loss_of(params: dict[str, Tensor]) -> tuple[Tensor, tuple[Any, dict[str, Tensor]]]:
            # Updates of buffers go to copies that leave as auxiliary output, so that this function is pure.
            fresh = {name: snapshot(resolve(handle)) for name, handle in buffers.items()}
            pairs = [(handle, params[name]) for name, handle in handles.items()]
            with replaced(pairs + [(handle, fresh[name]) for name, handle in buffers.items()]):
                result = loss_fn(*args, **kwargs)
            loss, aux = _split(result) if has_aux else (result, None)
            return loss, (aux, fresh)

        params = {name: resolve(handle) for name, handle in handles.items()}
        (loss, (aux, fresh)), (grads,) = pg.value_and_grad(loss_of, wrt=[0], has_aux=True)(params)
        # Together, because loss and gradients share the forward pass.
        compute(loss, aux, fresh, grads)
        for name, handle in buffers.items():
            resolve(handle).assign(fresh[name])
        return ((loss, aux) if has_aux else loss), grads

    return with_gradients


def _split(result: Any) -> tuple[Tensor, Any]:
    if not isinstance(result, tuple) or len(result) != 2:
        raise ArgumentError(
            f"value_and_grad: with has_aux=True the function must return (loss, aux), got {result!r}"
        )
    return result


def _own(model: StatefulModule, registry: str) -> dict[str, Tensor]:
    return dict(model._named_handles(registry))


def _pairs(
    what: str, kind: str, model: StatefulModule, given: Mapping[str, Tensor]
) -> list[tuple[Tensor, Tensor]]:
    if not isinstance(given, Mapping):
        raise StateDictError(
            f"{what}: {kind} must be a dict from names to tensors, got {type(given).__name__}"
        )
    own = _own(model, f"_{kind}")
    lines = describe_mismatch(own, given, describe, lambda a, b: tuple(a.shape) != tuple(b.shape))
    if lines:
        raise StateDictError(f"{what}: the {kind} do not fit {type(model).__name__}:\n" + "\n".join(lines))
    return [(handle, given[name]) for name, handle in own.items()]
