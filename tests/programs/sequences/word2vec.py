"""Skip-gram with negative sampling, bag of embeddings, matrix factorisation."""

import collections
import random

import numpy as np
import torch
from torch import nn

torch.manual_seed(7)
random.seed(7)
np.random.seed(7)
sentences = [
    "the quick brown fox jumps over the lazy dog",
    "the dog sleeps",
    "a quick fox runs over a hill",
]
tokens = [s.split() for s in sentences]
counter = collections.Counter(t for s in tokens for t in s)
vocab = {w: i for i, (w, _) in enumerate(counter.most_common())}
freq = np.array([counter[w] for w in vocab]) ** 0.75
noise = torch.from_numpy(freq / freq.sum())


class SkipGram(nn.Module):
    def __init__(self, n_vocab, n_embed):
        super().__init__()
        self.in_embed = nn.Embedding(n_vocab, n_embed)
        self.out_embed = nn.Embedding(n_vocab, n_embed)
        self.in_embed.weight.data.uniform_(-1, 1)
        self.out_embed.weight.data.uniform_(-1, 1)

    def forward(self, center, context, negative):
        v = self.in_embed(center).unsqueeze(2)
        u = self.out_embed(context).unsqueeze(1)
        n = self.out_embed(negative).neg()
        pos = torch.bmm(u, v).squeeze().sigmoid().log()
        neg = torch.bmm(n, v).squeeze(2).sigmoid().log().sum(1)
        return -(pos + neg).mean()


pairs = [
    (vocab[s[i]], vocab[s[j]])
    for s in tokens
    for i in range(len(s))
    for j in range(max(0, i - 2), min(len(s), i + 3))
    if i != j
]
random.shuffle(pairs)
model = SkipGram(len(vocab), 8)
optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
for step in range(4):
    batch = torch.LongTensor(pairs[step * 8 : step * 8 + 8])
    center, context = batch[:, 0], batch[:, 1]
    negative = torch.multinomial(noise, 8 * 5, replacement=True).view(8, 5)
    loss = model(center, context, negative)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(step, round(loss.item(), 4))
weights = model.in_embed.weight.data
similarity = torch.cosine_similarity(weights[vocab["fox"]], weights, dim=-1)
values, indices = similarity.topk(3)
print([list(vocab)[i] for i in indices], values)

bag = nn.EmbeddingBag(len(vocab), 4, mode="mean")
text = torch.cat([torch.tensor([vocab[w] for w in s]) for s in tokens])
offsets = torch.tensor([0] + [len(s) for s in tokens[:-1]]).cumsum(dim=0)
out = bag(text, offsets)
out.sum().backward()
print(out.shape, f"{out.norm():.4f} {bag.weight.grad.sum():.4f}")


class MF(nn.Module):
    def __init__(self, num_users, num_items, k=3):
        super(MF, self).__init__()
        self.P, self.Q = nn.Embedding(num_users, k), nn.Embedding(num_items, k)
        self.user_bias, self.item_bias = nn.Embedding(num_users, 1), nn.Embedding(num_items, 1)
        nn.init.normal_(self.P.weight, std=0.01)

    def forward(self, user_id, item_id):
        outputs = (
            (self.P(user_id) * self.Q(item_id)).sum(dim=1)
            + self.user_bias(user_id).squeeze()
            + self.item_bias(item_id).squeeze()
        )
        return outputs.flatten()


ratings = torch.randint(1, 6, (6, 5)).float()
users, items = torch.nonzero(ratings > 0, as_tuple=True)
mf = MF(6, 5)
opt = torch.optim.SGD(mf.parameters(), lr=0.5, weight_decay=1e-3)
for epoch in range(3):
    total = 0.0
    for i in range(0, len(users), 10):
        l = (
            (
                mf(users[i : i + 10], items[i : i + 10])
                - ratings[users[i : i + 10], items[i : i + 10]]
            )
            ** 2
        ).mean()
        opt.zero_grad()
        l.backward()
        opt.step()
        total += float(l)
    print("rmse %.4f" % (total / 3) ** 0.5)
