"""Distributions over positive numbers and over parts of one: Exponential, Gamma, Chi2, Beta, Dirichlet,
FisherSnedecor, HalfNormal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import alight as torch
from alight.distributions import constraints
from alight.distributions.distribution import (
    Distribution,
    ExponentialFamily,
    batch_shape_of,
    broadcast_all,
)

Tensor = torch.Tensor


class Exponential(ExponentialFamily):
    """The time to the next event, where events come at `rate`.

    >>> import alight as torch
    >>> torch.distributions.Exponential(2.0).mean
    tensor(0.5000)
    """

    arg_constraints: ClassVar[Any] = {"rate": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        (self.rate,) = broadcast_all(rate)
        super().__init__(batch_shape_of(rate), validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """1 / rate."""
        return self.rate.reciprocal()

    @property
    def mode(self) -> Tensor:
        """0."""
        return torch.zeros_like(self.rate)

    @property
    def stddev(self) -> Tensor:
        """1 / rate."""
        return self.rate.reciprocal()

    @property
    def variance(self) -> Tensor:
        """1 / rate ** 2."""
        return self.rate.pow(-2)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """A standard draw over the rate."""
        shape = self._extended_shape(sample_shape)
        return torch.empty(shape, dtype=self.rate.dtype).exponential_() / self.rate

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the density."""
        if self._validate_args:
            self._validate_sample(value)
        return self.rate.log() - self.rate * value

    def cdf(self, value: Tensor) -> Tensor:
        """Probability of a draw up to `value`."""
        if self._validate_args:
            self._validate_sample(value)
        return 1 - torch.exp(-self.rate * value)

    def icdf(self, value: Tensor) -> Tensor:
        """Inverse of `cdf`."""
        return -torch.log1p(-value) / self.rate

    def entropy(self) -> Tensor:
        """Expected -log_prob."""
        return 1.0 - torch.log(self.rate)


class Gamma(ExponentialFamily):
    """The sum of `concentration` exponential times, where events come at `rate`.

    >>> import alight as torch
    >>> torch.distributions.Gamma(3.0, 2.0).mean
    tensor(1.5000)
    """

    arg_constraints: ClassVar[Any] = {
        "concentration": constraints.positive,
        "rate": constraints.positive,
    }
    support = constraints.nonnegative
    has_rsample = True

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None) -> None:
        self.concentration, self.rate = broadcast_all(concentration, rate)
        super().__init__(batch_shape_of(concentration, rate), validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """concentration / rate."""
        return self.concentration / self.rate

    @property
    def mode(self) -> Tensor:
        """(concentration - 1) / rate, from 0."""
        return ((self.concentration - 1) / self.rate).clamp(min=0)

    @property
    def variance(self) -> Tensor:
        """concentration / rate ** 2."""
        return self.concentration / self.rate.pow(2)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """A standard draw over the rate."""
        shape = self._extended_shape(sample_shape)
        value = torch._standard_gamma(self.concentration.expand(shape)) / self.rate.expand(shape)
        value.detach().clamp_(min=torch.finfo(value.dtype).tiny)
        return value

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the density."""
        value = torch.as_tensor(value, dtype=self.rate.dtype)
        if self._validate_args:
            self._validate_sample(value)
        return (
            torch.xlogy(self.concentration, self.rate)
            + torch.xlogy(self.concentration - 1, value)
            - self.rate * value
            - torch.lgamma(self.concentration)
        )

    def cdf(self, value: Tensor) -> Tensor:
        """Probability of a draw up to `value`."""
        if self._validate_args:
            self._validate_sample(value)
        return torch.special.gammainc(self.concentration, self.rate * value)

    def entropy(self) -> Tensor:
        """Expected -log_prob."""
        return (
            self.concentration
            - torch.log(self.rate)
            + torch.lgamma(self.concentration)
            + (1.0 - self.concentration) * torch.digamma(self.concentration)
        )


class Chi2(Gamma):
    """The sum of `df` squared standard normal variables.

    >>> import alight as torch
    >>> torch.distributions.Chi2(3.0).variance
    tensor(6.)
    """

    arg_constraints: ClassVar[Any] = {"df": constraints.positive}

    def __init__(self, df: Any, validate_args: bool | None = None) -> None:
        super().__init__(0.5 * df, 0.5, validate_args=validate_args)

    @property
    def df(self) -> Tensor:
        """Degrees of freedom."""
        return self.concentration * 2


class Dirichlet(ExponentialFamily):
    """Vectors of parts that sum to one: concentration (*, k) to draws (*, k).

    >>> import alight as torch
    >>> torch.distributions.Dirichlet(torch.tensor([1.0, 3.0])).mean
    tensor([0.2500, 0.7500])
    """

    arg_constraints: ClassVar[Any] = {
        "concentration": constraints.independent(constraints.positive, 1)
    }
    support = constraints.simplex
    has_rsample = True

    def __init__(self, concentration: Tensor, validate_args: bool | None = None) -> None:
        if concentration.dim() < 1:
            raise ValueError("`concentration` parameter must be at least one-dimensional.")
        self.concentration = concentration
        shape = concentration.shape
        super().__init__(shape[:-1], shape[-1:], validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """Shares of the concentration."""
        return self.concentration / self.concentration.sum(-1, True)

    @property
    def mode(self) -> Tensor:
        """Shares of what exceeds one; a corner where nothing does."""
        above = (self.concentration - 1).clamp(min=0.0)
        mode = above / above.sum(-1, True)
        corner = torch.nn.functional.one_hot(mode.argmax(dim=-1), above.shape[-1]).to(mode)
        return torch.where((self.concentration < 1).all(-1, keepdim=True), corner, mode)

    @property
    def variance(self) -> Tensor:
        """a (s - a) / (s² (s + 1)), where s is the sum."""
        total = self.concentration.sum(-1, True)
        return self.concentration * (total - self.concentration) / (total.pow(2) * (total + 1))

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Gamma draws divided by their sum."""
        return torch._sample_dirichlet(
            self.concentration.expand(self._extended_shape(sample_shape))
        )

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the density."""
        if self._validate_args:
            self._validate_sample(value)
        return (
            torch.xlogy(self.concentration - 1.0, value).sum(-1)
            + torch.lgamma(self.concentration.sum(-1))
            - torch.lgamma(self.concentration).sum(-1)
        )

    def entropy(self) -> Tensor:
        """Expected -log_prob."""
        k = self.concentration.size(-1)
        total = self.concentration.sum(-1)
        return (
            torch.lgamma(self.concentration).sum(-1)
            - torch.lgamma(total)
            - (k - total) * torch.digamma(total)
            - ((self.concentration - 1.0) * torch.digamma(self.concentration)).sum(-1)
        )


class Beta(ExponentialFamily):
    """A share between 0 and 1: the first part of a Dirichlet of two.

    >>> import alight as torch
    >>> torch.distributions.Beta(1.0, 3.0).mean
    tensor(0.2500)
    """

    arg_constraints: ClassVar[Any] = {
        "concentration1": constraints.positive,
        "concentration0": constraints.positive,
    }
    support = constraints.unit_interval
    has_rsample = True

    def __init__(
        self, concentration1: Any, concentration0: Any, validate_args: bool | None = None
    ) -> None:
        pair = torch.stack(broadcast_all(concentration1, concentration0), -1)
        self._dirichlet = Dirichlet(pair, validate_args=validate_args)
        super().__init__(self._dirichlet._batch_shape, validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Distribution:
        """The same distribution with its parameters expanded to `batch_shape`."""
        return Beta(
            self.concentration1.expand(batch_shape),
            self.concentration0.expand(batch_shape),
            validate_args=False,
        )

    @property
    def concentration1(self) -> Tensor:
        """Weight of 1."""
        return self._dirichlet.concentration[..., 0]

    @property
    def concentration0(self) -> Tensor:
        """Weight of 0."""
        return self._dirichlet.concentration[..., 1]

    @property
    def mean(self) -> Tensor:
        """Share of concentration1."""
        return self.concentration1 / (self.concentration1 + self.concentration0)

    @property
    def mode(self) -> Tensor:
        """(a - 1) / (a + b - 2), where both exceed 1."""
        total = self.concentration1 + self.concentration0
        inner = (self.concentration1 - 1) / (total - 2)
        return torch.where((self.concentration1 > 1) & (self.concentration0 > 1), inner, math.nan)

    @property
    def variance(self) -> Tensor:
        """a b / ((a + b)² (a + b + 1))."""
        total = self.concentration1 + self.concentration0
        return self.concentration1 * self.concentration0 / (total.pow(2) * (total + 1))

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """The first part of a Dirichlet draw."""
        return self._dirichlet.rsample(sample_shape).select(-1, 0)

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the density."""
        if self._validate_args:
            self._validate_sample(value)
        pair = torch.stack([value, 1.0 - value], -1)
        with_pair: Tensor = self._dirichlet.log_prob(pair)
        return with_pair

    def entropy(self) -> Tensor:
        """Expected -log_prob."""
        return self._dirichlet.entropy()


class FisherSnedecor(Distribution):
    """The ratio of two chi-squared variables, each over its degrees of freedom.

    >>> import alight as torch
    >>> torch.distributions.FisherSnedecor(2.0, 4.0).mean
    tensor(2.)
    """

    arg_constraints: ClassVar[Any] = {"df1": constraints.positive, "df2": constraints.positive}
    support = constraints.positive
    has_rsample = True

    def __init__(self, df1: Any, df2: Any, validate_args: bool | None = None) -> None:
        self.df1, self.df2 = broadcast_all(df1, df2)
        super().__init__(batch_shape_of(df1, df2), validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """df2 / (df2 - 2), where df2 > 2."""
        return torch.where(self.df2 > 2, self.df2 / (self.df2 - 2), math.nan)

    @property
    def mode(self) -> Tensor:
        """(df1 - 2) / df1 * df2 / (df2 + 2), where df1 > 2."""
        mode = (self.df1 - 2) / self.df1 * self.df2 / (self.df2 + 2)
        return torch.where(self.df1 > 2, mode, math.nan)

    @property
    def variance(self) -> Tensor:
        """2 df2² (df1 + df2 - 2) / (df1 (df2 - 2)² (df2 - 4)), where df2 > 4."""
        top = 2 * self.df2.pow(2) * (self.df1 + self.df2 - 2)
        bottom = self.df1 * (self.df2 - 2).pow(2) * (self.df2 - 4)
        return torch.where(self.df2 > 4, top / bottom, math.nan)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """The ratio of two gamma draws of mean 1/2."""
        tiny = torch.finfo(self.df1.dtype).tiny
        first, second = (
            Gamma(df * 0.5, df, validate_args=False).rsample(sample_shape)
            for df in (self.df1, self.df2)
        )
        return (first / second.clamp(min=tiny)).clamp(min=tiny)

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the density."""
        if self._validate_args:
            self._validate_sample(value)
        a, b, ratio = self.df1 * 0.5, self.df2 * 0.5, self.df1 / self.df2
        constant = (a + b).lgamma() - a.lgamma() - b.lgamma()
        power = a * ratio.log() + (a - 1) * torch.log(value)
        return constant + power - (a + b) * torch.log1p(ratio * value)


class HalfNormal(Distribution):
    """The absolute value of a normal variable of mean 0 and standard deviation `scale`.

    >>> import alight as torch
    >>> torch.distributions.HalfNormal(1.0).mean
    tensor(0.7979)
    """

    arg_constraints: ClassVar[Any] = {"scale": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True
    shows_parameters = False

    def __init__(self, scale: Any, validate_args: bool | None = None) -> None:
        (self.scale,) = broadcast_all(scale)
        super().__init__(self.scale.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """scale * sqrt(2 / pi)."""
        return self.scale * math.sqrt(2 / math.pi)

    @property
    def mode(self) -> Tensor:
        """0."""
        return torch.zeros_like(self.scale)

    @property
    def variance(self) -> Tensor:
        """scale ** 2 * (1 - 2 / pi)."""
        return self.scale.pow(2) * (1 - 2 / math.pi)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """A normal draw without its sign."""
        return self._normal().rsample(sample_shape).abs()

    def _normal(self) -> Any:
        from alight.distributions.real_line import Normal

        return Normal(torch.zeros_like(self.scale), self.scale, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the density."""
        if self._validate_args:
            self._validate_sample(value)
        density = self._normal().log_prob(value) + math.log(2)
        return torch.where(value >= 0, density, -math.inf)

    def cdf(self, value: Tensor) -> Tensor:
        """Probability of a draw up to `value`."""
        if self._validate_args:
            self._validate_sample(value)
        return 2 * self._normal().cdf(value) - 1

    def icdf(self, value: Tensor) -> Tensor:
        """Inverse of `cdf`."""
        return self._normal().icdf((value + 1) / 2)

    def entropy(self) -> Tensor:
        """Expected -log_prob."""
        return self._normal().entropy() - math.log(2)
