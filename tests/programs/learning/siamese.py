"""Metric learning: triplets from a dataset that draws at random, batch-hard mining, weighted samplers."""

import random, numpy as np, torch, torch.nn as nn, torch.nn.functional as F
from torch.utils.data import Dataset, DataLoader, Sampler, Subset, WeightedRandomSampler

seed = 7
random.seed(seed)
np.random.seed(seed)
torch.manual_seed(seed)
torch.backends.cudnn.deterministic = True


class Pairs(Dataset):
    def __init__(self, n=60):
        self.y = np.arange(n) % 5
        c = np.random.randn(5, 10).astype(np.float32)
        self.x = (c[self.y] + 0.3 * np.random.randn(n, 10)).astype(np.float32)
        self.by = {k: np.flatnonzero(self.y == k) for k in range(5)}

    def __len__(self):
        return len(self.y)

    def __getitem__(self, i):
        y = self.y[i]
        p = np.random.choice(self.by[y])
        ny = random.choice([k for k in range(5) if k != y])
        q = np.random.choice(self.by[ny])
        return self.x[i], self.x[p], self.x[q], y


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(nn.Linear(10, 32), nn.PReLU(), nn.LayerNorm(32), nn.Linear(32, 4))

    def forward(self, x):
        return F.normalize(self.f(x), dim=1)


class PK(Sampler):
    def __init__(self, ds, p, k):
        self.ds, self.p, self.k = ds, p, k

    def __iter__(self):
        for _ in range(3):
            ks = random.sample(range(5), self.p)
            yield [
                int(i) for k in ks for i in np.random.choice(self.ds.by[k], self.k, replace=False)
            ]

    def __len__(self):
        return 3


ds = Pairs()
net = Net()
opt = torch.optim.SGD(net.parameters(), 0.05, momentum=0.9, nesterov=True)
crit = nn.TripletMarginLoss(margin=0.5, swap=True)
cos = nn.CosineEmbeddingLoss(margin=0.1)
for ep in range(3):
    tot = 0.0
    for a, p, q, y in DataLoader(ds, 16, shuffle=True, drop_last=True):
        za, zp, zq = net(a), net(p), net(q)
        l = crit(za, zp, zq) + 0.1 * cos(za, zq, -torch.ones(len(y)))
        opt.zero_grad()
        l.backward()
        opt.step()
        tot += l.item() * a.size(0)
    print(f"epoch {ep} loss {tot / len(ds):.4f} dtype {y.dtype}")


def hard(z, y, m=0.3):
    d = torch.cdist(z, z)
    same = y[:, None] == y[None, :]
    hp = (d * same.float()).max(1).values
    hn = d.masked_fill(same, float("inf")).min(1)[0]
    return F.softplus(hp - hn + m).mean(), (hp < hn).float().mean()


for b in DataLoader(ds, batch_sampler=PK(ds, 3, 4)):
    l, acc = hard(net(b[0]), b[3])
    opt.zero_grad()
    l.backward()
    opt.step()
    print(f"{l:.4f} {acc:.2f}")
z = net(torch.from_numpy(ds.x))
s = z @ z.t()
s.fill_diagonal_(-1) if not s.requires_grad else s.detach().fill_diagonal_(-1)
logits = z @ z.detach().T / 0.1
lab = torch.arange(len(z))
print(F.cross_entropy(logits, lab).item(), s.detach().topk(2, dim=1).indices[:4].tolist())
w = 1.0 / torch.bincount(torch.from_numpy(ds.y)).float()
print(w, list(WeightedRandomSampler(w[ds.y], 6)))
sub = Subset(ds, range(0, 60, 7))
print(len(sub), sub[1][3], [t.shape for t in next(iter(DataLoader(sub, 4)))])
print(
    torch.nn.functional.pairwise_distance(z[:3], z[3:6]),
    torch.nn.functional.cosine_similarity(z[:3], z[3:6]),
)
