"""Convolution and its transpose in one, two and three dimensions; unfold and fold.

Inputs are (batch, channels, *spatial), or without the batch; weights (out channels, in channels / groups, *kernel),
of transposed convolution (in channels, out channels / groups, *kernel).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alight import primitives as p
from alight.errors import fail
from alight.ir.program import Value as Tensor
from alight.ops.arguments import scalar_type_name
from alight.ops.nn.activation import in_single
from alight.ops.operation import op
from alight.primitives.window import Conv, ConvData, Fold, Windows

Ints = Any  # an int for all spatial dimensions, or one for each


def per_dimension(value: Any, count: int, name: str) -> tuple[int, ...]:
    """One int for each spatial dimension, from an int or a sequence.

    >>> per_dimension(3, 2, "stride")
    (3, 3)
    """
    if isinstance(value, int):
        return (value,) * count
    value = tuple(value)
    if len(value) == 1:
        return value * count
    if len(value) != count:
        fail(
            RuntimeError,
            f"expected {name} to be a single integer value or a list of {count} values to match the convolution "
            f"dimensions, but got {name}={list(value)}",
        )
    return value


_C_NAMES = {
    "float32": "float",
    "float64": "double",
    "int64": "long int",
    "int16": "short int",
    "int32": "int",
    "int8": "signed char",
    "uint8": "unsigned char",
    "complex64": "c10::complex<float>",
    "complex128": "c10::complex<double>",
    "float16": "c10::Half",
    "bfloat16": "c10::BFloat16",
}


# -- convolution ----------------------------------------------------------------------------------------------------------


@op(functions="conv1d", F="conv1d")
def conv1d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Ints = 1, padding: Ints = 0, dilation: Ints = 1,
    groups: int = 1,
) -> Tensor:  # fmt: skip
    """Cross-correlation of (n, c, length) with (o, c / groups, k).

    Shapes: also without n; bias (o,); the result is (n, o, length').
    Errors: RuntimeError for other ranks, channels that do not fit, a bias of another length, and a
    kernel larger than the padded input.

    >>> import alight as torch
    >>> torch.nn.functional.conv1d(torch.ones(1, 1, 4), torch.ones(1, 1, 2))
    tensor([[[2., 2., 2.]]])
    """
    return _convolution(1, input, weight, bias, stride, padding, dilation, groups)


@op(functions="conv2d", F="conv2d")
def conv2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Ints = 1, padding: Ints = 0, dilation: Ints = 1,
    groups: int = 1,
) -> Tensor:  # fmt: skip
    """Cross-correlation of (n, c, height, width) with (o, c / groups, kh, kw); padding may be "same" or "valid".

    Shapes: also without n; bias (o,); the result is (n, o, height', width').
    Errors: RuntimeError for other ranks, channels that do not fit, a bias of another length, and a
    kernel larger than the padded input.

    >>> import alight as torch
    >>> torch.nn.functional.conv2d(torch.ones(1, 1, 3, 3), torch.ones(1, 1, 2, 2))
    tensor([[[[4., 4.],
              [4., 4.]]]])
    """
    return _convolution(2, input, weight, bias, stride, padding, dilation, groups)


@op(functions="conv3d", F="conv3d")
def conv3d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Ints = 1, padding: Ints = 0, dilation: Ints = 1,
    groups: int = 1,
) -> Tensor:  # fmt: skip
    """Cross-correlation of (n, c, depth, height, width) with (o, c / groups, kd, kh, kw).

    Shapes: also without n; bias (o,); the result is (n, o, depth', height', width').
    Errors: RuntimeError for other ranks, channels that do not fit, a bias of another length, and a
    kernel larger than the padded input.

    >>> import alight as torch
    >>> torch.nn.functional.conv3d(torch.ones(1, 1, 2, 2, 2), torch.ones(1, 1, 2, 2, 2)).shape
    torch.Size([1, 1, 1, 1, 1])
    """
    return _convolution(3, input, weight, bias, stride, padding, dilation, groups)


def _convolution(
    count: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Tensor:
    name = f"conv{count}d"
    batched = _check_rank(name, count, input, weight)
    stride, dilation = (
        per_dimension(stride, count, "stride"),
        per_dimension(dilation, count, "dilation"),
    )
    _check_positive(stride, dilation, groups)
    x = input if batched else p.Reshape(input, shape=(1, *input.shape))
    kernel = weight.shape[2:]
    pads = _padding(padding, kernel, stride, dilation, count)
    _check_channels(x, weight, bias, groups, name)
    _check_dtypes(input, weight, bias)
    _check_kernel(x, kernel, pads, dilation)
    rest = {"stride": stride, "padding": pads, "dilation": dilation, "groups": groups}
    out = in_single(lambda a, w: Conv(a, w, **rest), x, weight)
    return _finished(out, bias, batched)


def _finished(out: Tensor, bias: Tensor | None, batched: bool) -> Tensor:
    """With the bias of each channel, and without the batch where none came."""
    if bias is not None:
        out = out + p.Reshape(bias, shape=(bias.size,) + (1,) * (out.ndim - 2))
    return out if batched else p.Reshape(out, shape=out.shape[1:])


def _padding(
    padding: Any, kernel: Any, stride: Any, dilation: Any, count: int
) -> tuple[tuple[int, int], ...]:
    """A (low, high) pair for each spatial dimension."""
    if padding == "valid":
        return ((0, 0),) * count
    if padding == "same":
        if any(step != 1 for step in stride):
            fail(
                RuntimeError,
                "padding='same' is not supported for strided convolutions",
                try_="padding as numbers",
            )
        totals = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        return tuple((total // 2, total - total // 2) for total in totals)
    if isinstance(padding, str):
        fail(RuntimeError, f"Invalid padding string: '{padding}'", try_='"same" or "valid"')
    both = per_dimension(padding, count, "padding")
    if min(both) < 0:
        fail(RuntimeError, "negative padding is not supported")
    return tuple((size, size) for size in both)


# -- transposed convolution -----------------------------------------------------------------------------------------------


@op(functions="conv_transpose1d", F="conv_transpose1d")
def conv_transpose1d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Ints = 1, padding: Ints = 0,
    output_padding: Ints = 0, groups: int = 1, dilation: Ints = 1,
) -> Tensor:  # fmt: skip
    """The transpose of conv1d: spreads each input place over a window of the output.

    Shapes: input (n, c, l) or (c, l), weight (c, o / groups, k), bias (o,); l' = (l - 1) stride - 2
    padding + dilation (k - 1) + output_padding + 1.
    Errors: RuntimeError for other ranks, channels that do not fit, and an output_padding that is
    not below stride or dilation.

    >>> import alight as torch
    >>> torch.nn.functional.conv_transpose1d(torch.ones(1, 1, 2), torch.ones(1, 1, 2), stride=2)
    tensor([[[1., 1., 1., 1.]]])
    """
    return _transposed(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


@op(functions="conv_transpose2d", F="conv_transpose2d")
def conv_transpose2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Ints = 1, padding: Ints = 0,
    output_padding: Ints = 0, groups: int = 1, dilation: Ints = 1,
) -> Tensor:  # fmt: skip
    """The transpose of conv2d, with weight (in channels, out channels / groups, kh, kw).

    Shapes: input (n, c, h, w) or (c, h, w), bias (o,); h' = (h - 1) stride - 2 padding + dilation
    (kh - 1) + output_padding + 1, and so w'.
    Errors: RuntimeError for other ranks, channels that do not fit, and an output_padding that is
    not below stride or dilation.

    >>> import alight as torch
    >>> torch.nn.functional.conv_transpose2d(torch.ones(1, 1, 1, 1), torch.ones(1, 1, 2, 2))
    tensor([[[[1., 1.],
              [1., 1.]]]])
    """
    return _transposed(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


@op(functions="conv_transpose3d", F="conv_transpose3d")
def conv_transpose3d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Ints = 1, padding: Ints = 0,
    output_padding: Ints = 0, groups: int = 1, dilation: Ints = 1,
) -> Tensor:  # fmt: skip
    """The transpose of conv3d.

    Shapes: input (n, c, d, h, w) or (c, d, h, w), weight (c, o / groups, kd, kh, kw), bias (o,).
    Errors: RuntimeError for other ranks, channels that do not fit, and an output_padding that is
    not below stride or dilation.

    >>> import alight as torch
    >>> torch.conv_transpose3d(torch.ones(1, 1, 2, 2, 2), torch.ones(1, 3, 2, 2, 2)).shape
    torch.Size([1, 3, 3, 3, 3])
    """
    return _transposed(3, input, weight, bias, stride, padding, output_padding, groups, dilation)


def _transposed(
    count: int, input: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any, output_padding: Any,
    groups: int, dilation: Any,
) -> Tensor:  # fmt: skip
    batched = _check_rank(f"conv_transpose{count}d", count, input, weight, True)
    stride = per_dimension(stride, count, "stride")
    dilation = per_dimension(dilation, count, "dilation")
    pads = per_dimension(padding, count, "padding")
    extra = per_dimension(output_padding, count, "output_padding")
    _check_positive(stride, dilation, groups)
    _check_dtypes(input, weight, bias)
    x = input if batched else p.Reshape(input, shape=(1, *input.shape))
    _check_transposed(x, weight, stride, dilation, extra)
    spatial = tuple(
        (size - 1) * s - 2 * low + d * (k - 1) + e + 1
        for size, s, low, d, k, e in zip(
            x.shape[2:], stride, pads, dilation, weight.shape[2:], extra, strict=True
        )
    )
    if min(spatial) < 1:
        fail(
            RuntimeError,
            f"Given input size per channel: {_times(x.shape[2:])}. Calculated output size per channel: "
            f"{_times(spatial)}. Output size is too small",
        )
    # Extra places come out of the padding that is cut off on the high side; beyond it there are only zeros.
    high = [max(n - e, 0) for n, e in zip(pads, extra, strict=True)]
    zeros = [max(e - n, 0) for n, e in zip(pads, extra, strict=True)]
    reached = (size - n for size, n in zip(spatial, zeros, strict=True))
    rest = {
        "shape": (x.shape[0], weight.shape[1] * groups, *reached),
        "stride": stride,
        "padding": tuple(zip(pads, high, strict=True)),
        "dilation": dilation,
        "groups": groups,
    }
    out = in_single(lambda a, w: ConvData(a, w, **rest), x, weight)
    out = p.Pad(out, low=(0,) * out.ndim, high=(0, 0, *zeros))
    return _finished(out, bias, batched)


# -- checks ---------------------------------------------------------------------------------------------------------------


def _check_transposed(
    x: Tensor,
    weight: Tensor,
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
    extra: tuple[int, ...],
) -> None:
    """PyTorch's errors for other channels, and for more extra places than a step makes."""
    if x.shape[1] != weight.shape[0]:
        fail(
            RuntimeError,
            f"Given transposed=1, weight of size {list(weight.shape)}, expected input{list(x.shape)} to have "
            f"{weight.shape[0]} channels, but got {x.shape[1]} channels instead",
            facts=["weights of transposed convolutions are (in, out / groups, ...)"],
            try_=f"a layer of {x.shape[1]} input channels",
        )
    if any(e >= max(s, d) for e, s, d in zip(extra, stride, dilation, strict=True)):
        names = ("output_padding_height", "output_padding_width")
        sizes = " ".join(f"{name}: {e}" for name, e in zip(names, extra, strict=False))
        fail(
            RuntimeError,
            f"output padding must be smaller than either stride or dilation, but got {sizes}",
        )


def _check_rank(
    name: str, count: int, input: Tensor, weight: Tensor, transposed: bool = False
) -> bool:
    """Whether the input has a batch dimension; PyTorch's error for other ranks."""
    if weight.ndim != count + 2:
        if weight.ndim < 3:
            fail(
                RuntimeError,
                "weight should have at least three dimensions",
                facts=[f"weight is {list(weight.shape)}; {name} wants (out, in / groups, *kernel)"],
            )
        if not transposed and weight.ndim == count + 1:
            fail(
                RuntimeError,
                f"Expected {weight.ndim}-dimensional input for {weight.ndim}-dimensional weight {list(weight.shape)}, but "
                f"got {input.ndim}-dimensional input of size {list(input.shape)} instead",
                facts=[f"{name} wants a weight of {count + 2} dimensions"],
            )
        fail(
            RuntimeError,
            f"Expected {count + 2}-dimensional weight for {name}, but got {weight.ndim}-dimensional weight of size "
            f"{list(weight.shape)} instead",
        )
    if input.ndim not in (count + 1, count + 2):
        fail(
            RuntimeError,
            f"Expected {count + 1}D (unbatched) or {count + 2}D (batched) input to {name}, but got input of size: "
            f"{list(input.shape)}",
            facts=[
                f"dimensions are (batch, channels, {'depth, height, width'.split(', ', 3 - count)[-1]})"
            ],
            try_="unsqueeze(1) for images of one channel",
        )
    return input.ndim == count + 2


def _check_positive(stride: tuple[int, ...], dilation: tuple[int, ...], groups: int) -> None:
    if min(stride) < 1:
        fail(RuntimeError, "non-positive stride is not supported")
    if min(dilation) < 1:
        fail(RuntimeError, "dilation should be greater than zero")
    if groups < 1:
        fail(RuntimeError, "non-positive groups is not supported")


def _check_channels(x: Tensor, weight: Tensor, bias: Tensor | None, groups: int, name: str) -> None:
    if weight.shape[0] < groups:
        fail(
            RuntimeError,
            f"Given groups={groups}, expected weight to be at least {groups} at dimension 0, but got weight of size "
            f"{list(weight.shape)} instead",
        )
    if weight.shape[0] % groups:
        fail(
            RuntimeError,
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, but got weight of size "
            f"[{list(weight.shape)}] instead",
        )
    channels, wanted = x.shape[1], weight.shape[1] * groups
    if channels != wanted:
        last = x.shape[-1] == wanted
        fail(
            RuntimeError,
            f"Given groups={groups}, weight of size {list(weight.shape)}, expected input{list(x.shape)} to have "
            f"{wanted} channels, but got {channels} channels instead",
            facts=[
                f"{name} wants (batch, channels, ...)"
                + ("; here the channels come last" if last else "")
            ],
            try_="x.movedim(-1, 1)" if last else f"a layer of {channels} input channels",
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        fail(
            RuntimeError,
            f"Given weight of size {list(weight.shape)}, expected bias to be 1-dimensional with {weight.shape[0]} "
            f"elements, but got bias of size {list(bias.shape)} instead",
        )


def _check_dtypes(input: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    if input.dtype is weight.dtype and (bias is None or bias.dtype is input.dtype):
        return
    facts = [f"input is {input.dtype!r}, weight is {weight.dtype!r}"]
    if bias is None:
        wanted, found = scalar_type_name(input.dtype), scalar_type_name(weight.dtype)
        fail(
            RuntimeError,
            f"expected scalar type {wanted} but found {found}",
            facts,
            f"input.to({weight.dtype!r})",
        )
    fail(
        RuntimeError,
        f"Input type ({_c_name(input)}) and bias type ({_c_name(bias)}) should be the same",
        facts,
        f"input.to({weight.dtype!r})",
    )


def _c_name(x: Tensor) -> str:
    return _C_NAMES.get(x.dtype.name, x.dtype.name)


def _times(extents: tuple[int, ...]) -> str:
    return "(" + " x ".join(map(str, extents)) + ")"


def _check_kernel(x: Tensor, kernel: tuple[int, ...], pads: Any, dilation: tuple[int, ...]) -> None:
    padded = tuple(size + low + high for size, (low, high) in zip(x.shape[2:], pads, strict=True))
    needed = tuple(d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True))
    if any(size < need for size, need in zip(padded, needed, strict=True)):
        fail(
            RuntimeError,
            f"Calculated padded input size per channel: {_times(padded)}. Kernel size: {_times(needed)}. Kernel size "
            "can't be greater than actual input size",
            try_=f"padding, or a smaller kernel than {_times(kernel)}",
        )


# -- unfold and fold ------------------------------------------------------------------------------------------------------


@op(functions="", F="unfold")
def unfold(
    input: Tensor, kernel_size: Ints, dilation: Ints = 1, padding: Ints = 0, stride: Ints = 1
) -> Tensor:
    """The windows of (n, c, height, width) as columns: (n, c * kh * kw, number of windows).

    Errors: IndexError and RuntimeError for other ranks, RuntimeError where no window fits.

    >>> import alight as torch
    >>> torch.nn.functional.unfold(torch.ones(1, 1, 3, 3), 2).shape
    torch.Size([1, 4, 4])
    """
    if input.ndim < 3:
        fail(
            IndexError,
            f"Dimension out of range (expected to be in range of [{-input.ndim}, {input.ndim - 1}], but got 2)",
            facts=[f"the input is {list(input.shape)}, unfold takes (n, c, height, width)"],
        )
    if input.ndim > 4 or 0 in input.shape[-3:]:
        fail(
            RuntimeError,
            "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions for input, "
            f"but got: {list(input.shape)}",
        )
    batched = input.ndim == 4
    x = input if batched else p.Reshape(input, shape=(1, *input.shape))
    window, rest = _window(kernel_size, dilation, padding, stride)
    _require_windows(x.shape[2:], window, rest)
    parts = Windows(x, window=window, **rest)  # (n, c, oh, ow, kh, kw)
    n, c, oh, ow, kh, kw = parts.shape
    columns = p.Reshape(p.Permute(parts, order=(0, 1, 4, 5, 2, 3)), shape=(n, c * kh * kw, oh * ow))
    return columns if batched else p.Reshape(columns, shape=columns.shape[1:])


def _require_windows(extents: Sequence[int], window: Sequence[int], rest: dict[str, Any]) -> None:
    """PyTorch's error where no window fits."""
    dilation, stride = rest["dilation"], rest["stride"]
    padding = [low for low, _ in rest["padding"]]
    blocks = tuple(
        (extent + 2 * pad - far * (size - 1) - 1) // step + 1
        for extent, size, pad, far, step in zip(
            extents, window, padding, dilation, stride, strict=True
        )
    )
    if min(blocks) < 1:
        fail(
            RuntimeError,
            f"Given input with spatial size {tuple(extents)}, kernel_size={tuple(window)}, dilation={tuple(dilation)}, "
            f"padding={tuple(padding)}, calculated shape of the array of sliding blocks as {blocks}, but its components "
            "must be at least one.",
            try_="a smaller kernel_size, or padding",
        )


def _window(
    kernel_size: Any, dilation: Any, padding: Any, stride: Any
) -> tuple[tuple[int, ...], dict[str, Any]]:
    sizes = [
        per_dimension(one, 2, "kernel_size") for one in (kernel_size, dilation, padding, stride)
    ]
    return sizes[0], {
        "dilation": sizes[1],
        "padding": tuple((n, n) for n in sizes[2]),
        "stride": sizes[3],
    }


@op(functions="", F="fold")
def fold(
    input: Tensor,
    output_size: Ints,
    kernel_size: Ints,
    dilation: Ints = 1,
    padding: Ints = 0,
    stride: Ints = 1,
) -> Tensor:
    """The transpose of unfold: columns (n, c * kh * kw, windows) added up where windows overlap.

    Errors: RuntimeError for columns that are not as many or as long as the windows of output_size.

    >>> import alight as torch
    >>> torch.nn.functional.fold(torch.ones(1, 4, 4), 3, 2)
    tensor([[[[1., 2., 1.],
              [2., 4., 2.],
              [1., 2., 1.]]]])
    """
    size = per_dimension(output_size, 2, "output_size")
    (kh, kw), rest = _window(kernel_size, dilation, padding, stride)
    if input.ndim not in (2, 3) or 0 in input.shape[-2:]:
        fail(
            RuntimeError,
            "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero dimensions for "
            f"input, but got: {list(input.shape)}",
        )
    batched = input.ndim == 3
    x = input if batched else p.Reshape(input, shape=(1, *input.shape))
    if x.shape[1] % (kh * kw):
        fail(
            RuntimeError,
            "Expected size of input's dimension 1 to be divisible by the product of kernel_size, but got "
            f"input.size(1)={x.shape[1]} and kernel_size=({kh}, {kw}).",
        )
    blocks = [
        (full + 2 * low[0] - d * (k - 1) - 1) // s + 1
        for full, low, d, k, s in zip(
            size, rest["padding"], rest["dilation"], (kh, kw), rest["stride"], strict=True
        )
    ]
    if x.shape[2] != blocks[0] * blocks[1]:
        fail(
            RuntimeError,
            f"Given output_size=({size[0]}, {size[1]}), kernel_size=({kh}, {kw}), dilation={rest['dilation']}, "
            f"padding={tuple(low for low, _ in rest['padding'])}, stride={rest['stride']}, expected size of input's "
            f"dimension 2 to match the calculated number of sliding blocks {blocks[0]} * {blocks[1]} = "
            f"{blocks[0] * blocks[1]}, but got input.size(2)={x.shape[2]}.",
        )
    n, c = x.shape[0], x.shape[1] // (kh * kw)
    parts = p.Permute(p.Reshape(x, shape=(n, c, kh, kw, *blocks)), order=(0, 1, 4, 5, 2, 3))
    out = Fold(parts, shape=(n, c, *size), **rest)
    return out if batched else p.Reshape(out, shape=out.shape[1:])
