"""What is compared for a row of the database: values, gradients of both orders, in-place forms, errors."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any

import torch

import alight
from tests.opinfo.database import (
    Crossing,
    counterpart,
    dtypes_of,
    samples,
    tensors_in,
    to_alight,
    to_torch,
    translated,
)

# Elements that PyTorch leaves as they were in memory: only shape and dtype are compared.
UNINITIALISED = {
    "empty",
    "empty_like",
    "empty_permuted",
    "empty_strided",
    "new_empty",
    "new_empty_strided",
}
# rtol, atol. float32 leaves room for another order of summation and another library's last bit.
TOLERANCE = {
    torch.float32: (2e-5, 2e-5), torch.float64: (1e-7, 1e-7), torch.complex64: (2e-5, 2e-5),
    torch.complex128: (1e-7, 1e-7), torch.float16: (4e-3, 4e-3), torch.bfloat16: (3e-2, 3e-2),
}  # fmt: skip

# Results that are one choice of many: signs and phases of vectors. Compared is what the database derives from them
# for its own gradient checks.
UP_TO_PHASE = {"linalg.eig", "linalg.eigh", "linalg.svd", "svd", "svd_lowrank", "pca_lowrank"}
# And which of several equal elements is named: (values, indices), with the position of `dim` among the arguments.
NAMES_ONE_OF_EQUALS = {"topk": 1, "kthvalue": 1, "mode": 0, "median": 0, "nanmedian": 0}

# Rows that need a multiple of it, and why.
ROOM = {
    "cov": 3000,  # PyTorch computes with the samples' float32 weights in float32, alight in the dtype of the input
    "matrix_exp": 30,  # PyTorch computes float32 in float32, alight in float64
    "special.polygamma": 10,
    "polygamma": 10,  # beside a pole float32 arguments are off by half an ulp already
}

Case = tuple[
    str, Any
]  # what is compared (for messages and gaps.toml), and a function that raises where it fails


def assert_same(ours: Any, theirs: Any, values: bool = True, tolerance: float = 1.0) -> None:
    """Equal structure, dtypes, shapes, and values up to rounding (`tolerance` times the table's)."""
    ours = to_torch(ours)
    if isinstance(theirs, torch.Tensor):
        assert isinstance(ours, torch.Tensor), f"{type(ours).__name__} where PyTorch gives a tensor"
        theirs = theirs.detach().resolve_conj().resolve_neg()
        assert ours.dtype == theirs.dtype, f"dtype {ours.dtype}, PyTorch's is {theirs.dtype}"
        assert ours.shape == theirs.shape, (
            f"shape {tuple(ours.shape)}, PyTorch's is {tuple(theirs.shape)}"
        )
        if values:
            rtol, atol = TOLERANCE.get(theirs.dtype, (0, 0))
            rtol, atol = rtol * tolerance, atol * tolerance
            torch.testing.assert_close(ours, theirs, rtol=rtol, atol=atol, equal_nan=True)
    elif isinstance(theirs, (list, tuple)):
        assert isinstance(ours, (list, tuple)) and len(ours) == len(theirs), (
            f"{ours!r} is not {theirs!r}"
        )
        for one, other in zip(ours, theirs, strict=True):
            assert_same(one, other, values, tolerance)
    elif isinstance(theirs, float) and isinstance(ours, float):
        torch.testing.assert_close(ours, theirs, equal_nan=True)
    else:
        assert ours == theirs, f"{ours!r}, PyTorch gives {theirs!r}"


def _arguments(sample: Any, requires_grad: bool = False) -> tuple[Any, list[Any], dict[str, Any]]:
    cross = Crossing(tensors_in([sample.input, sample.args, sample.kwargs]), requires_grad)
    return cross(sample.input), [cross(one) for one in sample.args], cross(sample.kwargs)


def _seeded() -> None:
    torch.manual_seed(1)
    if hasattr(alight, "manual_seed"):
        alight.manual_seed(1)


def value_cases(info: Any) -> Iterator[Case]:
    """One case a sample: the operation gives what PyTorch's gives."""
    ours = counterpart(info)
    for dtype in dtypes_of(info):
        for i, sample in enumerate(samples(info, dtype)):

            def compare(sample: Any = sample) -> None:
                x, args, kwargs = _arguments(sample)
                _seeded()
                expected = info.op(sample.input, *sample.args, **sample.kwargs)
                _seeded()
                made = ours(x, *args, **kwargs)
                if info.name in UP_TO_PHASE and sample.output_process_fn_grad is not None:
                    expected = sample.output_process_fn_grad(expected)
                    made = translated(sample.output_process_fn_grad)(made)
                if info.name in NAMES_ONE_OF_EQUALS and isinstance(expected, tuple):
                    made = _chosen(made, expected, sample, NAMES_ONE_OF_EQUALS[info.name])
                assert_same(
                    made, expected, info.name not in UNINITIALISED, ROOM.get(info.name, 1.0)
                )

            yield f"values {str(dtype).removeprefix('torch.')} {i}", compare


def _chosen(made: Any, expected: Any, sample: Any, position: int) -> Any:
    """(values, indices) with PyTorch's indices for ours, where ours name elements of the same values."""
    values, places = to_torch(list(made))
    given = sample.args[position] if len(sample.args) > position else -1
    dim = sample.kwargs.get("dim", given)
    if sample.input.ndim > values.ndim:
        values, places = values.unsqueeze(dim), places.unsqueeze(dim)
    assert torch.equal(sample.input.gather(dim, places), values), "an index does not name its value"
    return made[0], expected[1]


def in_place_cases(info: Any) -> Iterator[Case]:
    """One case a sample: the form that writes into its input."""
    theirs = info.inplace_variant
    name = getattr(theirs, "__name__", "")
    if theirs is None or not hasattr(alight.Tensor, name) or not name.endswith("_"):
        return
    for dtype in dtypes_of(info)[:1]:
        for i, sample in enumerate(samples(info, dtype)):
            if sample.broadcasts_input or not isinstance(sample.input, torch.Tensor):
                continue
            if sample.input._is_view():  # the clone below has no such memory
                continue

            def compare(sample: Any = sample) -> None:
                x, args, kwargs = _arguments(sample)
                _seeded()
                try:
                    expected = theirs(sample.input.clone(), *sample.args, **sample.kwargs)
                except Exception as error:
                    _assert_raises(type(error), None, lambda: getattr(x, name)(*args, **kwargs))
                    return
                _seeded()
                made = getattr(x, name)(*args, **kwargs)
                assert made is x, f"{name} returns another tensor"
                assert_same(made, expected, tolerance=ROOM.get(info.name, 1.0))

            yield f"inplace {i}", compare


# -- out= ----------------------------------------------------------------------------------------------------------------

OUT_SAMPLES = 3
OUT_DTYPES = (None, torch.int64)  # of the tensor that is written; None for the result's own


def out_cases(info: Any) -> Iterator[Case]:
    """Results written into a tensor of the right dtype (empty, to be resized), and of dtypes that may not do."""
    if not info.supports_out:
        return
    ours = counterpart(info)
    given = samples(info, dtypes_of(info)[0])
    for i, sample in enumerate(itertools.islice(given, OUT_SAMPLES)):
        for of in OUT_DTYPES:

            def compare(sample: Any = sample, of: Any = of) -> None:
                _compare_out(info, ours, sample, of)

            yield f"out {i}" + ("" if of is None else f" {str(of)[6:]}"), compare


def _compare_out(info: Any, ours: Any, sample: Any, of: Any) -> None:
    result = info.op(sample.input, *sample.args, **sample.kwargs)
    parts = tensors_in(result)
    if of is not None and not all(one.dtype.is_floating_point for one in parts):
        return  # which whole-number dtypes a kernel takes varies
    outs = [torch.empty(0 if of is None else one.shape, dtype=of or one.dtype) for one in parts]
    x, args, kwargs = _arguments(sample)
    our_outs = [to_alight(one.clone()) for one in outs]  # NumPy's view of it would forbid resizing
    one = isinstance(result, torch.Tensor)
    their_out, our_out = (outs[0], our_outs[0]) if one else (tuple(outs), tuple(our_outs))
    _seeded()
    try:
        info.op(sample.input, *sample.args, **sample.kwargs, out=their_out)
    except Exception as error:
        kinds = (
            RuntimeError,
            TypeError,
            NotImplementedError,
        )  # each kernel has a sentence of its own
        assert isinstance(error, kinds), error
        _assert_raises(kinds, None, lambda: ours(x, *args, **kwargs, out=our_out))
        return
    _seeded()
    made = ours(x, *args, **kwargs, out=our_out)
    for mine, given in zip(tensors_in(made), our_outs, strict=True):
        assert mine is given, "the result is not the tensor given as out"
    comparable = info.name not in UNINITIALISED | UP_TO_PHASE
    assert_same(our_outs, outs, comparable, ROOM.get(info.name, 1.0))


# -- gradients -----------------------------------------------------------------------------------------------------------


def gradient_cases(info: Any) -> Iterator[Case]:
    """One case a sample: vector-Jacobian products with random cotangents, of the first samples also of second order."""
    if not info.supports_autograd or torch.float64 not in info.supported_backward_dtypes("cpu"):
        return
    ours = counterpart(info)
    for i, sample in enumerate(samples(info, torch.float64, requires_grad=True)):

        def compare(sample: Any = sample, second: bool = i < 3) -> None:
            _compare_gradients(info, ours, sample, second and info.supports_gradgrad)

        yield f"gradients {i}", compare


def _compare_gradients(info: Any, ours: Any, sample: Any, second: bool) -> None:
    x, args, kwargs = _arguments(sample, requires_grad=True)
    room = ROOM.get(info.name, 1.0)
    _seeded()
    theirs_out = info.op(sample.input, *sample.args, **sample.kwargs)
    _seeded()
    ours_out = ours(x, *args, **kwargs)
    if sample.output_process_fn_grad is not None:
        theirs_out = sample.output_process_fn_grad(theirs_out)
        ours_out = translated(sample.output_process_fn_grad)(ours_out)
    their_leaves = _leaves([sample.input, sample.args, sample.kwargs])
    our_leaves = _leaves([x, args, kwargs])
    theirs_first, cotangents = _gradients(torch, theirs_out, their_leaves, None, second)
    ours_first, _ = _gradients(alight, ours_out, our_leaves, cotangents, second)
    _assert_same_gradients(ours_first, theirs_first, room)
    theirs_first = (
        [one for one in theirs_first if one is not None and one.requires_grad] if second else []
    )
    if theirs_first:
        theirs_second, cotangents = _gradients(torch, theirs_first, their_leaves, None, False)
        ours_differentiable = [one for one in ours_first if one is not None and one.requires_grad]
        if len(ours_differentiable) != len(theirs_first):
            return  # a gradient that is constant for one library and computed zeros for the other
        ours_second, _ = _gradients(alight, ours_differentiable, our_leaves, cotangents, False)
        _assert_same_gradients(ours_second, theirs_second, room)


def _leaves(value: Any) -> list[Any]:
    return [one for one in tensors_in(value) if one.requires_grad]


def _gradients(
    library: Any, out: Any, leaves: list[Any], cotangents: Any, create_graph: bool
) -> tuple[Any, Any]:
    outs = [one for one in tensors_in(out) if one.requires_grad]
    if cotangents is None:
        torch.manual_seed(2)
        cotangents = [torch.randn_like(one.detach()) for one in outs]
    else:
        assert len(outs) == len(cotangents), (
            f"{len(outs)} results have gradients, PyTorch has {len(cotangents)}"
        )
    if not outs:
        return [None] * len(leaves), cotangents
    given = to_alight(cotangents) if library is alight else cotangents
    found = library.autograd.grad(outs, leaves, given, allow_unused=True, create_graph=create_graph)
    return list(found), cotangents


def _assert_same_gradients(ours: list[Any], theirs: list[Any], tolerance: float) -> None:
    for one, other in zip(ours, theirs, strict=True):
        if one is None and other is None:
            continue
        if one is None or other is None:  # no gradient and a gradient of zeros are the same to us
            present = to_torch(one) if other is None else other
            assert not (present.detach().abs() > 1e-12).any(), f"{one} where PyTorch gives {other}"
            continue
        assert_same(one, other, tolerance=tolerance)


# -- errors --------------------------------------------------------------------------------------------------------------


def error_cases(info: Any) -> Iterator[Case]:
    """One case an error of the database: the same type, and a message that PyTorch's own test accepts."""
    if info.error_inputs_func is None:
        return
    ours = counterpart(info)
    for i, case in enumerate(info.error_inputs("cpu")):
        sample = case.sample_input

        def compare(sample: Any = sample, case: Any = case) -> None:
            x, args, kwargs = _arguments(sample)
            try:
                info.op(sample.input, *sample.args, **sample.kwargs)
            except case.error_type:
                pass
            else:  # PyTorch's own test skips it
                return
            _assert_raises(case.error_type, case.error_regex, lambda: ours(x, *args, **kwargs))

        yield f"errors {i}", compare


def _assert_raises(kind: Any, pattern: str | None, call: Any) -> None:
    try:
        for tensor in tensors_in(call()):
            tensor.tolist()  # errors of values come when they are asked for
    except Exception as error:
        assert isinstance(error, kind), (
            f"{type(error).__name__} ({error}) where PyTorch raises {kind} ({pattern})"
        )
        assert pattern is None or re.search(pattern, str(error)), (
            f"message {error} does not match {pattern}"
        )
        return
    raise AssertionError(f"no error where PyTorch raises {kind} ({pattern})")


CHECKS = {
    "values": value_cases,
    "inplace": in_place_cases,
    "out": out_cases,
    "gradients": gradient_cases,
    "errors": error_cases,
}


def failures(info: Any, check: str) -> tuple[dict[str, str], int]:
    """What is wrong with an entry in one of CHECKS, by case; and how many cases there are."""
    wrong, count = {}, 0
    for case, compare in CHECKS[check](info):
        count += 1
        try:
            compare()
        except Exception as error:
            wrong[case] = f"{type(error).__name__}: {error}"
    return wrong, count
