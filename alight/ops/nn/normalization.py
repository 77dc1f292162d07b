"""Normalisation: batches, layers, groups, instances, root mean squares; `normalize` by a norm.

Statistics are computed in float32 at least. Running statistics are written by one recorded step beside the
normalisation, outside the gradient record.
"""

from __future__ import annotations

from math import prod
from typing import Any

from alight import primitives as p
from alight.dtypes import finfo, float32
from alight.errors import fail
from alight.ir.program import Value as Tensor
from alight.ops.arguments import normalize_dims, to_float
from alight.ops.operation import function, op, with_vjp
from alight.primitives.arithmetic import constant, equal, kept_shape, put_back, where
from alight.primitives.window import WindowSum
from alight.record.recorder import thread

Scalar = Any
Shape = Any


def _wide(x: Tensor) -> Tensor:
    """x in the dtype that statistics are computed in."""
    return p.Convert(x, dtype=float32) if x.dtype.itemsize == 2 else x


def _mean(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    count = prod(x.shape[axis] for axis in axes)
    return p.Sum(x, axes=axes) / count if count else p.Sum(x, axes=axes) / 0.0


def _epsilon(eps: Any, like: Tensor) -> Any:
    return p.Convert(eps, dtype=like.dtype) if isinstance(eps, Tensor) else eps


def _is_zero(ct: Tensor) -> bool:
    """Whether a cotangent is the zeros that stand for none."""
    for node in reversed(ct.builder.nodes):
        if ct.id in node.outputs:
            return node.primitive is p.Full and node.statics["value"] == 0
    return False


def standardized(x: Tensor, axes: tuple[int, ...], eps: Any, centred: bool = True) -> Tensor:
    """(x - mean) / sqrt(var + eps) over `axes`, or x / sqrt(mean(x^2) + eps); the gradient reads the result."""
    start = len(x.builder.nodes)
    shape = x.shape
    c = x - put_back(_mean(x, axes), shape, axes) if centred else x
    inverse = 1 / p.Sqrt(_mean(c * c, axes) + _epsilon(eps, x))
    y = c * put_back(inverse, shape, axes)

    def rule(cts: tuple[Tensor, Tensor], outs: tuple[Tensor, Tensor], x: Tensor) -> Tensor:
        (g, g_inverse), (y, inverse) = cts, outs
        along = _mean(g * y, axes)
        if not _is_zero(g_inverse):  # only where a gradient of the gradient reads it
            along = along + g_inverse * inverse / prod(shape[axis] for axis in axes)
        g = g - y * put_back(along, shape, axes)
        if centred:
            g = g - put_back(_mean(cts[0], axes), shape, axes)
        return g * put_back(inverse, shape, axes)

    return with_vjp(rule, (y, inverse), start, x)[0]


def _affine(
    y: Tensor, weight: Tensor | None, bias: Tensor | None, shape: tuple[int, ...]
) -> Tensor:
    """y * weight + bias, both laid out in `shape`."""
    if weight is not None:
        y = y * p.Reshape(p.Convert(weight, dtype=y.dtype), shape=shape)
    if bias is not None:
        y = y + p.Reshape(p.Convert(bias, dtype=y.dtype), shape=shape)
    return y


# -- batch normalisation --------------------------------------------------------------------------------------------------


def _channels(x: Tensor) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The axes that statistics are taken over, and the shape of a value for each channel."""
    axes = (0, *range(2, x.ndim))
    return axes, kept_shape(x.shape, axes)


@op(functions="")
def _batch_norm(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, eps: Scalar
) -> tuple[Tensor, Tensor, Tensor]:
    """The normalised input, the mean and the (biased) variance of each channel."""
    x = _wide(input)
    axes, shape = _channels(x)
    mean = _mean(x, axes)
    c = x - p.Reshape(mean, shape=shape)
    variance = _mean(c * c, axes)
    scale = 1 / p.Sqrt(variance + _epsilon(eps, x))
    if weight is not None:
        scale = scale * p.Convert(weight, dtype=x.dtype)
    y = _affine(c * p.Reshape(scale, shape=shape), None, bias, shape)
    return p.Convert(y, dtype=input.dtype), mean, variance


@_batch_norm.vjp
def _(
    cts: tuple[Tensor, ...], outs: tuple[Tensor, ...], input: Tensor, eps: Any, weight: Tensor | None = None,
    bias: Tensor | None = None,
) -> tuple[Tensor | None, ...]:  # fmt: skip
    x, g = _wide(input), _wide(cts[0])
    axes, shape = _channels(x)
    _, mean, variance = outs
    count = max(x.size // max(mean.size, 1), 1)
    inverse = 1 / p.Sqrt(variance + _epsilon(eps, x))
    c = x - p.Reshape(mean, shape=shape)
    g_sum, g_along = p.Sum(g, axes=axes), p.Sum(g * c, axes=axes)
    scale = inverse if weight is None else inverse * p.Convert(weight, dtype=x.dtype)
    # dx = scale (g - mean(g) - c mean(g c) / (var + eps)): a multiple of g, one of c, and a constant, per channel
    of_c, rest = -scale * inverse * inverse * g_along / count, -scale * g_sum / count
    if not _is_zero(cts[1]):
        rest = rest + cts[1] / count
    if not _is_zero(cts[2]):
        of_c = of_c + cts[2] * 2 / count
    in_input = (
        g * p.Reshape(scale, shape=shape)
        + c * p.Reshape(of_c, shape=shape)
        + p.Reshape(rest, shape=shape)
    )
    grads = [p.Convert(in_input, dtype=input.dtype)]
    if weight is not None:
        grads.append(p.Convert(g_along * inverse, dtype=weight.dtype))
    if bias is not None:
        grads.append(p.Convert(g_sum, dtype=bias.dtype))
    return tuple(grads)


@op(functions="")
def _batch_norm_eval(
    input: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: Scalar,
) -> Tensor:
    """(input - running_mean) / sqrt(running_var + eps) * weight + bias."""
    x = _wide(input)
    _, shape = _channels(x)
    scale = 1 / p.Sqrt(p.Convert(running_var, dtype=x.dtype) + _epsilon(eps, x))
    if weight is not None:
        scale = scale * p.Convert(weight, dtype=x.dtype)
    centred = x - p.Reshape(p.Convert(running_mean, dtype=x.dtype), shape=shape)
    return p.Convert(
        _affine(centred * p.Reshape(scale, shape=shape), None, bias, shape), dtype=input.dtype
    )


def _check_channels(input: Any, tensors: dict[str, Any]) -> None:
    channels = input.shape[1]
    for name, tensor in tensors.items():
        if tensor is not None and tensor.numel() != channels:
            fail(
                RuntimeError,
                f"{name} should contain {channels} elements not {tensor.numel()}",
                facts=[f"the input {list(input.shape)} has {channels} channels (dimension 1)"],
                try_=f"a layer of {channels} channels",
            )


def update_running(
    name: str, mean: Any, var: Any, running_mean: Any, running_var: Any, momentum: float, count: int
) -> None:
    """Move the running statistics towards `mean` and the unbiased variance: one recorded step."""
    recorder = thread.recorder
    if recorder.transforming and recorder.batch_size is not None and recorder.is_batched(mean):
        if not (recorder.is_batched(running_mean) and recorder.is_batched(running_var)):
            fail(
                RuntimeError,
                "Batch norm got a batched tensor as input while the running_mean or running_var, which will be updated "
                "in place, were not batched.",
                try_="track_running_stats=False, or functional_call with buffers that vmap maps over",
            )

    def body(reads: list[Tensor], writes: list[Tensor], scalars: list[Tensor]) -> list[Tensor]:
        new = []
        for held, batch, factor in zip(
            writes, reads, (1.0, count / max(count - 1, 1)), strict=True
        ):
            m = p.Convert(scalars[0], dtype=batch.dtype)
            old = p.Convert(held, dtype=batch.dtype)
            new.append(
                p.Convert(
                    (batch if factor == 1 else batch * factor) * m + old * (1 - m), dtype=held.dtype
                )
            )
        return new

    recorder.compound(
        name, count, (mean, var), (running_mean, running_var), (float(momentum),), body
    )


@function(functions="", F="batch_norm")
def batch_norm(
    input: Any, running_mean: Any, running_var: Any, weight: Any = None, bias: Any = None, training: bool = False,
    momentum: float = 0.1, eps: float = 1e-5,
) -> Any:  # fmt: skip
    """Each channel (dimension 1) brought to mean 0 and variance 1, then scaled and shifted (Ioffe and Szegedy 2015).

    With `training` the statistics are those of the batch, and the running ones move towards them by `momentum`.

    Shapes: input (n, c, *), kept; the others (c,).
    Errors: ValueError for eps that is not above 0 or one value a channel while training,
    RuntimeError for parameters of another length or without running statistics in evaluation.

    >>> import alight as torch
    >>> torch.nn.functional.batch_norm(torch.tensor([[1.], [3.]]), None, None, training=True, eps=1e-9)
    tensor([[-1.],
            [ 1.]])
    """
    if eps <= 0 if training else eps < 0:
        wanted = "positive during training" if training else "non-negative"
        fail(ValueError, f"batch_norm eps must be {wanted}, but got {eps}")
    if input.dim() < 2 and not input.numel():
        return input.clone()
    if input.dim() < 2:
        fail(
            IndexError,
            "Dimension out of range (expected to be in range of [-1, 0], but got 1)",
            facts=[f"the input is {list(input.shape)}; channels are dimension 1"],
        )
    if (running_mean is not None and running_mean.shape[0] != input.shape[1]) or weight is not None:
        _check_channels(
            input,
            {
                "running_mean": running_mean,
                "running_var": running_var,
                "weight": weight,
                "bias": bias,
            },
        )
    if not training:
        if running_mean is None:
            fail(RuntimeError, "running_mean must be defined in evaluation mode")
        return _batch_norm_eval.function(input, running_mean, running_var, weight, bias, eps)
    shape = input.shape
    count = input.numel() // shape[1] if shape[1] else 0
    if count == 1:
        fail(
            ValueError,
            f"Expected more than 1 value per channel when training, got input size {shape}",
            facts=["the variance of one value is not defined"],
            try_="a larger batch, drop_last=True in the DataLoader, or model.eval()",
        )
    out, mean, variance = _batch_norm.function(input, weight, bias, eps)
    if running_mean is not None and count:
        update_running(
            "batch_norm statistics", mean, variance, running_mean, running_var, momentum, count
        )
    return out


# -- layers, groups, instances --------------------------------------------------------------------------------------------


def _check_normalized_shape(
    input: Tensor, shape: tuple[int, ...], weight: Tensor | None, bias: Tensor | None
) -> None:
    if not shape:
        fail(
            RuntimeError,
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got "
            "normalized_shape = []",
        )
    for name, tensor in (("weight", weight), ("bias", bias)):
        if tensor is not None and tensor.shape != shape:
            fail(
                RuntimeError,
                f"Expected {name} to be of same shape as normalized_shape, but got {name} of shape {list(tensor.shape)} "
                f"and normalized_shape = {list(shape)}",
            )
    if input.shape[input.ndim - len(shape) :] != shape or input.ndim < len(shape):
        wanted = "".join(f", {extent}" for extent in shape)
        fail(
            RuntimeError,
            f"Given normalized_shape={list(shape)}, expected input with shape [*{wanted}], but got input of size"
            f"{list(input.shape)}",
            try_=f"a layer of normalized_shape {list(input.shape[-len(shape) :])}",
        )


def _trailing(input: Tensor, normalized_shape: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    return shape, tuple(range(max(input.ndim - len(shape), 0), input.ndim))


@op(functions="layer_norm", F="layer_norm")
def layer_norm(
    input: Tensor,
    normalized_shape: Shape,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: Scalar = 1e-5,
) -> Tensor:
    """The last dimensions brought to mean 0 and variance 1, then scaled and shifted (Ba et al. 2016).

    Shapes: input (*, *normalized_shape), kept; weight and bias have normalized_shape.
    Errors: RuntimeError for other shapes.

    >>> import alight as torch
    >>> torch.nn.functional.layer_norm(torch.tensor([1., 3.]), (2,), eps=0.)
    tensor([-1.,  1.])
    """
    shape, axes = _trailing(input, normalized_shape)
    _check_normalized_shape(input, shape, weight, bias)
    y = standardized(_wide(input), axes, eps)
    return p.Convert(_affine(y, weight, bias, shape), dtype=input.dtype)


@op(functions="rms_norm", F="rms_norm")
def rms_norm(
    input: Tensor, normalized_shape: Shape, weight: Tensor | None = None, eps: Scalar | None = None
) -> Tensor:
    """The last dimensions divided by the root of their mean square, then scaled (Zhang and Sennrich 2019).

    `eps` is the dtype's own unless given.

    Shapes: input (*, *normalized_shape), kept; weight has normalized_shape.
    Errors: RuntimeError for other shapes.

    >>> import alight as torch
    >>> torch.nn.functional.rms_norm(torch.tensor([3., 3.]), (2,))
    tensor([1., 1.])
    """
    shape, axes = _trailing(input, normalized_shape)
    _check_normalized_shape(input, shape, weight, None)
    x = _wide(input)
    y = standardized(x, axes, finfo(x.dtype).eps if eps is None else eps, centred=False)
    return p.Convert(_affine(y, weight, None, shape), dtype=input.dtype)


def _grouped(input: Tensor, groups: int, eps: Any) -> Tensor:
    """Each group of channels of each example, standardised."""
    x = _wide(input)
    size = prod(x.shape[1:]) // groups
    y = standardized(p.Reshape(x, shape=(x.shape[0] * groups, size)), (1,), eps)
    return p.Reshape(y, shape=x.shape)


@op(functions="group_norm", F="group_norm")
def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: Scalar = 1e-5,
) -> Tensor:
    """Groups of channels brought to mean 0 and variance 1 in each example (Wu and He 2018).

    Shapes: input (n, c, *), kept; weight and bias (c,).
    Errors: RuntimeError for one dimension, for groups that do not divide c, and for parameters of
    another shape.

    >>> import alight as torch
    >>> torch.nn.functional.group_norm(torch.tensor([[1., 3.]]), 1, eps=0.)
    tensor([[-1.,  1.]])
    """
    if input.ndim < 2:
        fail(
            RuntimeError,
            f"Expected at least 2 dimensions for input tensor but received {input.ndim}",
        )
    channels = input.shape[1]
    if channels % num_groups:
        fail(
            RuntimeError,
            "Expected number of channels in input to be divisible by num_groups, but got input of shape "
            f"{list(input.shape)} and num_groups={num_groups}",
        )
    for name, tensor in (("weight", weight), ("bias", bias)):
        if tensor is not None and tensor.shape != (channels,):
            fail(
                RuntimeError,
                f"Expected {name} to be a vector of size equal to the number of channels in input, but got {name} of "
                f"shape {list(tensor.shape)} and input of shape {list(input.shape)}",
            )
    shape = (1, channels) + (1,) * (input.ndim - 2)
    return p.Convert(
        _affine(_grouped(input, num_groups, eps), weight, bias, shape), dtype=input.dtype
    )


@op(functions="")
def _instance_norm(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, eps: Scalar
) -> Tensor:
    """Each channel of each example, standardised, scaled and shifted."""
    shape = (1, input.shape[1]) + (1,) * (input.ndim - 2)
    return p.Convert(
        _affine(_grouped(input, input.shape[1], eps), weight, bias, shape), dtype=input.dtype
    )


@op(functions="")
def _instance_statistics(input: Tensor) -> tuple[Tensor, Tensor]:
    """Mean over the batch of each channel's mean, and of its variance."""
    x = p.Detach(_wide(input))
    axes = tuple(range(2, x.ndim))
    mean = _mean(x, axes)
    c = x - put_back(mean, x.shape, axes)
    return _mean(mean, (0,)), _mean(_mean(c * c, axes), (0,))


@function(functions="", F="instance_norm")
def instance_norm(
    input: Any, running_mean: Any = None, running_var: Any = None, weight: Any = None, bias: Any = None,
    use_input_stats: bool = True, momentum: float = 0.1, eps: float = 1e-5,
) -> Any:  # fmt: skip
    """Each channel of each example brought to mean 0 and variance 1 (Ulyanov et al. 2016).

    Shapes: input (n, c, *), kept; the others (c,).
    Errors: ValueError for one spatial value while training, RuntimeError without running statistics
    in evaluation.

    >>> import alight as torch
    >>> torch.nn.functional.instance_norm(torch.tensor([[[1., 3.]]]), eps=0.)
    tensor([[[-1.,  1.]]])
    """
    if not use_input_stats:
        if running_mean is None:
            fail(
                RuntimeError,
                "Expected running_mean and running_var to be defined when use_input_stats is false",
            )
        return _batch_norm_eval.function(input, running_mean, running_var, weight, bias, eps)
    count = prod(input.shape[2:])
    if count == 1:
        fail(
            ValueError,
            f"Expected more than 1 spatial element when training, got input size {input.shape}",
        )
    if running_mean is not None:
        mean, variance = _instance_statistics.function(input)
        update_running(
            "instance_norm statistics", mean, variance, running_mean, running_var, momentum, count
        )
    return _instance_norm.function(input, weight, bias, eps)


# -- by a norm ------------------------------------------------------------------------------------------------------------


@op(functions="", F="normalize", functional_out=True)
def normalize(input: Tensor, p: float = 2.0, dim: Any = 1, eps: Scalar = 1e-12) -> Tensor:
    """input divided by its norm of order p along `dim`, or by eps where that is larger.

    Shapes: any, kept.
    Errors: IndexError for a dimension out of range.

    >>> import alight as torch
    >>> torch.nn.functional.normalize(torch.tensor([[3., 4.]]))
    tensor([[0.6000, 0.8000]])
    """
    axes = normalize_dims(dim, input.ndim)
    size = norm(input, float(p), axes)
    low = _epsilon(eps, size)
    return input / put_back(where(size < low, low, size), input.shape, axes)


def norm(x: Tensor, order: float, axes: tuple[int, ...]) -> Tensor:
    """The vector norm of an order along `axes`; its gradient is 0 at 0."""
    x = to_float(x)
    if order == float("inf"):
        return p.Max(p.Abs(x), axes=axes)
    if order == float("-inf"):
        return p.Min(p.Abs(x), axes=axes)
    if order == 0:
        return p.Sum(p.Convert(~equal(x, 0), dtype=x.dtype), axes=axes)
    if order == 2:
        start = len(x.builder.nodes)
        root = p.Sqrt(p.Sum(x * x, axes=axes))

        def rule(ct: Tensor, out: Tensor, x: Tensor) -> Tensor:
            share = where(out > 0, ct / where(out > 0, out, 1), 0)
            return x * put_back(share, x.shape, axes)

        return with_vjp(rule, root, start, x)
    if order == 1:
        return p.Sum(p.Abs(x), axes=axes)
    return p.Sum(p.Abs(x) ** order, axes=axes) ** (1 / order)


@op(functions="", F="local_response_norm")
def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """input divided by (k + alpha * mean of squares over `size` neighbouring channels) ** beta (Krizhevsky 2012).

    Shapes: (n, c, *), with one dimension or more behind c, kept.
    Errors: ValueError for fewer dimensions.

    >>> import alight as torch
    >>> torch.nn.functional.local_response_norm(torch.ones(1, 2, 1), 2).flatten()
    tensor([1.0000, 0.9999])
    """
    if input.ndim < 3:
        fail(
            ValueError,
            f"Expected 3D or higher dimensionality                          input (got {input.ndim} dimensions)",
        )
    order = (0, *range(2, input.ndim), 1)
    squares = p.Permute(input * input, order=order)
    sums = WindowSum(
        squares, window=(size,), stride=(1,), padding=((size // 2, (size - 1) // 2),), dilation=(1,)
    )
    back = tuple(order.index(i) for i in range(input.ndim))
    means = p.Permute(sums, order=back)
    if not means.dtype.is_floating_point:
        means = to_float(means // constant(means, size, means.shape))
        return to_float(input) / (means * alpha + k) ** beta
    return input / (means * (alpha / size) + k) ** beta


__all__ = ["Any", "batch_norm", "constant", "norm", "standardized"]
