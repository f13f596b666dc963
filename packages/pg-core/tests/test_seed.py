"""Every snippet of the project's first document runs as written, on the CPU when "cuda" is replaced by "cpu"."""

from __future__ import annotations

import numpy as np
import pequegrad as pg
import pytest
from pequegrad import fngrad
from pequegrad.tensor import Tensor


def test_gradients() -> None:
    def f(a, b, c):
        x = a * b
        return x * c

    f_and_grad = fngrad(f, wrt=[0, 1, 2], return_outs=True)
    a, b, c = (pg.rand((2, 3), dtype=pg.dt.float32, device=pg.device.cpu()) for _ in range(3))
    outs, grads = f_and_grad(a, b, c)
    np.testing.assert_allclose(outs.numpy(), (a * b * c).numpy())
    for got, want in zip(grads, (b * c, a * c, a * b)):
        np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-6)


def test_jit_example() -> None:
    x = pg.Tensor(np.random.rand(1000, 20, 100)).to("cpu").astype("float32")
    y = pg.Tensor(np.random.rand(1000, 100, 20)).to("cpu").astype("float32")

    def f(x, y):
        return ((pg.permute(x, (0, 2, 1)) + 2) + y).sum(2) * 3

    fjit = pg.jit(f)
    for _ in range(3):
        f(x, y).eval()
        pg.sync_cuda_device()
        fjit(x, y).eval()
        pg.sync_cuda_device()
    want = ((x.numpy().transpose(0, 2, 1) + 2) + y.numpy()).sum(2) * 3
    np.testing.assert_allclose(f(x, y).numpy(), want, rtol=1e-5)
    assert fjit(x, y).eval().numpy().tobytes() == f(x, y).numpy().tobytes()
    explanation = fjit.explain(x, y)
    assert len(explanation.kernels) == 1 and not explanation.library_calls  # all of it is one kernel
    before = pg.debug.launches()
    fjit(x, y)
    assert pg.debug.launches() == before + 1


def test_training_step() -> None:
    nn = pytest.importorskip("pg_nn")
    from pg_nn import SGDState, sgd

    class Net(nn.StatefulModule):
        def __init__(self, num_classes=100):
            super().__init__()
            self.features = nn.Sequential(
                nn.Conv2d(3, 8, kernel_size=5, stride=2, padding=2),
                nn.ReLU(),
                nn.MaxPool2d(kernel_size=3, stride=2),
            )
            self.classifier = nn.Sequential(nn.Dropout(p=0.5), nn.Linear(8 * 7 * 7, num_classes))

        def forward(self, x: Tensor) -> Tensor:
            x = self.features(x)
            x = x.reshape((x.shape[0], 8 * 7 * 7))
            return self.classifier(x)

    model = Net()

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

    params = model.params_dict()
    state = SGDState(params, lr=0.05)
    x, y = pg.rand((8, 3, 32, 32)), pg.Tensor(np.arange(8))
    losses = []
    for _ in range(5):
        state, params, loss = update_step(state, params, x, y)
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert len(update_step.entries) == 1


def test_data_pipeline() -> None:
    transforms = pytest.importorskip("pg_nn").transforms
    transform = transforms.Compose([
        transforms.ToTensor(device="cpu"),
        transforms.JitCompose([
            transforms.PermuteFromTo((0, 1, 2, 3), (0, 3, 1, 2)),
            transforms.Normalize((0.5,) * 3, (0.5,) * 3),
            transforms.Resize((224, 224)),
        ]),
        transforms.EvalAndDetach(),
    ])  # fmt: skip
    out = transform(np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8))
    assert out.shape == (2, 3, 224, 224)
    assert out.dtype == "float32"


def test_cuda_can_be_named_and_says_what_is_missing() -> None:
    device = pg.device.cuda(0)
    assert str(device) == "cuda:0"
    if pg.device.is_cuda_available():
        pytest.skip("there is a GPU")
    for place in (
        lambda: pg.rand((2, 3), device=device),
        lambda: pg.zeros(2).to("cuda"),
        lambda: pg.Tensor([1.0], device="cuda:1"),
    ):
        with pytest.raises(pg.DeviceError, match=r"cannot place data on cuda:.*install"):
            place()


def test_eval_returns_the_tensor_itself() -> None:
    x = pg.ones(3) + 1
    assert x.eval() is x
    assert x.eval() is x
    assert x.detach().tolist() == [2.0, 2.0, 2.0]


def test_kernels_are_printed_on_demand(tmp_path) -> None:
    import os
    import subprocess
    import sys

    code = "import pequegrad as pg; x = pg.ones((4, 5)); print(((x + 2) * x).sum(1).tolist())"
    for value, shown in (("true", True), ("off", False), ("", False)):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PG_KERNEL_DB": value},
            capture_output=True,
            text=True,
            check=True,
        )
        assert ("kernel" in done.stdout) is shown
