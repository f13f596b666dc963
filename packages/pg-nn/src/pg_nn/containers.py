"""Modules made of modules: Sequential, ModuleList, ModuleDict."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, overload

from pequegrad.errors import IndexingError

from .errors import ModuleError
from .module import StatefulModule

__all__ = ["ModuleDict", "ModuleList", "Sequential"]


class _Indexed(StatefulModule):
    """Submodules named "0", "1", ... and reached by position."""

    def _position(self, index: int) -> str:
        count = len(self)
        if not -count <= index < count:
            raise IndexingError(f"{type(self).__name__}: index {index} is outside of {count} modules")
        return str(index % count)

    def append(self, module: StatefulModule) -> Any:
        """Add a module at the end; returns the container."""
        self.register_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[StatefulModule]) -> Any:
        """Add every module of `modules` at the end; returns the container."""
        for module in list(modules):
            self.append(module)
        return self

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[StatefulModule]:
        return iter(list(self._modules.values()))

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            make: Any = type(self)
            return make(list(self._modules.values())[index])
        return self._modules[self._position(index)]

    def __setitem__(self, index: int, module: StatefulModule) -> None:
        self.register_module(self._position(index), module)


class ModuleList(_Indexed):
    """A list of modules whose parameters are seen by the module that holds it; it has no forward of its own.

    >>> import pg_nn as nn
    >>> layers = nn.ModuleList([nn.Linear(2, 2) for _ in range(3)])
    >>> len(layers), list(layers.params_dict())[:2]
    (3, ['0.weight', '0.bias'])
    """

    def __init__(self, modules: Iterable[StatefulModule] = ()) -> None:
        super().__init__()
        self.extend(modules)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise ModuleError("ModuleList is not callable; loop over it, or use nn.Sequential")


class Sequential(_Indexed):
    """Modules applied one after another; also takes one list, or one dict of names to modules.

    >>> import pequegrad as pg, pg_nn as nn
    >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> net(pg.ones((3, 4))).shape
    (3, 2)
    >>> net
    Sequential(
      (0): Linear(in_features=4, out_features=8, bias=True)
      (1): ReLU()
      (2): Linear(in_features=8, out_features=2, bias=True)
    )
    """

    @overload
    def __init__(self, *modules: StatefulModule) -> None: ...
    @overload
    def __init__(self, modules: Iterable[StatefulModule] | Mapping[str, StatefulModule], /) -> None: ...
    def __init__(self, *modules: Any) -> None:
        super().__init__()
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            for name, module in modules[0].items():
                self.register_module(name, module)
            return
        if len(modules) == 1 and not isinstance(modules[0], StatefulModule):
            modules = tuple(modules[0])
        self.extend(modules)

    def _position(self, index: int) -> str:
        super()._position(index)
        return list(self._modules)[index]  # Names need not be numbers here.

    def forward(self, x: Any) -> Any:
        for module in self._modules.values():
            x = module(x)
        return x


class ModuleDict(StatefulModule):
    """A dict of modules whose parameters are seen by the module that holds it.

    >>> import pg_nn as nn
    >>> heads = nn.ModuleDict({"age": nn.Linear(4, 1), "kind": nn.Linear(4, 3)})
    >>> list(heads), heads["kind"].weight.shape
    (['age', 'kind'], (3, 4))
    """

    def __init__(
        self, modules: Mapping[str, StatefulModule] | Iterable[tuple[str, StatefulModule]] = ()
    ) -> None:
        super().__init__()
        self.update(modules)

    def update(self, modules: Mapping[str, StatefulModule] | Iterable[tuple[str, StatefulModule]]) -> None:
        """Add or replace modules by name."""
        for name, module in dict(modules).items():
            self[name] = module

    def __getitem__(self, name: str) -> StatefulModule:
        return self._modules[name]

    def __setitem__(self, name: str, module: StatefulModule) -> None:
        self.register_module(name, module)

    def __delitem__(self, name: str) -> None:
        delattr(self, name)

    def __contains__(self, name: object) -> bool:
        return name in self._modules

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._modules))

    def keys(self) -> list[str]:
        """The names, in order of insertion."""
        return list(self._modules)

    def values(self) -> list[StatefulModule]:
        """The modules, in order of insertion."""
        return list(self._modules.values())

    def items(self) -> list[tuple[str, StatefulModule]]:
        """Pairs of name and module, in order of insertion."""
        return list(self._modules.items())

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise ModuleError("ModuleDict is not callable; call one of its modules by name")
