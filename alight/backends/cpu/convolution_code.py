"""What all writers of a convolution share: its operands, the vectors that it is computed in, and where its sums go."""

from __future__ import annotations

from collections.abc import Callable

from alight.backends.cpu.code import Code, Value, vector
from alight.backends.cpu.division import moved
from alight.backends.cpu.target import Target
from alight.backends.cpu.walk import Nest

# finish(code, [n, channel, row, column], values, mask): gets the finished sums of one vector exactly once for each
# element. The indices are those of its first lane; lanes run along n ("batch"), the channel ("channels") or the
# column ("columns"), as `vector_axis` says, and the mask (None: all) tells the valid ones.
Finish = Callable[[Code, list[Value], Value, "Value | None"], None]


class ConvolutionCode:
    """Writes one convolution, each kind in its own way."""

    def __init__(
        self,
        code: Code,
        nest: Nest,
        target: Target,
        along: str,
        read: Value,
        w: Value,
        written: Value,
        scratch: Value | None,
        finish: Finish | None,
    ) -> None:
        self.code, self.nest, self.target = code, nest, target
        self.along = along  # what lanes run along: see `Finish`
        self.read, self.w, self.written = read, w, written
        self.has_ending, self.finish = finish is not None, finish or self._store
        self.lanes = self.lanes_of()
        self.type = vector(nest.type, self.lanes)
        self.prepare(scratch)

    def lanes_of(self) -> int:
        """How many lanes its vectors have."""
        return self.target.lanes(self.nest.itemsize)

    def prepare(self, scratch: Value | None) -> None:
        """What else it needs; `scratch` is memory for all threads, None if it wants none."""

    def run(self) -> None:
        """Write the loops."""
        raise NotImplementedError

    def _store(self, code: Code, indices: list[Value], values: Value, mask: Value | None) -> None:
        nest = self.nest
        code.store(values, moved(code, self.written, nest.itemsize, nest.written, indices), mask)
