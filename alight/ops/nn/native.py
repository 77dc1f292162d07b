"""Operations of neural networks under `torch` itself, with the argument lists that PyTorch's kernels have.

The forms to use are those of `torch.nn.functional`; these are for programs that name the kernels.
"""

from __future__ import annotations

from math import prod
from typing import Any

from alight.errors import fail
from alight.ops.docstrings import derived_docstring
from alight.ops.nn.dropout import check_probability
from alight.ops.operation import FUNCTIONAL, TORCH, function
from alight.ops.out import write_out
from alight.tensor import Tensor

# -- normalisation -----------------------------------------------------------------------------------------------------


@function("batch_norm")
def batch_norm_kernel(
    input: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, training: bool,
    momentum: float, eps: float, cudnn_enabled: bool = True,
) -> Any:  # fmt: skip
    """`torch.nn.functional.batch_norm` with the kernel's order of arguments.

    Shapes: input (n, c, *), kept; the others (c,).
    Errors: as torch.nn.functional.batch_norm.

    >>> import alight as torch
    >>> zeros, ones = torch.zeros(2), torch.ones(2)
    >>> torch.batch_norm(torch.ones(1, 2), ones, zeros, zeros, ones, False, 0.1, 0.0, False)
    tensor([[1., 1.]])
    """
    return FUNCTIONAL["batch_norm"](
        input, running_mean, running_var, weight, bias, training, momentum, eps
    )


@function("instance_norm")
def instance_norm_kernel(
    input: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, use_input_stats: bool,
    momentum: float, eps: float, cudnn_enabled: bool = True,
) -> Any:  # fmt: skip
    """`torch.nn.functional.instance_norm` with the kernel's order of arguments.

    Shapes: input (n, c, *), kept; the others (c,).
    Errors: as torch.nn.functional.instance_norm.

    >>> import alight as torch
    >>> x = torch.tensor([[[1., 3.]]])
    >>> torch.instance_norm(x, None, None, None, None, True, 0.1, 0.0, False)
    tensor([[[-1.,  1.]]])
    """
    return FUNCTIONAL["instance_norm"](
        input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps
    )


def _statistics(x: Any, dims: list[int], eps: float) -> tuple[Any, Any]:
    """Mean and 1 / standard deviation over `dims`, which stay with extent 1."""
    mean = x.mean(dims, keepdim=True)
    variance = (x - mean).square().mean(dims, keepdim=True)
    return mean, (variance + eps).rsqrt()


@function()
def native_batch_norm(
    input: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, training: bool,
    momentum: float, eps: float, *, out: Any = None,
) -> tuple[Any, Any, Any]:  # fmt: skip
    """The normalised batch, and (in training) the means and inverse standard deviations of the channels.

    Shapes: input (n, c, *), kept; the others (c,).
    Errors: as torch.nn.functional.batch_norm.

    >>> import alight as torch
    >>> x = torch.tensor([[1.], [3.]])
    >>> torch.native_batch_norm(x, None, None, None, None, True, 0.1, 1e-5)[0]
    tensor([[-1.0000],
            [ 1.0000]])
    """
    shown = batch_norm_kernel(
        input, weight, bias, running_mean, running_var, training, momentum, eps
    )
    if training:
        dims = [axis for axis in range(input.ndim) if axis != 1]
        mean, inverse = (one.reshape(-1) for one in _statistics(input.detach(), dims, eps))
    else:
        mean = inverse = TORCH["empty"](0, dtype=input.dtype)
    made = shown, mean, inverse
    return made if out is None else write_out(tuple(out), made, "same")


@function()
def native_layer_norm(
    input: Any, normalized_shape: Any, weight: Any, bias: Any, eps: float
) -> tuple[Any, Any, Any]:
    """`layer_norm`, the means, and the inverse standard deviations.

    Shapes: input (*, *normalized_shape), kept; the others (*, 1, ...).
    Errors: as torch.nn.functional.layer_norm.

    >>> import alight as torch
    >>> torch.native_layer_norm(torch.tensor([1., 3.]), (2,), None, None, 0.0)
    (tensor([-1.,  1.]), tensor([2.]), tensor([1.]))
    """
    shown = TORCH["layer_norm"](input, normalized_shape, weight, bias, eps)
    dims = list(range(input.ndim - len(tuple(normalized_shape)), input.ndim))
    return shown, *_statistics(input.detach(), dims, eps)


@function()
def native_group_norm(
    input: Any, weight: Any, bias: Any, N: int, C: int, HxW: int, group: int, eps: float
) -> tuple[Any, Any, Any]:
    """`group_norm`, and (n, groups) means and inverse standard deviations.

    Errors: as torch.nn.functional.group_norm.

    >>> import alight as torch
    >>> torch.native_group_norm(torch.tensor([[1., 3.]]), None, None, 1, 2, 1, 1, 0.0)
    (tensor([[-1.,  1.]]), tensor([[2.]]), tensor([[1.]]))
    """
    shown = TORCH["group_norm"](input, group, weight, bias, eps)
    mean, inverse = _statistics(input.reshape(N, group, C // group * HxW), [2], eps)
    return shown, mean.reshape(N, group), inverse.reshape(N, group)


# -- dropout -----------------------------------------------------------------------------------------------------------


def _dropout(name: str, form: str) -> None:
    def dropped(input: Any, p: float, train: bool) -> Any:
        check_probability(p)
        return FUNCTIONAL[form](input, p, train)

    def dropped_in_place(input: Any, p: float, train: bool) -> Any:
        check_probability(p)
        return FUNCTIONAL[form](input, p, train, inplace=True)

    dropped.__name__, dropped_in_place.__name__ = name, name + "_"
    text = FUNCTIONAL[form].__doc__
    dropped.__doc__ = derived_docstring(
        f"`torch.nn.functional.{form}` with every argument given.", text
    )
    dropped_in_place.__doc__ = derived_docstring(
        f"`torch.nn.functional.{form}`, written into input.", text
    )
    if name != "dropout":
        function(name)(dropped)
    function(name + "_")(dropped_in_place)


for _name, _form in (
    ("dropout", "dropout"),
    ("alpha_dropout", "alpha_dropout"),
    ("feature_dropout", "dropout2d"),
    ("feature_alpha_dropout", "feature_alpha_dropout"),
):
    _dropout(_name, _form)


@function()
def native_dropout(input: Any, p: float, train: bool | None = True) -> tuple[Any, Any]:
    """`dropout`, and the mask of what was kept.

    Shapes: any; both results have the input's.

    >>> import alight as torch
    >>> torch.native_dropout(torch.ones(2), 0.5, False)
    (tensor([1., 1.]), tensor([True, True]))
    """
    if not train:
        return input.clone(), TORCH["ones_like"](input, dtype=TORCH["tensor"](True).dtype)
    mask = TORCH["empty_like"](input).bernoulli_(1 - p).bool()
    scale = 0.0 if p == 1 else 1 / (1 - p)
    return input * mask * scale, mask


# -- convolution, embedding, shuffling ---------------------------------------------------------------------------------


@function()
def convolution(
    input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, transposed: bool,
    output_padding: Any, groups: int,
) -> Any:  # fmt: skip
    """Convolution of 1 to 3 dimensions, transposed or not.

    Shapes: as conv1d to conv3d, conv_transpose1d to conv_transpose3d.
    Errors: RuntimeError for other ranks, and as those.

    >>> import alight as torch
    >>> x, w = torch.ones(1, 1, 3), torch.ones(1, 1, 2)
    >>> torch.convolution(x, w, None, [1], [0], [1], False, [0], 1)
    tensor([[[2., 2.]]])
    """
    rank = input.ndim - 2
    if rank not in (1, 2, 3):
        fail(RuntimeError, f"convolution: expected input of 3 to 5 dimensions, got {input.ndim}")
    if transposed:
        return FUNCTIONAL[f"conv_transpose{rank}d"](
            input, weight, bias, stride, padding, output_padding, groups, dilation
        )
    return FUNCTIONAL[f"conv{rank}d"](input, weight, bias, stride, padding, dilation, groups)


@function("conv_tbc", methods="", F="conv_tbc")
def conv_tbc(input: Any, weight: Any, bias: Any, pad: int = 0) -> Any:
    """1-d convolution of (time, batch, channels) with weight (width, in, out).

    Errors: RuntimeError for other ranks.

    >>> import alight as torch
    >>> torch.nn.functional.conv_tbc(torch.ones(3, 1, 2), torch.ones(2, 2, 1), torch.zeros(1)).shape
    torch.Size([2, 1, 1])
    """
    if input.ndim != 3:
        fail(RuntimeError, "Input must have 3 dims: time, batch, in_channel")
    if weight.ndim != 3:
        fail(
            RuntimeError, "Weight tensor must have 3 dims: kernel_width, in_channels, out_channels."
        )
    if bias.ndim != 1:
        fail(RuntimeError, "Bias must be 1-D")
    made = FUNCTIONAL["conv1d"](input.permute(1, 2, 0), weight.permute(2, 1, 0), bias, 1, pad)
    return made.permute(2, 0, 1).contiguous()


@function("embedding")
def embedding_kernel(
    weight: Any, indices: Any, padding_idx: int = -1, scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Any:  # fmt: skip
    """Rows of weight; `torch.nn.functional.embedding` with the kernel's order of arguments.

    Shapes: indices any; (*indices, columns).
    Errors: IndexError "index out of range in self", when the values are computed.

    >>> import alight as torch
    >>> torch.embedding(torch.tensor([[1., 2.], [3., 4.]]), torch.tensor([1]))
    tensor([[3., 4.]])
    """
    row = None if padding_idx < 0 else padding_idx
    return FUNCTIONAL["embedding"](
        indices, weight, row, scale_grad_by_freq=scale_grad_by_freq, sparse=sparse
    )


@function()
def native_channel_shuffle(input: Any, groups: int) -> Any:
    """`channel_shuffle`.

    Shapes: (n, c, *), kept.
    Errors: RuntimeError where groups do not divide c.

    >>> import alight as torch
    >>> torch.native_channel_shuffle(torch.arange(4.).reshape(1, 4, 1), 2).flatten()
    tensor([0., 2., 1., 3.])
    """
    return FUNCTIONAL["channel_shuffle"](input, groups)


@function()
def max_pool1d_with_indices(
    input: Any, kernel_size: Any, stride: Any = (), padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False,
) -> Any:  # fmt: skip
    """The largest element of each window, and its place.

    Shapes: (n, c, w) or (c, w).
    Errors: as torch.nn.functional.max_pool1d.

    >>> import alight as torch
    >>> torch.max_pool1d_with_indices(torch.tensor([[[1., 3., 2., 0.]]]), 2)
    (tensor([[[3., 2.]]]), tensor([[[1, 2]]]))
    """
    return FUNCTIONAL["max_pool1d"](
        input, kernel_size, stride or None, padding, dilation, ceil_mode, True
    )


# -- norms -------------------------------------------------------------------------------------------------------------


@function()
def norm_except_dim(v: Any, pow: int = 2, dim: int = 0) -> Any:
    """The norm over all dimensions but one; over all for dim -1.

    Shapes: any; extents but that of `dim` become 1.

    >>> import alight as torch
    >>> torch.norm_except_dim(torch.tensor([[3., 4.], [0., 2.]])).squeeze()
    tensor([5., 2.])
    """
    if dim == -1:
        return v.norm(pow)
    rows = v.transpose(0, dim).contiguous()
    shape = [1] * v.ndim
    shape[dim] = v.shape[dim]
    return (
        rows.reshape(v.shape[dim], prod(v.shape) // max(v.shape[dim], 1))
        .norm(pow, 1)
        .reshape(shape)
    )


@function()
def frobenius_norm(input: Any, dim: Any, keepdim: bool = False) -> Any:
    """The root of the sum of squares over `dim`.

    Shapes: any; the dimensions of `dim` go, or keep extent 1 with keepdim=True.
    Errors: IndexError for a dimension out of range.

    >>> import alight as torch
    >>> torch.frobenius_norm(torch.tensor([[3., 4.]]), [0, 1])
    tensor(5.)
    """
    dims = (dim,) if isinstance(dim, int) else tuple(dim)
    return TORCH["norm"](input, 2, dims or None, keepdim)


@function()
def nuclear_norm(input: Any, dim: Any = (-2, -1), keepdim: bool = False) -> Any:
    """The sum of the singular values of the matrices in two dimensions.

    Shapes: (*, m, n) gives (*).
    Errors: IndexError for fewer than two dimensions.

    >>> import alight as torch
    >>> torch.nuclear_norm(torch.tensor([[3., 0.], [0., 4.]]), (0, 1))
    tensor(7.)
    """
    return TORCH["norm"](input, "nuc", tuple(dim), keepdim)


# -- what tensors say --------------------------------------------------------------------------------------------------


@function()
def get_device(input: Tensor) -> int:
    """The number of the tensor's device; -1 for the CPU.

    Shapes: any.

    >>> import alight as torch
    >>> torch.get_device(torch.ones(2))
    -1
    """
    index = input.device.index
    return -1 if index is None else index
