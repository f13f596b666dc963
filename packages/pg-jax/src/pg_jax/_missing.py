"""Names that jax has and pg_jax does not: errors that say so, and the table of all names."""

from __future__ import annotations

import functools
import importlib
from importlib import resources


@functools.cache
def names() -> dict[str, frozenset[str]]:
    """jax's public names by module, as ``ci/jax_names.py`` found them."""
    text = resources.files(__package__).joinpath("_names.txt").read_text()
    lines = [line.split(":", 1) for line in text.splitlines() if line and line[0] != "#"]
    return {module.strip(): frozenset(rest.split()) for module, rest in lines}


def missing(module: str, name: str) -> AttributeError:
    """The error of asking a module (``""`` is jax itself) for a name that is not there."""
    ours = f"pg_jax.{module}" if module else "pg_jax"
    theirs = f"jax.{module}" if module else "jax"
    if name in names().get(module or "jax", ()):
        return AttributeError(
            f"{ours}.{name} is not implemented ({theirs}.{name} exists); see pg_jax.compat()"
        )
    return AttributeError(f"module '{ours}' has no attribute {name!r}")


def compat(show: bool = True) -> dict[str, tuple[list[str], list[str]]]:
    """The names of each of jax's modules that are here, and those that are not; prints them as a table.

    >>> import pg_jax
    >>> here, lacking = pg_jax.compat(show=False)["numpy"]
    >>> "sin" in here
    True
    """
    table = {}
    for module, public in names().items():
        try:
            found = importlib.import_module("pg_jax" if module == "jax" else f"pg_jax.{module}")
        except ImportError:
            found = None
        here = sorted(n for n in public if found is not None and _has(found, n))
        table[module] = (here, sorted(public - set(here)))
    if show:
        for module, (here, lacking) in table.items():
            print(f"{module}: {len(here)} of {len(here) + len(lacking)}")
            if lacking:
                print(f"  not implemented: {', '.join(lacking)}")
    return table


def _has(module: object, name: str) -> bool:
    try:
        getattr(module, name)
    except AttributeError:
        return False
    return True
