"""Views that are parts of an array, as one index: the usual `x[i, j]` and `x[i:i + n]`, a sixth of the time.

In: the program of a view. Out: a function from the array and the numbers that say where, or None for other programs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from alight.backends.interpreter.arrays import Array
from alight.ir.program import Node, Program


class _Open(NamedTuple):
    """An axis of which a part is taken from a number on."""

    axis: int
    input: int  # of the program: the number
    most: int
    start: int  # in the array, where the number is 0
    step: int
    length: int  # from the part's first element to behind its last one


def part_of(link: Program) -> Callable[[Sequence[Any]], Array | None] | None:
    """The view's array over the memory of the first input; None from it where a number is out of range."""
    found = _Part(link)
    if not all(map(found.take, link.nodes)) or link.outputs != (found.at,):
        return None
    axes = zip(found.starts, found.steps, found.sizes, strict=True)
    known = [slice(start, start + _length(size, step), step) for start, step, size in axes]
    open_, shape = tuple(found.open), link.types[found.at].shape

    def run(inputs: Sequence[Any]) -> Array | None:
        index = known.copy()
        for axis, number, most, start, step, length in open_:
            place = int(inputs[number])
            if not 0 <= place <= most:
                return None
            first = start + place * step
            index[axis] = slice(first, first + length, step)
        return inputs[0][tuple(index)].reshape(shape)  # type: ignore[no-any-return]

    return run


def _length(size: int, step: int) -> int:
    return (size - 1) * step + 1 if size else 0


class _Part:
    """What the nodes of a view's program have taken so far."""

    def __init__(self, link: Program) -> None:
        self.link, self.at = link, link.inputs[0]
        shape = link.types[self.at].shape
        self.starts, self.steps, self.sizes = [0] * len(shape), [1] * len(shape), list(shape)
        self.open: list[_Open] = []
        self.zeros: set[int] = set()
        self.reshaped = False

    def take(self, node: Node) -> bool:
        """Whether one more node is known here."""
        (out,) = node.outputs
        name = node.primitive.name
        if name == "full":
            self.zeros.add(out)
            return node.statics["value"] == 0 and self.link.types[out].shape == ()
        if node.inputs[:1] != (self.at,) or self.reshaped or (self.open and name != "reshape"):
            return False
        self.at = out
        if name == "slice":
            self._slice(**node.statics)
        elif name == "dynamic_slice":
            self._from_numbers(node.inputs[1:], node.statics["sizes"])
        elif name == "reshape":  # leaves out axes that are picked from, and puts new ones in
            self.reshaped = True
            kept = [size for size in self.sizes if size != 1]
            return [size for size in self.link.types[out].shape if size != 1] == kept
        return name in ("slice", "dynamic_slice")

    def _slice(self, starts: Sequence[int], stops: Sequence[int], steps: Sequence[int]) -> None:
        for axis, (start, stop, step) in enumerate(zip(starts, stops, steps, strict=True)):
            self.starts[axis] += start * self.steps[axis]
            self.steps[axis] *= step
            self.sizes[axis] = max(0, -(-(stop - start) // step))

    def _from_numbers(self, numbers: Sequence[int], sizes: Sequence[int]) -> None:
        for axis, (number, size) in enumerate(zip(numbers, sizes, strict=True)):
            if number not in self.zeros:
                most, step = self.sizes[axis] - size, self.steps[axis]
                self.open.append(
                    _Open(
                        axis, self.link.inputs.index(number), most, self.starts[axis], step,
                        _length(size, step),
                    )
                )  # fmt: skip
            self.sizes[axis] = size
