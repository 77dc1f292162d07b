"""Sampling, frequencies, distributions."""

import torch
from torch.distributions import multinomial

torch.manual_seed(0)
fair_probs = torch.ones([6]) / 6
print(multinomial.Multinomial(1, fair_probs).sample().sum())
counts = multinomial.Multinomial(10, fair_probs).sample()
print(counts.sum(), counts.shape)
print(multinomial.Multinomial(1000, fair_probs).sample().sum() / 1000)
counts = multinomial.Multinomial(10, fair_probs).sample((500,))
cum_counts = counts.cumsum(dim=0)
estimates = cum_counts / cum_counts.sum(dim=1, keepdims=True)
print(estimates.shape, estimates.sum(dim=1)[:3], (estimates[-1] - 1 / 6).abs().max() < 0.05)
print(
    torch.rand(3),
    torch.randint(0, 10, (4,)),
    torch.randperm(5),
    torch.bernoulli(torch.full((4,), 0.5)),
)
normal = torch.distributions.Normal(torch.tensor(0.0), torch.tensor(2.0))
print(
    normal.log_prob(torch.tensor([0.0, 1.0])),
    normal.mean,
    normal.variance,
    normal.cdf(torch.tensor(1.0)),
)
print(torch.distributions.Categorical(torch.tensor([0.2, 0.8])).log_prob(torch.tensor([0, 1])))
