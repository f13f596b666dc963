"""Further functions of real jax for ``bridge_cases``: control flow, random numbers, matrices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from bridge_cases import POSITIVE, F, case
from jax import lax
from jax.ad_checkpoint import checkpoint_name

# ---- control

case(
    "scan",
    lambda c, xs: lax.scan(lambda c, x: (c * 0.5 + x, c.sum()), c, xs),
    F(3),
    F(5, 3, seed=1),
    tolerance=8,
)
case("scan in reverse", lambda c, xs: lax.scan(lambda c, x: (c + x, c * x), c, xs, reverse=True), np.float32(1), F(5, seed=1), tolerance=8)  # fmt: skip
case(
    "scan without slices",
    lambda c: lax.scan(lambda c, _: (c * 1.5, None), c, None, length=4),
    F(3),
    tolerance=8,
)
case("scan, unrolled", lambda c, xs: lax.scan(lambda c, x: (c * x, c), c, xs, unroll=2), np.float32(1), F(5, seed=1), tolerance=8)  # fmt: skip
case("scan with ints and a closure", lambda w, xs: lax.scan(lambda c, x: ((c[0] + 1, jnp.tanh(w * c[1] + x)), c[0]), (0, jnp.zeros(3)), xs)[0][1], F(3), F(5, 3, seed=1), tolerance=8)  # fmt: skip
case("scan of scans", lambda x: lax.scan(lambda c, r: (lax.scan(lambda d, y: (d + y, None), c, r)[0], c), np.float32(0), x), F(3, 4), tolerance=8)  # fmt: skip
case(
    "while_loop",
    lambda x: lax.while_loop(lambda s: s[0] < 5, lambda s: (s[0] + 1, s[1] * 1.5), (0, x)),
    F(3),
    grad=False,
)
case("while_loop under vmap", lambda x: jax.vmap(lambda x: lax.while_loop(lambda v: v < 10, lambda v: v * 2, x))(x), F(4, **POSITIVE), grad=False)  # fmt: skip
case("fori_loop", lambda x: lax.fori_loop(0, 4, lambda i, v: v * i + x, x), F(3), tolerance=8)
case("fori_loop with a tensor as bound", lambda x, n: lax.fori_loop(0, n, lambda i, v: v + i, x), F(3), np.int32(4), grad=False)  # fmt: skip
case("cond", lambda p, x: lax.cond(p, jnp.sin, lambda x: x * 2, x), np.bool_(True), F(3))
case("cond of a comparison", lambda x: lax.cond(x.sum() > 0, lambda: x * 3, lambda: x - 1), F(3))
case("cond under vmap", lambda x: jax.vmap(lambda x: lax.cond(x > 0, jnp.sin, jnp.cos, x))(x), F(5))
case("switch", lambda i, x: lax.switch(i, [jnp.sin, jnp.cos, jnp.tanh], x), np.int32(7), F(3))
case("associative_scan", lambda x: lax.associative_scan(jnp.multiply, x), F(7), tolerance=8)
case("map", lambda x: lax.map(lambda r: (r * 2).sum(), x), F(3, 4), tolerance=4)
case(
    "names of a checkpoint",
    lambda x: checkpoint_name(jnp.sin(x), "sine"),
    F(3),
    tolerance=4,
)
case("device_put", lambda x: jax.device_put(x, jax.devices()[0]) * 2, F(3))
case("checkpoint", lambda x: jax.checkpoint(lambda x: jnp.sin(jnp.sin(x)))(x), F(3), tolerance=4)
case("custom_jvp", lambda x: (jax.nn.relu(x), jax.nn.silu(x), jax.nn.gelu(x)), F(5), tolerance=8)
case(
    "platform_dependent",
    lambda x: lax.platform_dependent(x, cpu=lambda x: x + 1, default=lambda x: x * 2),
    F(3),
)


@jax.custom_vjp
def doubled(x: Any) -> Any:
    return x * 2


doubled.defvjp(lambda x: (x * 2, x), lambda x, ct: (ct * 5,))
case("custom_vjp", lambda x: doubled(x).sum(), F(3))

# ---- random


def keyed(name: str, f: Callable[..., Any], *args: Any, tolerance: float = 1.0) -> None:
    case(
        f"random {name}",
        lambda s, *a: f(jax.random.key(s), *a),
        np.int32(7),
        *args,
        grad=False,
        tolerance=tolerance,
    )
    case(f"random {name}, old key", lambda s, *a: f(jax.random.PRNGKey(s), *a), np.int32(-1), *args, grad=False, tolerance=tolerance)  # fmt: skip


keyed("split", lambda k: [jax.random.bits(k, (2,)) for k in jax.random.split(k, 3)])
keyed("split in two axes", lambda k: jax.random.bits(jax.random.split(k, (2, 3))[1, 2], (2,)))
keyed("fold_in", lambda k: jax.random.bits(jax.random.fold_in(k, 3), (4,)))
for width in (jnp.uint8, jnp.uint16, jnp.uint32):
    keyed(f"bits of {width.__name__}", lambda k, d=width: jax.random.bits(k, (5,), d))
keyed("uniform", lambda k: jax.random.uniform(k, (5,)))
keyed("uniform between bounds", lambda k: jax.random.uniform(k, (5,), minval=-2, maxval=3), tolerance=16)
keyed("uniform of bfloat16", lambda k: jax.random.uniform(k, (5,), jnp.bfloat16))
keyed("clone", lambda k: jax.random.bits(jax.random.clone(k)))
keyed("normal", lambda k: jax.random.normal(k, (5, 3)), tolerance=16)
keyed("truncated_normal", lambda k: jax.random.truncated_normal(k, -2.0, 2.0, (5,)), tolerance=64)
keyed("bernoulli", lambda k: jax.random.bernoulli(k, 0.3, (9,)))
keyed("randint", lambda k: jax.random.randint(k, (9,), -3, 12))
keyed("permutation", lambda k: jax.random.permutation(k, 20))
keyed("permutation of rows", lambda k, x: jax.random.permutation(k, x), F(6, 2))
keyed("categorical", lambda k, x: jax.random.categorical(k, x), F(6, 4))
keyed("choice", lambda k: jax.random.choice(k, 10, (4,), replace=False))
keyed("exponential, gumbel, laplace", lambda k: (jax.random.exponential(k, (3,)), jax.random.gumbel(k, (3,)), jax.random.laplace(k, (3,))), tolerance=64)  # fmt: skip
keyed(
    "under vmap",
    lambda k: jax.vmap(lambda k: jax.random.normal(k, (3,)))(jax.random.split(k, 4)),
    tolerance=16,
)
keyed(
    "in a scan",
    lambda k: lax.scan(lambda k, _: (jax.random.split(k)[0], jax.random.uniform(k)), k, None, length=4)[1],
)
keyed(
    "fold_in under vmap",
    lambda k: jax.vmap(lambda i: jax.random.bits(jax.random.fold_in(k, i)))(jnp.arange(3)),
)

keyed("gamma", lambda k: jax.random.gamma(k, jnp.array([0.3, 1.0, 4.0])), tolerance=64)
keyed(
    "gamma under vmap",
    lambda k: jax.vmap(lambda k: jax.random.gamma(k, 2.0, (2,)))(jax.random.split(k, 3)),
    tolerance=64,
)
keyed(
    "loggamma, beta",
    lambda k: (jax.random.loggamma(k, 0.5), jax.random.beta(k, 2.0, 3.0, (3,))),
    tolerance=64,
)

# ---- matrices and Fourier transforms


def definite(n: int, seed: int = 0) -> Any:
    a = F(n, n, seed=seed)
    return a @ a.T + n * np.eye(n, dtype=np.float32)


MATRIX: dict[str, Any] = {"tolerance": 500}
case("cholesky", jnp.linalg.cholesky, definite(4), **MATRIX)
case("cholesky of a stack", jnp.linalg.cholesky, np.stack([definite(3), definite(3, 1)]), **MATRIX)
case("solve", jnp.linalg.solve, definite(4), F(4, 2), **MATRIX)
case("solve of a stack", jnp.linalg.solve, np.stack([definite(3), definite(3, 1)]), F(2, 3, 1), **MATRIX)
case(
    "inv and det",
    lambda a: (jnp.linalg.inv(a), jnp.linalg.det(a), jnp.linalg.slogdet(a)[1]),
    definite(3),
    **MATRIX,
)
case("lu", lambda a: jax.scipy.linalg.lu_factor(a), F(4, 4), **MATRIX)
case("lu of a rectangle", lambda a: lax.linalg.lu(a), F(3, 5), **MATRIX)
for left, lower, transposed, unit in ((True, True, False, False), (False, True, True, False), (True, False, True, True), (False, False, False, False)):  # fmt: skip
    case(
        f"triangular_solve {left} {lower} {transposed} {unit}",
        lambda a, b, o=(left, lower, transposed, unit): lax.linalg.triangular_solve(
            a, b, left_side=o[0], lower=o[1], transpose_a=o[2], unit_diagonal=o[3]
        ),
        definite(3),
        F(3, 2) if left else F(2, 3),
        **MATRIX,
    )
case(
    "householder_product",
    lambda a: lax.linalg.householder_product(a, a[0] * 0.1),
    F(5, 3),
    grad=False,
    **MATRIX,
)
case(
    "lu_pivots_to_permutation",
    lambda: lax.linalg.lu_pivots_to_permutation(jnp.array([2, 2, 2], jnp.int32), 4),
)
case("qr", lambda a: jnp.abs(jnp.linalg.qr(a)[1]), F(5, 3), **MATRIX)
case("eigh", lambda a: (jnp.linalg.eigh(a)[0], jnp.abs(jnp.linalg.eigh(a)[1])), definite(4), **MATRIX)
case("eigvalsh", jnp.linalg.eigvalsh, definite(4), **MATRIX)
case("svd", lambda a: jnp.linalg.svd(a, full_matrices=False)[1], F(4, 3), **MATRIX)
case("singular values", lambda a: jnp.linalg.svd(a, compute_uv=False), F(4, 3), **MATRIX)
case(
    "pinv and lstsq",
    lambda a, b: (jnp.linalg.pinv(a), jnp.linalg.lstsq(a, b)[0]),
    F(5, 3),
    F(5, seed=1),
    grad=False,
    **MATRIX,
)
case("tridiagonal_solve", lambda a, b, c, x: lax.linalg.tridiagonal_solve(a, b, c, x), np.array([0, 1, 2], np.float32), F(3, low=4, high=5), np.array([1, 1, 0], np.float32), F(3, 2), grad=False, **MATRIX)  # fmt: skip
case("fft", lambda x: jnp.abs(jnp.fft.fft(x)), F(3, 8), tolerance=64)
case("rfft and irfft", lambda x: jnp.fft.irfft(jnp.fft.rfft(x) * 2), F(3, 8), tolerance=64)
case("fft2", lambda x: jnp.real(jnp.fft.ifft2(jnp.fft.fft2(x))), F(4, 6), tolerance=64)
case("eig", lambda a: jnp.sort(jnp.abs(jnp.linalg.eigvals(a))), definite(3), grad=False, **MATRIX)
