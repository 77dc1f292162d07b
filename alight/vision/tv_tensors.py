"""torchvision's `tv_tensors`: tensors that say what they are, so that `transforms.v2` moves boxes and masks along.

Operations on them give plain tensors, but for clone, to, detach and requires_grad_; `wrap` makes one like another.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, ClassVar

import alight
from alight.errors import fail, not_implemented

_KEPT = ("clone", "to", "detach", "requires_grad_", "pin_memory", "cpu", "cuda")
_always: list[str] = []  # what the blocks of set_return_type say, innermost last


class TVTensor(alight.Tensor):
    """Base of the tensors below, of any shape; what becomes of the data that torch.as_tensor takes.

    >>> from alight.vision.tv_tensors import Image
    >>> image = Image(alight.zeros(3, 2, 2))
    >>> type(image + 1).__name__, type(image.clone()).__name__
    ('Tensor', 'Image')
    """

    _described: ClassVar[tuple[str, ...]] = ()  # attributes that wrap hands on

    def __new__(
        cls, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool | None = None
    ) -> Any:
        return cls._data(data, dtype, device, requires_grad).as_subclass(cls)

    @staticmethod
    def _data(data: Any, dtype: Any, device: Any, requires_grad: bool | None) -> Any:
        if requires_grad is None:
            requires_grad = isinstance(data, alight.Tensor) and data.requires_grad
        return plain(alight.as_tensor(data, dtype=dtype, device=device)).requires_grad_(
            requires_grad
        )

    @classmethod
    def wrap(cls, tensor: Any, like: Any, **kwargs: Any) -> Any:
        """A tensor as one of this class; `kwargs` replace what `like` says of itself.

        >>> from alight.vision.tv_tensors import Mask
        >>> Mask.wrap(alight.ones(1), like=Mask(alight.zeros(1)))
        Mask([1.])
        """
        made = plain(tensor).as_subclass(cls)
        for name in cls._described:
            setattr(made, name, kwargs.get(name, getattr(like, name)))
        return made

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if not all(issubclass(cls, one) for one in types):
            return NotImplemented
        with alight._C.DisableTorchFunctionSubclass():
            made = func(*args, **(kwargs or {}))
        like = args[0] if args and isinstance(args[0], cls) else None
        if like is not None and (_always[-1:] == ["TVTensor"] or func.__name__ in _KEPT):
            return _all_wrapped(made, like)
        return plain(made) if isinstance(made, TVTensor) and made is not like else made

    def __repr__(self, *, tensor_contents: str | None = None) -> str:  # type: ignore[override]
        text = repr(plain(self)).replace("tensor(", f"{type(self).__name__}(", 1)
        more = "".join(f", {name}={getattr(self, name)}" for name in self._described)
        return f"{text[:-1]}{more})"


def plain(tensor: Any) -> Any:
    """The same tensor without its class; other things as they are.

    >>> type(plain(Image(alight.zeros(1, 2, 2)))).__name__
    'Tensor'
    """
    if not isinstance(tensor, TVTensor):
        return tensor
    with alight._C.DisableTorchFunctionSubclass():
        return tensor.as_subclass(alight.Tensor)


def _all_wrapped(made: Any, like: Any) -> Any:
    if made is like:
        return made
    if isinstance(made, tuple | list):
        return type(made)(_all_wrapped(one, like) for one in made)
    return wrap(made, like=like) if isinstance(made, alight.Tensor) else made


class Image(TVTensor):
    """An image (*, channels, height, width); two dimensions become (1, height, width).

    ValueError for fewer dimensions than two.

    >>> from alight.vision.tv_tensors import Image
    >>> Image([[1.0, 2.0]]).shape
    torch.Size([1, 1, 2])
    """

    def __new__(
        cls, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool | None = None
    ) -> Any:
        from alight.vision import pictures
        from alight.vision.transforms.functional import pil_to_tensor

        data = pil_to_tensor(data) if pictures.is_picture(data) else data
        made = cls._data(data, dtype, device, requires_grad)
        if made.ndim < 2:
            raise ValueError
        return (made.unsqueeze(0) if made.ndim == 2 else made).as_subclass(cls)


class Video(TVTensor):
    """Frames (*, frames, channels, height, width); ValueError for fewer than four dimensions.

    >>> from alight.vision.tv_tensors import Video
    >>> Video(alight.zeros(5, 3, 2, 2)).shape
    torch.Size([5, 3, 2, 2])
    """

    def __new__(
        cls, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool | None = None
    ) -> Any:
        made = cls._data(data, dtype, device, requires_grad)
        if made.ndim < 4:
            raise ValueError
        return made.as_subclass(cls)


class Mask(TVTensor):
    """Classes of pixels, or masks of objects: (*, height, width).

    >>> from alight.vision.tv_tensors import Mask
    >>> Mask(alight.tensor([[0, 1]]))
    Mask([[0, 1]])
    """

    def __new__(
        cls, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool | None = None
    ) -> Any:
        from alight.vision import pictures
        from alight.vision.transforms.functional import pil_to_tensor

        data = pil_to_tensor(data) if pictures.is_picture(data) else data
        return cls._data(data, dtype, device, requires_grad).as_subclass(cls)


class BoundingBoxFormat(Enum):
    """How a box is written: corners, corner and size, centre and size.

    >>> from alight.vision.tv_tensors import BoundingBoxFormat
    >>> BoundingBoxFormat["XYWH"].value
    'XYWH'
    """

    XYXY = "XYXY"
    XYWH = "XYWH"
    CXCYWH = "CXCYWH"


class BoundingBoxes(TVTensor):
    """Boxes (n, 4) in a `format`, around things in an image of `canvas_size` = (height, width).

    ValueError for other dimensions; clamping_mode None keeps transforms from cutting boxes at the
    image's edges.

    >>> from alight.vision.tv_tensors import BoundingBoxes
    >>> BoundingBoxes([[1, 2, 5, 6]], format="XYXY", canvas_size=(8, 10))
    BoundingBoxes([[1, 2, 5, 6]], format=BoundingBoxFormat.XYXY, canvas_size=(8, 10), clamping_mode=soft)
    """

    _described = ("format", "canvas_size", "clamping_mode")
    format: BoundingBoxFormat
    canvas_size: tuple[int, int]
    clamping_mode: str | None

    def __new__(  # type: ignore[misc]
        cls, data: Any, *, format: Any, canvas_size: tuple[int, int], clamping_mode: str | None = "soft",
        dtype: Any = None, device: Any = None, requires_grad: bool | None = None,
    ) -> Any:  # fmt: skip
        made = cls._data(data, dtype, device, requires_grad)
        if made.ndim == 1:
            made = made.unsqueeze(0)
        elif made.ndim != 2:
            fail(ValueError, f"Expected a 1D or 2D tensor, got {made.ndim}D")
        if clamping_mode not in (None, "hard", "soft"):
            fail(ValueError, f"clamping_mode must be None, hard or soft, got {clamping_mode}.")
        boxes = made.as_subclass(cls)
        boxes.format, boxes.canvas_size = box_format(format), canvas_size
        boxes.clamping_mode = clamping_mode
        return boxes


def box_format(format: Any) -> BoundingBoxFormat:
    """A BoundingBoxFormat, also where its name is given.

    >>> box_format("xyxy")
    <BoundingBoxFormat.XYXY: 'XYXY'>
    """
    if not isinstance(format, str):
        return format
    if format.upper() in ("XYWHR", "CXCYWHR", "XYXYXYXY"):
        not_implemented("rotated boxes", "boxes along the axes: XYXY, XYWH, CXCYWH")
    return BoundingBoxFormat[format.upper()]


def wrap(wrappee: Any, *, like: Any, **kwargs: Any) -> Any:
    """A plain tensor, of any shape, as a tensor of `like`'s class that says the same of itself; `kwargs` replace that.

    >>> from alight.vision.tv_tensors import BoundingBoxes
    >>> boxes = BoundingBoxes([[1, 2, 5, 6]], format="XYXY", canvas_size=(8, 10))
    >>> wrap(boxes * 2, like=boxes, canvas_size=(16, 20)).canvas_size
    (16, 20)
    """
    if isinstance(like, TVTensor):
        return type(like).wrap(wrappee, like, **kwargs)
    return plain(wrappee)


class set_return_type:  # noqa: N801  (as torchvision has it)
    """What operations on these tensors give: "Tensor", as they do, or "TVTensor"; for good, or for a block.

    >>> from alight.vision.tv_tensors import Image, set_return_type
    >>> with set_return_type("TVTensor"):
    ...     type(Image(alight.zeros(1, 2, 2)) + 1).__name__
    'Image'
    """

    def __init__(self, return_type: str) -> None:
        named = {"tensor": "Tensor", "tvtensor": "TVTensor"}.get(return_type.lower())
        if named is None:
            fail(
                ValueError,
                f"return_type must be 'TVTensor' or 'Tensor', got {return_type}",
            )
        _always.append(named)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        _always.pop()


def __getattr__(name: str) -> Any:
    if name == "KeyPoints":
        not_implemented("tv_tensors.KeyPoints", "a tensor of points, moved by hand")
    raise AttributeError(f"module 'torchvision.tv_tensors' has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)


__all__ = [
    "BoundingBoxFormat",
    "BoundingBoxes",
    "Image",
    "Mask",
    "TVTensor",
    "Video",
    "set_return_type",
    "wrap",
]
