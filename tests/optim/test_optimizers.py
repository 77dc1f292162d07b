"""Optimizers against PyTorch: a hundred steps of every setting, state dictionaries both ways, groups, hooks, errors."""

from __future__ import annotations

import copy
import warnings

import numpy as np
import pytest
import torch

import alight

START = np.random.default_rng(0).normal(size=(3, 4))
BIAS = np.random.default_rng(1).normal(size=4)
SETTINGS = {
    "SGD": [
        {"lr": 0.05},
        {"lr": 0.05, "weight_decay": 0.1, "maximize": False},
        {"lr": 0.05, "momentum": 0.9},
        {"lr": 0.05, "momentum": 0.9, "dampening": 0.3},
        {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
        {"lr": 1e-3, "maximize": True},
    ],
    "Adam": [
        {},
        {"lr": 0.1, "weight_decay": 0.1},
        {"amsgrad": True, "betas": (0.8, 0.99)},
        {"maximize": True},
    ],
    "AdamW": [{}, {"lr": 0.1, "weight_decay": 0.2}, {"amsgrad": True}],
    "RMSprop": [
        {},
        {"momentum": 0.9},
        {"centered": True},
        {"centered": True, "momentum": 0.5, "weight_decay": 0.1},
    ],
    "Adagrad": [{}, {"lr_decay": 0.1, "initial_accumulator_value": 0.5}, {"weight_decay": 0.1}],
    "Adadelta": [{}, {"lr": 0.5, "rho": 0.8, "weight_decay": 0.1}],
    "NAdam": [{}, {"weight_decay": 0.1}, {"weight_decay": 0.1, "decoupled_weight_decay": True}],
    "RAdam": [{}, {"weight_decay": 0.1}, {"weight_decay": 0.1, "decoupled_weight_decay": True}],
    "Adamax": [{}, {"weight_decay": 0.1}],
}
ROWS = [(name, setting) for name, settings in SETTINGS.items() for setting in settings]


def parameters(library, dtype="float64"):
    of = getattr(library, dtype)
    return [library.nn.Parameter(library.tensor(one.tolist(), dtype=of)) for one in (START, BIAS)]


def loss_of(library, params):
    w, b = params
    x = library.tensor([[1.0, -2.0, 0.5], [0.3, 0.1, 2.0]], dtype=w.dtype)
    return ((x @ w + b).tanh() ** 2).sum() + (w**2).sum() * 0.1


def train(library, optimizer, params, steps):
    for _ in range(steps):
        optimizer.zero_grad()
        loss_of(library, params).backward()
        optimizer.step()
    return [np.array(p.detach().tolist()) for p in params]


@pytest.mark.parametrize(("name", "setting"), ROWS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_hundred_steps(name, setting, dtype):
    found = []
    for library in (alight, torch):
        params = parameters(library, dtype)
        found.append(train(library, getattr(library.optim, name)(params, **setting), params, 100))
    limit = 1e-9 if dtype == "float64" else 2e-5
    if name in ("NAdam", "RAdam"):
        limit = max(limit, 2e-6)  # PyTorch keeps products of momenta in float32
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=limit, atol=limit)


def as_torch(value):
    if isinstance(value, alight.Tensor):
        return torch.tensor(value.tolist(), dtype=getattr(torch, repr(value.dtype)[6:]))
    if isinstance(value, dict):
        return {key: as_torch(one) for key, one in value.items()}
    return [as_torch(one) for one in value] if isinstance(value, list) else value


def as_alight(value):
    if isinstance(value, torch.Tensor):
        return alight.tensor(value.tolist(), dtype=getattr(alight, repr(value.dtype)[6:]))
    if isinstance(value, dict):
        return {key: as_alight(one) for key, one in value.items()}
    return [as_alight(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize(("name", "setting"), ROWS)
def test_state_goes_both_ways(name, setting):
    ours, theirs = parameters(alight), parameters(torch)
    a = getattr(alight.optim, name)(ours, **setting)
    b = getattr(torch.optim, name)(theirs, **setting)
    train(alight, a, ours, 3)
    train(torch, b, theirs, 3)
    saved_a, saved_b = a.state_dict(), b.state_dict()
    assert list(saved_a["param_groups"][0]) == list(saved_b["param_groups"][0])
    assert saved_a["param_groups"] == saved_b["param_groups"]
    for key, state in saved_b["state"].items():
        assert set(saved_a["state"][key]) == set(state)
        for what, value in state.items():
            mine = saved_a["state"][key][what]
            if isinstance(value, torch.Tensor):
                assert repr(mine.dtype) == repr(value.dtype)
                np.testing.assert_allclose(mine.tolist(), value.tolist(), rtol=1e-6, atol=1e-12)
    c = getattr(alight.optim, name)(ours, **setting)
    c.load_state_dict(as_alight(saved_b))
    d = getattr(torch.optim, name)(theirs, **setting)
    d.load_state_dict(as_torch(saved_a))
    for x, y in zip(train(alight, c, ours, 3), train(torch, d, theirs, 3), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", SETTINGS)
def test_text(name):
    assert repr(getattr(alight.optim, name)(parameters(alight))) == repr(
        getattr(torch.optim, name)(parameters(torch))
    )


def test_groups_and_missing_gradients():
    found = []
    for library in (alight, torch):
        w, b = parameters(library)
        unused = library.nn.Parameter(library.ones(2))
        optimizer = library.optim.Adam([{"params": [w, unused]}, {"params": b, "lr": 0.1}], lr=0.01)
        optimizer.add_param_group(
            {"params": [library.nn.Parameter(library.ones(3))], "betas": (0.5, 0.5)}
        )
        values = train(library, optimizer, [w, b], 5)
        found.append(
            [one.tolist() for one in values] + [unused.tolist(), len(optimizer.param_groups)]
        )
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-9)
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-9)
    assert found[0][2:] == found[1][2:]


def test_parameters_that_join_later():
    found = []
    for library in (alight, torch):
        w, b = parameters(library)
        optimizer = library.optim.Adam([w, b], lr=0.05)
        for i in range(6):
            optimizer.zero_grad()
            ((w**2).sum() + ((b**2).sum() if i > 2 else 0)).backward()
            optimizer.step()
        found.append([w.tolist(), b.tolist()])
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-9)
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-9)


def test_closure_and_hooks():
    for library in (alight, torch):
        params = parameters(library)
        optimizer = library.optim.SGD(params, lr=0.1)
        seen = []
        first = optimizer.register_step_pre_hook(lambda *a, seen=seen: seen.append("before"))
        optimizer.register_step_post_hook(lambda *a, seen=seen: seen.append("after"))

        def closure(optimizer=optimizer, library=library, params=params):
            optimizer.zero_grad()
            loss = loss_of(library, params)
            loss.backward()
            return loss

        before = closure().item()
        assert optimizer.step(closure).item() == pytest.approx(before)
        assert seen == ["before", "after"]
        first.remove()
        optimizer.step(closure)
        assert seen == ["before", "after", "after"]


def test_zero_grad():
    (w, _) = parameters(alight)
    optimizer = alight.optim.SGD([w], lr=0.1)
    w.sum().backward()
    optimizer.zero_grad(set_to_none=False)
    assert w.grad.sum().item() == 0
    optimizer.zero_grad()
    assert w.grad is None


def own_optimizer(library):
    class Own(library.optim.Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, {"lr": lr})

        @library.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    state = self.state[p]
                    if not state:
                        state["sum"] = library.zeros_like(p)
                    state["sum"].add_(p.grad)
                    p.add_(state["sum"], alpha=-group["lr"])
                    p.data -= 0.01 * p.grad

    return Own


def test_users_own_optimizer():
    found = []
    for library in (alight, torch):
        params = parameters(library)
        found.append(train(library, own_optimizer(library)(params, 0.02), params, 5))
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)


def test_copies():
    params = parameters(alight)
    optimizer = alight.optim.Adam(params)
    train(alight, optimizer, params, 2)
    twin = copy.deepcopy(optimizer)
    assert twin.state_dict()["state"][0]["step"].item() == 2
    assert twin.param_groups[0]["params"][0] is not params[0]


@pytest.mark.parametrize(
    "call",
    [
        lambda t, p: t.optim.SGD([], lr=0.1),
        lambda t, p: t.optim.SGD(p[0], lr=0.1),
        lambda t, p: t.optim.SGD(p, lr=-1.0),
        lambda t, p: t.optim.SGD(p, lr=0.1, momentum=-1.0),
        lambda t, p: t.optim.SGD(p, lr=0.1, nesterov=True),
        lambda t, p: t.optim.Adam(p, betas=(1.0, 0.9)),
        lambda t, p: t.optim.Adam(p, eps=-1.0),
        lambda t, p: t.optim.SGD([p[0], p[0] * 2], lr=0.1),
        lambda t, p: t.optim.SGD([{"params": p[0]}, {"params": p[0]}], lr=0.1),
        lambda t, p: t.optim.SGD([{"params": set(p)}], lr=0.1),
        lambda t, p: t.optim.SGD([1.0], lr=0.1),
        lambda t, p: t.optim.SGD(p).load_state_dict({"state": {}, "param_groups": []}),
        lambda t, p: t.optim.SGD(p).load_state_dict(
            {"state": {}, "param_groups": [{"params": [0]}]}
        ),
    ],
)
def test_errors(call):
    found = []
    for library in (alight, torch):
        try:
            call(library, parameters(library, "float32"))
            found.append(None)
        except Exception as error:
            found.append((type(error), str(error).split("\n")[0]))
    assert found[0] == found[1]


SCHEDULES = {
    "StepLR": lambda s, o: s.StepLR(o, 3, 0.5),
    "MultiStepLR": lambda s, o: s.MultiStepLR(o, [2, 5, 5], 0.3),
    "ConstantLR": lambda s, o: s.ConstantLR(o, 0.4, 4),
    "LinearLR": lambda s, o: s.LinearLR(o, 0.2, 0.9, 7),
    "ExponentialLR": lambda s, o: s.ExponentialLR(o, 0.9),
    "PolynomialLR": lambda s, o: s.PolynomialLR(o, 8, 2.0),
    "CosineAnnealingLR": lambda s, o: s.CosineAnnealingLR(o, 6, 0.001),
    "CosineAnnealingWarmRestarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 3, 2),
    "LambdaLR": lambda s, o: s.LambdaLR(o, lambda epoch: 0.95**epoch),
    "MultiplicativeLR": lambda s, o: s.MultiplicativeLR(o, lambda epoch: 0.95),
    "OneCycleLR": lambda s, o: s.OneCycleLR(o, 0.5, total_steps=20),
    "OneCycleLR three": lambda s, o: s.OneCycleLR(
        o, [0.5, 0.2], epochs=4, steps_per_epoch=5, three_phase=True, anneal_strategy="linear"
    ),
    "CyclicLR": lambda s, o: s.CyclicLR(o, 0.01, 0.1, step_size_up=3, step_size_down=2),
    "CyclicLR exp": lambda s, o: s.CyclicLR(
        o, 0.01, 0.1, step_size_up=4, mode="exp_range", gamma=0.9
    ),
    "SequentialLR": lambda s, o: s.SequentialLR(
        o, [s.ConstantLR(o, 0.1, 2), s.ExponentialLR(o, 0.9)], [3]
    ),
    "ChainedScheduler": lambda s, o: s.ChainedScheduler(
        [s.ConstantLR(o, 0.1, 2), s.ExponentialLR(o, 0.9)]
    ),
}


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules(name, kind):
    found, states = [], []
    for library in (alight, torch):
        w, b = parameters(library)
        optimizer = getattr(library.optim, kind)(
            [{"params": [w]}, {"params": [b], "lr": 0.3}], lr=0.1
        )
        schedule = SCHEDULES[name](library.optim.lr_scheduler, optimizer)
        rows = [schedule.get_last_lr()]
        for _ in range(18):
            optimizer.step()
            schedule.step()
            group = optimizer.param_groups[1]
            rows.append(
                [*schedule.get_last_lr(), group.get("momentum", group.get("betas", [0])[:1])]
            )
        found.append(rows)
        states.append(schedule.state_dict())
    assert found[0] == found[1]
    assert set(states[1]) - set(states[0]) <= {"_scale_fn_ref"}
    own = {key: value for key, value in states[0].items() if isinstance(value, (int, float, list))}
    assert own == {key: states[1][key] for key in own}


def test_plateau():
    metrics = [1.0, 0.9, 0.9, 0.9, 0.9, 0.5, 0.5, 0.6, 0.7, 0.4, 0.4, 0.4, 0.4, 0.4]
    for options in (
        {"patience": 1},
        {"mode": "max", "patience": 0, "cooldown": 2},
        {"threshold_mode": "abs", "threshold": 0.2, "patience": 1, "min_lr": 0.02, "factor": 0.5},
    ):
        found = []
        for library in (alight, torch):
            optimizer = library.optim.SGD(parameters(library), lr=0.1)
            schedule = library.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **options)
            rows = []
            for metric in metrics:
                schedule.step(library.tensor(metric))
                rows.append(
                    (optimizer.param_groups[0]["lr"], schedule.best, schedule.num_bad_epochs)
                )
            found.append((rows, schedule.state_dict()))
        assert found[0] == found[1]


def test_schedule_resumes():
    optimizer = alight.optim.SGD(parameters(alight), lr=0.1)
    schedule = alight.optim.lr_scheduler.StepLR(optimizer, 2)
    for _ in range(3):
        optimizer.step()
        schedule.step()
    saved = optimizer.state_dict(), schedule.state_dict()
    again = alight.optim.SGD(parameters(alight), lr=0.5)
    other = alight.optim.lr_scheduler.StepLR(again, 7)
    again.load_state_dict(saved[0])
    other.load_state_dict(saved[1])
    again.step()
    other.step()
    schedule.step()
    assert other.get_last_lr() == schedule.get_last_lr()
    assert again.param_groups[0]["lr"] == optimizer.param_groups[0]["lr"]


def test_warning_for_the_wrong_order():
    schedule = alight.optim.lr_scheduler.StepLR(alight.optim.SGD(parameters(alight), lr=0.1), 2)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        schedule.step()
    assert "before `optimizer.step()`" in str(caught[0].message)
