"""Random programs of views, writes, broadcasting, indexing, dtypes and gradients: what PyTorch does, alight does.

Then loops whose scalars, lists, aliases and attributes change between laps: a known path must not remember old ones.
"""

from __future__ import annotations

import os

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import alight
from tests.semantics.oracle import close
from tests.semantics.random_programs import ACTIONS, Machine

EXAMPLES = int(os.environ.get("EXAMPLES", "50"))
NUMBER = st.integers(0, 47)
PROGRAM = st.lists(st.tuples(st.integers(0, len(ACTIONS) - 1), NUMBER, NUMBER, NUMBER), max_size=16)
# Where PyTorch's own answer depends on what backward happened to keep, or on memory that alight does not share.
NOT_COMPARED = (
    "modified by an inplace operation",
    "modified inplace",
    "refer to a single memory location",
    "unsupported operation",
    "UserWarning",
    "expand(",
)
# PyTorch refuses to write a view that was made before what it views had gradients, unless somebody has looked at it.
BY_LOOKING = "a leaf Variable that requires grad is being used in an in-place operation."


def both(program, gradients):
    theirs = Machine(torch, gradients).run(program)
    ours = Machine(alight, gradients).run(program)
    return ours, theirs


def check(program, gradients):
    ours, theirs = both(program, gradients)
    text = [(ACTIONS[kind].__name__, *numbers) for kind, *numbers in program]
    for one, other in zip(ours[0], theirs[0], strict=True):
        if any(words in str(other) for words in NOT_COMPARED):
            return
        if isinstance(one, tuple) and len(one) == 1 and other[-1] == BY_LOOKING:
            return
        assert close(one, other), f"{text}\nalight:  {one}\nPyTorch: {other}"
    assert close(ours[1:], theirs[1:]), f"{text}\nalight:  {ours[1:]}\nPyTorch: {theirs[1:]}"


def settled(function):
    return settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )(function)


@settled
@given(PROGRAM)
def test_values(program):
    check(program, gradients=False)


@settled
@given(PROGRAM)
def test_gradients(program):
    check(program, gradients=True)


# -- laps --------------------------------------------------------------------------------------------------------------


class Holder:
    """An object with attributes, as programs keep their state in."""


def lap(torch, state, numbers):
    """One lap of a loop: everything that could be remembered wrongly is different from lap to lap."""
    a, b, c, d = numbers
    x, w = state.x, state.w
    other = (x, state.spare, x[: x.shape[0] // 2 + 1], x.t().t())[a % 4]  # aliases come and go
    y = (x * (b % 5) + c / 4) * other.sum()
    parts = [y, other[:1], x][: 1 + d % 3]  # lists of several lengths
    z = torch.cat([part.reshape(-1) for part in parts])
    k = b % z.shape[0]
    z[k] = c % 7  # an index that moves
    z[k : k + 1 + d % 2] += a % 3
    loss = (z * w[: z.shape[0]]).sum() * (1.5 if a % 2 else 2) + state.scale * z.mean()
    loss.backward()
    with torch.no_grad():
        w -= (0.01 if b % 2 else 0.02) * w.grad
        w.grad = None
    if c % 3 == 0:
        state.scale = 2.0 if loss.item() > 0.05 else 0.5  # an attribute that comes from a result
    if d % 4 == 0:
        state.x, state.spare = state.spare, state.x
    if a % 5 == 0:
        state.x = state.x * 0.5
    if b % 6 == 0:
        state.flag = not state.flag
    if state.flag:
        state.x = state.x.clone()
    return z.sum()


def laps(torch, script):
    state = Holder()
    state.x = torch.arange(6.0).reshape(3, 2) / 4
    state.spare = torch.ones(3, 2)
    state.w = (torch.arange(40.0) / 40).requires_grad_()
    state.scale, state.flag = 1.0, False
    seen = [lap(torch, state, numbers) for numbers in script]
    return [one.tolist() for one in (*seen, state.w, state.x, state.spare)], state.scale


@settled
@given(st.lists(st.tuples(NUMBER, NUMBER, NUMBER, NUMBER), min_size=2, max_size=8))
def test_laps(script):
    ours, theirs = laps(alight, script), laps(torch, script)
    assert close(ours, theirs, 1e-4), f"{script}\nalight:  {ours}\nPyTorch: {theirs}"


@pytest.mark.slow
@pytest.mark.parametrize("gradients", [False, True])
def test_the_long_tail(gradients):
    import random

    for seed in range(1500):
        choose = random.Random(seed)
        length = choose.randrange(1, 24)
        program = [
            (choose.randrange(len(ACTIONS)), *(choose.randrange(48) for _ in range(3)))
            for _ in range(length)
        ]
        check(program, gradients)
