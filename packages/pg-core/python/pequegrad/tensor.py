"""The Tensor: a rebindable handle to an immutable value that is computed when it is read.

>>> from pequegrad.tensor import Tensor
>>> x = Tensor([[1.0, 2.0], [3.0, 4.0]])
>>> (x * 2 + 1).sum(1)
Tensor([ 8., 16.], dtype=float32, device=cpu)
"""

from __future__ import annotations

import os

from . import _core, device, dt, errors
from ._core import Tensor
from ._methods import attach
from ._ops.common import from_python, operand

__all__ = ["Tensor"]

_core.set_hooks(
    dtypes=dt.all_dtypes,
    device=device.from_pair,
    convert=from_python,
    operand=operand,
    errors=errors.BY_KIND,
    package_path=os.path.dirname(os.path.abspath(__file__)),
)
attach(Tensor)
Tensor.__module__ = "pequegrad.tensor"
