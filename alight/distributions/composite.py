"""Distributions made of distributions: Independent, TransformedDistribution, LogNormal, MixtureSameFamily."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import alight as torch
from alight.distributions import constraints
from alight.distributions.discrete import Categorical
from alight.distributions.distribution import Distribution, sum_rightmost
from alight.distributions.real_line import Normal
from alight.distributions.transforms import ComposeTransform, ExpTransform, Transform

Tensor = torch.Tensor


class Independent(Distribution):
    """A distribution whose last `reinterpreted_batch_ndims` batch dimensions make up one event.

    >>> import alight as torch
    >>> base = torch.distributions.Normal(torch.zeros(3), torch.ones(3))
    >>> torch.distributions.Independent(base, 1).log_prob(torch.zeros(3))
    tensor(-2.7568)
    """

    def __init__(
        self,
        base_distribution: Distribution,
        reinterpreted_batch_ndims: int,
        validate_args: bool | None = None,
    ) -> None:
        batch = base_distribution.batch_shape
        if reinterpreted_batch_ndims > len(batch):
            raise ValueError(
                "Expected reinterpreted_batch_ndims <= len(base_distribution.batch_shape), "
                f"actual {reinterpreted_batch_ndims} vs {len(batch)}"
            )
        split = len(batch) - reinterpreted_batch_ndims
        self.base_dist = base_distribution
        self.reinterpreted_batch_ndims = reinterpreted_batch_ndims
        event = (*batch[split:], *base_distribution.event_shape)
        super().__init__(batch[:split], event, validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Distribution:
        """The same distribution with its parameters expanded to `batch_shape`."""
        event = self._event_shape[: self.reinterpreted_batch_ndims]
        base = self.base_dist.expand((*batch_shape, *event))
        return Independent(base, self.reinterpreted_batch_ndims, validate_args=False)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        """As the base."""
        return self.base_dist.has_rsample

    @property
    def support(self) -> Any:  # type: ignore[override]
        """The base's, event by event."""
        result = self.base_dist.support
        n = self.reinterpreted_batch_ndims
        return constraints.independent(result, n) if n else result

    @property
    def mean(self) -> Tensor:
        """The base's."""
        return self.base_dist.mean

    @property
    def mode(self) -> Tensor:
        """The base's."""
        return self.base_dist.mode

    @property
    def variance(self) -> Tensor:
        """The base's."""
        return self.base_dist.variance

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws of the base."""
        return self.base_dist.sample(sample_shape)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Differentiable draws of the base."""
        return self.base_dist.rsample(sample_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """The base's, summed over the event."""
        return sum_rightmost(self.base_dist.log_prob(value), self.reinterpreted_batch_ndims)

    def entropy(self) -> Tensor:
        """The base's, summed over the event."""
        return sum_rightmost(self.base_dist.entropy(), self.reinterpreted_batch_ndims)

    def __repr__(self) -> str:
        return f"Independent({self.base_dist}, {self.reinterpreted_batch_ndims})"


class TransformedDistribution(Distribution):
    """What transforms make of the draws of a base distribution; log_prob takes their Jacobian into
    account.

    >>> import alight as torch
    >>> d = torch.distributions
    >>> lognormal = d.TransformedDistribution(d.Normal(0.0, 1.0), [d.ExpTransform()])
    >>> lognormal.log_prob(torch.tensor(1.0))
    tensor(-0.9189)
    """

    def __init__(
        self,
        base_distribution: Distribution,
        transforms: Transform | Sequence[Transform],
        validate_args: bool | None = None,
    ) -> None:
        if isinstance(transforms, Transform):
            transforms = [transforms]
        if not isinstance(transforms, list):
            raise ValueError(f"transforms must be a Transform or list, but was {transforms}")
        if not all(isinstance(one, Transform) for one in transforms):
            raise ValueError("transforms must be a Transform or a list of Transforms")
        self.transforms = transforms
        whole = self._whole = ComposeTransform(transforms)
        shape = torch.Size((*base_distribution.batch_shape, *base_distribution.event_shape))
        event = len(base_distribution.event_shape)
        if len(shape) < whole.domain.event_dim:
            raise ValueError(
                f"base_distribution needs to have shape with size at least {whole.domain.event_dim}, but got {shape}."
            )
        made = whole.forward_shape(shape)
        needed = whole.inverse_shape(made)
        if tuple(needed) != tuple(shape):  # parameters of a transform are broadcast
            base_distribution = base_distribution.expand(needed[: len(needed) - event])
        if whole.domain.event_dim > event:
            base_distribution = Independent(base_distribution, whole.domain.event_dim - event)
        self.base_dist = base_distribution
        change = whole.codomain.event_dim - whole.domain.event_dim
        split = len(made) - max(whole.codomain.event_dim, event + change)
        super().__init__(made[:split], made[split:], validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Distribution:
        """The same distribution with its parameters expanded to `batch_shape`."""
        shape = self._whole.inverse_shape(torch.Size((*batch_shape, *self._event_shape)))
        base = self.base_dist.expand(shape[: len(shape) - len(self.base_dist.event_shape)])
        made = TransformedDistribution(base, self.transforms, validate_args=False)
        made._validate_args = self._validate_args
        return made

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        """As the base."""
        return self.base_dist.has_rsample

    @property
    def support(self) -> Any:  # type: ignore[override]
        """Where the last transform leads."""
        if not self.transforms:
            return self.base_dist.support
        found = self.transforms[-1].codomain
        more = len(self._event_shape) - found.event_dim
        return constraints.independent(found, more) if more else found

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Transformed draws of the base."""
        with torch.no_grad():
            return self._whole(self.base_dist.sample(sample_shape))

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Differentiable transformed draws of the base."""
        return self._whole(self.base_dist.rsample(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """The base's at the inverse, less how much the transforms stretch there."""
        if self._validate_args:
            self._validate_sample(value)
        y, event, total = value, len(self._event_shape), None
        for transform in reversed(self.transforms):
            x = transform.inverse(y)
            event += transform.domain.event_dim - transform.codomain.event_dim
            term = transform.log_abs_det_jacobian(x, y)
            term = -sum_rightmost(term, event - transform.domain.event_dim)
            total = term if total is None else total + term
            y = x
        base = self.base_dist
        density = sum_rightmost(base.log_prob(y), event - len(base.event_shape))
        return density if total is None else total + density

    def cdf(self, value: Tensor) -> Tensor:
        """The base's at the inverse."""
        sign: Any = 1
        for transform in reversed(self.transforms):
            value, sign = transform.inverse(value), sign * transform.sign
        found = self.base_dist.cdf(value)
        return found if isinstance(sign, int) and sign == 1 else sign * (found - 0.5) + 0.5

    def icdf(self, value: Tensor) -> Tensor:
        """Inverse of `cdf`."""
        sign: Any = 1
        for transform in self.transforms:
            sign = sign * transform.sign
        if not (isinstance(sign, int) and sign == 1):
            value = sign * (value - 0.5) + 0.5
        return self._whole(self.base_dist.icdf(value))


class LogNormal(TransformedDistribution):
    """exp of a normal variable of mean `loc` and standard deviation `scale`.

    >>> import alight as torch
    >>> torch.distributions.LogNormal(0.0, 1.0).mean
    tensor(1.6487)
    """

    arg_constraints: ClassVar[Any] = {
        "loc": constraints.real,
        "scale": constraints.positive,
    }

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        super().__init__(Normal(loc, scale), ExpTransform(), validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Distribution:
        """The same distribution with its parameters expanded to `batch_shape`."""
        return LogNormal(
            self.loc.expand(batch_shape), self.scale.expand(batch_shape), validate_args=False
        )

    @property
    def loc(self) -> Tensor:
        """Mean of the logarithm."""
        return self.base_dist.loc  # type: ignore[attr-defined]

    @property
    def scale(self) -> Tensor:
        """Standard deviation of the logarithm."""
        return self.base_dist.scale  # type: ignore[attr-defined]

    @property
    def mean(self) -> Tensor:
        """exp(loc + scale² / 2)."""
        return (self.loc + self.scale.pow(2) / 2).exp()

    @property
    def mode(self) -> Tensor:
        """exp(loc - scale²)."""
        return (self.loc - self.scale.square()).exp()

    @property
    def variance(self) -> Tensor:
        """(exp(scale²) - 1) * mean²."""
        square = self.scale.pow(2)
        return square.expm1() * (2 * self.loc + square).exp()

    def entropy(self) -> Tensor:
        """Expected -log_prob."""
        return self.base_dist.entropy() + self.loc


class MixtureSameFamily(Distribution):
    """One of the distributions along the last batch dimension, chosen by a Categorical.

    ValueError where their numbers differ, or the first is no Categorical.

    >>> import alight as torch
    >>> d = torch.distributions
    >>> parts = d.Normal(torch.tensor([-1.0, 3.0]), torch.ones(2))
    >>> d.MixtureSameFamily(d.Categorical(torch.tensor([0.5, 0.5])), parts).mean
    tensor(1.)
    """

    def __init__(
        self,
        mixture_distribution: Categorical,
        component_distribution: Distribution,
        validate_args: bool | None = None,
    ) -> None:
        if not isinstance(mixture_distribution, Categorical):
            raise ValueError(
                " The Mixture distribution needs to be an  instance of torch.distributions.Categorical"
            )
        if not isinstance(component_distribution, Distribution):
            raise ValueError(
                "The Component distribution need to be an instance of torch.distributions.Distribution"
            )
        batch = component_distribution.batch_shape
        if mixture_distribution._num_events != batch[-1]:
            raise ValueError(
                f"`mixture_distribution component` ({mixture_distribution._num_events}) does not equal "
                f"`component_distribution.batch_shape[-1]` ({batch[-1]})"
            )
        self._mixture_distribution = mixture_distribution
        self._component_distribution = component_distribution
        self._event_ndims = len(component_distribution.event_shape)
        super().__init__(
            batch[:-1], component_distribution.event_shape, validate_args=validate_args
        )

    @property
    def mixture_distribution(self) -> Categorical:
        """What chooses."""
        return self._mixture_distribution

    @property
    def component_distribution(self) -> Distribution:
        """What is chosen from."""
        return self._component_distribution

    @property
    def support(self) -> Any:  # type: ignore[override]
        """As the components."""
        return constraints.MixtureSameFamilyConstraint(self._component_distribution.support)

    def _weights(self) -> Tensor:
        probs = self._mixture_distribution.probs
        return probs.reshape((*probs.shape, *(1,) * self._event_ndims))

    @property
    def mean(self) -> Tensor:
        """Weighted sum of the components' means."""
        dim = -1 - self._event_ndims
        return torch.sum(self._weights() * self._component_distribution.mean, dim=dim)

    @property
    def variance(self) -> Tensor:
        """Weighted variances, and the variance of the means."""
        dim, weights = -1 - self._event_ndims, self._weights()
        inner = torch.sum(weights * self._component_distribution.variance, dim=dim)
        away = self._component_distribution.mean - self.mean.unsqueeze(dim)
        return inner + torch.sum(weights * away.pow(2.0), dim=dim)

    def log_prob(self, x: Tensor) -> Tensor:
        """logsumexp over the components."""
        if self._validate_args:
            self._validate_sample(x)
        found = self._component_distribution.log_prob(x.unsqueeze(-1 - self._event_ndims))
        weights = torch.log_softmax(self._mixture_distribution.logits, dim=-1)
        return torch.logsumexp(found + weights, dim=-1)

    def cdf(self, x: Tensor) -> Tensor:
        """Weighted sum of the components' distribution functions."""
        found = self._component_distribution.cdf(x.unsqueeze(-1 - self._event_ndims))
        return torch.sum(found * self._mixture_distribution.probs, dim=-1)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Choices, then draws of what they chose."""
        with torch.no_grad():
            choice = self._mixture_distribution.sample(sample_shape)
            draws = self._component_distribution.sample(sample_shape)
            dim = len(sample_shape) + len(self._batch_shape)
            shape = (*choice.shape, *(1,) * (self._event_ndims + 1))
            place = choice.reshape(shape).expand((*choice.shape, 1, *self._event_shape))
            return torch.gather(draws, dim, place).squeeze(dim)

    def __repr__(self) -> str:
        return f"MixtureSameFamily(\n  {self._mixture_distribution!r},\n  {self._component_distribution!r})"
