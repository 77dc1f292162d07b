"""Distributions over [0, 1] and over parts that sum to one: ContinuousBernoulli, Kumaraswamy, LogisticNormal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import alight as torch
from alight.distributions import constraints
from alight.distributions.composite import Independent, TransformedDistribution
from alight.distributions.discrete import Odds
from alight.distributions.distribution import (
    Distribution,
    ExponentialFamily,
    batch_shape_of,
    broadcast_all,
    clamp_probs,
    one_of,
    probs_of,
)
from alight.distributions.real_line import EULER, Normal, Uniform
from alight.distributions.tails import Rebuilt
from alight.distributions.transforms import (
    AffineTransform,
    PowerTransform,
    StickBreakingTransform,
)

Tensor = torch.Tensor
F = torch.nn.functional


class ContinuousBernoulli(Odds, ExponentialFamily):
    """Numbers in [0, 1] with density proportional to probs**x (1 - probs)**(1 - x).

    Between the numbers `lims`, where that is nearly flat, series replace the closed forms.

    >>> import alight as torch
    >>> torch.distributions.ContinuousBernoulli(torch.tensor(0.5)).mean
    tensor(0.5000)
    """

    support = constraints.unit_interval
    has_rsample = True

    def __init__(
        self,
        probs: Any = None,
        logits: Any = None,
        lims: tuple[float, float] = (0.499, 0.501),
        validate_args: bool | None = None,
    ) -> None:
        one_of(probs, logits)
        self._lims, self._given = lims, "logits" if probs is None else "probs"
        if probs is not None:
            (given,) = broadcast_all(probs)
            if validate_args is not None and not constraints.unit_interval.check(given).all():
                raise ValueError("The parameter probs has invalid values")
            self.probs = clamp_probs(given)
        else:
            (self.logits,) = broadcast_all(logits)
        super().__init__(
            batch_shape_of(logits if probs is None else probs), validate_args=validate_args
        )

    def __getattr__(self, name: str) -> Any:
        if name == "probs" and "logits" in self.__dict__:
            with torch.enable_grad():
                self.__dict__[name] = clamp_probs(probs_of(self.logits, True))
            return self.__dict__[name]
        return super().__getattr__(name)

    def _is_steep(self) -> Tensor:
        return (self.probs <= self._lims[0]) | (self.probs > self._lims[1])

    def _steep(self) -> Tensor:
        """The probabilities, away from one half where the closed forms would divide by nothing."""
        return torch.where(self._is_steep(), self.probs, self._lims[0])

    def _log_norm(self) -> Tensor:
        """Logarithm of what makes the density integrate to one."""
        probs = self._steep()
        below = torch.where(probs <= 0.5, probs, 0.0)
        above = torch.where(probs >= 0.5, probs, 1.0)
        spread = torch.log(torch.abs(torch.log1p(-probs) - torch.log(probs)))
        width = torch.where(probs <= 0.5, torch.log1p(-2.0 * below), torch.log(2.0 * above - 1.0))
        x = torch.pow(self.probs - 0.5, 2)
        series = math.log(2.0) + (4.0 / 3.0 + 104.0 / 45.0 * x) * x
        return torch.where(self._is_steep(), spread - width, series)

    @property
    def mean(self) -> Tensor:
        """probs / (2 probs - 1) + 1 / (log(1 - probs) - log probs)."""
        probs = self._steep()
        closed = probs / (2.0 * probs - 1.0) + 1.0 / (torch.log1p(-probs) - torch.log(probs))
        x = self.probs - 0.5
        series = 0.5 + (1.0 / 3.0 + 16.0 / 45.0 * torch.pow(x, 2)) * x
        return torch.where(self._is_steep(), closed, series)

    @property
    def variance(self) -> Tensor:
        """probs (probs - 1) / (1 - 2 probs)² + 1 / (log(1 - probs) - log probs)²."""
        probs = self._steep()
        spread = torch.log1p(-probs) - torch.log(probs)
        closed = probs * (probs - 1.0) / torch.pow(1.0 - 2.0 * probs, 2) + 1.0 / spread.pow(2)
        x = torch.pow(self.probs - 0.5, 2)
        series = 1.0 / 12.0 - (1.0 / 15.0 - 128.0 / 945.0 * x) * x
        return torch.where(self._is_steep(), closed, series)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """By the inverse of the distribution function."""
        shape = self._extended_shape(sample_shape)
        return self.icdf(torch.rand(shape, dtype=self.probs.dtype))

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the density."""
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        bernoulli = F.binary_cross_entropy_with_logits(logits, value, reduction="none")
        return -bernoulli + self._log_norm()

    def cdf(self, value: Tensor) -> Tensor:
        """Probability of a draw up to `value`."""
        if self._validate_args:
            self._validate_sample(value)
        probs = self._steep()
        power = torch.pow(probs, value) * torch.pow(1.0 - probs, 1.0 - value)
        closed = (power + probs - 1.0) / (2.0 * probs - 1.0)
        inside = torch.where(self._is_steep(), closed, value)
        return torch.where(value <= 0.0, 0.0, torch.where(value >= 1.0, 1.0, inside))

    def icdf(self, value: Tensor) -> Tensor:
        """Inverse of `cdf`."""
        probs = self._steep()
        zero = torch.log1p(-probs)
        top = torch.log1p(-probs + value * (2.0 * probs - 1.0)) - zero
        return torch.where(self._is_steep(), top / (torch.log(probs) - zero), value)

    def entropy(self) -> Tensor:
        """Expected -log_prob."""
        zero, one = torch.log1p(-self.probs), torch.log(self.probs)
        return self.mean * (zero - one) - self._log_norm() - zero


class Kumaraswamy(Rebuilt):
    """A number in [0, 1], much as Beta's, whose distribution function is 1 - (1 - x**a)**b.

    >>> import alight as torch
    >>> torch.distributions.Kumaraswamy(1.0, 1.0).cdf(torch.tensor(0.25))
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
        a, b = self.concentration1, self.concentration0 = broadcast_all(
            concentration1, concentration0
        )
        base = Uniform(torch.zeros_like(b), torch.ones_like(b), validate_args=validate_args)
        transforms = [
            PowerTransform(exponent=b.reciprocal()),
            AffineTransform(loc=1.0, scale=-1.0),
            PowerTransform(exponent=a.reciprocal()),
        ]
        super().__init__(base, transforms, validate_args=validate_args)

    def _moment(self, n: int) -> Tensor:
        a, b = 1 + n / self.concentration1, self.concentration0
        return b * torch.exp(torch.lgamma(a) + torch.lgamma(b) - torch.lgamma(a + b))

    @property
    def mean(self) -> Tensor:
        """The first moment, by gamma functions."""
        return self._moment(1)

    @property
    def mode(self) -> Tensor:
        """nan where one of the concentrations is below 1."""
        a, b = self.concentration1, self.concentration0
        found = b.reciprocal() * (-b).log1p() - (-b * a).log1p()
        return torch.where((b < 1) | (a < 1), math.nan, found).exp()

    @property
    def variance(self) -> Tensor:
        """The second moment less the squared mean."""
        return self._moment(2) - self.mean.pow(2)

    def entropy(self) -> Tensor:
        """Expected -log_prob."""
        a, b = self.concentration1, self.concentration0
        harmonic = torch.digamma(b + 1) + EULER
        inner = (1 - b.reciprocal()) + (1 - a.reciprocal()) * harmonic
        return inner - torch.log(a) - torch.log(b)


class LogisticNormal(TransformedDistribution):
    """Parts that sum to one, by StickBreakingTransform of normal variables: loc (*, k) to draws (*, k + 1).

    >>> import alight as torch
    >>> d = torch.distributions.LogisticNormal(torch.zeros(2), torch.ones(2))
    >>> d.event_shape, d.log_prob(torch.tensor([0.2, 0.3, 0.5]))
    (torch.Size([3]), tensor(1.2980))
    """

    arg_constraints: ClassVar[Any] = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.simplex
    has_rsample = True
    base_dist: Independent

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        base: Distribution = Normal(loc, scale, validate_args=validate_args)
        if not base.batch_shape:
            base = base.expand((1,))
        super().__init__(base, StickBreakingTransform(), validate_args=validate_args)

    @property
    def loc(self) -> Tensor:
        """Means of the normal variables."""
        return self.base_dist.base_dist.loc  # type: ignore[attr-defined]

    @property
    def scale(self) -> Tensor:
        """Standard deviations of the normal variables."""
        return self.base_dist.base_dist.scale  # type: ignore[attr-defined]

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Distribution:
        """The same distribution with its parameters expanded to `batch_shape`."""
        shape = (*batch_shape, self.loc.shape[-1])
        made = LogisticNormal(self.loc.expand(shape), self.scale.expand(shape), validate_args=False)
        made._validate_args = self._validate_args
        return made
