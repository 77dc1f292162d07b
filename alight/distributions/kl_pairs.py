"""More Kullback-Leibler divergences: of equal types, and of two types by the moments of the first.

KL(p || q) is the expectation of -log q under p, less the entropy of p. For most q that needs few expectations:
of x, x², log x, exp(-x / s).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import alight as torch
from alight.distributions.composite import TransformedDistribution
from alight.distributions.discrete import Bernoulli, Binomial, Geometric, Poisson
from alight.distributions.half_line import Beta, Exponential, Gamma, HalfNormal
from alight.distributions.kl import kl_divergence, register_kl
from alight.distributions.multivariate import LowRankMultivariateNormal, MultivariateNormal
from alight.distributions.real_line import EULER, Cauchy, Gumbel, Laplace, Normal, Uniform
from alight.distributions.tails import Pareto
from alight.distributions.unit_interval import ContinuousBernoulli

Tensor = torch.Tensor

# -- of one type -------------------------------------------------------------------------------------------------------


@register_kl(Binomial, Binomial)
def _binomial(p: Any, q: Any) -> Tensor:
    if (p.total_count < q.total_count).any():
        raise NotImplementedError(
            "KL between Binomials where q.total_count > p.total_count is not implemented"
        )
    odds = p.probs * (p.logits - q.logits)
    found = p.total_count * (odds + torch.log1p(-p.probs) - torch.log1p(-q.probs))
    return torch.where(p.total_count > q.total_count, math.inf, found)


@register_kl(Geometric, Geometric)
def _geometric(p: Any, q: Any) -> Tensor:
    return -p.entropy() - torch.log1p(-q.probs) / p.probs - q.logits


@register_kl(Gumbel, Gumbel)
def _gumbel(p: Any, q: Any) -> Tensor:
    ratio, away = p.scale / q.scale, (p.loc - q.loc) / q.scale
    growth = torch.exp((1 + ratio).lgamma() - away)
    return away - ratio.log() + ratio * EULER + growth - (1 + EULER)


@register_kl(HalfNormal, HalfNormal)
def _half_normal(p: Any, q: Any) -> Tensor:
    return kl_divergence(p._normal(), q._normal())


@register_kl(Cauchy, Cauchy)
def _cauchy(p: Any, q: Any) -> Tensor:
    around = ((p.scale + q.scale).pow(2) + (p.loc - q.loc).pow(2)).log()
    return around - (4 * p.scale * q.scale).log()


@register_kl(Pareto, Pareto)
def _pareto(p: Any, q: Any) -> Tensor:
    ratio = q.alpha / p.alpha
    found = q.alpha * (p.scale / q.scale).log() - ratio.log() + ratio - 1
    return torch.where(p.scale < q.scale, math.inf, found)


@register_kl(ContinuousBernoulli, ContinuousBernoulli)
def _continuous_bernoulli(p: Any, q: Any) -> Tensor:
    norms = p._log_norm() + torch.log1p(-p.probs) - q._log_norm() - torch.log1p(-q.probs)
    return p.mean * (p.logits - q.logits) + norms


@register_kl(TransformedDistribution, TransformedDistribution)
def _transformed(p: Any, q: Any) -> Tensor:
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise NotImplementedError
    return kl_divergence(p.base_dist, q.base_dist)


def _normal_vectors(p: Any, q: Any) -> Tensor:
    if p.event_shape != q.event_shape:
        raise ValueError(
            f"KL-divergence between two {_spoken(p, q)} with different event shapes cannot be computed"
        )
    precision = q.precision_matrix
    away = (p.loc - q.loc).unsqueeze(-1)
    distance = (away * (precision @ away)).sum((-2, -1))
    spread = (precision * p.covariance_matrix).sum((-2, -1))
    log_dets = q._half_log_det() - p._half_log_det()
    return log_dets + 0.5 * (spread + distance - p.event_shape[0])


def _spoken(p: Any, q: Any) -> str:
    both = isinstance(p, LowRankMultivariateNormal) and isinstance(q, LowRankMultivariateNormal)
    return "Low Rank Multivariate Normals" if both else "(Low Rank) Multivariate Normals"


register_kl(LowRankMultivariateNormal, LowRankMultivariateNormal)(_normal_vectors)
register_kl(LowRankMultivariateNormal, MultivariateNormal)(_normal_vectors)
register_kl(MultivariateNormal, LowRankMultivariateNormal)(_normal_vectors)

# -- by moments --------------------------------------------------------------------------------------------------------


def _of_logarithm(p: Any) -> Tensor:
    """The expectation of log x."""
    if isinstance(p, Beta):
        a = p.concentration1
        return a.digamma() - (a + p.concentration0).digamma()
    if isinstance(p, Exponential):
        return -p.rate.log() - EULER
    if isinstance(p, Pareto):
        return p.scale.log() + p.alpha.reciprocal()
    return _of_logarithm_between(p.low, p.high)


def _of_logarithm_between(low: Tensor, high: Tensor) -> Tensor:
    width = high - low
    return (torch.xlogy(high, high) - torch.xlogy(low, low) - width) / width


def _of_decay(p: Any, s: Tensor) -> Tensor:
    """The expectation of exp(-x / s)."""
    if isinstance(p, Exponential):
        return p.rate * s / (p.rate * s + 1)
    if isinstance(p, Gamma):
        return (1 + (p.rate * s).reciprocal()).pow(-p.concentration)
    if isinstance(p, Normal):
        return torch.exp(-p.loc / s + 0.5 * (p.scale / s).pow(2))
    return s * (torch.exp(-p.low / s) - torch.exp(-p.high / s)) / (p.high - p.low)


def _to_exponential(p: Any, q: Any) -> Tensor:
    return -p.entropy() - q.rate.log() + q.rate * p.mean


def _to_gamma(p: Any, q: Any) -> Tensor:
    a = q.concentration
    norm = a.lgamma() - a * q.rate.log()
    return -p.entropy() + norm - (a - 1) * _of_logarithm(p) + q.rate * p.mean


def _to_normal(p: Any, q: Any) -> Tensor:
    variance = q.scale.pow(2)
    spread = p.variance + (p.mean - q.loc).pow(2)
    return -p.entropy() + 0.5 * (2 * math.pi * variance).log() + spread / (2 * variance)


def _to_gumbel(p: Any, q: Any) -> Tensor:
    s, shift = q.scale, q.loc / q.scale
    return -p.entropy() + s.log() + p.mean / s - shift + torch.exp(shift) * _of_decay(p, s)


def _to_continuous_bernoulli(p: Any, q: Any) -> Tensor:
    return -p.entropy() - p.mean * q.logits - torch.log1p(-q.probs) - q._log_norm()


_MOMENTS: tuple[tuple[Callable[[Any, Any], Tensor], type, tuple[type, ...]], ...] = (
    (_to_exponential, Exponential, (Beta, ContinuousBernoulli, Gamma, Pareto)),
    (_to_gamma, Gamma, (Beta, Exponential, Pareto)),
    (
        _to_normal,
        Normal,
        (Beta, ContinuousBernoulli, Exponential, Gamma, Gumbel, Laplace, Pareto, Uniform),
    ),
    (_to_gumbel, Gumbel, (Exponential, Gamma, Normal, Uniform)),
    (_to_continuous_bernoulli, ContinuousBernoulli, (Beta,)),
)
for _rule, _to, _types in _MOMENTS:
    for _type in _types:
        register_kl(_type, _to)(_rule)


@register_kl(Bernoulli, Poisson)
def _bernoulli_poisson(p: Any, q: Any) -> Tensor:
    return -p.entropy() - (p.probs * q.rate.log() - q.rate)


@register_kl(Normal, Laplace)
def _normal_laplace(p: Any, q: Any) -> Tensor:
    away = p.loc - q.loc
    turned = away / p.scale
    bell = math.sqrt(2 / math.pi) * p.scale * torch.exp(-0.5 * turned.pow(2))
    distance = bell + away * torch.erf(math.sqrt(0.5) * turned)  # the expectation of |x - q.loc|
    return -p.entropy() + (2 * q.scale).log() + distance / q.scale


# -- where q has no density at some of p's values ----------------------------------------------------------------------


def _infinite(p: Any, q: Any) -> Tensor:
    like = next(getattr(p, name) for name in ("probs", *p.arg_constraints) if hasattr(p, name))
    return torch.full_like(like, math.inf)


_POSITIVE = (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto)
_WIDER: dict[type, tuple[type, ...]] = {
    Beta: (Pareto,),
    ContinuousBernoulli: (Pareto,),
    Exponential: (Beta, ContinuousBernoulli, Pareto, Uniform),
    Gamma: (Beta, ContinuousBernoulli, Pareto, Uniform),
    Gumbel: (*_POSITIVE, Uniform),
    Laplace: (*_POSITIVE, Uniform),
    Normal: (*_POSITIVE, Uniform),
    Pareto: (Beta, ContinuousBernoulli, Uniform),
    Poisson: (Bernoulli, Binomial),
}
for _type, _types in _WIDER.items():
    for _to in _types:
        register_kl(_type, _to)(_infinite)


@register_kl(Beta, Uniform)
def _beta_uniform(p: Any, q: Any) -> Tensor:
    found = -p.entropy() + (q.high - q.low).log()
    return torch.where((q.low > 0) | (q.high < 1), math.inf, found)


@register_kl(ContinuousBernoulli, Uniform)
def _continuous_bernoulli_uniform(p: Any, q: Any) -> Tensor:
    found = -p.entropy() + (q.high - q.low).log()
    return torch.where((q.low >= 0) | (q.high <= 1), math.inf, found)  # equal: as PyTorch has it


@register_kl(Uniform, ContinuousBernoulli)
def _uniform_continuous_bernoulli(p: Any, q: Any) -> Tensor:
    outside = (p.high >= 1) | (p.low <= 0)  # equal: as PyTorch has it
    return torch.where(outside, math.inf, _to_continuous_bernoulli(p, q))


@register_kl(Uniform, Beta)
def _uniform_beta(p: Any, q: Any) -> Tensor:
    a, b = q.concentration1, q.concentration0
    one = (a - 1) * _of_logarithm(p)
    rest = (b - 1) * _of_logarithm_between(1 - p.high, 1 - p.low)
    norm = a.lgamma() + b.lgamma() - (a + b).lgamma()
    return torch.where((p.high > 1) | (p.low < 0), math.inf, -p.entropy() + norm - one - rest)


@register_kl(Uniform, Exponential)
def _uniform_exponential(p: Any, q: Any) -> Tensor:
    return torch.where(p.low < 0, math.inf, _to_exponential(p, q))


@register_kl(Uniform, Gamma)
def _uniform_gamma(p: Any, q: Any) -> Tensor:
    return torch.where(p.low < 0, math.inf, _to_gamma(p, q))


@register_kl(Uniform, Pareto)
def _uniform_pareto(p: Any, q: Any) -> Tensor:
    norm = q.alpha.log() + q.alpha * q.scale.log()
    found = -p.entropy() - norm + (q.alpha + 1) * _of_logarithm(p)
    return torch.where(p.low < q.scale, math.inf, found)
