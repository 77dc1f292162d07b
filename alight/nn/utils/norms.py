"""Weights as length times direction, and weights with a limited largest singular value, by hooks before forward.

These are PyTorch's older forms; `parametrizations` has the newer ones.
"""

from __future__ import annotations

from typing import Any

from alight.autograd.modes import no_grad
from alight.errors import fail
from alight.nn import functional as F
from alight.nn.module import Module
from alight.nn.parameter import Parameter, is_lazy
from alight.ops.operation import TORCH
from alight.tensor import Tensor


def norm_except_dim(v: Tensor, dim: int) -> Tensor:
    """The 2-norms of the parts of v along one dimension, which stays; of all of v for -1."""
    if dim == -1:
        return v.norm()
    return v.norm(2, [i for i in range(v.dim()) if i != dim % v.dim()], keepdim=True)


def scaled_direction(v: Tensor, g: Tensor, dim: int) -> Tensor:
    """v with the norms g along a dimension."""
    return v * (g / norm_except_dim(v, dim))


class _Hook:
    """A weight that is computed anew before each forward, and how to take it away again."""

    name: str

    def compute(self, module: Any) -> Tensor:
        """The weight from what the module keeps for it."""
        raise NotImplementedError

    def __call__(self, module: Any, inputs: Any) -> None:
        setattr(module, self.name, self.compute(module))


def _refuse_two(module: Module, kind: type, name: str, what: str) -> None:
    for hook in module._forward_pre_hooks.values():
        if isinstance(hook, kind) and hook.name == name:  # type: ignore[attr-defined]
            fail(RuntimeError, f"Cannot register two {what} hooks on the same parameter {name}")


def _taken(module: Module, kind: type, name: str, what: str) -> Any:
    """The hook for a parameter, taken off the module."""
    for id, hook in module._forward_pre_hooks.items():
        if isinstance(hook, kind) and hook.name == name:  # type: ignore[attr-defined]
            del module._forward_pre_hooks[id]
            return hook
    fail(ValueError, f"{what} of '{name}' not found in {module}")


class WeightNorm(_Hook):
    """The hook of weight_norm."""

    def __init__(self, name: str, dim: int | None) -> None:
        self.name, self.dim = name, -1 if dim is None else dim

    def compute(self, module: Any) -> Tensor:
        """Direction v with length g."""
        v, g = getattr(module, self.name + "_v"), getattr(module, self.name + "_g")
        return scaled_direction(v, g, self.dim)


def weight_norm(module: Any, name: str = "weight", dim: int | None = 0) -> Any:
    """Replace a parameter by its length `name_g` and its direction `name_v`; warns.

    (Salimans and Kingma 2016.) Lengths are along `dim`, or of the whole with None. The newer
    form is torch.nn.utils.parametrizations.weight_norm.

    >>> import warnings
    >>> import alight as torch
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     layer = torch.nn.utils.weight_norm(torch.nn.Linear(2, 3))
    >>> [(name, one.shape) for name, one in layer.named_parameters()]
    [('bias', torch.Size([3])), ('weight_g', torch.Size([3, 1])), ('weight_v', torch.Size([3, 2]))]
    """
    _refuse_two(module, WeightNorm, name, "weight_norm")
    hook = WeightNorm(name, dim)
    weight = getattr(module, name)
    if is_lazy(weight):
        fail(
            ValueError,
            "The module passed to `WeightNorm` can't have uninitialized parameters. Make sure to run the dummy forward "
            "before applying weight normalization",
        )
    delattr(module, name)
    module.register_parameter(name + "_g", Parameter(norm_except_dim(weight, hook.dim).data))
    module.register_parameter(name + "_v", Parameter(weight.data))
    setattr(module, name, hook.compute(module))
    module.register_forward_pre_hook(hook)
    return module


def remove_weight_norm(module: Any, name: str = "weight") -> Any:
    """Undo weight_norm: the weight is a parameter again. ValueError where there is nothing to
    undo.

    >>> import warnings
    >>> import alight as torch
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     layer = torch.nn.utils.weight_norm(torch.nn.Linear(2, 3))
    >>> [name for name, _ in torch.nn.utils.remove_weight_norm(layer).named_parameters()]
    ['bias', 'weight']
    """
    hook = _taken(module, WeightNorm, name, "weight_norm")
    weight = hook.compute(module)
    for part in (name, name + "_g", name + "_v"):
        delattr(module, part)
    setattr(module, name, Parameter(weight.data))
    return module


# -- spectral norm --------------------------------------------------------------------------------------------------------


def as_matrix(weight: Tensor, dim: int) -> Tensor:
    """The weight with `dim` first and the rest in one dimension."""
    if dim != 0:
        weight = weight.permute(dim, *[i for i in range(weight.dim()) if i != dim])
    return weight.reshape(weight.size(0), -1)


class SpectralNorm(_Hook):
    """The hook of spectral_norm: a step of power iteration before each forward in training."""

    def __init__(self, name: str, n_power_iterations: int, dim: int, eps: float) -> None:
        if n_power_iterations <= 0:
            fail(
                ValueError,
                f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}",
            )
        self.name, self.dim, self.eps = name, dim, eps
        self.n_power_iterations = n_power_iterations

    def compute(self, module: Any, iterate: bool | None = None) -> Tensor:
        """The weight over its largest singular value."""
        weight = getattr(module, self.name + "_orig")
        u, v = getattr(module, self.name + "_u"), getattr(module, self.name + "_v")
        matrix = as_matrix(weight, self.dim)
        if module.training if iterate is None else iterate:
            with no_grad():
                for _ in range(self.n_power_iterations):
                    v.copy_(F.normalize(TORCH["mv"](matrix.t(), u), dim=0, eps=self.eps))
                    u.copy_(F.normalize(TORCH["mv"](matrix, v), dim=0, eps=self.eps))
            u, v = u.clone(), v.clone()
        sigma = TORCH["dot"](u, TORCH["mv"](matrix, v))
        return weight / sigma


def default_dim(module: Any) -> int:
    """1 for the transposed convolutions, whose outputs are there, else 0."""
    from alight.nn import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d

    return int(isinstance(module, (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)))


def spectral_norm(
    module: Any,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Any:
    """Divide a parameter by its largest singular value, found by power iteration (Miyato et al.
    2018).

    A step of it runs before every forward while training. `dim` is where the outputs are: 0,
    and 1 for transposed convolutions. ValueError where n_power_iterations is not positive.

    >>> import alight as torch
    >>> layer = torch.nn.utils.spectral_norm(torch.nn.Linear(2, 3))
    >>> [name for name, _ in layer.named_parameters()]
    ['bias', 'weight_orig']
    """
    _refuse_two(module, SpectralNorm, name, "spectral_norm")
    hook = SpectralNorm(name, n_power_iterations, default_dim(module) if dim is None else dim, eps)
    weight = module._parameters[name]
    if weight is None:
        fail(ValueError, f"`SpectralNorm` cannot be applied as parameter `{name}` is None")
    if is_lazy(weight):
        fail(
            ValueError,
            "The module passed to `SpectralNorm` can't have uninitialized parameters. Make sure to run the dummy forward "
            "before applying spectral normalization",
        )
    with no_grad():
        rows, columns = as_matrix(weight, hook.dim).shape
        u = F.normalize(weight.new_empty(rows).normal_(0, 1), dim=0, eps=eps)
        v = F.normalize(weight.new_empty(columns).normal_(0, 1), dim=0, eps=eps)
    delattr(module, name)
    module.register_parameter(name + "_orig", weight)
    setattr(module, name, weight.data)
    module.register_buffer(name + "_u", u)
    module.register_buffer(name + "_v", v)
    module.register_forward_pre_hook(hook)
    return module


def remove_spectral_norm(module: Any, name: str = "weight") -> Any:
    """Undo spectral_norm: the divided weight is a parameter again.

    ValueError where there is nothing to undo.

    >>> import alight as torch
    >>> layer = torch.nn.utils.spectral_norm(torch.nn.Linear(2, 3))
    >>> [name for name, _ in torch.nn.utils.remove_spectral_norm(layer).named_parameters()]
    ['bias', 'weight']
    """
    hook = _taken(module, SpectralNorm, name, "spectral_norm")
    with no_grad():
        weight = hook.compute(module, iterate=False)
    for part in (name, name + "_u", name + "_v", name + "_orig"):
        delattr(module, part)
    module.register_parameter(name, Parameter(weight.detach()))
    return module


__all__ = ["remove_spectral_norm", "remove_weight_norm", "spectral_norm", "weight_norm"]
