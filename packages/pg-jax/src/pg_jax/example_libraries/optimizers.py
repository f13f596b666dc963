"""Optimizers as triples ``(init, update, get_params)``; ``update(step, gradients, state)``."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from .. import _trees
from .. import numpy as jnp
from .._missing import missing
from ..tree_util import register_pytree_node


class Optimizer(NamedTuple):
    """The three functions."""

    init_fn: Callable[..., Any]
    update_fn: Callable[..., Any]
    params_fn: Callable[..., Any]


class OptimizerState:
    """The states of all parameters, and how the parameters lie in their pytree."""

    def __init__(self, packed_state: Any, tree_def: Any, subtree_defs: Any) -> None:
        self.packed_state, self.tree_def, self.subtree_defs = packed_state, tree_def, subtree_defs


register_pytree_node(
    OptimizerState,
    lambda s: ((s.packed_state,), (s.tree_def, s.subtree_defs)),
    lambda aux, parts: OptimizerState(parts[0], *aux),
)

Schedule = Callable[[Any], Any]


def optimizer(opt_maker: Callable[..., Any]) -> Callable[..., Optimizer]:
    """Let an optimizer of arrays take pytrees.

    >>> from pg_jax.example_libraries import optimizers
    >>> opt = optimizers.optimizer(lambda: (lambda x: x, lambda i, g, x: x - g, lambda x: x))()
    >>> opt.params_fn(opt.update_fn(0, [1.0], opt.init_fn([3.0])))
    [2.0]
    """

    @functools.wraps(opt_maker)
    def tree_opt_maker(*args: Any, **kwargs: Any) -> Optimizer:
        init, update, get_params = opt_maker(*args, **kwargs)

        def tree_init(params: Any) -> OptimizerState:
            leaves, tree = _trees.flatten(params)
            states = [_trees.flatten(init(x)) for x in leaves]
            return OptimizerState(tuple(tuple(s) for s, _ in states), tree, tuple(t for _, t in states))

        def tree_update(i: Any, grads: Any, state: OptimizerState) -> OptimizerState:
            found, tree = _trees.flatten(grads)
            if tree != state.tree_def:
                raise TypeError(
                    "optimizer update function was passed a gradient tree that did not match the parameter "
                    f"tree structure with which it was initialized: {state.tree_def} and {tree}."
                )
            packed = []
            for g, parts, own in zip(found, state.packed_state, state.subtree_defs, strict=True):
                packed.append(tuple(_trees.flatten(update(i, g, _trees.unflatten(own, parts)))[0]))
            return OptimizerState(tuple(packed), tree, state.subtree_defs)

        def tree_params(state: OptimizerState) -> Any:
            pairs = zip(state.packed_state, state.subtree_defs, strict=True)
            return _trees.unflatten(state.tree_def, [get_params(_trees.unflatten(d, p)) for p, d in pairs])

        return Optimizer(tree_init, tree_update, tree_params)

    return tree_opt_maker


# ---- schedules


def constant(step_size: Any) -> Schedule:
    """One rate.

    >>> from pg_jax.example_libraries import optimizers
    >>> optimizers.constant(0.1)(5)
    0.1
    """
    return lambda i: step_size


def exponential_decay(step_size: Any, decay_steps: Any, decay_rate: Any) -> Schedule:
    """``step_size * decay_rate**(i / decay_steps)``.

    >>> from pg_jax.example_libraries import optimizers
    >>> optimizers.exponential_decay(1.0, 1, 0.5)(2)
    0.25
    """
    return lambda i: step_size * decay_rate ** (i / decay_steps)


def inverse_time_decay(
    step_size: Any, decay_steps: Any, decay_rate: Any, staircase: bool = False
) -> Schedule:
    """``step_size / (1 + decay_rate * i / decay_steps)``.

    >>> from pg_jax.example_libraries import optimizers
    >>> optimizers.inverse_time_decay(1.0, 1, 1.0)(1)
    0.5
    """
    if staircase:
        return lambda i: step_size / (1 + decay_rate * jnp.floor(i / decay_steps))
    return lambda i: step_size / (1 + decay_rate * i / decay_steps)


def polynomial_decay(step_size: Any, decay_steps: Any, final_step_size: Any, power: Any = 1.0) -> Schedule:
    """From one rate to another along a power.

    >>> from pg_jax.example_libraries import optimizers
    >>> float(optimizers.polynomial_decay(1.0, 2, 0.0)(1))
    0.5
    """

    def schedule(step_num: Any) -> Any:
        step = jnp.minimum(step_num, decay_steps)
        return (1 - step / decay_steps) ** power * (step_size - final_step_size) + final_step_size

    return schedule


def piecewise_constant(boundaries: Any, values: Any) -> Schedule:
    """A rate for each interval.

    >>> from pg_jax.example_libraries import optimizers
    >>> float(optimizers.piecewise_constant([5], [1.0, 2.0])(7))
    2.0
    """
    edges, rates = jnp.array(boundaries), jnp.array(values)
    if edges.ndim != 1 or rates.ndim != 1:
        raise ValueError("boundaries and values must be sequences")
    if edges.shape[0] != rates.shape[0] - 1:
        raise ValueError("boundaries length must be one shorter than values length")
    return lambda i: rates[jnp.sum(i > edges)]


def make_schedule(scalar_or_schedule: Any) -> Schedule:
    """A schedule of a rate, or the schedule.

    >>> from pg_jax.example_libraries import optimizers
    >>> optimizers.make_schedule(0.5)(1)
    0.5
    """
    if callable(scalar_or_schedule):
        return scalar_or_schedule
    if jnp.ndim(scalar_or_schedule) == 0:
        return constant(scalar_or_schedule)
    raise TypeError(type(scalar_or_schedule))


# ---- optimizers


@optimizer
def sgd(step_size: Any) -> Any:
    """Gradient descent."""
    rate = make_schedule(step_size)
    return (lambda x0: x0), (lambda i, g, x: x - rate(i) * g), (lambda x: x)


@optimizer
def momentum(step_size: Any, mass: Any) -> Any:
    """Gradient descent with momentum."""
    rate = make_schedule(step_size)

    def update(i: Any, g: Any, state: Any) -> Any:
        x, velocity = state
        velocity = mass * velocity + g
        return x - rate(i) * velocity, velocity

    return (lambda x0: (x0, jnp.zeros_like(x0))), update, (lambda state: state[0])


@optimizer
def nesterov(step_size: Any, mass: Any) -> Any:
    """Gradient descent with Nesterov's momentum."""
    rate = make_schedule(step_size)

    def update(i: Any, g: Any, state: Any) -> Any:
        x, velocity = state
        velocity = mass * velocity + g
        return x - rate(i) * (mass * velocity + g), velocity

    return (lambda x0: (x0, jnp.zeros_like(x0))), update, (lambda state: state[0])


@optimizer
def adagrad(step_size: Any, momentum: Any = 0.9) -> Any:
    """Adagrad with momentum."""
    rate = make_schedule(step_size)

    def update(i: Any, g: Any, state: Any) -> Any:
        x, g_sq, m = state
        g_sq = g_sq + jnp.square(g)
        scaled = jnp.where(g_sq > 0, 1.0 / jnp.sqrt(g_sq), 0.0)
        m = (1.0 - momentum) * (g * scaled) + momentum * m
        return x - rate(i) * m, g_sq, m

    return (lambda x0: (x0, jnp.zeros_like(x0), jnp.zeros_like(x0))), update, (lambda state: state[0])


@optimizer
def rmsprop(step_size: Any, gamma: Any = 0.9, eps: Any = 1e-8) -> Any:
    """RMSProp."""
    rate = make_schedule(step_size)

    def update(i: Any, g: Any, state: Any) -> Any:
        x, avg = state
        avg = avg * gamma + jnp.square(g) * (1.0 - gamma)
        return x - rate(i) * g / jnp.sqrt(avg + eps), avg

    return (lambda x0: (x0, jnp.zeros_like(x0))), update, (lambda state: state[0])


@optimizer
def adam(step_size: Any, b1: Any = 0.9, b2: Any = 0.999, eps: Any = 1e-8) -> Any:
    """Adam."""
    rate = make_schedule(step_size)

    def update(i: Any, g: Any, state: Any) -> Any:
        x, m, v = state
        m = (1 - b1) * g + b1 * m
        v = (1 - b2) * jnp.square(g) + b2 * v
        mhat = m / (1 - jnp.asarray(b1, m.dtype) ** (i + 1))
        vhat = v / (1 - jnp.asarray(b2, m.dtype) ** (i + 1))
        return x - rate(i) * mhat / (jnp.sqrt(vhat) + eps), m, v

    return (lambda x0: (x0, jnp.zeros_like(x0), jnp.zeros_like(x0))), update, (lambda state: state[0])


@optimizer
def adamax(step_size: Any, b1: Any = 0.9, b2: Any = 0.999, eps: Any = 1e-8) -> Any:
    """Adam with the largest gradient in place of the mean square."""
    rate = make_schedule(step_size)

    def update(i: Any, g: Any, state: Any) -> Any:
        x, m, v = state
        m = (1 - b1) * g + b1 * m
        v = jnp.maximum(b2 * v, jnp.abs(g))
        return x - (rate(i) / (1 - jnp.asarray(b1, m.dtype) ** (i + 1))) * m / (v + eps), m, v

    return (lambda x0: (x0, jnp.zeros_like(x0), jnp.zeros_like(x0))), update, (lambda state: state[0])


# ---- gradients


def l2_norm(tree: Any) -> Any:
    """The norm of all leaves together.

    >>> import pg_jax.numpy as jnp
    >>> from pg_jax.example_libraries import optimizers
    >>> optimizers.l2_norm([jnp.array(3.0), jnp.array(4.0)])
    Array(5., dtype=float32, weak_type=True)
    """
    leaves: Sequence[Any] = _trees.flatten(tree)[0]
    return jnp.sqrt(sum(jnp.vdot(x, x) for x in leaves))


def clip_grads(grad_tree: Any, max_norm: Any) -> Any:
    """Gradients whose norm is at most ``max_norm``.

    >>> import pg_jax.numpy as jnp
    >>> from pg_jax.example_libraries import optimizers
    >>> optimizers.clip_grads([jnp.array([3.0, 4.0])], 1.0)
    [Array([0.6, 0.8], dtype=float32)]
    """
    norm = l2_norm(grad_tree)
    leaves, tree = _trees.flatten(grad_tree)
    return _trees.unflatten(tree, [jnp.where(norm < max_norm, g, g * (max_norm / norm)) for g in leaves])


def __getattr__(name: str) -> Any:
    raise missing("example_libraries.optimizers", name)
