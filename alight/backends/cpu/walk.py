"""How one spatial axis of a convolution is walked: from a position and a tap of the window to the place that is read.

Forward, position p and tap t read place p * stride - padding + t * dilation. The gradient in the input turns this
around: position p of the input gets from tap t the place (p + padding - t * dilation) / stride of the output, where that
divides. In both cases the taps that count are an arithmetic progression, and so are their places: padding and strides
become the bounds of a loop, and nothing is padded or filled with zeros in memory. Places are walked upwards, which
processors guess ahead best; so the gradient begins with its last tap.
"""

from __future__ import annotations

from math import gcd
from typing import NamedTuple

from alight.backends.cpu.code import Code, Value
from alight.backends.cpu.tiles import ITEMSIZES


class Walk(NamedTuple):
    """One axis: its taps, and the extents of what is read and of what is written."""

    taps: int
    read: int
    written: int
    stride: int
    padding: int  # before the first place
    dilation: int
    backward: bool

    @property
    def tap_step(self) -> int:
        """From one tap that counts to the next."""
        return -(self.stride // gcd(self.stride, self.dilation)) if self.backward else 1

    @property
    def place_step(self) -> int:
        """From the place of one tap that counts to that of the next."""
        if self.backward:
            return self.dilation // gcd(self.stride, self.dilation)
        return self.dilation

    @property
    def plain(self) -> bool:
        """Whether every tap counts at every position."""
        if self.backward:
            return (
                self.taps == 1
                and self.stride == 1
                and self.padding == 0
                and self.read == self.written
            )
        last = (self.written - 1) * self.stride - self.padding + (self.taps - 1) * self.dilation
        return self.padding <= 0 and last < self.read


class Regular(NamedTuple):
    """An axis on which position p and tap t read place p * stride + start + t * step, if there is one."""

    stride: int
    start: int
    step: int

    @classmethod
    def of(cls, walk: Walk) -> Regular:
        """The places of a walk forward, or backward with stride 1."""
        if walk.backward:
            return cls(1, walk.padding, -walk.dilation)
        return cls(walk.stride, -walk.padding, walk.dilation)


def is_regular(walk: Walk) -> bool:
    """Whether all taps of a walk count at every position, if places exist."""
    return not walk.backward or walk.stride == 1


class Nest(NamedTuple):
    """What forward and the gradient in x have in common: written[n, row, y, x] = sum over terms and taps."""

    type: str
    batch: int
    groups: int
    rows: int  # channels written, of one group
    terms: int  # channels read, of one group
    walks: tuple[Walk, Walk]
    read: tuple[int, ...]  # element strides (n, channel, y, x)
    written: tuple[int, ...]
    w: tuple[int, ...]  # (row, term, tap y, tap x)
    w_group: int

    @property
    def itemsize(self) -> int:
        """Bytes of an element."""
        return ITEMSIZES[self.type]


class Run(NamedTuple):
    """The taps that count at one position: numbers [first, last) of the progression, and its start."""

    first: Value
    last: Value
    tap: Value  # of number 0
    place: Value


def run_at(code: Code, walk: Walk, position: Value) -> Run:
    """The taps that count at a position."""
    if walk.backward:
        return _backward(code, walk, position)
    place = code.add(code.mul(position, walk.stride), -walk.padding)
    zero, taps = code.integer(0), code.integer(walk.taps)
    if walk.plain:
        return Run(zero, taps, zero, place)
    before = code.maximum(code.op("sub", zero, place), zero)
    room = code.maximum(code.op("sub", code.integer(walk.read), place), zero)
    first = _ceiling(code, before, walk.dilation)
    return Run(first, code.minimum(_ceiling(code, room, walk.dilation), taps), zero, place)


def _backward(code: Code, walk: Walk, position: Value) -> Run:
    shifted = code.add(position, walk.padding)
    if walk.stride == 1:
        tap, count, place = code.integer(0), code.integer(walk.taps), shifted
    else:
        tap, count = _first_taps(code, walk, shifted)
        distance = code.op("sub", shifted, code.mul(tap, walk.dilation))
        place = code.op("sdiv", distance, code.integer(walk.stride))
    # Numbered downwards in place at first: [first, last) of them count, and the last one becomes number 0.
    zero, step = code.integer(0), walk.place_step
    past = code.maximum(code.add(place, 1 - walk.read), zero)
    first = _ceiling(code, past, step)
    room = code.maximum(code.add(place, step), zero)
    last = code.op("udiv", room, code.integer(step)) if step > 1 else room
    last = code.minimum(last, count)
    back = code.add(last, -1)
    tap = code.add(tap, code.mul(back, -walk.tap_step))
    place = code.op("sub", place, code.mul(back, step))
    return Run(zero, code.op("sub", last, first), tap, place)


def _first_taps(code: Code, walk: Walk, shifted: Value) -> tuple[Value, Value]:
    """The first tap that counts for the position's residue, and how many follow it; no tap may count at all."""
    # Positions may lie before the padding's start: the residue of a negative number is made positive.
    bias = -(-abs(walk.padding) // walk.stride) * walk.stride
    residue = code.op("urem", code.add(shifted, bias), code.integer(walk.stride))
    tap, count = code.integer(0), code.integer(0)
    for value in range(walk.stride):
        fitting = [t for t in range(walk.taps) if (t * walk.dilation - value) % walk.stride == 0]
        if fitting:
            here = code.compare("icmp eq", residue, code.integer(value))
            tap = code.select(here, code.integer(fitting[0]), tap)
            count = code.select(here, code.integer(len(fitting)), count)
    return tap, count


def _ceiling(code: Code, x: Value, step: int) -> Value:
    """x / step rounded up, x not negative."""
    if step == 1:
        return x
    return code.op("udiv", code.add(x, step - 1), code.integer(step))
