"""``jax.typing``: names for annotations."""

from typing import Any

import numpy as np

from ._array import Array

ArrayLike = Array | np.ndarray[Any, Any] | np.bool_ | np.number[Any] | bool | int | float | complex
DTypeLike = Any
