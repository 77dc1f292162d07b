"""LeNet: convolutions, sigmoids and average pools, Xavier initialisation."""

import os

import numpy as np
import torch
from torch import nn

arrays = np.load(os.environ["LESSON_DATA"])
X = torch.tensor(arrays["train_x"], dtype=torch.float32).unsqueeze(1) / 255
y = torch.tensor(arrays["train_y"])
torch.manual_seed(0)
net = nn.Sequential(
    nn.Conv2d(1, 6, kernel_size=5, padding=2),
    nn.Sigmoid(),
    nn.AvgPool2d(kernel_size=2, stride=2),
    nn.Conv2d(6, 16, kernel_size=5),
    nn.Sigmoid(),
    nn.AvgPool2d(kernel_size=2, stride=2),
    nn.Flatten(),
    nn.Linear(16 * 5 * 5, 120),
    nn.Sigmoid(),
    nn.Linear(120, 84),
    nn.Sigmoid(),
    nn.Linear(84, 10),
)

shape = torch.rand(size=(1, 1, 28, 28), dtype=torch.float32)
for layer in net:
    shape = layer(shape)
    print(layer.__class__.__name__, "output shape: \t", shape.shape)


def init_weights(m):
    if type(m) == nn.Linear or type(m) == nn.Conv2d:
        nn.init.xavier_uniform_(m.weight)


net.apply(init_weights)
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
net.to(device)
optimizer = torch.optim.SGD(net.parameters(), lr=0.9)
loss = nn.CrossEntropyLoss()
for epoch in range(3):
    net.train()
    for i in range(0, len(X), 128):
        optimizer.zero_grad()
        a, b = X[i : i + 128].to(device), y[i : i + 128].to(device)
        l = loss(net(a), b)
        l.backward()
        optimizer.step()
    print(f"{epoch} {l.item():.4f}")
print(next(iter(net.parameters())).device, sum(p.numel() for p in net.parameters()))
