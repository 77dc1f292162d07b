"""A row is a short program in `torch` and tensors x, y, ...; it runs under alight and under PyTorch.

Compared are the results (values, dtypes, shapes, strides), the gradients of a weighted sum of them, and errors by
their type and first line.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import torch

import alight

INPUTS = {
    "x": lambda t: t.arange(1.0, 13.0).reshape(3, 4),
    "v": lambda t: t.tensor([1.5, -2.0, 0.5, 4.0]),
    "s": lambda t: t.tensor(2.5),
    "b": lambda t: t.arange(24.0).reshape(2, 3, 4),
    "i": lambda t: t.arange(12).reshape(3, 4),
    "j": lambda t: t.tensor([2, 0, 1]),
    "m": lambda t: t.tensor([[True, False, True, False], [False] * 4, [True] * 4]),
    "e": lambda t: t.zeros(0, 3),
}


def run(library: Any, program: str, grad: bool = True) -> Any:
    """What the program gives: a description of its results, then of the gradients of its inputs; or its error."""
    leaves = {name: make(library) for name, make in INPUTS.items()}
    if grad:
        for leaf in leaves.values():
            if leaf.dtype.is_floating_point:
                leaf.requires_grad_()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            result = evaluate(program, {**leaves, "torch": library})
        except Exception as error:
            return type(error).__name__, str(error).split("\n")[0]
    found = [described(result)]
    total = weighted(library, result)
    if total is not None and total.requires_grad:
        try:
            total.backward()
        except RuntimeError:  # some of PyTorch's operations have no gradient, or not in every case
            return [*found, "no gradient"]
        found.append({name: gradient(library, leaf) for name, leaf in leaves.items()})
    return found


def gradient(library: Any, leaf: Any) -> Any:
    """The gradient of a leaf; alight leaves None where PyTorch adds zeros for a leaf that was written over."""
    return (
        described(library.zeros_like(leaf) if leaf.grad is None else leaf.grad)
        if leaf.requires_grad
        else None
    )


def evaluate(program: str, scope: dict[str, Any]) -> Any:
    """The value of the last statement's expression, after the statements before it."""
    *statements, last = [one.strip() for one in program.split(";")]
    for statement in statements:
        exec(statement, scope)
    return eval(last, scope)


def described(value: Any) -> Any:
    """A result as plain Python values that both libraries must agree on."""
    if isinstance(value, (alight.Tensor, torch.Tensor)):
        numbers = None if value.is_meta else value.detach().tolist()
        return str(value.dtype), tuple(value.shape), value.stride(), value.requires_grad, numbers
    if isinstance(value, (list, tuple)):
        return [described(one) for one in value]
    if type(value).__module__.split(".")[0] in ("torch", "alight"):
        return str(value)
    return value


def weighted(library: Any, value: Any) -> Any:
    """The sum of all floating-point results with unequal weights."""
    if isinstance(value, (list, tuple)):
        parts = [one for one in (weighted(library, each) for each in value) if one is not None]
        return sum(parts) if parts else None
    if not isinstance(value, library.Tensor) or not value.requires_grad:
        return None
    weights = library.arange(1, value.numel() + 1).to(value.dtype).reshape(value.shape)
    return (value * weights).sum()


def close(a: Any, b: Any) -> bool:
    """Equal up to rounding."""
    if isinstance(a, float) and isinstance(b, float):
        return a == b or (math.isnan(a) and math.isnan(b)) or abs(a - b) <= 2e-6 * max(1.0, abs(b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(close(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(close(x, y) for x, y in zip(a, b, strict=True))
    return a == b


def agree(program: str, grad: bool = True, theirs: str | None = None) -> None:
    """Assert that the program gives under alight what it (or `theirs`, the same in other words) gives under PyTorch."""
    other = theirs or program
    ours, expected = run(alight, program, grad), run(torch, other, grad)
    if expected[-1] == "no gradient":
        ours, expected = ours[:1], expected[:1]
    assert close(ours, expected), f"\n{program}\nalight:  {ours}\nPyTorch: {expected}"
