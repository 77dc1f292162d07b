"""Transforms that are defined on a whole stack of images as well as on one.

In: a PIL picture, an array or a tensor; or a `Stack` of images of one size. Out: the same, transformed.
The invariant: a stack comes out as its images would one by one, and the random words are the same ones in the
same order: image by image, and for each image transform by transform.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

import alight
from alight.errors import fail
from alight.vision import pictures
from alight.vision.transforms import geometry
from alight.vision.transforms.images import Array, mode_name


class Stack(NamedTuple):
    """Images of one size: pictures (n, h, w) or (n, h, w, c), or tensors (n, c, h, w).

    >>> import numpy as np
    >>> from alight.vision.transforms import Stack
    >>> Stack(np.zeros((5, 4, 6), dtype=np.uint8), False).size
    (4, 6)
    """

    images: Array
    is_tensor: bool

    @property
    def height_axis(self) -> int:
        """The axis of the height; the width follows it."""
        return self.images.ndim - 2 if self.is_tensor else 1

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        axis = self.height_axis
        return self.images.shape[axis], self.images.shape[axis + 1]


class StackTransform:
    """A transform that is defined on stacks; a single image is a stack of one. Subclasses define
    on_stack.

    >>> from alight.vision import transforms
    >>> issubclass(transforms.ToTensor, transforms.StackTransform)
    True
    """

    def word_count(self, stack: Stack) -> int:
        """How many 32-bit random words each image of `stack` takes."""
        return 0

    def on_stack(self, stack: Stack, words: Array) -> Stack:
        """Transform all images; `words` has a row for each and `word_count` columns."""
        raise NotImplementedError

    def __call__(self, image: Any) -> Any:
        stack = pictures.stack_of_one(image, Stack)
        done = transform_stack(self, stack)
        as_tensor = done.is_tensor
        return pictures.image_of(done.images[0], as_tensor, like=image)


def transform_stack(transform: StackTransform, stack: Stack) -> Stack:
    """Transform `stack` with words of the default generator.

    >>> import numpy as np
    >>> from alight.vision import transforms
    >>> stack = transforms.Stack(np.zeros((5, 4, 6), dtype=np.uint8), False)
    >>> transforms.transform_stack(transforms.ToTensor(), stack).images.shape
    (5, 1, 4, 6)
    """
    return transform.on_stack(stack, draw_words(transform, stack, len(stack.images)))


def draw_words(transform: StackTransform, stack: Stack, rows: int) -> Array:
    """The random words that `transform` needs for `rows` images like those of `stack`, (rows,
    words).

    >>> import numpy as np
    >>> from alight.vision import transforms
    >>> stack = transforms.Stack(np.zeros((5, 4, 6), dtype=np.uint8), False)
    >>> transforms.draw_words(transforms.RandomHorizontalFlip(), stack, 5).shape
    (5, 1)
    """
    columns = transform.word_count(stack)
    if not columns:
        return np.empty((rows, 0), np.uint32)
    engine = alight.random.default_generator.engine
    return engine.words(rows * columns).reshape(rows, columns)  # type: ignore[no-any-return]


class Compose(StackTransform):
    """Several transforms, one after the other.

    >>> import numpy as np
    >>> from alight.vision import transforms
    >>> prepare = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
    >>> prepare(np.zeros((1, 2, 1), dtype=np.uint8))
    tensor([[[-1., -1.]]])
    """

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        self.transforms = transforms

    @property
    def has_stack_form(self) -> bool:
        """Whether every member works on stacks, so that the whole does."""
        return all(has_stack_form(transform) for transform in self.transforms)

    def word_count(self, stack: Stack) -> int:
        """The words of all members, found by passing an empty stack through."""
        total, probe = 0, Stack(stack.images[:0], stack.is_tensor)
        for transform in self.transforms:
            count = transform.word_count(probe)  # type: ignore[attr-defined]
            probe = transform.on_stack(probe, np.empty((0, count), np.uint32))  # type: ignore[attr-defined]
            total += count
        return total

    def on_stack(self, stack: Stack, words: Array) -> Stack:
        start = 0
        for transform in self.transforms:
            count = transform.word_count(stack)  # type: ignore[attr-defined]
            stack = transform.on_stack(stack, words[:, start : start + count])  # type: ignore[attr-defined]
            start += count
        return stack

    def __call__(self, image: Any) -> Any:
        for transform in self.transforms:
            image = transform(image)
        return image

    def __repr__(self) -> str:
        lines = "".join(f"\n    {transform}" for transform in self.transforms)
        return f"{type(self).__name__}({lines}\n)"


def has_stack_form(transform: Any) -> bool:
    """Whether `transform` may be applied to a whole stack: it is one of ours, with `__call__` as
    written here.

    >>> from alight.vision import transforms
    >>> transforms.has_stack_form(transforms.ToTensor()), transforms.has_stack_form(abs)
    (True, False)
    """
    if not isinstance(transform, StackTransform) or type(transform).__call__.__module__ != __name__:
        return False
    return not isinstance(transform, Compose) or transform.has_stack_form


def is_slow(transform: Any) -> bool:
    """Whether `transform` works on one picture after the other even in a stack.

    >>> from alight.vision import transforms
    >>> transforms.is_slow(transforms.ToTensor())
    False
    """
    if isinstance(transform, Compose):
        return any(map(is_slow, transform.transforms))
    return isinstance(transform, Resize)


class ToTensor(StackTransform):
    """A picture or an (h, w, c) array as a (c, h, w) tensor; 8-bit values become float32 from 0 to
    1.

    TypeError for something else, a tensor too.

    >>> import numpy as np
    >>> from alight.vision import transforms
    >>> transforms.ToTensor()(np.full((1, 2, 1), 255, dtype=np.uint8))
    tensor([[[1., 1.]]])
    """

    def on_stack(self, stack: Stack, words: Array) -> Stack:
        images = stack.images
        if stack.is_tensor:
            fail(TypeError, f"pic should be PIL Image or ndarray. Got {alight.Tensor}")
        if images.ndim == 3:
            images = images[:, None]
        elif images.ndim == 4:
            images = images.transpose(0, 3, 1, 2)
        else:
            fail(ValueError, f"pic should be 2/3 dimensional. Got {images.ndim - 1} dimensions.")
        if images.dtype != np.uint8:
            return Stack(np.ascontiguousarray(images), True)
        scaled = np.empty(images.shape, np.float32)
        scaled[...] = images
        scaled /= np.float32(255)
        return Stack(scaled, True)

    def __repr__(self) -> str:
        return "ToTensor()"


class PILToTensor(StackTransform):
    """A picture as a (c, h, w) tensor of its own dtype, unscaled; TypeError for something else.

    >>> import alight as torch
    >>> from alight.vision import transforms
    >>> picture = transforms.ToPILImage()(torch.ones(3, 2, 4))
    >>> transforms.PILToTensor()(picture).dtype
    torch.uint8
    """

    def on_stack(self, stack: Stack, words: Array) -> Stack:
        images = stack.images
        images = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
        return Stack(np.ascontiguousarray(images), True)

    def __repr__(self) -> str:
        return "PILToTensor()"


class ToPILImage:
    """A (c, h, w) tensor or an (h, w, c) array as a picture; floats from 0 to 1 become 8-bit
    values.

    `mode` is Pillow's name of the kind of picture; ValueError for one that the channels do not
    suit.

    >>> import alight as torch
    >>> from alight.vision import transforms
    >>> transforms.ToPILImage()(torch.zeros(3, 2, 4)).size
    (4, 2)
    """

    def __init__(self, mode: str | None = None) -> None:
        self.mode = mode

    def __call__(self, pic: Any) -> Any:
        return pictures.to_picture(pic, self.mode)

    def __repr__(self) -> str:
        return "ToPILImage()" if self.mode is None else f"ToPILImage(mode={self.mode})"


class Normalize(StackTransform):
    """`(x - mean) / std` for each channel of a tensor of floats (*, c, h, w).

    TypeError for integers or what is no tensor, ValueError where std holds a 0.

    >>> import alight as torch
    >>> from alight.vision import transforms
    >>> transforms.Normalize(mean=[0.5], std=[0.25])(torch.ones(1, 1, 2))
    tensor([[[2., 2.]]])
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> None:
        self.mean = mean
        self.std = std
        self.inplace = inplace

    def on_stack(self, stack: Stack, words: Array) -> Stack:
        images = stack.images
        if not stack.is_tensor:
            fail(
                TypeError,
                "img should be Tensor Image. Got a picture",
                try_="ToTensor() before Normalize",
            )
        if images.dtype.kind != "f":
            fail(
                TypeError,
                f"Input tensor should be a float tensor. Got {alight.from_numpy(images[:0]).dtype}.",
            )
        mean, std = (np.asarray(v, images.dtype).reshape(-1, 1, 1) for v in (self.mean, self.std))
        if (std == 0).any():
            fail(
                ValueError,
                f"std evaluated to zero after conversion to {images.dtype}, leading to division by zero.",
            )
        shifted = images - mean
        shifted /= std
        return Stack(shifted, True)

    def __call__(self, image: Any) -> Any:
        done = super().__call__(image)
        return image.copy_(done) if self.inplace else done

    def __repr__(self) -> str:
        return f"Normalize(mean={self.mean}, std={self.std})"


class Resize(StackTransform):
    """Images scaled to `size`: (h, w), or the length of the shorter side, the longer one being
    `max_size` at most.

    antialias averages where the image shrinks. TypeError where size is no int or sequence,
    ValueError for more than two numbers.

    >>> import alight as torch
    >>> from alight.vision import transforms
    >>> transforms.Resize(2)(torch.ones(3, 4, 8)).shape
    torch.Size([3, 2, 4])
    """

    def __init__(
        self,
        size: int | Sequence[int],
        interpolation: Any = geometry.BILINEAR,
        max_size: int | None = None,
        antialias: bool | None = True,
    ) -> None:
        if not isinstance(size, int | Sequence):
            fail(TypeError, f"Size should be int or sequence. Got {type(size)}")
        if not isinstance(size, int) and len(size) not in (1, 2):
            fail(ValueError, "If size is a sequence, it should have 1 or 2 values")
        self.size = size
        self.interpolation = interpolation
        self.max_size = max_size
        self.antialias = antialias

    def on_stack(self, stack: Stack, words: Array) -> Stack:
        wanted = geometry.resized_size(*stack.size, self.size, self.max_size)
        if wanted == stack.size:
            return stack
        mode = mode_name(self.interpolation)
        if stack.is_tensor:
            return Stack(geometry.scaled(stack.images, wanted, mode, bool(self.antialias)), True)
        return Stack(pictures.resize(stack.images, wanted, mode), False)

    def __repr__(self) -> str:
        tail = f"interpolation={mode_name(self.interpolation)}, max_size={self.max_size}, antialias={self.antialias}"
        return f"Resize(size={self.size}, {tail})"


def pair(size: int | Sequence[int]) -> tuple[int, int]:
    """(h, w) from a number or from one or two of them."""
    if isinstance(size, int):
        return (size, size)
    if len(size) not in (1, 2):
        fail(ValueError, "Please provide only two dimensions (h, w) for size.")
    return (size[0], size[-1])


def _pad(stack: Stack, sides: tuple[int, int, int, int], fill: Any, mode: str) -> Stack:
    """`stack` with `sides` = (left, top, right, bottom) more pixels."""
    left, top, right, bottom = sides
    widths = [(0, 0)] * stack.images.ndim
    widths[stack.height_axis] = (top, bottom)
    widths[stack.height_axis + 1] = (left, right)
    if mode == "constant":
        return Stack(_filled(stack, widths, fill), stack.is_tensor)
    if mode not in ("edge", "reflect", "symmetric"):
        fail(ValueError, "Padding mode should be either constant, edge, reflect or symmetric")
    return Stack(np.pad(stack.images, widths, mode=mode), stack.is_tensor)  # type: ignore[call-overload]


def _filled(stack: Stack, widths: list[tuple[int, int]], fill: Any) -> Array:
    """`stack`'s images in a frame of one colour: a number, or a number for each channel."""
    images = stack.images
    if isinstance(fill, Sequence) and len(fill) == 1:
        fill = fill[0]
    shape = [n + before + after for n, (before, after) in zip(images.shape, widths, strict=True)]
    framed = np.empty(shape, images.dtype)
    framed[...] = (
        np.reshape(fill, (-1, 1, 1)) if stack.is_tensor and isinstance(fill, Sequence) else fill
    )
    inside = tuple(
        slice(before, before + n) for n, (before, _) in zip(images.shape, widths, strict=True)
    )
    framed[inside] = images
    return framed


def four_sides(padding: int | Sequence[int]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom from one number, two (across, down) or four."""
    sides = (padding,) if isinstance(padding, int) else tuple(padding)
    if len(sides) not in (1, 2, 4):
        fail(
            ValueError,
            f"Padding must be an int or a 1, 2, or 4 element tuple, not a {len(sides)} element tuple",
        )
    return (sides * (4 // len(sides)))[:4]  # type: ignore[return-value]


def _crop(stack: Stack, tops: Array, lefts: Array, size: tuple[int, int]) -> Stack:
    """From each image the window of `size` that begins at its own top and left."""
    rows = tops[:, None] + np.arange(size[0])
    columns = lefts[:, None] + np.arange(size[1])
    each = np.arange(len(stack.images))[:, None, None]
    images = (
        np.moveaxis(stack.images, 1, -1)
        if stack.is_tensor and stack.images.ndim == 4
        else stack.images
    )
    cut = images[each, rows[:, :, None], columns[:, None, :]]
    if images is not stack.images:
        cut = np.ascontiguousarray(np.moveaxis(cut, -1, 1))
    return Stack(cut, stack.is_tensor)


class Pad(StackTransform):
    """Images with more pixels on their sides, of one colour or as the edge, mirrored or not, goes
    on.

    padding: one number, (left and right, top and bottom), or (left, top, right, bottom).
    padding_mode: "constant" with `fill`, "edge", "reflect" or "symmetric".

    >>> import alight as torch
    >>> from alight.vision import transforms
    >>> transforms.Pad(1)(torch.ones(1, 2, 2)).shape
    torch.Size([1, 4, 4])
    """

    def __init__(
        self, padding: int | Sequence[int], fill: Any = 0, padding_mode: str = "constant"
    ) -> None:
        if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
            sentence = "Padding mode should be either constant, edge, reflect or symmetric"
            fail(ValueError, sentence)
        self.padding = padding
        self.fill = fill
        self.padding_mode = padding_mode
        four_sides(padding)

    def on_stack(self, stack: Stack, words: Array) -> Stack:
        sides = four_sides(self.padding)
        if min(sides) >= 0:
            return _pad(stack, sides, self.fill, self.padding_mode)
        height, width = stack.size
        top, left = max(-sides[1], 0), max(-sides[0], 0)
        size = height - top - max(-sides[3], 0), width - left - max(-sides[2], 0)
        count = len(stack.images)
        inner = _crop(stack, np.full(count, top), np.full(count, left), size)
        more = tuple(max(side, 0) for side in sides)
        return _pad(inner, more, self.fill, self.padding_mode)  # type: ignore[arg-type]

    def __repr__(self) -> str:
        return f"Pad(padding={self.padding}, fill={self.fill}, padding_mode={self.padding_mode})"


class Lambda:
    """A function of the user's as a transform; it sees one image at a time. TypeError where it
    cannot be called.

    >>> from alight.vision import transforms
    >>> transforms.Lambda(lambda x: x + 1)(1)
    2
    """

    def __init__(self, lambd: Callable[[Any], Any]) -> None:
        if not callable(lambd):
            fail(TypeError, f"Argument lambd should be callable, got {type(lambd).__name__!r}")
        self.lambd = lambd

    def __call__(self, image: Any) -> Any:
        return self.lambd(image)

    def __repr__(self) -> str:
        return "Lambda()"
