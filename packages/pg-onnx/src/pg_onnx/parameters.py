"""Which constants of a file are parameters, and under what names a module holds them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from .errors import UsageError
from .plan import Plan
from .reader import ELEMENT_TYPES, Tensor

__all__ = ["Trainable", "frozen_reasons"]

Trainable = bool | Iterable[str] | Callable[[str, Tensor], bool] | None

# Inputs (by position) whose numbers are not learnt even where they are floats.
_NOT_LEARNT: Mapping[str, tuple[int, ...]] = {
    "BatchNormalization": (3, 4),
    "Clip": (1, 2),
    "DequantizeLinear": (1, 2),
    "Dropout": (1, 2),
    "OneHot": (2,),
    "Pad": (2,),
    "QuantizeLinear": (1, 2),
    "Range": (0, 1, 2),
}
# Operators in which a single number is the constant of a formula.
_FORMULA = {"Mul", "Div", "Sub", "Pow", "Min", "Max", "Mod", "Where", "Sqrt", "Reciprocal", "Neg"}
_ENDS_SHAPES = ("Shape", "Size")  # what they return does not depend on the numbers of their input


def frozen_reasons(plan: Plan, floats: Mapping[str, Tensor], trainable: Trainable) -> dict[str, str]:
    """Of each floating initializer that is not a parameter, why not.

    By default a parameter is a tensor of finite numbers with an axis, on which no shape depends, and which
    is not read as statistics, bounds or the constant of a formula. ``trainable`` replaces this rule: all or
    none, the names, or a predicate.
    """
    if trainable is True:
        return {}
    if trainable is False:
        return dict.fromkeys(floats, "trainable=False")
    if callable(trainable):
        return {name: "trainable=" for name, tensor in floats.items() if not trainable(name, tensor)}
    if trainable is not None:
        names = {trainable} if isinstance(trainable, str) else set(trainable)
        unknown = sorted(names - set(floats))
        if unknown:
            raise UsageError(
                f"trainable: no floating initializers are called {', '.join(map(repr, unknown))}"
            )
        return {name: "trainable=" for name in floats if name not in names}
    reasons = _by_use(plan)
    for name, tensor in floats.items():
        if not tensor.dims or (tensor.size == 1 and _is_factor(plan, name)):
            reasons.setdefault(name, "a scalar constant")
        elif name not in reasons and not np.isfinite(_numbers(tensor)).all():
            reasons[name] = "it holds infinities or NaN, as masks do"
        elif name not in reasons and not _is_used(plan, name):
            reasons[name] = "not used"
    return {name: reasons[name] for name in floats if name in reasons}


def is_float(tensor: Tensor) -> bool:
    """Whether a tensor of a file can be a parameter at all."""
    kind = ELEMENT_TYPES[tensor.dtype]
    return kind.known and kind.name.startswith(("float", "bfloat"))


def _numbers(tensor: Tensor) -> np.ndarray:
    array = tensor.numpy()
    return (array.astype(np.uint32) << 16).view(np.float32) if array.dtype == np.uint16 else array


def _is_factor(plan: Plan, name: str) -> bool:
    """Whether a single number only scales or bounds something, as constants of a formula do."""
    readers = [step.node.op for step in plan.steps if name in step.node.inputs]
    return bool(readers) and all(op in _FORMULA for op in readers)


def _is_used(plan: Plan, name: str) -> bool:
    return any(name in step.node.inputs or name in _captured(step.attributes) for step in plan.steps) or (
        name in plan.outputs
    )


def _captured(attributes: Mapping[str, object]) -> set[str]:
    return {name for value in attributes.values() if isinstance(value, Plan) for name in value.free_names}


def _by_use(plan: Plan) -> dict[str, str]:
    """Names that shapes depend on, or that only stand in places where nothing is learnt."""
    producers = {name: step for step in plan.steps for name in step.node.outputs if name}
    reasons: dict[str, str] = {}
    learnt: set[str] = set()
    pending: list[str] = []
    for step in plan.steps:
        for i, name in enumerate(step.node.inputs):
            slot = step.rule.slot(i)
            if slot is not None and slot.form in ("ints", "host"):
                pending.append(name)
            elif step.node.domain == "" and i in _NOT_LEARNT.get(step.node.op, ()):
                reasons.setdefault(name, f"input {i} of {step.node.op}")
            else:
                learnt.add(name)
        learnt |= _captured(step.attributes)
    reasons = {name: reason for name, reason in reasons.items() if name not in learnt}
    seen: set[str] = set()
    while pending:
        name = pending.pop()
        if name in seen or not name:
            continue
        seen.add(name)
        reasons[name] = "shapes depend on it"
        step_of = producers.get(name)
        if step_of is not None and step_of.node.op not in _ENDS_SHAPES:
            pending.extend(step_of.node.inputs)
    return reasons
