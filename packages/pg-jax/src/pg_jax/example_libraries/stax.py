"""Layers as pairs ``(init, apply)``.

``init(key, input_shape) -> (output_shape, params)``, and ``apply(params, x)``.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

from .. import lax, nn, random
from .. import numpy as jnp
from .._missing import missing
from ..nn.initializers import glorot_normal, normal, ones, zeros

Layer = tuple[Callable[..., Any], Callable[..., Any]]


def Dense(out_dim: int, W_init: Any = None, b_init: Any = None) -> Layer:
    """An affine layer.

    >>> import pg_jax as jax
    >>> from pg_jax.example_libraries import stax
    >>> init, _ = stax.Dense(3)
    >>> init(jax.random.key(0), (-1, 2))[0]
    (-1, 3)
    """
    weights, biases = W_init or glorot_normal(), b_init or normal()

    def init_fun(rng: Any, input_shape: Any) -> Any:
        k1, k2 = random.split(rng)
        params = weights(k1, (input_shape[-1], out_dim)), biases(k2, (out_dim,))
        return (*input_shape[:-1], out_dim), params

    def apply_fun(params: Any, inputs: Any, **kwargs: Any) -> Any:
        w, b = params
        return jnp.dot(inputs, w) + b

    return init_fun, apply_fun


def GeneralConv(
    dimension_numbers: Any, out_chan: int, filter_shape: Any, strides: Any = None, padding: str = "VALID",
    W_init: Any = None, b_init: Any = None,
) -> Layer:  # fmt: skip
    """A convolution with any order of axes.

    >>> import pg_jax as jax
    >>> from pg_jax.example_libraries import stax
    >>> init, _ = stax.GeneralConv(("NHWC", "HWIO", "NHWC"), 4, (3, 3))
    >>> init(jax.random.key(0), (1, 5, 5, 2))[0]
    (1, 3, 3, 4)
    """
    lhs, rhs, out = dimension_numbers
    step = strides or (1,) * len(filter_shape)
    weights = W_init or glorot_normal(rhs.index("I"), rhs.index("O"))
    biases = b_init or normal(1e-6)

    def init_fun(rng: Any, input_shape: Any) -> Any:
        sizes = iter(filter_shape)
        kernel = [
            out_chan if c == "O" else input_shape[lhs.index("C")] if c == "I" else next(sizes) for c in rhs
        ]
        shape = _conv_shape(input_shape, kernel, step, padding, dimension_numbers)
        bias = [out_chan if c == "C" else 1 for c in out]
        k1, k2 = random.split(rng)
        return shape, (weights(k1, kernel), biases(k2, bias))

    def apply_fun(params: Any, inputs: Any, **kwargs: Any) -> Any:
        w, b = params
        made = lax.conv_general_dilated(inputs, w, step, padding, dimension_numbers=dimension_numbers)
        return made + b

    return init_fun, apply_fun


def _conv_shape(shape: Any, kernel: Any, strides: Any, padding: Any, numbers: Any) -> tuple[int, ...]:
    lhs, rhs, out = numbers
    space = [c for c in rhs if c not in "OI"]
    made = {"N": shape[lhs.index("N")], "C": kernel[rhs.index("O")]}
    sizes = [shape[lhs.index(c)] for c in space]
    window = [kernel[rhs.index(c)] for c in space]
    pads = lax.padtype_to_pads(sizes, window, strides, padding)
    for c, n, k, s, (low, high) in zip(space, sizes, window, strides, pads, strict=True):
        made[c] = (n + low + high - k) // s + 1
    return tuple(made[c] for c in out)


Conv = functools.partial(GeneralConv, ("NHWC", "HWIO", "NHWC"))


def BatchNorm(
    axis: Any = (0, 1, 2), epsilon: float = 1e-5, center: bool = True, scale: bool = True,
    beta_init: Any = zeros, gamma_init: Any = ones,
) -> Layer:  # fmt: skip
    """Normalisation over the batch.

    >>> import pg_jax as jax
    >>> from pg_jax.example_libraries import stax
    >>> stax.BatchNorm()[0](jax.random.key(0), (1, 2, 2, 3))[1][0].shape
    (3,)
    """
    axes = (axis,) if isinstance(axis, int) else tuple(axis)

    def init_fun(rng: Any, input_shape: Any) -> Any:
        shape = tuple(n for i, n in enumerate(input_shape) if i not in axes)
        k1, k2 = random.split(rng)
        return input_shape, (beta_init(k1, shape) if center else (), gamma_init(k2, shape) if scale else ())

    def apply_fun(params: Any, x: Any, **kwargs: Any) -> Any:
        beta, gamma = params
        place = tuple(None if i in axes else slice(None) for i in range(x.ndim))
        z = nn.standardize(x, axes, epsilon=epsilon)
        z = gamma[place] * z if scale else z
        return z + beta[place] if center else z

    return init_fun, apply_fun


def elementwise(fun: Callable[..., Any], **fun_kwargs: Any) -> Layer:
    """A layer without parameters.

    >>> from pg_jax.example_libraries import stax
    >>> stax.elementwise(abs)[0](None, (2,))
    ((2,), ())
    """
    return (lambda rng, input_shape: (input_shape, ())), (lambda params, x, **kwargs: fun(x, **fun_kwargs))


Tanh, Relu, Exp = elementwise(jnp.tanh), elementwise(nn.relu), elementwise(jnp.exp)
LogSoftmax, Softmax = elementwise(nn.log_softmax, axis=-1), elementwise(nn.softmax, axis=-1)
Softplus, Sigmoid, Elu = elementwise(nn.softplus), elementwise(nn.sigmoid), elementwise(nn.elu)
LeakyRelu, Selu, Gelu = elementwise(nn.leaky_relu), elementwise(nn.selu), elementwise(nn.gelu)


def _pooling(reducer: Any, first: float, average: bool = False) -> Callable[..., Layer]:
    def layer(
        window_shape: Any, strides: Any = None, padding: str = "VALID", spec: str | None = None
    ) -> Layer:
        """Windows reduced."""
        steps = tuple(strides or (1,) * len(window_shape))
        at = 0 if spec is None else spec.index("N")
        channel = len(window_shape) + 1 if spec is None else spec.index("C")

        def whole(values: Any) -> tuple[int, ...]:
            made = list(values)
            for i in sorted((at, channel)):
                made.insert(i, 1)
            return tuple(made)

        dims, step = whole(window_shape), whole(steps)

        def init_fun(rng: Any, input_shape: Any) -> Any:
            pads = lax.padtype_to_pads(input_shape, dims, step, padding)
            sizes = zip(input_shape, dims, step, pads, strict=True)
            return tuple((n + low + high - k) // s + 1 for n, k, s, (low, high) in sizes), ()

        def apply_fun(params: Any, inputs: Any, **kwargs: Any) -> Any:
            out = lax.reduce_window(inputs, first, reducer, dims, step, padding)
            if not average:
                return out
            return out / lax.reduce_window(jnp.ones_like(inputs), 0.0, lax.add, dims, step, padding)

        return init_fun, apply_fun

    return layer


MaxPool, SumPool = _pooling(lax.max, -math.inf), _pooling(lax.add, 0.0)
AvgPool = _pooling(lax.add, 0.0, True)


def _flatten() -> Layer:
    def init_fun(rng: Any, input_shape: Any) -> Any:
        return (input_shape[0], functools.reduce(operator.mul, input_shape[1:], 1)), ()

    return init_fun, lambda params, inputs, **kwargs: jnp.reshape(inputs, (inputs.shape[0], -1))


Flatten = _flatten()
Identity: Layer = ((lambda rng, input_shape: (input_shape, ())), (lambda params, inputs, **kwargs: inputs))


def FanOut(num: int) -> Layer:
    """The input several times.

    >>> from pg_jax.example_libraries import stax
    >>> stax.FanOut(2)[1]((), 3)
    [3, 3]
    """
    return (lambda rng, shape: ([shape] * num, ())), (lambda params, inputs, **kwargs: [inputs] * num)


def _fan_in_sum(params: Any, inputs: Any, **kwargs: Any) -> Any:
    return functools.reduce(operator.add, inputs)


FanInSum: Layer = ((lambda rng, shapes: (shapes[0], ())), _fan_in_sum)


def FanInConcat(axis: int = -1) -> Layer:
    """Several inputs as one.

    >>> from pg_jax.example_libraries import stax
    >>> stax.FanInConcat()[0](None, [(1, 2), (1, 3)])[0]
    (1, 5)
    """

    def init_fun(rng: Any, shapes: Any) -> Any:
        at = axis % len(shapes[0])
        total = sum(s[at] for s in shapes)
        return (*shapes[0][:at], total, *shapes[0][at + 1 :]), ()

    return init_fun, lambda params, inputs, **kwargs: jnp.concatenate(inputs, axis)


def Dropout(rate: float, mode: str = "train") -> Layer:
    """Elements kept with probability ``rate``; ``apply`` needs ``rng=``.

    >>> from pg_jax.example_libraries import stax
    >>> stax.Dropout(0.5, mode="test")[1]((), 3.0)
    3.0
    """

    def apply_fun(params: Any, inputs: Any, **kwargs: Any) -> Any:
        if mode != "train":
            return inputs
        rng = kwargs.get("rng")
        if rng is None:
            raise ValueError("Dropout layer requires apply_fun to be called with a PRNG key argument.")
        return jnp.where(random.bernoulli(rng, rate, inputs.shape), inputs / rate, 0)

    return (lambda rng, input_shape: (input_shape, ())), apply_fun


def serial(*layers: Layer) -> Layer:
    """One layer after the other.

    >>> import pg_jax as jax, pg_jax.numpy as jnp
    >>> from pg_jax.example_libraries import stax
    >>> init, apply = stax.serial(stax.Dense(4), stax.Relu, stax.Dense(1))
    >>> _, params = init(jax.random.key(0), (-1, 2))
    >>> apply(params, jnp.ones((3, 2))).shape
    (3, 1)
    """
    inits, applies = zip(*layers, strict=True)

    def init_fun(rng: Any, input_shape: Any) -> Any:
        params = []
        for init in inits:
            rng, own = random.split(rng)
            input_shape, made = init(own, input_shape)
            params.append(made)
        return input_shape, params

    def apply_fun(params: Any, inputs: Any, **kwargs: Any) -> Any:
        rng = kwargs.pop("rng", None)
        rngs = random.split(rng, len(layers)) if rng is not None else (None,) * len(layers)
        for f, own, key in zip(applies, params, rngs, strict=True):
            inputs = f(own, inputs, rng=key, **kwargs)
        return inputs

    return init_fun, apply_fun


def parallel(*layers: Layer) -> Layer:
    """Layers beside each other.

    >>> from pg_jax.example_libraries import stax
    >>> stax.parallel(stax.Identity, stax.Identity)[1]([(), ()], [1, 2])
    [1, 2]
    """
    inits, applies = zip(*layers, strict=True)

    def init_fun(rng: Any, input_shape: Sequence[Any]) -> Any:
        rngs = random.split(rng, len(layers))
        pairs = [init(k, s) for init, k, s in zip(inits, rngs, input_shape, strict=True)]
        shapes, params = zip(*pairs, strict=True)
        return list(shapes), list(params)

    def apply_fun(params: Any, inputs: Any, **kwargs: Any) -> Any:
        rng = kwargs.pop("rng", None)
        rngs = random.split(rng, len(layers)) if rng is not None else (None,) * len(layers)
        return [f(p, x, rng=r, **kwargs) for f, p, x, r in zip(applies, params, inputs, rngs, strict=True)]

    return init_fun, apply_fun


def shape_dependent(make_layer: Callable[[Any], Layer]) -> Layer:
    """A layer that is made when the shape is known.

    >>> from pg_jax.example_libraries import stax
    >>> stax.shape_dependent(lambda shape: stax.Identity)[0](None, (2,))
    ((2,), ())
    """

    def init_fun(rng: Any, input_shape: Any) -> Any:
        return make_layer(input_shape)[0](rng, input_shape)

    def apply_fun(params: Any, inputs: Any, **kwargs: Any) -> Any:
        return make_layer(inputs.shape)[1](params, inputs, **kwargs)

    return init_fun, apply_fun


def __getattr__(name: str) -> Any:
    raise missing("example_libraries.stax", name)
