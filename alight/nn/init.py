"""torch.nn.init: filling weights. The same random numbers in the same order as PyTorch.

Every function fills its tensor in place, outside the gradient record, and returns it.
"""

from __future__ import annotations

import functools
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

    "linear", "conv1d" and its kin, "sigmoid": 1; "tanh": 5 / 3; "relu": sqrt(2); "leaky_relu"
    with its slope `param`: sqrt(2 / (1 + param ** 2)); "selu": 3 / 4. ValueError for another
    name.

    >>> import alight as torch
    >>> torch.nn.init.calculate_gain("leaky_relu", 1.0)
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
    """Fill the tensor, of any shape, with numbers evenly spread over [a, b).

    >>> import alight as torch
    >>> w = torch.nn.init.uniform_(torch.empty(100), -1.0, 1.0)
    >>> bool(w.min() >= -1) and bool(w.max() < 1)
    True
    """
    with no_grad():
        return tensor.uniform_(a, b, generator=generator)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> Tensor:
    """Fill the tensor, of any shape, with normal numbers of a mean and a standard deviation.

    RuntimeError where std is negative.

    >>> import alight as torch
    >>> w = torch.nn.init.normal_(torch.empty(1000), std=0.01)
    >>> bool(w.abs().max() < 0.1)
    True
    """
    with no_grad():
        return tensor.normal_(mean, std, generator=generator)


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill the tensor, of any shape, with one number.

    >>> import alight as torch
    >>> torch.nn.init.constant_(torch.empty(2), 0.3)
    tensor([0.3000, 0.3000])
    """
    of = tensor._meta
    with no_grad():
        return fill(tensor, lambda n: filled(Type((n,), of.dtype, of.device), val)._buffer)


def ones_(tensor: Tensor) -> Tensor:
    """Fill the tensor, of any shape, with ones.

    >>> import alight as torch
    >>> torch.nn.init.ones_(torch.empty(2))
    tensor([1., 1.])
    """
    return constant_(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill the tensor, of any shape, with zeros.

    >>> import alight as torch
    >>> torch.nn.init.zeros_(torch.empty(2))
    tensor([0., 0.])
    """
    return constant_(tensor, 0.0)


def _two_dimensional(tensor: Tensor) -> None:
    if tensor.dim() != 2:
        fail(ValueError, "Only tensors with 2 dimensions are supported")


def eye_(tensor: Tensor) -> Tensor:
    """Make the tensor (rows, columns) the identity matrix. ValueError where it is not 2-d.

    >>> import alight as torch
    >>> torch.nn.init.eye_(torch.empty(2, 3))
    tensor([[1., 0., 0.],
            [0., 1., 0.]])
    """
    _two_dimensional(tensor)
    from alight.ops.operation import TORCH

    with no_grad():
        return tensor.copy_(TORCH["eye"](*tensor.shape))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Make the tensor the weight of a convolution that passes each channel on unchanged.

    (out_channels, in_channels, *kernel) in 1 to 3 dimensions. ValueError for other ranks, or
    where groups does not divide out_channels.

    >>> import alight as torch
    >>> torch.nn.init.dirac_(torch.empty(1, 1, 3))
    tensor([[[0., 1., 0.]]])
    """
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
    """Fill the tensor, of any shape, with normal numbers, drawn again until all lie in [a, b].

    Warns where the mean is more than two standard deviations outside.

    >>> import alight as torch
    >>> w = torch.nn.init.trunc_normal_(torch.empty(1000), a=-1.0, b=1.0)
    >>> bool(w.abs().max() <= 1)
    True
    """
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
    """Numbers evenly spread within gain * sqrt(6 / (fan in + fan out)) (Glorot and Bengio 2010).

    A weight (out, in, *window): fan in is in * window, fan out is out * window. ValueError for
    less than 2 dimensions.

    >>> import alight as torch
    >>> w = torch.nn.init.xavier_uniform_(torch.empty(3, 3))
    >>> bool(w.abs().max() <= 1)
    True
    """
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    bound = math.sqrt(3.0) * (gain * math.sqrt(2.0 / float(fan_in + fan_out)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Normal numbers of deviation gain * sqrt(2 / (fan in + fan out)) (Glorot and Bengio 2010).

    A weight (out, in, *window): fan in is in * window, fan out is out * window. ValueError for
    less than 2 dimensions.

    >>> import alight as torch
    >>> torch.nn.init.xavier_normal_(torch.empty(3, 5)).shape
    torch.Size([3, 5])
    """
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
    """Numbers evenly spread within gain * sqrt(3 / fan) (He et al. 2015).

    A weight (out, in, *window): the fan is in * window, or with mode="fan_out" out * window;
    the gain is calculate_gain(nonlinearity, a). ValueError for less than 2 dimensions or
    another mode.

    >>> import alight as torch
    >>> w = torch.nn.init.kaiming_uniform_(torch.empty(4, 6), nonlinearity="relu")
    >>> bool(w.abs().max() <= 1)
    True
    """
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
    """Normal numbers of deviation gain / sqrt(fan) (He et al. 2015).

    A weight (out, in, *window): the fan is in * window, or with mode="fan_out" out * window;
    the gain is calculate_gain(nonlinearity, a). ValueError for less than 2 dimensions or
    another mode.

    >>> import alight as torch
    >>> torch.nn.init.kaiming_normal_(torch.empty(4, 6), mode="fan_out").shape
    torch.Size([4, 6])
    """
    std = _kaiming_std(tensor, a, mode, nonlinearity)
    return tensor if std is None else normal_(tensor, 0.0, std, generator)


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Any = None) -> Tensor:
    """A matrix with orthonormal rows, or columns where there are fewer, times gain (Saxe et al.
    2013).

    (rows, *): the other dimensions are taken as one. ValueError for less than 2 dimensions.

    >>> import alight as torch
    >>> w = torch.nn.init.orthogonal_(torch.empty(2, 3))
    >>> torch.allclose(w @ w.T, torch.eye(2), atol=1e-6)
    True
    """
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
    """Normal numbers, with a share `sparsity` of each column zero (Martens 2010).

    (rows, columns), in which ceil(sparsity * rows) elements of every column are 0. ValueError
    where it is not 2-d.

    >>> import alight as torch
    >>> (torch.nn.init.sparse_(torch.empty(4, 2), sparsity=0.5) == 0).sum(0)
    tensor([2, 2])
    """
    _two_dimensional(tensor)
    from alight.ops.operation import TORCH

    rows, columns = tensor.shape
    zeros = math.ceil(sparsity * rows)
    with no_grad():
        tensor.normal_(0, std, generator=generator)
        for column in range(columns):
            tensor[TORCH["randperm"](rows)[:zeros], column] = 0
    return tensor


_OLDER = """Older name of {name}; warns.

    >>> import warnings
    >>> import alight as torch
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     torch.nn.init.{older}(torch.zeros({shape}){more}).shape
    torch.Size([{shape}])
    """


def _older(function: Any, shape: str = "3, 3", more: str = "") -> Any:
    """The older name without an underscore, which warns; `shape` and `more` are its example's."""
    name = function.__name__

    @functools.wraps(function)
    def older(*args: Any, **kwargs: Any) -> Any:
        warnings.warn(
            f"`nn.init.{name[:-1]}` is now deprecated in favor of `nn.init.{name}`.",
            FutureWarning,
            stacklevel=2,
        )
        return function(*args, **kwargs)

    older.__name__ = older.__qualname__ = name[:-1]
    older.__doc__ = _OLDER.format(name=name, older=name[:-1], shape=shape, more=more)
    return older


uniform, normal, eye = _older(uniform_), _older(normal_), _older(eye_)
constant, dirac = _older(constant_, more=", 1.0"), _older(dirac_, "2, 2, 3")
xavier_uniform, xavier_normal = _older(xavier_uniform_), _older(xavier_normal_)
kaiming_uniform, kaiming_normal = _older(kaiming_uniform_), _older(kaiming_normal_)
orthogonal, sparse = _older(orthogonal_), _older(sparse_, more=", 0.5")


def __dir__() -> list[str]:
    return list(__all__)


__all__ = [
    "calculate_gain",
    "constant",
    "constant_",
    "dirac",
    "dirac_",
    "eye",
    "eye_",
    "kaiming_normal",
    "kaiming_normal_",
    "kaiming_uniform",
    "kaiming_uniform_",
    "normal",
    "normal_",
    "ones_",
    "orthogonal",
    "orthogonal_",
    "sparse",
    "sparse_",
    "trunc_normal_",
    "uniform",
    "uniform_",
    "xavier_normal",
    "xavier_normal_",
    "xavier_uniform",
    "xavier_uniform_",
    "zeros_",
]
