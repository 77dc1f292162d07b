"""torch.distributions: densities, draws, entropies and divergences of random tensors.

Draws come from the default generator in PyTorch's order, so that a seeded program sees PyTorch's numbers.
"""

import sys
from types import ModuleType

from alight.distributions import constraints, kl_pairs, transforms
from alight.distributions.composite import (
    Independent,
    LogNormal,
    MixtureSameFamily,
    TransformedDistribution,
)
from alight.distributions.constraint_registry import biject_to, transform_to
from alight.distributions.discrete import (
    Bernoulli,
    Binomial,
    Categorical,
    Geometric,
    NegativeBinomial,
    Poisson,
    RelaxedBernoulli,
)
from alight.distributions.distribution import Distribution, ExponentialFamily
from alight.distributions.half_line import (
    Beta,
    Chi2,
    Dirichlet,
    Exponential,
    FisherSnedecor,
    Gamma,
    HalfNormal,
)
from alight.distributions.kl import kl_divergence, register_kl
from alight.distributions.matrices import LKJCholesky, Wishart
from alight.distributions.multivariate import LowRankMultivariateNormal, MultivariateNormal
from alight.distributions.one_hot import (
    Multinomial,
    OneHotCategorical,
    OneHotCategoricalStraightThrough,
    RelaxedOneHotCategorical,
)
from alight.distributions.real_line import Cauchy, Gumbel, Laplace, Normal, StudentT, Uniform
from alight.distributions.tails import (
    GeneralizedPareto,
    HalfCauchy,
    InverseGamma,
    Pareto,
    Weibull,
)
from alight.distributions.transforms import (
    AbsTransform,
    AffineTransform,
    CatTransform,
    ComposeTransform,
    CorrCholeskyTransform,
    CumulativeDistributionTransform,
    ExpTransform,
    IndependentTransform,
    LowerCholeskyTransform,
    PositiveDefiniteTransform,
    PowerTransform,
    ReshapeTransform,
    SigmoidTransform,
    SoftmaxTransform,
    SoftplusTransform,
    StackTransform,
    StickBreakingTransform,
    TanhTransform,
    Transform,
    identity_transform,
)
from alight.distributions.unit_interval import (
    ContinuousBernoulli,
    Kumaraswamy,
    LogisticNormal,
)
from alight.distributions.von_mises import VonMises

# PyTorch has a module for each family; `from torch.distributions import normal` and the like find this one.
_MODULES = (
    "bernoulli", "beta", "binomial", "categorical", "cauchy", "chi2", "continuous_bernoulli", "dirichlet", "distribution",
    "exp_family", "exponential", "fishersnedecor", "gamma", "generalized_pareto", "geometric", "gumbel", "half_cauchy",
    "half_normal", "independent", "inverse_gamma", "kl", "kumaraswamy", "laplace", "lkj_cholesky", "log_normal",
    "logistic_normal", "lowrank_multivariate_normal", "mixture_same_family", "multinomial", "multivariate_normal",
    "negative_binomial", "normal", "one_hot_categorical", "pareto", "poisson", "relaxed_bernoulli",
    "relaxed_categorical", "studentT", "transformed_distribution", "uniform", "weibull", "wishart",
)  # fmt: skip


def __getattr__(name: str) -> ModuleType:
    if name in _MODULES:
        return sys.modules[__name__]
    raise AttributeError(f"module 'torch.distributions' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals()} - {"ModuleType", "annotations", "sys"})
