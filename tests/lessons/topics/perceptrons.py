"""Activation functions, an MLP from scratch and concise, polynomials, weight decay, dropout by hand."""

import math

import numpy as np
import torch
from torch import nn

torch.manual_seed(0)
np.random.seed(0)
x = torch.arange(-8.0, 8.0, 4.0, requires_grad=True)
for name in ("relu", "sigmoid", "tanh"):
    y = getattr(torch, name)(x)
    if x.grad is not None:
        x.grad.data.zero_()
    y.backward(torch.ones_like(x), retain_graph=True)
    print(name, y.detach(), x.grad)

num_inputs, num_outputs, num_hiddens = 8, 3, 16
W1 = nn.Parameter(torch.randn(num_inputs, num_hiddens, requires_grad=True) * 0.01)
b1 = nn.Parameter(torch.zeros(num_hiddens, requires_grad=True))
W2 = nn.Parameter(torch.randn(num_hiddens, num_outputs, requires_grad=True) * 0.01)
b2 = nn.Parameter(torch.zeros(num_outputs, requires_grad=True))
params = [W1, b1, W2, b2]


def relu(X):
    a = torch.zeros_like(X)
    return torch.max(X, a)


def net(X):
    X = X.reshape((-1, num_inputs))
    H = relu(X @ W1 + b1)
    return H @ W2 + b2


X, y = torch.randn(30, 2, 4), torch.randint(0, 3, (30,))
updater, loss = torch.optim.SGD(params, lr=0.5), nn.CrossEntropyLoss(reduction="none")
for _ in range(3):
    l = loss(net(X), y)
    updater.zero_grad()
    l.mean().backward()
    updater.step()
    print(f"{l.mean():.4f}")
concise = nn.Sequential(nn.Flatten(), nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))


def init_weights(m):
    if type(m) == nn.Linear:
        nn.init.normal_(m.weight, std=0.01)


concise.apply(init_weights)
print(concise, concise(X).shape)

max_degree, n_train, n_test = 6, 20, 20
true_w = np.zeros(max_degree)
true_w[0:4] = np.array([5, 1.2, -3.4, 5.6])
features = np.random.normal(size=(n_train + n_test, 1))
np.random.shuffle(features)
poly_features = np.power(features, np.arange(max_degree).reshape(1, -1))
for i in range(max_degree):
    poly_features[:, i] /= math.gamma(i + 1)
labels = np.dot(poly_features, true_w)
labels += np.random.normal(scale=0.1, size=labels.shape)
true_w, features, poly_features, labels = [
    torch.tensor(v, dtype=torch.float32) for v in [true_w, features, poly_features, labels]
]
print(features[:2], poly_features[:2, :], labels[:2])
for degree in (4, 2):
    fit = nn.Sequential(nn.Linear(degree, 1, bias=False))
    trainer = torch.optim.SGD(fit.parameters(), lr=0.05)
    for epoch in range(20):
        l = nn.MSELoss()(fit(poly_features[:n_train, :degree]), labels[:n_train].reshape(-1, 1))
        trainer.zero_grad()
        l.backward()
        trainer.step()
    print(degree, f"{l:.3f}", fit[0].weight.data.numpy().round(2))

d = 10
decay_net = nn.Sequential(nn.Linear(d, 1))
for param in decay_net.parameters():
    param.data.normal_()
trainer = torch.optim.SGD(
    [{"params": decay_net[0].weight, "weight_decay": 3}, {"params": decay_net[0].bias}], lr=0.003
)
Xd, yd = torch.randn(20, d), torch.randn(20, 1)
for _ in range(5):
    trainer.zero_grad()
    l = nn.MSELoss()(decay_net(Xd), yd)
    l.backward()
    trainer.step()
print("L2 norm of w:", decay_net[0].weight.norm().item(), trainer.param_groups[0]["weight_decay"])
l2 = lambda w: torch.sum(w.pow(2)) / 2
print(l2(torch.tensor([3.0, 4.0])))


def dropout_layer(X, dropout):
    assert 0 <= dropout <= 1
    if dropout == 1:
        return torch.zeros_like(X)
    if dropout == 0:
        return X
    mask = (torch.rand(X.shape) > dropout).float()
    return mask * X / (1.0 - dropout)


X = torch.arange(16, dtype=torch.float32).reshape((2, 8))
print(X, dropout_layer(X, 0.0), dropout_layer(X, 0.5), dropout_layer(X, 1.0))
M = torch.normal(0, 1, size=(4, 4))
for _ in range(10):
    M = torch.mm(M, torch.normal(0, 1, size=(4, 4)))
print(M)
