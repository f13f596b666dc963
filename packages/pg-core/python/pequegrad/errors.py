"""Every exception pequegrad raises: typed, saying what was passed, what was needed and what to do.

Each class also inherits the built-in exception a NumPy user would expect, so that ``except ValueError``
keeps working.

>>> from pequegrad import errors
>>> issubclass(errors.ShapeError, ValueError)
True
"""

from __future__ import annotations

import numpy as np


class PequegradError(Exception):
    """Base class of all errors raised by pequegrad."""


class ShapeError(PequegradError, ValueError):
    """Shapes do not fit together."""


class DTypeError(PequegradError, TypeError):
    """An element type is unknown, or an op does not take it."""


class DeviceError(PequegradError, RuntimeError):
    """A device is unknown or missing, or operands lie on different devices."""


class TraceError(PequegradError, TypeError):
    """Something that needs a value was asked of a tensor that has none (inside ``jit``), or a trace was
    left with its tensors.
    """


class IndexingError(PequegradError, IndexError):
    """An index is out of range or of the wrong kind."""


class AxisError(IndexingError, ValueError):
    """An axis is out of range for the rank, or given twice."""


class InvalidValueError(PequegradError, ValueError):
    """An argument has the right type and a value that makes no sense."""


class ArgumentError(PequegradError, TypeError):
    """An argument has the wrong type, or an option is unknown."""


class DifferentiationError(PequegradError, TypeError):
    """A derivative was asked for with respect to something that has none, or through an op without a rule."""


class PytreeError(PequegradError, ValueError):
    """Two pytrees that must have one structure differ; the message names the path."""


class GradientError(PequegradError, AssertionError):
    """``check_grads`` found a derivative that differs from the limit of differences; the message is the
    report.
    """


class NanError(PequegradError, FloatingPointError):
    """A result holds a NaN (or an infinity) while ``debug_nans`` looks for them; the message names where it
    came from.
    """


class LinAlgError(PequegradError, np.linalg.LinAlgError):
    """A matrix has no inverse, no Cholesky factor, or an iteration did not converge."""


class OutOfMemoryError(PequegradError, MemoryError):
    """The memory limit is reached and nothing could be freed."""


class UnsupportedError(PequegradError, NotImplementedError):
    """A combination that pequegrad does not support (yet)."""


class InternalError(PequegradError, RuntimeError):
    """A bug in pequegrad: please report it."""


# One class per ErrorKind of support/error.h, by its name: the bindings translate through this table.
BY_KIND = {
    "generic": PequegradError,
    "shape": ShapeError,
    "dtype": DTypeError,
    "device": DeviceError,
    "trace": TraceError,
    "axis": AxisError,
    "index": IndexingError,
    "value": InvalidValueError,
    "type": ArgumentError,
    "memory": OutOfMemoryError,
    "not_implemented": UnsupportedError,
    "internal": InternalError,
}
