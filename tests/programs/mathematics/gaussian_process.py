"""Gaussian process regression by Cholesky, hyperparameters by gradients of the likelihood; kernels; samples."""

import math

import torch

torch.manual_seed(2)
torch.set_default_dtype(torch.float64)


def rbf(a, b, lengthscale, variance):
    return variance * torch.exp(-0.5 * (a.unsqueeze(1) - b.unsqueeze(0)) ** 2 / lengthscale**2)


x = torch.linspace(0, 5, 12)
y = torch.sin(x) + 0.1 * torch.randn_like(x)
log_params = torch.zeros(3, requires_grad=True)
optimizer = torch.optim.Adam([log_params], lr=0.1)


def negative_log_likelihood():
    l, v, noise = log_params.exp()
    K = rbf(x, x, l, v) + (noise**2 + 1e-6) * torch.eye(len(x))
    L = torch.linalg.cholesky(K)
    alpha = torch.cholesky_solve(y.unsqueeze(1), L)
    return (
        0.5 * (y.unsqueeze(0) @ alpha).squeeze()
        + L.diagonal().log().sum()
        + 0.5 * len(x) * math.log(2 * math.pi),
        L,
        alpha,
    )


for step in range(6):
    optimizer.zero_grad()
    nll, L, alpha = negative_log_likelihood()
    nll.backward()
    optimizer.step()
    print(f"step {step} nll {nll.item():.5f} grad {log_params.grad.norm():.5f}")
with torch.no_grad():
    l, v, noise = log_params.exp()
    _, L, alpha = negative_log_likelihood()
    xs = torch.arange(0.0, 5.0, 1.25)
    Ks = rbf(x, xs, l, v)
    mean = Ks.t() @ alpha
    w = torch.linalg.solve_triangular(L, Ks, upper=False)
    cov = rbf(xs, xs, l, v) - w.T @ w
    print(mean.squeeze(), cov.diagonal().sqrt(), sep="\n")
    sample = mean.squeeze() + torch.linalg.cholesky(cov + 1e-6 * torch.eye(len(xs))) @ torch.randn(
        len(xs)
    )
    print(
        sample.shape,
        sample.dtype,
        torch.logdet(cov + 1e-6 * torch.eye(len(xs))),
        torch.slogdet(cov).sign,
    )

# Bayesian linear regression in closed form
Phi = torch.stack([torch.ones_like(x), x, x**2], 1)
A = torch.eye(3) + Phi.T @ Phi / 0.01
m = torch.linalg.solve(A, Phi.T @ y / 0.01)
print(m, torch.inverse(A).trace(), torch.linalg.det(A).log())

# kernel ridge, Metropolis steps
gamma = torch.cdist(x[:, None], x[:, None]).pow(2).median()
kr = (
    torch.linalg.inv(
        torch.exp(-(torch.cdist(x[:, None], x[:, None]) ** 2) / gamma) + 0.1 * torch.eye(12)
    )
    @ y
)
state, accepted = torch.zeros(2), 0
for _ in range(50):
    proposal = state + 0.5 * torch.randn(2)
    ratio = torch.exp(-0.5 * (proposal.pow(2).sum() - state.pow(2).sum()))
    if torch.rand(1) < ratio:
        state, accepted = proposal, accepted + 1
print(kr[:3], accepted, state)
