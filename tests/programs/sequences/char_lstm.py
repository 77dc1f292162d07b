"""LSTMs: stacked, bidirectional, batch first, packed sequences, cells in a loop, a language model with repackaged state."""

import torch
import torch.nn as nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

torch.manual_seed(2)


class Tagger(nn.Module):
    def __init__(self, vocab, embed, hidden, tags):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed, padding_idx=0)
        self.lstm = nn.LSTM(
            embed, hidden, num_layers=2, bidirectional=True, batch_first=True, dropout=0.0
        )
        self.hidden2tag = nn.Linear(2 * hidden, tags)

    def forward(self, sentences, lengths):
        packed = pack_padded_sequence(
            self.embedding(sentences), lengths, batch_first=True, enforce_sorted=False
        )
        out, (h, c) = self.lstm(packed)
        out, out_lengths = pad_packed_sequence(out, batch_first=True)
        return self.hidden2tag(out), h


sentences = [torch.randint(1, 10, (n,)) for n in (5, 3, 6)]
lengths = torch.tensor([len(s) for s in sentences])
batch = pad_sequence(sentences, batch_first=True)
tags = batch % 3
tags[batch == 0] = -100
model = Tagger(10, 6, 8, 3)
criterion = nn.CrossEntropyLoss(ignore_index=-100)
opt = torch.optim.Adam(model.parameters(), lr=0.05)
for i in range(4):
    scores, h = model(batch, lengths)
    loss = criterion(scores.view(-1, 3), tags.view(-1))
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(i, f"{loss.item():.4f}", tuple(scores.shape), tuple(h.shape))
print(model.embedding.weight.grad[0].abs().sum(), batch)
model.eval()
print(model(batch, lengths)[0].argmax(-1)[batch > 0])


def repackage_hidden(h):
    """Wraps hidden states in new Tensors, to detach them from their history."""
    if isinstance(h, torch.Tensor):
        return h.detach()
    return tuple(repackage_hidden(v) for v in h)


class RNNModel(nn.Module):
    def __init__(self, ntoken, ninp, nhid, nlayers, tie_weights=True):
        super().__init__()
        self.drop = nn.Dropout(0.0)
        self.encoder = nn.Embedding(ntoken, ninp)
        self.rnn = getattr(nn, "LSTM")(ninp, nhid, nlayers, dropout=0.0)
        self.decoder = nn.Linear(nhid, ntoken)
        if tie_weights:
            self.decoder.weight = self.encoder.weight
        nn.init.uniform_(self.encoder.weight, -0.1, 0.1)
        nn.init.zeros_(self.decoder.bias)
        self.nhid, self.nlayers = nhid, nlayers

    def forward(self, input, hidden):
        emb = self.drop(self.encoder(input))
        output, hidden = self.rnn(emb, hidden)
        decoded = self.decoder(self.drop(output)).view(-1, self.decoder.out_features)
        return nn.functional.log_softmax(decoded, dim=1), hidden

    def init_hidden(self, bsz):
        weight = next(self.parameters())
        return (
            weight.new_zeros(self.nlayers, bsz, self.nhid),
            weight.new_zeros(self.nlayers, bsz, self.nhid),
        )


def batchify(data, bsz):
    nbatch = data.size(0) // bsz
    data = data.narrow(0, 0, nbatch * bsz)
    return data.view(bsz, -1).t().contiguous()


data = batchify(torch.arange(60) * 7 % 11, 4)
model, lr = RNNModel(11, 8, 8, 2), 2.0
hidden = model.init_hidden(4)
for i in range(0, data.size(0) - 1, 5):
    seq_len = min(5, len(data) - 1 - i)
    x, target = data[i : i + seq_len], data[i + 1 : i + 1 + seq_len].view(-1)
    model.zero_grad()
    hidden = repackage_hidden(hidden)
    output, hidden = model(x, hidden)
    loss = nn.NLLLoss()(output, target)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 0.25)
    for p in model.parameters():
        p.data.add_(p.grad, alpha=-lr)
    print("| {:3d} | loss {:5.3f} | ppl {:8.2f}".format(i, loss.item(), 2.718281828 ** loss.item()))
print(
    len(list(model.parameters())),
    model.decoder.weight is model.encoder.weight,
    [k for k in model.state_dict()],
)

cell, gru = nn.LSTMCell(3, 5), nn.GRUCell(5, 4)
h, c, g = torch.zeros(2, 5), torch.zeros(2, 5), torch.zeros(2, 4)
outputs = []
for x in torch.linspace(-1, 1, 24).view(4, 2, 3):
    h, c = cell(x, (h, c))
    g = gru(h, g)
    outputs += [g]
out = torch.stack(outputs, 1)
out.pow(2).sum().backward()
print(out[:, -1], cell.weight_ih.grad.norm(), gru.bias_hh.grad)

# the sine wave: LSTM for a time series
series = torch.sin(torch.arange(0, 20, 0.5))
windows = series.unfold(0, 6, 1)
X, y = windows[:, :5].unsqueeze(-1), windows[:, 5:]
lstm, lin = nn.LSTM(1, 8, batch_first=True), nn.Linear(8, 1)
opt = torch.optim.Adam([*lstm.parameters(), *lin.parameters()], lr=0.02)
for e in range(3):
    o, (hn, cn) = lstm(X)
    l = ((lin(o[:, -1, :]) - y) ** 2).mean()
    opt.zero_grad()
    l.backward()
    opt.step()
    print("mse", round(l.item(), 4))
