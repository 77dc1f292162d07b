"""Tagging sentences of different lengths: packed bidirectional LSTM, clipped gradients, weight norm, pruning at the end."""

import copy

import torch
import torch.nn.functional as F
import torch.nn.utils.prune as prune
from torch import nn
from torch.nn.utils import clip_grad_norm_, parametrizations
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence


class Tagger(nn.Module):
    def __init__(self, words, tags):
        super().__init__()
        self.embedding = nn.Embedding(words, 8, padding_idx=0)
        self.lstm = nn.LSTM(8, 16, num_layers=2, batch_first=True, bidirectional=True)
        self.head = parametrizations.weight_norm(nn.Linear(32, tags))

    def forward(self, words, lengths):
        packed = pack_padded_sequence(
            self.embedding(words), lengths, batch_first=True, enforce_sorted=False
        )
        states, (hidden, _) = self.lstm(packed)
        states, _ = pad_packed_sequence(states, batch_first=True)
        return self.head(states), hidden


torch.manual_seed(0)
model = Tagger(20, 5)
print(model)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
sentences = [torch.randint(1, 20, (length,)) for length in (5, 3, 7, 2)]
words = pad_sequence(sentences, batch_first=True)
lengths = torch.tensor([len(one) for one in sentences])
tags, mask = words % 5, words > 0
for step in range(20):
    optimizer.zero_grad()
    scores, _ = model(words, lengths)
    losses = F.cross_entropy(scores.transpose(1, 2), tags, reduction="none")
    loss = losses[mask].mean()
    loss.backward()
    norm = clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    if step % 5 == 0:
        print(f"{step} {loss.item():.3f} {norm.item():.3f}")
scores, hidden = model(words, lengths)
print(scores.argmax(-1)[mask].tolist() == tags[mask].tolist(), hidden.shape)
twin = copy.deepcopy(model)
prune.l1_unstructured(twin.lstm, "weight_hh_l0", 0.5)
print(int((twin.lstm.weight_hh_l0 == 0).sum()), list(dict(twin.lstm.named_buffers())))
print(torch.equal(model(words, lengths)[0], scores))
