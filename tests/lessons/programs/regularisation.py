"""Polynomial fits, weight decay, dropout, K folds, initialisation and gradients that vanish."""

import math

import numpy as np
import torch
from d2l import torch as d2l
from torch import nn

torch.manual_seed(0)
np.random.seed(0)
max_degree, n_train, n_test = 20, 50, 50
true_w = np.zeros(max_degree)
true_w[0:4] = np.array([5, 1.2, -3.4, 5.6])
features = np.random.normal(size=(n_train + n_test, 1))
poly_features = np.power(features, np.arange(max_degree).reshape(1, -1))
for i in range(max_degree):
    poly_features[:, i] /= math.gamma(i + 1)
labels = np.dot(poly_features, true_w) + np.random.normal(scale=0.1, size=n_train + n_test)
true_w, features, poly_features, labels = [
    torch.tensor(x, dtype=torch.float32) for x in [true_w, features, poly_features, labels]
]
print(features[:2], poly_features[:2, :4], labels[:2])
loss = nn.MSELoss(reduction="none")
net = nn.Sequential(nn.Linear(4, 1, bias=False))
train_iter = d2l.load_array((poly_features[:n_train, :4], labels[:n_train].reshape(-1, 1)), 10)
test_iter = d2l.load_array(
    (poly_features[n_train:, :4], labels[n_train:].reshape(-1, 1)), 10, is_train=False
)
trainer = torch.optim.SGD(net.parameters(), lr=0.01)
for epoch in range(60):
    d2l.train_epoch_ch3(net, train_iter, loss, trainer)
    if epoch % 20 == 19:
        print(d2l.evaluate_loss(net, train_iter, loss), d2l.evaluate_loss(net, test_iter, loss))
print("weight:", net[0].weight.data)

n_train, num_inputs = 20, 50
true_w, true_b = torch.ones((num_inputs, 1)) * 0.01, 0.05
train_iter = d2l.load_array(d2l.synthetic_data(true_w, true_b, n_train), 5)


def l2_penalty(w):
    return torch.sum(w.pow(2)) / 2


for lambd in (0, 3):
    w = torch.normal(0, 1, size=(num_inputs, 1), requires_grad=True)
    b = torch.zeros(1, requires_grad=True)
    for _ in range(20):
        for X, y in train_iter:
            l = d2l.squared_loss(d2l.linreg(X, w, b), y) + lambd * l2_penalty(w)
            l.sum().backward()
            d2l.sgd([w, b], 0.003, 5)
    print("L2 norm of w:", torch.norm(w).item())
net = nn.Sequential(nn.Linear(num_inputs, 1))
for param in net.parameters():
    param.data.normal_()
trainer = torch.optim.SGD(
    [{"params": net[0].weight, "weight_decay": 3}, {"params": net[0].bias}], lr=0.003
)
for _ in range(20):
    for X, y in train_iter:
        trainer.zero_grad()
        l = loss(net(X), y)
        l.mean().backward()
        trainer.step()
print(net[0].weight.norm().item(), trainer)


def dropout_layer(X, dropout):
    assert 0 <= dropout <= 1
    if dropout == 1:
        return torch.zeros_like(X)
    if dropout == 0:
        return X
    mask = (torch.rand(X.shape) > dropout).float()
    return mask * X / (1.0 - dropout)


X = torch.arange(16, dtype=torch.float32).reshape((2, 8))
print(dropout_layer(X, 0.0), dropout_layer(X, 0.5), dropout_layer(X, 1.0))
drop = nn.Dropout(0.5)
print(drop.eval()(X).sum(), drop)

M = torch.normal(0, 1, size=(4, 4))
for _ in range(100):
    M = torch.mm(M, torch.normal(0, 1, size=(4, 4)))
print(torch.isfinite(M).all(), M.abs().max() > 1e10)
x = torch.arange(-8.0, 8.0, 0.1, requires_grad=True)
y = torch.sigmoid(x)
y.backward(torch.ones_like(x))
d2l.plot(
    x.detach().numpy(),
    [y.detach().numpy(), x.grad.numpy()],
    legend=["sigmoid", "gradient"],
    figsize=(4.5, 2.5),
)
print(x.grad.max(), x.grad[0])


def get_k_fold_data(k, i, X, y):
    fold_size = X.shape[0] // k
    X_train, y_train = None, None
    for j in range(k):
        idx = slice(j * fold_size, (j + 1) * fold_size)
        X_part, y_part = X[idx, :], y[idx]
        if j == i:
            X_valid, y_valid = X_part, y_part
        elif X_train is None:
            X_train, y_train = X_part, y_part
        else:
            X_train, y_train = torch.cat([X_train, X_part], 0), torch.cat([y_train, y_part], 0)
    return X_train, y_train, X_valid, y_valid


def log_rmse(net, features, labels):
    clipped_preds = torch.clamp(net(features), 1, float("inf"))
    return torch.sqrt(nn.MSELoss()(torch.log(clipped_preds), torch.log(labels))).item()


features, labels = torch.rand(40, 6), torch.rand(40, 1) * 100 + 50
for i in range(4):
    X_train, y_train, X_valid, y_valid = get_k_fold_data(4, i, features, labels)
    net = nn.Sequential(nn.Linear(6, 1))
    optimizer = torch.optim.Adam(net.parameters(), lr=5, weight_decay=0.01)
    for _ in range(10):
        for X, y in d2l.load_array((X_train, y_train), 10):
            optimizer.zero_grad()
            nn.MSELoss()(net(X), y).backward()
            optimizer.step()
    print(
        f"fold {i + 1}, train log rmse {log_rmse(net, X_train, y_train):f}, valid log rmse {log_rmse(net, X_valid, y_valid):f}"
    )
