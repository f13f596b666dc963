"""Runs the steps of a plan."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pequegrad as pg
from pequegrad import Tensor

from .errors import InvalidModelError, OnnxError, ResourceLimitError, UnsupportedError
from .limits import Limits
from .plan import Plan, Step
from .reader import Node
from .values import Value, host_of, ints_of, on_host, tensor_of

__all__ = ["Call", "Run"]


class Run:
    """One call of a model: its limits and its mode."""

    def __init__(
        self,
        limits: Limits,
        training: bool = False,
        tensors: Mapping[int, Tensor] | None = None,
        update: Callable[[str, Tensor], None] | None = None,
    ) -> None:
        self.limits = limits
        self.training = training
        self.tensors = tensors or {}  # of constant arrays, by id
        self.update = update or (lambda name, value: None)

    def plan(self, plan: Plan, given: dict[str, Value], outer: Scope | None = None) -> list[Value]:
        """The outputs of a plan for the values given by name."""
        scope = Scope(given, outer)
        for name, constant in plan.constants.items():
            if name not in given:
                given[name] = constant
        for step in plan.steps:
            self.step(step, scope)
        return [scope.get(name) for name in plan.outputs]

    def step(self, step: Step, scope: Scope) -> None:
        """Compute one step and enter its outputs."""
        node = step.node
        try:
            results = self.results(step, scope)
        except OnnxError as error:
            if str(error).startswith("node "):
                raise
            raise _located(type(error), node, step.version, error) from None
        except (pg.errors.UnsupportedError, pg.errors.DTypeError, pg.errors.TraceError) as error:
            raise _located(UnsupportedError, node, step.version, error) from error
        except pg.errors.OutOfMemoryError as error:
            raise _located(ResourceLimitError, node, step.version, error) from error
        except pg.errors.InternalError:
            raise
        except (pg.errors.PequegradError, ValueError, IndexError, TypeError, OverflowError) as error:
            raise _located(InvalidModelError, node, step.version, error) from error
        for name in step.frees:
            scope.values.pop(name, None)
        if len(results) < len(node.outputs):
            raise InvalidModelError(f"node {node.label!r} ({node.op}): more than {len(results)} outputs")
        for name, value in zip(node.outputs, results):
            if name and name not in step.frees:
                scope.values[name] = value

    def results(self, step: Step, scope: Scope) -> tuple[Value, ...]:
        """The outputs of one step."""
        rule, node = step.rule, step.node
        given = [scope.get(name) if name else None for name in node.inputs]
        keywords = {
            name: step.attributes.get(name, attribute.default) for name, attribute in rule.attributes.items()
        }
        args: list[Any] = []
        host = rule.on_host and on_host(given)
        for word in rule.leading:
            args.append(Call(self, step, scope) if word == "call" else np if host else pg)
        for i, value in enumerate(given):
            slot = rule.slot(i)
            if slot is None:
                continue
            what = f"input {slot.name}"
            if value is None:
                if not node.inputs[i] or slot.optional:
                    args.append(None)
                    continue
                if slot.form != "any":
                    raise InvalidModelError(f"{what} is nothing")
            if slot.form == "ints":
                args.append(ints_of(value, what))
            elif slot.form == "host":
                args.append(host_of(value, what))
            elif slot.form == "any" or host:
                args.append(value)
            else:
                args.append(self.tensor(value, what))
        if host:
            with np.errstate(all="ignore"):
                made = rule.function(*args, **keywords)
        else:
            made = rule.function(*args, **keywords)
        made = made if isinstance(made, tuple) else (made,)
        for value in made:
            if isinstance(value, Tensor):
                check_size(value.shape, self.limits)
        return tuple(np.asarray(v) if isinstance(v, np.generic) else v for v in made)

    def tensor(self, value: Value, what: str) -> Tensor:
        """The value as a tensor; constants of the file keep theirs."""
        if isinstance(value, np.ndarray) and id(value) in self.tensors:
            return self.tensors[id(value)]
        return tensor_of(value, what)


def check_size(shape: Sequence[int], limits: Limits) -> None:
    """Refuse a tensor beyond the limit; nothing of it is computed yet."""
    count = math.prod(shape)
    if count > limits.max_elements:
        raise ResourceLimitError(f"a tensor of shape {tuple(shape)} has {count} elements", "max_elements")


def _located(kind: type[OnnxError], node: Node, version: int, error: Exception) -> OnnxError:
    """The error with the node that met it; one line."""
    text = " ".join(str(error).split())
    return kind(f"node {node.label!r} ({node.op}-{version}): {text}")


class Scope:
    """Values by name, and the values of the graphs around."""

    __slots__ = ("outer", "values")

    def __init__(self, values: dict[str, Value], outer: Scope | None) -> None:
        self.values = values
        self.outer = outer

    def get(self, name: str) -> Value:
        """The value of a name; the plan has checked that there is one."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.values:
                return scope.values[name]
            scope = scope.outer
        raise InvalidModelError(f"{name!r} has no value")


class Call:
    """What a rule may ask about the node that it computes."""

    __slots__ = ("_run", "_scope", "_step")

    def __init__(self, run: Run, step: Step, scope: Scope) -> None:
        self._run, self._step, self._scope = run, step, scope

    @property
    def version(self) -> int:
        """The version of the operator."""
        return self._step.version

    @property
    def limits(self) -> Limits:
        """The limits of the model."""
        return self._run.limits

    @property
    def training(self) -> bool:
        """Whether the module is in training mode."""
        return self._run.training

    @property
    def label(self) -> str:
        """The node's name."""
        return self._step.node.label

    @property
    def outputs(self) -> int:
        """How many outputs the node names."""
        return len(self._step.node.outputs)

    def wants(self, i: int) -> bool:
        """Whether the i-th output is named."""
        return i < self.outputs and bool(self._step.node.outputs[i])

    def given(self, name: str) -> bool:
        """Whether the node states an attribute."""
        return name in self._step.attributes

    def plan_of(self, attribute: str) -> Plan:
        """The plan of a graph among the attributes."""
        plan = self._step.attributes[attribute]
        assert isinstance(plan, Plan)
        return plan

    def run(self, attribute: str, values: Sequence[Value] = ()) -> list[Value]:
        """The outputs of a graph among the attributes."""
        plan = self.plan_of(attribute)
        if len(values) != len(plan.inputs):
            raise InvalidModelError(f"{attribute} has {len(plan.inputs)} inputs, got {len(values)}")
        return self._run.plan(plan, dict(zip(plan.inputs, values, strict=True)), self._scope)

    def tensor(self, value: Value, what: str = "a value") -> Tensor:
        """A value as a tensor."""
        return self._run.tensor(value, what)

    def update(self, i: int, value: Tensor) -> None:
        """Tell the module the new value of the buffer that is the i-th input (statistics in training)."""
        self._run.update(self._step.node.inputs[i], value)

    def check_size(self, shape: Sequence[int]) -> None:
        """Refuse a result of this shape before it is made, if it is beyond the limits."""
        check_size(shape, self._run.limits)
