"""What is known of a tensor without its value: type, strides, and how it stands in automatic differentiation."""

from __future__ import annotations

import itertools

from alight.device import device
from alight.dtypes import dtype
from alight.ir.types import Shape, Type


class Size(tuple[int, ...]):
    """The shape of a tensor: a tuple of ints.

    >>> Size([2, 3]).numel()
    6
    """

    __slots__ = ()

    def __new__(cls, extents=()):  # type: ignore[no-untyped-def]
        made = tuple.__new__(cls, extents)
        for i, extent in enumerate(made):
            if extent.__class__ is not int:
                if not hasattr(extent, "__index__"):
                    raise TypeError(
                        f"torch.Size() takes an iterable of 'int' (item {i} is '{type(extent).__name__}')"
                    )
                return tuple.__new__(cls, [one.__index__() for one in made])
        return made

    def numel(self) -> int:
        """Number of elements of a tensor of this shape."""
        total = 1
        for extent in self:
            total *= extent
        return total

    def __repr__(self) -> str:
        return f"torch.Size([{', '.join(map(repr, self))}])"

    __str__ = __repr__

    def __getitem__(self, key):  # type: ignore[no-untyped-def, override]
        found = tuple.__getitem__(self, key)
        return Size(found) if isinstance(key, slice) else found

    def __add__(self, other):  # type: ignore[no-untyped-def, override]
        return Size(tuple.__add__(self, tuple(other)))

    def __reduce__(self) -> tuple[type[Size], tuple[tuple[int, ...]]]:
        return Size, (tuple(self),)


def contiguous_strides(shape: Shape) -> Shape:
    """Strides, in elements, of a row-major tensor.

    >>> contiguous_strides((2, 3, 4))
    (12, 4, 1)
    """
    strides, step = [], 1
    for extent in reversed(shape):
        strides.append(step)
        step *= max(extent, 1)
    return tuple(reversed(strides))


INFERENCE = "inference"  # the origin of tensors that inference_mode made

_interned: dict[Meta, int] = {}
_next_number = itertools.count()


class Meta:
    """Immutable and hashable; one object may serve many tensors. Equal metas have equal numbers, for quick keys.

    `strides` are those that PyTorch would report; None means row-major. `origin` names the operation that made the
    tensor, for `grad_fn`.
    """

    __slots__ = (
        "type",
        "shape",
        "dtype",
        "device",
        "strides",
        "requires_grad",
        "leaf",
        "origin",
        "number",
        "size",
        "_hash",
    )

    def __init__(
        self,
        type: Type,
        strides: Shape | None = None,
        requires_grad: bool = False,
        leaf: bool = True,
        origin: str | None = None,
    ) -> None:
        if strides is not None and strides == contiguous_strides(type.shape):
            strides = None
        self.type, self.strides, self.requires_grad = type, strides, requires_grad
        self.leaf, self.origin = leaf, origin
        self.shape: Shape = type.shape
        self.dtype: dtype = type.dtype
        self.device: device = type.device
        self._hash = hash((type, strides, requires_grad, leaf, origin))
        self.size = Size(self.shape)  # the shape as users see it
        if len(_interned) > 100_000:
            _interned.clear()
        self.number = _interned.setdefault(self, next(_next_number))

    def full_strides(self) -> Shape:
        """Strides in elements, also where they are row-major."""
        return contiguous_strides(self.shape) if self.strides is None else self.strides

    def replace(self, **changes: object) -> Meta:
        """A copy with some fields changed."""
        fields = {
            name: getattr(self, name)
            for name in ("type", "strides", "requires_grad", "leaf", "origin")
        }
        return Meta(**{**fields, **changes})  # type: ignore[arg-type]

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, Meta)
            and self._hash == other._hash
            and self.type == other.type
            and self.strides == other.strides
            and self.requires_grad == other.requires_grad
            and self.leaf == other.leaf
            and self.origin == other.origin
        )

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        grad = f" grad={self.origin or 'leaf'}" if self.requires_grad else ""
        return f"{self.type}{grad}"
