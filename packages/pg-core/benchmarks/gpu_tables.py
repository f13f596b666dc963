"""What is measured on a GPU, and each framework's side of it.

``tables(kind, small)`` maps a row to a set-up; a set-up places its data and returns (run, check): ``run()``
queues one iteration without waiting for it, ``check()`` gives one number of the last result.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Setup = Callable[[], tuple[Callable[[], Any], Callable[[], float]]]

# Row: shapes of the operands, on a GPU and on an emulated one. Rows come in the order of their weight.
ROWS: dict[str, tuple[tuple[Any, ...], tuple[Any, ...]]] = {
    "copy": (((2**28,),), ((512,),)),
    "negate": (((2**26,),), ((512,),)),
    "add": (((2**26,), (2**26,)), ((512,), (512,))),
    "chain": (((2**26,),), ((512,),)),
    "seed": (((1000, 20, 100), (1000, 100, 20)), ((10, 20, 100), (10, 100, 20))),
    "softmax": (((32768, 4096),), ((8, 64),)),
    "softmax_long": (((1024, 131072),), ((2, 5000),)),
    "layer_norm": (((131072, 1024), (1024,), (1024,)), ((16, 64), (64,), (64,))),
    "layer_norm_grad": (((65536, 1024), (1024,), (1024,), (65536, 1024)), ((16, 64), (64,), (64,), (16, 64))),
    "sum_columns": (((32768, 4096),), ((64, 32),)),
    "transposed": (((8192, 8192), (8192, 8192)), ((32, 32), (32, 32))),
    "mm_float32": (((4096, 4096), (4096, 4096)), ((16, 16), (16, 16))),
    "mm_bfloat16": (((8192, 8192), (8192, 8192)), ((16, 16), (16, 16))),
    "tiny": (((8,), (8,)), ((8,), (8,))),
    "allocations": (((2**22,),), ((2**10,),)),
    "mlp_step": ((), ()),
    "alexnet_step": ((), ()),
    "gpt_step": ((), ()),
    "mm_tf32": (((4096, 4096), (4096, 4096)), ((16, 16), (16, 16))),
    "alexnet_tf32": ((), ()),
    "gpt_tf32": ((), ()),
}
TRAINING = ("mlp_step", "alexnet_step", "gpt_step", "alexnet_tf32", "gpt_tf32")
# Bytes that must move, as multiples of the first operand.
PASSES = {
    "copy": 2, "negate": 2, "add": 3, "chain": 2, "softmax": 2, "softmax_long": 2, "layer_norm": 2,
    "layer_norm_grad": 3, "sum_columns": 1, "transposed": 3,
}  # fmt: skip
KINDS = ("pg", "pg_eager", "pg_custom", "torch", "inductor", "jax", "cupy")


def shapes(row: str, small: bool) -> tuple[Any, ...]:
    """The operands' shapes."""
    return ROWS[row][small]


def gigabytes(row: str, small: bool) -> float | None:
    """What a row must read and write."""
    if row not in PASSES:
        return None
    return PASSES[row] * 4e-9 * float(np.prod(shapes(row, small)[0]))


def teraflops(row: str, small: bool) -> float | None:
    """The operations of a product."""
    return 2e-12 * float(shapes(row, small)[0][0]) ** 3 if row.startswith("mm_") else None


def arrays(row: str, small: bool) -> list[np.ndarray]:
    """The operands of a row."""
    rng = np.random.default_rng(0)
    return [rng.random(shape, np.float32) - np.float32(0.5) for shape in shapes(row, small)]


def shrink() -> None:
    """Smaller networks, for a GPU that is emulated."""
    import data

    data.GPT.update(layers=1, width=32, heads=2, length=16, batch=2, vocabulary=64)


def pieces() -> list[tuple[int, int]]:
    """Where 48 results of different sizes begin and end in the operand of "allocations", as parts of 64."""
    return [(i, i + 1 + (7 * i) % 16) for i in range(48)]


def coarse(name: str) -> bool:
    """May a row's products round float32 to TF32? In all others no framework does that."""
    return name.endswith("_tf32")


def with_precision(table: dict[str, Setup], choose: Callable[[bool], Any]) -> dict[str, Setup]:
    """The set-ups, each of which first chooses how float32 is multiplied; one row is measured at a time."""

    def chosen(name: str, setup: Setup) -> Setup:
        def wrapped() -> tuple[Callable[[], Any], Callable[[], float]]:
            choose(coarse(name))
            return setup()

        return wrapped

    return {name: chosen(name, setup) for name, setup in table.items()}


def _pequegrad(kind: str, small: bool) -> dict[str, Setup]:
    import pequegrad as pg
    import workloads

    pg.set_default_device("cuda")
    if kind == "pg_custom":
        pg.cuda.set_allocator("custom")
    jitted = kind != "pg_eager"
    wrap: Callable[[Any], Any] = pg.jit if jitted else lambda f: f

    def row(name: str, f: Callable[..., Any], dtype: str | None = None) -> Setup:
        def setup() -> tuple[Callable[[], Any], Callable[[], float]]:
            tensors = [pg.Tensor(a) for a in arrays(name, small)]
            tensors = [t.astype(dtype).eval() if dtype else t for t in tensors]
            g, kept = wrap(f), {}

            def run() -> None:
                kept["out"] = g(*tensors)
                pg.eval(kept["out"])

            def check() -> float:
                out = kept["out"] if isinstance(kept["out"], pg.Tensor) else kept["out"][-1]
                return float(out.astype("float64").mean())

            return run, check

        return setup

    def allocations() -> tuple[Callable[[], Any], Callable[[], float]]:
        (x,) = [pg.Tensor(a) for a in arrays("allocations", small)]
        unit, kept = x.shape[0] // 64, {}

        def run() -> None:
            kept["out"] = [(x[a * unit : b * unit] * 2).eval() for a, b in pieces()]

        return run, lambda: float(kept["out"][-1].mean())

    def layer_norm(x: Any, w: Any, b: Any) -> Any:
        return pg.layer_norm(x, x.shape[-1], w, b)

    def gradient(x: Any, w: Any, b: Any, g: Any) -> Any:
        return pg.vjp(layer_norm, wrt=[0, 1, 2])(x, w, b, g)

    table = {
        "negate": row("negate", lambda x: -x),
        "add": row("add", lambda x, y: x + y),
        "chain": row("chain", workloads.chain),
        "seed": row("seed", workloads.seed),
        "softmax": row("softmax", lambda x: pg.softmax(x, -1)),
        "softmax_long": row("softmax_long", lambda x: pg.softmax(x, -1)),
        "layer_norm": row("layer_norm", layer_norm),
        "layer_norm_grad": row("layer_norm_grad", gradient),
        "sum_columns": row("sum_columns", lambda x: x.sum(0)),
        "transposed": row("transposed", lambda x, y: x + y.T),
        "mm_float32": row("mm_float32", lambda x, y: x @ y),
        "mm_bfloat16": row("mm_bfloat16", lambda x, y: x @ y, "bfloat16"),
        "tiny": row("tiny", lambda x, y: x + y),
        "mlp_step": workloads.training("mlp_step", workloads.mlp, jitted=jitted),
        "alexnet_step": workloads.training("alexnet_step", workloads.alexnet, jitted=jitted),
        "gpt_step": workloads.training("gpt_step", workloads.gpt, "adam", jitted),
        "mm_tf32": row("mm_tf32", lambda x, y: x @ y),
    }
    table |= {"alexnet_tf32": table["alexnet_step"], "gpt_tf32": table["gpt_step"]}
    if kind == "pg_custom":
        table = {name: table[name] for name in ("chain", "tiny", *TRAINING)}
    if kind != "pg_eager":
        table["allocations"] = allocations
    return with_precision(table, lambda tf32: pg.cuda.set_float32_precision("high" if tf32 else "highest"))


def _torch(kind: str, small: bool) -> dict[str, Setup]:
    import peer_torch
    import torch
    import torch.nn.functional as F
    from data import data

    device = "cpu" if small else "cuda"
    # CUDA graphs, where there is a GPU.
    wrap: Callable[[Any], Any] = lambda f: f
    if kind == "inductor":
        wrap = lambda f: torch.compile(f, mode="default" if small else "reduce-overhead")

    def chain(x: torch.Tensor) -> torch.Tensor:
        a = x * 0.5 + 1
        b = torch.exp(-a * a)
        c = torch.tanh(x) * b
        d = torch.sigmoid(c + a)
        return d * x - c + b * 0.1

    def norm(x: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return F.layer_norm(x, x.shape[-1:], w, b)

    def row(name: str, f: Callable[..., Any], dtype: torch.dtype | None = None) -> Setup:
        def setup() -> tuple[Callable[[], Any], Callable[[], float]]:
            tensors = [torch.from_numpy(a).to(device, dtype) for a in arrays(name, small)]
            g, kept = wrap(f), {}

            def run() -> None:
                with torch.no_grad():
                    kept["out"] = g(*tensors)

            return run, lambda: float(kept["out"].double().mean())

        return setup

    def gradient() -> tuple[Callable[[], Any], Callable[[], float]]:
        *leaves, ct = [torch.from_numpy(a).to(device) for a in arrays("layer_norm_grad", small)]
        for leaf in leaves:
            leaf.requires_grad_()
        g, kept = wrap(norm), {}

        def run() -> None:
            kept["out"] = torch.autograd.grad(g(*leaves), leaves, ct)

        return run, lambda: float(kept["out"][-1].double().mean())

    def copy() -> tuple[Callable[[], Any], Callable[[], float]]:
        (x,) = [torch.from_numpy(a).to(device) for a in arrays("copy", small)]
        y = torch.empty_like(x)
        return lambda: y.copy_(x), lambda: float(y.double().mean())

    def allocations() -> tuple[Callable[[], Any], Callable[[], float]]:
        (x,) = [torch.from_numpy(a).to(device) for a in arrays("allocations", small)]
        unit, kept = x.shape[0] // 64, {}

        def run() -> None:
            kept["out"] = [x[a * unit : b * unit] * 2 for a, b in pieces()]

        return run, lambda: float(kept["out"][-1].double().mean())

    def training(name: str, net: Callable[..., torch.Tensor], adam: bool = False) -> Setup:
        def setup() -> tuple[Callable[[], Any], Callable[[], float]]:
            values, *batch = data(name)
            params = [torch.nn.Parameter(torch.from_numpy(a).to(device)) for a in values]
            x, y = [torch.from_numpy(a).to(device) for a in batch]
            fused = not small
            optimizer: Any = (
                torch.optim.Adam(params, lr=1e-4, fused=fused)
                if adam
                else torch.optim.SGD(params, lr=0.01, momentum=0.9, fused=fused)
            )
            loss_of, kept = wrap(lambda x, y: net(params, x, y)), {}

            def run() -> None:
                optimizer.zero_grad()
                loss = loss_of(x, y)
                loss.backward()
                optimizer.step()
                kept["loss"] = loss.item()

            return run, lambda: kept["loss"]

        return setup

    table = {
        "negate": row("negate", lambda x: -x),
        "add": row("add", lambda x, y: x + y),
        "chain": row("chain", chain),
        "seed": row("seed", lambda x, y: (x.permute(0, 2, 1) + 2 + y).sum(2) * 3),
        "softmax": row("softmax", lambda x: F.softmax(x, -1)),
        "softmax_long": row("softmax_long", lambda x: F.softmax(x, -1)),
        "layer_norm": row("layer_norm", norm),
        "layer_norm_grad": gradient,
        "sum_columns": row("sum_columns", lambda x: x.sum(0)),
        "transposed": row("transposed", lambda x, y: x + y.T),
        "mm_float32": row("mm_float32", lambda x, y: x @ y),
        "mm_bfloat16": row("mm_bfloat16", lambda x, y: x @ y, torch.bfloat16),
        "tiny": row("tiny", lambda x, y: x + y),
        "mlp_step": training("mlp_step", peer_torch.mlp),
        "alexnet_step": training("alexnet_step", peer_torch.alexnet),
        "gpt_step": training("gpt_step", peer_torch.gpt, adam=True),
        "mm_tf32": row("mm_tf32", lambda x, y: x @ y),
    }
    table |= {"alexnet_tf32": table["alexnet_step"], "gpt_tf32": table["gpt_step"]}
    if kind == "torch":
        table |= {"copy": copy, "allocations": allocations}

    def choose(tf32: bool) -> None:
        torch.set_float32_matmul_precision("high" if tf32 else "highest")
        torch.backends.cudnn.allow_tf32 = tf32
        if kind == "inductor":
            torch.compiler.reset()  # what is compiled holds the choice

    return with_precision(table, choose)


def _jax(small: bool) -> dict[str, Setup]:
    import jax
    import jax.numpy as jnp
    import peer_jax

    def row(name: str, f: Callable[..., Any], dtype: Any = None) -> Setup:
        def setup() -> tuple[Callable[[], Any], Callable[[], float]]:
            operands = [jnp.asarray(a, dtype) for a in arrays(name, small)]
            g, kept = jax.jit(f), {}

            def run() -> None:
                kept["out"] = g(*operands)

            return run, lambda: float(np.asarray(jax.tree.leaves(kept["out"])[-1], np.float64).mean())

        return setup

    def chain(x: Any) -> Any:
        a = x * 0.5 + 1
        b = jnp.exp(-a * a)
        c = jnp.tanh(x) * b
        d = jax.nn.sigmoid(c + a)
        return d * x - c + b * 0.1

    def gradient(x: Any, w: Any, b: Any, g: Any) -> Any:
        return jax.vjp(peer_jax.layer_norm, x, w, b)[1](g)

    table = {
        "negate": row("negate", lambda x: -x),
        "add": row("add", lambda x, y: x + y),
        "chain": row("chain", chain),
        "seed": row("seed", lambda x, y: (x.transpose(0, 2, 1) + 2 + y).sum(2) * 3),
        "softmax": row("softmax", lambda x: jax.nn.softmax(x, -1)),
        "softmax_long": row("softmax_long", lambda x: jax.nn.softmax(x, -1)),
        "layer_norm": row("layer_norm", peer_jax.layer_norm),
        "layer_norm_grad": row("layer_norm_grad", gradient),
        "sum_columns": row("sum_columns", lambda x: x.sum(0)),
        "transposed": row("transposed", lambda x, y: x + y.T),
        "mm_float32": row("mm_float32", lambda x, y: x @ y),
        "mm_bfloat16": row("mm_bfloat16", lambda x, y: x @ y, jnp.bfloat16),
        "tiny": row("tiny", lambda x, y: x + y),
        "mlp_step": peer_jax.training("mlp_step", peer_jax.mlp),
        "alexnet_step": peer_jax.training("alexnet_step", peer_jax.alexnet),
        "gpt_step": peer_jax.training("gpt_step", peer_jax.gpt, adam=True),
        "mm_tf32": row("mm_tf32", lambda x, y: x @ y),
    }
    table |= {"alexnet_tf32": table["alexnet_step"], "gpt_tf32": table["gpt_step"]}
    config = "jax_default_matmul_precision"
    return with_precision(table, lambda tf32: jax.config.update(config, "default" if tf32 else "highest"))


def _cupy(small: bool) -> dict[str, Setup]:
    import cupy

    def row(name: str, f: Callable[..., Any]) -> Setup:
        def setup() -> tuple[Callable[[], Any], Callable[[], float]]:
            operands, kept = [cupy.asarray(a) for a in arrays(name, small)], {}

            def run() -> None:
                kept["out"] = f(*operands)

            return run, lambda: float(kept["out"].astype("float64").mean())

        return setup

    @cupy.fuse()
    def chain(x: Any) -> Any:
        a = x * 0.5 + 1
        b = cupy.exp(-a * a)
        c = cupy.tanh(x) * b
        d = 1 / (1 + cupy.exp(-(c + a)))
        return d * x - c + b * 0.1

    def softmax(x: Any) -> Any:
        e = cupy.exp(x - x.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)

    return {
        "copy": row("copy", lambda x: x.copy()),
        "negate": row("negate", lambda x: -x),
        "add": row("add", lambda x, y: x + y),
        "chain": row("chain", chain),
        "seed": row("seed", lambda x, y: (x.transpose(0, 2, 1) + 2 + y).sum(2) * 3),
        "softmax": row("softmax", softmax),
        "sum_columns": row("sum_columns", lambda x: x.sum(0)),
        "transposed": row("transposed", lambda x, y: x + y.T),
        "mm_float32": row("mm_float32", lambda x, y: x @ y),
        "tiny": row("tiny", lambda x, y: x + y),
    }


def tables(kind: str, small: bool) -> dict[str, Setup]:
    """Each row's set-up; raises ImportError where the framework is not installed."""
    if kind.startswith("pg"):
        return _pequegrad(kind, small)
    if kind in ("torch", "inductor"):
        return _torch(kind, small)
    return _jax(small) if kind == "jax" else _cupy(small)


def waiter(kind: str, small: bool) -> Callable[[], Any]:
    """Waits for what a framework has queued."""
    if kind.startswith("pg"):
        import pequegrad as pg

        return pg.sync_cuda_device
    if kind in ("torch", "inductor"):
        import torch

        return (lambda: None) if small else torch.cuda.synchronize
    if kind == "jax":
        import jax

        # jax has no call for it: the effects of one more small program come after all others of the device.
        one = jax.device_put(np.float32(1))
        follow = jax.jit(lambda x: x + 1)
        return lambda: jax.block_until_ready(follow(one))
    import cupy

    return cupy.cuda.Device().synchronize


def kernels_of_seed() -> int:
    """How many kernels and library calls pequegrad's jitted program of the seed's example runs."""
    import pequegrad as pg
    import workloads

    pg.set_default_device("cuda")
    found = pg.jit(workloads.seed).explain(*[pg.Tensor(a) for a in arrays("seed", True)])
    return len(found.kernels) + len(found.library_calls)
