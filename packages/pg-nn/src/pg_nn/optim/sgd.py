"""Stochastic gradient descent with momentum, as in torch."""

from __future__ import annotations

from typing import Any, ClassVar

import pequegrad as pg
from pequegrad import Tensor

from ..errors import OptimizerError
from ._state import State, count, matching_leaves, split_tree, zeros_like_tree
from ._stateful import Optimizer

__all__ = ["SGD", "SGDState", "sgd"]


class SGDState(State):
    """State of `sgd`: hyperparameters, step count and, with momentum, one velocity for each parameter.

    >>> import pequegrad as pg, pg_nn as nn
    >>> nn.SGDState({"w": pg.zeros((2,))}, lr=0.1, momentum=0.9).velocity["w"].shape
    (2,)
    """

    hyperparameters: ClassVar[tuple[str, ...]] = ("lr", "momentum", "dampening", "weight_decay")
    moments: ClassVar[tuple[str, ...]] = ("velocity",)
    static: ClassVar[tuple[str, ...]] = ("nesterov",)

    lr: Tensor
    momentum: Tensor
    dampening: Tensor
    weight_decay: Tensor
    velocity: Any
    nesterov: bool

    def __init__(
        self,
        params: Any,
        lr: float | Tensor,
        momentum: float | Tensor = 0.0,
        dampening: float | Tensor = 0.0,
        weight_decay: float | Tensor = 0.0,
        nesterov: bool = False,
    ) -> None:
        has_momentum = isinstance(momentum, Tensor) or momentum != 0
        if nesterov and (not has_momentum or (not isinstance(dampening, Tensor) and dampening != 0)):
            raise OptimizerError("SGDState: nesterov needs a momentum and no dampening")
        self._set_hyperparameters(lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay)
        velocity = zeros_like_tree(params) if has_momentum else None
        self.__dict__.update(velocity=velocity, step=count(), nesterov=bool(nesterov))

    def _check_changes(self, changes: Any) -> None:
        if "momentum" in changes and self.velocity is None:
            raise OptimizerError(
                "SGDState.replace: this state was built without momentum and holds no velocities; "
                "build a new SGDState with momentum=..."
            )


def sgd(params: Any, grads: Any, state: SGDState) -> tuple[SGDState, Any]:
    """One step: the new state and the new parameters, in pytrees of the old structure.

    >>> import pequegrad as pg, pg_nn as nn
    >>> params = {"w": pg.ones((2,))}
    >>> state, params = nn.sgd(params, {"w": pg.ones((2,))}, nn.SGDState(params, lr=0.5))
    >>> params["w"].numpy()
    array([0.5, 0.5], dtype=float32)
    """
    if not isinstance(state, SGDState):
        raise OptimizerError(f"sgd: the third argument must be an SGDState, got {type(state).__name__}")
    if state.velocity is None:
        rows = matching_leaves("sgd", params, grads)
        updated = [(_descend(p, _decayed(p, g, state), state),) for p, g in rows]
        return state._advanced(), split_tree(updated, params, 1)[0]
    # torch starts the velocity at the first gradient, without dampening.
    share = pg.where(state.step == 0, 1.0, 1.0 - state.dampening)
    results = []
    for p, g, v in matching_leaves("sgd", params, grads, state.velocity):
        gradient = _decayed(p, g, state)
        velocity = state.momentum.astype(p.dtype) * v + share.astype(p.dtype) * gradient
        direction = gradient + state.momentum.astype(p.dtype) * velocity if state.nesterov else velocity
        results.append((_descend(p, direction, state), velocity))
    new_params, new_velocity = split_tree(results, params, 2)
    return state._advanced(velocity=new_velocity), new_params


def _decayed(p: Tensor, g: Tensor, state: SGDState) -> Tensor:
    return g + state.weight_decay.astype(p.dtype) * p


def _descend(p: Tensor, direction: Tensor, state: SGDState) -> Tensor:
    return p - state.lr.astype(p.dtype) * direction


class SGD(Optimizer):
    """Stateful SGD: holds a model's parameters and updates them in `step(grads)`, also inside jit.

    >>> import pequegrad as pg, pg_nn as nn
    >>> model = nn.Linear(2, 1)
    >>> optimizer = nn.SGD(model, lr=0.1, momentum=0.9)
    >>> loss_fn = lambda x, y: nn.mse_loss(model(x), y)
    >>> loss, grads = nn.value_and_grad(model, loss_fn)(pg.ones((4, 2)), pg.ones((4, 1)))
    >>> optimizer.step(grads)
    """

    state: SGDState

    def __init__(
        self,
        params: Any,
        lr: float,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(
            params, sgd, lambda tree: SGDState(tree, lr, momentum, dampening, weight_decay, nesterov)
        )
