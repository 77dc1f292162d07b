"""Batch norm in evaluation mode folded into the layer before it, and small conversions of modules."""

from __future__ import annotations

import copy
import inspect
from typing import Any

from alight.errors import fail
from alight.nn.module import Module
from alight.nn.parameter import Parameter
from alight.ops.operation import TORCH

Tensor = Any


def _both_evaluate(layer: Any, bn: Any) -> None:
    if layer.training or bn.training:
        fail(AssertionError, "Fusion only for eval!", try_="layer.eval() and bn.eval()")


def fuse_conv_bn_eval(conv: Any, bn: Any, transpose: bool = False) -> Any:
    """A convolution that does what conv and then bn do in evaluation mode; both stay as they are.

    `transpose` says that conv is a transposed one. AssertionError where one of them is
    training.

    >>> import alight as torch
    >>> conv, bn = torch.nn.Conv2d(1, 2, 3).eval(), torch.nn.BatchNorm2d(2).eval()
    >>> x = torch.ones(1, 1, 4, 4)
    >>> fused = torch.nn.utils.fuse_conv_bn_eval(conv, bn)
    >>> torch.allclose(fused(x), bn(conv(x)), atol=1e-6)
    True
    """
    _both_evaluate(conv, bn)
    fused = copy.deepcopy(conv)
    fused.weight, fused.bias = fuse_conv_bn_weights(
        fused.weight, fused.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias, transpose
    )  # fmt: skip
    return fused


def _scale_and_shift(
    w: Any, b: Any, mean: Tensor, var: Tensor, eps: float, bn_w: Any, bn_b: Any
) -> tuple[Any, Any]:
    bias = TORCH["zeros_like"](mean) if b is None else b
    gain = TORCH["ones_like"](mean) if bn_w is None else bn_w
    shift = TORCH["zeros_like"](mean) if bn_b is None else bn_b
    scale = gain * TORCH["rsqrt"](var + eps)
    return scale, (bias - mean) * scale + shift


def fuse_conv_bn_weights(
    conv_w: Tensor, conv_b: Any, bn_rm: Tensor, bn_rv: Tensor, bn_eps: float, bn_w: Any, bn_b: Any,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:  # fmt: skip
    """Weight and bias of a convolution with a batch norm behind it; None for what one lacks.

    conv_w (out, in, *window), all others (out,), to a pair of Parameters of those shapes.

    >>> import alight as torch
    >>> one, zero = torch.ones(1), torch.zeros(1)
    >>> weight, bias = torch.nn.utils.fuse_conv_bn_weights(
    ...     torch.ones(1, 1, 1), None, zero, one, 0.0, 2 * one, one
    ... )
    >>> weight.item(), bias.item()
    (2.0, 1.0)
    """
    scale, bias = _scale_and_shift(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b)
    shape = [1] * conv_w.dim()
    shape[1 if transpose else 0] = -1
    weight = (conv_w * scale.reshape(shape)).to(conv_w.dtype)
    grads = conv_w.requires_grad, conv_w.requires_grad if conv_b is None else conv_b.requires_grad
    return Parameter(weight.detach(), grads[0]), Parameter(bias.detach().to(conv_w.dtype), grads[1])


def fuse_linear_bn_eval(linear: Any, bn: Any) -> Any:
    """A linear layer that does what linear and then bn do in evaluation mode; both stay as they
    are.

    AssertionError where one of them is training, or bn has other features.

    >>> import alight as torch
    >>> linear, bn = torch.nn.Linear(3, 2).eval(), torch.nn.BatchNorm1d(2).eval()
    >>> x = torch.ones(4, 3)
    >>> fused = torch.nn.utils.fuse_linear_bn_eval(linear, bn)
    >>> torch.allclose(fused(x), bn(linear(x)), atol=1e-6)
    True
    """
    _both_evaluate(linear, bn)
    fused = copy.deepcopy(linear)
    if linear.out_features != bn.num_features and bn.num_features != 1:
        fail(
            AssertionError,
            "To fuse, linear.out_features == bn.num_features or bn.num_features == 1",
        )
    fused.weight, fused.bias = fuse_linear_bn_weights(
        fused.weight, fused.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias
    )
    return fused


def fuse_linear_bn_weights(
    linear_w: Tensor, linear_b: Any, bn_rm: Tensor, bn_rv: Tensor, bn_eps: float, bn_w: Any, bn_b: Any
) -> tuple[Parameter, Parameter]:  # fmt: skip
    """Weight and bias of a linear layer with a batch norm behind it, from those of both.

    linear_w (out, in), all others (out,), to a pair of Parameters of those shapes.

    >>> import alight as torch
    >>> one, zero = torch.ones(1), torch.zeros(1)
    >>> weight, bias = torch.nn.utils.fuse_linear_bn_weights(
    ...     torch.ones(1, 1), zero, zero, one, 0.0, 2 * one, one
    ... )
    >>> weight.item(), bias.item()
    (2.0, 1.0)
    """
    return fuse_conv_bn_weights(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b)


def skip_init(module_cls: Any, *args: Any, **kwargs: Any) -> Any:
    """A module whose parameters have not been drawn: nothing is taken from the random stream.

    RuntimeError where the class takes no `device`.

    >>> import alight as torch
    >>> torch.nn.utils.skip_init(torch.nn.Linear, 3, 2).weight.shape
    torch.Size([2, 3])
    """
    if not (isinstance(module_cls, type) and issubclass(module_cls, Module)):
        fail(RuntimeError, f"Expected a Module; got {module_cls}")
    device = kwargs.pop("device", "cpu")
    if "device" not in inspect.signature(module_cls).parameters:
        fail(RuntimeError, "Module must support a 'device' arg to skip initialization")
    return module_cls(*args, device="meta", **kwargs).to_empty(device=device)


def _convert_weights(module: Any, memory_format: Any, kinds: tuple[type, ...]) -> Any:
    if isinstance(module, kinds):
        weight: Any = module.weight  # type: ignore[attr-defined]
        weight.data = weight.detach().clone(memory_format=memory_format)
    for child in module.children():
        _convert_weights(child, memory_format, kinds)
    return module


def convert_conv2d_weight_memory_format(module: Any, memory_format: Any) -> Any:
    """Give the weights of all Conv2d inside a memory format; the module itself is given back.

    >>> import alight as torch
    >>> net = torch.nn.Sequential(torch.nn.Conv2d(2, 4, 3))
    >>> net = torch.nn.utils.convert_conv2d_weight_memory_format(net, torch.channels_last)
    >>> net[0].weight.is_contiguous(memory_format=torch.channels_last)
    True
    """
    from alight.nn import Conv2d, ConvTranspose2d

    return _convert_weights(module, memory_format, (Conv2d, ConvTranspose2d))


def convert_conv3d_weight_memory_format(module: Any, memory_format: Any) -> Any:
    """Give the weights of all Conv3d inside a memory format; the module itself is given back.

    >>> import alight as torch
    >>> net = torch.nn.Sequential(torch.nn.Conv3d(2, 4, 3))
    >>> net = torch.nn.utils.convert_conv3d_weight_memory_format(net, torch.channels_last_3d)
    >>> net[0].weight.is_contiguous(memory_format=torch.channels_last_3d)
    True
    """
    from alight.nn import Conv3d, ConvTranspose3d

    return _convert_weights(module, memory_format, (Conv3d, ConvTranspose3d))


__all__ = [
    "convert_conv2d_weight_memory_format",
    "convert_conv3d_weight_memory_format",
    "fuse_conv_bn_eval",
    "fuse_conv_bn_weights",
    "fuse_linear_bn_eval",
    "fuse_linear_bn_weights",
    "skip_init",
]
