"""What optimizer states have in common: hyperparameters as 0-d tensors, `replace`, and being a pytree.

Hyperparameters and the step count are tensors, so that a schedule can change them without a retrace. They are
float64: 1 - 0.999 ** step loses four digits in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

import pequegrad as pg
from pequegrad import Tensor

from ..errors import OptimizerError


class State:
    """Base of SGDState and AdamState; all fields but the `static` ones are children of the pytree."""

    hyperparameters: ClassVar[tuple[str, ...]] = ()
    moments: ClassVar[tuple[str, ...]] = ()
    static: ClassVar[tuple[str, ...]] = ()

    step: Tensor

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        pg.pytree.register(cls, cls._flatten, cls._unflatten, lambda static: cls._dynamic())

    @classmethod
    def _dynamic(cls) -> tuple[str, ...]:
        return (*cls.moments, *cls.hyperparameters, "step")

    def _flatten(self) -> tuple[list[Any], tuple[Any, ...]]:
        return [getattr(self, name) for name in self._dynamic()], tuple(
            getattr(self, name) for name in self.static
        )

    @classmethod
    def _unflatten(cls, static: tuple[Any, ...], children: Any) -> Self:
        state = object.__new__(cls)
        state.__dict__.update(zip(cls._dynamic(), children, strict=True))
        state.__dict__.update(zip(cls.static, static, strict=True))
        return state

    def _set_hyperparameters(self, **values: float | Tensor) -> None:
        for name, value in values.items():
            self.__dict__[name] = scalar(type(self).__name__, name, value)

    def replace(self, **changes: float | Tensor) -> Self:
        """A copy with some hyperparameters changed.

        >>> import pequegrad as pg, pg_nn as nn
        >>> state = nn.SGDState({"w": pg.zeros((2,))}, lr=0.1)
        >>> state.replace(lr=0.01).lr.item(), state.lr.item()
        (0.01, 0.1)
        """
        unknown = sorted(set(changes) - set(self.hyperparameters))
        if unknown:
            raise OptimizerError(
                f"{type(self).__name__}.replace: no hyperparameter {', '.join(unknown)}; "
                f"there are {', '.join(self.hyperparameters)}"
            )
        copy = self._unflatten(*reversed(self._flatten()))
        copy._check_changes(changes)
        copy._set_hyperparameters(**changes)
        return copy

    def _check_changes(self, changes: Mapping[str, Any]) -> None:
        """Raise if `changes` need something that this state was built without."""

    def _advanced(self, **moments: Any) -> Self:
        copy = self._unflatten(*reversed(self._flatten()))
        copy.__dict__.update(moments, step=self.step + 1)
        return copy

    def __setattr__(self, name: str, value: Any) -> None:
        raise OptimizerError(f"{type(self).__name__} is immutable; use state.replace({name}=...)")

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in (*self.hyperparameters, *self.static))
        return f"{type(self).__name__}({shown})"


def scalar(owner: str, name: str, value: float | Tensor) -> Tensor:
    """`value` as a float64 tensor of shape ()."""
    if isinstance(value, Tensor):
        if value.ndim:
            raise OptimizerError(
                f"{owner}: {name} must be one number, got a tensor of shape {tuple(value.shape)}"
            )
        return value.astype(pg.dt.float64)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise OptimizerError(f"{owner}: {name} must be a number, got {type(value).__name__}")
    if not value >= 0:
        raise OptimizerError(f"{owner}: {name} must not be negative, got {value}")
    return pg.full((), float(value), dtype=pg.dt.float64).eval()


def count() -> Tensor:
    """The step count before the first step."""
    return pg.zeros((), dtype=pg.dt.int64).eval()


def zeros_like_tree(params: Any) -> Any:
    """A pytree of zeros with the shapes of `params`."""
    return pg.pytree.map(lambda p: pg.zeros_like(p).eval(), params)


def split_tree(results: Any, like: Any, parts: int) -> list[Any]:
    """Turn a list of tuples, one for each leaf of `like`, into one pytree for each position."""
    _, structure = pg.pytree.flatten(like)
    return [pg.pytree.unflatten(structure, [result[i] for result in results]) for i in range(parts)]


def matching_leaves(what: str, params: Any, *others: Any) -> list[tuple[Tensor, ...]]:
    """Leaves of `params` side by side with those of trees of the same structure."""
    leaves, structure = pg.pytree.flatten(params)
    columns = [leaves]
    for kind, tree in zip(("gradients", "state", "state"), others, strict=False):
        theirs, their_structure = pg.pytree.flatten(tree)
        if their_structure != structure:
            raise OptimizerError(
                f"{what}: the {kind} and the parameters have different structures:\n"
                f"- parameters: {structure}\n- {kind}: {their_structure}"
            )
        columns.append(theirs)
    rows = list(zip(*columns, strict=True))
    for i, row in enumerate(rows):
        if any(tuple(t.shape) != tuple(row[0].shape) for t in row):
            shapes = ", ".join(str(tuple(t.shape)) for t in row)
            raise OptimizerError(f"{what}: leaf {i}: parameter, gradient and state differ in shape: {shapes}")
    return rows


Functional = Callable[[Any, Any, Any], tuple[Any, Any]]
