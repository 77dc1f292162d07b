"""Gradient descent and its kin, by hand and from the library; schedules."""

import math

import torch
from d2l import torch as d2l
from torch import nn

torch.manual_seed(0)
x = 10.0
results = [x]
for _ in range(10):
    x -= 0.2 * 2 * x
    results.append(float(x))
print(f"epoch 10, x: {x:f}", results[:3])
data = torch.randn(150, 6)
data_iter = d2l.load_array((data[:, :-1], data[:, -1]), 10)


def init_momentum_states(feature_dim):
    return (torch.zeros((feature_dim, 1)), torch.zeros(1))


def sgd_momentum(params, states, hyperparams):
    for p, v in zip(params, states):  # noqa: B905
        with torch.no_grad():
            v[:] = hyperparams["momentum"] * v + p.grad
            p[:] -= hyperparams["lr"] * v
        p.grad.data.zero_()


def adagrad(params, states, hyperparams):
    eps = 1e-6
    for p, s in zip(params, states):  # noqa: B905
        with torch.no_grad():
            s[:] += torch.square(p.grad)
            p[:] -= hyperparams["lr"] * p.grad / torch.sqrt(s + eps)
        p.grad.data.zero_()


def adam(params, states, hyperparams):
    beta1, beta2, eps = 0.9, 0.999, 1e-6
    for p, (v, s) in zip(params, states):  # noqa: B905
        with torch.no_grad():
            v[:] = beta1 * v + (1 - beta1) * p.grad
            s[:] = beta2 * s + (1 - beta2) * torch.square(p.grad)
            v_bias_corr = v / (1 - beta1 ** hyperparams["t"])
            s_bias_corr = s / (1 - beta2 ** hyperparams["t"])
            p[:] -= hyperparams["lr"] * v_bias_corr / (torch.sqrt(s_bias_corr) + eps)
        p.grad.data.zero_()
    hyperparams["t"] += 1


def descend(trainer, states, hyperparams):
    torch.manual_seed(1)
    w = torch.normal(mean=0.0, std=0.01, size=(5, 1), requires_grad=True)
    b = torch.zeros((1), requires_grad=True)
    for _ in range(2):
        for X, y in data_iter:
            d2l.squared_loss(d2l.linreg(X, w, b), y).mean().backward()
            trainer([w, b], states, hyperparams)
    print(
        trainer.__name__,
        w.flatten(),
        b,
        d2l.evaluate_loss(lambda X: d2l.linreg(X, w, b), data_iter, d2l.squared_loss),
    )


descend(sgd_momentum, init_momentum_states(5), {"lr": 0.02, "momentum": 0.5})
descend(adagrad, init_momentum_states(5), {"lr": 0.1})
descend(
    adam,
    [
        init_momentum_states(5)[::-1] if False else (torch.zeros(5, 1), torch.zeros(5, 1)),
        (torch.zeros(1), torch.zeros(1)),
    ],
    {"lr": 0.01, "t": 1},
)

for optimizer, options in (
    (torch.optim.SGD, {"lr": 0.05, "momentum": 0.9, "nesterov": True}), (torch.optim.Adagrad, {"lr": 0.1}),
    (torch.optim.RMSprop, {"lr": 0.01, "alpha": 0.9}), (torch.optim.Adadelta, {"rho": 0.9}),
    (torch.optim.Adam, {"lr": 0.01}), (torch.optim.AdamW, {"lr": 0.01}),
):  # fmt: skip
    torch.manual_seed(2)
    net = nn.Sequential(nn.Linear(5, 1))
    trainer = optimizer(net.parameters(), **options)
    loss = nn.MSELoss(reduction="none")
    for X, y in data_iter:
        trainer.zero_grad()
        out = net(X)
        loss(out, y.reshape(out.shape)).mean().backward()
        trainer.step()
    print(trainer, net[0].weight)


class CosineScheduler:
    def __init__(self, max_update, base_lr=0.01, final_lr=0.0):
        self.base_lr, self.max_update, self.final_lr = base_lr, max_update, final_lr

    def __call__(self, epoch):
        if epoch > self.max_update:
            return self.final_lr
        return (
            self.final_lr
            + (self.base_lr - self.final_lr) * (1 + math.cos(math.pi * epoch / self.max_update)) / 2
        )


print([round(CosineScheduler(20, 0.3, 0.01)(t), 5) for t in range(0, 25, 5)])
net = nn.Linear(2, 1)
for make in (
    lambda t: torch.optim.lr_scheduler.MultiStepLR(t, milestones=[3, 6], gamma=0.5),
    lambda t: torch.optim.lr_scheduler.CosineAnnealingLR(t, 5),
    lambda t: torch.optim.lr_scheduler.LambdaLR(t, lambda e: 1 / (1 + e)),
    lambda t: torch.optim.lr_scheduler.ExponentialLR(t, 0.9),
):
    trainer = torch.optim.SGD(net.parameters(), lr=0.5)
    scheduler, rates = make(trainer), []
    for _ in range(7):
        trainer.step()
        scheduler.step()
        rates.append(round(scheduler.get_last_lr()[0], 5))
    print(type(scheduler).__name__, rates)
