"""Parts of a tensor as views: ints, slices and new axes, one pattern for all axes at once.

In: a tensor, a pattern and the numbers that it leaves open. Out: a view that takes its step in the trie when it is
first used. A place that is written out (`x[i]`, `x[i:i + n]`) is a number, an input of the program, so that a loop
over `i` stays on one path; what counts from the end, and what is left out, is part of the pattern.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any

from alight.dtypes import category, int64
from alight.errors import fail
from alight.ir.program import Builder, Program, Value
from alight.ir.types import Type
from alight.ops.arguments import normalize_dim
from alight.ops.known_parts import come_together, known_parts, remember_parts
from alight.ops.operation import function
from alight.primitives import DynamicSlice, Reshape, Slice
from alight.primitives.arithmetic import constant
from alight.record.ambiguous import NO_GRAD, SEVERAL, refuse_written
from alight.record.meta import INFERENCE, Meta
from alight.record.owners import attach
from alight.record.recorder import thread
from alight.tensor import Tensor

# An item of a pattern, for each axis in order: (what, start, stop, step).
#   ("slice", start, stop, step)  a range known when the path is made
#   ("pick", i, 0, 0)             an element known then; the axis goes
#   ("from", length, 0, 0)        `length` elements from a number
#   ("at", 0, 0, 0)               the element at a number; the axis goes
#   ("new", 0, 0, 0)              a new axis of extent 1
Item = tuple[str, int, int, int]
Pattern = tuple[Item, ...]

AT: Item = ("at", 0, 0, 0)
NEW: Item = ("new", 0, 0, 0)

_links: dict[tuple[int, bool, Pattern, str], tuple[Program, Meta]] = {}
_new = object.__new__


def whole(size: int) -> Item:
    """The item that leaves an axis as it is."""
    return "slice", 0, size, 1


def along(axis: int, item: Item, shape: tuple[int, ...]) -> Pattern:
    """The pattern that takes `item` along one axis and leaves the others."""
    return tuple([item if i == axis else whole(size) for i, size in enumerate(shape)])


def part(base: Tensor, pattern: Pattern, numbers: tuple[int, ...], origin: str) -> Tensor:
    """The view of `base` that `pattern` describes, with `numbers` where it leaves places open."""
    meta = base._meta
    grad = meta.requires_grad and thread.recorder.grad_enabled
    key = (meta.number, grad, pattern, origin)
    found = _links.get(key)
    if found is None:
        if grad:
            refuse_written([base])
        if len(_links) > 10_000:
            _links.clear()
        found = _links[key] = _describe(meta, grad, pattern, origin)
    view = _new(Tensor)
    view._slot, view._meta = -1, found[1]
    attach(view, base, found[0], numbers)
    return view


def _describe(meta: Meta, grad: bool, pattern: Pattern, origin: str) -> tuple[Program, Meta]:
    """The program from a tensor to its part, and the part's meta."""
    builder = Builder()
    with builder.active():
        x = builder.input(meta.type)
        places = [item for item in pattern if item[0] != "new"]
        open_places = sum(item[0] in ("at", "from") for item in places)
        numbers = [builder.input(Type((), int64, meta.device)) for _ in range(open_places)]
        taken = _taken(x, places, numbers)
        shape, strides = _shape_and_strides(meta, pattern, taken.shape)
        result = Reshape(taken, shape=shape)
    type_ = Type(shape, meta.dtype, meta.device)
    grad = grad and meta.dtype.is_differentiable
    inherited = origin if origin in SEVERAL else INFERENCE if meta.origin == INFERENCE else None
    if meta.requires_grad and not grad:
        inherited = NO_GRAD
    return builder.finish([result]), Meta(
        type_, strides, grad, not grad, origin if grad else inherited
    )


def _taken(x: Value, places: list[Item], numbers: list[Value]) -> Value:
    """The part with all axes of x still there: what is known by a slice, then what is open by a dynamic one."""
    starts, stops, steps, sizes = [], [], [], []
    for size, (what, first, stop, step) in zip(x.shape, places, strict=True):
        if what == "slice":
            starts.append(first), stops.append(stop), steps.append(step)  # type: ignore[func-returns-value]
            sizes.append(-(-(stop - first) // step))
        elif what == "pick":
            starts.append(first), stops.append(first + 1), steps.append(1), sizes.append(1)  # type: ignore[func-returns-value]
        else:
            starts.append(0), stops.append(size), steps.append(1)  # type: ignore[func-returns-value]
            sizes.append(1 if what == "at" else first)
    x = Slice(x, starts=tuple(starts), stops=tuple(stops), steps=tuple(steps))
    if not numbers:
        return x
    at = iter(numbers)
    zero = constant(x, 0, dtype=int64)
    open_ = [next(at) if item[0] in ("at", "from") else zero for item in places]
    return DynamicSlice(x, *open_, sizes=tuple(sizes))


def _shape_and_strides(
    meta: Meta, pattern: Pattern, taken: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    shape: list[int] = []
    strides: list[int] = []
    full, axis = meta.full_strides(), len(meta.shape)
    for what, _, _, step in reversed(pattern):
        if what == "new":  # its stride spans the axis of the tensor that follows
            strides.append(meta.shape[axis] * full[axis] if axis < len(full) else 1)
            shape.append(1)
            continue
        axis -= 1
        if what in ("slice", "from"):
            shape.append(taken[axis])
            strides.append(full[axis] * (step if what == "slice" else 1))
    return tuple(reversed(shape)), tuple(reversed(strides))


# -- public ------------------------------------------------------------------------------------------------------------


def element(base: Tensor, axis: int, index: int, origin: str) -> Tensor:
    """The view at a place of one axis, which counts from 0 or from the end and is inside."""
    shape = base._meta.shape
    item = AT if index >= 0 else ("pick", index + shape[axis], 0, 0)
    return part(base, along(axis, item, shape), (index,) if index >= 0 else (), origin)


def span(base: Tensor, axis: int, start: int, stop: int, origin: str) -> Tensor:
    """The view of the elements from start to stop of one axis, both part of the path."""
    return part(base, along(axis, ("slice", start, stop, 1), base._meta.shape), (), origin)


@function(methods="select")
def select(input: Tensor, dim: int, index: int) -> Tensor:
    """The part at `index` of one dimension, as a view; the dimension goes.

    Shapes: any but (); dimension `dim` goes.
    Errors: IndexError for a 0-d tensor, and for an index or a dimension out of range.

    >>> import alight as torch
    >>> torch.arange(6).reshape(2, 3).select(1, 0)
    tensor([0, 3])
    """
    shape, index = input._meta.shape, int(index)
    if not shape:
        fail(IndexError, "select() cannot be applied to a 0-dim tensor.")
    axis = normalize_dim(dim, len(shape))
    if not -shape[axis] <= index < shape[axis]:
        fail(
            IndexError,
            f"select(): index {index} out of range for tensor of size {list(shape)} at dimension {axis}",
        )
    return element(input, axis, index, "select")


@function(methods="narrow")
def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """`length` elements from `start` along a dimension, as a view.

    Shapes: any but (); dimension `dim` becomes `length` long.
    Errors: RuntimeError for a 0-d tensor and a range that does not fit, IndexError for a start out
    of range.

    >>> import alight as torch
    >>> torch.arange(5).narrow(0, 1, 3)
    tensor([1, 2, 3])
    """
    shape = input._meta.shape
    if isinstance(start, Tensor) and (start.ndim or category(start.dtype) != 1):
        fail(RuntimeError, "start must be an 0-dim integral Tensor.")
    start = int(start)
    if not shape:
        fail(RuntimeError, "narrow() cannot be applied to a 0-dim tensor.")
    if length < 0:
        fail(RuntimeError, "narrow(): length must be non-negative.")
    axis = normalize_dim(dim, len(shape))
    size = shape[axis]
    if not -size <= start <= size:
        fail(
            IndexError,
            f"start out of range (expected to be in range of [{-size}, {size}], but got {start})",
        )
    at = start + size if start < 0 else start
    if at + length > size:
        fail(RuntimeError, f"start ({at}) + length ({length}) exceeds dimension size ({size}).")
    if start < 0:
        return span(input, axis, at, at + length, "slice")
    return part(input, along(axis, ("from", length, 0, 0), shape), (start,), "slice")


@function(methods="unbind")
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """The parts at each place of a dimension, as views.

    Shapes: any but (); the parts lack dimension `dim`.
    Errors: IndexError for a 0-d tensor or a dimension out of range.

    >>> import alight as torch
    >>> torch.tensor([[1, 2], [3, 4]]).unbind()
    (tensor([1, 2]), tensor([3, 4]))
    """
    shape = input._meta.shape
    if not shape:
        fail(IndexError, f"Dimension specified as {dim} but tensor has no dimensions")
    axis = normalize_dim(dim, len(shape))
    together = come_together(input, shape[axis])
    if (known := known_parts(input, "unbind", axis, together)) is not None:
        return known
    places = range(shape[axis])
    if together:
        picks = [along(axis, ("pick", i, 0, 0), shape) for i in places]
        parts = tuple([part(input, pick, (), "unbind") for pick in picks])
    else:
        pattern = along(axis, AT, shape)
        parts = tuple([part(input, pattern, (i,), "unbind") for i in places])
    return remember_parts(input, parts, "unbind", axis, together)


FEW = 8  # parts by which a program may differ; of more, batches of data most often, any is cut out by the same program


@function(methods="split")
def split(
    tensor: Tensor, split_size_or_sections: Any = None, dim: int = 0, **other: Any
) -> tuple[Tensor, ...]:
    """Consecutive parts of a dimension, as views: of one size (the last may be smaller), or of the given sizes.

    Shapes: any but (); the parts differ from the input in dimension `dim`.
    Errors: RuntimeError for a 0-d tensor, negative sizes, and sizes that do not add up.

    >>> import alight as torch
    >>> torch.arange(5).split(2)
    (tensor([0, 1]), tensor([2, 3]), tensor([4]))
    """
    size = other.get("split_size", split_size_or_sections)
    if not isinstance(size, int):
        return split_with_sizes(tensor, size, dim)
    if (known := known_parts(tensor, "split", size, dim)) is not None:
        return known
    shape = tensor._meta.shape
    if not shape:
        fail(RuntimeError, "split expects at least a 1-dimensional tensor")
    axis = normalize_dim(dim, len(shape))
    extent = shape[axis]
    if size < 0:
        fail(RuntimeError, f"split expects split_size be non-negative, but got split_size={size}")
    if size == 0 and extent:
        fail(
            RuntimeError,
            f"split_size can only be 0 if dimension size is 0, but got dimension size of {extent}",
        )
    starts = range(0, extent, size) if extent else [0]
    if len(starts) <= FEW or tensor._meta.requires_grad:
        parts = [span(tensor, axis, at, min(at + size, extent), "split") for at in starts]
    else:
        pattern = along(axis, ("from", size, 0, 0), shape)
        parts = [part(tensor, pattern, (at,), "split") for at in starts[:-1]]
        parts.append(span(tensor, axis, starts[-1], extent, "split"))
    return remember_parts(tensor, tuple(parts), "split", size, dim)


@function(methods="split_with_sizes")
def split_with_sizes(input: Tensor, split_sizes: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Consecutive parts of the given sizes along a dimension, as views.

    Shapes: any but (); the parts differ from the input in dimension `dim`.
    Errors: RuntimeError for sizes that do not add up to the extent.

    >>> import alight as torch
    >>> torch.split_with_sizes(torch.arange(5), [2, 3])
    (tensor([0, 1]), tensor([2, 3, 4]))
    """
    shape, sizes = input._meta.shape, tuple([int(size) for size in split_sizes])
    if (known := known_parts(input, "split", sizes, dim)) is not None:
        return known
    axis = normalize_dim(dim, len(shape))
    if sum(sizes) != shape[axis] or min(sizes, default=0) < 0:
        fail(
            RuntimeError,
            f"split_with_sizes expects split_sizes to sum exactly to {shape[axis]} (input tensor's size at dimension "
            f"{axis}), but got split_sizes={list(sizes)}",
            facts=[f"they add up to {sum(sizes)}"],
            try_=f".split(n), for parts of n and a rest; sizes of sum {shape[axis]}",
        )
    parts = _cut(input, axis, accumulate(sizes), "split_with_sizes")
    return remember_parts(input, parts, "split", sizes, dim)


def _cut(input: Tensor, axis: int, stops: Iterable[int], origin: str) -> tuple[Tensor, ...]:
    parts, at = [], 0
    for stop in stops:
        parts.append(span(input, axis, at, max(at, stop), origin))
        at = stop
    return tuple(parts)


def cut(input: Tensor, dim: int, sizes: Sequence[int], origin: str) -> tuple[Tensor, ...]:
    """Parts of these sizes along a dimension, as views that `origin` made."""
    return _cut(input, normalize_dim(dim, input.ndim), accumulate(sizes), origin)


@function(methods="chunk")
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most `chunks` parts of equal size (the last may be smaller) along a dimension, as views.

    Shapes: any but (); the parts differ from the input in dimension `dim`.
    Errors: RuntimeError for a 0-d tensor, and for fewer than one part.

    >>> import alight as torch
    >>> [len(one) for one in torch.arange(5).chunk(2)]
    [3, 2]
    """
    if not input._meta.shape:
        fail(RuntimeError, "chunk expects at least a 1-dimensional tensor")
    if chunks <= 0:
        fail(RuntimeError, f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    extent = input._meta.shape[normalize_dim(dim, input.ndim)]
    if extent == 0:
        return split_with_sizes(input, [0] * chunks, dim)
    return split(input, -(-extent // chunks), dim)


@function(methods="tensor_split")
def tensor_split(input: Tensor, indices_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Parts of nearly equal size, or between the given places, along a dimension, as views.

    Shapes: any but (); the parts differ from the input in dimension `dim`.
    Errors: RuntimeError for fewer than one part.

    >>> import alight as torch
    >>> torch.arange(5).tensor_split([1, 4])
    (tensor([0]), tensor([1, 2, 3]), tensor([4]))
    """
    axis = normalize_dim(dim, input.ndim)
    size, places = input._meta.shape[axis], indices_or_sections
    if isinstance(places, Tensor):
        places = places.tolist()
    if isinstance(places, int):
        if places <= 0:
            fail(RuntimeError, f"number of sections must be larger than 0, got {places}")
        small, more = divmod(size, places)
        return _cut(
            input, axis, accumulate([small + (i < more) for i in range(places)]), "tensor_split"
        )
    within = [slice(None, int(one)).indices(size)[1] for one in places]
    return _cut(input, axis, [*within, size], "tensor_split")


def _split_along(input: Tensor, sections: Any, dim: int, name: str) -> tuple[Tensor, ...]:
    least = {"hsplit": 1, "vsplit": 2, "dsplit": 3}[name]
    if input.ndim < least:
        fail(
            RuntimeError,
            f"torch.{name} requires a tensor with at least {least} dimension, but got a tensor with {input.ndim} "
            "dimensions!",
        )
    if isinstance(sections, str):
        fail(
            TypeError,
            f"{name}() received an invalid combination of arguments: indices_or_sections must be an int or ints, not str",
        )
    if isinstance(sections, int) and (sections <= 0 or input._meta.shape[dim] % sections):
        fail(
            RuntimeError,
            f"torch.{name} attempted to split along dimension {dim}, but the size "
            f"of the dimension {input._meta.shape[dim]} is not divisible by the split_size {sections}!",
        )
    return tensor_split(input, sections, dim)


@function(methods="hsplit")
def hsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Parts along the columns, or along the only dimension.

    Shapes: any but ().
    Errors: RuntimeError for a 0-d tensor, and for a number of parts that does not divide the
    extent.

    >>> import alight as torch
    >>> torch.hsplit(torch.tensor([[1, 2], [3, 4]]), 2)
    (tensor([[1],
            [3]]), tensor([[2],
            [4]]))
    """
    return _split_along(input, indices_or_sections, 0 if input.ndim == 1 else 1, "hsplit")


@function(methods="vsplit")
def vsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Parts along the rows.

    Shapes: two dimensions or more: (n, *).
    Errors: RuntimeError for fewer dimensions, and for a number of parts that does not divide the
    extent.

    >>> import alight as torch
    >>> torch.vsplit(torch.tensor([[1, 2], [3, 4]]), 2)
    (tensor([[1, 2]]), tensor([[3, 4]]))
    """
    return _split_along(input, indices_or_sections, 0, "vsplit")


@function(methods="dsplit")
def dsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Parts along the third dimension.

    Shapes: three dimensions or more: (n, m, k, *).
    Errors: RuntimeError for fewer dimensions, and for a number of parts that does not divide the
    extent.

    >>> import alight as torch
    >>> torch.dsplit(torch.tensor([[[1, 2]], [[3, 4]]]), 2)
    (tensor([[[1]],
    <BLANKLINE>
            [[3]]]), tensor([[[2]],
    <BLANKLINE>
            [[4]]]))
    """
    return _split_along(input, indices_or_sections, 2, "dsplit")
