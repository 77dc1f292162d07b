"""Discrete choices: mixture of experts, vector quantisation, Gumbel softmax, selective scans, memory."""

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(12)


class MoE(nn.Module):
    def __init__(self, dim, experts=4, k=2):
        super().__init__()
        self.gate = nn.Linear(dim, experts, bias=False)
        self.experts = nn.ModuleList(
            [
                nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))
                for _ in range(experts)
            ]
        )
        self.k = k

    def forward(self, x):
        shape = x.shape
        x = x.view(-1, shape[-1])
        logits = self.gate(x)
        weights, selected = torch.topk(logits, self.k)
        weights = F.softmax(weights, dim=1, dtype=torch.float).to(x.dtype)
        results = torch.zeros_like(x)
        for i, expert in enumerate(self.experts):
            batch_idx, nth_expert = torch.where(selected == i)
            if batch_idx.numel() == 0:
                continue
            results[batch_idx] += weights[batch_idx, nth_expert, None] * expert(x[batch_idx])
        load = F.one_hot(selected, len(self.experts)).float().mean((0, 1))
        importance = logits.softmax(-1).mean(0)
        return results.view(shape), (load * importance).sum() * len(self.experts)


moe, head = MoE(8), nn.Linear(8, 3)
opt = torch.optim.Adam([*moe.parameters(), *head.parameters()], lr=1e-2)
x, y = torch.randn(4, 5, 8), torch.randint(0, 3, (4, 5))
for step in range(3):
    out, aux = moe(x)
    loss = F.cross_entropy(head(out).permute(0, 2, 1), y) + 0.01 * aux
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(f"moe {loss.item():.4f} aux {aux.item():.4f}")


class VectorQuantizer(nn.Module):
    def __init__(self, num_embeddings, embedding_dim, commitment_cost):
        super().__init__()
        self.embedding = nn.Embedding(num_embeddings, embedding_dim)
        self.embedding.weight.data.uniform_(-1 / num_embeddings, 1 / num_embeddings)
        self.n, self.d, self.commitment_cost = num_embeddings, embedding_dim, commitment_cost

    def forward(self, inputs):
        inputs = inputs.permute(0, 2, 3, 1).contiguous()
        flat = inputs.view(-1, self.d)
        distances = (
            torch.sum(flat**2, dim=1, keepdim=True)
            + torch.sum(self.embedding.weight**2, dim=1)
            - 2 * torch.matmul(flat, self.embedding.weight.t())
        )
        indices = torch.argmin(distances, dim=1).unsqueeze(1)
        encodings = torch.zeros(indices.shape[0], self.n, device=inputs.device)
        encodings.scatter_(1, indices, 1)
        quantized = torch.matmul(encodings, self.embedding.weight).view(inputs.shape)
        loss = F.mse_loss(quantized, inputs.detach()) + self.commitment_cost * F.mse_loss(
            quantized.detach(), inputs
        )
        quantized = inputs + (quantized - inputs).detach()
        avg = torch.mean(encodings, dim=0)
        perplexity = torch.exp(-torch.sum(avg * torch.log(avg + 1e-10)))
        return loss, quantized.permute(0, 3, 1, 2).contiguous(), perplexity


enc, vq, dec = (
    nn.Conv2d(1, 4, 4, 2, 1),
    VectorQuantizer(8, 4, 0.25),
    nn.ConvTranspose2d(4, 1, 4, 2, 1),
)
opt = torch.optim.Adam([p for m in (enc, vq, dec) for p in m.parameters()], lr=1e-2)
images = torch.rand(6, 1, 8, 8)
for step in range(3):
    vq_loss, z, perplexity = vq(enc(images))
    loss = F.mse_loss(dec(z), images) / images.var() + vq_loss
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(f"vq {loss.item():.4f} perplexity {perplexity:.3f}")

logits = torch.randn(3, 4, requires_grad=True)
soft, hard = F.gumbel_softmax(logits, tau=0.5), F.gumbel_softmax(logits, tau=1, hard=True)
(soft * torch.arange(4.0)).sum().backward(retain_graph=True)
print(soft.sum(-1), hard.sum(-1), hard.unique().tolist(), f"{logits.grad.norm():.4f}")


def selective_scan(u, delta, A, B, C):
    dA = torch.exp(delta.unsqueeze(-1) * A)
    dBu = delta.unsqueeze(-1) * B.unsqueeze(2) * u.unsqueeze(-1)
    x, ys = torch.zeros(u.shape[0], u.shape[2], A.shape[1]), []
    for i in range(u.shape[1]):
        x = dA[:, i] * x + dBu[:, i]
        ys.append(torch.einsum("bdn,bn->bd", x, C[:, i, :]))
    return torch.stack(ys, dim=1)


class SSM(nn.Module):
    def __init__(self, d=6, n=4):
        super().__init__()
        self.A_log = nn.Parameter(torch.log(torch.arange(1, n + 1).float().repeat(d, 1)))
        self.D = nn.Parameter(torch.ones(d))
        self.proj, self.dt = nn.Linear(d, 1 + 2 * n, bias=False), nn.Linear(1, d)
        self.conv = nn.Conv1d(d, d, 3, groups=d, padding=2)
        self.n = n

    def forward(self, u):
        u = F.silu(self.conv(u.transpose(1, 2))[:, :, : u.shape[1]].transpose(1, 2))
        dt, B, C = self.proj(u).split([1, self.n, self.n], dim=-1)
        return selective_scan(u, F.softplus(self.dt(dt)), -torch.exp(self.A_log), B, C) + u * self.D


ssm = SSM()
u = torch.randn(2, 7, 6)
opt = torch.optim.SGD(ssm.parameters(), lr=0.05)
for step in range(3):
    loss = (ssm(u) - u.roll(1, 1)).pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(f"ssm {loss.item():.5f}")

memory, key = torch.randn(5, 6), torch.randn(2, 6)
weights = F.softmax(10 * F.cosine_similarity(memory[None], key[:, None], dim=-1), dim=-1)
shifted = torch.stack([weights.roll(s, -1) for s in (-1, 0, 1)], -1) @ torch.tensor([0.1, 0.8, 0.1])
sharp = shifted**2 / (shifted**2).sum(-1, keepdim=True)
written = memory * (1 - sharp[0, :, None] * torch.sigmoid(key[0])) + sharp[0, :, None] * key[1]
print((sharp @ memory).shape, sharp.sum(-1), f"{written.norm():.4f}")


class Capsules(nn.Module):
    def __init__(self, n_in, d_in, n_out, d_out):
        super().__init__()
        self.W = nn.Parameter(0.1 * torch.randn(1, n_in, n_out, d_out, d_in))

    @staticmethod
    def squash(s):
        n = s.norm(dim=-1, keepdim=True)
        return n**2 / (1 + n**2) * s / (n + 1e-8)

    def forward(self, x):
        u_hat = (self.W @ x[:, :, None, :, None]).squeeze(-1)
        b = torch.zeros(*u_hat.shape[:3], 1)
        for r in range(3):
            c = F.softmax(b, dim=2)
            v = self.squash((c * u_hat).sum(dim=1))
            if r < 2:
                b = b + (u_hat.detach() * v.detach().unsqueeze(1)).sum(-1, keepdim=True)
        return v.norm(dim=-1)


caps = Capsules(6, 4, 3, 5)
lengths = caps(torch.randn(2, 6, 4))
margin = (
    (
        torch.eye(3)[[0, 2]] * F.relu(0.9 - lengths) ** 2
        + 0.5 * (1 - torch.eye(3)[[0, 2]]) * F.relu(lengths - 0.1) ** 2
    )
    .sum(1)
    .mean()
)
margin.backward()
print(f"capsules {margin.item():.5f} {caps.W.grad.norm().item():.5f}")
