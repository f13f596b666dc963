"""Transforms of images on their way into a model: the seven of the README's data pipeline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pequegrad as pg
from pequegrad import Tensor
from pequegrad.errors import ArgumentError, DTypeError, InvalidValueError, ShapeError

__all__ = ["Compose", "EvalAndDetach", "JitCompose", "Normalize", "PermuteFromTo", "Resize", "ToTensor"]


class Compose:
    """Apply transforms one after another.

    >>> from pg_nn import transforms
    >>> transforms.Compose([lambda x: x + 1, lambda x: 2 * x])(3)
    8
    """

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        self.transforms = list(transforms)
        wrong = [t for t in self.transforms if not callable(t)]
        if wrong:
            raise ArgumentError(f"{type(self).__name__}: every transform must be callable, got {wrong[0]!r}")

    def __call__(self, x: Any) -> Any:
        for transform in self.transforms:
            x = transform(x)
        return x

    def __repr__(self) -> str:
        inner = "".join(f"\n    {t!r}" for t in self.transforms)
        return f"{type(self).__name__}({inner}\n)"


class JitCompose(Compose):
    """As Compose, compiled into one program; takes and returns tensors.

    >>> import pequegrad as pg
    >>> from pg_nn import transforms
    >>> transforms.JitCompose([transforms.Normalize((0.5,), (0.5,))])(pg.ones((1, 1, 2, 2))).numpy().ravel()
    array([1., 1., 1., 1.], dtype=float32)
    """

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        super().__init__(transforms)
        self._compiled = pg.jit(super().__call__)

    def __call__(self, x: Any) -> Any:
        return self._compiled(x)


class ToTensor:
    """Make a tensor of an array, a list, a PIL image or a tensor, on `device`.

    Bytes (uint8) become float32 between 0 and 1, as in torchvision; other dtypes stay. Axes stay as they are.

    >>> import numpy as np
    >>> from pg_nn import transforms
    >>> transforms.ToTensor()(np.array([0, 51, 255], np.uint8)).numpy()
    array([0. , 0.2, 1. ], dtype=float32)
    """

    def __init__(self, device: Any = None) -> None:
        self.device = device

    def __call__(self, x: Any) -> Tensor:
        if not isinstance(x, Tensor):
            # PIL images answer to the array protocol, but not through pg.Tensor's list path.
            x = pg.Tensor(np.asarray(x) if hasattr(x, "__array_interface__") else x)
        if self.device is not None:
            x = x.to(self.device)
        return x.astype(pg.dt.float32) / 255.0 if x.dtype == pg.dt.uint8 else x

    def __repr__(self) -> str:
        return f"ToTensor(device={self.device!r})"


class PermuteFromTo:
    """Reorder axes: `PermuteFromTo((0, 1, 2, 3), (0, 3, 1, 2))` turns NHWC into NCHW.

    >>> import pequegrad as pg
    >>> from pg_nn import transforms
    >>> transforms.PermuteFromTo((0, 1, 2, 3), (0, 3, 1, 2))(pg.ones((2, 8, 9, 3))).shape
    (2, 3, 8, 9)
    """

    def __init__(self, source: Sequence[int], target: Sequence[int]) -> None:
        self.source, self.target = tuple(source), tuple(target)
        if len(set(self.source)) != len(self.source) or sorted(self.source) != sorted(self.target):
            raise ShapeError(
                f"PermuteFromTo: both sides must name the same axes once, got {self.source} and {self.target}"
            )
        self._axes = tuple(self.source.index(axis) for axis in self.target)

    def __call__(self, x: Tensor) -> Tensor:
        if x.ndim != len(self._axes):
            raise ShapeError(f"{self!r}: needs {len(self._axes)} axes, got shape {tuple(x.shape)}")
        return pg.permute(x, self._axes)

    def __repr__(self) -> str:
        return f"PermuteFromTo({self.source}, {self.target})"


class Normalize:
    """Subtract a mean and divide by a standard deviation for each channel of (..., C, H, W).

    >>> import pequegrad as pg
    >>> from pg_nn import transforms
    >>> transforms.Normalize((0.5,), (0.25,))(pg.ones((1, 1, 1))).numpy()
    array([[[2.]]], dtype=float32)
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        self.mean, self.std = tuple(mean), tuple(std)
        if len(self.mean) != len(self.std):
            raise ShapeError(f"Normalize: {len(self.mean)} means but {len(self.std)} standard deviations")
        if any(s == 0 for s in self.std):
            raise InvalidValueError(f"Normalize: a standard deviation is zero: {self.std}")

    def __call__(self, x: Tensor) -> Tensor:
        channels = len(self.mean)
        if x.ndim < 3 or (channels != 1 and x.shape[-3] != channels):
            raise ShapeError(f"Normalize: needs shape (..., {channels}, H, W), got {tuple(x.shape)}")
        if not x.dtype.is_floating:
            raise DTypeError(f"Normalize: needs a floating dtype, got {x.dtype}; put ToTensor before it")
        if channels == 1:
            return (x - self.mean[0]) / self.std[0]
        mean, std = (
            pg.Tensor(np.reshape(v, (channels, 1, 1))).astype(x.dtype).to(x.device)
            for v in (self.mean, self.std)
        )
        return (x - mean) / std

    def __repr__(self) -> str:
        return f"Normalize({self.mean}, {self.std})"


class Resize:
    """Resize the last two axes bilinearly, as torch does with align_corners=False.

    A single number is the size of the shorter side; the longer one keeps the proportions.

    >>> import pequegrad as pg
    >>> from pg_nn import transforms
    >>> transforms.Resize((4, 4))(pg.ones((1, 3, 2, 2))).shape
    (1, 3, 4, 4)
    """

    def __init__(self, size: int | tuple[int, int]) -> None:
        pair = (size, size) if isinstance(size, int) else tuple(size)
        if len(pair) != 2 or any(not isinstance(n, int) or n <= 0 for n in pair):
            raise ShapeError(f"Resize: size must be a positive number or a pair of them, got {size!r}")
        self.size = size if isinstance(size, int) else pair

    def __call__(self, x: Tensor) -> Tensor:
        if x.ndim < 3:
            raise ShapeError(f"Resize: needs shape (..., C, H, W), got {tuple(x.shape)}")
        if not x.dtype.is_floating:
            raise DTypeError(f"Resize: needs a floating dtype, got {x.dtype}; put ToTensor before it")
        height, width = x.shape[-2:]
        size = self.size
        if isinstance(size, int):
            short = min(height, width)
            size = (size, size * width // short) if height == short else (size * height // short, size)
        return pg.interpolate(x, size, mode="bilinear", align_corners=False)

    def __repr__(self) -> str:
        return f"Resize({self.size})"


class EvalAndDetach:
    """Compute the tensor now, and forget how it came about.

    >>> import pequegrad as pg
    >>> from pg_nn import transforms
    >>> transforms.EvalAndDetach()(pg.ones((2,)) + 1).numpy()
    array([2., 2.], dtype=float32)
    """

    def __call__(self, x: Tensor) -> Tensor:
        return x.eval().detach()

    def __repr__(self) -> str:
        return "EvalAndDetach()"
