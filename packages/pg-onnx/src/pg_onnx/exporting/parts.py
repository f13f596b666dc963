"""What the parts of the exporter share: a record of a traced graph, a value in the file, a refusal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pequegrad as pg

if TYPE_CHECKING:
    from .sizes import Extents


class Refused(Exception):
    """One record cannot be written; `emit` collects the reasons of all."""


@dataclass(eq=False)
class Record:
    """A node of a traced graph; extents and options may hold a `Size` where traces differ."""

    op: str
    operands: tuple[int, ...]
    options: dict[str, Any]
    shape: Extents
    dtype: pg.dt.DType
    where: str
    bodies: tuple[Graph, ...] = ()


@dataclass(eq=False)
class Graph:
    """Records in order, each after its operands."""

    records: list[Record]
    inputs: list[int]
    outputs: list[int]
    uses: list[int] = field(default_factory=list)  # how many records and outputs read each record

    def __post_init__(self) -> None:
        self.uses = [0] * len(self.records)
        for record in self.records:
            for k in record.operands:
                self.uses[k] += 1
        for k in self.outputs:
            self.uses[k] += 1

    def operand(self, record: Record, i: int) -> Record:
        """The record of an operand."""
        return self.records[record.operands[i]]


@dataclass(frozen=True)
class Value:
    """A value in the file. The array named there has the shape ``have``, which broadcasts to ``shape``, the
    shape of the record it stands for: so ONNX's own broadcasting does what explicit nodes say in a trace.
    """

    name: str
    have: Extents
    shape: Extents
    dtype: pg.dt.DType
