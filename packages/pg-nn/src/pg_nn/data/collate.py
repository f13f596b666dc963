"""Making one batch of many examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pequegrad as pg
from pequegrad import Tensor

__all__ = ["collate"]


def collate(examples: Sequence[Any]) -> Any:
    """Stack tensors, arrays and numbers along a new first axis, inside tuples, lists and dicts too.

    >>> import numpy as np, pg_nn as nn
    >>> batch = nn.collate([{"x": np.zeros(2), "name": "a"}, {"x": np.ones(2), "name": "b"}])
    >>> batch["x"].shape, batch["name"]
    ((2, 2), ['a', 'b'])
    """
    first = examples[0]
    if isinstance(first, Tensor):
        return pg.stack(list(examples), axis=0).eval()
    if isinstance(first, np.ndarray):
        return pg.from_numpy(np.stack(examples))
    if isinstance(first, (bool, int, float, np.generic)):
        return pg.Tensor(np.asarray(examples)) if isinstance(first, np.generic) else pg.Tensor(list(examples))
    if isinstance(first, Mapping):
        return {key: collate([example[key] for example in examples]) for key in first}
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(*(collate(column) for column in zip(*examples, strict=True)))
    if isinstance(first, (tuple, list)):
        columns = [collate(column) for column in zip(*examples, strict=True)]
        return tuple(columns) if isinstance(first, tuple) else columns
    return list(examples)
