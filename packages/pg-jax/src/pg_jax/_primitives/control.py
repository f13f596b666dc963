"""Loops and branches. Bodies are functions of tensors that return lists of tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pequegrad as pg
from pequegrad import Tensor

Body = Callable[..., Sequence[Tensor]]


def scan(
    *operands: Tensor,
    jaxpr: Body,
    length: int,
    num_consts: int,
    num_carry: int,
    reverse: bool = False,
    unroll: int | bool = 1,
    linear: Any = None,
    _split_transpose: bool = False,
) -> list[Tensor]:
    """``jaxpr(*consts, *carry, *slices) -> (*carry, *results)`` for every slice of the operands behind the
    carry; the last carry, and the results stacked.
    """
    consts, rest = operands[:num_consts], operands[num_consts:]
    init, xs = tuple(rest[:num_carry]), tuple(rest[num_carry:])

    def body(carry: Any, x: Any) -> tuple[Any, Any]:
        made = list(jaxpr(*consts, *carry, *x))
        return tuple(made[:num_carry]), tuple(made[num_carry:])

    carry, ys = pg.scan(body, init, xs, length, reverse, unroll)
    return [*carry, *ys]


def while_(
    *operands: Tensor, cond_jaxpr: Body, body_jaxpr: Body, cond_nconsts: int, body_nconsts: int
) -> list[Tensor]:
    """The carry after ``body_jaxpr`` for as long as ``cond_jaxpr`` holds.

    A test of several examples, whose axes are the first of every part of the carry, lets each go on as long
    as its own holds.
    """
    tested, rest = operands[:cond_nconsts], operands[cond_nconsts:]
    consts, init = rest[:body_nconsts], tuple(rest[body_nconsts:])

    def going(carry: Sequence[Tensor]) -> Tensor:
        return cond_jaxpr(*tested, *carry)[0]

    def step(carry: Sequence[Tensor]) -> tuple[Tensor, ...]:
        after = tuple(body_jaxpr(*consts, *carry))
        mine = going(carry)
        if not mine.ndim:
            return after
        return tuple(
            pg.where(pg.reshape(mine, mine.shape + (1,) * (new.ndim - mine.ndim)), new, old)
            for new, old in zip(after, carry, strict=True)
        )

    return list(pg.while_loop(lambda carry: pg.any(going(carry)), step, init))


def cond(index: Tensor, *operands: Tensor, branches: Sequence[Body], **_: Any) -> list[Tensor]:
    """The results of one branch; the index is moved into range."""
    which = index.astype("int32") if index.dtype.is_bool else index
    return list(pg.switch(which, [_listed(b) for b in branches], *operands))


def _listed(branch: Body) -> Callable[..., list[Tensor]]:
    return lambda *xs: list(branch(*xs))


def custom_linear_solve(*operands: Tensor, const_lengths: Any, jaxprs: Any) -> list[Tensor]:
    """The solution that the solver given finds."""
    lengths = [int(n) for n in const_lengths]
    before = lengths[0] + lengths[1]
    consts = operands[before : before + lengths[2]]
    return list(jaxprs.solve(*consts, *operands[sum(lengths) :]))
