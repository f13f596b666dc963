"""Adam and AdamW, as in torch."""

from __future__ import annotations

from typing import Any, ClassVar

import pequegrad as pg
from pequegrad import Tensor

from ..errors import OptimizerError
from ._state import State, count, matching_leaves, split_tree, zeros_like_tree
from ._stateful import Optimizer

__all__ = ["Adam", "AdamState", "AdamW", "adam", "adamw"]


class AdamState(State):
    """State of `adam` and `adamw`: hyperparameters, step count and two moments for each parameter.

    >>> import pequegrad as pg, pg_nn as nn
    >>> nn.AdamState({"w": pg.zeros((2,))}, lr=1e-3).beta2.item()
    0.999
    """

    hyperparameters: ClassVar[tuple[str, ...]] = ("lr", "beta1", "beta2", "eps", "weight_decay")
    moments: ClassVar[tuple[str, ...]] = ("mean", "variance")

    lr: Tensor
    beta1: Tensor
    beta2: Tensor
    eps: Tensor
    weight_decay: Tensor
    mean: Any
    variance: Any

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float | Tensor = 1e-8,
        weight_decay: float | Tensor = 0.0,
    ) -> None:
        if any(not isinstance(beta, Tensor) and not 0.0 <= beta < 1.0 for beta in betas):
            raise OptimizerError(f"AdamState: both betas must be at least 0 and below 1, got {betas}")
        self._set_hyperparameters(lr=lr, beta1=betas[0], beta2=betas[1], eps=eps, weight_decay=weight_decay)
        self.__dict__.update(mean=zeros_like_tree(params), variance=zeros_like_tree(params), step=count())


def adam(params: Any, grads: Any, state: AdamState) -> tuple[AdamState, Any]:
    """One step of Adam, with weight decay added to the gradient: the new state and the new parameters.

    >>> import pequegrad as pg, pg_nn as nn
    >>> params = {"w": pg.ones((2,))}
    >>> state, params = nn.adam(params, {"w": pg.ones((2,))}, nn.AdamState(params, lr=0.5))
    >>> params["w"].numpy().round(4)
    array([0.5, 0.5], dtype=float32)
    """
    return _step("adam", params, grads, state, decoupled=False)


def adamw(params: Any, grads: Any, state: AdamState) -> tuple[AdamState, Any]:
    """One step of Adam with decoupled weight decay: the new state and the new parameters.

    >>> import pequegrad as pg, pg_nn as nn
    >>> params = {"w": pg.ones((2,))}
    >>> state = nn.AdamState(params, lr=0.5, weight_decay=0.2)
    >>> state, params = nn.adamw(params, {"w": pg.ones((2,))}, state)
    >>> params["w"].numpy().round(4)
    array([0.4, 0.4], dtype=float32)
    """
    return _step("adamw", params, grads, state, decoupled=True)


def _step(what: str, params: Any, grads: Any, state: AdamState, decoupled: bool) -> tuple[AdamState, Any]:
    if not isinstance(state, AdamState):
        raise OptimizerError(f"{what}: the third argument must be an AdamState, got {type(state).__name__}")
    new = state._advanced()
    steps = new.step.astype(pg.dt.float64)
    rate = state.lr / (1.0 - state.beta1**steps)
    spread = pg.sqrt(1.0 - state.beta2**steps)
    results = []
    for p, g, m, v in matching_leaves(what, params, grads, state.mean, state.variance):
        beta1, beta2 = state.beta1.astype(p.dtype), state.beta2.astype(p.dtype)
        rest1, rest2 = (1.0 - state.beta1).astype(p.dtype), (1.0 - state.beta2).astype(p.dtype)
        if decoupled:
            p = p * (1.0 - state.lr * state.weight_decay).astype(p.dtype)
        else:
            g = g + state.weight_decay.astype(p.dtype) * p
        m = beta1 * m + rest1 * g
        v = beta2 * v + rest2 * (g * g)
        denominator = pg.sqrt(v) / spread.astype(p.dtype) + state.eps.astype(p.dtype)
        results.append((p - rate.astype(p.dtype) * m / denominator, m, v))
    new_params, mean, variance = split_tree(results, params, 3)
    new.__dict__.update(mean=mean, variance=variance)
    return new, new_params


class Adam(Optimizer):
    """Stateful Adam: holds a model's parameters and updates them in `step(grads)`, also inside jit.

    >>> import pequegrad as pg, pg_nn as nn
    >>> optimizer = nn.Adam(nn.Linear(2, 1), lr=1e-3)
    >>> optimizer.lr = 5e-4
    >>> optimizer.lr
    0.0005
    """

    state: AdamState

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, adam, lambda tree: AdamState(tree, lr, betas, eps, weight_decay))


class AdamW(Optimizer):
    """Stateful Adam with decoupled weight decay.

    >>> import pg_nn as nn
    >>> nn.AdamW(nn.Linear(2, 1), lr=1e-3).state.weight_decay.item()
    0.01
    """

    state: AdamState

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(params, adamw, lambda tree: AdamState(tree, lr, betas, eps, weight_decay))
