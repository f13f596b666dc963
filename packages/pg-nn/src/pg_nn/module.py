"""StatefulModule: named parameters, buffers and submodules, in torch's names and torch's order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self

import pequegrad as pg
from pequegrad import Tensor
from pequegrad.tracing import guard

from . import _module_tree
from ._scope import resolve
from ._state import load_tensors, snapshot
from .errors import ModuleError

__all__ = ["Parameter", "StatefulModule"]


class Parameter:
    """Marks a tensor as trainable when it is assigned to an attribute of a module.

    >>> import pequegrad as pg, pg_nn as nn
    >>> class Scale(nn.StatefulModule):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.factor = nn.Parameter(pg.ones((3,)))
    ...     def forward(self, x):
    ...         return x * self.factor
    >>> list(Scale().params_dict())
    ['factor']
    """

    __slots__ = ("tensor",)

    def __init__(self, tensor: Tensor) -> None:
        if not isinstance(tensor, Tensor):
            raise ModuleError(
                f"Parameter: needs a pequegrad Tensor, got {type(tensor).__name__}; wrap it in pg.Tensor(...)"
            )
        self.tensor = tensor


class StatefulModule:
    """Base of every layer and model: holds parameters, buffers and submodules, and computes in `forward`.

    Assigning a `Parameter` or another module to an attribute registers it under that name; `register_buffer`
    registers a tensor that is saved but not trained. A module is a mutable pytree whose leaves are its
    parameters and floating buffers.

    >>> import pequegrad as pg, pg_nn as nn
    >>> class Net(nn.StatefulModule):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.hidden = nn.Linear(4, 8)
    ...         self.out = nn.Linear(8, 2)
    ...     def forward(self, x):
    ...         return self.out(pg.relu(self.hidden(x)))
    >>> Net()(pg.ones((5, 4))).shape
    (5, 2)
    """

    # The two hints are for readers and type checkers; both live in the instance.
    _training: bool
    _reserved: ClassVar[frozenset[str]] = frozenset(
        {"_parameters", "_buffers", "_modules", "_transient", "_training"}
    )

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        # Here rather than in __init__, so that a subclass that forgets super().__init__() still works.
        module = super().__new__(cls)
        module.__dict__.update(_parameters={}, _buffers={}, _modules={}, _transient=set(), _training=True)
        return module

    @staticmethod
    def __pytree_version__() -> object:
        """Another object after any module was changed; jit compares models anew only then."""
        return _version

    def __init__(self) -> None:
        pass

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _module_tree.register(cls)

    # --- attributes -----------------------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        # Reached only for names that are not ordinary attributes.
        own = self.__dict__
        for registry in (own["_parameters"], own["_buffers"]):
            if name in registry:
                value = registry[name]
                return None if value is None else resolve(value)
        if name in own["_modules"]:
            return own["_modules"][name]
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}", name=name, obj=self)

    def __setattr__(self, name: str, value: Any) -> None:
        try:
            self._set(name, value)
        finally:
            _changed()

    def _set(self, name: str, value: Any) -> None:
        own = self.__dict__
        if isinstance(value, Parameter):
            self.register_parameter(name, value.tensor)
        elif isinstance(value, StatefulModule):
            self.register_module(name, value)
        elif isinstance(value, Tensor) and name in own["_parameters"]:
            own["_parameters"][name] = value  # Shares the handle, so `a.weight = b.weight` ties the two.
        elif isinstance(value, Tensor) and own["_buffers"].get(name) is not None:
            resolve(own["_buffers"][name]).assign(value)  # An update, so that it also works under jit.
        elif value is None and (
            name in own["_parameters"] or name in own["_modules"] or name in own["_buffers"]
        ):
            for registry in (own["_parameters"], own["_modules"], own["_buffers"]):
                if name in registry:
                    registry[name] = None
        else:
            _refuse_hidden_modules(type(self).__name__, name, value)
            if any(name in own[registry] for registry in ("_parameters", "_buffers", "_modules")):
                raise ModuleError(
                    f"{type(self).__name__}.{name} is registered and cannot become a {type(value).__name__}; "
                    f"assign a Tensor, a Parameter, a module or None, or `del` it first"
                )
            super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        own = self.__dict__
        for registry in (own["_parameters"], own["_buffers"], own["_modules"], own):
            if name in registry:
                del registry[name]
                own["_transient"].discard(name)
                _changed()
                return
        super().__delattr__(name)  # raises

    def __dir__(self) -> list[str]:
        own = self.__dict__
        return sorted({*super().__dir__(), *own["_parameters"], *own["_buffers"], *own["_modules"]})

    def _claim(self, name: str, registry: str) -> None:
        """Check `name` and free it from every place except `registry`."""
        if not isinstance(name, str) or not name or "." in name:
            raise ModuleError(
                f"{type(self).__name__}: names must be non-empty strings without dots, got {name!r}"
            )
        if name in self._reserved or hasattr(type(self), name):
            raise ModuleError(
                f"{type(self).__name__}: the name {name!r} is taken by the class; choose another one"
            )
        own = self.__dict__
        own.pop(name, None)
        for other in ("_parameters", "_buffers", "_modules"):
            if other != registry:
                own[other].pop(name, None)

    def register_parameter(self, name: str, tensor: Tensor | None) -> None:
        """Register a trainable tensor; None keeps the name without a value, as for `bias=False`."""
        if tensor is not None and not isinstance(tensor, Tensor):
            raise ModuleError(
                f"register_parameter({name!r}): needs a Tensor or None, got {type(tensor).__name__}"
            )
        if tensor is not None and not tensor.dtype.is_floating:
            raise ModuleError(
                f"register_parameter({name!r}): a parameter must have a floating dtype, got {tensor.dtype}; "
                "use register_buffer for integer tensors"
            )
        self._claim(name, "_parameters")
        self._parameters[name] = tensor
        _changed()

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Register a tensor that is not trained; `persistent=False` also keeps it out of state_dict."""
        if tensor is not None and not isinstance(tensor, Tensor):
            raise ModuleError(
                f"register_buffer({name!r}): needs a Tensor or None, got {type(tensor).__name__}"
            )
        self._claim(name, "_buffers")
        self._buffers[name] = tensor
        (self._transient.discard if persistent else self._transient.add)(name)
        _changed()

    def register_module(self, name: str, module: StatefulModule | None) -> None:
        """Register a submodule."""
        if module is not None and not isinstance(module, StatefulModule):
            raise ModuleError(
                f"register_module({name!r}): needs a StatefulModule or None, got {type(module).__name__}"
            )
        self._claim(name, "_modules")
        self._modules[name] = module
        _changed()

    # --- computing ------------------------------------------------------------------------------------------

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; subclasses define it."""
        raise ModuleError(f"{type(self).__name__} does not define forward(self, ...)")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.forward(*args, **kwargs)

    @property
    def training(self) -> bool:
        """True in training mode. Read under jit it is a guard: changing the mode retraces."""
        value = self.__dict__["_training"]
        guard(self, "_training", value)
        return value

    @training.setter
    def training(self, mode: bool) -> None:
        if self.__dict__["_training"] is not bool(mode):
            self.__dict__["_training"] = bool(mode)
            _changed()

    def train(self, mode: bool = True) -> Self:
        """Put this module and every submodule into training mode, or into evaluation mode if `mode` is False.

        >>> import pg_nn as nn
        >>> net = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5)).eval()
        >>> net[1].training
        False
        """
        if not isinstance(mode, bool):
            raise ModuleError(f"train: mode must be True or False, got {mode!r}")
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Put this module and every submodule into evaluation mode."""
        return self.train(False)

    def to(self, target: Any) -> Self:
        """Move parameters and buffers to a device, or cast the floating ones to a dtype.

        The module holds new tensors afterwards, so make optimizers after this. If one tensor cannot be moved,
        none is.

        >>> import pequegrad as pg, pg_nn as nn
        >>> nn.Linear(2, 1).to(pg.dt.float64).weight.dtype
        float64
        """
        is_dtype = isinstance(target, pg.dt.DType)
        moved: dict[int, Tensor] = {}
        for handle in [*self.parameters(), *self.buffers()]:
            if not is_dtype or handle.dtype.is_floating:
                moved[id(handle)] = handle.to(target).eval()
        for module in self.modules():
            for registry in (module._parameters, module._buffers):
                registry.update({k: moved[id(v)] for k, v in registry.items() if id(v) in moved})
        _changed()
        return self

    # --- walking --------------------------------------------------------------------------------------------

    def named_children(self) -> Iterator[tuple[str, StatefulModule]]:
        """The direct submodules with their names."""
        for name, module in self._modules.items():
            if module is not None:
                yield name, module

    def children(self) -> Iterator[StatefulModule]:
        """The direct submodules."""
        for _, module in self.named_children():
            yield module

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, StatefulModule]]:
        """This module and all below it, parents first; a module reached twice is given once."""
        seen: set[int] = set()
        stack: list[tuple[str, StatefulModule]] = [(prefix, self)]
        while stack:
            path, module = stack.pop()
            if id(module) in seen:
                continue
            seen.add(id(module))
            yield path, module
            below = [(f"{path}.{name}" if path else name, child) for name, child in module.named_children()]
            stack.extend(reversed(below))

    def modules(self) -> Iterator[StatefulModule]:
        """This module and all below it."""
        for _, module in self.named_modules():
            yield module

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
        """The trainable tensors with their dotted names; a tensor shared by two modules is given once."""
        for name, handle in self._named_handles("_parameters", prefix):
            yield name, resolve(handle)

    def named_buffers(self, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
        """The buffers with their dotted names."""
        for name, handle in self._named_handles("_buffers", prefix):
            yield name, resolve(handle)

    def _named_handles(self, registry: str, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
        """The module's own tensors, whatever stands for them at present."""
        seen: set[int] = set()
        for path, module in self.named_modules(prefix):
            for name, handle in module.__dict__[registry].items():
                if handle is not None and id(handle) not in seen:
                    seen.add(id(handle))
                    yield (f"{path}.{name}" if path else name), handle

    def parameters(self) -> Iterator[Tensor]:
        """The trainable tensors."""
        for _, handle in self.named_parameters():
            yield handle

    def buffers(self) -> Iterator[Tensor]:
        """The buffers."""
        for _, handle in self.named_buffers():
            yield handle

    # --- state ----------------------------------------------------------------------------------------------

    def params_dict(self) -> dict[str, Tensor]:
        """The parameters as a flat dict, with torch's names in torch's order.

        >>> import pg_nn as nn
        >>> list(nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)).params_dict())
        ['0.weight', '0.bias', '2.weight', '2.bias']
        """
        return dict(self.named_parameters())

    def buffers_dict(self) -> dict[str, Tensor]:
        """The buffers as a flat dict, with torch's names in torch's order."""
        return dict(self.named_buffers())

    def load_params_dict(self, params: Mapping[str, Any]) -> Self:
        """Take over the values of `params`, for example those that a functional optimizer returned."""
        load_tensors(f"{type(self).__name__}.load_params_dict", self.params_dict(), params, strict=True)
        return self

    def state_dict(self) -> dict[str, Tensor]:
        """Parameters and persistent buffers by name; later training does not change the values in it."""
        return {name: snapshot(handle) for name, handle in self._state_handles().items()}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> Self:
        """Take over the values of `state`; nothing is changed if any name, shape or kind of dtype differs.

        With `strict=False` names that only one side has are left alone; shapes must fit even so.

        >>> import pg_nn as nn
        >>> nn.Linear(2, 1).load_state_dict({"weight": [[1.0, 2.0]]})
        Traceback (most recent call last):
            ...
        pg_nn.errors.StateDictError: Linear.load_state_dict: the state does not fit this module:
        - missing:    bias  (expected float32(1,))
        pass strict=False to load only the names that both sides have
        """
        load_tensors(f"{type(self).__name__}.load_state_dict", self._state_handles(), state, strict)
        return self

    def _state_handles(self) -> dict[str, Tensor]:
        # Unlike named_parameters, a shared tensor appears under each of its names, as in torch.
        handles: dict[str, Tensor] = {}
        for path, module in self._paths():
            kept = {k: v for k, v in module._buffers.items() if k not in module._transient}
            for name, handle in {**module._parameters, **kept}.items():
                if handle is not None:
                    handles[f"{path}.{name}" if path else name] = resolve(handle)
        return handles

    def _paths(self) -> Iterator[tuple[str, StatefulModule]]:
        """Every path to a module, parents first, a shared module once for each path."""
        stack: list[tuple[str, StatefulModule]] = [("", self)]
        while stack:
            path, module = stack.pop()
            yield path, module
            below = [(f"{path}.{name}" if path else name, child) for name, child in module.named_children()]
            stack.extend(reversed(below))

    # --- printing -------------------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """The arguments shown between the parentheses of `repr`."""
        return ""

    def __repr__(self) -> str:
        lines = [f"({name}): {_indented(repr(module))}" for name, module in self._modules.items()]
        extra = self.extra_repr()
        if not lines:
            return f"{type(self).__name__}({extra})"
        body = "".join(f"  {line}\n" for line in ([extra] if extra else []) + lines)
        return f"{type(self).__name__}(\n{body})"


_version = object()


def _changed() -> None:
    global _version
    _version = object()


def _indented(text: str) -> str:
    return text.replace("\n", "\n  ")


def _refuse_hidden_modules(owner: str, name: str, value: Any) -> None:
    """A module in a plain list or dict would be neither trained nor saved; say so instead."""
    if isinstance(value, (list, tuple, set)):
        items, remedy = list(value), "ModuleList"
    elif isinstance(value, dict):
        items, remedy = list(value.values()), "ModuleDict"
    else:
        return
    if any(isinstance(item, (StatefulModule, Parameter)) for item in items):
        raise ModuleError(
            f"{owner}.{name}: modules inside a plain {type(value).__name__} are not seen by params_dict, "
            f"train or state_dict; use nn.{remedy}"
        )


_module_tree.register(StatefulModule)
