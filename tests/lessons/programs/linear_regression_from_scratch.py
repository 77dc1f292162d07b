"""Linear regression from nothing but tensors and gradients."""

import random

import torch

torch.manual_seed(2)
random.seed(2)
true_w, true_b = torch.tensor([2, -3.4]), 4.2
X = torch.normal(0, 1, (200, 2))
y = (X @ true_w + true_b).reshape(-1, 1)
y += torch.normal(0, 0.01, y.shape)


def batches(size, features, labels):
    order = list(range(len(features)))
    random.shuffle(order)
    for i in range(0, len(order), size):
        some = torch.tensor(order[i : min(i + size, len(order))])
        yield features[some], labels[some]


def model(X, w, b):
    return torch.matmul(X, w) + b


def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2


def sgd(params, lr, batch_size):
    with torch.no_grad():
        for param in params:
            param -= lr * param.grad / batch_size
            param.grad.zero_()


w = torch.normal(0, 0.01, size=(2, 1), requires_grad=True)
b = torch.zeros(1, requires_grad=True)
for epoch in range(3):
    for some_x, some_y in batches(10, X, y):
        l = squared_loss(model(some_x, w, b), some_y)
        l.sum().backward()
        sgd([w, b], 0.03, 10)
    with torch.no_grad():
        train_l = squared_loss(model(X, w, b), y)
        print(f"epoch {epoch + 1}, loss {float(train_l.mean()):f}")
print(w, b)
