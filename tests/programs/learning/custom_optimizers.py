"""Subclasses of Optimizer (SGD with momentum, Adam, Lion, SAM), a scheduler of one's own, averaged weights."""

import math

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

torch.manual_seed(3)


class MySGD(Optimizer):
    def __init__(self, params, lr=0.01, momentum=0.0, weight_decay=0.0):
        if lr < 0.0:
            raise ValueError("Invalid learning rate: {}".format(lr))
        defaults = dict(lr=lr, momentum=momentum, weight_decay=weight_decay)
        super(MySGD, self).__init__(params, defaults)

    def __setstate__(self, state):
        super(MySGD, self).__setstate__(state)

    def step(self, closure=None):
        loss = None
        if closure is not None:
            loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                d_p = p.grad.data
                if group["weight_decay"] != 0:
                    d_p = d_p.add(p.data, alpha=group["weight_decay"])
                if group["momentum"] != 0:
                    state = self.state[p]
                    if "momentum_buffer" not in state:
                        buf = state["momentum_buffer"] = torch.zeros_like(p.data)
                        buf.mul_(group["momentum"]).add_(d_p)
                    else:
                        buf = state["momentum_buffer"]
                        buf.mul_(group["momentum"]).add_(d_p)
                    d_p = buf
                p.data.add_(d_p, alpha=-group["lr"])
        return loss


class MyAdam(Optimizer):
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for p in group["params"]:
                state = self.state[p]
                if len(state) == 0:
                    state["step"] = 0
                    state["exp_avg"] = torch.zeros_like(p)
                    state["exp_avg_sq"] = torch.zeros_like(p)
                state["step"] += 1
                state["exp_avg"].mul_(beta1).add_(p.grad, alpha=1 - beta1)
                state["exp_avg_sq"].mul_(beta2).addcmul_(p.grad, p.grad, value=1 - beta2)
                denom = (state["exp_avg_sq"].sqrt() / math.sqrt(1 - beta2 ** state["step"])).add_(
                    group["eps"]
                )
                p.addcdiv_(
                    state["exp_avg"], denom, value=-group["lr"] / (1 - beta1 ** state["step"])
                )


class Lion(Optimizer):
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.99), weight_decay=0.0):
        super().__init__(params, dict(lr=lr, betas=betas, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in filter(lambda p: p.grad is not None, group["params"]):
                p.mul_(1 - group["lr"] * group["weight_decay"])
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                update = (
                    m.clone()
                    .mul_(group["betas"][0])
                    .add(p.grad, alpha=1 - group["betas"][0])
                    .sign_()
                )
                p.add_(update, alpha=-group["lr"])
                m.lerp_(p.grad, 1 - group["betas"][1])


class SAM(Optimizer):
    def __init__(self, params, base_optimizer, rho=0.05, **kwargs):
        super().__init__(params, dict(rho=rho, **kwargs))
        self.base_optimizer = base_optimizer(self.param_groups, **kwargs)
        self.param_groups = self.base_optimizer.param_groups
        self.defaults.update(self.base_optimizer.defaults)

    @torch.no_grad()
    def first_step(self):
        norm = torch.norm(
            torch.stack(
                [
                    p.grad.norm(p=2)
                    for g in self.param_groups
                    for p in g["params"]
                    if p.grad is not None
                ]
            ),
            p=2,
        )
        for group in self.param_groups:
            scale = group["rho"] / (norm + 1e-12)
            for p in group["params"]:
                self.state[p]["old_p"] = p.data.clone()
                p.add_(p.grad * scale.to(p))
        self.zero_grad()

    @torch.no_grad()
    def second_step(self):
        for group in self.param_groups:
            for p in group["params"]:
                p.data = self.state[p]["old_p"]
        self.base_optimizer.step()
        self.zero_grad()


class Warmup(LRScheduler):
    def __init__(self, optimizer, warmup, last_epoch=-1):
        self.warmup = warmup
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        return [base * min(1.0, (self.last_epoch + 1) / self.warmup) for base in self.base_lrs]


x, y = torch.randn(32, 6), torch.randn(32, 2)


def net():
    torch.manual_seed(4)
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 2))


for make in [
    lambda p: MySGD(p, lr=0.1, momentum=0.9, weight_decay=1e-2),
    lambda p: MyAdam(p, lr=0.01),
    lambda p: Lion(p, lr=0.01, weight_decay=0.1),
]:
    model = net()
    opt = make(model.parameters())
    sched = Warmup(opt, 3)
    for step in range(5):
        loss = (model(x) - y).pow(2).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
        sched.step()
    print(
        type(opt).__name__,
        f"{loss.item():.5f} {sched.get_last_lr()[0]:.3f}",
        len(opt.state),
        isinstance(opt, torch.optim.Optimizer),
    )
    print(sorted(opt.state_dict()["param_groups"][0]))

model = net()
sam = SAM(model.parameters(), torch.optim.SGD, lr=0.1, momentum=0.9)
for step in range(3):
    loss = (model(x) - y).pow(2).mean()
    loss.backward()
    sam.first_step()
    (model(x) - y).pow(2).mean().backward()
    sam.second_step()
    print("SAM %.5f" % loss.item())
print(sam)


class EMA:
    def __init__(self, model, decay):
        self.model, self.decay, self.shadow, self.backup = model, decay, {}, {}

    def register(self):
        for name, param in self.model.named_parameters():
            if param.requires_grad:
                self.shadow[name] = param.data.clone()

    def update(self):
        for name, param in self.model.named_parameters():
            if param.requires_grad:
                new_average = (1.0 - self.decay) * param.data + self.decay * self.shadow[name]
                self.shadow[name] = new_average.clone()

    def apply_shadow(self):
        for name, param in self.model.named_parameters():
            self.backup[name] = param.data
            param.data = self.shadow[name]

    def restore(self):
        for name, param in self.model.named_parameters():
            param.data = self.backup[name]


ema = EMA(model, 0.9)
ema.register()
opt = torch.optim.SGD(model.parameters(), lr=0.2)
swa = torch.optim.swa_utils.AveragedModel(model)
for step in range(4):
    loss = (model(x) - y).pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    ema.update()
    swa.update_parameters(model)
with torch.no_grad():
    now = (model(x) - y).pow(2).mean()
    ema.apply_shadow()
    shadow = (model(x) - y).pow(2).mean()
    ema.restore()
    again = (model(x) - y).pow(2).mean()
    average = (swa(x) - y).pow(2).mean()
print(f"{now:.5f} {shadow:.5f} {average:.5f}", now == again, swa.n_averaged)
