"""Distributions with heavy tails, most of them transformed ones: HalfCauchy, InverseGamma, Pareto, GeneralizedPareto, Weibull."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import alight as torch
from alight.distributions import constraints
from alight.distributions.composite import TransformedDistribution
from alight.distributions.distribution import Distribution, batch_shape_of, broadcast_all
from alight.distributions.half_line import Exponential, Gamma
from alight.distributions.real_line import EULER, Cauchy
from alight.distributions.transforms import (
    AbsTransform,
    AffineTransform,
    ExpTransform,
    PowerTransform,
)

Tensor = torch.Tensor


class Rebuilt(TransformedDistribution):
    """A transformed distribution that is expanded by expanding its parameters, named by arg_constraints."""

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Distribution:
        """The same distribution with its parameters expanded to `batch_shape`."""
        parameters = {
            name: getattr(self, name).expand(batch_shape) for name in self.arg_constraints
        }
        made: Distribution = type(self)(**parameters, validate_args=False)
        made._validate_args = self._validate_args
        return made


class HalfCauchy(Rebuilt):
    """The absolute value of a Cauchy variable around 0; its mean is infinite.

    >>> import alight as torch
    >>> torch.distributions.HalfCauchy(1.0).cdf(torch.tensor(1.0))
    tensor(0.5000)
    """

    arg_constraints: ClassVar[Any] = {"scale": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True
    base_dist: Cauchy

    def __init__(self, scale: Any, validate_args: bool | None = None) -> None:
        base = Cauchy(0, scale, validate_args=False)
        super().__init__(base, AbsTransform(), validate_args=validate_args)

    @property
    def scale(self) -> Tensor:
        """Half of the draws lie below it."""
        return self.base_dist.scale

    @property
    def mean(self) -> Tensor:
        """inf."""
        return torch.full(self._extended_shape(), math.inf, dtype=self.scale.dtype)

    @property
    def mode(self) -> Tensor:
        """0."""
        return torch.zeros_like(self.scale)

    @property
    def variance(self) -> Tensor:
        """inf."""
        return self.base_dist.variance

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the density."""
        if self._validate_args:
            self._validate_sample(value)
        value = torch.as_tensor(value, dtype=self.scale.dtype)
        density = self.base_dist.log_prob(value) + math.log(2)
        return torch.where(value >= 0, density, -math.inf)

    def cdf(self, value: Tensor) -> Tensor:
        """Probability of a draw up to `value`."""
        if self._validate_args:
            self._validate_sample(value)
        return 2 * self.base_dist.cdf(value) - 1

    def icdf(self, value: Tensor) -> Tensor:
        """Inverse of `cdf`."""
        return self.base_dist.icdf((value + 1) / 2)

    def entropy(self) -> Tensor:
        """Expected -log_prob."""
        return self.base_dist.entropy() - math.log(2)


class InverseGamma(Rebuilt):
    """One over a Gamma variable of `concentration` and `rate`.

    >>> import alight as torch
    >>> torch.distributions.InverseGamma(3.0, 4.0).mean
    tensor(2.)
    """

    arg_constraints: ClassVar[Any] = {
        "concentration": constraints.positive,
        "rate": constraints.positive,
    }
    support = constraints.positive
    has_rsample = True
    base_dist: Gamma

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None) -> None:
        base = Gamma(concentration, rate, validate_args=validate_args)
        power = PowerTransform(-base.rate.new_ones(()))
        super().__init__(base, power, validate_args=validate_args)

    @property
    def concentration(self) -> Tensor:
        """Of the Gamma variable."""
        return self.base_dist.concentration

    @property
    def rate(self) -> Tensor:
        """Of the Gamma variable."""
        return self.base_dist.rate

    @property
    def mean(self) -> Tensor:
        """rate / (concentration - 1), where concentration > 1."""
        found = self.rate / (self.concentration - 1)
        return torch.where(self.concentration > 1, found, math.inf)

    @property
    def mode(self) -> Tensor:
        """rate / (concentration + 1)."""
        return self.rate / (self.concentration + 1)

    @property
    def variance(self) -> Tensor:
        """rate² / ((concentration - 1)² (concentration - 2)), where concentration > 2."""
        bottom = (self.concentration - 1).square() * (self.concentration - 2)
        return torch.where(self.concentration > 2, self.rate.square() / bottom, math.inf)

    def entropy(self) -> Tensor:
        """Expected -log_prob."""
        a = self.concentration
        return a + self.rate.log() + a.lgamma() - (1 + a) * a.digamma()


class Pareto(Rebuilt):
    """A number from `scale` up that exceeds k * scale with probability k ** -alpha.

    >>> import alight as torch
    >>> torch.distributions.Pareto(1.0, 2.0).mean
    tensor(2.)
    """

    arg_constraints: ClassVar[Any] = {"alpha": constraints.positive, "scale": constraints.positive}

    def __init__(self, scale: Any, alpha: Any, validate_args: bool | None = None) -> None:
        self.scale, self.alpha = broadcast_all(scale, alpha)
        base = Exponential(self.alpha, validate_args=validate_args)
        transforms = [ExpTransform(), AffineTransform(loc=0, scale=self.scale)]
        super().__init__(base, transforms, validate_args=validate_args)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:  # type: ignore[override]
        """Numbers from scale up."""
        return constraints.greater_than_eq(self.scale)

    @property
    def mean(self) -> Tensor:
        """alpha * scale / (alpha - 1); inf for alpha up to 1."""
        alpha = self.alpha.clamp(min=1)
        return alpha * self.scale / (alpha - 1)

    @property
    def mode(self) -> Tensor:
        """scale."""
        return self.scale

    @property
    def variance(self) -> Tensor:
        """scale² alpha / ((alpha - 1)² (alpha - 2)); inf for alpha up to 2."""
        alpha = self.alpha.clamp(min=2)
        return self.scale.pow(2) * alpha / ((alpha - 1).pow(2) * (alpha - 2))

    def entropy(self) -> Tensor:
        """Expected -log_prob."""
        return (self.scale / self.alpha).log() + (1 + self.alpha.reciprocal())


class Weibull(Rebuilt):
    """An exponential variable to the power 1 / `concentration`, times `scale`.

    >>> import alight as torch
    >>> torch.distributions.Weibull(2.0, 1.0).mean
    tensor(2.)
    """

    arg_constraints: ClassVar[Any] = {
        "scale": constraints.positive,
        "concentration": constraints.positive,
    }
    support = constraints.positive

    def __init__(self, scale: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self.scale, self.concentration = broadcast_all(scale, concentration)
        self.concentration_reciprocal = self.concentration.reciprocal()
        base = Exponential(torch.ones_like(self.scale), validate_args=validate_args)
        transforms = [
            PowerTransform(exponent=self.concentration_reciprocal),
            AffineTransform(loc=0, scale=self.scale),
        ]
        super().__init__(base, transforms, validate_args=validate_args)

    def _moment(self, n: int) -> Tensor:
        return torch.exp(torch.lgamma(1 + n * self.concentration_reciprocal))

    @property
    def mean(self) -> Tensor:
        """scale * gamma(1 + 1 / concentration)."""
        return self.scale * self._moment(1)

    @property
    def mode(self) -> Tensor:
        """scale * (1 - 1 / concentration) ** (1 / concentration)."""
        k = self.concentration
        return self.scale * ((k - 1) / k) ** k.reciprocal()

    @property
    def variance(self) -> Tensor:
        """The second moment less the squared mean."""
        squared_mean = torch.exp(2 * torch.lgamma(1 + self.concentration_reciprocal))
        return self.scale.pow(2) * (self._moment(2) - squared_mean)

    def entropy(self) -> Tensor:
        """Expected -log_prob."""
        inverse = self.concentration_reciprocal
        return EULER * (1 - inverse) + torch.log(self.scale * inverse) + 1


class GeneralizedPareto(Distribution):
    """What exceeds a high threshold `loc`: Exponential for `concentration` 0, a Pareto tail above.

    Below 0 it ends at loc - scale / concentration.

    >>> import alight as torch
    >>> torch.distributions.GeneralizedPareto(0.0, 1.0, 0.5).mean
    tensor(2.)
    """

    arg_constraints: ClassVar[Any] = {
        "loc": constraints.real,
        "scale": constraints.positive,
        "concentration": constraints.real,
    }
    has_rsample = True

    def __init__(
        self, loc: Any, scale: Any, concentration: Any, validate_args: bool | None = None
    ) -> None:
        self.loc, self.scale, self.concentration = broadcast_all(loc, scale, concentration)
        super().__init__(batch_shape_of(loc, scale, concentration), validate_args=validate_args)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:  # type: ignore[override]
        """From loc up to its end."""
        end = self.loc - self.scale / self.concentration
        return constraints.interval(self.loc, torch.where(self.concentration < 0, end, math.inf))

    def _concentration(self) -> tuple[Tensor, Tensor]:
        """Where the concentration is zero, and the concentration with ones there."""
        is_zero = torch.isclose(self.concentration, torch.zeros_like(self.concentration))
        return is_zero, torch.where(is_zero, 1.0, self.concentration)

    @property
    def mean(self) -> Tensor:
        """loc + scale / (1 - concentration), where concentration < 1."""
        valid = self.concentration < 1
        found = self.loc + self.scale / (1 - torch.where(valid, self.concentration, 0.5))
        return torch.where(valid, found, math.nan)

    @property
    def mode(self) -> Tensor:
        """loc."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """scale² / ((1 - concentration)² (1 - 2 concentration)), where concentration < 0.5."""
        valid = self.concentration < 0.5
        c = torch.where(valid, self.concentration, 0.25)
        found = self.scale**2 / ((1 - c) ** 2 * (1 - 2 * c))
        return torch.where(valid, found, math.nan)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """By the inverse of the distribution function."""
        shape = self._extended_shape(sample_shape)
        return self.icdf(torch.rand(shape, dtype=self.loc.dtype))

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the density."""
        if self._validate_args:
            self._validate_sample(value)
        z = (value - self.loc) / self.scale
        is_zero, c = self._concentration()
        power = 1 / c + torch.ones_like(z)
        tail = torch.where(power == 0, power, power * torch.log1p(c * z))
        return -self.scale.log() - torch.where(is_zero, z, tail)

    def log_survival_function(self, value: Tensor) -> Tensor:
        """Logarithm of the probability of a draw above `value`."""
        if self._validate_args:
            self._validate_sample(value)
        z = (value - self.loc) / self.scale
        is_zero, c = self._concentration()
        return torch.where(is_zero, -z, -torch.log1p(c * z) / c)

    def log_cdf(self, value: Tensor) -> Tensor:
        """Logarithm of `cdf`."""
        return torch.log1p(-torch.exp(self.log_survival_function(value)))

    def cdf(self, value: Tensor) -> Tensor:
        """Probability of a draw up to `value`."""
        return torch.exp(self.log_cdf(value))

    def icdf(self, value: Tensor) -> Tensor:
        """Inverse of `cdf`."""
        is_zero, c = self._concentration()
        above = torch.log1p(-value)
        tail = self.loc + self.scale / c * torch.expm1(-c * above)
        return torch.where(is_zero, self.loc - self.scale * above, tail)

    def entropy(self) -> Tensor:
        """Expected -log_prob."""
        return torch.log(self.scale) + self.concentration + 1
