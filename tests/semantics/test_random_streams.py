"""The CPU generator gives PyTorch's numbers, bit for bit, and leaves the same state behind.

First a table of known values, which needs no PyTorch; then PyTorch itself, call by call.
"""

from __future__ import annotations

import hashlib
import math
import random
import threading
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from alight import dtypes as dt
from alight.backends.interpreter import distributions as fills
from alight.backends.interpreter.generator import STATE_LAYOUT, Mt19937

try:
    import torch
except ImportError:
    torch = None

needs_torch = pytest.mark.skipif(torch is None, reason="PyTorch is the oracle")
SEEDS = (0, 1, 42, -1, 2**32, 2**63, 12345)
COUNTS = (0, 1, 2, 15, 16, 17, 37, 1000)
FLOATS = (dt.float16, dt.bfloat16, dt.float32, dt.float64)
INTEGERS = (dt.uint8, dt.int8, dt.int16, dt.int32, dt.int64)


def loader_order(g: Mt19937) -> np.ndarray[Any, Any]:
    """The order of a shuffling DataLoader: a base seed, then the sampler's own seed."""
    g.words(2)
    return fills.permutation(Mt19937(int(fills.full_range(g, 1, dt.int64)[0])), 1000)


linear_bound, conv_bound = 1 / math.sqrt(784), 1 / math.sqrt(25)
VECTORS: dict[str, tuple[Callable[[Mt19937], Any], list[float], str]] = {
    "rand": (
        lambda g: fills.uniform(g, 1000, dt.float32),
        [0.49625659, 0.768221796, 0.0884774327, 0.132030487],
        "20221bec9830215c",
    ),
    "rand float64": (
        lambda g: fills.uniform(g, 1000, dt.float64),
        [0.970053002, 0.707819864],
        "c59b53ef72076721",
    ),
    "randn 5": (
        lambda g: fills.normal(g, 5, dt.float32),
        [1.54099607, -0.293428898, -2.17878938, 0.568431258],
        "210d4d6ce714b814",
    ),
    "randn 1000": (
        lambda g: fills.normal(g, 1000, dt.float32),
        [-1.12583983, -1.1523602, -0.250578582, -0.433878809],
        "43678415636bbad8",
    ),
    "randn 37": (
        lambda g: fills.normal(g, 37, dt.float32),
        [-1.12583983, -1.1523602, -0.250578582, -0.433878809],
        "d76c1c2cf8e8f368",
    ),
    "randn float64": (
        lambda g: fills.normal(g, 1000, dt.float64),
        [-2.3104118, -0.373250861],
        "e9aadb4005f415af",
    ),
    "randint 10": (
        lambda g: fills.integers(g, 1000, 0, 10),
        [4, 9, 3, 0, 3, 9],
        "0015317fea1e0d43",
    ),
    "randint 2**28": (
        lambda g: fills.integers(g, 1000, 0, 2**28),
        [130329135, 136432832],
        "73259314bc77cb83",
    ),
    "randint 2**40": (
        lambda g: fills.integers(g, 1000, 0, 2**40),
        [741280623151, 506137267392],
        "7ee676fe3b205c41",
    ),
    "randperm": (
        lambda g: fills.permutation(g, 1000),
        [44, 37, 675, 775, 947, 209],
        "cee4a88ef6120e8e",
    ),
    "uniform_": (
        lambda g: fills.uniform(g, 1000, dt.float32, -0.2, 0.2),
        [-0.00149736402, 0.107288718, -0.16460903, -0.147187814],
        "5226cf246e29e49e",
    ),
    "normal_": (
        lambda g: fills.normal(g, 1000, dt.float32, 0, 0.01),
        [-0.0112583982, -0.0115236016, -0.00250578579, -0.00433878787],
        "c0cc6ba700bef8c3",
    ),
    "exponential_": (
        lambda g: fills.exponential(g, 1000, dt.float32),
        [3.50832629, 1.23038471, 0.615044117, 2.53511858],
        "4df57e50cde188d7",
    ),
    "bernoulli_": (
        lambda g: fills.bernoulli(g, 1000, 0.3).astype(np.float32),
        [0, 0, 0, 0, 0, 0],
        "23f60bc641a0332d",
    ),
    "Linear(784, 256).weight": (
        lambda g: fills.uniform(g, 784 * 256, dt.float32, -linear_bound, linear_bound),
        [-0.000267386436, 0.0191587005, -0.0293944702, -0.026283538],
        "626b86807529c5b9",
    ),
    "Conv2d(1, 6, 5).weight": (
        lambda g: fills.uniform(g, 150, dt.float32, -conv_bound, conv_bound),
        [-0.00149736402, 0.107288718, -0.16460903, -0.147187814],
        "9514b5db8089785b",
    ),
    "multinomial": (
        lambda g: fills.multinomial(g, np.ones(100, np.float32), dt.float32, 20),
        [58, 74, 93, 47, 41, 61],
        "d929511b46e4235a",
    ),
    "DataLoader": (loader_order, [226, 331, 747, 309, 589, 626], "8666cc87b0e2222a"),
}


@pytest.mark.parametrize("name", VECTORS)
def test_known_values(name: str) -> None:
    draw, first, digest = VECTORS[name]
    values = draw(Mt19937(0))
    np.testing.assert_allclose(values[: len(first)], first, rtol=1e-8)
    assert hashlib.sha256(values.tobytes()).hexdigest()[:16] == digest


def host(tensor: Any) -> np.ndarray[Any, Any]:
    tensor = tensor.detach()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy().ravel()


class Pair:
    """alight's generator and PyTorch's, started alike; a check compares results and states."""

    def __init__(self, seed: int) -> None:
        self.ours, self.theirs = Mt19937(seed), torch.Generator()
        self.theirs.manual_seed(seed)
        self.check_state()

    def check_state(self) -> None:
        assert self.ours.get_state() == bytes(self.theirs.get_state().numpy())

    def check(self, ours: Any, theirs: Any) -> None:
        theirs = host(theirs)
        assert ours.dtype == theirs.dtype
        assert ours.ravel().tobytes() == theirs.tobytes()
        self.check_state()


def empty(n: int, of: dt.dtype) -> Any:
    return torch.empty(n, dtype=getattr(torch, of.name))


@needs_torch
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("of", (*FLOATS, dt.complex64, dt.complex128), ids=str)
def test_uniform_and_normal(seed: int, of: dt.dtype) -> None:
    pair = Pair(seed)
    g, t = pair.ours, pair.theirs
    for n in (*COUNTS, 2**14 + 5, 20_000):  # the last two are more than one chunk
        pair.check(fills.uniform(g, n, of), torch.rand(n, dtype=empty(0, of).dtype, generator=t))
        pair.check(fills.normal(g, n, of), torch.randn(n, dtype=empty(0, of).dtype, generator=t))
        pair.check(
            fills.normal(g, n, of, 0.3, 0.017), empty(n, of).normal_(0.3, 0.017, generator=t)
        )
        strided = torch.empty(n, 2, dtype=empty(0, of).dtype)[:, 0]
        pair.check(
            fills.normal(g, n, of, 2, 3, contiguous=False), strided.normal_(2, 3, generator=t)
        )
        if of in FLOATS:
            for low, high in ((-0.2, 0.2), (1.0, 3.0), (-2e4, 3e4), (0, 0.1), (0.5, 0.5)):
                pair.check(
                    fills.uniform(g, n, of, low, high),
                    empty(n, of).uniform_(low, high, generator=t),
                )


@needs_torch
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("of", FLOATS, ids=str)
def test_other_distributions(seed: int, of: dt.dtype) -> None:
    pair = Pair(seed)
    g, t = pair.ours, pair.theirs
    for n in COUNTS:
        pair.check(
            fills.log_normal(g, n, of, 0.3, 0.7), empty(n, of).log_normal_(0.3, 0.7, generator=t)
        )
        pair.check(fills.exponential(g, n, of, 1.7), empty(n, of).exponential_(1.7, generator=t))
        pair.check(fills.geometric(g, n, of, 0.3), empty(n, of).geometric_(0.3, generator=t))
        pair.check(fills.cauchy(g, n, of, 0.3, 2), empty(n, of).cauchy_(0.3, 2, generator=t))
        pair.check(fills.bernoulli(g, n, 0.3), empty(n, of).bernoulli_(0.3, generator=t).bool())
        p = torch.rand(n).to(empty(0, of).dtype)
        pair.check(fills.bernoulli(g, n, host(p), of), torch.bernoulli(p, generator=t).bool())


@needs_torch
@pytest.mark.parametrize("seed", SEEDS[:3])
@pytest.mark.parametrize("of", FLOATS, ids=str)
@pytest.mark.parametrize(
    "limits",
    [(0, 1, -2, 2), (0.1, 0.02, -0.04, 0.04), (0, 1, 2, 3), (0, 1, 0.5, 0.7), (0, 3, -0.1, 4)],
)
def test_trunc_normal(seed: int, of: dt.dtype, limits: tuple[float, float, float, float]) -> None:
    pair = Pair(seed)
    for n in COUNTS[1:]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ours = fills.trunc_normal(pair.ours, n, of, *limits)
            theirs = torch.nn.init.trunc_normal_(empty(n, of), *limits, generator=pair.theirs)
        pair.check(ours, theirs)


@needs_torch
@pytest.mark.parametrize("seed", SEEDS[:4])
def test_multinomial(seed: int) -> None:
    # Not half precision without replacement: its many equal quotients come in no defined order.
    pair = Pair(seed)
    g, t = pair.ours, pair.theirs
    for n in COUNTS[1:]:
        for of in FLOATS:
            weights = (torch.rand(3, n) + 0.01).to(empty(0, of).dtype)
            flat, k = host(weights).reshape(3, n), min(n, 20)
            pair.check(
                fills.multinomial(g, flat, of, k, True),
                torch.multinomial(weights, k, True, generator=t),
            )
            if of.itemsize > 2:
                pair.check(
                    fills.multinomial(g, flat, of, k), torch.multinomial(weights, k, generator=t)
                )
                one = torch.multinomial(weights[0], 1, generator=t)
                pair.check(fills.multinomial(g, flat[0], of, 1), one)


@needs_torch
@pytest.mark.parametrize("seed", SEEDS)
def test_integers(seed: int) -> None:
    pair = Pair(seed)
    g, t = pair.ours, pair.theirs
    bounds = [
        (0, 10),
        (-5, 2**28 - 6),
        (0, 2**28),
        (-7, 2**40),
        (0, 2**31),
        (-(2**63), 2**63 - 1),
        (3, 4),
    ]
    for n in COUNTS:
        for low, high in bounds:
            pair.check(fills.integers(g, n, low, high), torch.randint(low, high, (n,), generator=t))
        for of in (*FLOATS, *INTEGERS):
            pair.check(fills.integers(g, n, 3, 100, of), empty(n, of).random_(3, 100, generator=t))
        every = empty(n, dt.int64).random_(-(2**63), None, generator=t)
        pair.check(fills.integers(g, n, -(2**63), 2**63), every)
        for of in (*FLOATS, *INTEGERS, dt.bool_):
            pair.check(fills.full_range(g, n, of), empty(n, of).random_(generator=t))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch warns that such bounds round
        theirs = empty(1000, dt.float32).random_(-(2**35) - 1, 2**40, generator=t)
    pair.check(fills.integers(g, 1000, -(2**35) - 1, 2**40, dt.float32), theirs)


@needs_torch
def test_permutation() -> None:
    pair = Pair(7)
    for n in (*range(40), 1000, 60_000, 65_535, 65_536, 65_537, 200_000):
        pair.check(fills.permutation(pair.ours, n), torch.randperm(n, generator=pair.theirs))


@needs_torch
@pytest.mark.parametrize("seed", range(20))
def test_mixed_calls(seed: int) -> None:
    """Calls in any order: the cached normal lives on through other fills and across dtypes."""
    pair, choose = Pair(seed), random.Random(seed)
    for _ in range(60):
        n, of = choose.choice((*COUNTS, 3, 5, 623, 624, 625)), choose.choice(FLOATS)
        g, t = pair.ours, pair.theirs
        name = empty(0, of).dtype
        calls: list[Callable[[], tuple[Any, Any]]] = [
            lambda: (fills.uniform(g, n, of), torch.rand(n, dtype=name, generator=t)),  # noqa: B023
            lambda: (fills.normal(g, n, of), torch.randn(n, dtype=name, generator=t)),  # noqa: B023
            lambda: (fills.normal(g, 3, of), torch.randn(3, dtype=name, generator=t)),  # noqa: B023
            lambda: (fills.permutation(g, n), torch.randperm(n, generator=t)),  # noqa: B023
            lambda: (fills.integers(g, n, 0, 7), torch.randint(0, 7, (n,), generator=t)),  # noqa: B023
            lambda: (fills.log_normal(g, n, of), empty(n, of).log_normal_(generator=t)),  # noqa: B023
        ]
        pair.check(*choose.choice(calls)())
        if choose.random() < 0.2:  # each goes on from the other's state
            pair.ours, pair.theirs = Mt19937(), torch.Generator()
            pair.ours.set_state(bytes(t.get_state().numpy()))
            pair.theirs.set_state(
                torch.frombuffer(bytearray(g.get_state()), dtype=torch.uint8).clone()
            )
            assert pair.ours.initial_seed() == pair.theirs.initial_seed() == seed


@needs_torch
def test_normal_for_every_uniform() -> None:
    """log, sine and cosine have 2**24 arguments each in float32: all of them give PyTorch's bits.

    PyTorch's generator is set to states whose words are the arguments themselves.
    """
    radius_below_2 = (
        14506666  # as a uniform number it gives a radius of 1.9999998: every bit of a sine shows
    )
    arguments = np.arange(2**24, dtype=np.uint32)
    rows = np.resize(arguments, (-(-(2**24) // 304), 38, 1, 8))
    for chunk in np.array_split(rows, 256):
        for first, second in ((chunk, chunk * 0), (chunk * 0 + radius_below_2, chunk)):
            words = np.concatenate([first, second], axis=2).reshape(len(chunk), 608)
            unit = words.astype(np.float32).ravel() * np.float32(2.0**-24)
            ours = fills._blocks_single(unit, 0.0, 1.0)
            assert ours.tobytes() == normal_from_words(words).tobytes()


def normal_from_words(words: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    states = np.zeros(len(words), STATE_LAYOUT)
    states["left"], states["seeded"], states["next"] = 624, 1, 1
    states["words"][:, 1 : 1 + words.shape[1]] = untempered(words)
    out, generator = torch.empty(*words.shape), torch.Generator()
    for row, state in zip(out, states, strict=True):
        generator.set_state(torch.frombuffer(bytearray(state.tobytes()), dtype=torch.uint8).clone())
        row.normal_(generator=generator)
    return out.numpy()


def untempered(words: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The state words that MT19937's tempering turns into `words`: its four steps undone."""
    y = words ^ (words >> 18)
    y = y ^ ((y << 15) & np.uint32(0xEFC60000))
    x = y
    for _ in range(5):
        x = y ^ ((x << 7) & np.uint32(0x9D2C5680))
    y = x
    for _ in range(3):
        x = y ^ (x >> 11)
    return x


def test_state_round_trip() -> None:
    for draws in (0, 1, 5, 623, 624, 625, 1300):
        one, other = Mt19937(draws), Mt19937(99)
        one.words(draws)
        fills.normal(one, 3, dt.float64)  # leaves a cached normal
        other.set_state(one.get_state())
        assert other.get_state() == one.get_state()
        for n in (2, 700):
            assert (fills.normal(other, n, dt.float32) == fills.normal(one, n, dt.float32)).all()


def test_bad_states() -> None:
    g = Mt19937(0)
    with pytest.raises(
        RuntimeError, match=r"Expected a CPUGeneratorImplState of size 5056 but found .* 10"
    ):
        g.set_state(bytes(10))
    with pytest.raises(RuntimeError, match="Invalid mt19937 state"):
        g.set_state(bytes(5056))
    for seed in (2**64, -(2**63) - 1):
        with pytest.raises(ValueError, match="Overflow when unpacking long long"):
            g.manual_seed(seed)


def test_seeds() -> None:
    g = Mt19937()
    assert g.initial_seed() == 67280421310721
    assert g.manual_seed(-1) is g
    assert g.initial_seed() == 2**64 - 1
    drawn = g.seed()
    assert g.initial_seed() == drawn < 2**53
    first, second = Mt19937(3), Mt19937(3)
    high, low = (int(word) for word in second.words(2))
    assert first.seed_word() == high << 32 | low


def test_fills_do_not_mix_between_threads() -> None:
    """Each fill takes one unbroken piece of the stream."""
    g, pieces = Mt19937(5), []
    threads = [
        threading.Thread(target=lambda: pieces.append(fills.uniform(g, 50_000, dt.float32)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    whole = fills.uniform(Mt19937(5), 200_000, dt.float32).reshape(4, -1)
    assert sorted(piece.tobytes() for piece in pieces) == sorted(piece.tobytes() for piece in whole)
