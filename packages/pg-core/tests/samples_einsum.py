"""Rows of einsum: every form of its notation, and every order of many operands."""

from __future__ import annotations

from typing import Any

import numpy as np
import pequegrad as pg
from rows import EVERY, A, Arr, Row, S

_A, _B, _C = A(2, 3), A(3, 4), A(4, 2)
EQUATIONS: list[tuple[str, tuple[Arr, ...]]] = [
    ("ij,jk->ki", (_A, _B)),
    ("ij,kj->ik", (_A, A(4, 3))),
    ("ij,ij->ij", (_A, _A)),
    ("ij,ij", (_A, _A)),
    ("ij,ij->j", (_A, _A)),
    ("ij,i->j", (_A, A(2))),
    ("ij,->ij", (_A, A())),
    (",", (A(), A())),
    ("i,i", (A(5), A(5))),
    ("bi,bj->bij", (A(2, 3), A(2, 4))),
    ("iij->j", (A(3, 3, 2),)),
    ("iijj->ij", (A(2, 2, 3, 3),)),
    ("iji->j", (A(3, 2, 3),)),
    ("ii,ij->j", (A(3, 3), A(3, 2))),
    ("ij,jj->i", (A(2, 3), A(3, 3))),
    ("ij,k->", (_A, A(4))),
    ("ab,cd->ac", (_A, _B)),
    ("i...,j...->ij...", (A(2, 3), A(4, 3))),
    ("...i,...i->...", (A(2, 1, 3), A(4, 3))),
    ("...,...", (A(2, 3), A(3))),
    ("...ii->...i", (A(2, 3, 3),)),
    ("ba", (_A,)),
    ("...ba", (A(2, 3, 4),)),
    ("b...a->a...b", (A(2, 3, 4),)),
    ("ij,jk->ik", (A(2, 1), _B)),
    ("ij,jk,kl", (_A, _B, _C)),
    ("ab,bc,cd,da->", (_A, _B, _C, A(2, 2))),
    ("abc,cd,de,ea->bd", (A(2, 3, 4), _C, A(2, 5), A(5, 2))),
    ("i,i,i->i", (A(4), A(4), A(4))),
    ("ij,ij,ij->", (_A, _A, _A)),
    ("zij,zjk,zk->zi", (A(2, 3, 4), A(2, 4, 2), A(2, 2))),
    ("ij,jk->ik", (A(0, 3), A(3, 2))),
    ("ij,jk->ik", (A(2, 0), A(0, 3))),
    ("ij->i", (A(2, 0),)),
]


def _row(why: str, args: tuple[Any, ...], **kwargs: Any) -> Row:
    diff = tuple(i for i, a in enumerate(args) if isinstance(a, Arr))
    return Row(
        "einsum",
        [S(*args, **kwargs)],
        lambda *a, **k: np.einsum(*a),
        call=pg.einsum,
        diff=diff,
        tolerance=16,
        dtypes=("float32", "float64", "float16", "bfloat16", "int64", "int32", "bool"),
        why=why,
    )


_CHAIN = ("ab,bc,cd,de,ef->af", A(2, 3), A(3, 4), A(4, 2), A(2, 3), A(3, 2))
ROWS = [
    *[_row(f"{e} {i}", (e, *arrays)) for i, (e, arrays) in enumerate(EQUATIONS)],
    _row("lists", (_A, [0, 1], _B, [1, 2], [0, 2])),
    _row("lists without result", (_A, [5, 2], _B, [2, 0])),
    _row("lists with ellipsis", (A(4, 2, 3), [..., 0, 1], _B, [1, 2], [..., 2, 0])),
    *[_row(f"chain {o}", _CHAIN, optimize=o) for o in ("greedy", "optimal", "auto", True, False)],
    _row("chain by a path", _CHAIN, optimize=[(0, 1), (1, 2), (0, 1, 2)]),
    _row("chain by NumPy's path", _CHAIN, optimize=["einsum_path", (3, 4), (0, 3), (0, 1), (0, 1)]),
    Row(
        "einsum_path",
        [S("ij,jk,k->i", A(9, 9), A(9, 9), A(9))],
        lambda *a: [np.array([[1, 2], [0, 1]])],
        call=lambda *a: [pg.Tensor(np.array(pg.einsum_path(*a)))],
        dtypes=EVERY,
        out="int64",
        diff=(),
    ),
]
