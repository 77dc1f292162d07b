"""vmap against a loop, over PyTorch's operator database: every rule of every kind of primitive."""

from __future__ import annotations

import re
import warnings

import pytest
import torch
from torch.testing._internal.common_methods_invocations import op_db

import alight
from tests.semantics.oracle import close, plain

# Operations that look at elements, write to running statistics, or draw numbers at random.
NOT_BATCHED = re.compile(
    r"item|allclose|equal|linspace|batch_norm|instance_norm|rrelu|unique|multinomial|normal|bernoulli|histogram|resize|"
    r"nonzero|argwhere|rand|dropout|fractional|attention|masked_select|empty|poisson|binomial"
)


class UnknownArgumentError(Exception):
    """An argument that has no counterpart here."""


def converted(value):
    if isinstance(value, torch.Tensor):
        if value.dtype not in (torch.float32, torch.int64, torch.bool):
            raise UnknownArgumentError
        return alight.tensor(value.detach().numpy().copy())
    if isinstance(value, (list, tuple)):
        return type(value)(converted(one) for one in value)
    if isinstance(value, dict):
        return {key: converted(one) for key, one in value.items()}
    if isinstance(value, torch.dtype):
        return getattr(alight, str(value).removeprefix("torch."))
    if value is None or isinstance(value, (int, float, str, bool, slice)) or value is Ellipsis:
        return value
    raise UnknownArgumentError


def named(name):
    found = alight
    for part in name.split("."):
        found = getattr(found, part, None)
        if found is None:
            return getattr(alight.Tensor, name, None)
    return found


def leaves(result):
    if isinstance(result, alight.Tensor):
        return [result]
    return (
        [one for part in result for one in leaves(part)]
        if isinstance(result, (list, tuple))
        else []
    )


def samples(op, count):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(op.sample_inputs("cpu", torch.float32))[:count]


def check(op, function, count):
    """Compare on some samples; how many could be."""
    compared = 0
    for sample in samples(op, count):
        try:
            x, args, kwargs = (converted(one) for one in (sample.input, sample.args, sample.kwargs))
            if not isinstance(x, alight.Tensor) or x.dtype is not alight.float32:
                continue
            batch = alight.stack([x, x * 0.5])
            one_by_one = [function(row.clone(), *args, **kwargs) for row in batch]
        except Exception:
            continue  # not there, or no such values: other tests' business
        at_once = alight.vmap(lambda row, a=args, k=kwargs: function(row.clone(), *a, **k))(batch)
        for i, wanted in enumerate(one_by_one):
            for found, expected in zip(leaves(at_once), leaves(wanted), strict=True):
                assert close(plain(found[i]), plain(expected), 1e-3), (op.name, sample)
        compared += 1
    return compared


OPS = [op for op in op_db if not NOT_BATCHED.search(op.name) and named(op.name) is not None]


@pytest.mark.parametrize("part", range(6))
def test_a_sample_of_operations(part):
    compared = sum(check(op, named(op.name), 1) for op in OPS[part::24])
    assert compared >= 5


@pytest.mark.slow
@pytest.mark.parametrize("part", range(8))
def test_all_operations(part):
    assert sum(check(op, named(op.name), 4) for op in OPS[part::8]) >= 50
