"""torch.nn.init: filling weights. The same random numbers in the same order as PyTorch.

Every function fills its tensor in place, outside the gradient record, and returns it.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

from alight.autograd.modes import no_grad
from alight.errors import fail
from alight.ir.types import Type
from alight.ops.random import fill
from alight.tensor import filled

Tensor = Any

_GAINS = {"tanh": 5.0 / 3, "relu": math.sqrt(2.0), "selu": 3.0 / 4}
_ONE = (
    "linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "sigmoid",
)  # fmt: skip


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor that keeps the variance through a nonlinearity (He et al. 2015).

    >>> calculate_gain("leaky_relu", 1.0)
    1.0
    """
    if nonlinearity in _ONE:
        return 1.0
    if nonlinearity == "leaky_relu":
        if param is None:
            param = 0.01
        if isinstance(param, bool) or not isinstance(param, (int, float)):
            fail(ValueError, f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + param**2))
    if nonlinearity not in _GAINS:
        fail(ValueError, f"Unsupported nonlinearity {nonlinearity}")
    return _GAINS[nonlinearity]


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """How many inputs feed an output, and how many outputs an input feeds."""
    if tensor.dim() < 2:
        fail(
            ValueError,
            "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions",
        )
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


def _calculate_correct_fan(tensor: Tensor, mode: str) -> int:
    mode = mode.lower()
    if mode not in ("fan_in", "fan_out"):
        fail(ValueError, f"Mode {mode} not supported, please use one of ['fan_in', 'fan_out']")
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    return fan_in if mode == "fan_in" else fan_out


# -- plain distributions --------------------------------------------------------------------------------------------------


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Any = None) -> Tensor:
    """Numbers evenly spread over [a, b)."""
    with no_grad():
        return tensor.uniform_(a, b, generator=generator)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> Tensor:
    """Normal numbers."""
    with no_grad():
        return tensor.normal_(mean, std, generator=generator)


def constant_(tensor: Tensor, val: float) -> Tensor:
    """One number everywhere, written at once: what is pending is left alone."""
    of = tensor._meta
    with no_grad():
        return fill(tensor, lambda n: filled(Type((n,), of.dtype, of.device), val)._buffer)


def ones_(tensor: Tensor) -> Tensor:
    """Ones."""
    return constant_(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """Zeros."""
    return constant_(tensor, 0.0)


def _two_dimensional(tensor: Tensor) -> None:
    if tensor.dim() != 2:
        fail(ValueError, "Only tensors with 2 dimensions are supported")


def eye_(tensor: Tensor) -> Tensor:
    """The identity matrix."""
    _two_dimensional(tensor)
    from alight.ops.operation import TORCH

    with no_grad():
        return tensor.copy_(TORCH["eye"](*tensor.shape))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Convolution weights that pass each channel on unchanged."""
    if tensor.dim() not in (3, 4, 5):
        fail(ValueError, "Only tensors with 3, 4, or 5 dimensions are supported")
    if tensor.shape[0] % groups:
        fail(ValueError, "dim 0 must be divisible by groups")
    per_group = tensor.shape[0] // groups
    centre = tuple(extent // 2 for extent in tensor.shape[2:])
    with no_grad():
        tensor.fill_(0.0)
        for group in range(groups):
            for channel in range(min(per_group, tensor.shape[1])):
                tensor[(group * per_group + channel, channel, *centre)] = 1
    return tensor


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Any = None,
) -> Tensor:
    """Normal numbers, drawn again until all lie in [a, b]."""
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. The distribution of values may be incorrect.",
            stacklevel=2,
        )
    inside = (
        math.erf((b - mean) / std / math.sqrt(2)) - math.erf((a - mean) / std / math.sqrt(2))
    ) / 2
    with no_grad():
        draw = _redrawn_normal if inside > 0.3 else _rejected_uniform
        return draw(tensor, mean, std, a, b, generator)


def _redrawn_normal(
    tensor: Tensor, mean: float, std: float, a: float, b: float, generator: Any
) -> Tensor:
    """Whole tensors of normal numbers, each filling the places where those before lay outside."""
    low, high = tensor.new_tensor(a).item(), tensor.new_tensor(b).item()  # as the dtype rounds them
    result = tensor.normal_(mean, std, generator=generator)
    while True:
        outside = (result < low) | (result > high)
        if not outside.any():
            return tensor if result is tensor else tensor.copy_(result)
        again = tensor.new_empty(tensor.shape).normal_(mean, std, generator=generator)
        result = again.where(outside, result)


def _rejected_uniform(
    tensor: Tensor, mean: float, std: float, a: float, b: float, generator: Any
) -> Tensor:
    """Rejection from a uniform distribution, for bounds that hold little of the normal one (von Neumann 1951)."""
    peak = -0.5 * ((max(a, min(mean, b)) - mean) / std) ** 2
    result, pending = tensor, None
    while pending is None or pending.any():
        candidates = tensor.new_empty(tensor.shape).uniform_(a, b, generator=generator)
        result = candidates if pending is None else candidates.where(pending, result)
        density = ((candidates - mean) / std) ** 2 * -0.5 - peak
        refused = tensor.new_empty(tensor.shape).uniform_(generator=generator).log() > density
        pending = refused if pending is None else pending & refused
    return tensor.copy_(result)


# -- by the size of the layer ---------------------------------------------------------------------------------------------


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Uniform, with the variance of Glorot and Bengio (2010)."""
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    bound = math.sqrt(3.0) * (gain * math.sqrt(2.0 / float(fan_in + fan_out)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Normal, with the variance of Glorot and Bengio (2010)."""
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / float(fan_in + fan_out)), generator)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float | None:
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
        return None
    fan = _calculate_correct_fan(tensor, mode)
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Tensor:
    """Uniform, with the variance of He et al. (2015)."""
    std = _kaiming_std(tensor, a, mode, nonlinearity)
    if std is None:
        return tensor
    bound = math.sqrt(3.0) * std
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Tensor:
    """Normal, with the variance of He et al. (2015)."""
    std = _kaiming_std(tensor, a, mode, nonlinearity)
    return tensor if std is None else normal_(tensor, 0.0, std, generator)


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Any = None) -> Tensor:
    """A matrix with orthonormal rows or columns, times gain (Saxe et al. 2013)."""
    if tensor.dim() < 2:
        fail(ValueError, "Only tensors with 2 or more dimensions are supported")
    if tensor.numel() == 0:
        return tensor
    from alight.ops.operation import LINALG

    rows = tensor.shape[0]
    columns = tensor.numel() // rows
    with no_grad():
        drawn = tensor.new_empty((rows, columns)).normal_(0, 1, generator=generator)
        q, r = LINALG["qr"](drawn.t() if rows < columns else drawn)
        q = q * r.diagonal().sign()  # evenly spread over all orthogonal matrices: Mezzadri (2007)
        return tensor.copy_((q.t() if rows < columns else q).reshape(tensor.shape) * gain)


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Any = None) -> Tensor:
    """Normal numbers, with a share `sparsity` of each column zero (Martens 2010)."""
    _two_dimensional(tensor)
    from alight.ops.operation import TORCH

    rows, columns = tensor.shape
    zeros = math.ceil(sparsity * rows)
    with no_grad():
        tensor.normal_(0, std, generator=generator)
        for column in range(columns):
            tensor[TORCH["randperm"](rows)[:zeros], column] = 0
    return tensor


def _older(function: Any) -> Any:
    """The older name without an underscore, which warns."""
    name = function.__name__

    def older(*args: Any, **kwargs: Any) -> Any:
        warnings.warn(
            f"`nn.init.{name[:-1]}` is now deprecated in favor of `nn.init.{name}`.",
            FutureWarning,
            stacklevel=2,
        )
        return function(*args, **kwargs)

    older.__doc__ = f"Older name of {name}."
    return older


uniform, normal, constant, eye, dirac = map(_older, (uniform_, normal_, constant_, eye_, dirac_))
xavier_uniform, xavier_normal = _older(xavier_uniform_), _older(xavier_normal_)
kaiming_uniform, kaiming_normal = _older(kaiming_uniform_), _older(kaiming_normal_)
orthogonal, sparse = _older(orthogonal_), _older(sparse_)
