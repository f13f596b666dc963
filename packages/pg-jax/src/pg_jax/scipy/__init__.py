"""``jax.scipy``: special functions and densities."""

from typing import Any as _Any

from .._missing import missing as _missing
from . import special, stats


def __getattr__(name: str) -> _Any:
    raise _missing("scipy", name)
