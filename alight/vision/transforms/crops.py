"""Windows and mirror images of stacks: CenterCrop, RandomCrop, random flips."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import alight
from alight.errors import fail
from alight.vision.transforms.images import Array, get_dimensions
from alight.vision.transforms.stacks import Stack, StackTransform, _crop, _pad, four_sides, pair


class CenterCrop(StackTransform):
    """The middle of an image, (h, w) or a square; zeros around an image that is too small.

    >>> import alight as torch
    >>> from alight.vision import transforms
    >>> transforms.CenterCrop(2)(torch.ones(3, 5, 7)).shape
    torch.Size([3, 2, 2])
    """

    def __init__(self, size: int | Sequence[int]) -> None:
        self.size = pair(size)

    def on_stack(self, stack: Stack, words: Array) -> Stack:
        (height, width), (wanted_h, wanted_w) = stack.size, self.size
        missing_h, missing_w = max(wanted_h - height, 0), max(wanted_w - width, 0)
        if missing_h or missing_w:
            sides = (missing_w // 2, missing_h // 2, (missing_w + 1) // 2, (missing_h + 1) // 2)
            stack = _pad(stack, sides, 0, "constant")
            height, width = stack.size
        count = len(stack.images)
        top, left = round((height - wanted_h) / 2.0), round((width - wanted_w) / 2.0)
        return _crop(stack, np.full(count, top), np.full(count, left), self.size)

    def __repr__(self) -> str:
        return f"CenterCrop(size={self.size})"


class RandomCrop(StackTransform):
    """A window of `size` at a random place, after padding.

    ValueError where the window is larger than the image, unless pad_if_needed.

    >>> import alight as torch
    >>> from alight.vision import transforms
    >>> transforms.RandomCrop(4, padding=1)(torch.ones(3, 5, 7)).shape
    torch.Size([3, 4, 4])
    """

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] | None = None,
        pad_if_needed: bool = False,
        fill: Any = 0,
        padding_mode: str = "constant",
    ) -> None:
        self.size = pair(size)
        self.padding = padding
        self.pad_if_needed = pad_if_needed
        self.fill = fill
        self.padding_mode = padding_mode

    def _padded(self, stack: Stack) -> Stack:
        if self.padding is not None:
            stack = _pad(stack, four_sides(self.padding), self.fill, self.padding_mode)
        if self.pad_if_needed:
            more_w = max(self.size[1] - stack.size[1], 0)
            more_h = max(self.size[0] - stack.size[0], 0)
            stack = _pad(stack, (more_w, more_h, more_w, more_h), self.fill, self.padding_mode)
        return stack

    def word_count(self, stack: Stack) -> int:
        stack = self._padded(Stack(stack.images[:0], stack.is_tensor))
        if stack.size[0] < self.size[0] or stack.size[1] < self.size[1]:
            sentence = (
                f"Required crop size {self.size} is larger than input image size {stack.size}"
            )
            fail(ValueError, sentence, try_="pad_if_needed=True")
        return 0 if stack.size == self.size else 2

    def on_stack(self, stack: Stack, words: Array) -> Stack:
        stack = self._padded(stack)
        if not words.shape[1]:
            return stack
        height, width = stack.size
        tops = words[:, 0] % np.uint32(height - self.size[0] + 1)
        lefts = words[:, 1] % np.uint32(width - self.size[1] + 1)
        return _crop(stack, tops.astype(np.int64), lefts.astype(np.int64), self.size)

    @staticmethod
    def get_params(img: Any, output_size: tuple[int, int]) -> tuple[int, int, int, int]:
        """A random window of an image: top, left, height and width."""
        _, h, w = get_dimensions(img)
        height, width = output_size
        if h < height or w < width:
            fail(
                ValueError,
                f"Required crop size {(height, width)} is larger than input image size {(h, w)}",
            )
        if (h, w) == (height, width):
            return 0, 0, h, w
        top = int(alight.randint(0, h - height + 1, size=(1,)))
        left = int(alight.randint(0, w - width + 1, size=(1,)))
        return top, left, height, width

    def __repr__(self) -> str:
        return f"RandomCrop(size={self.size}, padding={self.padding})"


class _RandomFlip(StackTransform):
    """Each image mirrored with probability `p`."""

    axis_after_height: int

    def __init__(self, p: float = 0.5) -> None:
        self.p = p

    def word_count(self, stack: Stack) -> int:
        return 1

    def on_stack(self, stack: Stack, words: Array) -> Stack:
        axis = stack.height_axis + self.axis_after_height
        # PyTorch's float32 uniform: the low 24 bits of a word.
        chosen = (words[:, 0] & np.uint32(0xFFFFFF)) * np.float32(2**-24) < np.float32(self.p)
        images = stack.images.copy()
        images[chosen] = np.flip(images[chosen], axis)
        return Stack(images, stack.is_tensor)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class RandomHorizontalFlip(_RandomFlip):
    """Left and right exchanged with probability `p`.

    >>> import alight as torch
    >>> from alight.vision import transforms
    >>> transforms.RandomHorizontalFlip(p=1.0)(torch.tensor([[[1, 2]]]))
    tensor([[[2, 1]]])
    """

    axis_after_height = 1


class RandomVerticalFlip(_RandomFlip):
    """Top and bottom exchanged with probability `p`.

    >>> import alight as torch
    >>> from alight.vision import transforms
    >>> transforms.RandomVerticalFlip(p=1.0)(torch.tensor([[[1], [2]]])).flatten()
    tensor([2, 1])
    """

    axis_after_height = 0
