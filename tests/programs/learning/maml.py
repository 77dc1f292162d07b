"""MAML's inner loop on sine waves: second derivatives through functional parameters; Reptile with copied states."""

from collections import OrderedDict
from copy import deepcopy

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.l1, self.l2, self.l3 = nn.Linear(1, 16), nn.Linear(16, 16), nn.Linear(16, 1)

    def forward(self, x):
        return self.l3(torch.tanh(self.l2(torch.tanh(self.l1(x)))))

    def argforward(self, x, weights):
        x = torch.tanh(F.linear(x, weights[0], weights[1]))
        x = torch.tanh(F.linear(x, weights[2], weights[3]))
        return F.linear(x, weights[4], weights[5])


def sample_task():
    amplitude, phase = torch.rand(1) * 4 + 0.1, torch.rand(1) * 3.14159

    def sample(k):
        x = torch.rand(k, 1) * 10 - 5
        return x, amplitude * torch.sin(x + phase)

    return sample


net, inner_lr, criterion = Net(), 0.05, nn.MSELoss()
weights = list(net.parameters())
meta_optimiser = torch.optim.Adam(weights, 1e-2)
for iteration in range(4):
    meta_loss = 0
    for task in [sample_task() for _ in range(3)]:
        temp_weights = [w.clone() for w in weights]
        X, y = task(8)
        for step in range(2):
            loss = criterion(net.argforward(X, temp_weights), y) / 8
            grad = torch.autograd.grad(loss, temp_weights, create_graph=True)
            temp_weights = [w - inner_lr * g for w, g in zip(temp_weights, grad)]
        X, y = task(8)
        meta_loss = meta_loss + criterion(net.argforward(X, temp_weights), y) / 8
    meta_grads = torch.autograd.grad(meta_loss / 3, weights)
    for w, g in zip(weights, meta_grads):
        w.grad = g
    meta_optimiser.step()
    print(iteration, f"{meta_loss.item() / 3:.5f}")

functional = OrderedDict((name, p) for name, p in net.named_parameters())
X, y = sample_task()(5)
from torch.func import functional_call

fast = OrderedDict(
    (n, p - 0.01 * g)
    for (n, p), g in zip(
        functional.items(),
        torch.autograd.grad(
            criterion(functional_call(net, functional, (X,)), y),
            functional.values(),
            create_graph=True,
        ),
    )
)
outer = criterion(functional_call(net, fast, (X,)), y)
outer.backward()
print("%.5f %.5f" % (outer.item(), net.l1.weight.grad.norm().item()))

state = deepcopy(net.state_dict())
for iteration in range(2):
    before = deepcopy(net.state_dict())
    opt = torch.optim.SGD(net.parameters(), lr=0.02)
    task = sample_task()
    for _ in range(3):
        x, y = task(10)
        net.zero_grad()
        loss = (net(x) - y).pow(2).mean()
        loss.backward()
        opt.step()
    after = net.state_dict()
    net.load_state_dict(
        {name: before[name] + (after[name] - before[name]) * 0.1 for name in before}
    )
    print(
        "reptile %.4f" % loss.item(),
        sum((state[k] - v).abs().sum() for k, v in net.state_dict().items()).item(),
    )
