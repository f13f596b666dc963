"""Derivatives of references by central differences, in float64 and over real coordinates.

The points lie on a grid whose numbers every floating dtype holds exactly, so that one table of differences
serves them all. A complex array counts as two real ones; the gradient of a real function of z = x + iy is
df/dx - i df/dy, the convention of ``pg.grad``.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from law_tools import Bound, bind
from rows import Row

FULL = 16  # up to so many coordinates, derivatives by each; above, along random directions
SOME = 5


def parts(x: Any) -> np.ndarray:
    """The real coordinates of an array, a complex one as real and imaginary parts."""
    x = np.asarray(x)
    flat = x.reshape(-1)
    return (
        np.concatenate([flat.real, flat.imag]).astype(np.float64)
        if x.dtype.kind == "c"
        else flat.astype(float)
    )


def whole(coordinates: np.ndarray, like: np.ndarray) -> np.ndarray:
    if like.dtype.kind != "c":
        return coordinates.reshape(like.shape)
    re, im = np.split(coordinates, 2)
    return (re + 1j * im).reshape(like.shape)


def on_grid(rng: np.random.Generator, like: np.ndarray) -> np.ndarray:
    """Small numbers that every floating dtype holds exactly."""
    draw = lambda: rng.integers(-8, 9, like.shape) / 8.0 + 1 / 16
    return draw() + 1j * draw() if like.dtype.kind == "c" else draw()


class Problem:
    """A sample as a function of real coordinates, and the derivatives of its reference."""

    def __init__(self, bound: Bound) -> None:
        self.bound = bound
        self.at = [np.asarray(bound.values[i]) for i in bound.wrt]
        self.sizes = np.cumsum([parts(a).size for a in self.at])
        self.x = np.concatenate([np.zeros(0), *map(parts, self.at)])
        rng = np.random.default_rng(1)
        self.outs = self.floating(self.x)
        self.weights = [on_grid(rng, y) for y in self.outs]
        self.tangents = [on_grid(rng, a) for a in self.at]
        self.along = np.concatenate([np.zeros(0), *map(parts, self.tangents)])
        n = self.x.size
        self.directions = np.eye(n) if n <= FULL else rng.choice([-1.0, 1.0], (SOME, n))

    def floating(self, x: np.ndarray) -> list[np.ndarray]:
        """The floating results at a point."""
        given = list(self.bound.values)
        for i, a, c in zip(self.bound.wrt, self.at, np.split(x, self.sizes[:-1])):
            given[i] = whole(c, a)
        return [y for y in self.bound.reference(given) if y.dtype.kind in "fc"]

    def weighted(self, x: np.ndarray) -> float:
        """The loss whose gradient is taken: the real part of the results times fixed weights."""
        return float(
            sum(np.sum(w * y).real for w, y in zip(self.weights, self.floating(x), strict=True))
            if self.outs
            else 0.0
        )

    @functools.cached_property
    def rates(self) -> list[np.ndarray]:
        """The derivative of the results along the tangents."""
        h = 1e-4
        near, far = (
            [
                (b - a) / (2 * s)
                for a, b in zip(
                    self.floating(self.x - s * self.along), self.floating(self.x + s * self.along)
                )
            ]
            for s in (h, 2 * h)
        )
        return [(4 * n - f) / 3 for n, f in zip(near, far)]

    @functools.cached_property
    def slopes(self) -> np.ndarray:
        """The derivative of the loss along each direction."""
        h = 1e-4

        def slope(d: np.ndarray, s: float) -> float:
            return (self.weighted(self.x + s * d) - self.weighted(self.x - s * d)) / (2 * s)

        return np.array([(4 * slope(d, h) - slope(d, 2 * h)) / 3 for d in self.directions])

    @functools.cached_property
    def curvatures(self) -> np.ndarray:
        """The derivative along each direction of the derivative along the tangents."""
        h = 1e-3

        def mixed(d: np.ndarray, s: float) -> float:
            p, t = s * d, s * self.along
            f = self.weighted
            return (f(self.x + p + t) - f(self.x + p - t) - f(self.x - p + t) + f(self.x - p - t)) / (
                4 * s * s
            )

        return np.array([(4 * mixed(d, h) - mixed(d, 2 * h)) / 3 for d in self.directions])

    def projected(self, gradients: list[Any]) -> np.ndarray:
        """Gradients along the directions."""
        flat = [np.zeros(0)]
        for g in gradients:
            g = np.asarray(g)
            flat.append(parts(np.conj(g) if g.dtype.kind == "c" else g))
        with np.errstate(all="ignore"):
            return self.directions @ np.concatenate(flat)


@functools.lru_cache(maxsize=256)
def problem(row: Row, index: int, entry: int, is_complex: bool) -> Problem:
    dtype = "complex128" if is_complex else "float64"
    return Problem(bind(row, index, dtype, entry, grid=True))
