"""A model file as a module of pg_nn."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pequegrad as pg
from pequegrad import Tensor
from pequegrad.dt import DType
from pg_nn import StatefulModule

from .errors import UsageError
from .limits import Limits
from .parameters import Trainable, frozen_reasons, is_float
from .plan import Plan, make_plan
from .reader import ELEMENT_TYPES, Model, TensorType, ValueInfo, read
from .reader import Tensor as FileTensor
from .runtime import Run
from .values import Value, as_float, from_file, tensor_of

__all__ = ["OnnxModule", "load"]


class Scope(StatefulModule):
    """The parameters below one part of a dotted name."""


class _Program:
    """What all copies of a module share: the plan, and the constants that are not its tensors."""

    def __init__(
        self, model: Model, plan: Plan, limits: Limits, check_shapes: bool, float_type: DType | None
    ) -> None:
        self.model, self.plan, self.limits = model, plan, limits
        self.check_shapes, self.float_type = check_shapes, float_type
        self.places: dict[str, tuple[str, ...]] = {}  # of an initializer: the path to its tensor
        self.hosts: dict[str, np.ndarray] = {}
        self.tensors: dict[int, Tensor] = {}
        self.frozen: dict[str, str] = {}
        self.inputs = _true_inputs(model)


def _true_inputs(model: Model) -> tuple[ValueInfo, ...]:
    names = {tensor.name for tensor in model.graph.initializers}
    return tuple(value for value in model.graph.inputs if value.name not in names)


def load(
    source: str | os.PathLike[str] | bytes | Model,
    *,
    train: bool = False,
    trainable: Trainable = None,
    dtype: DType | str | None = None,
    limits: Limits | None = None,
    check_shapes: bool = True,
) -> OnnxModule:
    """The model in a file as a module: differentiable, usable under ``pg.jit``, with the file's
    parameter names.

    ``train`` puts it into training mode: dropout drops, batch normalization uses and updates statistics.
    ``trainable`` overrides which floating initializers are parameters: True or False for all or none,
    their names, or a predicate of name and tensor; by default those with an axis that are not
    statistics, bounds or parts of shapes (``frozen`` tells the reasons). ``dtype`` casts parameters and
    floating buffers. ``check_shapes=False`` lets inputs have other extents than the file states.

    Raises ``UnsupportedError`` with the list of all that is missing, before anything runs.

    >>> import pg_onnx
    >>> from pg_onnx.reader import Graph, Model, Node, TensorType, ValueInfo
    >>> x, y = (ValueInfo(name, TensorType(1, ("n", 2))) for name in "xy")
    >>> model = pg_onnx.load(Model(Graph((Node("Relu", ("x",), ("y",)),), (x,), (y,)), {"": 17}))
    >>> model(np.array([[-1.0, 2.0]], np.float32)).tolist()
    [[0.0, 2.0]]
    """
    limits = limits or Limits()
    model = source if isinstance(source, Model) else read(source, limits)
    float_type = None if dtype is None else pg.dt.as_dtype(dtype)
    if float_type is not None and not float_type.is_floating:
        raise UsageError(f"dtype: needs a floating type, got {float_type}")
    program = _Program(model, make_plan(model, limits, float_type), limits, check_shapes, float_type)
    return OnnxModule(program, trainable).train(train)


class OnnxModule(StatefulModule):
    """An imported model. Its parameters and buffers have the names of the file's initializers, where
    dots separate modules; call it with arrays by position or by the names of the file's inputs.
    """

    _program: _Program

    def __init__(self, program: _Program, trainable: Trainable = None) -> None:
        self._program = program
        constants = program.plan.constants
        floats = {
            name: held for name, held in constants.items() if isinstance(held, FileTensor) and is_float(held)
        }
        program.frozen = frozen_reasons(program.plan, floats, trainable)
        for name, held in constants.items():
            value = from_file(held) if isinstance(held, FileTensor) else held
            value = as_float(value, program.float_type)
            reason = program.frozen.get(name)
            if name in floats and reason is None:
                self._hold(name, value, True)
            elif isinstance(value, Tensor) or (name in floats and reason not in _ON_HOST):
                self._hold(name, value, False)
            else:
                program.hosts[name] = value
                if value.dtype != object:
                    program.tensors[id(value)] = pg.Tensor(value)

    def _hold(self, name: str, value: np.ndarray | Tensor, learnt: bool) -> None:
        tensor = value if isinstance(value, Tensor) else pg.Tensor(value)
        *scopes, last = name.split(".") if all(name.split(".")) else [name.replace(".", "_")]
        at: StatefulModule = self
        path: list[str] = []
        for part in scopes:
            part = _free_name(at, part, Scope)
            if part not in at._modules:
                at.register_module(part, Scope())
            path.append(part)
            at = at._modules[part]
        last = _free_name(at, last, None)
        (at.register_parameter if learnt else at.register_buffer)(last, tensor)
        self._program.places[name] = (*path, last)

    # ---- what the file says

    @property
    def onnx_model(self) -> Model:
        """What the file says, as the reader gives it."""
        return self._program.model

    @property
    def inputs(self) -> tuple[ValueInfo, ...]:
        """Names and types of the inputs, in the order of positional arguments."""
        return self._program.inputs

    @property
    def outputs(self) -> tuple[ValueInfo, ...]:
        """Names and types of the outputs."""
        return self._program.model.graph.outputs

    @property
    def initializer_names(self) -> dict[str, str]:
        """Of each parameter and buffer, by its name in ``state_dict``, the name of the initializer."""
        return {".".join(path): name for name, path in self._program.places.items()}

    @property
    def frozen(self) -> dict[str, str]:
        """Why floating initializers are not parameters, by name."""
        return dict(self._program.frozen)

    def extra_repr(self) -> str:
        """Inputs and outputs with their types."""
        shown = [", ".join(f"{v.name}: {v.type}" for v in side) for side in (self.inputs, self.outputs)]
        return " -> ".join(f"({side})" for side in shown)

    # ---- computing

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The outputs for inputs by position or name: one value, or a tuple of several."""
        program = self._program
        given = self._arguments(args, kwargs)
        for name, path in program.places.items():
            if name not in given:
                given[name] = self._at(path)
        for name, array in program.hosts.items():
            given.setdefault(name, array)
        run = Run(program.limits, self.training, program.tensors, self._update)
        outs = [_public(run, value) for value in run.plan(program.plan, given)]
        return outs[0] if len(outs) == 1 else tuple(outs)

    def _at(self, path: tuple[str, ...]) -> Any:
        at: Any = self
        for part in path:
            at = getattr(at, part)
        return at

    def _update(self, name: str, value: Tensor) -> None:
        path = self._program.places.get(name)
        if path is not None:
            self._at(path).assign(value)

    def _arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Value]:
        inputs = self._program.inputs
        if len(args) > len(inputs):
            raise UsageError(f"the model has {len(inputs)} inputs, got {len(args)}")
        given = dict(zip((value.name for value in inputs), args))
        by_name = {value.name: value for value in self._program.model.graph.inputs}
        for name, value in kwargs.items():
            if name not in by_name:
                raise UsageError(f"no input is called {name!r}; there are {', '.join(map(repr, by_name))}")
            if name in given:
                raise UsageError(f"input {name!r} is given twice")
            given[name] = value
        missing = [value.name for value in inputs if value.name not in given]
        if missing:
            raise UsageError(f"missing inputs: {', '.join(map(repr, missing))}")
        symbols: dict[str, int] = {}
        shapes = symbols if self._program.check_shapes else None
        kind = self._program.float_type
        return {name: _argument(by_name[name], value, shapes, kind) for name, value in given.items()}


_ON_HOST = ("shapes depend on it", "a scalar constant")


def _free_name(module: StatefulModule, name: str, kind: type | None) -> str:
    """The name, with underscores where the class or another kind of thing has it."""
    while (kind is None or not isinstance(module._modules.get(name), kind)) and hasattr(module, name):
        name += "_"
    return name


def _argument(info: ValueInfo, value: Any, symbols: dict[str, int] | None, float_type: DType | None) -> Value:
    """An input as the model takes it: of the type that the file states, and of a shape that fits."""
    if value is None:
        return None
    if isinstance(value, (list, tuple)) and not isinstance(info.type, TensorType):
        return [_argument(ValueInfo(info.name), v, None, None) for v in value]
    if not isinstance(info.type, TensorType):
        return (
            tensor_of(np.asarray(value), f"input {info.name!r}") if not isinstance(value, Tensor) else value
        )
    kind = ELEMENT_TYPES.get(info.type.dtype)
    wanted = as_float(pg.dt.as_dtype(kind.name), float_type) if kind is not None and kind.known else None
    if not isinstance(value, (Tensor, np.ndarray)):
        tensor = pg.Tensor(value, dtype=wanted)
    else:
        tensor = value if isinstance(value, Tensor) else tensor_of(value, f"input {info.name!r}")
        if tensor.weak and wanted is not None:  # a number under pg.jit
            tensor = tensor.astype(wanted)
        if wanted is not None and tensor.dtype is not wanted:
            raise UsageError(f"input {info.name!r} is {tensor.dtype}, the model needs {wanted}")
    if info.type.shape is not None and symbols is not None:
        _check_shape(info, tensor.shape, symbols)
    return tensor


def _check_shape(info: ValueInfo, shape: tuple[int, ...], symbols: dict[str, int]) -> None:
    assert isinstance(info.type, TensorType) and info.type.shape is not None
    fits = len(shape) == len(info.type.shape)
    for n, dim in zip(shape, info.type.shape) if fits else ():
        if isinstance(dim, str):
            dim = symbols.setdefault(dim, n)
        fits = fits and dim in (None, n)
    if not fits:
        known = "".join(f", {name} = {n}" for name, n in symbols.items() if name in info.type.shape)
        raise UsageError(
            f"input {info.name!r} has shape {tuple(shape)}, the model states {info.type}{known}; "
            "load it with check_shapes=False to try others"
        )


def _public(run: Run, value: Value) -> Any:
    if isinstance(value, list):
        return [_public(run, v) for v in value]
    return None if value is None else run.tensor(value, "an output")
