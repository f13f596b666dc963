"""The exceptions that JAX raises under their names: what was asked of a traced array that has no value."""

from __future__ import annotations


class JAXTypeError(TypeError):
    """A value that a transformation holds back was asked for."""


class JAXIndexError(IndexError):
    """An index that needs a value has none."""


class ConcretizationTypeError(JAXTypeError):
    """A Python number was asked of a traced array: use ``lax.cond`` or ``jnp.where``, or a static argument.

    >>> from pg_jax import errors
    >>> issubclass(errors.TracerBoolConversionError, errors.ConcretizationTypeError)
    True
    """


class NonConcreteBooleanIndexError(JAXIndexError):
    """A boolean mask that is traced would give an array of unknown size: use ``jnp.where``."""


class TracerArrayConversionError(JAXTypeError):
    """A NumPy array was asked of a traced array: use the functions of ``pg_jax.numpy``."""


class TracerIntegerConversionError(JAXTypeError):
    """An index or a size was asked of a traced array."""


class TracerBoolConversionError(ConcretizationTypeError):
    """Python's ``if``, ``while``, ``and``, ``or``, ``not`` met a traced array."""


class UnexpectedTracerError(JAXTypeError):
    """A traced array is used after its transformation has ended."""


class KeyReuseError(RuntimeError):
    """A random key is used twice."""


class InconclusiveDimensionOperation(Exception):
    """A comparison of symbolic sizes has no answer."""


class JaxRuntimeError(RuntimeError):
    """The program failed while it ran."""
