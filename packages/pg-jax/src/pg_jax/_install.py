"""The drop-in under the name of jax, for libraries that say ``import jax`` themselves."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

VERSION = "0.10.2"  # of jax, whose names and meanings are followed
_OURS = __name__.rpartition(".")[0]


class _Jax(ModuleType):
    """What ``import jax`` gives: the names of pg_jax, and the version of jax."""

    __pg_jax__ = True
    __version__ = VERSION
    __version_info__ = tuple(map(int, VERSION.split(".")))

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.modules[_OURS], name)

    def __dir__(self) -> list[str]:
        return dir(sys.modules[_OURS])


class _Alias(importlib.abc.Loader, importlib.abc.MetaPathFinder):
    """Finds ``jax.x`` as the module ``pg_jax.x``, the same object."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if not fullname.startswith("jax."):
            return None
        ours = _OURS + fullname.removeprefix("jax")
        try:
            found = importlib.util.find_spec(ours)
        except ModuleNotFoundError:
            return None
        if found is None or ours.startswith((f"{_OURS}._", f"{_OURS}.bridge")):
            return None
        return importlib.machinery.ModuleSpec(
            fullname, self, is_package=found.submodule_search_locations is not None
        )

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        module = importlib.import_module(_OURS + spec.name.removeprefix("jax"))
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has just given the module the spec of its other name.
        assert module.__spec__ is not None
        module.__spec__ = module.__spec__.loader_state


def install_as_jax() -> None:
    """Let ``import jax`` mean this package, in this process, for libraries written for jax: optax runs so.

    Refused when the real jax is loaded already: two libraries under one name would be mixed. Call it before
    anything imports jax; a second call does nothing.

    >>> import subprocess, sys
    >>> code = "import pg_jax; pg_jax.install_as_jax(); import jax; print(jax.__name__, jax.__pg_jax__)"
    >>> subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    'jax True\\n'
    """
    loaded = sys.modules.get("jax")
    if isinstance(loaded, _Jax):
        return
    if loaded is not None or "jaxlib" in sys.modules:
        raise RuntimeError(
            "install_as_jax: the real jax is loaded in this process already; call pg_jax.install_as_jax() "
            "before anything imports jax"
        )
    module = _Jax("jax", "pg_jax under the name of jax.")
    module.__path__ = []
    module.__package__ = "jax"
    module.__spec__ = importlib.machinery.ModuleSpec("jax", None, is_package=True)
    sys.modules["jax"] = module
    sys.meta_path.insert(0, _Alias())
