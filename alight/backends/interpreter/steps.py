"""Steps: NumPy calls on numbered places, and the loop that runs them.

A place is an index of the list `env`. A value's place is taken by a later value once nothing reads it any more, which
is also how its memory is let go: there is no list of dead values to walk at run time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any

import numpy as np

Function = Callable[..., Any]
# A function, the places of its arguments (-1: no such argument), and the place of its result.
Step = tuple[Function, int, int, int, int]


def step(function: Function, inputs: Sequence[int], out: int) -> Step:
    """The step that puts function(*inputs) at `out`; the loop has forms for one to three arguments."""
    if len(inputs) in (1, 2, 3):
        a, b, c = (*inputs, -1, -1)[:3]
        return function, a, b, c, out
    if not inputs:
        return (lambda env: function()), -1, -1, -1, out
    get = itemgetter(*inputs)
    return (lambda env: function(*get(env))), -1, -1, -1, out


def execute(steps: Iterable[Step], env: list[Any]) -> None:
    """Run the steps: about 0.07 us each beside the calls themselves."""
    for function, a, b, c, out in steps:
        if c >= 0:
            env[out] = function(env[a], env[b], env[c])
        elif b >= 0:
            env[out] = function(env[a], env[b])
        elif a >= 0:
            env[out] = function(env[a])
        else:
            env[out] = function(env)


BREATH = 8  # steps


def execute_unless(
    given_up: Callable[[float], bool], steps: Sequence[Step], env: list[Any]
) -> bool:
    """Run the steps, and ask every few of them whether to leave the rest; False if so."""
    for at in range(0, len(steps), BREATH):
        if given_up(at / len(steps)):
            return False
        execute(steps[at : at + BREATH], env)
    return True


def writing(ufunc: np.ufunc) -> Function:
    """The ufunc with the array for its result as one more positional argument."""
    if ufunc in (np.maximum, np.minimum):  # where NumPy wants the keyword
        return lambda x, y, out: ufunc(x, y, out=out)
    return ufunc


class Places:
    """Gives out places; the one given back last is taken first."""

    def __init__(self, count: int = 0) -> None:
        self.count = count
        self.free: list[int] = []

    def take(self) -> int:
        """A place that holds nothing any more."""
        if self.free:
            return self.free.pop()
        return self.fresh()

    def fresh(self) -> int:
        """A place that never held anything."""
        self.count += 1
        return self.count - 1
