"""The further losses against torch: values and gradients, with every reduction."""

from __future__ import annotations

import numpy as np
import pequegrad as pg
import pg_nn.functional as ours
import pytest
from nn_parity import torch
from test_losses import check

theirs = torch.nn.functional
RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 5)).astype(np.float32)
Y = RNG.normal(size=(4, 5)).astype(np.float32)
SIGNS = np.sign(RNG.normal(size=(4, 5))).astype(np.float32)
UNIT = RNG.uniform(0.05, 0.95, (4, 5)).astype(np.float32)
ROW_SIGNS = np.float32([1, -1, 1, -1])
LABELS = np.array([0, 4, -100, 2])
COUNTS = RNG.integers(0, 6, (4, 5)).astype(np.float32)

CASES = [
    ("l1_loss", X, (Y,), {}),
    ("huber_loss", X, (3 * Y,), {"delta": 0.7}),
    ("smooth_l1_loss", X, (3 * Y,), {"beta": 0.5}),
    ("smooth_l1_loss", X, (Y,), {"beta": 0.0}),
    ("nll_loss", X, (LABELS,), {}),
    ("nll_loss", X, (LABELS,), {"weight": UNIT[0]}),
    ("binary_cross_entropy", UNIT, (UNIT[::-1].copy(),), {}),
    ("binary_cross_entropy", UNIT, (UNIT[::-1].copy(),), {"weight": UNIT}),
    ("kl_div", X, (UNIT,), {}),
    ("kl_div", X, (Y,), {"log_target": True}),
    ("poisson_nll_loss", X, (COUNTS,), {"full": True}),
    ("poisson_nll_loss", UNIT, (COUNTS,), {"log_input": False}),
    ("gaussian_nll_loss", X, (Y, UNIT), {"full": True}),
    ("gaussian_nll_loss", X, (Y, UNIT[:, :1].copy()), {}),
    ("hinge_embedding_loss", X, (SIGNS,), {"margin": 0.5}),
    ("margin_ranking_loss", X, (Y, SIGNS), {"margin": 0.1}),
    ("soft_margin_loss", 10 * X, (SIGNS,), {}),
    ("multilabel_soft_margin_loss", X, ((SIGNS > 0).astype(np.float32),), {}),
    ("cosine_embedding_loss", X, (Y, ROW_SIGNS), {"margin": -0.2}),
    ("triplet_margin_loss", X, (Y, SIGNS), {"margin": 2.0, "swap": True}),
]


@pytest.mark.filterwarnings("ignore:reduction")
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(
    ("name", "x", "others", "options"), CASES, ids=[f"{c[0]}{n}" for n, c in enumerate(CASES)]
)
def test_losses_are_those_of_torch(name, x, others, options, reduction):
    def given(make, value):
        return make(value) if isinstance(value, np.ndarray) else value

    check(
        lambda x: getattr(ours, name)(
            x,
            *[given(pg.Tensor, v) for v in others],
            **{k: given(pg.Tensor, v) for k, v in options.items()},
            reduction=reduction,
        ),
        lambda x: getattr(theirs, name)(
            x,
            *[given(torch.tensor, v) for v in others],
            **{k: given(torch.tensor, v) for k, v in options.items()},
            reduction=reduction,
        ),
        x,
    )


def test_kl_div_of_batches():
    check(
        lambda x: ours.kl_div(x, pg.Tensor(UNIT), reduction="batchmean"),
        lambda x: theirs.kl_div(x, torch.tensor(UNIT), reduction="batchmean"),
        X,
    )


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_ctc_loss(reduction):
    # Of scores: torch's gradient by the log-probabilities is that of a softmax before them.
    scores = RNG.normal(size=(7, 3, 4)).astype(np.float32)
    targets = np.array([[1, 1, 2], [3, 2, 0], [2, 0, 0]])
    lengths, sizes = np.array([7, 5, 6]), np.array([3, 2, 0])
    check(
        lambda x: ours.ctc_loss(
            pg.log_softmax(x, -1),
            pg.Tensor(targets),
            pg.Tensor(lengths),
            pg.Tensor(sizes),
            reduction=reduction,
        ),
        lambda x: theirs.ctc_loss(
            torch.log_softmax(x, -1),
            torch.tensor(targets),
            torch.tensor(lengths),
            torch.tensor(sizes),
            reduction=reduction,
        ),
        scores,
    )


def test_ctc_loss_of_what_does_not_fit():
    log_probs = pg.log_softmax(pg.zeros((2, 1, 3)), -1)
    given = (pg.Tensor([[1, 1]]), pg.Tensor([2]), pg.Tensor([2]))  # needs a blank between the two
    assert ours.ctc_loss(log_probs, *given).item() == float("inf")
    slope = pg.grad(lambda x: ours.ctc_loss(x, *given, zero_infinity=True))(log_probs)
    assert not slope.numpy().any()
