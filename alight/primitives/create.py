"""Creation: values from statics alone, and random bits from a seed."""

from __future__ import annotations

from typing import Any

from alight.device import device
from alight.dtypes import ANY, INTEGER, NUMERIC, dtype, uint32
from alight.ir.primitive import CREATE, NONE, Primitive
from alight.ir.types import Shape, Type


class Full(Primitive):
    """A value whose elements are all one number."""

    kind, statics, accepts = CREATE, ("shape", "value", "dtype", "device"), ANY

    def infer(*, shape: Shape, value: Any, dtype: dtype, device: device) -> tuple[Shape, dtype]:
        return shape, dtype

    gradient = NONE


class Iota(Primitive):
    """0, 1, 2, ... along `axis`, repeated along the others."""

    kind, statics, accepts = CREATE, ("shape", "axis", "dtype", "device"), NUMERIC

    def infer(*, shape: Shape, axis: int, dtype: dtype, device: device) -> tuple[Shape, dtype]:
        return shape, dtype

    gradient = NONE


class RandomBits(Primitive):
    """A uint32 for each element from a 0-d int64 seed: the same bits in every tier, for any number of threads.

    Element i in row-major order is mix(i + mix(low word of seed) + 0x9E3779B9 * mix(high word)), all modulo 2**32,
    where mix is the 32-bit finaliser "lowbias32" found by Chris Wellons' hash prospector:
    x ^= x >> 16; x *= 0x7feb352d; x ^= x >> 15; x *= 0x846ca68b; x ^= x >> 16. A second input, a 0-d int64, is the number
    of the first element, where these are a part of more.
    """

    kind, statics, accepts = CREATE, ("shape", "device"), INTEGER

    def infer(
        seed: Type, first: Type | None = None, *, shape: Shape, device: device
    ) -> tuple[Shape, dtype]:
        return shape, uint32

    gradient = NONE
