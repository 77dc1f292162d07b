"""k-means, PCA by SVD and by eigenvectors, nearest neighbours, a mixture of Gaussians by EM, t-SNE's gradients."""

import torch

torch.manual_seed(1)
centers = torch.tensor([[0.0, 0.0], [5.0, 5.0], [0.0, 5.0]])
X = torch.cat([c + torch.randn(20, 2) for c in centers])


def kmeans(x, k, iterations=10):
    c = x[::20][:k].clone()
    for _ in range(iterations):
        d = ((x[:, None, :] - c[None, :, :]) ** 2).sum(-1)
        cl = d.argmin(dim=1).long().view(-1)
        c.zero_()
        c.scatter_add_(0, cl[:, None].repeat(1, x.size(1)), x)
        ncl = torch.bincount(cl, minlength=k).type_as(c).view(k, 1)
        c /= ncl
    return cl, c


cl, c = kmeans(X, 3)
print(torch.bincount(cl), c)
print(torch.cdist(X, c).min(1).values.mean(), torch.unique(cl, return_counts=True))

data = X - X.mean(0, keepdim=True)
U, S, Vh = torch.linalg.svd(data, full_matrices=False)
cov = data.T @ data / (len(X) - 1)
values, vectors = torch.linalg.eigh(cov)
print(S, values.flip(0), torch.allclose(S**2 / (len(X) - 1), values.flip(0), atol=1e-4))
print(
    (data @ Vh.T[:, :1]).abs().sum(),
    torch.allclose(cov, torch.cov(X.T), atol=1e-5),
    torch.corrcoef(X.T)[0, 1],
)
U2, S2, V2 = torch.svd(data)
print(
    torch.dist(data, U2 @ torch.diag(S2) @ V2.t()) < 1e-3,
    torch.linalg.matrix_rank(data),
    torch.linalg.cond(cov),
)

query, bank, labels = X[:5] + 0.1, X, cl
dist, idx = torch.cdist(query, bank).topk(k=4, largest=False)
votes = labels[idx]
print(votes.mode(dim=1).values, torch.gather(labels.expand(5, -1), 1, idx)[0], dist.sum())

pi, mu, var = torch.ones(3) / 3, c.clone(), torch.ones(3, 2)
for step in range(5):
    log_prob = -0.5 * (
        ((X[:, None] - mu) ** 2 / var) + var.log() + torch.log(torch.tensor(2 * torch.pi))
    ).sum(-1)
    joint = log_prob + pi.log()
    ll = torch.logsumexp(joint, dim=1)
    r = torch.exp(joint - ll.unsqueeze(1))
    n = r.sum(0)
    mu = (r.T @ X) / n[:, None]
    var = (r.T @ X**2) / n[:, None] - mu**2 + 1e-6
    pi = n / n.sum()
    print(step, f"{ll.mean().item():.4f}")
print(pi, mu.round(decimals=2), sep="\n")

D = torch.cdist(X[:10], X[:10]) ** 2
P = torch.exp(-D).masked_fill(torch.eye(10).bool(), 0)
P = (P + P.T) / P.sum() / 2
P = P.clamp_min(1e-12)
Y = torch.randn(10, 2, requires_grad=True)
opt = torch.optim.SGD([Y], lr=1.0, momentum=0.5)
for i in range(4):
    num = 1 / (1 + torch.cdist(Y, Y, compute_mode="donot_use_mm_for_euclid_dist").pow(2))
    num = num * (1 - torch.eye(10))
    Q = (num / num.sum()).clamp_min(1e-12)
    kl = (P * (P / Q).log()).sum()
    opt.zero_grad()
    kl.backward()
    opt.step()
    print("kl %.4f" % kl)
