"""The stateful face of an optimizer: handles to parameters, updated by the functional form."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pequegrad as pg
from pequegrad import Tensor

from .._state import compute, load_tensors, snapshot
from ..errors import OptimizerError
from ..module import StatefulModule
from ._state import Functional, State, scalar

_USAGE = "loss, grads = nn.value_and_grad(model, loss_fn)(x, y); optimizer.step(grads)"


class Optimizer:
    """Base of SGD, Adam and AdamW.

    `params` is a module, a dict of tensors, or a sequence of tensors; gradients come in the same form (by
    parameter name for a module).
    """

    state: State

    def __init__(
        self, params: Any, functional: Functional, make_state: Callable[[dict[str, Tensor]], State]
    ) -> None:
        self._params = _named(type(self).__name__, params)
        self._functional = functional
        # The handles of the state are this optimizer's own: jit writes its results back into them.
        self.state = make_state(self._params)

    def step(self, grads: Mapping[str, Tensor] | Iterable[Tensor] | None = None) -> None:
        """Update every parameter in place from its gradient."""
        if grads is None:
            raise OptimizerError(
                f"{type(self).__name__}.step needs the gradients, which nothing stores: {_USAGE}"
            )
        if not isinstance(grads, Mapping):
            values = list(grads)
            if len(values) != len(self._params):
                raise OptimizerError(
                    f"{type(self).__name__}.step: {len(values)} gradients for {len(self._params)} parameters"
                )
            grads = dict(zip(self._params, values, strict=True))
        if list(grads) != list(self._params):
            missing = [name for name in self._params if name not in grads]
            unknown = [name for name in grads if name not in self._params]
            if missing or unknown:
                raise OptimizerError(
                    f"{type(self).__name__}.step: gradients do not match the parameters: "
                    f"missing {missing}, unexpected {unknown}"
                )
            grads = {name: grads[name] for name in self._params}
        state, params = self._functional(self._params, grads, self.state)
        results = [*pg.pytree.flatten(state)[0], *params.values()]
        compute(results)
        handles = [*pg.pytree.flatten(self.state)[0], *self._params.values()]
        for handle, value in zip(handles, results, strict=True):
            handle.assign(value)

    def zero_grad(self) -> None:
        """Raise: there are no stored gradients to reset."""
        raise OptimizerError(f"gradients are values here, so there is nothing to reset: {_USAGE}")

    @property
    def lr(self) -> float:
        """The learning rate; assigning to it does not retrace a jitted step."""
        return self.state.lr.item()  # type: ignore[attr-defined]

    @lr.setter
    def lr(self, value: float | Tensor) -> None:
        self.state.lr.assign(scalar(type(self).__name__, "lr", value))  # type: ignore[attr-defined]

    def state_dict(self) -> dict[str, Tensor]:
        """Hyperparameters, step count and moments by name; stepping on does not change it."""
        return {name: snapshot(handle) for name, handle in self._handles().items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned; all or nothing."""
        load_tensors(f"{type(self).__name__}.load_state_dict", self._handles(), state, strict=True)

    def _handles(self) -> dict[str, Tensor]:
        state = self.state
        handles = {name: getattr(state, name) for name in (*state.hyperparameters, "step")}
        for moment in state.moments:
            for name, tensor in (getattr(state, moment) or {}).items():
                handles[f"{moment}.{name}"] = tensor
        return handles

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self._params)} parameters, {self.state!r})"


def _named(owner: str, params: Any) -> dict[str, Tensor]:
    if isinstance(params, StatefulModule):
        named = params.params_dict()
    elif isinstance(params, Mapping):
        named = dict(params)
    elif isinstance(params, Iterable) and not isinstance(params, Tensor):
        named = {str(i): tensor for i, tensor in enumerate(params)}
    else:
        raise OptimizerError(
            f"{owner}: needs a module, or a dict or list of tensors, got {type(params).__name__}"
        )
    wrong = [name for name, tensor in named.items() if not isinstance(tensor, Tensor)]
    if wrong or not named:
        raise OptimizerError(f"{owner}: needs at least one parameter, all tensors; not a tensor: {wrong}")
    return named
