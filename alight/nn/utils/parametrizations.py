"""torch.nn.utils.parametrizations: weights that are orthogonal, of norm given apart, or of largest singular value 1."""

from __future__ import annotations

from typing import Any

from alight.autograd.modes import no_grad
from alight.errors import fail
from alight.nn import functional as F
from alight.nn.module import Module
from alight.nn.utils.norms import (
    as_matrix,
    default_dim,
    norm_except_dim,
    scaled_direction,
)
from alight.nn.utils.parametrize import register_parametrization
from alight.ops.operation import LINALG, TORCH
from alight.tensor import Tensor


class _WeightNorm(Module):
    """Length times direction."""

    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        """The weight from lengths and direction."""
        return scaled_direction(weight_v, weight_g, self.dim)

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Lengths and direction of a weight."""
        return norm_except_dim(weight, self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Keep a parameter as its lengths along `dim` and its direction (Salimans and Kingma 2016).

    They are module.parametrizations.weight.original0 and original1; the module itself is given
    back.

    >>> import alight as torch
    >>> layer = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(2, 3))
    >>> [(name, one.shape) for name, one in layer.parametrizations.weight.named_parameters()]
    [('original0', torch.Size([3, 1])), ('original1', torch.Size([3, 2]))]
    """
    return register_parametrization(module, name, _WeightNorm(dim), unsafe=True)


# -- spectral norm --------------------------------------------------------------------------------------------------------


class _SpectralNorm(Module):
    """Division by the largest singular value, which power iteration finds while training goes on."""

    _u: Any
    _v: Any

    def __init__(
        self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12
    ) -> None:
        super().__init__()
        rank = weight.dim()
        if dim >= rank or dim < -rank:
            fail(
                IndexError,
                f"Dimension out of range (expected to be in range of [-{rank}, {rank - 1}] but got {dim})",
            )
        if n_power_iterations <= 0:
            fail(
                ValueError,
                f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}",
            )
        self.dim, self.eps, self.n_power_iterations = dim % rank, eps, n_power_iterations
        if rank > 1:
            with no_grad():
                matrix = as_matrix(weight, self.dim)
                rows, columns = matrix.shape
                u, v = (matrix.new_empty(size).normal_(0, 1) for size in (rows, columns))
                self.register_buffer("_u", F.normalize(u, dim=0, eps=eps))
                self.register_buffer("_v", F.normalize(v, dim=0, eps=eps))
                self._iterate(matrix, 15)

    def _iterate(self, matrix: Tensor, count: int) -> None:
        with no_grad():
            for _ in range(count):
                self._u.copy_(F.normalize(TORCH["mv"](matrix, self._v), dim=0, eps=self.eps))
                self._v.copy_(F.normalize(TORCH["mv"](matrix.t(), self._u), dim=0, eps=self.eps))

    def forward(self, weight: Tensor) -> Tensor:
        """The weight over its largest singular value."""
        if weight.dim() == 1:
            normal: Tensor = F.normalize(weight, dim=0, eps=self.eps)
            return normal
        matrix = as_matrix(weight, self.dim)
        if self.training:
            self._iterate(matrix, self.n_power_iterations)
        u, v = self._u.clone(), self._v.clone()
        return weight / TORCH["dot"](u, TORCH["mv"](matrix, v))

    def right_inverse(self, value: Tensor) -> Tensor:
        """The value itself."""
        return value


def _tensor_of(module: Any, name: str) -> Tensor:
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        fail(
            ValueError,
            f"Module '{module}' has no parameter or buffer with name '{name}'",
        )
    return weight


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Module:
    """Divide a parameter by its largest singular value (Miyato et al. 2018), found by power
    iteration.

    A step of it runs at every use while training; the module itself is given back. ValueError
    where there is no such parameter.

    >>> import alight as torch
    >>> layer = torch.nn.utils.parametrizations.spectral_norm(torch.nn.Linear(2, 3))
    >>> [name for name, _ in layer.named_parameters()]
    ['bias', 'parametrizations.weight.original']
    """
    weight = _tensor_of(module, name)
    axis = default_dim(module) if dim is None else dim
    return register_parametrization(
        module, name, _SpectralNorm(weight, n_power_iterations, axis, eps)
    )


# -- orthogonal -----------------------------------------------------------------------------------------------------------

_MAPS = ("matrix_exp", "cayley", "householder")


def _householder(a: Tensor) -> Tensor:
    """The first columns of the product of the reflections I - tau v v^T, with the columns of unit lower a as v."""
    rows, columns = a.shape[-2:]
    below = a.tril(-1)
    tau = 2.0 / (1.0 + (below * below).sum(-2))
    identity = TORCH["eye"](rows, columns, dtype=a.dtype, device=a.device)
    vectors, q = below + identity, identity.expand(*a.shape)
    for i in reversed(range(columns)):
        v = vectors[..., :, i : i + 1]
        q = q - tau[..., i, None, None] * v @ (v.transpose(-2, -1) @ q)
    return q * a.diagonal(dim1=-2, dim2=-1).int().unsqueeze(-2)


def _orthogonalized(a: Tensor) -> Tensor:
    """The orthogonal factor of a, with the signs that make the other factor's diagonal positive."""
    q, r = LINALG["qr"](a)
    signs: Tensor = r.diagonal(dim1=-2, dim2=-1).sign()
    turned: Tensor = q * signs.unsqueeze(-2)
    return turned


def _is_orthogonal(q: Tensor) -> bool:
    from alight.dtypes import finfo

    n, k = q.size(-2), q.size(-1)
    eye = TORCH["eye"](k, dtype=q.dtype, device=q.device)
    room = 10.0 * n * finfo(q.dtype).eps
    return bool(
        TORCH["allclose"](q.transpose(-2, -1) @ q, eye.expand(*q.shape[:-2], k, k), atol=room)
    )


class _Orthogonal(Module):
    """An orthogonal matrix from a free one, relative to a base matrix."""

    base: Any

    def __init__(self, weight: Tensor, orthogonal_map: str, use_trivialization: bool) -> None:
        super().__init__()
        if weight.is_complex() and orthogonal_map == "householder":
            raise ValueError("The householder parametrization does not support complex tensors.")
        self.shape, self.orthogonal_map = weight.shape, orthogonal_map
        self.trivialized = use_trivialization
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, x: Tensor) -> Tensor:
        """The orthogonal matrix that belongs to x."""
        wide = x.size(-2) < x.size(-1)
        if wide:
            x = x.transpose(-2, -1)
        q = self._mapped(x)
        if self.trivialized:
            q = self.base @ q
        return q.transpose(-2, -1) if wide else q

    def _mapped(self, x: Tensor) -> Tensor:
        if self.orthogonal_map == "householder":
            return _householder(x)
        n, k = x.size(-2), x.size(-1)
        x = x.tril()
        if n != k:
            x = TORCH["cat"]([x, x.new_zeros(*x.shape[:-2], n, n - k)], -1)
        a = x - x.transpose(-2, -1).conj()
        if self.orthogonal_map == "matrix_exp":
            q = TORCH["matrix_exp"](a)
        else:
            eye = TORCH["eye"](n, dtype=a.dtype, device=a.device)
            q = LINALG["solve"](eye + a * -0.5, eye + a * 0.5)
        return q[..., :k] if n != k else q

    def right_inverse(self, q: Tensor) -> Tensor:
        """The free matrix for an orthogonal one, which becomes the base."""
        if q.shape != self.shape:
            raise ValueError(
                f"Expected a matrix or batch of matrices of shape {self.shape}. Got a tensor of shape {q.shape}."
            )
        given = q
        n, k = q.size(-2), q.size(-1)
        wide = n < k
        if wide:
            q, n, k = q.transpose(-2, -1), k, n
        if not self.trivialized:
            return self._without_base(q, wide)
        if n == k:
            q = q.clone() if _is_orthogonal(q) else _orthogonalized(q)
        else:
            more = TORCH["randn"](*q.shape[:-2], n, n - k, dtype=q.dtype, device=q.device)
            q = _orthogonalized(TORCH["cat"]([q, more], -1))
        self.base = q
        free = TORCH["zeros_like"](given)
        free.diagonal(dim1=-2, dim2=-1).fill_(-1.0)
        return free

    def _without_base(self, q: Tensor, wide: bool) -> Tensor:
        if self.orthogonal_map != "householder":
            raise NotImplementedError(
                "It is not possible to assign to the matrix exponential or the Cayley parametrizations when "
                "use_trivialization=False."
            )
        a = _reflections(q)
        return a.transpose(-2, -1) if wide else a


def _reflections(q: Tensor) -> Tensor:
    """Unit lower vectors below a diagonal of signs whose reflections give an orthogonal q (n, k)."""
    if q.dim() != 2:
        from alight.errors import not_implemented

        not_implemented(
            "orthogonal maps without trivialization for batches", "use_trivialization=True"
        )
    n, k = q.shape
    rest, columns, signs = q.clone(), [], []
    for i in range(k):
        x = rest[i:, i]
        sign = -1.0 if x[0].item() >= 0 else 1.0
        head = x[0] - sign * x.norm()
        degenerate = abs(head.item()) < 1e-30
        v = TORCH["cat"]([x.new_ones(1), x[1:] / (1.0 if degenerate else head)])
        tau = 0.0 if degenerate else 2.0 / (v @ v).item()
        full = TORCH["cat"]([x.new_zeros(i), v])
        rest = rest - tau * full[:, None] * (full @ rest)[None, :]
        columns.append(full)
        signs.append(sign)
    below = TORCH["stack"](columns, 1).tril(-1)
    diagonal = TORCH["tensor"](signs, dtype=q.dtype)
    made: Tensor = below + TORCH["eye"](n, k, dtype=q.dtype) * diagonal
    return made


def orthogonal(
    module: Module,
    name: str = "weight",
    orthogonal_map: str | None = None,
    *,
    use_trivialization: bool = True,
) -> Module:
    """Keep the columns (or rows, where there are fewer) of a matrix orthonormal.

    orthogonal_map: "matrix_exp", "cayley" or "householder", how it is made from a free matrix;
    ValueError for another, or less than 2 dimensions. The module itself is given back.

    >>> import alight as torch
    >>> layer = torch.nn.utils.parametrizations.orthogonal(torch.nn.Linear(2, 3))
    >>> torch.allclose(layer.weight.T @ layer.weight, torch.eye(2), atol=1e-5)
    True
    """
    weight = _tensor_of(module, name)
    if weight.dim() < 2:
        raise ValueError(
            f"Expected a matrix or batch of matrices. Got a tensor of {weight.dim()} dimensions."
        )
    if orthogonal_map is None:
        square = weight.size(-2) == weight.size(-1)
        orthogonal_map = "matrix_exp" if square or weight.is_complex() else "householder"
    if orthogonal_map not in _MAPS:
        raise ValueError(
            'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". '
            f"Got: {orthogonal_map}"
        )
    made = _Orthogonal(weight, orthogonal_map, use_trivialization)
    return register_parametrization(module, name, made, unsafe=True)


def __dir__() -> list[str]:
    return list(__all__)


__all__ = ["orthogonal", "spectral_norm", "weight_norm"]
