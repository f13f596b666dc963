"""What the bridge has done in this process."""

from __future__ import annotations

from collections import Counter
from typing import Any

counts: Counter[str] = Counter()
fallback: Counter[str] = Counter()


def stats() -> dict[str, Any]:
    """How many functions were traced (``traces``), programs run (``calls``), calls handed to ``jax.jit``
    because a transform of jax surrounded them (``inside_jax``), and how often which primitive was evaluated
    by jax on the host (``fallback``).

    >>> from pg_jax import bridge
    >>> sorted(bridge.stats())
    ['calls', 'fallback', 'inside_jax', 'traces']
    """
    return {
        "traces": counts["traces"],
        "calls": counts["calls"],
        "inside_jax": counts["inside_jax"],
        "fallback": dict(fallback),
    }


def reset_stats() -> None:
    """Count from zero.

    >>> from pg_jax import bridge
    >>> bridge.reset_stats()
    >>> bridge.stats()["calls"]
    0
    """
    counts.clear()
    fallback.clear()
