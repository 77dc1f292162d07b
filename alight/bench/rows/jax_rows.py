"""The rows' steps written for JAX: a pure function of parameters and optimizer state, compiled with `jax.jit`.

Not a program that runs elsewhere; the same arithmetic as the other sources, with data made once. `float(loss)` at the
end of each step waits for it, as `loss.item()` does.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from alight.bench.rows import ROWS

Params = Any
random = np.random.default_rng(0)


def normal(*shape: int, scale: float | None = None) -> Any:
    """Weights, scaled by the fan-in unless given."""
    fan = shape[-1] if len(shape) == 2 else int(np.prod(shape[1:])) or 1
    return jnp.asarray(random.standard_normal(shape) * (scale or fan**-0.5), jnp.float32)


def cross_entropy(logits: Any, y: Any) -> Any:
    """Mean negative log-likelihood of the targets."""
    logs = jax.nn.log_softmax(logits)
    return -jnp.mean(jnp.take_along_axis(logs, y[:, None], 1))


def trained(
    params: Params, loss: Callable[[Params], Any], optimizer: str = "sgd"
) -> Callable[[], float]:
    """The step of a loss of the parameters alone."""
    state = (jax.tree.map(jnp.zeros_like, params), jax.tree.map(jnp.zeros_like, params), 0.0)

    def sgd(params: Params, state: Any) -> Any:
        value, grads = jax.value_and_grad(loss)(params)
        return value, jax.tree.map(lambda p, g: p - 0.01 * g, params, grads), state

    def adam(params: Params, state: Any) -> Any:
        value, grads = jax.value_and_grad(loss)(params)
        first, second, count = state
        count = count + 1
        first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, grads)
        second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, grads)
        rate = 1e-3 * jnp.sqrt(1 - 0.999**count) / (1 - 0.9**count)
        update = jax.tree.map(
            lambda p, m, v: p - rate * m / (jnp.sqrt(v) + 1e-8), params, first, second
        )
        return value, update, (first, second, count)

    run = jax.jit(sgd if optimizer == "sgd" else adam, donate_argnums=(0, 1))
    held = [params, state]

    def step() -> float:
        value, held[0], held[1] = run(*held)
        return float(value)

    return step


def mlp(
    sizes: list[int], batch: int, optimizer: str, loss: str = "cross-entropy", **_: Any
) -> Callable[[], float]:
    """Fully connected networks (no dropout, no accuracy: JAX's row is easier)."""
    params = [(normal(b, a), jnp.zeros(b)) for a, b in itertools.pairwise(sizes)]
    x = normal(batch, sizes[0], scale=1.0)
    y = (
        normal(batch, sizes[-1], scale=1.0)
        if loss == "mse"
        else jnp.asarray(random.integers(0, sizes[-1], batch))
    )

    def of(params: Params) -> Any:
        h = x
        for n, (w, b) in enumerate(params):
            h = h @ w.T + b
            h = jax.nn.relu(h) if n < len(params) - 1 else h
        return jnp.mean((h - y) ** 2) if loss == "mse" else cross_entropy(h, y)

    return trained(params, of, optimizer)


def conv(x: Any, w: Any, padding: Any) -> Any:
    """Two-dimensional cross-correlation, channels second."""
    return lax.conv_general_dilated(
        x, w, (1, 1), padding, dimension_numbers=("NCHW", "OIHW", "NCHW")
    )


def mean_pool(x: Any) -> Any:
    """Means of 2x2 windows."""
    return lax.reduce_window(x, 0.0, lax.add, (1, 1, 2, 2), (1, 1, 2, 2), "VALID") / 4


def lenet(batch: int, train: bool = True) -> Callable[[], float]:
    """LeNet with sigmoids and average pooling."""
    params = {
        "c1": normal(6, 1, 5, 5), "b1": jnp.zeros(6), "c2": normal(16, 6, 5, 5), "b2": jnp.zeros(16),
        "d": [(normal(b, a), jnp.zeros(b)) for a, b in ((400, 120), (120, 84), (84, 10))],
    }  # fmt: skip
    x, y = normal(batch, 1, 28, 28, scale=1.0), jnp.asarray(random.integers(0, 10, batch))

    def logits(p: Params) -> Any:
        h = mean_pool(jax.nn.sigmoid(conv(x, p["c1"], ((2, 2), (2, 2))) + p["b1"][:, None, None]))
        h = mean_pool(jax.nn.sigmoid(conv(h, p["c2"], "VALID") + p["b2"][:, None, None]))
        h = h.reshape(batch, -1)
        for n, (w, b) in enumerate(p["d"]):
            h = h @ w.T + b
            h = jax.nn.sigmoid(h) if n < 2 else h
        return h

    if train:
        return trained(params, lambda p: cross_entropy(logits(p), y))
    classify = jax.jit(lambda p: jnp.argmax(logits(p), 1))
    return lambda: float(classify(params)[0])


def batch_norm(x: Any, scale: Any, shift: Any) -> Any:
    """Normalisation by the batch's statistics."""
    mean = x.mean((0, 2, 3), keepdims=True)
    variance = ((x - mean) ** 2).mean((0, 2, 3), keepdims=True)
    return (x - mean) * lax.rsqrt(variance + 1e-5) * scale[:, None, None] + shift[:, None, None]


def conv_bn(batch: int, channels: int, size: int) -> Callable[[], float]:
    """Four convolutions with batch norm and ReLU."""
    params = [
        (normal(channels, channels, 3, 3), jnp.ones(channels), jnp.zeros(channels))
        for _ in range(4)
    ]
    x = normal(batch, channels, size, size, scale=1.0)

    def loss(params: Params) -> Any:
        h = x
        for w, scale, shift in params:
            h = jax.nn.relu(batch_norm(conv(h, w, "SAME"), scale, shift))
        return jnp.mean(h * h)

    return trained(params, loss)


def convnet(batch: int) -> Callable[[], float]:
    """The main job's network."""
    params: dict[str, Any] = {"blocks": [], "w": normal(10, 576), "b": jnp.zeros(10)}
    channels = 1
    for width in (16, 32, 64):
        params["blocks"].append((normal(width, channels, 3, 3), jnp.ones(width), jnp.zeros(width)))
        channels = width
    x, y = normal(batch, 1, 28, 28, scale=1.0), jnp.asarray(random.integers(0, 10, batch))

    def loss(p: Params) -> Any:
        h = x
        for w, scale, shift in p["blocks"]:
            h = conv(h, w, "SAME")
            h = lax.reduce_window(h, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
            h = jax.nn.relu(batch_norm(h, scale, shift))
        logits = h.reshape(batch, -1) @ p["w"].T + p["b"]
        logs = jax.nn.log_softmax(logits)
        return 0.9 * cross_entropy(logits, y) - 0.1 * jnp.mean(logs)

    return trained(params, loss, "adam")


def recurrent(
    cell: str, length: int = 35, batch: int = 32, width: int = 256
) -> Callable[[], float]:
    """One recurrent layer, as `lax.scan`."""
    gates = {"RNN": 1, "GRU": 3, "LSTM": 4}[cell]
    params = [
        normal(gates * width, width),
        normal(gates * width, width),
        jnp.zeros(gates * width),
        jnp.zeros(gates * width),
    ]
    x = normal(length, batch, width, scale=1.0)
    zeros = jnp.zeros((batch, width))

    def loss(params: Params) -> Any:
        w_ih, w_hh, b_ih, b_hh = params
        inputs = x @ w_ih.T + b_ih

        def step(state: Any, one: Any) -> Any:
            h, c = state
            other = h @ w_hh.T + b_hh
            if cell == "RNN":
                h = jnp.tanh(one + other)
            elif cell == "GRU":
                r, z, n = jnp.split(one, 3, 1)
                hr, hz, hn = jnp.split(other, 3, 1)
                r, z = jax.nn.sigmoid(r + hr), jax.nn.sigmoid(z + hz)
                n = jnp.tanh(n + r * hn)
                h = (1 - z) * n + z * h
            else:
                i, f, g, o = jnp.split(one + other, 4, 1)
                c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
                h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        _, out = lax.scan(step, (zeros, zeros), inputs)
        return jnp.mean(out * out)

    return trained(params, loss)


def gpt(
    layers: int,
    width: int,
    heads: int,
    batch: int,
    length: int,
    generate: bool = False,
    vocab: int = 65,
) -> Callable[[], float]:
    """A small GPT; the generating row is not written for JAX."""
    if generate:
        raise NotImplementedError("the row infer-gpt has no JAX form")
    block = {
        "qkv": (3 * width, width),
        "proj": (width, width),
        "up": (4 * width, width),
        "down": (width, 4 * width),
    }
    params = {
        "token": normal(vocab, width, scale=1.0), "place": normal(length, width, scale=1.0),
        "head": normal(vocab, width), "head_b": jnp.zeros(vocab), "norm": (jnp.ones(width), jnp.zeros(width)),
        "blocks": [
            {**{k: (normal(*s), jnp.zeros(s[0])) for k, s in block.items()},
             "n1": (jnp.ones(width), jnp.zeros(width)), "n2": (jnp.ones(width), jnp.zeros(width))}
            for _ in range(layers)
        ],
    }  # fmt: skip
    ids = jnp.asarray(random.integers(0, vocab, (batch, length + 1)))
    mask = jnp.tril(jnp.ones((length, length))) == 0

    def norm(x: Any, p: Any) -> Any:
        mean = x.mean(-1, keepdims=True)
        variance = ((x - mean) ** 2).mean(-1, keepdims=True)
        return (x - mean) * lax.rsqrt(variance + 1e-5) * p[0] + p[1]

    def dense(x: Any, p: Any) -> Any:
        return x @ p[0].T + p[1]

    def loss(p: Params) -> Any:
        x = p["token"][ids[:, :-1]] + p["place"]
        for one in p["blocks"]:
            q, k, v = (
                part.reshape(batch, length, heads, -1).transpose(0, 2, 1, 3)
                for part in jnp.split(dense(norm(x, one["n1"]), one["qkv"]), 3, 2)
            )
            scores = jnp.where(mask, -jnp.inf, q @ k.swapaxes(-1, -2) * (width // heads) ** -0.5)
            mixed = (jax.nn.softmax(scores) @ v).transpose(0, 2, 1, 3).reshape(batch, length, width)
            x = x + dense(mixed, one["proj"])
            x = x + dense(
                jax.nn.gelu(dense(norm(x, one["n2"]), one["up"]), approximate=False), one["down"]
            )
        logits = norm(x, p["norm"]) @ p["head"].T + p["head_b"]
        return cross_entropy(logits.reshape(-1, vocab), ids[:, 1:].reshape(-1))

    return trained(params, loss, "adam")


FILES = {
    "mlp": mlp,
    "lenet": lenet,
    "convnet": convnet,
    "conv_bn": conv_bn,
    "recurrent": recurrent,
    "gpt": gpt,
}


def make(row: str) -> Callable[[], float]:
    """The step of a row; NotImplementedError for a row that is not written for JAX."""
    found = FILES.get(ROWS[row].file)
    if found is None:
        raise NotImplementedError(f"the row {row} has no JAX form")
    return found(**ROWS[row].settings)  # type: ignore[arg-type]
