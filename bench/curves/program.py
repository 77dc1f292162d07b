"""Trains one of the notes' models: `program.py DATA.npz MODEL EPOCHS`. The last line printed is its curve, as JSON."""

import json
import sys
from time import perf_counter

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


def softmax():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))


def mlp():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))


def dropout():
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Dropout(0.2),
        nn.Linear(256, 256), nn.ReLU(), nn.Dropout(0.5), nn.Linear(256, 10),
    )  # fmt: skip


def lenet():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.Sigmoid(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Sigmoid(),
        nn.AvgPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.Sigmoid(), nn.Linear(120, 84),
        nn.Sigmoid(), nn.Linear(84, 10),
    )  # fmt: skip


class Characters(nn.Module):
    """A plain recurrent network over one-hot characters."""

    def __init__(self, letters, width=256):
        super().__init__()
        self.letters = letters
        self.rnn = nn.RNN(letters, width)
        self.linear = nn.Linear(width, letters)

    def forward(self, text):
        states, _ = self.rnn(F.one_hot(text.T, self.letters).float())
        return self.linear(states).transpose(0, 1).reshape(-1, self.letters)


IMAGES = {
    "softmax": (softmax, 0.1),
    "mlp": (mlp, 0.1),
    "dropout": (dropout, 0.5),
    "lenet": (lenet, 0.9),
}


def started(net):
    """The notes' initial values, drawn in the modules' order."""
    for module in net.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)
    return net


def epochs_of(net, optimizer, batches, evaluate, epochs, clip=None):
    """The losses of the first epoch's steps, a loss and a measure for each epoch, seconds."""
    first, curve, began = [], [], perf_counter()
    for _ in range(epochs):
        losses = []
        for x, y in batches():
            loss = F.cross_entropy(net(x), y)
            optimizer.zero_grad()
            loss.backward()
            if clip is not None:
                nn.utils.clip_grad_norm_(net.parameters(), clip)
            optimizer.step()
            losses.append(loss.detach())
        values = torch.stack(losses).tolist()
        first = first or values
        curve.append((sum(values) / len(values), evaluate(net)))
    return {"first": first, "curve": curve, "seconds": perf_counter() - began}


def images(data, name, epochs, size=256):
    """A classifier of Fashion-MNIST; the measure is accuracy over the test images."""
    x, y = (
        torch.from_numpy(data["X"]).float().unsqueeze(1) / 255,
        torch.from_numpy(data["y"]).long(),
    )
    x_test = torch.from_numpy(data["X_test"]).float().unsqueeze(1) / 255
    y_test = torch.from_numpy(data["y_test"]).long()
    made, rate = IMAGES[name]
    net = started(made())

    def batches():
        for rows in torch.randperm(len(x)).split(size):
            yield x[rows], y[rows]

    def evaluate(net):
        net.eval()
        with torch.no_grad():
            right = sum(
                (net(a).argmax(1) == b).sum().item()
                for a, b in zip(x_test.split(1000), y_test.split(1000), strict=True)
            )
        net.train()
        return right / len(y_test)

    return epochs_of(net, torch.optim.SGD(net.parameters(), rate), batches, evaluate, epochs)


def characters(data, epochs, size=32, length=35):
    """A character model of the 10 000 letters; the measure is perplexity over them."""
    text = torch.from_numpy(data["text"]).long()
    net = Characters(int(text.max()) + 1)
    pieces = text[: (len(text) - 1) // length * length].reshape(-1, length)
    follow = text[1 : pieces.numel() + 1].reshape(-1, length)

    def batches():
        for rows in torch.randperm(len(pieces)).split(size):
            yield pieces[rows], follow[rows].reshape(-1)

    def evaluate(net):
        with torch.no_grad():
            return torch.exp(F.cross_entropy(net(pieces), follow.reshape(-1))).item()

    return epochs_of(net, torch.optim.SGD(net.parameters(), 1.0), batches, evaluate, epochs, clip=1)


if __name__ == "__main__":
    data, name, epochs = np.load(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    torch.manual_seed(0)
    torch.set_num_threads(2)
    run = characters(data, epochs) if name == "rnn" else images(data, name, epochs)
    print(json.dumps(run))
