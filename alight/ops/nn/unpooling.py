"""The way back from max pooling, and max pooling of windows at random places (Graham 2014)."""

from __future__ import annotations

from math import prod
from typing import Any

from alight import primitives as p
from alight.dtypes import int64
from alight.errors import fail
from alight.ir.program import Value as Tensor
from alight.ops.arguments import scalar_type_name
from alight.ops.nn.convolution import per_dimension
from alight.ops.nn.pooling import require_dim
from alight.ops.operation import TORCH, function, op
from alight.primitives.arithmetic import broadcast, constant
from alight.primitives.gather import IndexPut, take_along

Ints = Any

# -- unpooling ------------------------------------------------------------------------------------------------------------


@op(functions="")
def _max_unpool(input: Tensor, indices: Tensor, count: int, spatial: Ints) -> Tensor:
    """Zeros with each element of the input at its place among the flattened spatial dimensions."""
    lead = input.shape[: input.ndim - count]
    rows, places = prod(lead), prod(input.shape[input.ndim - count :])
    updates = p.Reshape(input, shape=(rows, places))
    with input.builder.active():
        row = p.Iota(shape=(rows, places), axis=0, dtype=int64, device=input.type.device)
    ids = p.Reshape(p.Convert(indices, dtype=int64), shape=(rows, places))
    zeros = constant(input, 0, (rows, prod(spatial)))
    return p.Reshape(IndexPut(zeros, updates, row, ids, axes=(0, 1)), shape=(*lead, *spatial))


def _unpooled_size(
    input: Any,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    output_size: Any,
) -> tuple[int, ...]:
    """The spatial extents before pooling: those asked for, where pooling could have come from them."""
    count = len(kernel)
    sizes = input.shape[input.dim() - count :]
    usual = tuple(
        (size - 1) * s + k - 2 * pad
        for size, k, s, pad in zip(sizes, kernel, stride, padding, strict=True)
    )
    if output_size is None:
        return usual
    wanted = list(output_size)
    if len(wanted) == count + 2:
        wanted = wanted[2:]
    if len(wanted) != count:
        fail(
            ValueError,
            "output_size should be a sequence containing "
            f"{count} or {count + 2} elements, but it has a length of '{len(wanted)}'",
        )
    for d, (size, want, s) in enumerate(zip(usual, wanted, stride, strict=True)):
        if not size - s < want < size + s:
            fail(
                ValueError,
                f'invalid output_size "{tuple(wanted)}" (dim {d} must be between {size - s} and {size + s})',
            )
    return tuple(wanted)


def _check_places(count: int, input: Any, indices: Any) -> None:
    """PyTorch's errors for places that are not those of the input's elements."""
    if indices.dtype is not int64:
        fail(
            RuntimeError,
            f"elements in indices should be type int64 but got: {scalar_type_name(indices.dtype)}",
        )
    if input.dim() not in (count + 1, count + 2):
        fail(
            RuntimeError,
            f"Input to max_unpooling{count}d should be a {count + 1}d or {count + 2}d Tensor, but got a tensor with "
            f"{input.dim()} dimensions.",
        )
    if input.shape != indices.shape:
        given, places = (
            [*one.shape, 1] if count == 1 else [*one.shape] for one in (input, indices)
        )
        fail(
            RuntimeError,
            f"Expected shape of indices to be same as that of the input tensor ({given}) but got indices "
            f"tensor with shape: {places}",
        )


def _max_unpooling(count: int) -> Any:
    def max_unpool(
        input: Any, indices: Any, kernel_size: Ints, stride: Ints = None, padding: Ints = 0, output_size: Any = None
    ) -> Any:  # fmt: skip
        kernel = per_dimension(kernel_size, count, "kernel_size")
        step = kernel if stride in (None, ()) else per_dimension(stride, count, "stride")
        spatial = _unpooled_size(
            input, kernel, step, per_dimension(padding, count, "padding"), output_size
        )
        _check_places(count, input, indices)
        return _max_unpool.function(input, indices, count, spatial)

    max_unpool.__name__ = max_unpool.__qualname__ = f"max_unpool{count}d"
    max_unpool.__doc__ = f"""Elements put back to the places that max_pool{count}d found them at, zeros elsewhere.

    The size is the smallest that pooling may have come from, or `output_size`.
    Shapes: (n, c, *) or (c, *), with {count} dimension(s) behind the channels; indices as input.
    Errors: RuntimeError for other ranks, for indices of another shape or not int64, and for an output_size that cannot be.

    >>> import alight as torch
    >>> F = torch.nn.functional
    >>> x, places = F.max_pool{count}d(torch.ones({"1, " + "2, " * count}), 2, return_indices=True)
    >>> F.max_unpool{count}d(x, places, 2).shape
    torch.Size([1, {", ".join(["2"] * count)}])
    """
    return max_unpool


for _count in (1, 2, 3):
    function("", F=f"max_unpool{_count}d")(_max_unpooling(_count))


# -- fractional max pooling -------------------------------------------------------------------------------------------------


def _starts(sample: Tensor, size: int, out: int, window: int) -> Tensor:
    """Where the windows of one axis begin: (rows, out), from a random number for each row."""
    rows = sample.shape[0]
    if out == 1:
        return p.Convert(constant(sample, size - window, (rows, 1)), dtype=int64)
    step = constant(sample, size - window) / (out - 1)
    with sample.builder.active():
        place = p.Iota(shape=(rows, out), axis=1, dtype=int64, device=sample.type.device)
    shift = p.Expand(p.Reshape(sample, shape=(rows, 1)), shape=(rows, out))
    first = p.Convert(shift * step, dtype=int64)
    found = p.Convert((p.Convert(place, dtype=sample.dtype) + shift) * step, dtype=int64) - first
    last = p.Convert(constant(sample, size - window, (rows, out)), dtype=int64)
    return p.Select(place < out - 1, found, last)


@op(functions="")
def _fractional_max_pool(
    input: Tensor, samples: Tensor, count: int, kernel: Ints, sizes: Ints
) -> tuple[Tensor, Tensor]:
    """Maxima and their places among the flattened spatial dimensions."""
    first = input.ndim - count
    lead, spatial = input.shape[:first], input.shape[first:]
    rows = prod(lead)
    order = (
        range(count) if count == 3 else reversed(range(count))
    )  # PyTorch's: width first in two dimensions
    flat = p.Reshape(samples, shape=(rows, count))
    places: Any = None
    grid = (rows, *sizes, *kernel)
    of_axis = dict(zip(order, range(count), strict=True))
    for axis in range(count):
        column = of_axis[axis]
        sample = p.Slice(flat, starts=(0, column), stops=(rows, column + 1), steps=(1, 1))
        starts = _starts(p.Reshape(sample, shape=(rows,)), spatial[axis], sizes[axis], kernel[axis])
        row = [rows] + [1] * (2 * count)
        row[1 + axis] = sizes[axis]
        with input.builder.active():
            inside = p.Iota(
                shape=grid, axis=1 + count + axis, dtype=int64, device=input.type.device
            )
        at = inside + broadcast(p.Reshape(starts, shape=tuple(row)), grid)
        places = at if places is None else places * spatial[axis] + at
    window = prod(kernel)
    places = p.Reshape(places, shape=(rows, prod(sizes) * window))
    values = take_along(p.Reshape(input, shape=(rows, prod(spatial))), places, 1)
    values = p.Reshape(values, shape=(rows, prod(sizes), window))
    places = p.Reshape(places, shape=(rows, prod(sizes), window))
    best = p.Reshape(p.ArgMax(values, axes=(2,)), shape=(rows, prod(sizes), 1))
    shape = (*lead, *sizes)
    return p.Reshape(take_along(values, best, 2), shape=shape), p.Reshape(
        take_along(places, best, 2), shape=shape
    )


def _wanted_sizes(
    name: str, spatial: tuple[int, ...], count: int, output_size: Any, output_ratio: Any
) -> tuple[int, ...]:
    if output_size is None and output_ratio is None:
        fail(ValueError, f"{name} requires specifying either an output_size or an output_ratio")
    if output_size is not None:
        return per_dimension(output_size, count, "output_size")
    ratios = (
        (output_ratio,) * count if isinstance(output_ratio, (int, float)) else tuple(output_ratio)
    )
    return tuple(int(size * ratio) for size, ratio in zip(spatial, ratios, strict=True))


def _check_windows(
    name: str, spatial: tuple[int, ...], sizes: tuple[int, ...], kernel: tuple[int, ...]
) -> None:
    """PyTorch's error for windows that are too large to lie at different places."""
    count = len(spatial)
    axes = ("time", "height", "width")[3 - count :]
    for what, size, out, k in zip(axes, spatial, sizes, kernel, strict=True):
        if out + k - 1 > size - (count == 3):
            fail(
                RuntimeError,
                f"{name}{'_out' if count == 3 else ''}(): pool {what} {k} too large relative to input {what} {size}",
                facts=[f"{out} windows of {k} do not fit"],
            )


def _samples(input: Any, given: Any, count: int) -> Any:
    """Where the windows lie, as numbers from 0 to 1: those that were given, or random ones."""
    alone = input.dim() == count + 1
    if given is None:
        shape = (1 if alone else input.shape[0], input.shape[-count - 1], count)
        return TORCH["rand"](shape, dtype=input.dtype, device=input.device)
    if given.dtype is not input.dtype:
        fail(RuntimeError, "Expect _random_samples to have the same dtype as input")
    return given[:1] if alone else given


def _fractional(count: int, always: bool) -> Any:
    name = f"fractional_max_pool{count}d"

    def fractional_max_pool(
        input: Any, kernel_size: Ints, output_size: Any = None, output_ratio: Any = None, return_indices: bool = False,
        _random_samples: Any = None,
    ) -> Any:  # fmt: skip
        require_dim(input, -count - 1)
        if input.dim() != count + 1 and input.dim() != count + 2:
            fail(
                RuntimeError,
                f"{name}(): Expected {count + 1}D or {count + 2}D tensor, but got: {list(input.shape)}",
            )
        first = input.dim() - count
        kernel = per_dimension(kernel_size, count, "kernel_size")
        spatial = tuple(input.shape[first:])
        sizes = _wanted_sizes(name, spatial, count, output_size, output_ratio)
        _check_windows(name, spatial, sizes, kernel)
        samples = _samples(input, _random_samples, count)
        found = _fractional_max_pool.function(input, samples, count, kernel, sizes)
        return tuple(found) if return_indices or always else found[0]

    fractional_max_pool.__name__ = fractional_max_pool.__qualname__ = name
    fractional_max_pool.__doc__ = f"""Maxima of windows whose places are drawn at random, to output_size, or to
    output_ratio times the input's extents, over the last {count} dimensions.

    Shapes: (n, c, *) or (c, *), with {count} dimensions behind the channels; these become `output_size`.
    Errors: RuntimeError and IndexError for other ranks, RuntimeError for a window that is too large and for _random_samples of another dtype.

    >>> import alight as torch
    >>> x = torch.ones({"1, " * 2 + "6, " * count})
    >>> form = torch.nn.functional.{name}{"_with_indices" if always else ""}
    >>> form(x, 2, output_size=3){"[0]" if always else ""}.shape
    torch.Size([1, 1, {", ".join(["3"] * count)}])
    """
    return fractional_max_pool


for _count in (2, 3):
    function("", F=f"fractional_max_pool{_count}d")(_fractional(_count, False))
    function("", F=f"fractional_max_pool{_count}d_with_indices")(_fractional(_count, True))
