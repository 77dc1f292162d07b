"""A VQ-VAE, a physics-informed network with L-BFGS, straight-through gradients, decoding, attention masks, k-means."""

import torch, torch.nn as nn, torch.nn.functional as F, numpy as np, math

torch.manual_seed(0)
torch.set_printoptions(precision=3, sci_mode=False, linewidth=100)


# VQ-VAE with straight-through, codebook EMA
class VQ(nn.Module):
    def __init__(self, K=8, D=4, beta=0.25):
        super().__init__()
        self.K, self.D, self.beta = K, D, beta
        self.embedding = nn.Embedding(K, D)
        self.embedding.weight.data.uniform_(-1 / K, 1 / K)
        self.register_buffer("N", torch.zeros(K))
        self.register_buffer("m", self.embedding.weight.data.clone())

    def forward(self, z):
        z = z.permute(0, 2, 3, 1).contiguous()
        flat = z.view(-1, self.D)
        d = (
            torch.sum(flat**2, dim=1, keepdim=True)
            + torch.sum(self.embedding.weight**2, dim=1)
            - 2 * torch.matmul(flat, self.embedding.weight.t())
        )
        idx = torch.argmin(d, dim=1).unsqueeze(1)
        enc = torch.zeros(idx.shape[0], self.K)
        enc.scatter_(1, idx, 1)
        q = torch.matmul(enc, self.embedding.weight).view(z.shape)
        if self.training:
            with torch.no_grad():
                self.N.mul_(0.9).add_(enc.sum(0), alpha=0.1)
                self.m.mul_(0.9).add_(enc.t() @ flat, alpha=0.1)
        loss = F.mse_loss(q.detach(), z) * self.beta + F.mse_loss(q, z.detach())
        q = z + (q - z).detach()
        avg = enc.mean(0)
        return (
            q.permute(0, 3, 1, 2).contiguous(),
            loss,
            torch.exp(-torch.sum(avg * torch.log(avg + 1e-10))),
        )


class AE(nn.Module):
    def __init__(self):
        super().__init__()
        self.e = nn.Sequential(nn.Conv2d(1, 8, 4, 2, 1), nn.ReLU(), nn.Conv2d(8, 4, 3, 1, 1))
        self.vq = VQ()
        self.d = nn.Sequential(
            nn.ConvTranspose2d(4, 8, 4, 2, 1), nn.ReLU(), nn.Conv2d(8, 1, 3, 1, 1)
        )

    def forward(self, x):
        q, l, p = self.vq(self.e(x))
        return self.d(q), l, p


ae = AE()
o = torch.optim.Adam(ae.parameters(), 1e-2, amsgrad=False)
x = torch.rand(8, 1, 8, 8)
for i in range(5):
    r, l, p = ae(x)
    loss = F.mse_loss(r, x) / x.var() + l
    o.zero_grad()
    loss.backward()
    o.step()
    print(i, f"{loss.item():.4f} {p:.3f}")
print(ae.vq.N)
# PINN: second derivatives
net = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1))
opt = torch.optim.LBFGS(net.parameters(), lr=0.5, max_iter=5, line_search_fn="strong_wolfe")
xt = torch.rand(32, 2, requires_grad=True)


def closure():
    opt.zero_grad()
    u = net(xt)
    g = torch.autograd.grad(u, xt, torch.ones_like(u), create_graph=True)[0]
    uxx = torch.autograd.grad(g[:, 0], xt, torch.ones_like(g[:, 0]), create_graph=True)[0][:, 0]
    loss = ((g[:, 1] - 0.1 * uxx) ** 2).mean() + (
        (
            net(torch.stack([xt[:, 0].detach(), torch.zeros(32)], 1)).squeeze()
            - torch.sin(math.pi * xt[:, 0].detach())
        )
        ** 2
    ).mean()
    loss.backward()
    return loss


for i in range(3):
    print(f"{opt.step(closure).item():.4f}")


# custom autograd function & LSTM cell by hand & einops-like shuffles
class STE(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, t):
        ctx.save_for_backward(x)
        ctx.t = t
        return (x > t).float()

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * (x.abs() < 1).type_as(g), None


x = torch.tensor([-2.0, -0.5, 0.5, 2.0], requires_grad=True)
y = STE.apply(x, 0.0)
(y * torch.arange(4.0)).sum().backward()
print(y, x.grad)


class LSTMCell(nn.Module):
    def __init__(self, i, h):
        super().__init__()
        self.W = nn.Linear(i + h, 4 * h)

    def forward(self, x, s):
        h, c = s
        i, f, g, o = self.W(torch.cat([x, h], -1)).chunk(4, -1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c


cell = LSTMCell(3, 5)
s = (torch.zeros(2, 5), torch.zeros(2, 5))
seq = torch.randn(4, 2, 3)
outs = []
for t in seq:
    h, c = cell(t, s)
    s = (h, c)
    outs.append(h)
print(
    torch.stack(outs).mean(-1),
    torch.autograd.functional.jacobian(lambda x: cell(x, s)[0].sum(1), seq[0]).shape,
)
# beam search, top-p, masks, CTC-like
logits = torch.randn(3, 12)
p = F.softmax(logits / 0.7, -1)
sp, si = torch.sort(p, descending=True)
keep = sp.cumsum(-1) - sp < 0.8
sp[~keep] = 0
sp /= sp.sum(-1, keepdim=True)
print(keep.sum(-1), torch.gather(si, 1, torch.multinomial(sp, 1)).squeeze())
beams = [([0], 0.0)]
for _ in range(3):
    cand = []
    for seq_, sc in beams:
        lp = F.log_softmax(logits[seq_[-1] % 3], -1)
        v, ix = lp.topk(3)
        cand += [(seq_ + [i.item()], sc + w.item()) for w, i in zip(v, ix)]
    beams = sorted(cand, key=lambda z: z[1], reverse=True)[:2]
print([(s_, round(w, 3)) for s_, w in beams])
m = torch.triu(torch.full((4, 4), float("-inf")), diagonal=1)
mha = nn.MultiheadAttention(8, 2, batch_first=True)
q = torch.randn(2, 4, 8)
kp = torch.tensor([[False] * 4, [False, False, True, True]])
a, w = mha(q, q, q, attn_mask=m, key_padding_mask=kp.float().masked_fill(kp, -math.inf))
print(a.sum(-1), w[1, -1])
enc = nn.TransformerEncoder(
    nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True, norm_first=True),
    2,
    enable_nested_tensor=False,
)
print(enc(q, src_key_padding_mask=kp).std(), nn.Transformer.generate_square_subsequent_mask(3))
print(
    F.ctc_loss(
        torch.randn(6, 2, 5).log_softmax(2),
        torch.tensor([[1, 2], [3, 3]]),
        torch.tensor([6, 6]),
        torch.tensor([2, 2]),
    ),
    F.kl_div(p.log(), torch.full_like(p, 1 / 12), reduction="batchmean"),
    torch.nn.functional.gumbel_softmax(logits, hard=True).sum(1),
)
xs = torch.randn(40, 2)
C = xs[torch.randperm(40)[:3]].clone()
for _ in range(4):
    a = torch.cdist(xs, C).argmin(1)
    C = torch.stack([xs[a == k].mean(0) if (a == k).any() else C[k] for k in range(3)])
print(C, a.bincount(minlength=3))
U, S, V = torch.pca_lowrank(xs, q=2)
print(
    S,
    torch.linalg.svdvals(xs - xs.mean(0)),
    torch.cov(xs.T),
    torch.corrcoef(xs.T)[0, 1],
    torch.quantile(xs, torch.tensor([0.25, 0.75]), dim=0),
    torch.histc(xs, 4),
)
