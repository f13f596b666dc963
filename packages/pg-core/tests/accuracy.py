"""Errors of the float32 functions, in units in the last place, over bit patterns a stride apart.

    python tests/accuracy.py [stride]

Prints one line per function and fails where one is beyond its limit or has a wrong NaN, infinity or sign of
zero. Not a test by itself: stride 1 takes about an hour, the default a few seconds.
"""

import math
import sys

import numpy as np
import pequegrad as pg


def _by_element(function):
    return np.vectorize(function, otypes=[np.float64])


def _sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1.0) / (1.0 + e)


# The reference computes in float64; the last number is the largest error allowed.
FUNCTIONS = {
    "exp": (np.exp, 1.0),
    "exp2": (np.exp2, 1.0),
    "expm1": (np.expm1, 1.0),
    "log": (np.log, 1.0),
    "log2": (np.log2, 1.0),
    "log10": (np.log10, 1.0),
    "log1p": (np.log1p, 1.0),
    "sin": (np.sin, 1.0),
    "cos": (np.cos, 1.0),
    "tan": (np.tan, 0.51),
    "tanh": (np.tanh, 1.0),
    "erf": (_by_element(math.erf), 1.0),
    "sigmoid": (_sigmoid, 1.0),
    "rsqrt": (lambda x: 1.0 / np.sqrt(x), 1.5),  # above 1 only for subnormal operands
}


def measure(name: str, x: np.ndarray) -> tuple[float, float, float, int]:
    """Largest error in ulp, where, the share rounded correctly, and how many special values are wrong."""
    with np.errstate(all="ignore"):
        want = FUNCTIONS[name][0](x.astype(np.float64))
        nearest = want.astype(np.float32)
        got = getattr(pg, name)(pg.Tensor(x)).numpy()
        finite = np.isfinite(nearest) & np.isfinite(got)
        size = np.abs(nearest)
        ulp = (np.nextafter(size, np.float32(np.inf)).astype(np.float64) - size)[finite]
        error = np.abs(got.astype(np.float64) - want)[finite] / ulp
    special = ~finite & ~((np.isnan(got) & np.isnan(nearest)) | (got == nearest))
    sign = (got == 0) & (nearest == 0) & (np.signbit(got) != np.signbit(nearest))
    worst = int(error.argmax())
    rounded = float(np.mean(got[finite] == nearest[finite]))
    return float(error[worst]), float(x[finite][worst]), rounded, int(special.sum() + sign.sum())


def main(stride: int) -> int:
    x = np.arange(0, 1 << 32, stride, dtype=np.uint64).astype(np.uint32).view(np.float32)
    failed = 0
    for name, (_, limit) in FUNCTIONS.items():
        parts = [measure(name, part) for part in np.array_split(x, max(1, x.size >> 20))]
        error, at = max((part[:2] for part in parts), key=lambda pair: pair[0])
        rounded, wrong = float(np.mean([part[2] for part in parts])), sum(part[3] for part in parts)
        bad = error > limit or wrong > 0
        failed += bad
        print(
            f"{name:8s} max {error:.3f} ulp at {at:.9g}, correctly rounded {100 * rounded:.2f} %, "
            f"{wrong} wrong special values{'   <-- beyond its limit' if bad else ''}"
        )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10007))
