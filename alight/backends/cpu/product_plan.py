"""How a matrix product is computed: which register tile, in which order, in how many parts.

In: a `Product` and a `Target`. Out: a `Plan`, by counting cycles: no measuring, no search over code. Plans depend on
nothing else, so that the same product is always computed in the same order.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import NamedTuple

from alight.backends.cpu.target import Target
from alight.backends.cpu.tiles import CACHE_LINE, ITEMSIZES, Shape, accumulators, best_shape


class Product(NamedTuple):
    """C[b, m, n] = sum over k of A[b, m, k] * B[b, k, n]: extents, and element strides of the operands."""

    type: str  # "float" or "double"
    batch: tuple[int, ...]  # extents of batch axes, often none
    m: int
    n: int
    k: int
    a: tuple[int, ...]  # element strides: (*batch, m, k)
    b: tuple[int, ...]  # (*batch, k, n)
    c: tuple[int, ...]  # (*batch, m, n)

    @property
    def itemsize(self) -> int:
        """Bytes of an element."""
        return ITEMSIZES[self.type]

    def exchanged(self) -> Product:
        """The same product with rows and columns exchanged: Cᵀ = Bᵀ Aᵀ."""
        a, b, c = ((*s[:-2], s[-1], s[-2]) for s in (self.b, self.a, self.c))
        return self._replace(m=self.n, n=self.m, a=a, b=b, c=c)


def vector_axis(product: Product) -> str:
    """The axis of C that the vectors given to `finish` run along: "n", or "m" where C is contiguous along m.

    >>> vector_axis(Product("float", (), 8, 8, 8, (8, 1), (8, 1), (1, 8)))
    'm'
    """
    along_m = product.m > 1 and (product.n == 1 or (product.c[-2] == 1 and product.c[-1] != 1))
    return "m" if along_m else "n"


class Section(NamedTuple):
    """Neighbouring panels of columns of C that have the same tile."""

    first: int  # column
    panels: int
    width: int  # columns that a panel takes up, whole vectors
    columns: int  # columns of a panel that exist
    shape: Shape


class Plan(NamedTuple):
    """How a product is computed; vectors run along n of `product`, which may be the exchanged one."""

    product: Product
    tile: str  # "broadcast" or "dot"
    crossed: bool  # sums are transposed in registers before they are finished
    packed: bool  # B's panels are moved to scratch
    sections: tuple[Section, ...]
    parts: int  # parts of k that may be done at the same time
    part: int  # steps of k in a part
    block: int  # steps of k done at a time
    rows_first: bool = False  # some panels for one tile of rows, then the next tile
    wide: int = 0  # how many panels; 0: all of them
    far: bool = False  # A's steps lie far apart: the next tile's are asked for ahead
    weights: bool = False  # B is most of what is read: the next panel is asked for ahead
    turned: tuple[int, int] | None = (
        None  # B is brought into columns first; its strides before that
    )

    @property
    def partial(self) -> bool:
        """Whether sums pass through scratch."""
        return self.parts > 1 or self.block < self.part


_BLOCK_STEPS = 2048  # steps of k done at a time: a panel of B stays in the second-level cache
_FAR_STEPS = 128  # the same where each step of A is far from the last one: their lines fall into few sets of a cache
_FAR_BYTES = 512 << 10  # how large A is then
_FEW_ROWS = 32  # up to so many, panels of B are used too seldom to be hidden
_SHORT_STEPS = 128
_PART_STEPS = 1024  # steps of k that are worth a part of their own


@lru_cache(256)
def plan_of(product: Product, target: Target) -> Plan:
    """The cheapest of the ways to compute a product whose finished vectors run along n."""
    ways = [_broadcast_plan(product, target, False)]
    if product.a[-1] == 1 and product.b[-2] == 1 and product.k > 1:
        ways.append(_dot_plan(product, target))
    elif product.a[-1] == 1 and _is_narrow(product, target):
        ways.append(_turned_plan(product, target))
    crossed = _broadcast_plan(product.exchanged(), target, True)
    if crossed[0].sections and not crossed[0].partial:
        ways.append(crossed)
    return min(ways, key=lambda way: way[1])[0]


def _broadcast_plan(product: Product, target: Target, crossed: bool) -> tuple[Plan, float]:
    """Broadcast tiles, and about how many cycles they take."""
    far = not crossed and _is_far(product, target)
    sections, steps = _broadcast_sections(product, target, crossed, far)
    packed = _wants_packing(product, target, far)
    plan = _with_parts(product, target, "broadcast", crossed, packed, sections)
    cycles = product.k * steps
    if packed:
        rate = 0.15 if product.b[-1] == 1 else 0.45 if product.b[-2] == 1 else 2.0
        cycles += rate * product.k * partial_row(plan)
    if crossed:
        cycles += 60 * sum(
            _tiles(product, s) * s.width // target.lanes(product.itemsize) for s in sections
        )
    return plan, cycles


def _dot_plan(product: Product, target: Target) -> tuple[Plan, float]:
    """Dot tiles, and about how many cycles they take."""
    count = target.lanes(product.itemsize)
    panels, rest = divmod(product.n, count)
    sections, cycles = [], 0.0
    rows = min(product.m, 4 if target.registers >= 32 else 3)
    limit = (20 if target.registers >= 32 else 9) // rows
    for first, repeat, columns in ((0, panels, count), (product.n - rest, 1, rest)):
        if not repeat or not columns:
            continue
        costs = {}
        for wide in range(1, min(8, limit, columns, count) + 1):
            step = max(rows * wide / 2, (rows + wide) / 2 * 1.1, 4.0) + 0.25 * (rows + wide)
            tile = -(-product.k // count) * step + 8 + 4 * rows * wide
            costs[wide] = -(-columns // wide) * tile
        best = min(costs, key=lambda wide: costs[wide])
        sections.append(Section(first, repeat, count, columns, Shape(rows, best)))
        cycles += _tiles(product, sections[-1]) * costs[best]
    return _with_parts(product, target, "dot", False, False, tuple(sections)), cycles


def _is_narrow(product: Product, target: Target) -> bool:
    """Whether rows of B do not fill a vector, and there is enough work to bring it into columns."""
    narrow = 1 < product.n < target.lanes(product.itemsize) * 2
    return narrow and not product.batch and product.m >= 32 and product.k >= 64


def _turned_plan(product: Product, target: Target) -> tuple[Plan, float]:
    """Dot tiles after B was transposed to scratch."""
    turned = product._replace(b=(1, -(-product.k // 4) * 4))
    plan, cycles = _dot_plan(turned, target)
    columns = -(-product.n // target.lanes(product.itemsize)) * target.lanes(product.itemsize)
    cycles += product.k * (0.5 * columns if product.b[-1] == 1 else 2.0 * product.n)
    return plan._replace(turned=(product.b[-2], product.b[-1])), cycles


def _tiles(product: Product, section: Section) -> int:
    return section.panels * -(-product.m // section.shape.rows)


def _with_parts(
    product: Product,
    target: Target,
    tile: str,
    crossed: bool,
    packed: bool,
    sections: tuple[Section, ...],
) -> Plan:
    """The plan with its division of k: parts when there are few tiles, blocks when caches are too small."""
    units = prod(product.batch) * sum(_tiles(product, section) for section in sections)
    parts, part = 1, product.k
    if units < 8 and product.k >= 2 * _PART_STEPS:
        parts = min(16, product.k // _PART_STEPS)
        part = -(-product.k // parts // 64) * 64
        parts = -(-product.k // part)
    plan = Plan(product, tile, crossed, packed, sections, parts, part, min(part, _BLOCK_STEPS))
    if tile == "broadcast" and not (crossed or packed) and _reads_weights(product, target):
        return plan._replace(weights=True)
    if tile == "broadcast" and parts == 1 and not product.batch and sections:
        return _with_order(plan, target)
    return plan


def _with_order(plan: Plan, target: Target) -> Plan:
    """Rows first where A would come from memory for each panel: B, or a block of it, stays in the second cache."""
    product, size = plan.product, plan.product.itemsize
    if not plan.crossed and _is_far(product, target):
        blocks = -(-product.k // _FAR_STEPS)
        block = -(-product.k // blocks // 8) * 8
        wide = max(1, target.l2_bytes // 2 // (block * plan.sections[0].width * size))
        return plan._replace(block=block, rows_first=True, far=True, wide=wide)
    if _tiles(product, plan.sections[0]) < 16 * plan.sections[0].panels:
        return plan
    step_bytes = partial_row(plan) * size
    fits = product.k * step_bytes <= target.l2_bytes // 2
    # Neighbouring panels of a row of C are neighbours in memory, which matters once C, or what a finish reads, is large.
    long = product.m * max(product.k, product.n) * size >= target.l2_bytes // 2
    if not (fits and long) or plan.partial:
        return plan
    aligned = product.b[-1] == 1 and product.b[-2] * size % CACHE_LINE == 0
    if plan.packed and aligned and product.k <= _SHORT_STEPS:
        # To pack all of B writes it and reads it again; one packed panel of few steps stays in the first cache.
        return plan if product.m <= 256 else plan._replace(rows_first=True, packed=False)
    return plan._replace(rows_first=True)


def _is_far(product: Product, target: Target) -> bool:
    """Whether a step of A is contiguous and so far from the last one that a tile's lines would not stay in a cache."""
    if product.batch or product.a[-2] != 1 or product.m * product.itemsize < 2 * CACHE_LINE:
        return False
    step = abs(product.a[-1]) * product.itemsize
    return product.k > _FAR_STEPS * 3 // 2 and product.k * step >= _FAR_BYTES


def _reads_weights(product: Product, target: Target) -> bool:
    """Whether B is larger than the first cache, fits into half of the second one, and is used by few tiles of rows."""
    bytes = product.k * abs(product.b[-2]) * product.itemsize
    few = 6 <= product.m <= _FEW_ROWS and product.b[-1] == 1 and not product.batch
    return few and target.l1_bytes < bytes <= target.l2_bytes // 2


def _wants_packing(product: Product, target: Target, far: bool = False) -> bool:
    if product.k == 0:
        return False
    if product.b[-1] != 1 and product.n > 1:
        return True
    stride = abs(product.b[-2]) * product.itemsize
    if product.m < 24 or product.n * product.itemsize <= target.vector_bytes:
        return False
    if far:
        return product.m >= 512 if stride > 1024 else stride % CACHE_LINE > 0 and product.m >= 128
    if product.m >= 512 and stride % CACHE_LINE:
        return True  # each vector of every row would lie across two lines
    return (product.m >= 64 and stride > 1024) or stride * product.k > target.l2_bytes // 2


def _broadcast_sections(
    product: Product, target: Target, crossed: bool, far: bool = False
) -> tuple[tuple[Section, ...], float]:
    """The cheapest width of panels, a narrower last panel for the columns that are left; cycles a step."""
    count = target.lanes(product.itemsize)
    best: tuple[Section, ...] = ()
    fewest = float("inf")
    for vectors in (2, 4, 3, 1, 6, 8) if far else (4, 2, 3, 1, 6, 8):
        only = min(count, product.m) if crossed else None
        if accumulators(target, vectors) < (only or 1) or vectors > max(1, -(-product.n // count)):
            continue
        sections: list[Section] = []
        cycles = 0.0
        panels, rest = divmod(product.n, vectors * count)
        for first, repeat, columns in ((0, panels, vectors * count), (product.n - rest, 1, rest)):
            if repeat and columns:
                wide = -(-columns // count)
                height = sections[0].shape.rows if far and sections else only
                rows, steps = best_shape(product.m, wide, target, height, far)
                sections.append(Section(first, repeat, wide * count, columns, Shape(rows, wide)))
                cycles += repeat * steps
        cycles *= 1 + 0.02 * (len(sections) - 1)  # more code
        if cycles < fewest * (0.97 if product.m > _FEW_ROWS else 0.995):
            best, fewest = tuple(sections), cycles
    return best, fewest


def partial_row(plan: Plan) -> int:
    """Elements from row to row of the partial sums."""
    last = plan.sections[-1]
    return last.first + last.panels * last.width


def partial_bytes(plan: Plan) -> int:
    """Bytes of all partial sums."""
    if not plan.partial:
        return 0
    product = plan.product
    return plan.parts * prod(product.batch) * product.m * partial_row(plan) * product.itemsize


def panel_bytes(plan: Plan, target: Target) -> int:
    """Bytes of one packed panel of B."""
    if not plan.packed:
        return 0
    count = target.lanes(plan.product.itemsize)
    width = max(section.width for section in plan.sections)
    return -(-plan.block // count) * count * width * plan.product.itemsize


def packed_bytes(plan: Plan, target: Target) -> int:
    """Bytes of all packed panels that one thread has at a time."""
    most = sum(section.panels for section in plan.sections) if plan.rows_first else 1
    most = min(most, plan.wide or most)
    return most * panel_bytes(plan, target) + turned_bytes(plan, target)


def turned_bytes(plan: Plan, target: Target) -> int:
    """Bytes of B in columns."""
    if plan.turned is None:
        return 0
    product, count = plan.product, target.lanes(plan.product.itemsize)
    return -(-product.n // count) * count * product.b[-1] * product.itemsize
