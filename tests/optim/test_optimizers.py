"""Optimizers and schedules follow PyTorch's numbers over 100 steps, and exchange their state with it."""

import numpy as np
import pytest
import torch

import alight

OPTIMIZERS = {
    "sgd": ("SGD", {"lr": 0.05}),
    "sgd-momentum": ("SGD", {"lr": 0.02, "momentum": 0.9, "weight_decay": 0.01}),
    "sgd-nesterov": ("SGD", {"lr": 0.02, "momentum": 0.9, "nesterov": True}),
    "sgd-dampening": ("SGD", {"lr": 0.02, "momentum": 0.9, "dampening": 0.5, "maximize": True}),
    "adam": ("Adam", {"lr": 0.01}),
    "adam-amsgrad": ("Adam", {"lr": 0.01, "amsgrad": True, "weight_decay": 0.1}),
    "adamw": ("AdamW", {"lr": 0.01, "weight_decay": 0.1}),
    "nadam": ("NAdam", {"lr": 0.01, "weight_decay": 0.1}),
    "radam": ("RAdam", {"lr": 0.01, "weight_decay": 0.1}),
    "adagrad": ("Adagrad", {"lr": 0.05, "lr_decay": 0.01}),
    "adadelta": ("Adadelta", {"lr": 1.0}),
    "adamax": ("Adamax", {"lr": 0.01}),
    "rmsprop": ("RMSprop", {"lr": 0.005, "momentum": 0.5, "centered": True}),
}
SCHEDULES = {
    "step": ("StepLR", {"step_size": 7, "gamma": 0.5}),
    "multistep": ("MultiStepLR", {"milestones": [5, 20, 20], "gamma": 0.3}),
    "exponential": ("ExponentialLR", {"gamma": 0.97}),
    "constant": ("ConstantLR", {"factor": 0.5, "total_iters": 9}),
    "linear": ("LinearLR", {"start_factor": 0.1, "total_iters": 30}),
    "polynomial": ("PolynomialLR", {"total_iters": 40, "power": 2.0}),
    "cosine": ("CosineAnnealingLR", {"T_max": 11, "eta_min": 0.001}),
    "warm-restarts": ("CosineAnnealingWarmRestarts", {"T_0": 5, "T_mult": 2}),
    "one-cycle": ("OneCycleLR", {"max_lr": 0.2, "total_steps": 60}),
    "one-cycle-three": ("OneCycleLR", {"max_lr": 0.2, "total_steps": 60, "three_phase": True, "anneal_strategy": "linear"}),
    "lambda": ("LambdaLR", {"lr_lambda": lambda epoch: 0.9**epoch}),
    "multiplicative": ("MultiplicativeLR", {"lr_lambda": lambda epoch: 0.99}),
}


def problem(lib):
    rng = np.random.default_rng(0)
    w = lib.tensor(rng.standard_normal((4, 3)).astype(np.float32), requires_grad=True)
    b = lib.tensor(rng.standard_normal(3).astype(np.float32), requires_grad=True)
    x = lib.tensor(rng.standard_normal((8, 4)).astype(np.float32))
    y = lib.tensor(rng.standard_normal((8, 3)).astype(np.float32))

    def loss():
        d = x @ w + b - y
        return (d * d).mean()

    return [w, b], loss


def descend(optimizer, loss, steps):
    for _ in range(steps):
        optimizer.zero_grad()
        value = loss()
        value.backward()
        optimizer.step()
    return value.item()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_hundred_steps(name):
    cls, options = OPTIMIZERS[name]
    results = []
    for lib in (alight, torch):
        params, loss = problem(lib)
        optimizer = getattr(lib.optim, cls)(params, **options)
        results.append((descend(optimizer, loss, 100), params, repr(optimizer)))
    (ours, our_params, our_text), (theirs, their_params, their_text) = results
    assert ours == pytest.approx(theirs, rel=1e-3, abs=1e-6)
    for a, b in zip(our_params, their_params, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=2e-3, atol=2e-5)
    assert our_text == their_text


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_state_goes_both_ways(name):
    cls, options = OPTIMIZERS[name]
    theirs_params, theirs_loss = problem(torch)
    theirs = getattr(torch.optim, cls)(theirs_params, **options)
    descend(theirs, theirs_loss, 5)
    params, loss = problem(alight)
    with alight.no_grad():
        for ours, other in zip(params, theirs_params, strict=True):
            ours.copy_(alight.tensor(other.detach().numpy()))
    optimizer = getattr(alight.optim, cls)(params, **options)
    state = {
        "state": {
            k: {n: alight.tensor(v.numpy()) if isinstance(v, torch.Tensor) else v for n, v in s.items()}
            for k, s in theirs.state_dict()["state"].items()
        },
        "param_groups": theirs.state_dict()["param_groups"],
    }
    optimizer.load_state_dict(state)
    assert descend(optimizer, loss, 20) == pytest.approx(descend(theirs, theirs_loss, 20), rel=1e-3)
    ours, other = optimizer.state_dict(), theirs.state_dict()
    assert ours["param_groups"] == other["param_groups"]
    assert {k: sorted(v) for k, v in ours["state"].items()} == {k: sorted(v) for k, v in other["state"].items()}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules(name):
    cls, options = SCHEDULES[name]
    seen = []
    for lib in (alight, torch):
        params, _ = problem(lib)
        optimizer = lib.optim.SGD(params, lr=0.1, momentum=0.9)
        optimizer.step()
        schedule = getattr(lib.optim.lr_scheduler, cls)(optimizer, **options)
        rates = [optimizer.param_groups[0]["lr"]]
        for _ in range(50):
            optimizer.step()
            schedule.step()
            rates.extend((optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["momentum"]))
        seen.append(rates)
    assert seen[0] == pytest.approx(seen[1], rel=1e-9)


def test_plateau():
    losses = [1.0, 0.9, 0.9, 0.9, 0.9, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]
    seen = []
    for lib in (alight, torch):
        optimizer = lib.optim.SGD(problem(lib)[0], lr=0.1)
        schedule = lib.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=2, cooldown=1)
        rates = []
        for loss in losses:
            schedule.step(loss)
            rates.append(optimizer.param_groups[0]["lr"])
        seen.append(rates)
    assert seen[0] == seen[1]


def test_a_step_is_one_step_of_the_path_and_learning_rates_make_no_new_one():
    from alight.record.recorder import thread

    params, loss = problem(alight)
    optimizer = alight.optim.Adam(params, lr=0.1)
    descend(optimizer, loss, 5)
    before = thread.recorder.positions
    for i in range(20):
        optimizer.param_groups[0]["lr"] = 0.1 / (i + 1)
        descend(optimizer, loss, 1)
    assert thread.recorder.positions == before


@pytest.mark.parametrize("lib", [alight, torch], ids=["alight", "torch"])
def test_errors(lib):
    params, _ = problem(lib)
    with pytest.raises(ValueError, match="Invalid learning rate: -1"):
        lib.optim.SGD(params, lr=-1)
    with pytest.raises(ValueError, match="empty parameter list"):
        lib.optim.SGD([], lr=0.1)
    with pytest.raises(ValueError, match="Nesterov momentum requires"):
        lib.optim.SGD(params, lr=0.1, nesterov=True)
    with pytest.raises(TypeError, match="should be an iterable of Tensors"):
        lib.optim.SGD(params[0], lr=0.1)
    with pytest.raises(ValueError, match="can't optimize a non-leaf Tensor"):
        lib.optim.SGD([params[0] * 2], lr=0.1)
    with pytest.raises(ValueError, match="more than one parameter group"):
        lib.optim.SGD([{"params": params}, {"params": params}], lr=0.1)


@pytest.mark.parametrize("lib", [alight, torch], ids=["alight", "torch"])
def test_groups_closures_and_hooks(lib):
    params, loss = problem(lib)
    optimizer = lib.optim.SGD([{"params": [params[0]], "lr": 0.5}, {"params": [params[1]]}], lr=0.1)
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.1]
    calls = []
    optimizer.register_step_pre_hook(lambda *a: calls.append("before"))
    optimizer.register_step_post_hook(lambda *a: calls.append("after"))

    def closure():
        optimizer.zero_grad()
        value = loss()
        value.backward()
        calls.append("closure")
        return value

    assert optimizer.step(closure).item() > 0
    assert calls == ["before", "closure", "after"]


def test_a_users_subclass():
    class Halving(alight.optim.Optimizer):
        def __init__(self, params):
            super().__init__(params, {})

        def step(self):
            for group in self.param_groups:
                for param in group["params"]:
                    param.data.mul_(0.5)

    w = alight.tensor([4.0, 8.0], requires_grad=True)
    optimizer = Halving([w])
    optimizer.step()
    optimizer.step()
    assert w.tolist() == [1.0, 2.0]
