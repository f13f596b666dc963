"""What a model may cost: checked before anything is allocated."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True)
class Limits:
    """Bounds on what a file may demand. Exceeding one raises ``ResourceLimitError``, which names it.

    >>> Limits(max_nodes=10).max_nodes
    10
    """

    max_file_bytes: int = 2**31  # protobuf has no longer messages
    max_depth: int = 64  # graphs and types inside each other
    max_nodes: int = 1_000_000  # of all graphs, after functions are inlined
    max_tensors: int = 1_000_000
    max_name_bytes: int = 65_536
    max_folded_elements: int = 64 * 2**20  # of one value computed from constants and shapes
    max_elements: int = 2**31  # of one tensor
    max_loop_steps: int = 100_000
