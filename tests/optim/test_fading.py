"""Running means of gradients that have become zero end at zero; parameters that count alike take one step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import alight

OPTIMIZERS: list[tuple[str, dict[str, Any]]] = [
    ("Adam", {"betas": (0.25, 0.25), "amsgrad": True}),
    ("AdamW", {"betas": (0.25, 0.25)}),
    ("NAdam", {"betas": (0.25, 0.25)}),
    ("RAdam", {"betas": (0.25, 0.25)}),
    ("Adamax", {"betas": (0.25, 0.25)}),
    ("SGD", {"lr": 0.1, "momentum": 0.25}),
    ("RMSprop", {"alpha": 0.25, "momentum": 0.25, "centered": True}),
    ("Adadelta", {"rho": 0.25}),
]
LASTING = ("max_exp_avg_sq", "exp_inf", "step")


@pytest.mark.parametrize(("name", "settings"), OPTIMIZERS, ids=[name for name, _ in OPTIMIZERS])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_mean_of_zeros_ends_at_zero(name: str, settings: dict[str, Any], dtype: str) -> None:
    w = alight.ones(4, dtype=getattr(alight, dtype), requires_grad=True)
    optimizer = getattr(alight.optim, name)([w], **settings)
    for step in range(80 if dtype == "float32" else 540):
        w.grad = alight.tensor([1.0, 0.5, 0.0, -1.0] if step == 0 else [0.0] * 4, dtype=w.dtype)
        optimizer.step()
    smallest = np.finfo(dtype).tiny
    for key, value in optimizer.state[w].items():
        if key not in LASTING and isinstance(value, alight.Tensor):
            found = np.abs(value.numpy())
            assert not ((found > 0) & (found < smallest)).any(), key
            assert key == "acc_delta" or (found == 0).all(), key


@pytest.mark.parametrize(("name", "settings"), OPTIMIZERS, ids=[name for name, _ in OPTIMIZERS])
def test_parameters_that_begin_later_count_for_themselves(
    name: str, settings: dict[str, Any]
) -> None:
    found = []
    for library in (alight, torch):
        params = [library.ones(3, requires_grad=True) for _ in range(4)]
        optimizer = getattr(library.optim, name)(params, **settings)
        for step in range(6):
            for n, parameter in enumerate(params):
                gradient = [0.1 * (n + 1), -0.2, 0.3 * step]
                parameter.grad = library.tensor(gradient) if step >= n // 2 * 2 else None
            optimizer.step()
        found.append([parameter.detach().numpy().copy() for parameter in params])
        found.append([float(optimizer.state[p].get("step", 0)) for p in params])
    np.testing.assert_allclose(found[0], found[2], rtol=2e-5, atol=1e-6)
    assert found[1] == found[3]
