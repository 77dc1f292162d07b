"""The multivariate normal distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import alight as torch
from alight.distributions import constraints
from alight.distributions.distribution import Distribution

Tensor = torch.Tensor


class MultivariateNormal(Distribution):
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
        # the factor of an inverse: factorise the flipped precision, flip back, invert
        flipped = torch.linalg.cholesky(torch.flip(matrix, (-2, -1)))
        inverse_factor = torch.flip(flipped, (-2, -1)).mT
        identity = torch.eye(matrix.shape[-1], dtype=matrix.dtype)
        return torch.linalg.solve_triangular(inverse_factor, identity, upper=False)

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
    def mean(self) -> Tensor:
        """loc."""
        return self.loc

    @property
    def mode(self) -> Tensor:
        """loc."""
        return self.loc

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
