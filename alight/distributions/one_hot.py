"""Distributions over vectors with a place for each event of a Categorical: one-hot, counts, relaxed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import alight as torch
from alight.distributions import constraints
from alight.distributions.discrete import Binomial, Categorical
from alight.distributions.distribution import (
    Distribution,
    clamp_probs,
)

Tensor = torch.Tensor
F = torch.nn.functional


class OfCategorical(Distribution):
    """A distribution over vectors with a place for each event of a Categorical."""

    arg_constraints: ClassVar[Any] = Categorical.arg_constraints

    def _take(self, probs: Any, logits: Any, validate_args: bool | None) -> None:
        self._categorical = Categorical(probs, logits)
        event = self._categorical.param_shape[-1:]
        super().__init__(self._categorical.batch_shape, event, validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Distribution:
        """The same distribution with its parameters expanded to `batch_shape`."""
        new = super().expand(batch_shape, _instance)
        new._categorical = self._categorical.expand(batch_shape)  # type: ignore[attr-defined]
        return new

    @property
    def probs(self) -> Tensor:
        """Probability of each place."""
        return self._categorical.probs

    @property
    def logits(self) -> Tensor:
        """Logarithms of the probabilities."""
        return self._categorical.logits


class OneHotCategorical(OfCategorical):
    """Vectors with a one at the place that a Categorical draws: probs (*, places) to draws (*,
    places).

    >>> import alight as torch
    >>> torch.distributions.OneHotCategorical(torch.tensor([0.0, 1.0])).sample()
    tensor([0., 1.])
    """

    support = constraints.one_hot
    has_enumerate_support = True

    def __init__(
        self, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        self._take(probs, logits, validate_args)

    @property
    def mean(self) -> Tensor:
        """probs."""
        return self.probs

    @property
    def mode(self) -> Tensor:
        """A one at the most probable place."""
        places = F.one_hot(self.probs.argmax(dim=-1), self._event_shape[0])
        return places.to(self.probs.dtype)

    @property
    def variance(self) -> Tensor:
        """probs * (1 - probs)."""
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Vectors of zeros and a one."""
        places = self._categorical.sample(sample_shape)
        return F.one_hot(places, self._event_shape[0]).to(self.probs.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the probability."""
        if self._validate_args:
            self._validate_sample(value)
        return self._categorical.log_prob(value.max(-1).indices)

    def entropy(self) -> Tensor:
        """Expected -log_prob."""
        return self._categorical.entropy()

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All vectors."""
        n = self._event_shape[0]
        values = torch.eye(n, dtype=self.probs.dtype)
        values = values.view((n, *(1,) * len(self._batch_shape), n))
        return values.expand((n, *self._batch_shape, n)) if expand else values


class OneHotCategoricalStraightThrough(OneHotCategorical):
    """OneHotCategorical whose draws pass gradients to the probabilities as they are (Bengio et al.
    2013).

    >>> import alight as torch
    >>> probs = torch.tensor([0.0, 1.0], requires_grad=True)
    >>> torch.distributions.OneHotCategoricalStraightThrough(probs).rsample().detach()
    tensor([0., 1.])
    """

    has_rsample = True

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """A draw, plus the probabilities, less their value."""
        return self.sample(sample_shape) + (self.probs - self.probs.detach())


class Multinomial(OfCategorical):
    """Counts of places among `total_count` draws: probs (*, places) to counts (*, places).

    >>> import alight as torch
    >>> torch.distributions.Multinomial(4, torch.tensor([0.5, 0.5])).mean
    tensor([2., 2.])
    """

    def __init__(
        self,
        total_count: int = 1,
        probs: Any = None,
        logits: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        if not isinstance(total_count, int):
            raise NotImplementedError("inhomogeneous total_count is not supported")
        self.total_count = total_count
        self._take(probs, logits, validate_args)

    @constraints.dependent_property
    def support(self) -> Any:  # type: ignore[override]
        """Counts that sum to total_count."""
        return constraints.multinomial(self.total_count)

    @property
    def mean(self) -> Tensor:
        """probs * total_count."""
        return self.probs * self.total_count

    @property
    def variance(self) -> Tensor:
        """total_count * probs * (1 - probs)."""
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Counts."""
        draws = self._categorical.sample((self.total_count, *sample_shape))
        one_hot = F.one_hot(draws, self._event_shape[0]).to(self.probs.dtype)
        return one_hot.sum(0)

    def entropy(self) -> Tensor:
        """Expected -log_prob."""
        n = torch.as_tensor(float(self.total_count))
        counts = Binomial(self.total_count, probs=self.probs).enumerate_support()[1:]
        weights = torch.exp(Binomial(self.total_count, probs=self.probs).log_prob(counts))
        rest = (weights * torch.lgamma(counts + 1)).sum([0, -1])
        return n * self._categorical.entropy() - torch.lgamma(n + 1) + rest

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the probability."""
        if self._validate_args:
            self._validate_sample(value)
        ways = torch.lgamma(value.sum(-1) + 1) - torch.lgamma(value + 1).sum(-1)
        logits = torch.where((value == 0) & (self.logits == -math.inf), 0, self.logits)
        return ways + (logits * value).sum(-1)


class RelaxedOneHotCategorical(OfCategorical):
    """A differentiable stand-in for OneHotCategorical: softmax of noisy scores (Jang et al. 2017).

    The lower the temperature, the nearer to zeros and a one.

    >>> import alight as torch
    >>> relaxed = torch.distributions.RelaxedOneHotCategorical(0.5, torch.tensor([0.5, 0.5]))
    >>> torch.allclose(relaxed.rsample().sum(), torch.tensor(1.0))
    True
    """

    support = constraints.simplex
    has_rsample = True

    def __init__(
        self,
        temperature: Tensor,
        probs: Any = None,
        logits: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        self.temperature = temperature
        self._take(probs, logits, validate_args)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """softmax((logits + Gumbel noise) / temperature)."""
        shape = self._extended_shape(sample_shape)
        uniforms = clamp_probs(torch.rand(shape, dtype=self.logits.dtype))
        gumbels = -((-(uniforms.log())).log())
        scores = (self.logits + gumbels) / self.temperature
        return (scores - scores.logsumexp(dim=-1, keepdim=True)).exp()

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the density."""
        k = self._event_shape[0]
        if self._validate_args:
            self._validate_sample(value)
        x = value.log()
        scale = torch.full_like(self.temperature, float(k)).lgamma() - self.temperature.log().mul(
            -(k - 1)
        )
        score = self.logits - x.mul(self.temperature)
        score = (score - score.logsumexp(dim=-1, keepdim=True)).sum(-1)
        return score + scale - x.sum(-1)
