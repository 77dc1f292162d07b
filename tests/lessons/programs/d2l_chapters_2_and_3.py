"""The helper module: curves, linear regression, softmax regression, multilayer perceptrons."""

import os

import numpy as np
import torch
from d2l import torch as d2l
from torch import nn

torch.manual_seed(0)
x = d2l.arange(0, 3, 0.5)
d2l.plot(x, [3 * x**2 - 4 * x, 2 * x - 3], "x", "f(x)", legend=["f(x)", "Tangent line (x=1)"])
print(d2l.reduce_sum(x), d2l.size(x), d2l.numpy(x)[:2], d2l.reshape(x, (2, 3)).shape)

true_w, true_b = torch.tensor([2, -3.4]), 4.2
features, labels = d2l.synthetic_data(true_w, true_b, 100)
print(features[:2], labels[:2])
w = torch.normal(0, 0.01, size=(2, 1), requires_grad=True)
b = torch.zeros(1, requires_grad=True)
data_iter = d2l.load_array((features, labels), 10)
for epoch in range(3):
    for X, y in data_iter:
        d2l.squared_loss(d2l.linreg(X, w, b), y).sum().backward()
        d2l.sgd([w, b], 0.03, 10)
    with torch.no_grad():
        print(
            f"epoch {epoch + 1}, loss {float(d2l.squared_loss(d2l.linreg(features, w, b), labels).mean()):f}"
        )
print(d2l.evaluate_loss(lambda X: d2l.linreg(X, w, b), data_iter, d2l.squared_loss))

arrays = np.load(os.environ["LESSON_DATA"])


def loader(name, shuffle):
    X = torch.tensor(arrays[name + "_x"], dtype=torch.float32).unsqueeze(1) / 255
    return d2l.load_array((X, torch.tensor(arrays[name + "_y"])), 100, is_train=shuffle)


train_iter, test_iter = loader("train", True), loader("test", False)
print(d2l.accuracy(torch.tensor([[0.1, 0.3, 0.6], [0.3, 0.2, 0.5]]), torch.tensor([0, 2])) / 2)
print(d2l.get_fashion_mnist_labels(next(iter(test_iter))[1][:4]))

W = torch.normal(0, 0.01, size=(784, 10), requires_grad=True)
b = torch.zeros(10, requires_grad=True)


def net(X):
    X_exp = torch.exp(torch.matmul(X.reshape((-1, W.shape[0])), W) + b)
    return X_exp / X_exp.sum(1, keepdim=True)


def cross_entropy(y_hat, y):
    return -torch.log(y_hat[range(len(y_hat)), y])


print(d2l.evaluate_accuracy(net, test_iter))
print(d2l.train_epoch_ch3(net, train_iter, cross_entropy, lambda size: d2l.sgd([W, b], 0.1, size)))
d2l.train_ch3(net, train_iter, test_iter, cross_entropy, 4, lambda size: d2l.sgd([W, b], 0.1, size))
print(d2l.evaluate_accuracy(net, test_iter))
d2l.predict_ch3(net, test_iter)

model = nn.Sequential(nn.Flatten(), nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 10))
model.apply(lambda m: nn.init.normal_(m.weight, std=0.01) if type(m) is nn.Linear else None)
trainer = torch.optim.SGD(model.parameters(), lr=0.5)
loss = nn.CrossEntropyLoss(reduction="none")
for _ in range(4):
    print(d2l.train_epoch_ch3(model, train_iter, loss, trainer))
print(d2l.evaluate_accuracy(model, test_iter))
try:
    d2l.train_ch3(model, train_iter, test_iter, lambda y_hat, y: 50 * loss(y_hat, y), 1, trainer)
except AssertionError:
    print("did not learn")

net = nn.Sequential(nn.Linear(5, 1))
animator = d2l.Animator(xlabel="epoch", ylabel="loss", yscale="log", legend=["train", "test"])
animator.add(1, (0.5, 0.25))
animator.add(2, (0.4, None))
print(animator.X, animator.Y)
sums = d2l.Accumulator(2)
sums.add(torch.tensor(1.5), 2)
print(sums[0], sums[1], len(d2l.Timer().times), d2l.try_gpu(), d2l.try_all_gpus())
