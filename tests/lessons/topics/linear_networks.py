"""Linear regression and softmax regression, from scratch and with nn."""

import random

import torch
from torch import nn
from torch.utils import data

torch.manual_seed(0)
random.seed(0)


def synthetic_data(w, b, num_examples):
    X = torch.normal(0, 1, (num_examples, len(w)))
    y = torch.matmul(X, w) + b
    y += torch.normal(0, 0.01, y.shape)
    return X, y.reshape((-1, 1))


true_w, true_b = torch.tensor([2, -3.4]), 4.2
features, labels = synthetic_data(true_w, true_b, 200)
print("features:", features[0], "\nlabel:", labels[0])


def data_iter(batch_size, features, labels):
    num_examples = len(features)
    indices = list(range(num_examples))
    random.shuffle(indices)
    for i in range(0, num_examples, batch_size):
        batch_indices = torch.tensor(indices[i : min(i + batch_size, num_examples)])
        yield features[batch_indices], labels[batch_indices]


w = torch.normal(0, 0.01, size=(2, 1), requires_grad=True)
b = torch.zeros(1, requires_grad=True)


def sgd(params, lr, batch_size):
    with torch.no_grad():
        for param in params:
            param -= lr * param.grad / batch_size
            param.grad.zero_()


for epoch in range(3):
    for X, y in data_iter(20, features, labels):
        l = (torch.matmul(X, w) + b - y.reshape((-1, 1))) ** 2 / 2
        l.sum().backward()
        sgd([w, b], 0.1, 20)
    with torch.no_grad():
        train_l = (torch.matmul(features, w) + b - labels) ** 2 / 2
        print(f"epoch {epoch + 1}, loss {float(train_l.mean()):f}")
print(f"error in w: {true_w - w.reshape(true_w.shape)}", w.grad.shape)

net = nn.Sequential(nn.Linear(2, 1))
net[0].weight.data.normal_(0, 0.01)
net[0].bias.data.fill_(0)
loss, trainer = nn.MSELoss(), torch.optim.SGD(net.parameters(), lr=0.03)
for epoch in range(3):
    for X, y in data.DataLoader(data.TensorDataset(features, labels), 20, shuffle=True):
        l = loss(net(X), y)
        trainer.zero_grad()
        l.backward()
        trainer.step()
    l = loss(net(features), labels)
    print(f"epoch {epoch + 1}, loss {l:f}")
print(net[0].weight.data, net[0].bias.data, trainer)


def softmax(X):
    X_exp = torch.exp(X)
    partition = X_exp.sum(1, keepdim=True)
    return X_exp / partition


X = torch.normal(0, 1, (2, 5))
X_prob = softmax(X)
print(X_prob, X_prob.sum(1))
y = torch.tensor([0, 2])
y_hat = torch.tensor([[0.1, 0.3, 0.6], [0.3, 0.2, 0.5]])
print(y_hat[[0, 1], y], -torch.log(y_hat[range(len(y_hat)), y]))
W = torch.normal(0, 0.01, size=(6, 3), requires_grad=True)
b = torch.zeros(3, requires_grad=True)
images, labels = torch.randn(60, 1, 2, 3), torch.randint(0, 3, (60,))
for epoch in range(2):
    correct = 0.0
    for i in range(0, 60, 20):
        X, y = images[i : i + 20], labels[i : i + 20]
        y_hat = softmax(torch.matmul(X.reshape((-1, W.shape[0])), W) + b)
        l = -torch.log(y_hat[range(len(y_hat)), y])
        l.sum().backward()
        sgd([W, b], 0.1, X.shape[0])
        cmp = y_hat.argmax(axis=1).type(y.dtype) == y
        correct += float(cmp.type(y.dtype).sum())
    print(epoch, f"{float(l.mean()):.4f} {correct / 60:.3f}")
