"""Five training scripts as users of jax write them; each returns its losses.

``jax`` is a module with jax's names (jax itself, or the drop-in), ``jit`` what compiles the training step.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

STEPS = 20


def _batches(jax: Any, key: Any, shape: tuple[int, ...], classes: int) -> tuple[Any, Any]:
    """Inputs, and labels that can be learnt from them."""
    kx, kw = jax.random.split(key)
    x = jax.random.normal(kx, shape)
    w = jax.random.normal(kw, (x[0].size, classes))
    return x, jax.numpy.argmax(x.reshape(shape[0], -1) @ w, axis=1)


def _cross_entropy(jax: Any, logits: Any, labels: Any) -> Any:
    log_probs = jax.nn.log_softmax(logits)
    return -jax.numpy.mean(jax.numpy.take_along_axis(log_probs, labels[:, None], axis=1))


def _adam(jax: Any, params: Any, lr: float = 0.01) -> tuple[Any, Callable[..., Any]]:
    jnp = jax.numpy
    zeros = jax.tree.map(jnp.zeros_like, params)

    def update(params: Any, grads: Any, state: Any) -> tuple[Any, Any]:
        m, v, n = state
        n = n + 1
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, grads)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g**2, v, grads)

        def step(p: Any, m: Any, v: Any) -> Any:
            return p - lr * (m / (1 - 0.9**n)) / (jnp.sqrt(v / (1 - 0.999**n)) + 1e-8)

        return jax.tree.map(step, params, m, v), (m, v, n)

    return (zeros, zeros, jnp.float32(0)), update


def _train(
    jax: Any, jit: Callable[..., Any], loss: Callable[..., Any], params: Any, make: Callable[[Any], Any]
) -> list[float]:
    """Adam on ``loss(params, key, *batch)``, a key for each step."""
    state, update = _adam(jax, params)

    @jit
    def step(params: Any, state: Any, key: Any, *batch: Any) -> Any:
        value, grads = jax.value_and_grad(loss)(params, key, *batch)
        params, state = update(params, grads, state)
        return params, state, value

    key = jax.random.key(42)
    batch = make(jax.random.key(7))
    losses = []
    for _ in range(STEPS):
        key, use = jax.random.split(key)
        params, state, value = step(params, state, use, *batch)
        losses.append(float(value))
    return losses


def mlp(jax: Any, jit: Callable[..., Any]) -> list[float]:
    """Three layers with SGD, a learning rate given as a Python number, labels as one-hot rows."""
    jnp = jax.numpy
    sizes = [16, 32, 32, 5]

    def init(key: Any) -> Any:
        keys = jax.random.split(key, len(sizes) - 1)
        return [
            {"w": jax.random.normal(k, (m, n)) * jnp.sqrt(2 / m), "b": jnp.zeros(n)}
            for k, m, n in zip(keys, sizes[:-1], sizes[1:])
        ]

    def loss(params: Any, x: Any, y: Any) -> Any:
        for layer in params[:-1]:
            x = jax.nn.relu(x @ layer["w"] + layer["b"])
        logits = x @ params[-1]["w"] + params[-1]["b"]
        return -jnp.mean(jnp.sum(jax.nn.one_hot(y, 5) * jax.nn.log_softmax(logits), axis=1))

    @jit
    def step(params: Any, x: Any, y: Any, lr: Any) -> Any:
        value, grads = jax.value_and_grad(loss)(params, x, y)
        return jax.tree.map(lambda p, g: p - lr * g, params, grads), value

    params = init(jax.random.PRNGKey(0))
    x, y = _batches(jax, jax.random.PRNGKey(1), (64, 16), 5)
    losses = []
    for i in range(STEPS):
        params, value = step(params, x, y, 0.1 / (1 + i / 10))
        losses.append(float(value))
    return losses


def cnn(jax: Any, jit: Callable[..., Any]) -> list[float]:
    """Strided and grouped convolutions in NHWC, normalization over the batch, max pooling, dropout, Adam."""
    jnp, lax = jax.numpy, jax.lax
    keys = jax.random.split(jax.random.key(0), 4)
    params = {
        "k1": jax.random.normal(keys[0], (3, 3, 2, 8)) * 0.2,
        "k2": jax.random.normal(keys[1], (3, 3, 4, 8)) * 0.2,
        "scale": jnp.ones(8),
        "shift": jnp.zeros(8),
        "w": jax.random.normal(keys[2], (8 * 2 * 2, 4)) * 0.1,
        "b": jnp.zeros(4),
    }
    numbers = ("NHWC", "HWIO", "NHWC")

    def loss(p: Any, key: Any, x: Any, y: Any) -> Any:
        x = lax.conv_general_dilated(x, p["k1"], (1, 1), "SAME", dimension_numbers=numbers)
        mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2))
        x = jax.nn.relu((x - mean) * lax.rsqrt(var + 1e-5) * p["scale"] + p["shift"])
        x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        x = lax.conv_general_dilated(
            x, p["k2"], (2, 2), "SAME", dimension_numbers=numbers, feature_group_count=2
        )
        x = jax.nn.gelu(x).reshape(x.shape[0], -1)
        x = jnp.where(jax.random.bernoulli(key, 0.9, x.shape), x / 0.9, 0.0)
        return _cross_entropy(jax, x @ p["w"] + p["b"], y)

    return _train(jax, jit, loss, params, lambda key: _batches(jax, key, (16, 8, 8, 2), 4))


def lstm(jax: Any, jit: Callable[..., Any]) -> list[float]:
    """An LSTM by scan over the time, embeddings, the gradient's norm clipped."""
    jnp, lax = jax.numpy, jax.lax
    hidden, words = 16, 11
    keys = jax.random.split(jax.random.key(0), 3)
    params = {
        "embedding": jax.random.normal(keys[0], (words, 8)) * 0.5,
        "w": jax.random.normal(keys[1], (8 + hidden, 4 * hidden)) * 0.2,
        "b": jnp.zeros(4 * hidden),
        "out": jax.random.normal(keys[2], (hidden, words)) * 0.2,
    }

    def loss(p: Any, key: Any, tokens: Any) -> Any:
        def cell(carry: Any, x: Any) -> Any:
            h, c = carry
            i, f, g, o = jnp.split(jnp.concatenate([x, h], -1) @ p["w"] + p["b"], 4, axis=-1)
            c = jax.nn.sigmoid(f + 1.0) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        x = p["embedding"][tokens[:, :-1]]
        start = (jnp.zeros((x.shape[0], hidden)), jnp.zeros((x.shape[0], hidden)))
        _, hs = lax.scan(cell, start, jnp.swapaxes(x, 0, 1))
        logits = jnp.swapaxes(hs, 0, 1) @ p["out"]
        picked = jnp.take_along_axis(jax.nn.log_softmax(logits), tokens[:, 1:, None], axis=2)
        return -picked.mean()

    return _train(jax, jit, loss, params, lambda key: (jax.random.randint(key, (8, 12), 0, words),))


def transformer(jax: Any, jit: Callable[..., Any]) -> list[float]:
    """A causal block: layer normalization, attention of several heads by einsum, a checkpointed feed-forward."""
    jnp = jax.numpy
    width, heads, words = 16, 4, 13
    keys = jax.random.split(jax.random.key(0), 7)
    params = {
        "embedding": jax.random.normal(keys[0], (words, width)) * 0.5,
        "places": jax.random.normal(keys[1], (10, width)) * 0.1,
        "qkv": jax.random.normal(keys[2], (3, width, heads, width // heads)) * 0.2,
        "out": jax.random.normal(keys[3], (heads, width // heads, width)) * 0.2,
        "up": jax.random.normal(keys[4], (width, 4 * width)) * 0.2,
        "down": jax.random.normal(keys[5], (4 * width, width)) * 0.2,
        "scale": jnp.ones((2, width)),
    }

    def normalized(x: Any, scale: Any) -> Any:
        mean = x.mean(-1, keepdims=True)
        var = ((x - mean) ** 2).mean(-1, keepdims=True)
        return (x - mean) / jnp.sqrt(var + 1e-6) * scale

    def feed_forward(p: Any, x: Any) -> Any:
        return jax.nn.gelu(x @ p["up"]) @ p["down"]

    def attention(p: Any, x: Any) -> Any:
        q, k, v = jnp.einsum("td,adhk->ahtk", x, p["qkv"])
        scores = jnp.einsum("htk,hsk->hts", q, k) / jnp.sqrt(q.shape[-1])
        mask = jnp.tril(jnp.ones(scores.shape[-2:], bool))
        weights = jax.nn.softmax(jnp.where(mask, scores, -1e9), axis=-1)
        return jnp.einsum("hts,hsk,hkd->td", weights, v, p["out"])

    def forward(p: Any, tokens: Any) -> Any:
        x = p["embedding"][tokens] + p["places"][: tokens.shape[0]]
        x = x + attention(p, normalized(x, p["scale"][0]))
        x = x + jax.checkpoint(feed_forward)(p, normalized(x, p["scale"][1]))
        return x @ p["embedding"].T

    def loss(p: Any, key: Any, tokens: Any) -> Any:
        logits = jax.vmap(functools.partial(forward, p))(tokens[:, :-1])
        log_probs = jax.nn.log_softmax(logits)
        return -jnp.take_along_axis(log_probs, tokens[:, 1:, None], axis=-1).mean()

    return _train(jax, jit, loss, params, lambda key: (jax.random.randint(key, (6, 11), 0, words),))


def vae(jax: Any, jit: Callable[..., Any]) -> list[float]:
    """A variational autoencoder: normal noise for each example, several steps in a fori_loop."""
    jnp, lax = jax.numpy, jax.lax
    keys = jax.random.split(jax.random.key(0), 4)
    params = {
        "encode": jax.random.normal(keys[0], (20, 16)) * 0.2,
        "moments": jax.random.normal(keys[1], (16, 8)) * 0.2,
        "decode": jax.random.normal(keys[2], (4, 16)) * 0.2,
        "out": jax.random.normal(keys[3], (16, 20)) * 0.2,
    }
    data = (jax.random.uniform(jax.random.key(3), (32, 20)) > 0.6).astype(jnp.float32)

    def loss(p: Any, key: Any, x: Any) -> Any:
        mean, log_var = jnp.split(jnp.tanh(x @ p["encode"]) @ p["moments"], 2, axis=-1)
        z = mean + jnp.exp(0.5 * log_var) * jax.random.normal(key, mean.shape)
        logits = jnp.tanh(z @ p["decode"]) @ p["out"]
        likelihood = jnp.sum(logits * x - jax.nn.softplus(logits), axis=-1)
        divergence = 0.5 * jnp.sum(jnp.exp(log_var) + mean**2 - 1.0 - log_var, axis=-1)
        return -jnp.mean(likelihood - divergence)

    state, update = _adam(jax, params)

    @jit
    def several(params: Any, state: Any, key: Any) -> Any:
        def body(i: Any, loop: Any) -> Any:
            params, state, _ = loop
            value, grads = jax.value_and_grad(loss)(params, jax.random.fold_in(key, i), data)
            params, state = update(params, grads, state)
            return params, state, value

        return lax.fori_loop(0, 4, body, (params, state, jnp.float32(0)))

    losses = []
    for i in range(STEPS // 4):
        params, state, value = several(params, state, jax.random.key(i))
        losses.append(float(value))
    return losses


SCRIPTS: dict[str, Callable[[Any, Callable[..., Any]], list[float]]] = {
    "mlp": mlp,
    "cnn": cnn,
    "lstm": lstm,
    "transformer": transformer,
    "vae": vae,
}


@functools.cache
def losses_of_jax(name: str) -> list[float]:
    """What jax itself ends at; compiling it takes longer than anything else."""
    import jax

    return SCRIPTS[name](jax, jax.jit)
