"""LBFGS, Rprop, ASGD and averaged weights against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import alight
from tests.optim.test_optimizers import loss_of, parameters, train

SETTINGS = [
    ("Rprop", {}),
    ("Rprop", {"etas": (0.4, 1.5), "step_sizes": (1e-3, 0.1), "maximize": False}),
    ("ASGD", {}),
    ("ASGD", {"lr": 0.05, "lambd": 1e-2, "t0": 20, "weight_decay": 0.1}),
]


@pytest.mark.parametrize(("name", "setting"), SETTINGS)
def test_sixty_steps(name, setting):
    found = []
    for library in (alight, torch):
        params = parameters(library)
        optimizer = getattr(library.optim, name)(params, **setting)
        steps = train(library, optimizer, params, 60)
        held = {k: v for k, v in optimizer.state[params[0]].items() if k in ("ax", "prev")}
        found.append([*steps, *(np.array(one.tolist()) for one in held.values())])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)


MATRICES = [
    ("Adafactor", {}, 1e-9),
    ("Adafactor", {"lr": 0.05, "weight_decay": 0.1, "d": 2.0, "eps": (1e-8, 0.1)}, 1e-9),
    ("Adafactor", {"beta2_decay": -0.5, "maximize": True}, 1e-9),
    ("Muon", {"lr": 0.01}, 2e-2),
    ("Muon", {"lr": 0.01, "nesterov": False, "adjust_lr_fn": "match_rms_adamw"}, 2e-2),
    ("Muon", {"lr": 0.02, "momentum": 0.5, "weight_decay": 0.0, "ns_steps": 3}, 2e-2),
]


@pytest.mark.parametrize(("name", "setting", "tolerance"), MATRICES)
def test_optimizers_of_matrices(name, setting, tolerance):
    found = []
    for library in (alight, torch):
        arrays = [np.random.default_rng(i).normal(size=(4, 3) if i else (3, 5)) for i in range(2)]
        if name == "Adafactor":
            arrays += [np.linspace(-1, 1, 5), np.ones((2, 3, 2)), np.array(2.0)]
        params = [library.tensor(a.tolist(), dtype=library.float64) for a in arrays]
        for p in params:
            p.requires_grad_()
        optimizer = getattr(library.optim, name)(params, **setting)
        for _ in range(6):
            optimizer.zero_grad()
            sum(((p - 0.3) ** 2 * (p + 2)).sum() for p in params).backward()
            optimizer.step()
        assert repr(optimizer).startswith(name)
        held = [{k: v.tolist() for k, v in optimizer.state[p].items()} for p in params]
        found.append(([p.tolist() for p in params], held))
    ours, theirs = found
    for one, other in zip(ours[0], theirs[0], strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)
    for one, other in zip(ours[1], theirs[1], strict=True):
        assert one.keys() == other.keys()
        for key, value in one.items():
            np.testing.assert_allclose(value, other[key], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    ("name", "setting", "shape"),
    [
        ("Adafactor", {"lr": -1.0}, (2, 2)),
        ("Adafactor", {"d": 0.5}, (2, 2)),
        ("Adafactor", {"beta2_decay": 0.5}, (2, 2)),
        ("Adafactor", {"eps": (-1.0, 1.0)}, (2, 2)),
        ("Muon", {}, (2,)),
        ("Muon", {"momentum": -1.0}, (2, 2)),
        ("Muon", {"adjust_lr_fn": "other"}, (2, 2)),
    ],
)
def test_wrong_settings_of_matrices(name, setting, shape):
    found = []
    for library in (alight, torch):
        with pytest.raises(ValueError, match=" ") as error:
            getattr(library.optim, name)([library.zeros(shape, requires_grad=True)], **setting)
        found.append(str(error.value).split("\n")[0])
    assert found[0] == found[1]


ANY = ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "Adamax", "NAdam", "RAdam", "ASGD", "Rprop"]  # fmt: skip


@pytest.mark.parametrize("name", ANY)
def test_complex_parameters_as_pairs_of_real_ones(name):
    found = []
    for library in (alight, torch):
        p = library.nn.Parameter(library.tensor([1 - 2j, 0.5j, -1.5], dtype=library.complex128))
        m = library.tensor([[1 + 1j, 2, -1j], [0.5, 1j, 2 - 1j]], dtype=library.complex128)
        optimizer = getattr(library.optim, name)([p], lr=0.05)
        for _ in range(5):
            optimizer.zero_grad()
            (m @ p).abs().square().sum().backward()
            optimizer.step()
        held = {k: v for k, v in optimizer.state[p].items() if hasattr(v, "shape") and v.shape}
        found.append([p, *(held[k] for k in sorted(held) if held[k] is not None)])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours.tolist(), theirs.tolist(), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(
    "setting",
    [
        {"lr": 0.1, "max_iter": 5},
        {"lr": 0.3, "max_iter": 4, "history_size": 2},
        {"line_search_fn": "strong_wolfe"},
        {"line_search_fn": "strong_wolfe", "lr": 5.0, "max_iter": 7},
        {"lr": 0.01, "max_eval": 3},
    ],
)
def test_lbfgs(setting):
    found = []
    for library in (alight, torch):
        params = parameters(library)
        optimizer = library.optim.LBFGS(params, **setting)
        losses, calls = [], [0]

        def closure(library=library, params=params, optimizer=optimizer, calls=calls):
            optimizer.zero_grad()
            loss = loss_of(library, params)
            loss.backward()
            calls[0] += 1
            return loss

        for _ in range(4):
            losses.append(optimizer.step(closure).item())
        state = optimizer.state[optimizer.param_groups[0]["params"][0]]
        counts = [calls[0], state["func_evals"], state["n_iter"]]
        found.append((losses, counts, [np.array(p.detach().tolist()) for p in params]))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-7, atol=1e-9)
    assert found[0][1] == found[1][1]
    for ours, theirs in zip(found[0][2], found[1][2], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_lbfgs_errors():
    for library in (alight, torch):
        w = library.ones(2, requires_grad=True)
        with pytest.raises(ValueError, match="doesn't support per-parameter options"):
            library.optim.LBFGS(
                [{"params": [w]}, {"params": [library.ones(1, requires_grad=True)]}]
            )
        with pytest.raises(TypeError, match="missing 1 required positional argument: 'closure'"):
            library.optim.LBFGS([w]).step()
        with pytest.raises(RuntimeError, match="only 'strong_wolfe' is supported"):
            optimizer = library.optim.LBFGS([w], line_search_fn="wolfe")

            def closure(w=w):
                loss = (w * w).sum()
                loss.backward()
                return loss

            optimizer.step(closure)


@pytest.mark.parametrize("kind", ["mean", "ema", "function", "buffers"])
def test_averaged_models(kind):
    found = []
    for library in (alight, torch):
        library.manual_seed(0)
        nn, swa = library.nn, library.optim.swa_utils
        model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 1))
        options = {
            "mean": {},
            "ema": {"multi_avg_fn": swa.get_ema_multi_avg_fn(0.8)},
            "function": {"avg_fn": lambda a, b, n: 0.5 * a + 0.5 * b},
            "buffers": {"use_buffers": True, "multi_avg_fn": swa.get_ema_multi_avg_fn(0.5)},
        }[kind]
        average = swa.AveragedModel(model, **options)
        optimizer = library.optim.SGD(model.parameters(), lr=0.1)
        schedule = swa.SWALR(optimizer, swa_lr=0.02, anneal_epochs=3)
        x, rates = library.randn(12, 3), []
        for _ in range(5):
            optimizer.zero_grad()
            model(x).pow(2).mean().backward()
            optimizer.step()
            average.update_parameters(model)
            schedule.step()
            rates.append(optimizer.param_groups[0]["lr"])
        swa.update_bn([x[:6], x[6:]], average)
        average.eval()
        outputs = average(x).detach().numpy()
        names = list(average.state_dict())
        found.append((outputs, np.array(rates), names, int(average.n_averaged)))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=2e-5, atol=2e-6)
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-7)
    assert found[0][2:] == found[1][2:]


def test_wrong_decay():
    for library in (alight, torch):
        with pytest.raises(ValueError, match=r"Invalid decay value 1\.5 provided"):
            library.optim.swa_utils.get_ema_avg_fn(1.5)
