"""Distributions over whole numbers: Bernoulli, Categorical, Binomial, Geometric, NegativeBinomial, Poisson."""

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
    clamp_probs,
    logits_of,
    one_of,
    probs_of,
)

Tensor = torch.Tensor
F = torch.nn.functional


class Odds(Distribution):
    """A distribution given by probabilities or by logits; the other follows from the one that is given."""

    is_binary = True
    arg_constraints: ClassVar[Any] = {
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }

    def _take(self, probs: Any, logits: Any) -> Any:
        one_of(probs, logits)
        name, given = ("logits", logits) if probs is None else ("probs", probs)
        self._given = name
        (self.__dict__[name],) = broadcast_all(given)
        return batch_shape_of(given)

    def __getattr__(self, name: str) -> Any:
        with torch.enable_grad():  # kept for later calls, whatever asks first
            if name == "logits" and "probs" in self.__dict__:
                self.__dict__[name] = logits_of(self.probs, self.is_binary)
            elif name == "probs" and "logits" in self.__dict__:
                self.__dict__[name] = probs_of(self.logits, self.is_binary)
            else:
                raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
        return self.__dict__[name]

    @property
    def param_shape(self) -> Any:
        """Shape of what was given."""
        return self.__dict__[self._given].size()

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Distribution:
        """The same distribution with its parameters expanded to `batch_shape`."""
        new = super().expand(batch_shape, _instance)
        for name in {"probs", "logits"} - {self._given}:
            new.__dict__.pop(name, None)
        return new


class Bernoulli(Odds, ExponentialFamily):
    """1 with probability `probs` (log odds `logits`), else 0; ValueError for both, or neither.

    >>> import alight as torch
    >>> coin = torch.distributions.Bernoulli(0.25)
    >>> coin.mean, coin.log_prob(torch.tensor(1.0))
    (tensor(0.2500), tensor(-1.3863))
    """

    support = constraints.boolean
    has_enumerate_support = True

    def __init__(
        self, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        super().__init__(self._take(probs, logits), validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """probs."""
        return self.probs

    @property
    def mode(self) -> Tensor:
        """1 where probs >= 0.5; nan where both are alike."""
        mode = (self.probs >= 0.5).to(self.probs.dtype)
        return torch.where(self.probs == 0.5, math.nan, mode)

    @property
    def variance(self) -> Tensor:
        """probs * (1 - probs)."""
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Zeros and ones."""
        with torch.no_grad():
            return torch.bernoulli(self.probs.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the probability."""
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        return -F.binary_cross_entropy_with_logits(logits, value, reduction="none")

    def entropy(self) -> Tensor:
        """Expected -log_prob."""
        return F.binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """0 and 1."""
        values = torch.arange(2, dtype=self.__dict__[self._given].dtype)
        values = values.view((-1, *(1,) * len(self._batch_shape)))
        return values.expand((-1, *self._batch_shape)) if expand else values


class Geometric(Odds):
    """The number of failures before the first success, of probability `probs` (log odds `logits`).

    >>> import alight as torch
    >>> torch.distributions.Geometric(0.5).log_prob(torch.tensor([0.0, 1.0]))
    tensor([-0.6931, -1.3863])
    """

    support = constraints.nonnegative_integer

    def __init__(
        self, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        super().__init__(self._take(probs, logits), validate_args=validate_args)
        if self._validate_args and probs is not None and not (self.probs > 0).all():
            raise ValueError(
                f"Expected parameter probs ({type(self.probs).__name__} of shape {tuple(self.probs.shape)}) of "
                f"distribution {self!r} to be positive but found invalid values:\n{self.probs}"
            )

    @property
    def mean(self) -> Tensor:
        """1 / probs - 1."""
        return 1.0 / self.probs - 1.0

    @property
    def mode(self) -> Tensor:
        """0."""
        return torch.zeros_like(self.probs)

    @property
    def variance(self) -> Tensor:
        """(1 / probs - 1) / probs."""
        return (1.0 / self.probs - 1.0) / self.probs

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """By the inverse of the distribution function."""
        shape = self._extended_shape(sample_shape)
        with torch.no_grad():
            u = torch.empty(shape, dtype=self.probs.dtype)
            u = u.uniform_(torch.finfo(self.probs.dtype).tiny, 1)
            return (u.log() / (-self.probs).log1p()).floor()

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the probability."""
        if self._validate_args:
            self._validate_sample(value)
        value, probs = broadcast_all(value, self.probs)
        probs = torch.where((probs == 1) & (value == 0), torch.zeros_like(probs), probs)
        return value * (-probs).log1p() + self.probs.log()

    def entropy(self) -> Tensor:
        """Expected -log_prob."""
        return (
            F.binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")
            / self.probs
        )


class _Trials(Odds):
    """Trials with the same probability of success, counted one way or the other."""

    def __init__(
        self,
        total_count: Any,
        probs: Any = None,
        logits: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        one_of(probs, logits)
        name, given = ("logits", logits) if probs is None else ("probs", probs)
        self._given = name
        self.total_count, self.__dict__[name] = broadcast_all(total_count, given)
        self.total_count = self.total_count.type_as(self.__dict__[name])
        super().__init__(self.__dict__[name].size(), validate_args=validate_args)


class Binomial(_Trials):
    """Successes among `total_count` trials of probability `probs` (log odds `logits`).

    >>> import alight as torch
    >>> torch.distributions.Binomial(10, 0.5).mean
    tensor(5.)
    """

    arg_constraints: ClassVar[Any] = {
        "total_count": constraints.nonnegative_integer,
        **Odds.arg_constraints,
    }
    has_enumerate_support = True

    def __init__(
        self,
        total_count: Any = 1,
        probs: Any = None,
        logits: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        super().__init__(total_count, probs, logits, validate_args)

    @constraints.dependent_property
    def support(self) -> Any:  # type: ignore[override]
        """Whole numbers up to total_count."""
        return constraints.integer_interval(0, self.total_count)

    @property
    def mean(self) -> Tensor:
        """total_count * probs."""
        return self.total_count * self.probs

    @property
    def mode(self) -> Tensor:
        """floor((total_count + 1) * probs), at most total_count."""
        return ((self.total_count + 1) * self.probs).floor().clamp(max=self.total_count)

    @property
    def variance(self) -> Tensor:
        """total_count * probs * (1 - probs)."""
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Counts of successes."""
        shape = self._extended_shape(sample_shape)
        with torch.no_grad():
            return torch.binomial(self.total_count.expand(shape), self.probs.expand(shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the probability."""
        if self._validate_args:
            self._validate_sample(value)
        n = self.total_count
        ways = torch.lgamma(n + 1) - torch.lgamma(value + 1) - torch.lgamma(n - value + 1)
        softplus = self.logits.clamp(min=0) + torch.log1p(torch.exp(-torch.abs(self.logits)))
        return ways + value * self.logits - n * softplus

    def entropy(self) -> Tensor:
        """Expected -log_prob; every batch member needs the same total_count."""
        if not self.total_count.min() == self.total_count.max():
            raise NotImplementedError("Inhomogeneous total count not supported by `entropy`.")
        log_prob = self.log_prob(self.enumerate_support(False))
        return -(torch.exp(log_prob) * log_prob).sum(0)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """0 up to total_count, which every batch member has in common."""
        count = int(self.total_count.max())
        if not self.total_count.min() == count:
            raise NotImplementedError(
                "Inhomogeneous total count not supported by `enumerate_support`."
            )
        values = torch.arange(1 + count, dtype=self.total_count.dtype)
        values = values.view((-1, *(1,) * len(self._batch_shape)))
        return values.expand((-1, *self._batch_shape)) if expand else values


class NegativeBinomial(_Trials):
    """Successes of probability `probs` (log odds `logits`) before `total_count` failures.

    >>> import alight as torch
    >>> torch.distributions.NegativeBinomial(4.0, torch.tensor(0.5)).mean
    tensor(4.)
    """

    arg_constraints: ClassVar[Any] = {
        "total_count": constraints.greater_than_eq(0),
        "probs": constraints.half_open_interval(0.0, 1.0),
        "logits": constraints.real,
    }
    support = constraints.nonnegative_integer

    @property
    def mean(self) -> Tensor:
        """total_count * exp(logits)."""
        return self.total_count * torch.exp(self.logits)

    @property
    def mode(self) -> Tensor:
        """floor((total_count - 1) * exp(logits)), from 0."""
        return ((self.total_count - 1) * self.logits.exp()).floor().clamp(min=0.0)

    @property
    def variance(self) -> Tensor:
        """mean / (1 - probs)."""
        return self.mean / torch.sigmoid(-self.logits)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Poisson counts whose rates are Gamma draws."""
        from alight.distributions.half_line import Gamma

        with torch.no_grad():
            rates = Gamma(self.total_count, torch.exp(-self.logits), validate_args=False)
            return torch.poisson(rates.sample(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the probability."""
        if self._validate_args:
            self._validate_sample(value)
        n = self.total_count
        density = n * F.logsigmoid(-self.logits) + value * F.logsigmoid(self.logits)
        ways = -torch.lgamma(n + value) + torch.lgamma(1.0 + value) + torch.lgamma(n)
        return density - ways.masked_fill(n + value == 0.0, 0.0)


class Poisson(ExponentialFamily):
    """Counts of events that come at `rate`.

    >>> import alight as torch
    >>> torch.distributions.Poisson(2.0).log_prob(torch.tensor([0.0, 2.0]))
    tensor([-2.0000, -1.3069])
    """

    arg_constraints: ClassVar[Any] = {"rate": constraints.nonnegative}
    support = constraints.nonnegative_integer

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        (self.rate,) = broadcast_all(rate)
        super().__init__(batch_shape_of(rate), validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """rate."""
        return self.rate

    @property
    def mode(self) -> Tensor:
        """floor(rate)."""
        return self.rate.floor()

    @property
    def variance(self) -> Tensor:
        """rate."""
        return self.rate

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Counts."""
        with torch.no_grad():
            return torch.poisson(self.rate.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the probability."""
        if self._validate_args:
            self._validate_sample(value)
        rate, value = broadcast_all(self.rate, value)
        return value.xlogy(rate) - rate - (value + 1).lgamma()


class Categorical(Odds):
    """One of several places, with the probabilities of the last dimension of `probs`.

    Or with the scores of `logits`. probs (*, places), which are divided by their sum, to draws
    (*) of int64. ValueError for both, or neither.

    >>> import alight as torch
    >>> die = torch.distributions.Categorical(torch.tensor([1.0, 3.0]))
    >>> die.probs, die.log_prob(torch.tensor(1))
    (tensor([0.2500, 0.7500]), tensor(-0.2877))
    """

    is_binary = False
    arg_constraints: ClassVar[Any] = {
        "probs": constraints.simplex,
        "logits": constraints.real_vector,
    }
    has_enumerate_support = True

    def __init__(
        self, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        one_of(probs, logits)
        if probs is not None:
            if probs.dim() < 1:
                raise ValueError("`probs` parameter must be at least one-dimensional.")
            self._given, self.probs = "probs", probs / probs.sum(-1, keepdim=True)
        else:
            if logits.dim() < 1:
                raise ValueError("`logits` parameter must be at least one-dimensional.")
            normal = logits - logits.logsumexp(dim=-1, keepdim=True)
            self._given, self.logits = "logits", normal
        shape = self.param_shape
        self._num_events = shape[-1]
        super().__init__(shape[:-1], validate_args=validate_args)

    @constraints.dependent_property
    def support(self) -> Any:  # type: ignore[override]
        """Places from 0."""
        return constraints.integer_interval(0, self._num_events - 1)

    @property
    def mean(self) -> Tensor:
        """nan: places have no mean."""
        return torch.full(self._batch_shape, math.nan, dtype=self.probs.dtype)

    @property
    def mode(self) -> Tensor:
        """The most probable place."""
        return self.probs.argmax(dim=-1)

    @property
    def variance(self) -> Tensor:
        """nan: places have no variance."""
        return torch.full(self._batch_shape, math.nan, dtype=self.probs.dtype)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Places."""
        count = math.prod(sample_shape)
        with torch.no_grad():
            rows = self.probs.reshape(-1, self._num_events)
            places = torch.multinomial(rows, count, True).T
            return places.reshape(self._extended_shape(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the probability."""
        if self._validate_args:
            self._validate_sample(value)
        value = value.long().unsqueeze(-1)
        value, log_pmf = torch.broadcast_tensors(value, self.logits)
        return log_pmf.gather(-1, value[..., :1]).squeeze(-1)

    def entropy(self) -> Tensor:
        """Expected -log_prob."""
        logits = torch.clamp(self.logits, min=torch.finfo(self.logits.dtype).min)
        return -(logits * self.probs).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All places."""
        values = torch.arange(self._num_events).view((-1, *(1,) * len(self._batch_shape)))
        return values.expand((-1, *self._batch_shape)) if expand else values


class RelaxedBernoulli(Odds):
    """A differentiable stand-in for Bernoulli: sigmoid of noisy log odds (Maddison et al. 2017).

    The lower the temperature, the nearer to 0 or 1.

    >>> import alight as torch
    >>> draw = torch.distributions.RelaxedBernoulli(torch.tensor(0.5), torch.tensor(0.5)).rsample()
    >>> bool(0 < draw < 1)
    True
    """

    support = constraints.unit_interval
    has_rsample = True
    shows_parameters = False

    def __init__(
        self,
        temperature: Tensor,
        probs: Any = None,
        logits: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        self.temperature = temperature
        super().__init__(self._take(probs, logits), validate_args=validate_args)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """sigmoid((logits + logistic noise) / temperature)."""
        shape = self._extended_shape(sample_shape)
        u = clamp_probs(torch.rand(shape, dtype=self.logits.dtype))
        probs = clamp_probs(self.probs.expand(shape))
        score = (u.log() - (-u).log1p() + probs.log() - (-probs).log1p()) / self.temperature
        return torch.sigmoid(score)

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the density."""
        if self._validate_args:
            self._validate_sample(value)
        x = logits_of(value, True)
        difference = self.logits - x.mul(self.temperature)
        density = self.temperature.log() + difference - 2 * difference.exp().log1p()
        return density - (F.softplus(-x) + F.softplus(x)).neg()
