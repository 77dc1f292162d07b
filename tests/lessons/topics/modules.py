"""Modules: of one's own, nested, their parameters, tied, lazy, initialised, custom layers, saved and loaded, on devices."""

import os
import tempfile

import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(20, 256), nn.ReLU(), nn.Linear(256, 10))
X = torch.rand(2, 20)
print(net(X).shape)


class MLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(20, 256)
        self.out = nn.Linear(256, 10)

    def forward(self, X):
        return self.out(F.relu(self.hidden(X)))


class MySequential(nn.Module):
    def __init__(self, *args):
        super().__init__()
        for idx, module in enumerate(args):
            self._modules[str(idx)] = module

    def forward(self, X):
        for block in self._modules.values():
            X = block(X)
        return X


class FixedHiddenMLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.rand_weight = torch.rand((20, 20), requires_grad=False)
        self.linear = nn.Linear(20, 20)

    def forward(self, X):
        X = self.linear(X)
        X = F.relu(torch.mm(X, self.rand_weight) + 1)
        X = self.linear(X)
        while X.abs().sum() > 1:
            X /= 2
        return X.sum()


print(MLP(), MySequential(nn.Linear(20, 5), nn.ReLU())(X).shape, FixedHiddenMLP()(X))
chimera = nn.Sequential(MLP(), nn.Linear(10, 20), FixedHiddenMLP())
print(chimera(X), chimera)
net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
X = torch.rand(size=(2, 4))
print(net(X))
print(net[2].state_dict())
print(type(net[2].bias), net[2].bias, net[2].bias.data)
print(net[2].weight.grad == None)
print(*[(name, param.shape) for name, param in net[0].named_parameters()])
print(*[(name, param.shape) for name, param in net.named_parameters()])
print(net.state_dict()["2.bias"].data)


def block1():
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 4), nn.ReLU())


def block2():
    net = nn.Sequential()
    for i in range(2):
        net.add_module(f"block {i}", block1())
    return net


rgnet = nn.Sequential(block2(), nn.Linear(4, 1))
print(rgnet(X).shape, rgnet, rgnet[0][1][0].bias.data)


def init_normal(m):
    if type(m) == nn.Linear:
        nn.init.normal_(m.weight, mean=0, std=0.01)
        nn.init.zeros_(m.bias)


def init_xavier(m):
    if type(m) == nn.Linear:
        nn.init.xavier_uniform_(m.weight)


def init_42(m):
    if type(m) == nn.Linear:
        nn.init.constant_(m.weight, 42)


def my_init(m):
    if type(m) == nn.Linear:
        print("Init", *[(name, param.shape) for name, param in m.named_parameters()][0])
        nn.init.uniform_(m.weight, -10, 10)
        m.weight.data *= m.weight.data.abs() >= 5


net.apply(init_normal)
print(net[0].weight.data[0], net[0].bias.data[0])
net[0].apply(init_xavier)
net[2].apply(init_42)
print(net[0].weight.data[0], net[2].weight.data)
net.apply(my_init)
print(net[0].weight[:2])
net[0].weight.data[:] += 1
net[0].weight.data[0, 0] = 42
print(net[0].weight.data[0])
shared = nn.Linear(8, 8)
net = nn.Sequential(
    nn.Linear(4, 8), nn.ReLU(), shared, nn.ReLU(), shared, nn.ReLU(), nn.Linear(8, 1)
)
net(X)
net[2].weight.data[0, 0] = 100
print(net[2].weight.data[0] == net[4].weight.data[0], len(list(net.parameters())))
lazy = nn.Sequential(nn.LazyLinear(256), nn.ReLU(), nn.LazyLinear(10))
print(lazy[0].weight, lazy)
lazy(X)
print(lazy[0].weight.shape, lazy)


class CenteredLayer(nn.Module):
    def forward(self, X):
        return X - X.mean()


class MyLinear(nn.Module):
    def __init__(self, in_units, units):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(in_units, units))
        self.bias = nn.Parameter(torch.randn(units))

    def forward(self, X):
        return F.relu(torch.matmul(X, self.weight.data) + self.bias.data)


print(
    CenteredLayer()(torch.FloatTensor([1, 2, 3, 4, 5])),
    MyLinear(5, 3).weight,
    MyLinear(5, 3)(torch.rand(2, 5)),
)
folder = tempfile.mkdtemp()
x, y = torch.arange(4), torch.zeros(4)
torch.save([x, y], os.path.join(folder, "x-files"))
x2, y2 = torch.load(os.path.join(folder, "x-files"))
print((x2, y2))
torch.save({"x": x, "y": y}, os.path.join(folder, "mydict"))
print(torch.load(os.path.join(folder, "mydict")))
mlp = MLP()
X = torch.randn(size=(2, 20))
Y = mlp(X)
torch.save(mlp.state_dict(), os.path.join(folder, "mlp.params"))
clone = MLP()
print(clone.load_state_dict(torch.load(os.path.join(folder, "mlp.params"))), clone.eval())
print(clone(X) == Y)


def try_gpu(i=0):
    if torch.cuda.device_count() >= i + 1:
        return torch.device(f"cuda:{i}")
    return torch.device("cpu")


def try_all_gpus():
    devices = [torch.device(f"cuda:{i}") for i in range(torch.cuda.device_count())]
    return devices if devices else [torch.device("cpu")]


print(
    torch.device("cpu"),
    torch.device("cuda"),
    torch.device("cuda:1"),
    torch.cuda.device_count(),
    try_gpu(),
    try_gpu(10),
    try_all_gpus(),
)
print(x.device, torch.ones(2, 3, device=try_gpu()), net.to(device=try_gpu())[0].weight.data.device)
for wrong in (lambda: torch.ones(1, device="cuda"), lambda: net.cuda()):
    try:
        wrong()
    except (AssertionError, RuntimeError) as error:
        print(type(error).__name__)


class NestMLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU())
        self.linear = nn.Linear(32, 16)

    def forward(self, X):
        return self.linear(self.net(X))


chimera = nn.Sequential(NestMLP(), nn.Linear(16, 20), FixedHiddenMLP())
print(chimera(X), chimera, (clone(X) == mlp(X)).all())
net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
net[2].apply(lambda m: nn.init.xavier_uniform_(m.weight) if type(m) == nn.Linear else None)
print(net[2].weight.data, MyLinear(4, 2)(torch.rand(size=(2, 4))))
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "x-file")
    torch.save(x, path)
    print(torch.load(path))
