"""x[...] and x[...] = y: ints, slices, None, Ellipsis, masks and index tensors, mixed by PyTorch's rules.

An index falls into two parts. Ints, slices, None and Ellipsis make one view (`alight.ops.parts`). Tensors, lists,
arrays and bools then select among that view's elements: their common shape stands where they stood if they are
neighbours, and in front otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from alight.dtypes import WIDE_UNSIGNED, bool_, int64, uint8
from alight.errors import fail
from alight.ops.conversion import made_by
from alight.ops.creation import as_tensor, ones, tensor
from alight.ops.gather import index_at, put_at
from alight.ops.known_parts import known_part, remember
from alight.ops.operation import METHODS, TORCH, function
from alight.ops.out import write_out
from alight.ops.parts import AT, NEW, Item, along, part, whole
from alight.ops.ranges import arange
from alight.ops.sizes import whole_number
from alight.ops.unsigned import refuse_tensor
from alight.ops.writing import fill_
from alight.primitives.arithmetic import broadcast_shape
from alight.record.recorder import thread
from alight.record.views import forget
from alight.tensor import Tensor, from_buffer

TREATED_AS_TUPLE = (
    32  # a list up to this long with slices or sequences in it is read as a tuple, as in PyTorch
)


# -- reading ---------------------------------------------------------------------------------------------------------


def getitem(self: Tensor, index: Any) -> Tensor:
    """The elements that `index` names: a view for ints and slices, a copy for tensors, lists and masks."""
    if index.__class__ is not Tensor:
        if (known := known_part(self, index)) is not None:
            return known
    ids = index if index.__class__ is tuple else (index,)
    if _are_places(self, ids):
        return index_at.function(self, ids, _FIRST_AXES[len(ids)])
    view, selectors = _basic(self, index)
    if not selectors:
        return (
            part(self, tuple(map(whole, self._meta.shape)), (), "alias") if view is self else view
        )
    ids, axes = _expanded(view, selectors)
    return index_at.function(view, ids, axes)


_FIRST_AXES = [tuple(range(n)) for n in range(9)]


def _are_places(x: Tensor, ids: tuple[Any, ...]) -> bool:
    """Whether an index is tensors of whole numbers alone, for the first dimensions."""
    if not 0 < len(ids) <= len(x._meta.shape) or len(ids) >= len(_FIRST_AXES):
        return False
    for one in ids:
        if one.__class__ is not Tensor or one._meta.dtype is not int64 or not one._meta.shape:
            return False
    return True


def _basic(x: Tensor, index: Any) -> tuple[Tensor, list[tuple[int, Tensor]]]:
    """The view that ints, slices, None and Ellipsis make, and (axis, index tensor) pairs to apply to it."""
    items = _items(index)
    shape = x._meta.shape
    used = sum(_width(item) for item in items)
    if used > len(shape):
        _refuse_too_many(items, shape, used)
    pattern: list[Item] = []
    numbers: list[int] = []
    selectors: list[tuple[int, Tensor]] = []
    axis = place = 0  # of x, and of the view
    origin, changed = "slice", False
    for at, item in enumerate(items):
        if item is Ellipsis:
            skipped = len(shape) - used
            pattern.extend(whole(size) for size in shape[axis : axis + skipped])
            axis, place, used = axis + skipped, place + skipped, len(shape)
            continue
        if item is None or isinstance(item, bool):
            pattern.append(NEW)
            origin, changed = "unsqueeze", True
            if item is not None:
                selectors.append((place, tensor([0] if item else [], dtype=int64)))
            place += 1
            continue
        if isinstance(item, Tensor):
            width = _width(item)
            selectors.append((place, item))
            pattern.extend(whole(size) for size in shape[axis : axis + width])
            axis, place = axis + width, place + width
            continue
        size = shape[axis]
        one, number = (
            _slice_item(item, size) if isinstance(item, slice) else _int_item(item, size, at)
        )
        changed = changed or one != whole(size)
        pattern.append(one)
        numbers.extend(number)
        origin = "select" if one[0] in ("at", "pick") else origin
        axis += 1
        place += isinstance(item, slice)
    if not changed:
        return x, selectors
    pattern.extend(whole(size) for size in shape[axis:])
    view = part(x, tuple(pattern), tuple(numbers), origin)
    if not selectors:
        remember(x, index, view, pattern)
    return view, selectors


def _refuse_too_many(items: Sequence[Any], shape: tuple[int, ...], used: int) -> NoReturn:
    """PyTorch's error for more indices than a tensor has dimensions."""
    if not shape:
        fail(IndexError, _no_dimensions(items), try_=".item(), the number in it")
    fail(
        IndexError,
        f"too many indices for tensor of dimension {len(shape)}",
        facts=[f"the tensor is {list(shape)}, and {used} of its dimensions are asked for"],
        try_=f"at most {len(shape)} indices",
    )


def _no_dimensions(items: Sequence[Any]) -> str:
    """PyTorch's sentence for an index into a tensor without dimensions."""
    if len(items) > 1 or isinstance(items[0], Tensor):
        return "too many indices for tensor of dimension 0"
    if isinstance(items[0], slice):
        return "slice() cannot be applied to a 0-dim tensor."
    if items[0]:
        return f"index {items[0]} is out of bounds for dimension 0 with size 0"
    return (
        "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to convert a 0-dim "
        "tensor to a number"
    )


def _width(item: Any) -> int:
    """How many dimensions of the tensor an item stands for."""
    if item is None or item is Ellipsis or isinstance(item, bool):
        return 0
    if isinstance(item, Tensor) and item._meta.dtype in (bool_, uint8):
        return len(item._meta.shape)
    return 1


def _int_item(item: int, size: int, at: int) -> tuple[Item, tuple[int, ...]]:
    if not -size <= item < size:
        fail(
            IndexError,
            f"index {item} is out of bounds for dimension {at} with size {size}",
            facts=[f"indices go from 0 to {size - 1}, or from -{size} to -1"] if size else (),
            try_="-1 for the last one" if size else "a tensor that is not empty",
        )
    return (AT, (item,)) if item >= 0 else (("pick", item + size, 0, 0), ())


def _slice_item(item: slice, size: int) -> tuple[Item, tuple[int, ...]]:
    step = 1 if item.step is None else int(item.step)
    if step == 0:
        fail(ValueError, "slice step cannot be zero")
    if step < 0:
        fail(ValueError, "step must be greater than zero", try_=".flip(0) for the reverse order")
    first, last = _bound(item.start), _bound(item.stop)
    start, stop, _ = slice(first, last, step).indices(size)
    stop = max(start, stop)
    if step == 1 and first is not None and last is not None and first >= 0 and last >= 0:
        return ("from", stop - start, 0, 0), (
            start,
        )  # both written out: a window that a loop may move
    return ("slice", start, stop, step), ()


def _bound(bound: Any) -> int | None:
    if bound is None or bound.__class__ is int:
        return bound
    if isinstance(bound, Tensor):
        return int(bound)
    if not hasattr(bound, "__index__"):
        fail(
            TypeError,
            f"slice indices must be integers or None or have an __index__ method, not {type(bound).__name__}",
        )
    return bound.__index__()


def _items(index: Any) -> list[Any]:
    """The index as a list of int, slice, None, Ellipsis, bool and Tensor."""
    if isinstance(index, tuple):
        given: Sequence[Any] = index
    elif (
        isinstance(index, list) and len(index) < TREATED_AS_TUPLE and any(map(_makes_tuple, index))
    ):
        given = index
    else:
        given = (index,)
    items = [_item(one) for one in given]
    if sum(one is Ellipsis for one in items) > 1:
        first = next(i for i, one in enumerate(items) if one is Ellipsis)
        items = items[: first + 1] + [
            slice(None) if one is Ellipsis else one for one in items[first + 1 :]
        ]
    return items


def _makes_tuple(one: Any) -> bool:
    return one is None or one is Ellipsis or isinstance(one, (slice, list, tuple, Tensor))


def _item(one: Any) -> Any:
    if one.__class__ is int or one is None or one is Ellipsis or isinstance(one, (bool, slice)):
        return one
    if isinstance(one, Tensor):
        return _tensor_item(one)
    if isinstance(one, range):
        return arange(one.start, one.stop, one.step)
    if isinstance(one, (list, tuple)):
        made = tensor(one) if len(one) else tensor([], dtype=int64)
        return _tensor_item(made) if made._meta.shape else made
    if hasattr(one, "__index__") and not getattr(one, "shape", ()):
        return one.__index__()
    if hasattr(one, "__array__"):
        made = as_tensor(one)
        return _tensor_item(made) if made._meta.shape else made.item()
    if isinstance(one, str):
        fail(TypeError, "new(): invalid data type 'str'")
    fail(
        IndexError,
        "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices (got "
        f"{type(one).__name__})",
    )


def _tensor_item(one: Tensor) -> Any:
    of = one._meta.dtype
    if of.is_differentiable or (of in WIDE_UNSIGNED and one._meta.shape):
        fail(
            IndexError,
            "tensors used as indices must be long, int, byte or bool tensors",
            facts=[f"the index is {one._meta.type}"],
            try_="index.long()",
        )
    if not one._meta.shape and not (thread.recorder.transforming and of not in (bool_, uint8)):
        # a number, which makes a view as an int does
        return bool(one.item()) if of in (bool_, uint8) else int(one.item())
    return one


def _expanded(
    x: Tensor, selectors: list[tuple[int, Tensor]]
) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
    """Index tensors and the axes they apply to, masks replaced by the places where they are True."""
    ids: list[Tensor] = []
    axes: list[int] = []
    for axis, one in selectors:
        if one._meta.dtype in (bool_, uint8):
            _check_mask(x, axis, one)
            if thread.recorder.transforming:
                one.flush("mask")
            places = nonzero(one, as_tuple=True)
            ids.extend(places)
            axes.extend(range(axis, axis + len(places)))
        else:
            ids.append(one)
            axes.append(axis)
    return tuple(ids), tuple(axes)


def _check_mask(x: Tensor, axis: int, mask: Tensor) -> None:
    shape, wanted = x._meta.shape, mask._meta.shape
    for i, size in enumerate(wanted):
        if shape[axis + i] != size:
            fail(
                IndexError,
                f"The shape of the mask {list(wanted)} at index {i} does not match the shape of the indexed tensor "
                f"{list(shape)} at index {axis + i}",
                try_="a mask of the tensor's shape, or of its first dimensions'",
            )


EVERYTHING = slice(None)

# -- writing -----------------------------------------------------------------------------------------------------------


def setitem(self: Tensor, index: Any, value: Any) -> None:
    """Write `value`, broadcast, to the elements that `index` names."""
    meta = self._meta
    if index.__class__ is slice and index == EVERYTHING and meta.shape and not meta.requires_grad:
        if not isinstance(value, Tensor) and not isinstance(value, (int, float, complex)):
            value = _written_value(self, value)
        if not isinstance(value, Tensor) or not value._meta.requires_grad:
            _assign(self, value)
            return
    selectors: list[tuple[int, Tensor]] = []
    view = known_part(self, index)
    if view is None:
        view, selectors = _basic(self, index)
    if not isinstance(value, (Tensor, int, float, complex)):
        value = _written_value(self, value)
    if not selectors:
        _assign(view, value)
        forget(view, self)
        return
    single = not isinstance(value, Tensor) or not value._meta.shape
    if single and len(selectors) == 1 and selectors[0][1]._meta.dtype is bool_:
        axis, mask = selectors[0]
        _check_mask(view, axis, mask)
        behind = (1,) * (view.ndim - axis - mask.ndim)
        view.masked_fill_(mask.reshape(tuple(mask._meta.shape) + behind), value)
        return
    if not isinstance(value, Tensor):
        value = tensor(value, dtype=self.dtype, device=self.device)
    elif not value._meta.shape and value._meta.dtype is not self._meta.dtype:
        value = value.to(self.dtype)
    ids, axes = _expanded(view, selectors)
    put_at.function(view, value, ids, axes, False)


def _written_value(self: Tensor, value: Any) -> Any:
    if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        return value.item()
    kind = type(value)
    name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
    fail(
        TypeError,
        f"can't assign a {name} to a {self.type()}",
        try_="torch.tensor(...) of it",
    )


def _assign(view: Tensor, value: Any) -> None:
    if not isinstance(value, Tensor):
        fill_.function(view, value)
        return
    shape, target = value._meta.shape, view._meta.shape
    lead = 0
    while len(shape) - lead > len(target) and shape[lead] == 1:
        lead += 1
    if broadcast_shape(shape[lead:], target) != target:
        while lead < len(shape) and shape[lead] == 1:
            lead += 1
        value.reshape(shape[lead:]).expand(target)  # PyTorch's error
    view.copy_(value.reshape(shape[lead:]) if lead else value)


@function(functions="index_put_", methods="index_put_")
def index_put_(
    self: Tensor, indices: Sequence[Any], values: Tensor, accumulate: bool = False
) -> Tensor:
    """Write `values` where the tuple of index tensors says, or add them, with accumulate.

    Shapes: values broadcast to that of what the indices select; the tensor keeps its own.
    Errors: IndexError for an index out of range, RuntimeError for values that do not broadcast.

    >>> import alight as torch
    >>> torch.zeros(3).index_put_((torch.tensor([0, 2]),), torch.tensor([5., 6.]))
    tensor([5., 0., 6.])
    """
    items = [slice(None) if one is None else one for one in indices]
    view, selectors = _basic(self, tuple(items))
    ids, axes = _expanded(view, selectors)
    put_at.function(self, values, ids, axes, accumulate)
    return self


@function(functions="index_put", methods="index_put")
def index_put(
    self: Tensor, indices: Sequence[Any], values: Tensor, accumulate: bool = False
) -> Tensor:
    """A copy with `values` written where the tuple of index tensors says.

    Shapes: values broadcast to that of what the indices select; the result has the tensor's.
    Errors: IndexError for an index out of range, RuntimeError for values that do not broadcast.

    >>> import alight as torch
    >>> torch.zeros(3).index_put((torch.tensor([0, 0]),), torch.ones(2), accumulate=True)
    tensor([2., 0., 0.])
    """
    return index_put_(self.clone(), indices, values, accumulate)


METHODS["__getitem__"], METHODS["__setitem__"] = getitem, setitem


# -- places that depend on values ---------------------------------------------------------------------------------------


@function(methods="nonzero")
def nonzero(input: Tensor, *, as_tuple: bool = False, out: Any = None) -> Any:
    """The indices of the elements that are not zero, a row each; with as_tuple a vector for each dimension.

    Shapes: any input of rank r with n such elements; (n, r), or r vectors (n,).
    Errors: TypeError for a tuple as `out`.

    >>> import alight as torch
    >>> torch.tensor([0, 3, 5]).nonzero()
    tensor([[1],
            [2]])
    """
    refuse_tensor("nonzero_count_cpu", input)
    from alight.ops.joining import stack

    if as_tuple and out is not None:
        fail(
            TypeError,
            "nonzero(): argument 'out' must be Tensor, not tuple",
            ["as_tuple makes several results"],
        )
    flat = input if input._meta.shape else input.reshape(1)
    found = flat.flush("nonzero").nonzero()  # columns of one array: compiled code wants them apart
    places = tuple(from_buffer(one.copy(), int64) for one in found)
    if as_tuple:
        return places
    if not input._meta.shape:
        rows = from_buffer(places[0].flush("nonzero").reshape(-1, 1)[:, :0].copy(), int64)
    else:
        rows = stack(places).t()
    return rows if out is None else write_out(out, rows, "same")


@function(methods="argwhere")
def argwhere(input: Tensor) -> Tensor:
    """The indices of the elements that are not zero, a row each.

    Shapes: any input of rank r with n such elements; (n, r).

    >>> import alight as torch
    >>> torch.argwhere(torch.tensor([[1, 0], [0, 2]]))
    tensor([[0, 0],
            [1, 1]])
    """
    return nonzero(input)


@function(methods="masked_select")
def masked_select(input: Tensor, mask: Tensor, *, out: Any = None) -> Tensor:
    """The elements where mask is True, as a vector.

    Shapes: input and mask broadcast together; (n,) for n places that are True.
    Errors: RuntimeError for a mask that is not of bools.

    >>> import alight as torch
    >>> x = torch.tensor([1, 2, 3])
    >>> x.masked_select(x > 1)
    tensor([2, 3])
    """
    refuse_tensor("masked_select", input)
    from alight.ops.shape import broadcast_tensors

    if mask._meta.dtype is not bool_:
        fail(RuntimeError, "masked_select: expected BoolTensor for mask", try_="mask.bool()")
    wide, places = broadcast_tensors(input, mask)
    if not wide._meta.shape:
        wide, places = wide.reshape(1), places.reshape(1)
    found = made_by("MaskedSelectBackward0", getitem(wide, places))
    return (
        found
        if out is None
        else write_out(out, found, "same apart", (input, mask), "masked_select")
    )


@function(methods="repeat_interleave")
def repeat_interleave(
    input: Tensor, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Each element, or each slice along `dim`, repeated `repeats` times: a number, or one for each.

    Shapes: any; one dimension without `dim`, else the input's with `dim` longer.
    Errors: RuntimeError where repeats are not as many as the slices.

    >>> import alight as torch
    >>> torch.tensor([1, 2]).repeat_interleave(2)
    tensor([1, 1, 2, 2])
    """
    if repeats is None:
        counts = input.tolist()
        return tensor([i for i, count in enumerate(counts) for _ in range(count)], dtype=int64)
    if dim is None:
        input, dim = input.flatten(), 0
    dim = dim % max(input.ndim, 1)
    if isinstance(repeats, Tensor) and repeats.numel() == 1:
        repeats = int(repeats.item())
    if isinstance(repeats, int):
        shape = tuple(input.shape)
        grown = input.unsqueeze(dim + 1).expand((*shape[: dim + 1], repeats, *shape[dim + 1 :]))
        return grown.reshape((*shape[:dim], shape[dim] * repeats, *shape[dim + 1 :]))
    counts = repeats.tolist() if isinstance(repeats, Tensor) else list(repeats)
    if len(counts) != input.shape[dim]:
        fail(RuntimeError, "repeats must have the same size as input along dim, but got "
             f"repeats.size(0) = {len(counts)} and input.size({dim}) = {input.shape[dim]}")  # fmt: skip
    places = tensor([i for i, count in enumerate(counts) for _ in range(count)], dtype=int64)
    return TORCH["index_select"](input, dim, places)


@function()
def tril_indices(
    row: int,
    col: int,
    offset: int = 0,
    *,
    dtype: Any = int64,
    device: Any = None,
    layout: Any = None,
) -> Tensor:
    """Rows and columns of the lower triangle of a row by col matrix.

    Shapes: (2, n) for n places.
    Errors: RuntimeError for negative extents.

    >>> import alight as torch
    >>> torch.tril_indices(2, 2)
    tensor([[0, 1, 1],
            [0, 0, 1]])
    """
    row, col, offset = _triangle("tril_indices", row, col, offset)
    return _places(ones(row, col, dtype=bool_, device=device).tril(offset), dtype)


@function()
def triu_indices(
    row: int,
    col: int,
    offset: int = 0,
    *,
    dtype: Any = int64,
    device: Any = None,
    layout: Any = None,
) -> Tensor:
    """Rows and columns of the upper triangle of a row by col matrix.

    Shapes: (2, n) for n places.
    Errors: RuntimeError for negative extents.

    >>> import alight as torch
    >>> torch.triu_indices(2, 2)
    tensor([[0, 0, 1],
            [0, 1, 1]])
    """
    row, col, offset = _triangle("triu_indices", row, col, offset)
    return _places(ones(row, col, dtype=bool_, device=device).triu(offset), dtype)


def _triangle(name: str, row: Any, col: Any, offset: Any) -> tuple[int, ...]:
    given = zip(("row", "col", "offset"), (row, col, offset), strict=True)
    return tuple(whole_number(name, of, 1 + i, value) for i, (of, value) in enumerate(given))


def _places(mask: Tensor, dtype: Any) -> Tensor:
    from alight.ops.joining import stack

    return stack(nonzero(mask, as_tuple=True)).to(dtype)


# -- a tensor with a part replaced ----------------------------------------------------------------------------------------


def _fitting(src: Tensor, part: Tensor) -> Tensor:
    """The part of a tensor that `src` replaces."""
    if src.shape != part.shape:
        fail(
            RuntimeError,
            "expected src to have a size equal to the slice of self. src size = "
            f"{list(src.shape)}, slice size = {list(part.shape)}",
        )
    return part


@function(methods="select_scatter")
def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """A copy with the part at `index` of one dimension replaced by src.

    Shapes: src has the input's without `dim`; the result has the input's.
    Errors: RuntimeError for another shape of src, IndexError for an index out of range.

    >>> import alight as torch
    >>> torch.select_scatter(torch.zeros(2, 2), torch.ones(2), 0, 1)
    tensor([[0., 0.],
            [1., 1.]])
    """
    made = input.clone()
    _fitting(src, made.select(dim, index)).copy_(src)
    return made_by("SelectScatterBackward0", made)


@function(methods="slice_scatter")
def slice_scatter(
    input: Tensor,
    src: Tensor,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
    *,
    out: Any = None,
) -> Tensor:
    """A copy with elements start, start + step, ... below end of a dimension replaced by src.

    Shapes: src has that of the part; the result has the input's.
    Errors: RuntimeError for another shape of src.

    >>> import alight as torch
    >>> torch.slice_scatter(torch.zeros(4), torch.ones(2), 0, 1, 3)
    tensor([0., 1., 1., 0.])
    """
    made = input.clone()
    shape = made._meta.shape
    item, number = _slice_item(slice(start, end, step), shape[dim])
    _fitting(src, part(made, along(dim % len(shape), item, shape), number, "slice")).copy_(src)
    made = made_by("SliceScatterBackward0", made)
    return made if out is None else write_out(out, made, "same")


@function(methods="diagonal_scatter")
def diagonal_scatter(
    input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1
) -> Tensor:
    """A copy with a diagonal replaced by src.

    Shapes: src has that of the diagonal; the result has the input's.
    Errors: RuntimeError for another shape of src.

    >>> import alight as torch
    >>> torch.diagonal_scatter(torch.zeros(2, 2), torch.ones(2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    made = input.clone()
    _fitting(src, made.diagonal(offset, dim1, dim2)).copy_(src)
    return made_by("DiagonalScatterBackward0", made)
