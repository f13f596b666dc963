"""Copying named tensors in and out: what state_dict, load_state_dict and optimizers share."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import pequegrad as pg
from pequegrad import Tensor

from .errors import StateDictError, describe_mismatch

_ONE_SIDED = ("- missing:", "- unexpected:")


def snapshot(tensor: Tensor) -> Tensor:
    """A new handle to the present value, which later assignments to `tensor` leave alone."""
    return copy.copy(tensor)


def compute(*trees: Any) -> None:
    """Compute all tensors of the pytrees in one program, as eager code expects; nothing to do under jit."""
    leaves = [leaf for leaf in pg.pytree.leaves(trees) if isinstance(leaf, Tensor)]
    if not any(leaf.is_abstract for leaf in leaves):
        pg.eval(leaves)


def describe(tensor: Tensor) -> str:
    """Dtype and shape, as in `float32(2, 3)`."""
    return f"{tensor.dtype}{tuple(tensor.shape)}"


def load_tensors(what: str, handles: Mapping[str, Tensor], values: Mapping[str, Any], strict: bool) -> None:
    """Assign `values` to `handles` by name; all of them, or, if anything does not fit, none."""
    if not isinstance(values, Mapping):
        raise StateDictError(f"{what}: needs a mapping from names to tensors, got {type(values).__name__}")
    given = {name: v if isinstance(v, Tensor) else pg.Tensor(v) for name, v in values.items()}
    lines = describe_mismatch(handles, given, describe, _unfit)
    if not strict:
        lines = [line for line in lines if not line.startswith(_ONE_SIDED)]
    if lines:
        hint = ""
        if strict and all(line.startswith(_ONE_SIDED) for line in lines):
            hint = "\npass strict=False to load only the names that both sides have"
        raise StateDictError(f"{what}: the state does not fit this module:\n" + "\n".join(lines) + hint)
    for name, handle in handles.items():
        if name in given:
            handle.assign(given[name].astype(handle.dtype).to(handle.device))


def _unfit(expected: Tensor, given: Tensor) -> bool:
    # A cast between floating dtypes is meant; one from int to float is a mistake.
    same_kind = expected.dtype.is_floating == given.dtype.is_floating
    return tuple(expected.shape) != tuple(given.shape) or not same_kind
