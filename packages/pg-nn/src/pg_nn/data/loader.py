"""DataLoader: batches of a dataset, in a seeded order, prepared ahead by a thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pequegrad as pg
from pequegrad.errors import ArgumentError, InvalidValueError

from .collate import collate

__all__ = ["DataLoader"]


class DataLoader:
    """Batches of `dataset`; each `for` loop is one epoch, with its own order if `shuffle` is set.

    The order of epoch n depends on `seed` and n only. Without a seed one is drawn from `pg.random`'s global
    generator. `prefetch` batches are prepared ahead in a thread, whose exceptions reach the loop; 0 prepares
    each batch in the loop itself. `state_dict` tells the epoch and how many of its batches were taken, and a
    loader that loads it continues there.

    >>> import numpy as np, pg_nn as nn
    >>> loader = nn.DataLoader(nn.TensorDataset(np.arange(5)), batch_size=2, shuffle=True, seed=0)
    >>> sorted(int(i) for (batch,) in loader for i in batch.tolist())
    [0, 1, 2, 3, 4]
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int = 1,
        shuffle: bool = False,
        drop_last: bool = False,
        seed: int | None = None,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        prefetch: int = 2,
    ) -> None:
        if not isinstance(batch_size, int) or batch_size <= 0:
            raise InvalidValueError(
                f"DataLoader: batch_size must be a positive whole number, got {batch_size!r}"
            )
        if not isinstance(prefetch, int) or prefetch < 0:
            raise InvalidValueError(
                f"DataLoader: prefetch must be a whole number of at least 0, got {prefetch!r}"
            )
        for needed in ("__len__", "__getitem__"):
            if not hasattr(dataset, needed):
                raise ArgumentError(f"DataLoader: the dataset needs {needed}, got {type(dataset).__name__}")
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.seed = _draw_seed() if seed is None else seed
        self.collate_fn = collate_fn
        self.prefetch = prefetch
        self._epoch = 0
        self._taken = 0

    def __len__(self) -> int:
        full, rest = divmod(len(self.dataset), self.batch_size)
        return full if self.drop_last or rest == 0 else full + 1

    def __iter__(self) -> Iterator[Any]:
        if self._taken >= len(self):
            self._epoch, self._taken = self._epoch + 1, 0
        epoch, first = self._epoch, self._taken
        order = self._order(epoch)
        size = self.batch_size
        chunks = [order[i * size : (i + 1) * size] for i in range(first, len(self))]
        batches = (
            map(self._batch, chunks)
            if self.prefetch == 0
            else _prefetched(self._batch, chunks, self.prefetch)
        )
        return self._counted(batches, epoch, first)

    def _counted(self, batches: Iterator[Any], epoch: int, first: int) -> Iterator[Any]:
        try:
            for taken, batch in enumerate(batches, first + 1):
                self._epoch, self._taken = epoch, taken
                yield batch
        finally:
            if hasattr(batches, "close"):
                batches.close()
            # Leaving the loop early ends the epoch for the next loop; state_dict is for the loop's own body.
            self._epoch, self._taken = epoch + 1, 0

    def state_dict(self) -> dict[str, int]:
        """Seed, epoch, and how many batches of it were taken."""
        return {"seed": self.seed, "epoch": self._epoch, "taken": self._taken}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continue where `state_dict` was called."""
        self.seed, self._epoch, self._taken = state["seed"], state["epoch"], state["taken"]

    def _order(self, epoch: int) -> np.ndarray[Any, Any]:
        count = len(self.dataset)
        if not self.shuffle:
            return np.arange(count)
        key = pg.random.fold_in(pg.random.key(self.seed), epoch)
        return np.asarray(pg.random.permutation(key, count).numpy())

    def _batch(self, indices: np.ndarray[Any, Any]) -> Any:
        if self.collate_fn is None and hasattr(self.dataset, "__getbatch__"):
            return self.dataset.__getbatch__(indices)
        return (self.collate_fn or collate)([self.dataset[int(i)] for i in indices])


def _draw_seed() -> int:
    return int(pg.random.randint(maxval=2**31 - 1).item())


_END = object()


def _prefetched(make: Callable[[Any], Any], chunks: list[Any], ahead: int) -> Iterator[Any]:
    """`map(make, chunks)` with up to `ahead` results prepared by a thread, which ends with the iterator."""
    ready: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue(maxsize=ahead)
    stop = threading.Event()

    def offer(item: tuple[Any, BaseException | None]) -> bool:
        while not stop.is_set():
            try:
                ready.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            for chunk in chunks:
                if stop.is_set() or not offer((make(chunk), None)):
                    return
            offer((_END, None))
        except BaseException as error:
            offer((_END, error))

    thread = threading.Thread(target=work, name="pg_nn.DataLoader", daemon=True)
    thread.start()
    try:
        while True:
            batch, error = ready.get()
            if error is not None:
                raise error
            if batch is _END:
                return
            yield batch
    finally:
        stop.set()
        while not ready.empty():
            ready.get_nowait()
        thread.join()
