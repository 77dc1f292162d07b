"""The gradient of a convolution in its weights: w_ct[o, c, r, s] = sum over images and positions of out_ct * x.

With many channels vectors run along the output channels (`channel_filter.py`). With few of them, and the batch
innermost, they run along the images: a tile holds some output channels times some (input channel, tap) pairs as
vectors of sums whose lanes are images; a block of positions that fits the first-level cache is gone over by all tiles
of some output channels before the next one, with the vectors of sums kept in scratch in between. Lanes are added up at
the end. Taps that fall into the padding read a vector of zeros.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import product as combinations
from math import prod
from typing import TYPE_CHECKING, NamedTuple

from alight.backends.cpu.channel_filter import ChannelFilter, channel_filter_bytes, filter_plan
from alight.backends.cpu.code import Code, Value, vector
from alight.backends.cpu.division import divided, moved, shared
from alight.backends.cpu.target import Target
from alight.backends.cpu.threads import barrier
from alight.backends.cpu.tiles import ITEMSIZES, dot_tile, first_lanes, folded_sum, zero
from alight.backends.cpu.winograd_filter import (
    WinogradFilter,
    filter_by_winograd,
    winograd_filter_scratch,
)

if TYPE_CHECKING:
    from alight.backends.cpu.convolution import Convolution

# finish(code, offset, values, mask): gets the finished sums of one vector exactly once for each element of w_ct; the
# lanes are consecutive elements of its memory from `offset` (in elements) on.
FilterFinish = Callable[[Code, Value, Value, "Value | None"], None]


class Blocks(NamedTuple):
    """The tile, how many tiles there are along each axis, and the block of positions."""

    outputs: int  # output channels of a tile
    inputs: int  # input channels of a tile
    rows: int  # rows of the window in a tile
    columns: int
    tiles: tuple[int, int, int, int]  # how many of them
    images: int  # images of a block
    high: int  # rows of positions of a block
    wide: int  # columns

    @property
    def pairs(self) -> int:
        """(input channel, tap) pairs of a tile."""
        return self.inputs * self.rows * self.columns


def by_channels(conv: Convolution, target: Target) -> bool:
    """Whether vectors run along the output channels, by a count of cycles."""
    conv = _flattened(conv)
    count = _lane_count(conv, target)
    extent = conv.out_size[1] if _single_rows(conv) else conv.batch
    filled = max(1, extent) / (-(-max(1, extent) // count) * count)
    weights = conv.outputs * (conv.inputs // conv.groups) * prod(conv.window)
    lanes_added_up = _LANE_SUM_CYCLES * weights / max(1, conv.batch * prod(conv.out_size))
    here = _EDGES * _tile_cycles(conv, target)[1] / (count * filled) + lanes_added_up
    return filter_plan(conv, target)[1] < here


_LANE_SUM_CYCLES = 10.0  # to add up and store the lanes of a vector of sums
_EDGES = 1.2  # what the ends of rows cost


def blocks_of(conv: Convolution, target: Target) -> Blocks:
    """The cheapest tile, and its block of positions."""
    return _tile_cycles(conv, target)[0]


@lru_cache(256)
def _tile_cycles(conv: Convolution, target: Target) -> tuple[Blocks, float]:
    """The cheapest tile by a count of multiply-adds, loads and of moving sums to and from scratch."""
    count = _lane_count(conv, target)
    outputs, inputs = conv.outputs // conv.groups, conv.inputs // conv.groups
    rows, columns = conv.window
    best, fewest = (1, 1, 1, 1), float("inf")
    chunks = {-(-columns // n) for n in range(1, columns + 1)}
    for many, few, high, wide in combinations(
        range(1, min(12, outputs) + 1), range(1, min(9, inputs) + 1), {1, rows}, chunks
    ):
        pairs = few * high * wide
        if pairs > 9 or many * pairs + min(pairs, many) + 1 >= target.registers:
            continue
        tiles = -(-outputs // many) * -(-inputs // few) * -(-rows // high) * -(-columns // wide)
        step = max(many * pairs / 2, (many + pairs) / 2 * 1.1, 4.0)
        # New vectors of x come from the second cache; sums go to scratch and back once a block.
        step += 2 * few * high + 1.5 * many * pairs / _steps(many, target)
        cycles = tiles * step
        if cycles < fewest * 0.999:
            best, fewest = (many, few, high, wide), cycles
    many, few, high, wide = best
    steps = _steps(many, target)
    images = max(1, min(conv.batch, steps * count)) if count > 1 else 1
    across = max(1, steps * count // images)
    blocks = Blocks(
        many, few, high, wide,
        (-(-outputs // many), -(-inputs // few), -(-rows // high), -(-columns // wide)),
        images,
        max(1, across // conv.out_size[1]) if across >= conv.out_size[1] else 1,
        min(across, conv.out_size[1]),
    )  # fmt: skip
    return blocks, fewest * conv.groups


def _flattened(conv: Convolution) -> Convolution:
    """Positions as one long row, where the window is a single tap and rows of x and out_ct follow each other."""
    single = conv.window == (1, 1) and conv.stride == (1, 1) and conv.size == conv.out_size
    width = conv.size[1]
    if not single or any(s[2] != s[3] * width for s in (conv.x, conv.out)):
        return conv
    flat = (1, prod(conv.size))
    return conv._replace(size=flat, out_size=flat)


def _steps(outputs: int, target: Target) -> int:
    """Vectors of out_ct per channel that a block may have, so that a tile's channels fill half of the first cache."""
    return max(4, target.l1_bytes * 9 // 16 // (outputs * target.vector_bytes))


def _single_rows(conv: Convolution) -> bool:
    """Whether there is one image whose rows are contiguous: vectors run along these."""
    return conv.batch == 1 and conv.x[3] == conv.out[3] == 1 and conv.stride[1] == 1


def _lane_count(conv: Convolution, target: Target) -> int:
    """Lanes of the vectors: 1 where images do not lie next to each other."""
    contiguous = (conv.x[0] == 1 and conv.out[0] == 1) or _single_rows(conv)
    return target.lanes(ITEMSIZES[conv.type]) if contiguous else 1


def _thread_bytes(conv: Convolution, target: Target) -> int:
    """Bytes of one thread's sums."""
    blocks = blocks_of(_flattened(conv), target)
    vectors = prod(blocks.tiles[1:]) * blocks.outputs * blocks.pairs
    return -(-vectors * _lane_count(conv, target) * ITEMSIZES[conv.type] // 64) * 64


def _dense_bytes(conv: Convolution) -> int:
    elements = conv.outputs * (conv.inputs // conv.groups) * prod(conv.window)
    return -(-elements * ITEMSIZES[conv.type] // 64) * 64


def filter_scratch_bytes(conv: Convolution, target: Target, threads: int) -> int:
    """Bytes of scratch memory, aligned to 64, that the code uses."""
    if filter_by_winograd(conv, target):
        return _dense_bytes(conv) + winograd_filter_scratch(conv, target, threads)
    if by_channels(conv, target):
        return _dense_bytes(conv) + threads * channel_filter_bytes(_flattened(conv), target)
    return _dense_bytes(conv) + threads * _thread_bytes(conv, target)


def emit_filter_gradient(
    code: Code,
    conv: Convolution,
    target: Target,
    x: Value,
    out_ct: Value,
    w_ct: Value,
    scratch: Value | None,
    finish: FilterFinish | None = None,
) -> None:
    """Write the code of the gradient in the weights into a kernel that has `thread`, `threads` and `team`.

    With a `finish`, w's strides must be those of dense memory, and there is a barrier inside.
    """
    if 0 in (conv.outputs, conv.inputs, *conv.window):
        return
    conv = _flattened(conv)
    assert scratch is not None
    dense = w_ct if finish is None else scratch
    if filter_by_winograd(conv, target):
        own = code.element(scratch, _dense_bytes(conv), 1)
        WinogradFilter(code, conv, target, x, out_ct, dense, own).run()
    elif by_channels(conv, target):
        own = code.element(scratch, _dense_bytes(conv), 1)
        ChannelFilter(code, conv, target, x, out_ct, dense, own).run()
    else:
        _FilterGradient(code, conv, target, x, out_ct, dense, scratch).run()
    if finish is not None:
        _finish_dense(code, conv, target, dense, finish)


def _finish_dense(
    code: Code, conv: Convolution, target: Target, dense: Value, finish: FilterFinish
) -> None:
    """All threads meet, then each finishes its share of the gradient's memory."""
    barrier(code)
    itemsize = ITEMSIZES[conv.type]
    count = target.lanes(itemsize)
    type = vector(conv.type, count)
    elements = conv.outputs * (conv.inputs // conv.groups) * prod(conv.window)
    whole, rest = divmod(elements, count)
    first, last = code.share(code.integer(whole), code["thread"], code["threads"])
    with code.loop(first, last) as i:
        offset = code.mul(i, count)
        finish(code, offset, code.load(type, code.element(dense, offset, itemsize)), None)
    if rest:
        mine = code.compare("icmp eq", code["thread"], code.integer(0))
        with code.when(mine):
            offset = code.integer(whole * count)
            mask = first_lanes(rest, type)
            at = code.element(dense, whole * count, itemsize)
            finish(code, offset, code.load(type, at, mask), mask)


class _Tile(NamedTuple):
    """First output channel, input channel and tap of a tile, all groups together."""

    output: Value
    input: Value
    row: Value
    column: Value


class _FilterGradient:
    def __init__(
        self,
        code: Code,
        conv: Convolution,
        target: Target,
        x: Value,
        out_ct: Value,
        w_ct: Value,
        scratch: Value,
    ) -> None:
        self.code, self.conv, self.target = code, conv, target
        self.x, self.out_ct, self.w_ct = x, out_ct, w_ct
        self.blocks = blocks_of(conv, target)
        self.itemsize = ITEMSIZES[conv.type]
        self.count = _lane_count(conv, target)
        self.type = vector(conv.type, self.count)
        self.vector_bytes = self.count * self.itemsize
        own = code.mul(code["thread"], _thread_bytes(conv, target))
        self.sums = code.element(scratch, code.add(own, _dense_bytes(conv)), 1)
        self.zeros: Value | None = None

    def run(self) -> None:
        """Units of work: (group, output channels) x (input channels, taps)."""
        code, conv, blocks = self.code, self.conv, self.blocks
        self._make_zeros()
        inner = prod(blocks.tiles[1:])
        with shared(code, conv.groups * blocks.tiles[0], inner) as (unit, first, last):
            group, many = divided(code, unit, blocks.tiles[0])
            outputs = conv.outputs // conv.groups
            output = self._start(many, blocks.outputs, outputs)
            output = code.add(output, code.mul(group, outputs))
            self._clear(first, last)
            self._all_blocks(group, output, first, last)
            with code.loop(first, last) as index:
                self._reduce(self._tile(index, group, output), index)

    def _make_zeros(self) -> None:
        code, conv = self.code, self.conv
        padded = any(
            low > 0 or (out - 1) * stride - low + (taps - 1) * dilation >= size
            for (low, _), out, stride, taps, dilation, size in zip(
                conv.padding, conv.out_size, conv.stride, conv.window, conv.dilation, conv.size,
                strict=True,
            )
        )  # fmt: skip
        if not padded:
            return
        longest = self.blocks.images * (self.blocks.wide if self._is_run() else 1)
        vectors = -(-longest // self.count)
        room = 1 << (vectors - 1).bit_length() if self.target.varied else vectors
        self.zeros = code.array(conv.type, room * self.count)
        with code.loop(code.integer(0), code.integer(vectors)) as i:
            at = code.element(self.zeros, code.mul(i, self.vector_bytes), 1)
            code.store(zero(self.type), at)

    def _start(self, index: Value, size: int, extent: int) -> Value:
        """Where tile `index` begins: the last one ends at the extent and overlaps with the one before."""
        start = self.code.mul(index, size)
        return (
            start
            if extent % size == 0
            else self.code.minimum(start, self.code.integer(extent - size))
        )

    def _tile(self, index: Value, group: Value, output: Value) -> _Tile:
        code, conv, blocks = self.code, self.conv, self.blocks
        outer, column = divided(code, index, blocks.tiles[3])
        few, row = divided(code, outer, blocks.tiles[2])
        inputs = conv.inputs // conv.groups
        start = self._start(few, blocks.inputs, inputs)
        return _Tile(
            output,
            code.add(start, code.mul(group, inputs)),
            self._start(row, blocks.rows, conv.window[0]),
            self._start(column, blocks.columns, conv.window[1]),
        )

    def _sums_at(self, index: Value) -> Value:
        size = self.blocks.outputs * self.blocks.pairs * self.vector_bytes
        return self.code.element(self.sums, self.code.mul(index, size), 1)

    def _clear(self, first: Value, last: Value) -> None:
        code, each = self.code, self.blocks.outputs * self.blocks.pairs
        with code.loop(code.mul(first, each), code.mul(last, each)) as i:
            at = code.element(self.sums, code.mul(i, self.vector_bytes), 1)
            code.store(zero(self.type), at)

    def _all_blocks(self, group: Value, output: Value, first: Value, last: Value) -> None:
        code, conv, blocks = self.code, self.conv, self.blocks
        high, wide = conv.out_size
        zero_index = code.integer(0)
        with (
            code.loop(zero_index, code.integer(conv.batch), blocks.images) as image,
            code.loop(zero_index, code.integer(high), blocks.high) as top,
            code.loop(zero_index, code.integer(wide), blocks.wide) as left,
        ):
            bottom = code.minimum(code.add(top, blocks.high), code.integer(high))
            right = code.minimum(code.add(left, blocks.wide), code.integer(wide))
            out = moved(code, self.out_ct, self.itemsize, conv.out[:2], [image, output])
            images = code.minimum(
                code.op("sub", code.integer(conv.batch), image), code.integer(blocks.images)
            )
            with code.loop(first, last) as index:
                tile = self._tile(index, group, output)
                x = moved(code, self.x, self.itemsize, conv.x[:2], [image, tile.input])
                self._block(tile, index, x, out, images, (top, bottom, left, right))

    def _block(
        self,
        tile: _Tile,
        index: Value,
        x: Value,
        out: Value,
        images: Value,
        bounds: tuple[Value, Value, Value, Value],
    ) -> None:
        """Add one block of positions to the sums of one tile."""
        code, blocks = self.code, self.blocks
        top, bottom, left, right = bounds
        if blocks.rows == 1:
            top, bottom = self._within(0, tile.row, top, bottom)
        if blocks.columns == 1:
            left, right = self._within(1, tile.column, left, right)
        at = self._sums_at(index)
        places = [
            code.element(at, i * self.vector_bytes, 1) for i in range(blocks.outputs * blocks.pairs)
        ]

        def line(y: Value, sums: list[Value]) -> list[Value]:
            return self._line(tile, x, out, images, y, (left, right), sums)

        # A block's sums begin at zero: sums of sums lose less than one long chain of additions.
        sums = code.fold(top, bottom, 1, [zero(self.type)] * len(places), line)
        for place, value in zip(places, sums, strict=True):
            code.store(code.op("fadd", code.load(self.type, place), value), place)

    def _line(
        self,
        tile: _Tile,
        x: Value,
        out: Value,
        images: Value,
        y: Value,
        bounds: tuple[Value, Value],
        sums: list[Value],
    ) -> list[Value]:
        """Positions of one row. Those at which all taps are inside the image are one long run of memory."""
        code = self.code
        left, right = bounds
        if not self._is_run():
            return code.fold(
                left, right, 1, sums,
                lambda p, sums: self._position(tile, x, out, images, y, p, sums),
            )  # fmt: skip
        begin, end = left, right
        if self.zeros is not None:
            last = code.add(tile.column, self.blocks.columns - 1)
            begin = self._within(1, tile.column, left, right)[0]
            end = code.maximum(self._within(1, last, left, right)[1], begin)
            begin, end = code.minimum(begin, right), code.minimum(end, right)
        inside = code.op("sub", end, begin)
        one = code.integer(1)
        middle = code.minimum(inside, one)
        before = code.op("sub", begin, left)
        after = code.add(code.op("sub", right, end), code.add(before, middle))

        def segment(q: Value, sums: list[Value]) -> list[Value]:
            at_start = code.compare("icmp slt", q, before)
            beyond = code.add(code.op("sub", code.op("sub", q, before), middle), end)
            p = code.select(at_start, code.add(left, q), beyond)
            is_run = code.op(
                "and",
                code.compare("icmp eq", q, before),
                code.compare("icmp ne", middle, code.integer(0)),
            )
            p = code.select(is_run, begin, p)
            count = code.mul(code.select(is_run, inside, one), self.conv.batch)
            return self._position(tile, x, out, count, y, p, sums)

        return code.fold(code.integer(0), after, 1, sums, segment)

    def _is_run(self) -> bool:
        """Whether the images of one position are followed by those of the next one, in x and out_ct alike."""
        conv = self.conv
        if _single_rows(conv):
            return True
        whole = self.blocks.images == conv.batch and conv.batch % self.count == 0
        lanes_lie = self.count == 1 or conv.x[0] == conv.out[0] == 1
        return (
            whole and lanes_lie and conv.stride[1] == 1 and conv.x[3] == conv.out[3] == conv.batch
        )

    def _within(self, axis: int, tap: Value, first: Value, last: Value) -> tuple[Value, Value]:
        """The positions of [first, last) at which a tap lies inside the image."""
        code, conv = self.code, self.conv
        stride, low, size = conv.stride[axis], conv.padding[axis][0], conv.size[axis]
        shift = code.op("sub", code.integer(low), code.mul(tap, conv.dilation[axis]))
        before = code.maximum(code.add(shift, stride - 1), code.integer(0))
        room = code.maximum(code.add(shift, size - 1 + stride), code.integer(0))
        begin = code.op("udiv", before, code.integer(stride)) if stride > 1 else before
        end = code.op("udiv", room, code.integer(stride)) if stride > 1 else room
        return code.maximum(first, begin), code.minimum(last, end)

    def _position(
        self,
        tile: _Tile,
        x: Value,
        out: Value,
        images: Value,
        y: Value,
        p: Value,
        sums: list[Value],
    ) -> list[Value]:
        code, conv, blocks = self.code, self.conv, self.blocks
        out = moved(code, out, self.itemsize, conv.out[2:], [y, p])
        out_rows = [
            code.element(out, i * conv.out[1] * self.itemsize, 1) for i in range(blocks.outputs)
        ]
        row_place, row_inside = self._place(0, y, tile.row, blocks.rows)
        column_place, column_inside = self._place(1, p, tile.column, blocks.columns)
        x_rows = []
        base = moved(code, x, self.itemsize, conv.x[2:], [row_place, column_place])
        for c, r, s in combinations(
            range(blocks.inputs), range(blocks.rows), range(blocks.columns)
        ):
            offset = (
                c * conv.x[1] + r * conv.dilation[0] * conv.x[2] + s * conv.dilation[1] * conv.x[3]
            )
            row = code.element(base, offset * self.itemsize, 1)
            x_rows.append(self._or_zeros(row, row_inside[r], column_inside[s]))
        # The next input channels' rows are far from these: no hardware guesses them.
        step = blocks.inputs * conv.x[1]
        center = blocks.columns // 2 * conv.dilation[1] * conv.x[3]
        ahead = [
            code.element(
                base,
                (step + c * conv.x[1] + r * conv.dilation[0] * conv.x[2] + center) * self.itemsize,
                1,
            )
            for c in range(blocks.inputs)
            for r in range(blocks.rows)
        ]
        tail = None
        if conv.batch % self.count:
            tail = code.tail_mask(code.op("and", images, code.integer(self.count - 1)), self.type)
        apart = (conv.out[0], conv.x[0]) if self.count == 1 else (1, 1)
        made = dot_tile(
            code, self.target, self.type, out_rows, x_rows, images, tail, sums, apart, ahead
        )
        return [value for row in made for value in row]

    def _place(
        self, axis: int, position: Value, tap: Value, taps: int
    ) -> tuple[Value, list[Value | None]]:
        """The place of the first tap, and whether each tap's place lies inside; None: it always does."""
        code, conv = self.code, self.conv
        place = code.add(code.mul(position, conv.stride[axis]), -conv.padding[axis][0])
        place = code.add(place, code.mul(tap, conv.dilation[axis]))
        if taps == 1 or self.zeros is None:  # bounds of the loop took care of it
            return place, [None] * taps
        size = code.integer(conv.size[axis])
        return place, [
            code.compare("icmp ult", code.add(place, i * conv.dilation[axis]), size)
            for i in range(taps)
        ]

    def _or_zeros(self, row: Value, *conditions: Value | None) -> Value:
        for condition in conditions:
            if condition is not None:
                assert self.zeros is not None
                row = self.code.select(condition, row, self.zeros)
        return row

    def _reduce(self, tile: _Tile, index: Value) -> None:
        """Add up the lanes of a tile's sums and store them where they belong."""
        code, conv, blocks = self.code, self.conv, self.blocks
        inputs = conv.inputs // conv.groups
        channel = code.op("srem", tile.input, code.integer(inputs))
        start = moved(
            code, self.w_ct, self.itemsize, conv.w, [tile.output, channel, tile.row, tile.column]
        )
        sums = self._sums_at(index)
        with code.loop(code.integer(0), code.integer(blocks.outputs)) as i:
            at = code.element(sums, code.mul(i, blocks.pairs * self.vector_bytes), 1)
            to = moved(code, start, self.itemsize, conv.w[:1], [i])
            pairs = combinations(range(blocks.inputs), range(blocks.rows), range(blocks.columns))
            for j, steps in enumerate(pairs):
                values = code.load(self.type, code.element(at, j * self.vector_bytes, 1))
                offset = sum(a * b for a, b in zip(steps, conv.w[1:], strict=True))
                code.store(folded_sum(code, values), code.element(to, offset, self.itemsize))
