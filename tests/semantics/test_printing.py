"""Tensors print as PyTorch prints them: known texts, then PyTorch's own repr of random tensors."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from alight import dtypes as dt
from alight import printing
from alight.printing import format_tensor

try:
    import torch
except ImportError:
    torch = None

needs_torch = pytest.mark.skipif(torch is None, reason="PyTorch is the oracle")


@pytest.fixture(autouse=True)
def default_options() -> Iterator[None]:
    yield
    printing.set_printoptions(profile="default")
    if torch is not None:
        torch.set_printoptions(profile="default")


def show(values: Any, of: dt.dtype = dt.float32, **more: Any) -> str:
    array = np.array(values)
    return format_tensor(lambda at: array[np.ix_(*at)].tolist(), array.shape, of, **more)


KNOWN = {
    "tensor(3.)": lambda: show(3.0),
    "tensor([0., nan, inf])": lambda: show([0.0, math.nan, math.inf]),
    "tensor([1.0000, 2.5000])": lambda: show([1.0, 2.5]),
    "tensor([1.0000e+00, 1.0000e-05])": lambda: show([1.0, 1e-5]),
    "tensor([1, 2])": lambda: show([1, 2], dt.int64),
    "tensor([1, 2], dtype=torch.int32)": lambda: show([1, 2], dt.int32),
    "tensor([ True, False])": lambda: show([True, False], dt.bool_),
    "tensor([1.+2.j, 0.-1.j])": lambda: show([1 + 2j, complex(0, -1)], dt.complex64),
    "tensor([1.5000], dtype=torch.bfloat16)": lambda: show([1.5], dt.bfloat16),
    "tensor([1.5000], dtype=torch.float64)": lambda: show([1.5], dt.float64),
    "tensor([1.5000])": lambda: show([1.5], dt.float64, default_dtype=dt.float64),
    "tensor([])": lambda: show([]),
    "tensor([], size=(0, 3))": lambda: show(np.empty((0, 3))),
    "tensor([], dtype=torch.int64)": lambda: show([], dt.int64),
    "tensor([1., 2.], device='cuda:0', requires_grad=True)": lambda: show(
        [1.0, 2.0], device="cuda:0", requires_grad=True
    ),
    "tensor(2., grad_fn=<MulBackward0>)": lambda: show(
        2.0, grad_fn="MulBackward0", requires_grad=True
    ),
    "tensor(..., device='meta', size=(2, 3))": lambda: format_tensor(
        None, (2, 3), dt.float32, device="meta"
    ),
    "Parameter containing:\ntensor([1.], requires_grad=True)": lambda: show(
        [1.0], requires_grad=True, parameter=True
    ),
    "Image([1.])": lambda: show([1.0], name="Image"),
    "tensor([[1, 2],\n        [3, 4]])": lambda: show([[1, 2], [3, 4]], dt.int64),
    "tensor([   0,    1,    2,  ..., 1998, 1999, 2000])": lambda: show(np.arange(2001), dt.int64),
}


@pytest.mark.parametrize("text", KNOWN)
def test_known_texts(text: str) -> None:
    assert KNOWN[text]() == text


def test_only_edges_are_read() -> None:
    read: list[tuple[Sequence[int], ...]] = []

    def reader(positions: tuple[Sequence[int], ...]) -> Any:
        read.append(positions)
        return [[row + column for column in positions[1]] for row in positions[0]]

    text = format_tensor(reader, (10**9, 5), dt.int64)
    assert read == [([0, 1, 2, 10**9 - 3, 10**9 - 2, 10**9 - 1], range(5))]
    assert text.splitlines()[3:5] == [
        "        ...,",
        "        [ 999999997,  999999998,  999999999, 1000000000, 1000000001],",
    ]


def test_options() -> None:
    with printing.printoptions(precision=2, sci_mode=True):
        assert show([1.0, 2.5]) == "tensor([1.00e+00, 2.50e+00])"
    assert show([1.0, 2.5]) == "tensor([1.0000, 2.5000])"
    printing.set_printoptions(edgeitems=0, threshold=1)
    assert show([1.0, 2.5]) == "tensor([...], size=(2,))"
    printing.set_printoptions(profile="full")
    assert printing.get_printoptions() == {
        "precision": 4,
        "threshold": math.inf,
        "edgeitems": 3,
        "linewidth": 80,
        "sci_mode": None,
    }


def random_shape(choose: random.Random) -> list[int]:
    shape = [
        choose.choice((0, 1, 1, 2, 3, 5, 6, 7, 8, 11, 30)) for _ in range(choose.randint(0, 4))
    ]
    if choose.random() < 0.1:
        shape = [choose.choice((400, 1001, 1500)), *shape[:1]]
    if choose.random() < 0.1:
        shape.append(choose.choice((20, 45)))
    while math.prod(shape) > 4000:
        shape.pop()
    return shape


def random_tensor(choose: random.Random, of: dt.dtype) -> Any:
    shape = random_shape(choose)
    scale = choose.choice((1, 1, 1, 10, 30, 1000, 1e4, 1e9, 1e-3, 1e-5))
    x = torch.randn(shape, dtype=torch.complex128 if of.is_complex else torch.float64) * scale
    kind = choose.random()
    if kind < 0.3:
        x = torch.complex(x.real.round(), x.imag.round()) if of.is_complex else x.round()
    elif kind > 0.7:
        x = x * (torch.rand(shape) > 0.3)
    if not (of.is_floating_point or of.is_complex):
        return x.to(getattr(torch, of.name))
    if choose.random() < 0.2:
        odd = torch.full_like(x, choose.choice((math.nan, math.inf, -math.inf, -0.0)))
        x = torch.where(torch.rand(shape) < 0.2, odd, x)
    x = x.to(getattr(torch, of.name))
    history = choose.choice(("", "", "leaf", "result", "parameter"))
    if history == "parameter":
        return torch.nn.Parameter(x)
    x.requires_grad_(history != "")
    return x.reshape(-1) * 1 if history == "result" else x


def random_options(choose: random.Random) -> dict[str, Any]:
    if choose.random() < 0.6:
        return {"profile": "default"}
    return {
        "precision": choose.choice((None, 0, 2, 6, 8)),
        "threshold": choose.choice((None, 0, 5, 100, math.inf)),
        "edgeitems": choose.choice((None, 0, 1, 2, 5)),
        "linewidth": choose.choice((None, 10, 40, 60, 120)),
        "profile": choose.choice((None, "short", "full", "default")),
        "sci_mode": choose.choice((None, None, True, False)),
    }


def ours(tensor: Any) -> str:
    values = tensor.detach()
    values = (values.float() if values.dtype == torch.bfloat16 else values).resolve_conj().numpy()
    return format_tensor(
        lambda positions: values[np.ix_(*positions)].tolist(),
        tuple(tensor.shape),
        dt.BY_NAME[str(tensor.dtype).removeprefix("torch.")],
        default_dtype=dt.BY_NAME[str(torch.get_default_dtype()).removeprefix("torch.")],
        grad_fn="" if tensor.grad_fn is None else type(tensor.grad_fn).__name__,
        requires_grad=tensor.requires_grad,
        parameter=isinstance(tensor, torch.nn.Parameter),
    )


@needs_torch
@pytest.mark.parametrize("of", [one for one in dt.ALL if one is not dt.uint32], ids=str)
def test_random_tensors(of: dt.dtype) -> None:
    choose = random.Random(of.name)
    torch.manual_seed(0)
    for _ in range(250):
        tensor, options = random_tensor(choose, of), random_options(choose)
        torch.set_printoptions(**options)
        printing.set_printoptions(**options)
        torch.set_default_dtype(torch.float64 if choose.random() < 0.1 else torch.float32)
        try:
            assert ours(tensor) == repr(tensor), options
        finally:
            torch.set_default_dtype(torch.float32)


@needs_torch
def test_special_tensors() -> None:
    class Image(torch.Tensor):
        pass

    image = torch.zeros(2).as_subclass(Image)
    assert show([0.0, 0.0], name="Image") == repr(image)
    for shape in ((2, 3), (0,), ()):
        for name in ("float32", "int64", "float64"):
            meta = torch.empty(shape, dtype=getattr(torch, name), device="meta")
            assert format_tensor(None, shape, dt.BY_NAME[name], device="meta") == repr(meta)
    for n in (19, 20, 21, 22, 23, 24, 25):  # the suffix falls on both sides of the line's end
        x = torch.arange(n, dtype=torch.int32)
        assert ours(x) == repr(x)
        y = torch.arange(float(n), requires_grad=True) * 1
        assert ours(y) == repr(y)
