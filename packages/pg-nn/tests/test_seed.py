"""The training snippet of the first document, as written there, with its elisions filled and on the CPU."""

from __future__ import annotations

import numpy as np
import pequegrad as pg
import pg_nn as nn
import pytest
from pequegrad import fngrad
from pequegrad.tensor import Tensor
from pg_nn import SGDState, sgd, transforms


class AlexNet(nn.StatefulModule):
    def __init__(self, num_classes=100):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 96, kernel_size=11, stride=4, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(96, 256, kernel_size=5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(256, 384, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(384, 384, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(384, 256, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2),
        )
        self.classifier = nn.Sequential(
            nn.Dropout(p=0.5),
            nn.Linear(256 * 6 * 6, 256),
            nn.ReLU(),
            nn.Dropout(p=0.5),
            nn.Linear(256, 4096),
            nn.ReLU(),
            nn.Linear(4096, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)
        x = x.reshape((x.shape[0], 256 * 6 * 6))
        return self.classifier(x)


transform = transforms.Compose(
    [
        transforms.ToTensor(device="cpu"),
        transforms.JitCompose(
            [
                transforms.PermuteFromTo((0, 1, 2, 3), (0, 3, 1, 2)),  # NHWC → NCHW
                transforms.Normalize((0.5,) * 3, (0.5,) * 3),
                transforms.Resize((224, 224)),
            ]
        ),
        transforms.EvalAndDetach(),
    ]
)


@pytest.mark.filterwarnings("error")
def test_alexnet_trains():
    pg.random.manual_seed(0)
    model = AlexNet()

    @pg.jit.withargs(allocator="custom")
    def update_step(state, params_dict, x, y):
        x, y = x.to("cpu"), y.to("cpu")
        y = Tensor.one_hot(100, y)

        def loss_fn(x, y, params):
            preds = nn.apply_to_module(model, params, x)
            return preds.cross_entropy_loss_probs(y)

        loss, (grads,) = fngrad(loss_fn, wrt=[2], return_outs=True)(x, y, params_dict)
        state, params_dict = sgd(params_dict, grads, state)
        return state, params_dict, loss

    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.uint8)
    x, y = transform(images), pg.Tensor(np.array([3, 97]))
    assert x.shape == (2, 3, 224, 224) and x.dtype == pg.dt.float32
    params_dict = model.params_dict()
    state = SGDState(params_dict, lr=0.05)
    before = params_dict["features.0.weight"].numpy(copy=True)
    losses = []
    for _ in range(3):
        state, params_dict, loss = update_step(state, params_dict, x, y)
        losses.append(loss.item())
    assert np.isfinite(losses).all() and losses[-1] < losses[0]
    np.testing.assert_array_equal(model.features[0].weight.numpy(), before)
    assert not np.array_equal(params_dict["features.0.weight"].numpy(), before)
    update_step(state.replace(lr=0.001), params_dict, x, y)
    assert len(update_step.entries) == 1
