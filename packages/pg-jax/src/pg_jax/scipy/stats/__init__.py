"""``jax.scipy.stats``: probability distributions."""

from typing import Any as _Any

from ..._missing import missing as _missing
from . import norm


def __getattr__(name: str) -> _Any:
    raise _missing("scipy.stats", name)
