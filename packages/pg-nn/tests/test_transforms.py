from __future__ import annotations

import numpy as np
import pequegrad as pg
import pg_nn as nn
import pytest
from pg_nn import transforms
from PIL import Image

RNG = np.random.default_rng(0)


def test_pipeline_of_the_readme():
    images = RNG.integers(0, 256, (4, 8, 10, 3)).astype(np.uint8)
    pipeline = transforms.Compose(
        [
            transforms.ToTensor(device="cpu"),
            transforms.JitCompose(
                [
                    transforms.PermuteFromTo((0, 1, 2, 3), (0, 3, 1, 2)),
                    transforms.Normalize((0.5,) * 3, (0.5,) * 3),
                    transforms.Resize((16, 5)),
                ]
            ),
            transforms.EvalAndDetach(),
        ]
    )
    torch = pytest.importorskip("torch")
    x = (torch.tensor(images).float() / 255).permute(0, 3, 1, 2)
    expected = torch.nn.functional.interpolate((x - 0.5) / 0.5, (16, 5), mode="bilinear", align_corners=False)
    for _ in range(2):
        np.testing.assert_allclose(pipeline(images).numpy(), expected.numpy(), atol=1e-5)
    assert "Resize((16, 5))" in repr(pipeline)


@pytest.mark.parametrize("size", [(4, 4), (7, 3), (16, 17), (1, 1), (6, 5), 3, 11])
def test_resize_equals_torch(size):
    torch = pytest.importorskip("torch")
    x = RNG.normal(size=(2, 3, 6, 5)).astype(np.float32)
    target = size if isinstance(size, tuple) else (size * 6 // 5, size)
    expected = torch.nn.functional.interpolate(torch.tensor(x), target, mode="bilinear", align_corners=False)
    out = transforms.Resize(size)(pg.Tensor(x))
    np.testing.assert_allclose(out.numpy(), expected.numpy(), rtol=1e-5, atol=1e-6)
    one = transforms.Resize(size)(pg.Tensor(x[0]))
    np.testing.assert_allclose(one.numpy(), out.numpy()[0], rtol=1e-5, atol=1e-6)


def test_resize_differentiates_as_torch():
    torch = pytest.importorskip("torch")
    x = RNG.normal(size=(1, 2, 4, 6)).astype(np.float32)
    x_torch = torch.tensor(x, requires_grad=True)
    (
        torch.nn.functional.interpolate(x_torch, (7, 4), mode="bilinear", align_corners=False) ** 2
    ).sum().backward()
    grad = pg.grad(lambda x: (transforms.Resize((7, 4))(x) ** 2).sum())(pg.Tensor(x))
    np.testing.assert_allclose(grad.numpy(), x_torch.grad.numpy(), rtol=1e-4, atol=1e-5)


def test_to_tensor_takes_images_arrays_lists_and_tensors():
    pixels = RNG.integers(0, 256, (4, 5, 3)).astype(np.uint8)
    expected = pixels.astype(np.float32) / 255
    for source in (pixels, Image.fromarray(pixels), pg.Tensor(pixels)):
        out = transforms.ToTensor()(source)
        assert out.dtype == pg.dt.float32 and out.shape == (4, 5, 3)
        np.testing.assert_allclose(out.numpy(), expected, rtol=1e-6)
    assert transforms.ToTensor()([[1, 2]]).dtype == pg.dt.int64
    assert transforms.ToTensor()(np.ones(2)).dtype == pg.dt.float64


def test_permute_from_to_is_by_name_of_axis():
    x = pg.Tensor(RNG.normal(size=(2, 3, 4)))
    np.testing.assert_array_equal(
        transforms.PermuteFromTo((2, 0, 1), (0, 1, 2))(x).numpy(), np.transpose(x.numpy(), (1, 2, 0))
    )


def test_normalize_keeps_dtype_and_broadcasts_one_channel():
    x = RNG.normal(size=(2, 3, 2, 2)).astype(np.float32)
    out = transforms.Normalize((1, 2, 3), (1, 2, 4))(pg.Tensor(x))
    expected = (x - np.reshape([1, 2, 3], (3, 1, 1))) / np.reshape([1, 2, 4], (3, 1, 1))
    np.testing.assert_allclose(out.numpy(), expected.astype(np.float32), rtol=1e-5, atol=1e-6)
    assert out.dtype == pg.dt.float32
    assert transforms.Normalize((0.5,), (0.5,))(pg.Tensor(x)).shape == x.shape


def test_jit_compose_traces_once_for_a_shape():
    calls = []
    pipeline = transforms.JitCompose([lambda x: (calls.append(1), x + 1)[1]])
    for i in range(3):
        assert pipeline(pg.full((2,), float(i))).tolist() == [i + 1, i + 1]
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (lambda: transforms.Compose([3]), "must be callable"),
        (lambda: transforms.PermuteFromTo((0, 1), (0, 2)), "same axes once"),
        (lambda: transforms.PermuteFromTo((0, 1), (1, 0))(pg.ones((2, 2, 2))), "needs 2 axes"),
        (lambda: transforms.Normalize((0.5,), (0.5, 1)), "1 means but 2"),
        (lambda: transforms.Normalize((0.5,), (0.0,)), "is zero"),
        (lambda: transforms.Normalize((0.5,) * 3, (0.5,) * 3)(pg.ones((2, 2, 2))), r"\(\.\.\., 3, H, W\)"),
        (lambda: transforms.Normalize((0.5,), (1.0,))(pg.Tensor(np.ones((1, 2, 2), np.uint8))), "ToTensor"),
        (lambda: transforms.Resize(0), "positive"),
        (lambda: transforms.Resize((2, 2))(pg.ones((2, 2))), r"\(\.\.\., C, H, W\)"),
        (lambda: transforms.Resize((2, 2))(pg.Tensor(np.ones((1, 2, 2), np.uint8))), "ToTensor"),
    ],
)
def test_mistakes_raise(run, message):
    with pytest.raises((TypeError, ValueError), match=message):
        run()


def test_transforms_are_reached_from_the_package():
    assert nn.transforms is transforms
