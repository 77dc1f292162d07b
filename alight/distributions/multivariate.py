"""Normal distributions of vectors: MultivariateNormal, LowRankMultivariateNormal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import alight as torch
from alight.distributions import constraints
from alight.distributions.distribution import Centred, Distribution

Tensor = torch.Tensor


def factor_of_inverse(matrix: Tensor) -> Tensor:
    """The lower Cholesky factor of a matrix's inverse: factorise it flipped, flip back, invert."""
    flipped = torch.linalg.cholesky(torch.flip(matrix, (-2, -1)))
    inverse_factor = torch.flip(flipped, (-2, -1)).mT
    identity = torch.eye(matrix.shape[-1], dtype=matrix.dtype)
    return torch.linalg.solve_triangular(inverse_factor, identity, upper=False)


class MultivariateNormal(Centred):
    """Vectors of mean `loc` and of one of: covariance matrix, its inverse, its lower Cholesky
    factor.

    loc (*, k) and a matrix (*, k, k), to draws (*, k). ValueError where not exactly one of the
    three is given.

    >>> import alight as torch
    >>> normal = torch.distributions.MultivariateNormal(torch.zeros(2), torch.eye(2))
    >>> normal.log_prob(torch.zeros(2))
    tensor(-1.8379)
    """

    arg_constraints: ClassVar[Any] = {
        "loc": constraints.real_vector,
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self,
        loc: Tensor,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        given: dict[str, Any] = {
            "covariance_matrix": covariance_matrix,
            "precision_matrix": precision_matrix,
            "scale_tril": scale_tril,
        }
        given = {name: value for name, value in given.items() if value is not None}
        if len(given) != 1:
            raise ValueError(
                "Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified."
            )
        ((name, matrix),) = given.items()
        if matrix.dim() < 2:
            raise ValueError(
                f"{name} must be at least two-dimensional, with optional leading batch dimensions"
            )
        batch = torch.broadcast_shapes(matrix.shape[:-2], loc.shape[:-1])
        self.__dict__[name] = matrix.expand((*batch, *matrix.shape[-2:]))
        self.loc = loc.expand((*batch, loc.shape[-1]))
        super().__init__(batch, self.loc.shape[-1:], validate_args=validate_args)
        self._factor = scale_tril if scale_tril is not None else self._cholesky(name, matrix)

    @staticmethod
    def _cholesky(name: str, matrix: Tensor) -> Tensor:
        if name == "covariance_matrix":
            return torch.linalg.cholesky(matrix)
        return factor_of_inverse(matrix)

    def __getattr__(self, name: str) -> Any:
        if name == "scale_tril" and "_factor" in self.__dict__:
            return self._factor.expand((*self._batch_shape, *self._event_shape * 2))
        if name == "covariance_matrix" and "_factor" in self.__dict__:
            return self.scale_tril @ self.scale_tril.mT
        if name == "precision_matrix" and "_factor" in self.__dict__:
            return torch.cholesky_inverse(self.scale_tril)
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Distribution:
        """The same distribution with its parameters expanded to `batch_shape`."""
        event = self._event_shape
        return MultivariateNormal(
            self.loc.expand((*batch_shape, *event)),
            scale_tril=self.scale_tril.expand((*batch_shape, *event, *event)),
            validate_args=False,
        )

    @property
    def variance(self) -> Tensor:
        """Diagonal of the covariance matrix."""
        return self._factor.pow(2).sum(-1).expand((*self._batch_shape, *self._event_shape))

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """loc plus the factor times standard draws."""
        shape = self._extended_shape(sample_shape)
        eps = torch.normal(
            torch.zeros(shape, dtype=self.loc.dtype), torch.ones(shape, dtype=self.loc.dtype)
        )
        return self.loc + torch.matmul(self._factor, eps.unsqueeze(-1)).squeeze(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the density."""
        if self._validate_args:
            self._validate_sample(value)
        away = (value - self.loc).unsqueeze(-1)
        shape = torch.broadcast_shapes(away.shape[:-2], self._factor.shape[:-2])
        factor = self._factor.expand((*shape, *self._factor.shape[-2:]))
        away = away.expand((*shape, *away.shape[-2:]))
        solved = torch.linalg.solve_triangular(factor, away, upper=False)
        distance = solved.squeeze(-1).pow(2).sum(-1)
        n = self._event_shape[0]
        return -0.5 * (n * math.log(2 * math.pi) + distance) - self._half_log_det()

    def _half_log_det(self) -> Tensor:
        return self._factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    def entropy(self) -> Tensor:
        """Expected -log_prob."""
        entropy = 0.5 * self._event_shape[0] * (1.0 + math.log(2 * math.pi)) + self._half_log_det()
        return entropy if not self._batch_shape else entropy.expand(self._batch_shape)


class LowRankMultivariateNormal(Centred):
    """Vectors of covariance cov_factor @ cov_factor.mT + diag(cov_diag), of which only small matrices are factorised.

    loc (*, k), cov_factor (*, k, rank), cov_diag (*, k), to draws (*, k). ValueError where the
    shapes do not fit.

    >>> import alight as torch
    >>> d = torch.distributions.LowRankMultivariateNormal(torch.zeros(2), torch.ones(2, 1), torch.ones(2))
    >>> d.covariance_matrix
    tensor([[2., 1.],
            [1., 2.]])
    """

    arg_constraints: ClassVar[Any] = {
        "loc": constraints.real_vector,
        "cov_factor": constraints.independent(constraints.real, 2),
        "cov_diag": constraints.independent(constraints.positive, 1),
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self, loc: Tensor, cov_factor: Tensor, cov_diag: Tensor, validate_args: bool | None = None
    ) -> None:
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        event = loc.shape[-1:]
        if cov_factor.dim() < 2:
            raise ValueError(
                "cov_factor must be at least two-dimensional, with optional leading batch dimensions"
            )
        if cov_factor.shape[-2:-1] != event:
            raise ValueError(f"cov_factor must be a batch of matrices with shape {event[0]} x m")
        if cov_diag.shape[-1:] != event:
            raise ValueError(f"cov_diag must be a batch of vectors with shape {event}")
        try:
            batch = torch.broadcast_shapes(
                loc.shape[:-1], cov_factor.shape[:-2], cov_diag.shape[:-1]
            )
        except RuntimeError as error:
            raise ValueError(
                f"Incompatible batch shapes: loc {loc.shape}, cov_factor {cov_factor.shape}, cov_diag {cov_diag.shape}"
            ) from error
        self.loc = loc.expand((*batch, *event))
        self.cov_factor = cov_factor.expand((*batch, *cov_factor.shape[-2:]))
        self.cov_diag = cov_diag.expand((*batch, *event))
        self._small_factor, self._small_diag = cov_factor, cov_diag  # as given, not expanded
        scaled = cov_factor.mT / cov_diag.unsqueeze(-2)
        inner = scaled @ cov_factor
        identity = torch.eye(inner.shape[-1], dtype=inner.dtype)
        self._inner_tril = torch.linalg.cholesky(inner + identity)
        super().__init__(batch, event, validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Distribution:
        """The same distribution with its parameters expanded to `batch_shape`."""
        made = LowRankMultivariateNormal(
            self.loc.expand((*batch_shape, *self._event_shape)),
            self._small_factor,
            self._small_diag,
            validate_args=False,
        )
        made._validate_args = self._validate_args
        return made

    def _expanded(self, matrix: Tensor) -> Tensor:
        return matrix.expand((*self._batch_shape, *self._event_shape * 2))

    @property
    def variance(self) -> Tensor:
        """Diagonal of the covariance matrix."""
        found = self._small_factor.pow(2).sum(-1) + self._small_diag
        return found.expand((*self._batch_shape, *self._event_shape))

    @property
    def covariance_matrix(self) -> Tensor:
        """cov_factor @ cov_factor.mT + diag(cov_diag)."""
        product = self._small_factor @ self._small_factor.mT
        return self._expanded(product + torch.diag_embed(self._small_diag))

    @property
    def scale_tril(self) -> Tensor:
        """The lower Cholesky factor of the covariance matrix."""
        root = self._small_diag.sqrt().unsqueeze(-1)
        scaled = self._small_factor / root
        identity = torch.eye(self._event_shape[0], dtype=scaled.dtype)
        return self._expanded(root * torch.linalg.cholesky(scaled @ scaled.mT + identity))

    @property
    def precision_matrix(self) -> Tensor:
        """The inverse of the covariance matrix, by Woodbury's identity."""
        scaled = self._small_factor.mT / self._small_diag.unsqueeze(-2)
        solved = torch.linalg.solve_triangular(self._inner_tril, scaled, upper=False)
        inverse = torch.diag_embed(self._small_diag.reciprocal())
        return self._expanded(inverse - solved.mT @ solved)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """loc plus the factor times standard draws, plus scaled ones."""
        shape = self._extended_shape(sample_shape)
        dtype = self.loc.dtype
        inner = (*shape[:-1], self.cov_factor.shape[-1])
        along, across = (
            torch.normal(torch.zeros(one, dtype=dtype), torch.ones(one, dtype=dtype))
            for one in (inner, shape)
        )
        moved = torch.matmul(self._small_factor, along.unsqueeze(-1)).squeeze(-1)
        return self.loc + moved + self._small_diag.sqrt() * across

    def _half_log_det(self) -> Tensor:
        """By the matrix determinant lemma."""
        inner = self._inner_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        return inner + 0.5 * self._small_diag.log().sum(-1)

    def _distance(self, away: Tensor) -> Tensor:
        """Squared length of a vector (*, k), measured by the inverse covariance.

        >>> import alight as torch
        >>> d = torch.distributions.LowRankMultivariateNormal(torch.zeros(2), torch.zeros(2, 1), torch.ones(2))
        >>> d._distance(torch.tensor([3.0, 4.0]))
        tensor(25.)
        """
        scaled = self._small_factor.mT / self._small_diag.unsqueeze(-2)
        inner = torch.matmul(scaled, away.unsqueeze(-1))
        shape = torch.broadcast_shapes(inner.shape[:-2], self._inner_tril.shape[:-2])
        factor = self._inner_tril.expand((*shape, *self._inner_tril.shape[-2:]))
        inner = inner.expand((*shape, *inner.shape[-2:]))
        solved = torch.linalg.solve_triangular(factor, inner, upper=False).squeeze(-1)
        return (away.pow(2) / self._small_diag).sum(-1) - solved.pow(2).sum(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the density."""
        if self._validate_args:
            self._validate_sample(value)
        n = self._event_shape[0]
        distance = self._distance(value - self.loc)
        return -0.5 * (n * math.log(2 * math.pi) + 2 * self._half_log_det() + distance)

    def entropy(self) -> Tensor:
        """Expected -log_prob."""
        entropy = 0.5 * self._event_shape[0] * (1.0 + math.log(2 * math.pi)) + self._half_log_det()
        return entropy if not self._batch_shape else entropy.expand(self._batch_shape)
