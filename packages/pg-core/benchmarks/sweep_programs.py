"""More cases of the sweep: matrix products, convolution, networks, random numbers, Fourier transforms, linear algebra."""

from __future__ import annotations

from typing import Any

import numpy as np
from sweep_cases import case, floats, normal


def _square(n: int, dtype: Any = np.float32, count: int = 2, batch: tuple[int, ...] = ()) -> Any:
    return lambda r, s: tuple(normal(r, (*batch, n, n), dtype) for _ in range(count))


def _products() -> None:
    for n in (8, 64, 256, 512):
        case(f"matmul {n}", lambda xp, x, y: x @ y, _square(n), "medium")
    case("matmul float64 256", lambda xp, x, y: x @ y, _square(256, np.float64), "medium")
    case("matmul bfloat16 256", lambda xp, x, y: x @ y, _square(256), "medium", "bfloat16")
    case(
        "matmul int32 128",
        lambda xp, x, y: x @ y,
        lambda r, s: tuple(r.integers(0, 9, (128, 128)).astype(np.int32) for _ in range(2)),
        "medium",
    )
    case("matmul transposed", lambda xp, x, y: x.T @ y, _square(512), "medium")
    case(
        "matmul skinny",
        lambda xp, x, y: x @ y,
        lambda r, s: (normal(r, (4096, 16)), normal(r, (16, 512))),
        "medium",
    )
    case("matmul 1000 of 8", lambda xp, x, y: x @ y, _square(8, batch=(1000,)), "medium")
    case("matmul 100 of 32", lambda xp, x, y: x @ y, _square(32, batch=(100,)), "medium")
    case("matrix @ vector", lambda xp, x: x @ x[0], None, "small medium large")
    case("vector @ matrix", lambda xp, x: x[:, 0] @ x, None, "medium large")
    case("vector @ vector", lambda xp, x, y: x.reshape(-1) @ y.reshape(-1), floats(2), "small medium large")
    case("outer", lambda xp, x: xp.outer(x[0], x[:, 0]), None, "medium large")
    case(
        "einsum bij,bjk->bik",
        lambda xp, x, y: xp.einsum("bij,bjk->bik", x, y),
        _square(64, batch=(16,)),
        "medium",
    )
    case(
        "einsum bhqd,bhkd->bhqk",
        lambda xp, x, y: xp.einsum("bhqd,bhkd->bhqk", x, y),
        lambda r, s: (normal(r, (4, 8, 128, 64)), normal(r, (4, 8, 128, 64))),
        "medium",
    )
    case("einsum ij,jk,kl", lambda xp, x, y: xp.einsum("ij,jk,kl->il", x, y, x), _square(128), "medium")
    case(
        "tensordot",
        lambda xp, x, y: xp.tensordot(x, y, ((1, 2), (0, 1))),
        lambda r, s: (normal(r, (64, 16, 16)), normal(r, (16, 16, 64))),
        "medium",
        torch=lambda t, x, y: t.tensordot(x, y, ([1, 2], [0, 1])),
    )


def _windows() -> None:
    def conv(name: str, x: tuple[int, ...], w: tuple[int, ...], **options: Any) -> None:
        rank = len(x) - 2
        groups, padding, stride = (
            options.get("groups", 1),
            options.get("padding", 0),
            options.get("stride", 1),
        )
        case(
            name,
            lambda xp, x, w: getattr(xp, f"conv{rank}d")(x, w, stride=stride, padding=padding, groups=groups),
            lambda r, s: (normal(r, x), normal(r, w)),
            "medium",
            np=None,
            torch=lambda t, x, w: getattr(t.nn.functional, f"conv{rank}d")(
                x, w, None, stride, padding, 1, groups
            ),
            jax=lambda j, x, w: j.lax.conv_general_dilated(
                x, w, (stride,) * rank, [(padding, padding)] * rank, feature_group_count=groups
            ),
        )

    conv("conv1d", (16, 64, 1000), (64, 64, 5))
    conv("conv1d audio", (4, 1, 16000), (32, 1, 64), stride=8)
    conv("conv2d 3x3", (8, 64, 32, 32), (64, 64, 3, 3), padding=1)
    conv("conv2d 1x1", (8, 128, 28, 28), (128, 128, 1, 1))
    conv("conv2d stride 2", (8, 64, 32, 32), (128, 64, 3, 3), padding=1, stride=2)
    conv("conv2d depthwise", (8, 64, 32, 32), (64, 1, 3, 3), padding=1, groups=64)
    conv("conv2d groups 4", (8, 64, 32, 32), (64, 16, 3, 3), padding=1, groups=4)
    conv("conv2d of one image", (1, 3, 64, 64), (16, 3, 3, 3), padding=1)
    conv("conv3d", (2, 8, 16, 32, 32), (16, 8, 3, 3, 3), padding=1)
    case(
        "conv_transpose2d",
        lambda xp, x, w: xp.conv_transpose2d(x, w, stride=2),
        lambda r, s: (normal(r, (8, 64, 16, 16)), normal(r, (64, 32, 2, 2))),
        "medium",
        np=None,
        torch=lambda t, x, w: t.nn.functional.conv_transpose2d(x, w, stride=2),
        jax=None,
    )
    images = lambda r, s: (normal(r, (16, 32, 56, 56)),)
    for name in ("max", "avg"):
        for edge, stride in ((2, 2), (3, 2), (3, 1)):
            case(
                f"{name}_pool2d {edge} stride {stride}",
                lambda xp, x, n=name, k=edge, s=stride: getattr(xp, f"{n}_pool2d")(x, k, s),
                images,
                "medium",
                np=None,
                torch=lambda t, x, n=name, k=edge, s=stride: getattr(t.nn.functional, f"{n}_pool2d")(x, k, s),
                jax=None,
            )
    case("mean of pixels", lambda xp, x: x.mean((2, 3)), images, "medium")
    case(
        "batch_norm",
        lambda xp, x: (
            (x - x.mean((0, 2, 3), keepdims=True)) / xp.sqrt(x.var((0, 2, 3), keepdims=True) + 1e-5)
        ),
        images,
        "medium",
        torch=lambda t, x: t.nn.functional.batch_norm(x, None, None, training=True),
    )
    norms = {
        "layer_norm": lambda xp, x: xp.layer_norm(x, x.shape[-1]),
        "rms_norm": lambda xp, x: xp.rms_norm(x, x.shape[-1]),
    }
    for name, f in norms.items():
        case(
            name,
            f,
            None,
            "small medium large",
            np=None,
            jax=None,
            torch=lambda t, x, n=name: getattr(t.nn.functional, n)(x, (x.shape[-1],)),
        )
    case(
        "group_norm",
        lambda xp, x: xp.group_norm(x, 8),
        images,
        "medium",
        np=None,
        jax=None,
        torch=lambda t, x: t.nn.functional.group_norm(x, 8),
    )
    case(
        "interpolate nearest",
        lambda xp, x: xp.interpolate(x, scale_factor=2),
        images,
        "medium",
        np=None,
        jax=None,
        torch=lambda t, x: t.nn.functional.interpolate(x, scale_factor=2),
    )
    case(
        "interpolate bilinear",
        lambda xp, x: xp.interpolate(x, scale_factor=2, mode="bilinear"),
        images,
        "medium",
        np=None,
        jax=None,
        torch=lambda t, x: t.nn.functional.interpolate(x, scale_factor=2, mode="bilinear"),
    )


def _random() -> None:
    # A key of jax as an argument: otherwise the draw is folded into the compiled program.
    def draw(name: str, ours: Any, torch: Any, jax: Any, numpy: Any) -> None:
        # jax's key is made of a number that it is given, so that no draw is a constant of the program.
        case(
            f"random {name}",
            ours,
            lambda r, s: (np.arange(1), np.zeros(s, np.float32)),
            "small medium large",
            compared=False,
            torch=torch,
            jax=jax,
            np=numpy,
        )

    draw(
        "uniform",
        lambda p, i, x: p.rand(x.shape),
        lambda t, i, x: t.rand(x.shape),
        lambda j, i, x: j.random.uniform(j.random.key(i[0]), x.shape, j.float32),
        lambda n, i, x: _GENERATOR.random(x.shape, n.float32),
    )
    draw(
        "normal",
        lambda p, i, x: p.randn(x.shape),
        lambda t, i, x: t.randn(x.shape),
        lambda j, i, x: j.random.normal(j.random.key(i[0]), x.shape, j.float32),
        lambda n, i, x: _GENERATOR.standard_normal(x.shape, n.float32),
    )
    draw(
        "integers",
        lambda p, i, x: p.random.randint(None, x.shape, 0, 100),
        lambda t, i, x: t.randint(0, 100, x.shape),
        lambda j, i, x: j.random.randint(j.random.key(i[0]), x.shape, 0, 100),
        lambda n, i, x: _GENERATOR.integers(0, 100, x.shape),
    )
    draw(
        "bernoulli",
        lambda p, i, x: p.random.bernoulli(None, 0.3, x.shape),
        lambda t, i, x: t.rand(x.shape) < 0.3,
        lambda j, i, x: j.random.bernoulli(j.random.key(i[0]), 0.3, x.shape),
        lambda n, i, x: _GENERATOR.random(x.shape) < 0.3,
    )
    draw(
        "exponential",
        lambda p, i, x: p.random.exponential(None, x.shape),
        lambda t, i, x: t.empty(x.shape).exponential_(),
        lambda j, i, x: j.random.exponential(j.random.key(i[0]), x.shape, j.float32),
        lambda n, i, x: _GENERATOR.standard_exponential(x.shape, n.float32),
    )
    case(
        "random permutation",
        lambda p, i, x: p.random.permutation(None, x.size),
        lambda r, s: (np.arange(1), np.zeros(s, np.float32)),
        "medium",
        compared=False,
        torch=lambda t, i, x: t.randperm(x.numel()),
        jax=lambda j, i, x: j.random.permutation(j.random.key(i[0]), x.size),
        np=lambda n, i, x: _GENERATOR.permutation(x.size),
    )
    case(
        "dropout of gelu",
        lambda p, x: p.where(p.rand(x.shape) < 0.9, p.gelu(x) / 0.9, 0.0),
        None,
        "medium large",
        compared=False,
        np=None,
        jax=None,
        torch=lambda t, x: t.nn.functional.dropout(t.nn.functional.gelu(x), 0.1),
    )


_GENERATOR = np.random.default_rng(0)


def _fourier() -> None:
    for name, n in (("fft", 1 << 16), ("rfft", 1 << 16), ("fft", 1000), ("fft", 65537 - 1 - 536)):
        case(
            f"{name} {n}",
            lambda xp, x, f=name: getattr(xp.fft, f)(x),
            lambda r, s, n=n: (normal(r, (n,)),),
            "medium",
        )
    case("fft rows of 256", lambda xp, x: xp.fft.fft(x), lambda r, s: (normal(r, (400, 256)),), "medium")
    case("fft rows of 4096", lambda xp, x: xp.fft.fft(x), lambda r, s: (normal(r, (1000, 4096)),), "medium")
    case("rfft rows of 512", lambda xp, x: xp.fft.rfft(x), lambda r, s: (normal(r, (2000, 512)),), "medium")
    case("fft prime 10007", lambda xp, x: xp.fft.fft(x), lambda r, s: (normal(r, (10007,)),), "medium")
    case("fft of 16", lambda xp, x: xp.fft.fft(x), lambda r, s: (normal(r, (16,)),), "medium")
    case("fft2 512", lambda xp, x: xp.fft.fft2(x), _square(512, count=1), "medium")
    case("rfft2 512", lambda xp, x: xp.fft.rfft2(x), _square(512, count=1), "medium")
    case(
        "irfft 65536",
        lambda xp, x: xp.fft.irfft(x),
        lambda r, s: (np.fft.rfft(normal(r, (65536,))).astype(np.complex64),),
        "medium",
    )
    case(
        "fft float64 65536",
        lambda xp, x: xp.fft.fft(x),
        lambda r, s: (normal(r, (65536,), np.float64),),
        "medium",
    )


def _algebra() -> None:
    for n in (8, 100, 400):

        def positive(r: Any, s: Any, n: int = n) -> tuple[Any, ...]:
            a = normal(r, (n, n), np.float64)
            return a @ a.T + n * np.eye(n), normal(r, (n, 4), np.float64)

        case(f"solve {n}", lambda xp, a, b: xp.linalg.solve(a, b), positive, "medium")
        case(f"cholesky {n}", lambda xp, a, b: xp.linalg.cholesky(a), positive, "medium")
        case(f"inv {n}", lambda xp, a, b: xp.linalg.inv(a), positive, "medium")
        case(f"det {n}", lambda xp, a, b: xp.linalg.slogdet(a)[1], positive, "medium")
        case(f"qr {n}", lambda xp, a, b: xp.linalg.qr(a)[1], positive, "medium", compared=False)
        case(f"eigh {n}", lambda xp, a, b: xp.linalg.eigh(a)[0], positive, "medium")
        case(f"svd {n}", lambda xp, a, b: xp.linalg.svd(a)[1], positive, "medium")
    case(
        "solve 500 of 8",
        lambda xp, a, b: xp.linalg.solve(a, b),
        lambda r, s: (normal(r, (500, 8, 8)) + 8 * np.eye(8, dtype=np.float32), normal(r, (500, 8, 1))),
        "medium",
    )
    case(
        "inv 500 of 4",
        lambda xp, a: xp.linalg.inv(a),
        lambda r, s: (normal(r, (500, 4, 4)) + 8 * np.eye(4, dtype=np.float32),),
        "medium",
    )
    case(
        "lstsq",
        lambda xp, a, b: xp.linalg.lstsq(a, b)[0],
        lambda r, s: (normal(r, (500, 50), np.float64), normal(r, (500, 1), np.float64)),
        "medium",
        np=lambda n, a, b: n.linalg.lstsq(a, b, rcond=None)[0],
    )
    case("pinv", lambda xp, a: xp.linalg.pinv(a), lambda r, s: (normal(r, (200, 50), np.float64),), "medium")


def _programs() -> None:
    case(
        "cosine similarity",
        lambda xp, x, y: (x * y).sum(1) / (xp.sqrt((x * x).sum(1)) * xp.sqrt((y * y).sum(1))),
        floats(2),
        "small medium large",
    )
    case(
        "standardize",
        lambda xp, x: (x - x.mean(0)) / (xp.std(x, axis=0) + 1e-5),
        None,
        "medium large",
        torch=lambda t, x: (x - x.mean(0)) / (t.std(x, 0, correction=0) + 1e-5),
    )
    case(
        "pairwise distances",
        lambda xp, x: xp.sqrt(((x[:, None] - x[None]) ** 2).sum(-1)),
        lambda r, s: (normal(r, (300, 64)),),
        "medium",
    )
    case("mse", lambda xp, x, y: ((x - y) ** 2).mean(), floats(2), "small medium large")
    case(
        "huber",
        lambda xp, x, y: xp.where(xp.abs(x - y) < 1, 0.5 * (x - y) ** 2, xp.abs(x - y) - 0.5).mean(),
        floats(2),
        "medium large",
    )
    case(
        "cross_entropy",
        lambda xp, z, y: -xp.take_along_axis(xp.log_softmax(z, axis=-1), y.reshape((-1, 1)), 1).mean(),
        lambda r, s: (normal(r, s), r.integers(0, s[1], s[0])),
        "small medium large",
        np=None,
        torch=lambda t, z, y: t.nn.functional.cross_entropy(z, y),
        jax=lambda j, z, y: -j.take_along_axis(j.nn.log_softmax(z, axis=-1), y[:, None], 1).mean(),
    )
    case(
        "linear and relu",
        lambda xp, x, w, b: xp.maximum(x @ w + b, 0.0),
        lambda r, s: (normal(r, (128, 256)), normal(r, (256, 256)), normal(r, (256,))),
        "medium",
        torch=lambda t, x, w, b: t.relu(x @ w + b),
    )
    case("polynomial", lambda xp, x: ((x * 0.5 + 1) * x - 2) * x + 3, None, "small medium large")
    case(
        "mandelbrot step",
        lambda xp, z, c: z * z + c,
        lambda r, s: tuple((normal(r, s) + 1j * normal(r, s)).astype(np.complex64) for _ in range(2)),
        "medium large",
    )
    case(
        "complex exp",
        lambda xp, z: xp.exp(z),
        lambda r, s: ((normal(r, s) + 1j * normal(r, s)).astype(np.complex64),),
        "medium",
    )
    case("moving average", lambda xp, x: (x[:, 2:] + x[:, 1:-1] + x[:, :-2]) / 3, None, "medium large")
    case(
        "laplacian",
        lambda xp, x: x[2:, 1:-1] + x[:-2, 1:-1] + x[1:-1, 2:] + x[1:-1, :-2] - 4 * x[1:-1, 1:-1],
        None,
        "medium large",
    )
    case(
        "rotary",
        lambda xp, x: xp.concatenate(
            (
                x[:, : x.shape[1] // 2] * 0.5 - x[:, x.shape[1] // 2 :] * 0.8,
                x[:, x.shape[1] // 2 :] * 0.5 + x[:, : x.shape[1] // 2] * 0.8,
            ),
            1,
        ),
        None,
        "medium large",
        torch=lambda t, x: t.cat(
            (
                x[:, : x.shape[1] // 2] * 0.5 - x[:, x.shape[1] // 2 :] * 0.8,
                x[:, x.shape[1] // 2 :] * 0.5 + x[:, : x.shape[1] // 2] * 0.8,
            ),
            1,
        ),
    )
    case(
        "one adam update",
        lambda xp, p, g, m, v: p - 1e-3 * (0.9 * m + 0.1 * g) / (xp.sqrt(0.999 * v + 0.001 * g * g) + 1e-8),
        lambda r, s: (*floats(3)(r, s), np.abs(normal(r, s))),
        "small medium large",
    )
    case(
        "gradient of a network",
        _gradient,
        lambda r, s: (normal(r, (64, 64)), normal(r, (32, 64))),
        "medium",
        np=None,
        torch=_torch_gradient,
        jax=lambda j, w, x: j.jax.grad(lambda w: (j.tanh(x @ w) ** 2).sum())(w),
    )


def _gradient(p: Any, w: Any, x: Any) -> Any:
    return p.grad(lambda w: (p.tanh(x @ w) ** 2).sum())(w)


def _torch_gradient(t: Any, w: Any, x: Any) -> Any:
    leaf = w.detach().requires_grad_()
    return t.autograd.grad((t.tanh(x @ leaf) ** 2).sum(), leaf)[0]


_products()
_windows()
_random()
_fourier()
_algebra()
_programs()
