"""Dataset and TensorDataset: things with a length and examples by position."""

from __future__ import annotations

from typing import Any

import numpy as np
import pequegrad as pg
from pequegrad import Tensor
from pequegrad.errors import ArgumentError, IndexingError, ShapeError

__all__ = ["Dataset", "TensorDataset"]


class Dataset:
    """Base for datasets: define `__len__` and `__getitem__`; any object that has both will do.

    A dataset that can fetch many examples at once, already batched, defines `__getbatch__(indices)` too.

    >>> import pg_nn as nn
    >>> class Squares(nn.Dataset):
    ...     def __len__(self):
    ...         return 3
    ...     def __getitem__(self, index):
    ...         return index * index
    >>> [batch.tolist() for batch in nn.DataLoader(Squares(), batch_size=2)]
    [[0, 1], [4]]
    """

    def __len__(self) -> int:
        raise ArgumentError(f"{type(self).__name__} must define __len__")

    def __getitem__(self, index: int) -> Any:
        raise ArgumentError(f"{type(self).__name__} must define __getitem__")


class TensorDataset(Dataset):
    """Examples along the first axis of one or more tensors or arrays of one length.

    >>> import numpy as np, pg_nn as nn
    >>> data = nn.TensorDataset(np.arange(6.0).reshape(3, 2), np.arange(3))
    >>> len(data), data[1][0]
    (3, array([2., 3.]))
    """

    def __init__(self, *columns: Any) -> None:
        if not columns:
            raise ShapeError("TensorDataset: needs at least one tensor or array")
        self.columns = tuple(c if isinstance(c, Tensor) else np.asarray(c) for c in columns)
        if any(c.ndim == 0 for c in self.columns):
            raise ShapeError("TensorDataset: every column needs at least one axis")
        lengths = [c.shape[0] for c in self.columns]
        if len(set(lengths)) != 1:
            raise ShapeError(f"TensorDataset: columns have different lengths: {lengths}")

    def __len__(self) -> int:
        return int(self.columns[0].shape[0])

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        if not -len(self) <= index < len(self):
            raise IndexingError(f"TensorDataset: index {index} is outside of {len(self)} examples")
        return tuple(c[index] for c in self.columns)

    def __getbatch__(self, indices: np.ndarray[Any, Any]) -> tuple[Tensor, ...]:
        """The examples at `indices`, one tensor for each column."""
        # The fancy-indexed array is new and not written to again, so that its memory can be shared.
        return tuple(
            pg.from_numpy(c[indices])
            if isinstance(c, np.ndarray)
            else c[pg.Tensor(indices).to(c.device)].eval()
            for c in self.columns
        )
