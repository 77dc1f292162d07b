"""Distributions of matrices: Wishart, and LKJCholesky for factors of correlation matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import alight as torch
from alight.distributions import constraints
from alight.distributions.distribution import Distribution, ExponentialFamily, broadcast_all
from alight.distributions.half_line import Beta, Chi2
from alight.distributions.multivariate import factor_of_inverse
from alight.errors import warn

Tensor = torch.Tensor
TRIES = 10  # at drawing again what came out singular


class LKJCholesky(Distribution):
    """Lower Cholesky factors (dim, dim) of correlation matrices with density det ** (concentration - 1).

    With concentration 1 all correlation matrices are equally likely. ValueError for dim below 2.

    >>> import alight as torch
    >>> factor = torch.distributions.LKJCholesky(3, 0.5).sample()
    >>> bool(((factor @ factor.mT).diagonal() - 1).abs().max() < 1e-5)
    True
    """

    arg_constraints: ClassVar[Any] = {"concentration": constraints.positive}
    support = constraints.corr_cholesky

    def __init__(
        self, dim: int, concentration: Any = 1.0, validate_args: bool | None = None
    ) -> None:
        if dim < 2:
            raise ValueError(
                f"Expected dim to be an integer greater than or equal to 2. Found dim={dim}."
            )
        self.dim = dim
        (self.concentration,) = broadcast_all(concentration)
        place = torch.arange(dim - 1, dtype=self.concentration.dtype)
        place = torch.cat([place.new_zeros(1), place])
        rest = (self.concentration + 0.5 * (dim - 2)).unsqueeze(-1) - 0.5 * place
        self._beta = Beta(place + 0.5, rest)
        super().__init__(self.concentration.size(), (dim, dim), validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Distribution:
        """The same distribution with its parameters expanded to `batch_shape`."""
        made = LKJCholesky(self.dim, self.concentration.expand(batch_shape), validate_args=False)
        made._validate_args = self._validate_args
        return made

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Row by row: a Beta variable says how long the part before the diagonal is (Lewandowski et al. 2009)."""
        with torch.no_grad():
            length = self._beta.sample(sample_shape).unsqueeze(-1)
            normal = torch.randn(self._extended_shape(sample_shape), dtype=length.dtype).tril(-1)
            direction = normal / normal.norm(dim=-1, keepdim=True)
            direction[..., 0, :].fill_(0.0)
            rows = torch.sqrt(length) * direction
            rest = 1 - torch.sum(rows**2, dim=-1)
            return rows + rest.clamp(min=torch.finfo(rows.dtype).tiny).sqrt().diag_embed()

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the density of a factor."""
        if self._validate_args:
            self._validate_sample(value)
        diagonal = value.diagonal(dim1=-1, dim2=-2)[..., 1:]
        order = 2 * (self.concentration - 1).unsqueeze(-1) + self.dim
        order = order - torch.arange(2, self.dim + 1)
        n = self.dim - 1
        alpha = self.concentration + 0.5 * n
        constant = 0.5 * n * math.log(math.pi) + torch.mvlgamma(alpha - 0.5, n)
        return (order * diagonal.log()).sum(-1) - (constant - torch.lgamma(alpha) * n)


class Wishart(ExponentialFamily):
    """Sums of outer products of `df` normal vectors: positive definite matrices (*, k, k).

    The vectors' covariance is given by one of: covariance matrix, its inverse, its lower Cholesky
    factor. ValueError for df up to k - 1, AssertionError where not exactly one is given.

    >>> import alight as torch
    >>> torch.distributions.Wishart(torch.tensor(3.0), torch.eye(2)).mean
    tensor([[3., 0.],
            [0., 3.]])
    """

    support = constraints.positive_definite
    has_rsample = True

    @property
    def arg_constraints(self) -> Any:  # type: ignore[override]
        """df above k - 1."""
        return {
            "covariance_matrix": constraints.positive_definite,
            "precision_matrix": constraints.positive_definite,
            "scale_tril": constraints.lower_cholesky,
            "df": constraints.greater_than(self._event_shape[-1] - 1),
        }

    def __init__(
        self,
        df: Any,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        given = {
            "covariance_matrix": covariance_matrix,
            "scale_tril": scale_tril,
            "precision_matrix": precision_matrix,
        }
        pairs = [(name, value) for name, value in given.items() if value is not None]
        if len(pairs) != 1:
            raise AssertionError(
                "Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified."
            )
        ((name, matrix),) = pairs
        if matrix.dim() < 2:
            raise ValueError(
                "scale_tril must be at least two-dimensional, with optional leading batch dimensions"
            )
        df = torch.as_tensor(df, dtype=None if isinstance(df, Tensor) else matrix.dtype)
        batch = torch.broadcast_shapes(matrix.shape[:-2], df.shape)
        self.df, k = df.expand(batch), matrix.shape[-1]
        if (self.df <= k - 1).any():
            raise ValueError(f"Value of df={df} expected to be greater than ndim - 1 = {k - 1}.")
        self.__dict__[name] = matrix.expand((*batch, k, k))
        if (self.df < k).any():
            warn(
                "Low df values detected. Singular samples are highly likely to occur for ndim - 1 < df < ndim."
            )
        super().__init__(batch, (k, k), validate_args=validate_args)
        if name == "scale_tril":
            self._factor = matrix
        elif name == "covariance_matrix":
            self._factor = torch.linalg.cholesky(matrix)
        else:
            self._factor = factor_of_inverse(matrix)
        self._chi2 = Chi2(self.df.unsqueeze(-1) - torch.arange(k, dtype=matrix.dtype))

    def __getattr__(self, name: str) -> Any:
        if "_factor" not in self.__dict__:
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
        shape = (*self._batch_shape, *self._event_shape)
        if name == "scale_tril":
            return self._factor.expand(shape)
        if name == "covariance_matrix":
            return (self._factor @ self._factor.mT).expand(shape)
        if name == "precision_matrix":
            identity = torch.eye(self._event_shape[-1], dtype=self._factor.dtype)
            return torch.cholesky_solve(identity, self._factor).expand(shape)
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Distribution:
        """The same distribution with its parameters expanded to `batch_shape`."""
        name = next(one for one in self.arg_constraints if one in self.__dict__)
        matrix = self.__dict__[name].expand((*batch_shape, *self._event_shape))
        made = Wishart(self.df.expand(batch_shape), validate_args=False, **{name: matrix})
        made._validate_args = self._validate_args
        return made

    def _df(self) -> Tensor:
        return self.df.view((*self._batch_shape, 1, 1))

    @property
    def mean(self) -> Tensor:
        """df times the covariance."""
        return self._df() * self.covariance_matrix

    @property
    def mode(self) -> Tensor:
        """(df - k - 1) times the covariance, where that is positive."""
        factor = self._df() - self._event_shape[-1] - 1
        return torch.where(factor <= 0, math.nan, factor) * self.covariance_matrix

    @property
    def variance(self) -> Tensor:
        """Of each entry: df (c_ij² + c_ii c_jj)."""
        c = self.covariance_matrix
        diagonal = c.diagonal(dim1=-2, dim2=-1)
        return self._df() * (c.pow(2) + diagonal.unsqueeze(-1) * diagonal.unsqueeze(-2))

    def _draw(self, sample_shape: Sequence[int]) -> Tensor:
        """L L^T, where L is the factor times a triangle of chi and normal variables (Bartlett)."""
        k = self._event_shape[-1]
        chi = self._chi2.rsample(sample_shape).sqrt()
        chi = chi.clamp(min=torch.finfo(chi.dtype).eps)
        shape = (*sample_shape, *self._batch_shape, k * (k - 1) // 2)
        rows, columns = torch.tril_indices(k, k, offset=-1)
        noise = chi.diag_embed()
        noise[..., rows, columns] = torch.randn(shape, dtype=chi.dtype)
        factor = self._factor @ noise
        return factor @ factor.mT

    def rsample(
        self, sample_shape: Sequence[int] = (), max_try_correction: int | None = None
    ) -> Tensor:
        """Differentiable draws; what comes out singular is drawn again, at most max_try_correction times (10)."""
        drawn = self._draw(sample_shape)
        dims = tuple(range(-len(self._batch_shape), 0))
        # PyTorch's first question is the wrong way round: it draws again what is in order. Its stream is kept.
        again = self._in_order(drawn, dims)
        for _ in range(TRIES if max_try_correction is None else max_try_correction):
            count = int(again.sum())
            if not count:
                break
            new = self._draw((count,) if again.dim() else ())
            drawn = torch.where(again, new, drawn) if not again.dim() else _put(drawn, again, new)
            still = ~self._in_order(new, ())
            still = still.reshape(-1, *self._batch_shape).amax(dims) if dims else still
            again = _put(again, again, still) if again.dim() else still
        return drawn

    def _in_order(self, drawn: Tensor, dims: tuple[int, ...]) -> Tensor:
        found = constraints.positive_definite.check(drawn)
        return found.amax(dims) if dims else found

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the density."""
        if self._validate_args:
            self._validate_sample(value)
        k = self._event_shape[-1]
        solved = torch.cholesky_solve(value, self._factor).diagonal(dim1=-2, dim2=-1).sum(-1)
        log_det = torch.linalg.slogdet(value).logabsdet
        return (
            -self.df * self._half_log_det()
            - torch.mvlgamma(self.df / 2, p=k)
            + (self.df - k - 1) / 2 * log_det
            - solved / 2
        )

    def _half_log_det(self) -> Tensor:
        """Half of log det (2 covariance)."""
        diagonal = self._factor.diagonal(dim1=-2, dim2=-1)
        return self._event_shape[-1] * math.log(2) / 2 + diagonal.log().sum(-1)

    def entropy(self) -> Tensor:
        """Expected -log_prob."""
        k = self._event_shape[-1]
        half = self.df / 2
        slope = torch.digamma(half.unsqueeze(-1) - torch.arange(k, dtype=half.dtype) / 2).sum(-1)
        return (
            (k + 1) * self._half_log_det()
            + torch.mvlgamma(half, p=k)
            - (self.df - k - 1) / 2 * slope
            + self.df * k / 2
        )


def _put(into: Tensor, where: Tensor, values: Tensor) -> Tensor:
    """`into` with `values` at the places where `where` is true."""
    made = into.clone()
    made[where] = values
    return made
