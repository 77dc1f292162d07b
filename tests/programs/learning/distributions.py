"""torch.distributions: densities, samples from the stream, entropies, divergences, gradients through samples."""

import torch
from torch import distributions as D
from torch.distributions import (
    Bernoulli,
    Beta,
    Categorical,
    Exponential,
    Gamma,
    Laplace,
    Normal,
    Uniform,
    kl_divergence,
)
from torch.distributions.multivariate_normal import MultivariateNormal

torch.manual_seed(5)
n = Normal(torch.tensor([0.0, 1.0]), torch.tensor([1.0, 2.0]))
print(n, n.mean, n.stddev, n.variance, n.batch_shape, n.event_shape)
print(n.sample(), n.sample((2,)), n.rsample(torch.Size([1])), n.log_prob(torch.tensor([0.5, 0.5])))
print(n.cdf(torch.tensor(0.3)), n.icdf(torch.tensor(0.3)), n.entropy())
loc = torch.tensor(0.3, requires_grad=True)
scale = torch.tensor(1.2, requires_grad=True)
z = Normal(loc, scale).rsample((4,))
z.pow(2).sum().backward()
print(loc.grad, scale.grad, Normal(loc, scale).sample().requires_grad)
c = Categorical(torch.tensor([0.25, 0.25, 0.5]))
print(c, c.sample(), c.sample((5,)), c.log_prob(torch.tensor(2)), c.entropy(), c.probs, c.logits)
c2 = Categorical(logits=torch.tensor([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]]))
print(
    c2.sample(), c2.log_prob(torch.tensor([0, 1])), c2.probs, c2.mode, c2.enumerate_support().shape
)
b = Bernoulli(torch.tensor([0.3, 0.9]))
print(b.sample((3,)), b.log_prob(torch.tensor([1.0, 0.0])), b.entropy(), b.mean, b.variance)
print(Bernoulli(logits=torch.tensor(0.4)).probs)
u = Uniform(torch.tensor([0.0]), torch.tensor([5.0]))
print(u, u.sample((3,)), u.log_prob(torch.tensor([2.0])), u.entropy(), u.mean, u.variance)
print(
    kl_divergence(Normal(0.0, 1.0), Normal(1.0, 2.0)),
    kl_divergence(c2, Categorical(torch.ones(3))),
    kl_divergence(b, Bernoulli(0.5)),
)
e = Exponential(torch.tensor(2.0))
print(e.sample((2,)), e.log_prob(torch.tensor(0.5)), e.entropy())
l = Laplace(0.0, 1.0)
print(l.sample((2,)), l.log_prob(torch.tensor(0.5)), l.entropy())
g = Gamma(torch.tensor([2.0]), torch.tensor([3.0]))
print(g.log_prob(torch.tensor([0.5])), g.mean, g.variance, g.entropy())
be = Beta(torch.tensor([2.0]), torch.tensor([3.0]))
print(be.log_prob(torch.tensor([0.5])), be.mean, be.variance, be.entropy())
m = MultivariateNormal(torch.zeros(2), torch.tensor([[2.0, 0.5], [0.5, 1.0]]))
print(m.sample(), m.log_prob(torch.ones(2)), m.entropy(), m.covariance_matrix, m.event_shape)
i = D.Independent(Normal(torch.zeros(3), torch.ones(3)), 1)
print(i.batch_shape, i.event_shape, i.log_prob(torch.ones(3)), i.entropy(), i.rsample().shape)
mix = D.MixtureSameFamily(
    Categorical(torch.tensor([0.3, 0.7])),
    Normal(torch.tensor([-1.0, 1.0]), torch.tensor([0.5, 0.5])),
)
print(mix.log_prob(torch.tensor([0.0, 1.0])), mix.mean, mix.variance)
print(
    D.Poisson(torch.tensor([3.0])).log_prob(torch.tensor([2.0])),
    D.Geometric(torch.tensor([0.3])).log_prob(torch.tensor([2.0])),
)
print(
    D.OneHotCategorical(torch.tensor([0.2, 0.8])).sample((2,)).shape,
    D.Binomial(5, torch.tensor(0.4)).log_prob(torch.tensor(2.0)),
)
print(
    D.StudentT(torch.tensor(3.0)).log_prob(torch.tensor(0.4)),
    D.LogNormal(0.0, 1.0).log_prob(torch.tensor(1.5)),
    D.Cauchy(0.0, 1.0).log_prob(torch.tensor(1.5)),
)
print(
    D.Dirichlet(torch.tensor([0.5, 1.5, 2.0])).log_prob(torch.tensor([0.2, 0.3, 0.5])),
    D.HalfNormal(torch.tensor(2.0)).log_prob(torch.tensor(1.0)),
)
print(D.RelaxedOneHotCategorical(torch.tensor(0.5), logits=torch.zeros(3)).rsample().sum())
t = D.TransformedDistribution(
    Normal(torch.zeros(1), torch.ones(1)),
    [D.transforms.AffineTransform(2.0, 3.0), D.transforms.TanhTransform()],
)
print(t.log_prob(torch.tensor([0.5])))
for wrong in [
    lambda: Normal(0.0, -1.0),
    lambda: Categorical(torch.tensor([-0.5, 0.2])),
    lambda: Bernoulli(torch.tensor(1.5)),
    lambda: n.log_prob(torch.zeros(3)),
]:
    try:
        wrong()
    except (ValueError, RuntimeError) as error:
        print(type(error).__name__, str(error).splitlines()[0])
print(
    n.expand((3, 2)).sample().shape,
    isinstance(n, D.Distribution),
    issubclass(D.Normal, D.ExponentialFamily),
)
