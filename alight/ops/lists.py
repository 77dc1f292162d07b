"""One operation on each tensor of a list: torch._foreach_add and its kin, which optimizers and averages are written with.

In: lists of tensors, and numbers or lists of numbers beside them. Out: a tuple of tensors, or the first list, whose
tensors are written. Recording makes one program of them all, so that a list is no slower than PyTorch's fused kernels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from alight.errors import fail
from alight.ops.operation import TORCH
from alight.tensor import Tensor

_UNARY = (
    "abs acos asin atan ceil cos cosh erf erfc exp expm1 floor frac lgamma log log10 log1p log2 neg reciprocal round rsqrt "
    "sigmoid sign sin sinh sqrt tan tanh trunc zero"
)
_BINARY = "add sub mul div pow maximum minimum clamp_max clamp_min"
_TERNARY = "addcmul addcdiv lerp"
_METHODS = {"clamp_max": "minimum", "clamp_min": "maximum"}


def _checked(tensors: Any) -> Any:
    if not tensors:
        fail(RuntimeError, "Tensor list must have at least one tensor.")
    return tensors


def _spread(
    other: Any, count: int, what: str = "Tensor lists must have the same number of tensors"
) -> Any:
    """One operand for each tensor: a list as it is, anything else for all."""
    if not isinstance(other, list | tuple):
        return [other] * count
    if len(other) != count:
        fail(RuntimeError, f"{what}, got {count} and {len(other)}")
    return other


def _applied(x: Tensor, name: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
    number = name.rstrip("_") in ("maximum", "minimum") and not isinstance(arguments[0], Tensor)
    if number:  # torch.maximum takes tensors only
        side = "max" if name.startswith("minimum") else "min"
        return (x.clamp_ if name.endswith("_") else x.clamp)(**{side: arguments[0]})
    if name in ("maximum_", "minimum_"):
        return x.copy_(getattr(x, name[:-1])(*arguments))
    return getattr(x, name)(*arguments, **options)


def _of_one(name: str) -> Callable[..., Any]:
    def function(self: Sequence[Tensor]) -> Any:
        made = tuple([getattr(x, name)() for x in _checked(self)])
        return self if name.endswith("_") else made

    return function


def _of_two(name: str) -> Callable[..., Any]:
    def function(self: Sequence[Tensor], other: Any, *, alpha: Any = 1) -> Any:
        options = {} if alpha == 1 else {"alpha": alpha}
        others = _spread(other, len(_checked(self)))
        made = tuple([_applied(x, name, (y,), options) for x, y in zip(self, others, strict=True)])
        return self if name.endswith("_") else made

    return function


def _of_three(name: str) -> Callable[..., Any]:
    def function(
        self: Sequence[Tensor], tensors1: Any, tensors2: Any, scalars: Any = 1, **named: Any
    ) -> Any:
        count = len(_checked(self))
        lerp = name.startswith("lerp")
        scalars = named.get("value", named.get("scalars", scalars))
        seconds = _spread(named.get("weight", tensors2), count)
        if isinstance(scalars, Tensor):
            scalars = scalars.tolist()
        values = _spread(scalars, count)
        made = []
        for x, y, z, value in zip(self, _spread(tensors1, count), seconds, values, strict=True):
            made.append(getattr(x, name)(y, z, **({} if lerp else {"value": value})))
        return self if name.endswith("_") else tuple(made)

    return function


def _norm(self: Sequence[Tensor], ord: Any = 2, dtype: Any = None) -> tuple[Tensor, ...]:
    return tuple([TORCH["norm"](x, ord, dtype=dtype) for x in _checked(self)])


def _copy_(self: Sequence[Tensor], src: Sequence[Tensor], non_blocking: bool = False) -> Any:
    for x, y in zip(_checked(self), _spread(src, len(self)), strict=True):
        x.copy_(y)
    return self


def _declare() -> None:
    named: dict[str, Callable[..., Any]] = {"norm": _norm, "copy_": _copy_}
    named |= {"max": _of_one("max"), "clone": _of_one("clone")}
    for text, make in ((_UNARY, _of_one), (_BINARY, _of_two), (_TERNARY, _of_three)):
        for name in text.split():
            method = _METHODS.get(name, name)
            named[f"{name}_"] = make(f"{method}_")
            if name != "zero":
                named[name] = make(method)
    for name, function in named.items():
        function.__name__ = f"_foreach_{name}"
        function.__doc__ = f"Tensor.{name} of every tensor of a list."
        TORCH[function.__name__] = function


_declare()
