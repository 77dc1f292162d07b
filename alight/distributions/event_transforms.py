"""Changes of variables that take several numbers together: simplices, factors of matrices, parts along a dimension."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import alight as torch
from alight.distributions import constraints
from alight.distributions.distribution import sum_rightmost
from alight.distributions.transform import Transform

Tensor = torch.Tensor
F = torch.nn.functional


class SoftmaxTransform(Transform):
    """exp(x), divided by its sum along the last dimension: not invertible, log(y) is given.

    >>> import alight as torch
    >>> torch.distributions.SoftmaxTransform()(torch.zeros(2))
    tensor([0.5000, 0.5000])
    """

    domain, codomain = constraints.real_vector, constraints.simplex
    bijective = False

    def _call(self, x: Tensor) -> Tensor:
        return torch.softmax(x, -1)

    def _inverse(self, y: Tensor) -> Tensor:
        return y.log()


class LowerCholeskyTransform(Transform):
    """A matrix's strict lower part, with exp of its diagonal: (*, k, k) to the same shape.

    >>> import alight as torch
    >>> torch.distributions.LowerCholeskyTransform()(torch.tensor([[0.0, 5.0], [2.0, 0.0]]))
    tensor([[1., 0.],
            [2., 1.]])
    """

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.lower_cholesky

    def _call(self, x: Tensor) -> Tensor:
        return x.tril(-1) + x.diagonal(dim1=-2, dim2=-1).exp().diag_embed()

    def _inverse(self, y: Tensor) -> Tensor:
        return y.tril(-1) + y.diagonal(dim1=-2, dim2=-1).log().diag_embed()


class PositiveDefiniteTransform(Transform):
    """L @ L.mT, where L is what LowerCholeskyTransform makes of a matrix: (*, k, k) to the same shape.

    >>> import alight as torch
    >>> torch.distributions.PositiveDefiniteTransform()(torch.tensor([[0.0, 5.0], [2.0, 0.0]]))
    tensor([[1., 2.],
            [2., 5.]])
    """

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.positive_definite
    bijective = False

    def _call(self, x: Tensor) -> Tensor:
        factor = LowerCholeskyTransform()(x)
        return factor @ factor.mT

    def _inverse(self, y: Tensor) -> Tensor:
        return LowerCholeskyTransform().inverse(torch.linalg.cholesky(y))


class StickBreakingTransform(Transform):
    """Real vectors (*, k) to parts (*, k + 1) that sum to one: each number breaks a share off what is left.

    >>> import alight as torch
    >>> torch.distributions.StickBreakingTransform()(torch.zeros(2))
    tensor([0.3333, 0.3333, 0.3333])
    """

    domain, codomain = constraints.real_vector, constraints.simplex

    def _call(self, x: Tensor) -> Tensor:
        info = torch.finfo(x.dtype)
        share = torch.sigmoid(x - self._left(x).log()).clamp(min=info.tiny, max=1.0 - info.eps)
        rest = F.pad((1 - share).cumprod(-1), [1, 0], value=1.0)
        return F.pad(share, [0, 1], value=1.0) * rest

    @staticmethod
    def _left(x: Tensor) -> Tensor:
        """How many parts are to come after each one."""
        return x.shape[-1] + 1 - torch.ones_like(x).cumsum(-1)

    def _inverse(self, y: Tensor) -> Tensor:
        parts = y[..., :-1]
        rest = (1 - parts.cumsum(-1)).clamp(min=torch.finfo(y.dtype).tiny)
        return parts.log() - rest.log() + self._left(parts).log()

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Sum of log share, log (1 - share) and log of what was left."""
        score = x - self._left(x).log()
        return (-score + F.logsigmoid(score) + y[..., :-1].log()).sum(-1)

    def forward_shape(self, shape: Sequence[int]) -> Any:
        """One more in the last dimension."""
        if len(shape) < 1:
            raise ValueError("Too few dimensions on input")
        return torch.Size((*shape[:-1], shape[-1] + 1))

    def inverse_shape(self, shape: Sequence[int]) -> Any:
        """One less in the last dimension."""
        if len(shape) < 1:
            raise ValueError("Too few dimensions on input")
        return torch.Size((*shape[:-1], shape[-1] - 1))


class CorrCholeskyTransform(Transform):
    """Real vectors (*, k (k - 1) / 2) to Cholesky factors (*, k, k) of correlation matrices.

    The numbers fill the strict lower part, row by row; the rows become vectors of length one whose
    last entry is positive.

    >>> import alight as torch
    >>> torch.distributions.CorrCholeskyTransform()(torch.zeros(1))
    tensor([[1., 0.],
            [0., 1.]])
    """

    domain, codomain = constraints.real_vector, constraints.corr_cholesky

    def _call(self, x: Tensor) -> Tensor:
        eps = torch.finfo(x.dtype).eps
        share = _matrix_of(torch.tanh(x).clamp(min=-1 + eps, max=1 - eps))
        rest = (1 - share**2).sqrt().cumprod(-1)  # length that is left of each row
        share = share + torch.eye(share.shape[-1], dtype=share.dtype)
        return share * F.pad(rest[..., :-1], [1, 0], value=1.0)

    def _inverse(self, y: Tensor) -> Tensor:
        rest = 1 - torch.cumsum(y * y, dim=-1)
        rest = F.pad(rest[..., :-1], [1, 0], value=1.0)
        share = _vector_of(y) / _vector_of(rest).sqrt()
        return (share.log1p() - share.neg().log1p()) / 2

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Half the logarithms of the squared lengths left, and those of the slopes of tanh."""
        rest = _vector_of(1 - (y * y).cumsum(dim=-1), -2)
        slopes = -2 * (x + F.softplus(-2 * x) - math.log(2.0)).sum(dim=-1)
        return 0.5 * rest.log().sum(-1) + slopes

    def forward_shape(self, shape: Sequence[int]) -> Any:
        """(*, k (k - 1) / 2) to (*, k, k)."""
        if len(shape) < 1:
            raise ValueError("Too few dimensions on input")
        k = round((0.25 + 2 * shape[-1]) ** 0.5 + 0.5)
        if k * (k - 1) // 2 != shape[-1]:
            raise ValueError("Input is not a flattened lower-diagonal number")
        return torch.Size((*shape[:-1], k, k))

    def inverse_shape(self, shape: Sequence[int]) -> Any:
        """(*, k, k) to (*, k (k - 1) / 2)."""
        if len(shape) < 2:
            raise ValueError("Too few dimensions on input")
        if shape[-2] != shape[-1]:
            raise ValueError("Input is not square")
        return torch.Size((*shape[:-2], shape[-1] * (shape[-1] - 1) // 2))


def _matrix_of(x: Tensor) -> Tensor:
    """The strict lower triangle that a vector fills row by row."""
    k = round((0.25 + 2 * x.shape[-1]) ** 0.5 + 0.5)
    below = torch.ones(k, k, dtype=torch.bool).tril(-1)
    return torch.zeros((*x.shape[:-1], k, k), dtype=x.dtype).masked_scatter(below, x)


def _vector_of(matrix: Tensor, diagonal: int = -1) -> Tensor:
    """The lower triangle of a matrix up to a diagonal, row by row."""
    rows, columns = torch.tril_indices(matrix.shape[-1], matrix.shape[-1], diagonal)
    return matrix[..., rows, columns]


class ReshapeTransform(Transform):
    """Events of shape in_shape to events of shape out_shape, with the same elements.

    ValueError where the numbers of elements differ.

    >>> import alight as torch
    >>> torch.distributions.ReshapeTransform((4,), (2, 2))(torch.arange(4.0))
    tensor([[0., 1.],
            [2., 3.]])
    """

    def __init__(
        self, in_shape: Sequence[int], out_shape: Sequence[int], cache_size: int = 0
    ) -> None:
        super().__init__(cache_size)
        self.in_shape, self.out_shape = torch.Size(in_shape), torch.Size(out_shape)
        if self.in_shape.numel() != self.out_shape.numel():
            raise ValueError("in_shape, out_shape have different numbers of elements")

    @property
    def domain(self) -> Any:  # type: ignore[override]
        """Tensors with in_shape's dimensions."""
        return constraints.independent(constraints.real, len(self.in_shape))

    @property
    def codomain(self) -> Any:  # type: ignore[override]
        """Tensors with out_shape's dimensions."""
        return constraints.independent(constraints.real, len(self.out_shape))

    def _call(self, x: Tensor) -> Tensor:
        return x.reshape((*x.shape[: x.dim() - len(self.in_shape)], *self.out_shape))

    def _inverse(self, y: Tensor) -> Tensor:
        return y.reshape((*y.shape[: y.dim() - len(self.out_shape)], *self.in_shape))

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Zeros."""
        return x.new_zeros(x.shape[: x.dim() - len(self.in_shape)])

    def forward_shape(self, shape: Sequence[int]) -> Any:
        """in_shape at the end becomes out_shape."""
        return _replaced(shape, self.in_shape, self.out_shape)

    def inverse_shape(self, shape: Sequence[int]) -> Any:
        """out_shape at the end becomes in_shape."""
        return _replaced(shape, self.out_shape, self.in_shape)


def _replaced(shape: Sequence[int], old: torch.Size, new: torch.Size) -> torch.Size:
    if len(shape) < len(old):
        raise ValueError("Too few dimensions on input")
    cut = len(shape) - len(old)
    if tuple(shape[cut:]) != tuple(old):
        raise ValueError(f"Shape mismatch: expected {torch.Size(shape[cut:])} but got {old}")
    return torch.Size((*shape[:cut], *new))


class CatTransform(Transform):
    """A transform for each stretch along a dimension, of the sizes `lengths`: as torch.cat joins them.

    AssertionError where there are not as many lengths as transforms, or a tensor has another size.

    >>> import alight as torch
    >>> d = torch.distributions
    >>> d.CatTransform([d.ExpTransform(), d.identity_transform], lengths=[1, 2])(torch.zeros(3))
    tensor([1., 0., 0.])
    """

    def __init__(
        self,
        tseq: Sequence[Transform],
        dim: int = 0,
        lengths: Sequence[int] | None = None,
        cache_size: int = 0,
    ) -> None:
        super().__init__(cache_size)
        assert all(isinstance(t, Transform) for t in tseq), (
            "All elements of tseq must be Transform instances"
        )
        self.transforms, self.dim = list(tseq), dim
        self.lengths = [1] * len(self.transforms) if lengths is None else list(lengths)
        assert len(self.lengths) == len(self.transforms), (
            f"lengths ({len(self.lengths)}) must match transforms ({len(self.transforms)})"
        )

    @property
    def event_dim(self) -> int:
        """The largest of the parts'."""
        return max(t.domain.event_dim for t in self.transforms)

    @property
    def length(self) -> int:
        """Sum of the lengths."""
        return sum(self.lengths)

    @property
    def bijective(self) -> bool:  # type: ignore[override]
        """Whether all parts are."""
        return all(t.bijective for t in self.transforms)

    @property
    def domain(self) -> Any:  # type: ignore[override]
        """The parts', stretch by stretch."""
        return constraints.cat([t.domain for t in self.transforms], self.dim, self.lengths)

    @property
    def codomain(self) -> Any:  # type: ignore[override]
        """The parts', stretch by stretch."""
        return constraints.cat([t.codomain for t in self.transforms], self.dim, self.lengths)

    def _parts(self, x: Tensor, name: str = "x") -> Sequence[Tensor]:
        assert -x.dim() <= self.dim < x.dim(), (
            f"dim {self.dim} out of range for tensor with {x.dim()} dimensions"
        )
        assert x.size(self.dim) == self.length, (
            f"{name}.size({self.dim}) = {x.size(self.dim)} must equal length {self.length}"
        )
        return x.split(self.lengths, self.dim)

    def _call(self, x: Tensor) -> Tensor:
        pairs = zip(self.transforms, self._parts(x), strict=True)
        return torch.cat([t(part) for t, part in pairs], dim=self.dim)

    def _inverse(self, y: Tensor) -> Tensor:
        pairs = zip(self.transforms, self._parts(y, "y"), strict=True)
        return torch.cat([t.inverse(part) for t, part in pairs], dim=self.dim)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """The parts', joined, or summed where the dimension belongs to an event."""
        found = []
        for t, one, other in zip(self.transforms, self._parts(x), self._parts(y, "y"), strict=True):
            term = t.log_abs_det_jacobian(one, other)
            found.append(sum_rightmost(term, self.event_dim - t.domain.event_dim))
        dim = self.dim - x.dim() if self.dim >= 0 else self.dim
        dim += self.event_dim
        return torch.cat(found, dim=dim) if dim < 0 else sum(found[1:], found[0])


class StackTransform(Transform):
    """A transform for each place along a dimension: as torch.stack joins them.

    AssertionError where there are not as many places as transforms.

    >>> import alight as torch
    >>> d = torch.distributions
    >>> d.StackTransform([d.ExpTransform(), d.identity_transform])(torch.zeros(2, 2))
    tensor([[1., 1.],
            [0., 0.]])
    """

    def __init__(self, tseq: Sequence[Transform], dim: int = 0, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        assert all(isinstance(t, Transform) for t in tseq), (
            "All elements of tseq must be Transform instances"
        )
        self.transforms, self.dim = list(tseq), dim

    @property
    def bijective(self) -> bool:  # type: ignore[override]
        """Whether all parts are."""
        return all(t.bijective for t in self.transforms)

    @property
    def domain(self) -> Any:  # type: ignore[override]
        """The parts', place by place."""
        return constraints.stack([t.domain for t in self.transforms], self.dim)

    @property
    def codomain(self) -> Any:  # type: ignore[override]
        """The parts', place by place."""
        return constraints.stack([t.codomain for t in self.transforms], self.dim)

    def _parts(self, x: Tensor) -> Sequence[Tensor]:
        assert -x.dim() <= self.dim < x.dim(), (
            f"dim {self.dim} out of range for tensor with {x.dim()} dimensions"
        )
        count = len(self.transforms)
        assert x.size(self.dim) == count, (
            f"x.size({self.dim}) = {x.size(self.dim)} must equal len(transforms) = {count}"
        )
        return [x.select(self.dim, i) for i in range(count)]

    def _call(self, x: Tensor) -> Tensor:
        pairs = zip(self.transforms, self._parts(x), strict=True)
        return torch.stack([t(part) for t, part in pairs], dim=self.dim)

    def _inverse(self, y: Tensor) -> Tensor:
        pairs = zip(self.transforms, self._parts(y), strict=True)
        return torch.stack([t.inverse(part) for t, part in pairs], dim=self.dim)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """The parts', stacked."""
        triples = zip(self.transforms, self._parts(x), self._parts(y), strict=True)
        found = [t.log_abs_det_jacobian(one, other) for t, one, other in triples]
        return torch.stack(found, dim=self.dim)
