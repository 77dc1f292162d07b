"""The type of a value in a program: shape, dtype and device."""

from __future__ import annotations

from math import prod

from alight.device import CPU
from alight.device import device as Device
from alight.dtypes import dtype as Dtype

Shape = tuple[int, ...]


class Type:
    """Shape, dtype and device of a value; immutable and hashable.

    >>> from alight.dtypes import float32
    >>> Type((2, 3), float32)
    f32[2,3]
    """

    __slots__ = ("shape", "dtype", "device", "_hash")
    shape: Shape
    dtype: Dtype
    device: Device

    def __init__(self, shape: Shape, dtype: Dtype, device: Device = CPU) -> None:
        self.shape, self.dtype, self.device = shape, dtype, device
        self._hash = 0  # not known yet

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def bytes(self) -> int:
        """Bytes that the elements take, without gaps."""
        return prod(self.shape) * self.dtype.itemsize

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, Type)
            and self.shape == other.shape
            and self.dtype is other.dtype
            and (self.device is other.device or self.device == other.device)
        )

    def __hash__(self) -> int:
        if self._hash == 0:
            self._hash = hash((self.shape, self.dtype, self.device))
        return self._hash

    def __repr__(self) -> str:
        where = "" if self.device == CPU else f"@{self.device}"
        return f"{self.dtype.short}[{','.join(map(str, self.shape))}]{where}"
