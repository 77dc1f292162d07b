"""Linear regression, concise: made data, a loader, one layer, squared loss, SGD."""

import torch
from torch import nn
from torch.utils import data


def make_data(w, b, count):
    x = torch.normal(0, 1, (count, len(w)))
    y = torch.matmul(x, w) + b
    y += torch.normal(0, 0.01, y.shape)
    return x, y.reshape((-1, 1))


torch.manual_seed(1)
true_w, true_b = torch.tensor([2, -3.4]), 4.2
features, labels = make_data(true_w, true_b, 1000)
batches = data.DataLoader(data.TensorDataset(features, labels), 10, shuffle=True)
print(next(iter(batches)))

net = nn.Sequential(nn.Linear(2, 1))
net[0].weight.data.normal_(0, 0.01)
net[0].bias.data.fill_(0)
loss = nn.MSELoss()
trainer = torch.optim.SGD(net.parameters(), lr=0.03)
print(net, trainer)

for epoch in range(3):
    for X, y in batches:
        l = loss(net(X), y)
        trainer.zero_grad()
        l.backward()
        trainer.step()
    l = loss(net(features), labels)
    print(f"epoch {epoch + 1}, loss {l:f}")

w = net[0].weight.data
print("error of w:", true_w - w.reshape(true_w.shape))
print("error of b:", true_b - net[0].bias.data)
