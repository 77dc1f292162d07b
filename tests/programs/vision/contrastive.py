"""SimCLR's loss, siamese and triplet losses, knowledge distillation, mixup, focal loss."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(9)
np.random.seed(9)


class ContrastiveLoss(nn.Module):
    def __init__(self, margin=2.0):
        super().__init__()
        self.margin = margin

    def forward(self, output1, output2, label):
        d = F.pairwise_distance(output1, output2, keepdim=True)
        return torch.mean(
            (1 - label) * torch.pow(d, 2)
            + label * torch.pow(torch.clamp(self.margin - d, min=0.0), 2)
        )


def nt_xent(z_i, z_j, temperature=0.5):
    n = z_i.shape[0]
    z = F.normalize(torch.cat([z_i, z_j], dim=0), dim=1)
    sim = torch.matmul(z, z.T) / temperature
    mask = ~torch.eye(2 * n, dtype=torch.bool)
    sim = sim[mask].view(2 * n, -1)
    positives = torch.cat([torch.sum(z[:n] * z[n:], dim=-1)] * 2) / temperature
    return (-positives + torch.logsumexp(sim, dim=1)).mean()


def info_nce(features, temperature=0.1):
    labels = torch.cat([torch.arange(features.shape[0] // 2) for i in range(2)], dim=0)
    labels = (labels.unsqueeze(0) == labels.unsqueeze(1)).float()
    features = F.normalize(features, dim=1)
    similarity = torch.matmul(features, features.T)
    mask = torch.eye(labels.shape[0], dtype=torch.bool)
    labels = labels[~mask].view(labels.shape[0], -1)
    similarity = similarity[~mask].view(similarity.shape[0], -1)
    positives = similarity[labels.bool()].view(labels.shape[0], -1)
    negatives = similarity[~labels.bool()].view(similarity.shape[0], -1)
    logits = torch.cat([positives, negatives], dim=1)
    return F.cross_entropy(logits / temperature, torch.zeros(logits.shape[0], dtype=torch.long))


class FocalLoss(nn.Module):
    def __init__(self, gamma=2, alpha=None):
        super().__init__()
        self.gamma, self.alpha = gamma, alpha

    def forward(self, input, target):
        target = target.view(-1, 1)
        logpt = F.log_softmax(input, dim=-1).gather(1, target).view(-1)
        pt = logpt.data.exp()
        if self.alpha is not None:
            logpt = logpt * self.alpha.type_as(input).gather(0, target.data.view(-1))
        return (-1 * (1 - pt) ** self.gamma * logpt).mean()


def smooth(target, classes, smoothing=0.1):
    with torch.no_grad():
        dist = torch.zeros(target.size(0), classes)
        dist.fill_(smoothing / (classes - 1))
        dist.scatter_(1, target.data.unsqueeze(1), 1.0 - smoothing)
    return dist


encoder = nn.Sequential(nn.Linear(10, 32), nn.BatchNorm1d(32), nn.PReLU(), nn.Linear(32, 8))
opt = torch.optim.Adam(encoder.parameters(), lr=3e-3)
x = torch.randn(12, 10)
triplet = nn.TripletMarginLoss(margin=1.0, p=2)
cosine = nn.CosineEmbeddingLoss()
for i in range(4):
    a, b = encoder(x + 0.1 * torch.randn_like(x)), encoder(x + 0.1 * torch.randn_like(x))
    label = torch.from_numpy(np.random.randint(0, 2, (12, 1))).float()
    parts = [
        nt_xent(a, b),
        info_nce(torch.cat([a, b])),
        ContrastiveLoss()(a, b.flip(0), label),
        triplet(a, b, b.roll(1, 0)),
        cosine(a, b, torch.ones(12)),
    ]
    loss = sum(parts)
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(i, " ".join(f"{p:.4f}" for p in parts))

teacher, student = nn.Linear(10, 4), nn.Linear(10, 4)
teacher.eval()
opt = torch.optim.SGD(student.parameters(), lr=0.5)
y = torch.randint(4, (12,))
T, alpha = 3.0, 0.7
for i in range(3):
    with torch.no_grad():
        soft = teacher(x)
    out = student(x)
    kd = nn.KLDivLoss(reduction="batchmean")(
        F.log_softmax(out / T, dim=1), F.softmax(soft / T, dim=1)
    ) * (alpha * T * T) + F.cross_entropy(out, y) * (1.0 - alpha)
    opt.zero_grad()
    kd.backward()
    opt.step()
    lam = np.random.beta(0.4, 0.4)
    index = torch.randperm(x.size()[0])
    mixed_x, y_a, y_b = lam * x + (1 - lam) * x[index, :], y, y[index]
    out = student(mixed_x)
    mixed = lam * F.cross_entropy(out, y_a) + (1 - lam) * F.cross_entropy(out, y_b)
    correct = (
        lam * out.argmax(1).eq(y_a.data).cpu().sum().float()
        + (1 - lam) * out.argmax(1).eq(y_b.data).cpu().sum().float()
    )
    focal = FocalLoss(alpha=torch.Tensor([0.1, 0.2, 0.3, 0.4]))(out, y)
    smoothed = -(smooth(y, 4) * F.log_softmax(out, -1)).sum(-1).mean()
    print(
        f"kd {kd.item():.4f} mixup {mixed.item():.4f} {correct:.2f} focal {focal.item():.4f} {smoothed.item():.4f}"
    )
