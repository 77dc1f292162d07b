"""Where Winograd's convolution pays, and in which blocks it works (`winograd.py` writes it).

In: a `Nest` and which way vectors run. Out: whether fewer multiplications are worth the transforms, by a count of
cycles; `Blocks` that fit into the second cache; where things lie in scratch memory.
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple

from alight.backends.cpu.target import Target
from alight.backends.cpu.walk import Nest, Walk

PLANES = 16  # of 4 x 4 transformed numbers
TAPS = 9
MOST_TILES = 32  # of a strip, whose rows are combined in the first cache

# Cycles of a vector, measured on Sapphire Rapids: most of them are lines that move between the caches.
# 4 x 4 pixels transformed, and 16 sums transformed back: half where channels lie innermost, since few images are near.
_MOVED = {"batch": (105, 100), "channels": (50, 50)}
_WEIGHTS = 170  # 3 x 3 weights transformed, into the second cache
_WEIGHTS_FAR = 700  # and beyond it
_DIRECT, _PRODUCT = 0.9, 0.87  # of the peak that sums over taps and products of planes reach
_WORTH = 0.85  # of the direct cycles, at most


def by_winograd(nest: Nest, target: Target, along: str) -> bool:
    """Whether it is a 3 x 3 convolution for which the transforms cost less than the multiplications that they save."""
    if not fits_winograd(nest, target, along):
        return False
    lanes = target.lanes(nest.itemsize)
    positions = [walk.written for walk in nest.walks]
    tiles = nest.batch * prod(-(-extent // 2) for extent in positions) / lanes
    pairs = nest.rows * nest.terms
    weights = pairs * PLANES * nest.itemsize
    far = _WEIGHTS_FAR if weights > target.l2_bytes // 2 else _WEIGHTS
    direct = nest.batch * prod(map(_taps, nest.walks)) * pairs / lanes / 2 / _DIRECT
    pixels, sums = _MOVED[along]
    here = tiles * (PLANES * pairs / 2 / _PRODUCT + pixels * nest.terms + sums * nest.rows)
    return here + pairs / lanes * far < _WORTH * direct


def fits_winograd(nest: Nest, target: Target, along: str) -> bool:
    """Whether there is code for it: the images lie as vectors run, the weights as (outputs, inputs, 3, 3)."""
    if nest.type != "float" or nest.groups != 1 or 0 in (nest.batch, nest.rows, nest.terms):
        return False
    if any((w.taps, w.stride, w.dilation) != (3, 1, 1) for w in nest.walks):
        return False
    turned = nest.walks[0].backward
    if nest.w[2:] != (3, 1) or nest.w[0 if turned else 1] != TAPS:
        return False
    lanes = target.lanes(nest.itemsize)
    if along == "batch":
        return nest.batch >= lanes and nest.read[0] == nest.written[0] == 1
    return not turned and nest.read[1] == nest.written[1] == 1 and nest.terms % lanes == 0


def _taps(walk: Walk) -> int:
    """Taps that fall into the image, at all positions of an axis together: the direct sum leaves out the others."""
    padding = 2 - walk.padding if walk.backward else walk.padding
    return sum(0 <= p - padding + tap < walk.read for p in range(walk.written) for tap in range(3))


class Blocks(NamedTuple):
    """How tiles are taken together: strips of tiles of one row, blocks of strips; and channels written at a time."""

    lanes: int
    along: str  # "batch" or "channels": what vectors run along
    high: int  # rows of tiles
    tiles: int  # of a strip
    parts: int  # strips of a row of tiles
    images: int  # images, or vectors of them
    strips: int  # of a block
    blocks: int
    channels: int  # written at a time

    @property
    def places(self) -> int:
        """Places of a plane: tiles of a block, times images of a vector."""
        return self.strips * self.tiles * (self.lanes if self.along == "batch" else 1)


def blocks_of(nest: Nest, target: Target, along: str) -> Blocks:
    """Blocks whose transformed pixels take an eighth of the second cache, or enough of it for the products' tiles."""
    lanes = target.lanes(nest.itemsize)
    high, wide = (-(-walk.written // 2) for walk in nest.walks)
    each = lanes if along == "batch" else 1
    tile = PLANES * nest.terms * each * nest.itemsize
    enough = 4 * lanes // each
    most = max(1, min(max(target.l2_bytes // 8 // tile, enough), target.l2_bytes // 2 // tile))
    parts = -(-wide // min(most, MOST_TILES))
    tiles = -(-wide // parts)
    images = -(-nest.batch // each)
    total = images * high * parts
    blocks = -(-total // max(1, most // tiles))
    strips = -(-total // min(total, blocks + blocks % 2))
    fitting = target.l2_bytes // 8 // (PLANES * strips * tiles * each * nest.itemsize)
    channels = min(nest.rows, max(2 * lanes, fitting // lanes * lanes))
    return Blocks(
        lanes, along, high, tiles, parts, images, strips, -(-total // strips), channels
    )  # fmt: skip


class Memory(NamedTuple):
    """Bytes in scratch memory: the weights' planes are shared, everything else is each thread's own."""

    weights: int  # from plane to plane
    pixels: int
    sums: int
    packed: int  # weights on their way
    strip: int  # pixels on their way

    @property
    def shared(self) -> int:
        """Of all threads."""
        return PLANES * self.weights

    @property
    def own(self) -> int:
        """Of one thread."""
        return PLANES * (self.pixels + self.sums) + self.packed + self.strip + 64


def memory_of(nest: Nest, blocks: Blocks) -> Memory:
    """Rows and planes begin in different sets of the first cache: a power of two apart, they would push each other out."""
    lanes, size = blocks.lanes, nest.itemsize
    terms, channels, places = (spread(n, lanes) for n in (nest.terms, blocks.channels, blocks.places))  # fmt: skip
    if blocks.along == "batch":
        pixels, sums = nest.terms * places, blocks.channels * places
    else:
        pixels, sums = blocks.places * terms, blocks.places * channels
    turned = nest.walks[0].backward
    weights = nest.rows * terms if turned else nest.terms * -(-nest.rows // lanes) * lanes
    packed, strip = (TAPS + 1) * lanes * lanes * size, (2 * blocks.tiles + 2) * 4 * lanes * size
    planes = (spread(elements, 64 // size) * size for elements in (weights, pixels, sums))
    weights, pixels, sums = planes
    return Memory(weights, pixels, sums, packed, strip)


def spread(count: int, lanes: int) -> int:
    """An odd number of vectors that holds so many elements.

    >>> spread(64, 16), spread(65, 16)
    (80, 80)
    """
    return (-(-count // lanes) | 1) * lanes


def winograd_scratch(nest: Nest, target: Target, along: str, threads: int) -> int:
    """Bytes of scratch memory."""
    memory = memory_of(nest, blocks_of(nest, target, along))
    return memory.shared + memory.own * threads
