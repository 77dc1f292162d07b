"""torch.distributions: densities, draws, entropies and divergences of random tensors.

Draws come from the default generator in PyTorch's order, so that a seeded program sees PyTorch's numbers.
"""

import sys
from types import ModuleType

from alight.distributions import constraints, transforms
from alight.distributions.composite import (
    Independent,
    LogNormal,
    MixtureSameFamily,
    TransformedDistribution,
)
from alight.distributions.discrete import (
    Bernoulli,
    Binomial,
    Categorical,
    Geometric,
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
from alight.distributions.multivariate import MultivariateNormal
from alight.distributions.one_hot import (
    Multinomial,
    OneHotCategorical,
    OneHotCategoricalStraightThrough,
    RelaxedOneHotCategorical,
)
from alight.distributions.real_line import Cauchy, Gumbel, Laplace, Normal, StudentT, Uniform
from alight.distributions.transforms import (
    AbsTransform,
    AffineTransform,
    ComposeTransform,
    ExpTransform,
    IndependentTransform,
    LowerCholeskyTransform,
    PowerTransform,
    SigmoidTransform,
    SoftmaxTransform,
    SoftplusTransform,
    TanhTransform,
    Transform,
    identity_transform,
)

# PyTorch has a module for each family; `from torch.distributions import normal` and the like find this one.
_MODULES = (
    "bernoulli", "beta", "binomial", "categorical", "cauchy", "chi2", "dirichlet", "distribution", "exponential",
    "fishersnedecor", "gamma", "geometric", "gumbel", "half_normal", "independent", "kl", "laplace", "log_normal", "mixture_same_family",
    "multinomial", "multivariate_normal", "normal", "one_hot_categorical", "poisson", "relaxed_bernoulli",
    "relaxed_categorical", "studentT", "transformed_distribution", "uniform",
)  # fmt: skip


def __getattr__(name: str) -> ModuleType:
    if name in _MODULES:
        return sys.modules[__name__]
    raise AttributeError(f"module 'torch.distributions' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals()} - {"ModuleType", "annotations", "sys"})
