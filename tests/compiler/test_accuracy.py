"""Errors against float64 beside PyTorch's own, in both tiers: at most 4 times as large, or a few units.

An error is the largest one of a result, in units in the last place of its largest element. PyTorch sums in cascades, and
statistics in double; a chain of additions that grows with the input fails here, whichever axis it runs along.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

import alight
from alight import config
from tests.record.paths import forgotten

FACTOR = 4.0
FLOOR = 1.5  # units that PyTorch's errors count as at least
SUMS = {  # axes of sums, means and variances
    (100001,): (0,),
    (3, 100003): (1,),
    (100003, 3): (0,),
    (1000, 300): (0,),
    (300, 1000): (1,),
    (130, 64): (0,),
    (1024, 64): (0,),
    (65536, 16): (0,),
    (31, 33, 35): (0, 2),
    (4, 25000, 3): (1,),
    (32, 16, 16, 24): (0, 1, 2),
    (32, 24, 16, 16): (0, 2, 3),
    (64, 32, 32, 5): (0, 1, 2),
}
ROWS = [(10, 1000), (2, 30000), (300, 37)]
PRODUCTS = [(10, 1000, 10), (3, 20000, 5), (128, 784, 64), (1, 5000, 7), (40, 3000, 40)]
CONVOLUTIONS = [  # batch, channels read and written, extent, kernel, groups
    (8, 16, 32, 16, 3, 1), (32, 3, 16, 32, 5, 1), (4, 32, 32, 14, 3, 4), (4, 32, 32, 14, 3, 32), (2, 256, 64, 9, 1, 1),
    (2, 128, 20, 7, 3, 1), (64, 1, 6, 28, 5, 1), (64, 8, 8, 32, 3, 1),
    (16, 64, 64, 16, 3, 1), (16, 256, 192, 12, 3, 1), (1, 128, 128, 16, 3, 1),
]  # fmt: skip
NORMS = [(32, 24, 16, 16), (64, 8, 28, 28), (1000, 32)]


def gradients(t, function, *arrays):
    """Gradients of the sum of a function, weighted by its last argument."""
    leaves = [x.clone().requires_grad_() for x in arrays[:-1]]
    (function(t.nn.functional, *leaves) * arrays[-1]).sum().backward()
    return [leaf.grad for leaf in leaves]


def cases():
    """(name, function of a library and arrays, shapes)."""
    for shape, axes in SUMS.items():

        def sums(t, x, y, axes=axes):
            return [x.sum(axes), x.var(axes), (x * y).mean(axes), (x * x).sum(), x.norm()]

        yield f"sums {shape} {axes}", sums, [shape, shape]
    for shape in ROWS:

        def rows(t, x, y):
            f, p = t.nn.functional, (y > 0).to(x.dtype)
            whole = [f.softmax(x, 1), f.log_softmax(x, 0), t.logsumexp(x, 1), x.cumsum(1)]
            losses = [f.mse_loss(x, y), f.l1_loss(x, y), f.cross_entropy(x, p), f.smooth_l1_loss(x, y)]  # fmt: skip
            return [*whole, *losses, f.layer_norm(x, x.shape[1:]), (x * 0 + (1 + 2**-10)).prod(1)]

        yield f"rows {shape}", rows, [shape, shape]
    for m, k, n in PRODUCTS:
        yield (
            f"products {m, k, n}",
            lambda t, a, b, c, d: [a @ b, c.t() @ b, a @ d.t(), (a * a) @ (b * b)],
            [(m, k), (k, n), (k, m), (n, k)],
        )
    for n, c, o, size, kernel, groups in CONVOLUTIONS:

        def convolution(t, x, w, b, ct, groups=groups, kernel=kernel):
            def run(f, x, w, b):
                return f.conv2d(x, w, b, padding=kernel // 2, groups=groups)

            return [run(t.nn.functional, x, w, b), *gradients(t, run, x, w, b, ct)]

        shapes = [(n, c, size, size), (o, c // groups, kernel, kernel), (o,), (n, o, size, size)]
        yield f"convolution {n, c, o, size, kernel, groups}", convolution, shapes
    for shape in NORMS:

        def norm(t, x, w, b, ct):
            def run(f, x, w):
                return f.batch_norm(x * 2 + 3, None, None, w, b, True)

            # Weights whose sum is 0: else the gradient of w is what the last bit of the mean makes it.
            return [run(t.nn.functional, x, w), *gradients(t, run, x, w, ct - ct.flip(0))]

        yield f"batch norm {shape}", norm, [shape, shape[1:2], shape[1:2], shape]

    def pools(t, x):
        f = t.nn.functional
        group = f.group_norm(x, 4), f.instance_norm(x)
        return [f.adaptive_avg_pool2d(x, 1), f.avg_pool2d(x, 11, 3), f.avg_pool2d(x, 14), *group]

    yield "pools", pools, [(4, 16, 56, 56)]
    places = np.arange(20000) % 5

    def scattered(t, x):
        ids = t.from_numpy(places)
        table = t.zeros(5, 8, dtype=x.dtype, requires_grad=True)
        (t.nn.functional.embedding(ids, table) * x).sum().backward()
        return [table.grad, t.zeros(5, 8, dtype=x.dtype).index_add(0, ids, x)]

    yield "scattered", scattered, [(20000, 8)]


CASES = {name: (function, shapes) for name, function, shapes in cases()}


def units(found, exact, digits):
    """The largest error in units in the last place of the largest element."""
    exact = np.asarray(exact)
    size = np.abs(exact).max() * type(exact.flat[0])(2.0) ** -digits
    return float(np.abs(found.astype(exact.dtype) - exact).max() / size)


def within(name, found, beside, exact, digits=23):
    """Assert that each result is about as exact as PyTorch's."""
    for i, results in enumerate(zip(found, beside, exact, strict=True)):
        own, other = (units(np.asarray(one), results[2], digits) for one in results[:2])
        assert own <= FACTOR * max(other, FLOOR), f"{name}, result {i}: {own} beside {other} units"


@pytest.fixture(params=[0, 1], ids=["interpreted", "compiled"])
def tier(request, monkeypatch):
    """Everything runs in one tier."""
    monkeypatch.setattr(config, "tier", request.param)
    monkeypatch.setattr(config, "hot", 0)
    forgotten()
    yield request.param
    forgotten()


def rows():
    """Every case with numbers around 0 and around 1; one of these for convolutions is left to `make test-all`."""
    for name in CASES:
        for mean in (0.0, 1.0):
            slow = name.startswith("convolution") and not mean
            yield pytest.param(name, mean, marks=[pytest.mark.slow] if slow else [])


@pytest.mark.parametrize(("name", "mean"), list(rows()))
def test_float32(name, mean, tier):
    function, shapes = CASES[name]
    rng = np.random.default_rng(0)
    drawn = [rng.standard_normal(shape) + mean for shape in shapes]
    arrays = [np.float32(np.round(a * 2**16) / 2**16) for a in drawn]  # differences are exact
    exact, beside = (
        [r.detach().numpy() for r in function(torch, *(torch.from_numpy(a.astype(of)) for a in arrays))]
        for of in (np.float64, np.float32)
    )  # fmt: skip
    found = [r.detach().numpy() for r in function(alight, *map(alight.from_numpy, arrays))]
    within(name, found, beside, exact)


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 60, reason="no longer format than float64")
def test_float64(tier):
    rng = np.random.default_rng(0)
    for shape, axes in SUMS.items():
        x = rng.standard_normal(shape) + 1
        wide = x.astype(np.longdouble)
        beside, found = (
            [one.numpy() for one in (y.sum(axes), y.mean(axes), (y * y).sum())]
            for y in (torch.from_numpy(x), alight.from_numpy(x))
        )
        within(str(shape), found, beside, [wide.sum(axes), wide.mean(axes), (wide * wide).sum()], 52)  # fmt: skip


def test_infinities_stay(tier):
    for shape, axes in SUMS.items():
        x = np.ones(shape, np.float32)
        x.flat[-1] = np.inf
        y = alight.from_numpy(x)
        total = np.asarray(y.sum(axes).numpy())
        assert np.isinf(total).sum() == 1 and not np.isnan(total).any(), shape
        x.flat[0] = -np.inf
        assert np.isnan(alight.from_numpy(x).sum().item()), shape
        many = alight.full(shape, 3e38).sum(axes).numpy()
        assert np.isposinf(many).all(), shape


@pytest.mark.parametrize("name", ["log2", "log10", "sigmoid"])
def test_functions_of_several_instructions(name, tier):
    """Over numbers of every size, subnormal ones too: each result within 2 units of its own last place."""
    rng = np.random.default_rng(0)
    x = np.exp(rng.uniform(-103, 88, 50000)).astype(np.float32)
    exact = {"log2": np.log2, "log10": np.log10, "sigmoid": lambda x: 1 / (1 + np.exp(-x))}[name]
    if name == "sigmoid":
        x = np.concatenate([np.log(x), x, -np.minimum(x, 80)])
    expected = exact(x.astype(np.float64))
    found = getattr(alight, name)(alight.from_numpy(x)).numpy()
    errors = np.abs(found - expected) / np.spacing(np.abs(expected).astype(np.float32))
    worst = int(np.argmax(np.where(np.abs(expected) < 2**-126, 0, errors)))
    assert errors[worst] <= (2 if tier else 4), (x[worst], found[worst], errors[worst])
