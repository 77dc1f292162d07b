"""Two-dimensional convolutions and their gradients, direct: nothing is unfolded or padded in memory.

In: a `Convolution` (extents and element strides, all known when code is written) and pointers. Out: code that calls
`finish` once for every vector of finished sums. Axes may lie in memory in any order; three orders are fast:

- batch innermost (channels, height, width, batch): vectors run along the batch; a tile holds several output channels of
  one position, and the weights are read as scalars where they lie. For batches of at least a vector.
- channels innermost (batch, height, width, channels; weights height, width, inputs, outputs): vectors run along the
  output channels, scalars are pixels. For small batches.

- row-major (batch, channels, height, width) with stride 1 across: vectors run along rows. For single images with few
  channels.

With channels innermost and few positions, vectors run along these instead, and weights are not moved.

All but one are one loop nest, sums over (channel, row of the window, column of the window) around the broadcast tile of
matrix products. The gradient in the input is the same nest with the channels exchanged and the window walked backwards.
The exception is 3 x 3 taps between many channels, which take fewer multiplications in another basis (`winograd.py`).
"""

from __future__ import annotations

from typing import NamedTuple

from alight.backends.cpu.batch_lanes import BatchNest
from alight.backends.cpu.channel_lanes import ChannelNest, channel_scratch
from alight.backends.cpu.code import Code, Value
from alight.backends.cpu.convolution_code import ConvolutionCode, Finish
from alight.backends.cpu.depthwise import Depthwise, depthwise_scratch, is_depthwise
from alight.backends.cpu.depthwise_rows import DepthwiseRows, is_depthwise_rows
from alight.backends.cpu.filter_gradient import emit_filter_gradient, filter_scratch_bytes
from alight.backends.cpu.patch_lanes import PatchNest, by_patches, patch_scratch
from alight.backends.cpu.row_lanes import RowNest, by_rows
from alight.backends.cpu.target import Target
from alight.backends.cpu.tiles import ITEMSIZES
from alight.backends.cpu.walk import Nest, Walk
from alight.backends.cpu.winograd import Winograd
from alight.backends.cpu.winograd_plan import by_winograd, winograd_scratch

__all__ = [
    "Convolution",
    "Finish",
    "emit_data_gradient",
    "emit_filter_gradient",
    "emit_forward",
    "preferred_order",
    "scratch_bytes",
    "supports",
    "vector_axis",
]


class Convolution(NamedTuple):
    """A convolution of x with w: extents, and element strides in the order (n, channel, *spatial)."""

    type: str  # "float" or "double"
    batch: int
    groups: int
    inputs: int  # channels of x, all groups together
    outputs: int
    size: tuple[int, ...]  # spatial extents of x
    window: tuple[int, ...]
    out_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    x: tuple[int, ...]  # (n, c, *spatial)
    w: tuple[int, ...]  # (o, c of a group, *window)
    out: tuple[int, ...]  # (n, o, *spatial)

    @property
    def itemsize(self) -> int:
        """Bytes of an element."""
        return ITEMSIZES[self.type]


def supports(conv: Convolution) -> bool:
    """Whether there is code for it: two spatial axes (a one-dimensional convolution has height 1), real floats."""
    return len(conv.size) == 2 and conv.type in ITEMSIZES


def preferred_order(conv: Convolution, target: Target) -> str:
    """The order of axes to give x and out: "batch" innermost, "channels" innermost, or "rows", which is row-major.

    Weights lie as (o, c, h, w) with "batch" and "rows", where no copy of them is made, and best as (h, w, c, o) with
    "channels"; otherwise a copy in that order is made in scratch at each call.
    """
    lanes = target.lanes(conv.itemsize)
    if conv.batch >= lanes:
        return "batch"
    few = max(conv.inputs, conv.outputs) <= lanes and conv.stride[1] == 1
    return "rows" if few else "channels"


def _walks(conv: Convolution, backward: bool) -> tuple[Walk, Walk]:
    made = []
    for axis in range(2):
        extents = conv.size[axis], conv.out_size[axis]
        read, written = reversed(extents) if backward else extents
        made.append(
            Walk(
                conv.window[axis], read, written, conv.stride[axis], conv.padding[axis][0],
                conv.dilation[axis], backward,
            )
        )  # fmt: skip
    return made[0], made[1]


def _forward_nest(conv: Convolution) -> Nest:
    rows = conv.outputs // conv.groups
    return Nest(
        conv.type, conv.batch, conv.groups, rows, conv.inputs // conv.groups,
        _walks(conv, False), conv.x, conv.out, conv.w, rows * conv.w[0],
    )  # fmt: skip


def _backward_nest(conv: Convolution) -> Nest:
    terms = conv.outputs // conv.groups
    w = (conv.w[1], conv.w[0], *conv.w[2:])
    return Nest(
        conv.type, conv.batch, conv.groups, conv.inputs // conv.groups, terms,
        _walks(conv, True), conv.out, conv.x, w, terms * conv.w[0],
    )  # fmt: skip


def vector_axis(conv: Convolution, which: str) -> str:
    """The axis that vectors given to `finish` run along by how the operands lie: "batch", "channels" or "columns".

    `which` is "forward" or "data".
    """
    return _lanes_along(_forward_nest(conv) if which == "forward" else _backward_nest(conv))


def _lanes_along(nest: Nest) -> str:
    if is_depthwise(nest):
        return "channels"
    if nest.written[1] == 1 and nest.rows > 1 and (nest.written[0] != 1 or nest.batch == 1):
        return "channels"
    return "columns" if is_depthwise_rows(nest) or by_rows(nest) else "batch"


def scratch_bytes(conv: Convolution, which: str, target: Target, threads: int) -> int:
    """Bytes of scratch memory, aligned to 64, that the code uses; `which` is "forward", "data" or "filter"."""
    if which == "filter":
        return filter_scratch_bytes(conv, target, threads)
    nest = _forward_nest(conv) if which == "forward" else _backward_nest(conv)
    if is_depthwise(nest):
        return depthwise_scratch(nest, target) * threads
    along = _lanes_along(nest)
    if by_winograd(nest, target, along):
        return winograd_scratch(nest, target, along, threads)
    if along != "channels":
        return 0
    size = patch_scratch if by_patches(nest, target) else channel_scratch
    return size(nest, target) * threads


def emit_forward(
    code: Code,
    conv: Convolution,
    target: Target,
    x: Value,
    w: Value,
    out: Value,
    scratch: Value | None,
    finish: Finish | None = None,
) -> None:
    """Write the code of out = conv(x, w) into a kernel that has `thread` and `threads`."""
    _emit(code, _forward_nest(conv), target, x, w, out, scratch, finish)


def emit_data_gradient(
    code: Code,
    conv: Convolution,
    target: Target,
    out_ct: Value,
    w: Value,
    x_ct: Value,
    scratch: Value | None,
    finish: Finish | None = None,
) -> None:
    """Write the code of the gradient in x, which is also a transposed convolution of out_ct."""
    _emit(code, _backward_nest(conv), target, out_ct, w, x_ct, scratch, finish)


def _emit(
    code: Code,
    nest: Nest,
    target: Target,
    read: Value,
    w: Value,
    written: Value,
    scratch: Value | None,
    finish: Finish | None,
) -> None:
    extents = (nest.batch, nest.groups, nest.rows, *(walk.written for walk in nest.walks))
    if 0 in extents:
        return
    along = _lanes_along(nest)
    kind = _kind(nest, target, along)
    kind(code, nest, target, along, read, w, written, scratch, finish).run()


def _kind(nest: Nest, target: Target, along: str) -> type[ConvolutionCode]:
    """Who writes a convolution."""
    if is_depthwise(nest):
        return Depthwise
    if by_winograd(nest, target, along):
        return Winograd
    if along == "batch":
        return BatchNest
    if is_depthwise_rows(nest):
        return DepthwiseRows
    if along == "columns":
        return RowNest
    return PatchNest if by_patches(nest, target) else ChannelNest
