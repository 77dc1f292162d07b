"""PyTorch's module database: every layer's printed form, state, results and gradients under both libraries.

A module of the database has samples of constructor and forward arguments. Ours is built from the same arguments, takes
over the state of PyTorch's, and is compared with it in training and in evaluation mode.
"""

from __future__ import annotations

import re
import types
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

import alight

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch.testing._internal.common_modules import module_db

MODULES = {info.name: info for info in module_db}
SAMPLES = 6  # of a module and mode
# rtol and atol in float32: sums are taken in another order; what needs more says why.
TOLERANCE: dict[str, float] = {
    "": 2e-5,
    "nn.Transformer": 2e-3,  # twelve layer norms, each of numbers that nearly cancel
    "nn.TransformerEncoder": 3e-4,
    "nn.TransformerEncoderLayer": 2e-4,
    "nn.TransformerDecoderLayer": 2e-4,
    "nn.MultiheadAttention": 1e-4,
    "nn.CTCLoss": 1e-4,  # logarithms of sums over fifty steps
    "nn.GroupNorm": 1e-4,
    "nn.CrossEntropyLoss": 5e-5,
}
RANDOM = {
    "nn.Dropout",
    "nn.RReLU",
    "nn.FractionalMaxPool2d",
    "nn.FractionalMaxPool3d",
    "nn.AlphaDropout",
}
RANDOM |= {"nn.Dropout1d", "nn.Dropout2d", "nn.Dropout3d", "nn.FeatureAlphaDropout"}
DOUBLE = {"nn.FractionalMaxPool2d", "nn.FractionalMaxPool3d"}  # their samples are float64
GAPS: dict[str, str] = {}  # name -> reason


def ours(value: Any, memo: dict[int, Any] | None = None) -> Any:
    """torch's tensors, dtypes and functions, also inside structures, as alight's."""
    memo = {} if memo is None else memo
    if isinstance(value, torch.Tensor):
        if id(value) not in memo:
            made = alight.tensor(value.detach().numpy())
            memo[id(value)] = made.requires_grad_(value.requires_grad)
        return memo[id(value)]
    if isinstance(value, torch.dtype):
        return getattr(alight, str(value).removeprefix("torch."))
    if isinstance(value, torch.nn.Module):
        made = build(value)
        made.load_state_dict({key: ours(one) for key, one in value.state_dict().items()})
        return made
    if isinstance(value, (list, tuple)):
        return type(value)(ours(one, memo) for one in value)
    if isinstance(value, dict):
        return {key: ours(one, memo) for key, one in value.items()}
    if isinstance(value, (types.FunctionType, types.BuiltinFunctionType)):
        return getattr(alight.nn.functional, value.__name__)
    return value


def build(module: torch.nn.Module) -> Any:
    """A layer that is an argument of another one."""
    m: Any = module
    if isinstance(m, torch.nn.TransformerEncoderLayer):
        return alight.nn.TransformerEncoderLayer(
            m.linear1.in_features, m.self_attn.num_heads, m.linear1.out_features, m.dropout.p, ours(m.activation),
            m.norm1.eps, m.self_attn.batch_first, m.norm_first, m.linear1.bias is not None,
        )  # fmt: skip
    if isinstance(m, torch.nn.LayerNorm):
        return alight.nn.LayerNorm(tuple(m.normalized_shape), m.eps)
    return getattr(alight.nn, type(m).__name__)()


def tensors(value: Any) -> Iterator[Any]:
    """All tensors of a structure."""
    if isinstance(value, (torch.Tensor, alight.Tensor)):
        yield value
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from tensors(one)
    elif isinstance(value, dict):
        yield from tensors(list(value.values()))


def assert_close(mine: Any, theirs: Any, limit: float, what: str) -> None:
    """Equal dtype, shape and values."""
    assert str(mine.dtype) == str(theirs.dtype), f"{what}: {mine.dtype} against {theirs.dtype}"
    assert tuple(mine.shape) == tuple(theirs.shape), f"{what}: {mine.shape} against {theirs.shape}"
    a, b = mine.detach().numpy(), theirs.detach().numpy()
    np.testing.assert_allclose(a, b, rtol=limit, atol=limit, err_msg=what)


def compare(info: Any, sample: Any, training: bool, limit: float) -> None:
    """One sample under both libraries."""
    name = info.name
    arguments, given = sample.constructor_input, sample.forward_input
    theirs = info.module_cls(*arguments.args, **arguments.kwargs).train(training)
    cls = getattr(alight.nn, info.module_cls.__name__)
    mine = cls(*ours(arguments.args), **ours(arguments.kwargs)).train(training)
    assert repr(mine) == repr(theirs)
    if given is None:
        return
    memo: dict[int, Any] = {}  # some samples give one tensor twice
    our_args, our_kwargs = ours(given.args, memo), ours(given.kwargs, memo)
    if info.is_lazy:
        theirs(*given.args, **given.kwargs)
        mine(*our_args, **our_kwargs)
        assert repr(mine) == repr(theirs)
    state = theirs.state_dict()
    assert list(mine.state_dict()) == list(state)
    mine.load_state_dict({key: ours(value) for key, value in state.items()})
    out, expected = mine(*our_args, **our_kwargs), theirs(*given.args, **given.kwargs)
    results, wanted = list(tensors(out)), list(tensors(expected))
    assert len(results) == len(wanted)
    if name in RANDOM - DOUBLE and training:
        assert [tuple(one.shape) for one in results] == [tuple(one.shape) for one in wanted]
        return
    for i, (a, b) in enumerate(zip(results, wanted, strict=True)):
        assert_close(a, b, limit, f"result {i}")
    for (key, a), b in zip(mine.state_dict().items(), theirs.state_dict().values(), strict=True):
        assert_close(a, b, limit, f"{key} afterwards")
    compare_gradients(
        [results, [*tensors([our_args, our_kwargs]), *mine.parameters()]],
        [wanted, [*tensors([given.args, given.kwargs]), *theirs.parameters()]],
        limit,
    )


def compare_gradients(mine: Any, theirs: Any, limit: float) -> None:
    """Equal gradients for random cotangents."""
    torch.manual_seed(0)
    outs = [one for one in theirs[0] if one.requires_grad]
    our_outs = [one for one in mine[0] if one.requires_grad]
    assert len(outs) == len(our_outs), "not the same results have gradients"
    if not outs:
        return
    cotangents = [torch.randn_like(one) for one in outs]
    leaves = [one for one in theirs[1] if one.requires_grad]
    our_leaves = [one for one in mine[1] if one.requires_grad]
    expected = torch.autograd.grad(outs, leaves, cotangents, allow_unused=True)
    found = alight.autograd.grad(our_outs, our_leaves, ours(cotangents), allow_unused=True)
    scale = max(
        [1.0, *(float(one.abs().max()) for one in expected if one is not None and one.numel())]
    )
    for i, (a, b) in enumerate(zip(found, expected, strict=True)):
        if a is None or b is None:
            present = a if b is None else b
            assert present is None or not present.any(), f"gradient {i} is missing on one side"
            continue
        assert_close(a, b, limit * scale, f"gradient {i}")


@pytest.mark.parametrize("name", MODULES)
def test_module(name: str) -> None:
    info, failures = MODULES[name], []
    if name in GAPS:
        pytest.xfail(GAPS[name])
    limit = TOLERANCE.get(name, TOLERANCE[""])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for training in (True, False):
            torch.manual_seed(0)
            samples = info.module_inputs_func(
                info,
                device="cpu",
                dtype=torch.float64 if name in DOUBLE else torch.float32,
                requires_grad=True,
                training=training,
            )
            for i, sample in enumerate(samples[:SAMPLES]):
                try:
                    compare(info, sample, training, limit)
                except Exception as error:
                    text = str(error).strip().replace("\n", " ")[:300]
                    failures.append(
                        f"{training=} {i} ({sample.desc}): {type(error).__name__}: {text}"
                    )
    assert not failures, "\n".join(failures)


@pytest.mark.parametrize(
    "name", [name for name, info in MODULES.items() if info.module_error_inputs_func is not None]
)
def test_errors(name: str) -> None:
    info, failures = MODULES[name], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cases = [
            case
            for training in (True, False)
            for case in info.module_error_inputs_func(
                info, device="cpu", dtype=torch.float32, requires_grad=False, training=training
            )
        ]
        for i, case in enumerate(cases):
            arguments, given = (
                case.module_error_input.constructor_input,
                case.module_error_input.forward_input,
            )
            try:
                cls = getattr(alight.nn, info.module_cls.__name__)
                module = cls(*ours(arguments.args), **ours(arguments.kwargs))
                if given is None:
                    raise AssertionError("it should not have been made")
                for result in tensors(module(*ours(given.args), **ours(given.kwargs))):
                    result.tolist()
            except case.error_type as error:
                if not re.search(case.error_regex, str(error)):
                    failures.append(f"{i}: {error} does not match {case.error_regex}")
            except Exception as error:
                failures.append(f"{i}: {type(error).__name__} ({error}), not {case.error_type}")
            else:
                failures.append(
                    f"{i}: no error, PyTorch raises {case.error_type}: {case.error_regex}"
                )
    assert not failures, "\n".join(failures)
