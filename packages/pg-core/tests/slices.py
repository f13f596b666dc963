"""Which part of the very many cases alike a run takes: one slice, another one each day, or all of them."""

from __future__ import annotations

import os
import time
import zlib

import pytest

SLICES = 8  # of the cases marked exhaustive


def number_of_today(slices: int) -> int:
    given = os.environ.get("PG_TEST_SLICE")
    return (int(given) if given else int(time.time() // 86400)) % slices


def takes_all(config: pytest.Config) -> bool:
    asked_for_all = config.option.markexpr not in ("", "not nightly")
    chosen_by_hand = config.option.keyword or any("::" in arg for arg in config.args)
    return bool(asked_for_all or chosen_by_hand)


def in_slice(name: str, slices: int = SLICES) -> bool:
    """By content, not by hash(): the same day takes the same slice in every process."""
    return zlib.crc32(name.encode()) % slices == number_of_today(slices)
