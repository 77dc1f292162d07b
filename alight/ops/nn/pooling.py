"""Pooling: maxima and averages of windows, of given size or adapted to a wanted output.

Inputs are (batch, channels, *spatial), or without the batch. With `ceil_mode` a last window may hang over the edge
as long as it begins inside; the places outside never win a maximum.
"""

from __future__ import annotations

from math import prod
from typing import Any

from alight import primitives as p
from alight.dtypes import int64
from alight.errors import fail
from alight.ir.program import Value as Tensor
from alight.ops.docstrings import derived_docstring
from alight.ops.nn.convolution import _times, per_dimension
from alight.ops.operation import function, op
from alight.primitives.arithmetic import broadcast, constant
from alight.primitives.gather import Index
from alight.primitives.window import WindowArgMax, WindowMax, WindowSum, window_sums

Ints = Any
Pads = tuple[tuple[int, int], ...]


def window_padding(
    spatial: tuple[int, ...], kernel: tuple[int, ...], stride: tuple[int, ...], padding: tuple[int, ...],
    dilation: tuple[int, ...], ceil_mode: bool,
) -> Pads:  # fmt: skip
    """(low, high) for each dimension; `ceil_mode` may ask for more on the high side."""
    pads = []
    for size, k, s, low, d in zip(spatial, kernel, stride, padding, dilation, strict=True):
        room = size + 2 * low - d * (k - 1) - 1
        places = (-(-room // s) if ceil_mode else room // s) + 1
        if ceil_mode and (places - 1) * s >= size + low:  # the last window must begin inside
            places -= 1
        pads.append((low, max(low, (places - 1) * s + d * (k - 1) + 1 - size - low)))
    return tuple(pads)


def require_planes(x: Tensor) -> None:
    """PyTorch's errors where avg_pool2d gets no (n, c, h, w) or (c, h, w)."""
    require_dim(x, -3)
    if x.ndim > 4:
        fail(
            RuntimeError,
            "Expected 3D or 4D (batch mode) tensor with optional 0 dim batch size for input, but got:"
            f"{list(x.shape)}",
        )


def require_dim(x: Any, dim: int) -> None:
    """PyTorch's error where a kernel asks a tensor of too few dimensions for the size of one."""
    if not -x.ndim <= dim < x.ndim:
        fail(
            IndexError,
            f"Dimension out of range (expected to be in range of [{-x.ndim}, {x.ndim - 1}], but got {dim})",
            facts=[f"the input is {list(x.shape)}"],
        )


class _Geometry:
    """The checked arguments of a pooling operation on one input."""

    def __init__(
        self,
        name: str,
        count: int,
        x: Tensor,
        kernel: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        ceil_mode: bool,
    ) -> None:
        if name == "avg_pool2d":
            require_planes(x)
        if x.ndim not in (count + 1, count + 2):
            fail(
                RuntimeError,
                _wrong_rank(name, x)
                if name == "avg_pool1d"
                else f"{name}: Expected 2D or 3D (batch mode) tensor with optional 0 dim batch size for input, but got:"
                f"{list(x.shape)}"
                if count == 1
                else f"non-empty {count + 1}D or {count + 2}D (batch mode) tensor expected for input",
                facts=[f"the input is {list(x.shape)}"],
            )
        self.spatial = x.shape[x.ndim - count :]
        self.kernel = per_dimension(kernel, count, "kernel_size")
        self.stride = (
            self.kernel if stride in (None, ()) else per_dimension(stride, count, "stride")
        )
        self.padding = per_dimension(padding, count, "padding")
        self.dilation = per_dimension(dilation, count, "dilation")
        self._check_numbers(name)
        if any(
            2 * low > d * (k - 1) + 1
            for low, k, d in zip(self.padding, self.kernel, self.dilation, strict=True)
        ):
            fail(
                RuntimeError,
                "pad should be at most half of effective kernel size, but got "
                f"pad={self.padding[0]}, kernel_size={self.kernel[0]} and dilation={self.dilation[0]}",
            )
        self._check_extents(name, x)
        self.pads = window_padding(
            self.spatial, self.kernel, self.stride, self.padding, self.dilation, ceil_mode
        )
        self._check(x)

    def _check_numbers(self, name: str) -> None:
        """PyTorch's errors for sizes and steps of zero or less."""
        if min(self.padding) < 0:
            fail(RuntimeError, f"pad must be non-negative, but got pad: {min(self.padding)}")
        if name == "max_pool1d":
            for what in ("kernel", "stride", "dilation"):
                number = getattr(self, what)[0]
                if number < 1:
                    what = "kernel_size" if what == "kernel" else what
                    fail(
                        RuntimeError, f"{name}() {what} must be greater than zero, but got {number}"
                    )
        if min(self.stride) < 1:
            fail(RuntimeError, "stride should not be zero")

    def _check_extents(self, name: str, x: Tensor) -> None:
        """PyTorch's error for an input of nothing but a batch of none."""
        count = len(self.spatial)
        rest = x.shape[x.ndim - count - 1 :]
        if not name.startswith("max_pool") or min(rest) > 0:
            return
        if count == 3:
            axis = rest.index(0)
            fail(
                RuntimeError,
                "max_pool3d_with_indices_out_cpu_template(): Expected input's non-batch dimensions to have positive "
                f"length, but input has a shape of {list(x.shape)} and non-batch dimension {axis + x.ndim - count - 2} "
                "has length zero!",
            )
        before = "max_pool1d: " if count == 1 else ""
        fail(
            RuntimeError,
            f"{before}Expected {count + 1}D or {count + 2}D (batch mode) tensor with optional 0 dim batch size for "
            f"input, but got:{list(x.shape)}",
        )

    def _check(self, x: Tensor) -> None:
        needed = (d * (k - 1) + 1 for d, k in zip(self.dilation, self.kernel, strict=True))
        extents = [
            (size + low + high - need) // s + 1
            for size, (low, high), need, s in zip(
                self.spatial, self.pads, needed, self.stride, strict=True
            )
        ]
        if min(extents) < 1 and len(extents) == 1:
            fail(RuntimeError, f"max_pool1d() Invalid computed output size: {extents[0]}")
        if min(extents) < 1:
            lead = x.shape[x.ndim - len(extents) - 1]
            fail(
                RuntimeError,
                f"Given input size: ({'x'.join(map(str, (lead, *self.spatial)))}). Calculated output size: "
                f"({'x'.join(map(str, (lead, *extents)))}). Output size is too small",
                try_=f"a smaller kernel than {_times(self.kernel)}",
            )

    @property
    def statics(self) -> dict[str, Any]:
        """What the window primitives take."""
        return {
            "window": self.kernel,
            "stride": self.stride,
            "padding": self.pads,
            "dilation": self.dilation,
        }


# -- maxima ---------------------------------------------------------------------------------------------------------------


@op(functions="")
def _max_pool(
    input: Tensor,
    count: int,
    kernel_size: Ints,
    stride: Ints,
    padding: Ints,
    dilation: Ints,
    ceil_mode: bool,
) -> Tensor:
    """The largest element of each window."""
    g = _Geometry(
        f"max_pool{count}d", count, input, kernel_size, stride, padding, dilation, ceil_mode
    )
    return WindowMax(input, **g.statics)


@op(functions="")
def _max_pool_with_indices(
    input: Tensor,
    count: int,
    kernel_size: Ints,
    stride: Ints,
    padding: Ints,
    dilation: Ints,
    ceil_mode: bool,
) -> tuple[Tensor, Tensor]:
    """The largest element of each window and its place in the flattened spatial dimensions."""
    g = _Geometry(
        f"max_pool{count}d", count, input, kernel_size, stride, padding, dilation, ceil_mode
    )
    return WindowMax(input, **g.statics), WindowArgMax(input, **g.statics)


_BATCHES = {  # shapes by the number of spatial dimensions
    1: "(n, c, w) or (c, w)",
    2: "(n, c, h, w) or (c, h, w)",
    3: "(n, c, d, h, w) or (c, d, h, w)",
}


def _max_pooling(count: int) -> Any:
    def max_pool(
        input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Any:  # fmt: skip
        operation = _max_pool_with_indices if return_indices else _max_pool
        return operation.function(input, count, kernel_size, stride, padding, dilation, ceil_mode)

    max_pool.__name__ = max_pool.__qualname__ = f"max_pool{count}d"
    max_pool.__doc__ = f"""The largest element of each window over the last {count} dimension(s).

    `stride` is the kernel size unless given. With `return_indices`, also the place of each maximum.
    Shapes: {_BATCHES[count]}; an extent n becomes (n + 2 padding - dilation (kernel - 1) - 1) // stride + 1.
    Errors: RuntimeError for other ranks, for padding above half the kernel, and where no window fits.

    >>> import alight as torch
    >>> torch.nn.functional.max_pool{count}d(torch.ones({"1, " + "2, " * count}), 2).shape
    torch.Size([{", ".join(["1"] * (count + 1))}])
    """
    return max_pool


def _with_indices(pool: Any) -> Any:
    """The form of a pooling function that always gives the places too."""

    def with_indices(*args: Any, **kwargs: Any) -> Any:
        kwargs["return_indices"] = True
        return pool(*args, **kwargs)

    with_indices.__name__ = with_indices.__qualname__ = pool.__name__ + "_with_indices"
    with_indices.__doc__ = derived_docstring(
        f"{pool.__name__}, always with the place of each maximum.", pool.__doc__
    )
    return with_indices


for _count in (1, 2, 3):
    _pool = function(f"max_pool{_count}d", F=f"max_pool{_count}d")(_max_pooling(_count))
    function("", F=_pool.__name__ + "_with_indices")(_with_indices(_pool))


# -- averages -------------------------------------------------------------------------------------------------------------


def _average(
    count: int, x: Tensor, kernel_size: Any, stride: Any, padding: Any, ceil_mode: bool, count_include_pad: bool,
    divisor: int | None,
) -> Tensor:  # fmt: skip
    if divisor == 0:
        fail(RuntimeError, "divisor must be not zero")
    g = _Geometry(f"avg_pool{count}d", count, x, kernel_size, stride, padding, 1, ceil_mode)
    sums = window_sums(x, **g.statics)
    if divisor is not None:
        return _shared(sums, constant(x, divisor))
    counted = g.padding if count_include_pad else (0,) * count
    if all(high <= low and low <= c for (low, high), c in zip(g.pads, counted, strict=True)):
        return _shared(sums, constant(x, prod(g.kernel)))
    return _shared(sums, _places(x, g, counted))


def _shared(sums: Tensor, counts: Tensor) -> Tensor:
    """Sums over counts; whole numbers are cut off towards zero."""
    counts = broadcast(counts, sums.shape)
    if sums.dtype.is_floating_point:
        return sums / counts
    return p.Sign(sums) * p.Sign(counts) * (p.Abs(sums) // p.Abs(counts))


def _places(x: Tensor, g: _Geometry, counted: tuple[int, ...]) -> Tensor:
    """How many places of each window count: those of the input and of `counted` padding around it."""
    spatial = tuple(size + 2 * c for size, c in zip(g.spatial, counted, strict=True))
    pads = tuple(
        (low - c, max(high - c, 0)) for (low, high), c in zip(g.pads, counted, strict=True)
    )
    ones = constant(x, 1, spatial)
    return WindowSum(ones, window=g.kernel, stride=g.stride, padding=pads, dilation=g.dilation)


@op(functions="avg_pool1d", F="avg_pool1d")
def avg_pool1d(
    input: Tensor, kernel_size: Ints, stride: Ints = None, padding: Ints = 0, ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:  # fmt: skip
    """The mean of each window over the last dimension.

    Shapes: (n, c, w) or (c, w); w' = (w + 2 padding - kernel_size) // stride + 1.
    Errors: RuntimeError for other ranks, for padding above half the kernel, and where no window
    fits.

    >>> import alight as torch
    >>> torch.nn.functional.avg_pool1d(torch.tensor([[1., 3., 5., 7.]]), 2)
    tensor([[2., 6.]])
    """
    return _average(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


@op(functions="", F="avg_pool2d", functional_out=True)
def avg_pool2d(
    input: Tensor, kernel_size: Ints, stride: Ints = None, padding: Ints = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """The mean of each window over the last two dimensions; divided by `divisor_override` instead, if given.

    Shapes: (n, c, h, w) or (c, h, w); h' = (h + 2 padding - kernel_size) // stride + 1, and so w'.
    Errors: RuntimeError for other ranks, for padding above half the kernel, and where no window
    fits.

    >>> import alight as torch
    >>> torch.nn.functional.avg_pool2d(torch.tensor([[[1., 3.], [5., 7.]]]), 2)
    tensor([[[4.]]])
    """
    return _average(
        2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


@op(functions="", F="avg_pool3d", functional_out=True)
def avg_pool3d(
    input: Tensor, kernel_size: Ints, stride: Ints = None, padding: Ints = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """The mean of each window over the last three dimensions.

    Shapes: (n, c, d, h, w) or (c, d, h, w), each extent as in avg_pool2d.
    Errors: RuntimeError for other ranks, for padding above half the kernel, and where no window
    fits.

    >>> import alight as torch
    >>> torch.nn.functional.avg_pool3d(torch.ones(1, 1, 2, 2, 2), 2)
    tensor([[[[[1.]]]]])
    """
    return _average(
        3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


@op(functions="", F="lp_pool1d")
def lp_pool1d(
    input: Tensor, norm_type: float, kernel_size: Ints, stride: Ints = None, ceil_mode: bool = False
) -> Tensor:
    """The norm of order norm_type of each window over the last dimension.

    Shapes: (n, c, w) or (c, w); w' = (w - kernel_size) // stride + 1.
    Errors: RuntimeError for other ranks, and where no window fits.

    >>> import alight as torch
    >>> torch.nn.functional.lp_pool1d(torch.tensor([[3., 4.]]), 2, 2)
    tensor([[5.]])
    """
    return _power_average(1, input, norm_type, kernel_size, stride, ceil_mode)


@op(functions="", F="lp_pool2d")
def lp_pool2d(
    input: Tensor, norm_type: float, kernel_size: Ints, stride: Ints = None, ceil_mode: bool = False
) -> Tensor:
    """The norm of order norm_type of each window over the last two dimensions.

    Shapes: (n, c, h, w) or (c, h, w); h' = (h - kernel_size) // stride + 1, and so w'.
    Errors: RuntimeError for other ranks, and where no window fits.

    >>> import alight as torch
    >>> torch.nn.functional.lp_pool2d(torch.ones(1, 2, 2), 2, 2)
    tensor([[[2.]]])
    """
    return _power_average(2, input, norm_type, kernel_size, stride, ceil_mode)


@op(functions="", F="lp_pool3d")
def lp_pool3d(
    input: Tensor, norm_type: float, kernel_size: Ints, stride: Ints = None, ceil_mode: bool = False
) -> Tensor:
    """The norm of order norm_type of each window over the last three dimensions.

    Shapes: (n, c, d, h, w) or (c, d, h, w), each extent as in lp_pool2d.
    Errors: RuntimeError for other ranks, and where no window fits.

    >>> import alight as torch
    >>> torch.nn.functional.lp_pool3d(torch.ones(1, 2, 2, 2), 3, 2)
    tensor([[[[2.]]]])
    """
    return _power_average(3, input, norm_type, kernel_size, stride, ceil_mode)


def _power_average(
    count: int, x: Tensor, order: float, kernel: Any, stride: Any, ceil_mode: bool
) -> Tensor:
    kernel = per_dimension(kernel, count, "kernel_size")
    mean = _average(count, x**order, kernel, stride, 0, ceil_mode, True, None)
    total = p.Sign(mean) * p.Maximum(p.Abs(mean), mean * 0) * prod(kernel)
    return total ** (1.0 / order)


# -- adapted to an output size --------------------------------------------------------------------------------------------


def _wanted(output_size: Any, spatial: tuple[int, ...], count: int) -> tuple[int, ...]:
    if output_size is None or isinstance(output_size, int):
        output_size = (output_size,) * count
    return tuple(
        have if want is None else want for want, have in zip(output_size, spatial, strict=True)
    )


def _bounds(size: int, wanted: int) -> list[tuple[int, int]]:
    """The part of an axis that each output place covers."""
    return [(i * size // wanted, -(-(i + 1) * size // wanted)) for i in range(wanted)]


def _adaptive_average(count: int, x: Tensor, output_size: Any) -> Tensor:
    _check_adaptive("adaptive_avg_pool", count, x, output_size)
    first = x.ndim - count
    wanted = _wanted(output_size, x.shape[first:], count)
    kernel = tuple(size // max(want, 1) for size, want in zip(x.shape[first:], wanted, strict=True))
    if all(want and size % want == 0 for size, want in zip(x.shape[first:], wanted, strict=True)):
        return _average(count, x, kernel, kernel, 0, False, True, None)
    for i, want in enumerate(wanted):
        axis = first + i
        weights = _averaging(x, x.shape[axis], want)
        moved = p.DotGeneral(x, weights, batch=((), ()), contract=((axis,), (1,)))
        x = p.Permute(moved, order=(*range(axis), x.ndim - 1, *range(axis, x.ndim - 1)))
    return x


def _averaging(like: Tensor, size: int, wanted: int) -> Tensor:
    """A (wanted, size) matrix that averages over the part of each output place."""
    rows = []
    for start, stop in _bounds(size, wanted):
        row = constant(like, 1.0 / (stop - start), (1, stop - start))
        rows.append(p.Pad(row, low=(0, start), high=(0, size - stop)))
    return p.Concat(*rows, axis=0) if rows else constant(like, 0, (0, size))


def _wrong_rank(name: str, x: Tensor) -> str:
    """PyTorch's sentence of one-dimensional pools."""
    return (
        f"Expected 2 to 3 dimensions, but got {x.ndim}-dimensional tensor for argument #1 'self' (while checking "
        f"arguments for {name})"
    )


def _check_adaptive(name: str, count: int, x: Tensor, output_size: Any) -> None:
    if count > 1 and x.ndim < count + 1 and isinstance(output_size, (tuple, list)):
        fail(
            ValueError,
            f"Input dimension should be at least {count + 1}",
            facts=[f"the input is {list(x.shape)}"],
        )
    if isinstance(output_size, (tuple, list)):
        if len(output_size) != count:
            sentence = f"output_size must be {count}" if "avg" in name else "internal error"
            if count == 1:
                sentence = f"{name}1d() argument 'output_size' should contain one int (got {len(output_size)})"
            fail(RuntimeError, sentence, facts=[f"output_size is {tuple(output_size)}"])
        if any(one is not None and one < 0 for one in output_size):
            sentence = "elements of output_size must be greater than or equal to 0"
            if "max" in name:
                sentence = f"Trying to create tensor with negative dimension {min(output_size)}: {list(output_size)}"
            fail(RuntimeError, f"{name}: {sentence}" if "avg" in name else sentence)
    if x.ndim not in (count + 1, count + 2) and count == 1:
        fail(RuntimeError, _wrong_rank(f"{name}1d", x))
    if x.ndim not in (count + 1, count + 2):
        got = f"got{':' if 'max' in name else ''} {list(x.shape)}"
        fail(
            RuntimeError,
            f"{name}{count}d(): Expected {count + 1}D or {count + 2}D tensor, but {got}",
        )


@op(functions="adaptive_avg_pool1d", F="adaptive_avg_pool1d")
def adaptive_avg_pool1d(input: Tensor, output_size: Ints) -> Tensor:
    """Means over as many parts of the last dimension as output_size says.

    Shapes: (n, c, w) or (c, w); w becomes output_size.
    Errors: RuntimeError for other ranks.

    >>> import alight as torch
    >>> torch.nn.functional.adaptive_avg_pool1d(torch.tensor([[1., 2., 3.]]), 2)
    tensor([[1.5000, 2.5000]])
    """
    return _adaptive_average(1, input, output_size)


@op(functions="", F="adaptive_avg_pool2d")
def adaptive_avg_pool2d(input: Tensor, output_size: Ints) -> Tensor:
    """Means over output_size parts of the last two dimensions; None keeps an extent.

    Shapes: (n, c, h, w) or (c, h, w); h and w become output_size.
    Errors: RuntimeError or ValueError for other ranks.

    >>> import alight as torch
    >>> torch.nn.functional.adaptive_avg_pool2d(torch.ones(1, 1, 4, 6), 1)
    tensor([[[[1.]]]])
    """
    return _adaptive_average(2, input, output_size)


@op(functions="", F="adaptive_avg_pool3d")
def adaptive_avg_pool3d(input: Tensor, output_size: Ints) -> Tensor:
    """Means over output_size parts of the last three dimensions.

    Shapes: (n, c, d, h, w) or (c, d, h, w); d, h and w become output_size.
    Errors: RuntimeError for other ranks.

    >>> import alight as torch
    >>> torch.nn.functional.adaptive_avg_pool3d(torch.ones(1, 1, 4, 4, 4), 2).shape
    torch.Size([1, 1, 2, 2, 2])
    """
    return _adaptive_average(3, input, output_size)


@op(functions="")
def _adaptive_max_pool(input: Tensor, count: int, output_size: Ints) -> tuple[Tensor, Tensor]:
    """Maxima over output_size parts of the last dimensions, and their places."""
    _check_adaptive("adaptive_max_pool", count, input, output_size)
    first = input.ndim - count
    spatial = input.shape[first:]
    wanted = _wanted(output_size, spatial, count)
    if all(want and size % want == 0 for size, want in zip(spatial, wanted, strict=True)):
        kernel = tuple(size // want for size, want in zip(spatial, wanted, strict=True))
        g = _Geometry("adaptive_max_pool", count, input, kernel, kernel, 0, 1, False)
        return WindowMax(input, **g.statics), WindowArgMax(input, **g.statics)
    windows = _uneven_windows(input, first, wanted)
    best = p.ArgMax(windows, axes=(windows.ndim - 1,))
    places = _uneven_windows(_flat_places(input, first), first, wanted)
    lead = input.shape[:first]
    places = p.Expand(
        p.Reshape(places, shape=(1,) * first + places.shape[first:]),
        shape=(*lead, *places.shape[first:]),
    )
    from alight.primitives.gather import take_along

    spot = p.Reshape(best, shape=(*best.shape, 1))
    values = take_along(windows, spot, windows.ndim - 1)
    return p.Reshape(values, shape=best.shape), p.Reshape(
        take_along(places, spot, windows.ndim - 1), shape=best.shape
    )


def _flat_places(x: Tensor, first: int) -> Tensor:
    """The number of each place in the flattened spatial dimensions; leading extents are 1."""
    spatial = x.shape[first:]
    total: Any = None
    step = 1
    for i in range(len(spatial) - 1, -1, -1):
        with x.builder.active():
            along = (
                p.Iota(
                    shape=(1,) * first + spatial, axis=first + i, dtype=int64, device=x.type.device
                )
                * step
            )
        total = along if total is None else total + along
        step *= spatial[i]
    return total


def _uneven_windows(x: Tensor, first: int, wanted: tuple[int, ...]) -> Tensor:
    """The elements of each output place on one axis at the end; short parts repeat their last element."""
    count = len(wanted)
    for i, want in enumerate(wanted):
        axis = first + i  # after each step the elements of this axis' parts stand at the end
        bounds = _bounds(x.shape[axis], want)
        longest = max(stop - start for start, stop in bounds)
        rows = []
        for start, stop in bounds:
            with x.builder.active():
                row = p.Iota(shape=(1, longest), axis=1, dtype=int64, device=x.type.device) + start
            rows.append(p.Minimum(row, constant(row, stop - 1, row.shape)))
        found = Index(x, p.Concat(*rows, axis=0), axes=(axis,))  # (want, longest, others...)
        others = found.ndim - 2
        order = (*range(2, 2 + axis), 0, *range(2 + axis, 2 + others), 1)
        x = p.Permute(found, order=order)
    return p.Reshape(x, shape=(*x.shape[: x.ndim - count], prod(x.shape[x.ndim - count :])))


def _adaptive_max_pooling(count: int) -> Any:
    def adaptive_max_pool(input: Any, output_size: Any, return_indices: bool = False) -> Any:
        values, places = _adaptive_max_pool.function(input, count, output_size)
        return (values, places) if return_indices else values

    adaptive_max_pool.__name__ = adaptive_max_pool.__qualname__ = f"adaptive_max_pool{count}d"
    adaptive_max_pool.__doc__ = f"""Maxima over output_size parts of the last {count} dimension(s).

    With `return_indices`, also the place of each maximum.
    Shapes: {_BATCHES[count]}; the last ones become `output_size`, a number for all of them or one for each.
    Errors: RuntimeError for other ranks.

    >>> import alight as torch
    >>> torch.nn.functional.adaptive_max_pool{count}d(torch.ones({"1, " + "4, " * count}), 2).shape
    torch.Size([1, {", ".join(["2"] * count)}])
    """
    return adaptive_max_pool


for _count in (1, 2, 3):
    torch_name = f"adaptive_max_pool{_count}d" if _count == 1 else ""
    _pool = function(torch_name, F=f"adaptive_max_pool{_count}d")(_adaptive_max_pooling(_count))
    function("", F=_pool.__name__ + "_with_indices")(_with_indices(_pool))
