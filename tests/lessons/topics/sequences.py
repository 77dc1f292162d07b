"""Autoregression, tokens, an RNN from scratch and with nn.RNN, clipped gradients, prediction."""

import collections
import math
import random
import re

import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)
random.seed(0)
T, tau = 60, 4
time = torch.arange(1, T + 1, dtype=torch.float32)
x = torch.sin(0.01 * time) + torch.normal(0, 0.2, (T,))
features = torch.zeros((T - tau, tau))
for i in range(tau):
    features[:, i] = x[i : T - tau + i]
labels = x[tau:].reshape((-1, 1))
net = nn.Sequential(nn.Linear(tau, 10), nn.ReLU(), nn.Linear(10, 1))
trainer, loss = torch.optim.Adam(net.parameters(), 0.01), nn.MSELoss(reduction="none")
for epoch in range(3):
    for i in range(0, len(features), 16):
        trainer.zero_grad()
        l = loss(net(features[i : i + 16]), labels[i : i + 16])
        l.sum().backward()
        trainer.step()
    print(f"epoch {epoch + 1}, loss: {loss(net(features), labels).mean():f}")
onestep = net(features)
multistep = torch.zeros(T)
multistep[:40] = x[:40]
for i in range(40, T):
    multistep[i] = net(multistep[i - tau : i].reshape((1, -1)))
print(onestep[:3].reshape(-1), multistep[-3:].detach())

text = "The Time Machine, by H. G. Wells. The Time Traveller (for so it will be convenient to speak of him) was expounding a recondite matter to us."
tokens = list(re.sub("[^A-Za-z]+", " ", text).strip().lower())
counter = collections.Counter(tokens)
idx_to_token = ["<unk>"] + [t for t, _ in sorted(counter.items(), key=lambda p: p[1], reverse=True)]
token_to_idx = {t: i for i, t in enumerate(idx_to_token)}
corpus = torch.tensor([token_to_idx[t] for t in tokens])
print(list(token_to_idx.items())[:5], corpus[:10], len(corpus))
vocab_size, num_hiddens, batch_size, num_steps = len(idx_to_token), 16, 2, 5


def seq_data_iter_sequential(corpus, batch_size, num_steps):
    offset = random.randint(0, num_steps)
    num_tokens = ((len(corpus) - offset - 1) // batch_size) * batch_size
    Xs = corpus[offset : offset + num_tokens].reshape(batch_size, -1)
    Ys = corpus[offset + 1 : offset + 1 + num_tokens].reshape(batch_size, -1)
    for i in range(0, num_steps * (Xs.shape[1] // num_steps), num_steps):
        yield Xs[:, i : i + num_steps], Ys[:, i : i + num_steps]


X, W_xh = torch.normal(0, 1, (3, 1)), torch.normal(0, 1, (1, 4))
H, W_hh = torch.normal(0, 1, (3, 4)), torch.normal(0, 1, (4, 4))
print(
    torch.matmul(X, W_xh) + torch.matmul(H, W_hh),
    torch.matmul(torch.cat((X, H), 1), torch.cat((W_xh, W_hh), 0)),
)
print(F.one_hot(torch.tensor([0, 2]), 5), F.one_hot(torch.arange(10).reshape((2, 5)).T, 28).shape)


def get_params():
    def normal(shape):
        return torch.randn(size=shape) * 0.01

    params = [
        normal((vocab_size, num_hiddens)),
        normal((num_hiddens, num_hiddens)),
        torch.zeros(num_hiddens),
        normal((num_hiddens, vocab_size)),
        torch.zeros(vocab_size),
    ]
    for param in params:
        param.requires_grad_(True)
    return params


def rnn(inputs, state, params):
    W_xh, W_hh, b_h, W_hq, b_q = params
    (H,) = state
    outputs = []
    for X in inputs:
        H = torch.tanh(torch.mm(X, W_xh) + torch.mm(H, W_hh) + b_h)
        outputs.append(torch.mm(H, W_hq) + b_q)
    return torch.cat(outputs, dim=0), (H,)


def grad_clipping(params, theta):
    norm = torch.sqrt(sum(torch.sum((p.grad**2)) for p in params))
    if norm > theta:
        for param in params:
            param.grad[:] *= theta / norm
    return norm


params = get_params()
for epoch in range(2):
    state, total, count = None, 0.0, 0
    for X, Y in seq_data_iter_sequential(corpus, batch_size, num_steps):
        if state is None:
            state = (torch.zeros((batch_size, num_hiddens)),)
        else:
            for s in state:
                s.detach_()
        y = Y.T.reshape(-1)
        y_hat, state = rnn(F.one_hot(X.T, vocab_size).type(torch.float32), state, params)
        l = nn.CrossEntropyLoss()(y_hat, y.long()).mean()
        l.backward()
        norm = grad_clipping(params, 1)
        with torch.no_grad():
            for param in params:
                param -= 1.0 * param.grad
                param.grad.zero_()
        total += float(l * y.numel())
        count += y.numel()
    print(f"perplexity {math.exp(total / count):.3f} norm {norm:.4f}", state[0].shape)

rnn_layer = nn.RNN(vocab_size, num_hiddens)
state = torch.zeros((1, batch_size, num_hiddens))
Y, state_new = rnn_layer(torch.rand(size=(num_steps, batch_size, vocab_size)), state)
print(rnn_layer, state.shape, Y.shape, state_new.shape)


class RNNModel(nn.Module):
    def __init__(self, rnn_layer, vocab_size):
        super().__init__()
        self.rnn, self.vocab_size = rnn_layer, vocab_size
        self.linear = nn.Linear(rnn_layer.hidden_size, vocab_size)

    def forward(self, inputs, state):
        X = F.one_hot(inputs.T.long(), self.vocab_size).to(torch.float32)
        Y, state = self.rnn(X, state)
        return self.linear(Y.reshape((-1, Y.shape[-1]))), state

    def begin_state(self, batch_size=1):
        if not isinstance(self.rnn, nn.LSTM):
            return torch.zeros((self.rnn.num_layers, batch_size, self.rnn.hidden_size))
        return (
            torch.zeros((self.rnn.num_layers, batch_size, self.rnn.hidden_size)),
            torch.zeros((self.rnn.num_layers, batch_size, self.rnn.hidden_size)),
        )


def predict(prefix, num_preds, net):
    state = net.begin_state(batch_size=1)
    outputs = [token_to_idx[prefix[0]]]
    for y in prefix[1:]:
        _, state = net(torch.tensor([outputs[-1]]).reshape((1, 1)), state)
        outputs.append(token_to_idx[y])
    for _ in range(num_preds):
        y, state = net(torch.tensor([outputs[-1]]).reshape((1, 1)), state)
        outputs.append(int(y.argmax(dim=1).reshape(1)))
    return "".join([idx_to_token[i] for i in outputs])


for layer in (rnn_layer, nn.GRU(vocab_size, num_hiddens), nn.LSTM(vocab_size, num_hiddens)):
    model = RNNModel(layer, vocab_size)
    optimizer = torch.optim.SGD(model.parameters(), 1.0)
    for X, Y in seq_data_iter_sequential(corpus, batch_size, num_steps):
        y_hat, _ = model(X, model.begin_state(batch_size))
        l = F.cross_entropy(y_hat, Y.T.reshape(-1).long())
        optimizer.zero_grad()
        l.backward()
        optimizer.step()
    print(type(layer).__name__, f"{l:.3f}", repr(predict("time ", 5, model)))
