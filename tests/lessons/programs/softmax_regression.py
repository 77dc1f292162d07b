"""Softmax regression on small images, with accuracy counted on the way."""

import os

import numpy as np
import torch
from torch import nn

arrays = np.load(os.environ["LESSON_DATA"])
train_x = torch.tensor(arrays["train_x"], dtype=torch.float32).unsqueeze(1) / 255
train_y = torch.tensor(arrays["train_y"])
test_x = torch.from_numpy(arrays["test_x"]).float().unsqueeze(1) / 255
test_y = torch.from_numpy(arrays["test_y"])
torch.manual_seed(0)
train = torch.utils.data.DataLoader(
    torch.utils.data.TensorDataset(train_x, train_y), 256, shuffle=True
)
test = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(test_x, test_y), 256)

net = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))


def init_weights(m):
    if type(m) == nn.Linear:
        nn.init.normal_(m.weight, std=0.01)


net.apply(init_weights)
loss = nn.CrossEntropyLoss(reduction="none")
trainer = torch.optim.SGD(net.parameters(), lr=0.1)


def correct(y_hat, y):
    if len(y_hat.shape) > 1 and y_hat.shape[1] > 1:
        y_hat = y_hat.argmax(axis=1)
    cmp = y_hat.type(y.dtype) == y
    return float(cmp.type(y.dtype).sum())


def accuracy(net, batches):
    if isinstance(net, torch.nn.Module):
        net.eval()
    right = count = 0
    with torch.no_grad():
        for X, y in batches:
            right += correct(net(X), y)
            count += y.numel()
    return right / count


for epoch in range(3):
    net.train()
    total = right = count = 0.0
    for X, y in train:
        y_hat = net(X)
        l = loss(y_hat, y)
        trainer.zero_grad()
        l.mean().backward()
        trainer.step()
        total += float(l.sum())
        right += correct(y_hat, y)
        count += y.numel()
    print(
        f"epoch {epoch + 1} loss {total / count:.4f} train {right / count:.3f} test {accuracy(net, test):.3f}"
    )
