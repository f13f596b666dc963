"""Embedding."""

from __future__ import annotations

from typing import Any

import pequegrad as pg
from pequegrad import Tensor

from .. import functional as F
from .. import initializers
from ..errors import ModuleError
from ..module import StatefulModule

__all__ = ["Embedding"]


class Embedding(StatefulModule):
    """A table of vectors looked up by index; the row `padding_idx` starts at zero and is not trained.

    >>> import pequegrad as pg, pg_nn as nn
    >>> nn.Embedding(10, 4)(pg.Tensor([[1, 2, 3]])).shape
    (1, 3, 4)
    """

    weight: Tensor

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        dtype: Any = pg.dt.float32,
    ) -> None:
        super().__init__()
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ModuleError(f"Embedding: padding_idx {padding_idx} is outside of {num_embeddings} rows")
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        table = initializers.normal((num_embeddings, embedding_dim), dtype=dtype)
        if self.padding_idx is not None:
            rows = pg.arange(num_embeddings).reshape((num_embeddings, 1))
            table = pg.where(rows == self.padding_idx, 0.0, table).eval()
        self.register_parameter("weight", table)

    def forward(self, indices: Tensor) -> Tensor:
        return F.embedding(indices, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        return text if self.padding_idx is None else f"{text}, padding_idx={self.padding_idx}"
