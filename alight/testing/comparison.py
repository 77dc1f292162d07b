"""assert_close: values that should agree, and what to say where they do not.

In: two tensors, numbers, or sequences and mappings of them. Out: nothing, or an AssertionError whose first line is
PyTorch's, with how many elements differ and by how much.
"""

from __future__ import annotations

import cmath
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

from alight.dtypes import BY_NAME
from alight.dtypes import dtype as Dtype
from alight.errors import fail
from alight.ops.creation import as_tensor
from alight.ops.operation import TORCH
from alight.tensor import Tensor

# (rtol, atol) by dtype; everything else must be equal.
_TOLERANCES = {
    "float16": (1e-3, 1e-5), "bfloat16": (1.6e-2, 1e-5), "float32": (1.3e-6, 1e-5), "float64": (1e-7, 1e-7),
    "complex64": (1.3e-6, 1e-5), "complex128": (1e-7, 1e-7),
}  # fmt: skip


class _Options(NamedTuple):
    rtol: float | None
    atol: float | None
    equal_nan: bool
    check_device: bool
    check_dtype: bool
    check_stride: bool
    allow_subclasses: bool
    msg: Any


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """Assert that |actual - expected| <= atol + rtol |expected| everywhere, and that dtypes and shapes agree.

    Without rtol and atol, both by dtype: 1.3e-6 and 1e-5 for float32. Sequences and mappings are compared by element.
    Errors: AssertionError where they differ, TypeError for what cannot be compared.

    >>> import alight as torch
    >>> torch.testing.assert_close(torch.tensor([1., 2.]), torch.tensor([1., 2.0000001]))
    """
    if (rtol is None) != (atol is None):
        missing = "atol" if atol is None else "rtol"
        fail(
            ValueError,
            f"Both 'rtol' and 'atol' must be either specified or omitted, but got no {missing}.",
        )
    options = _Options(
        rtol, atol, equal_nan, check_device, check_dtype, check_stride, allow_subclasses, msg
    )
    _compare(actual, expected, options, "")


def assert_allclose(
    actual: Any, expected: Any, rtol: float | None = None, atol: float | None = None, equal_nan: bool = True,
    msg: str = "",
) -> None:  # fmt: skip
    """The older form of `assert_close`, which does not look at dtypes.

    Errors: AssertionError where they are not close.

    >>> import alight as torch
    >>> torch.testing.assert_allclose(torch.ones(2), torch.ones(2) + 1e-9)
    """
    expected = as_tensor(expected, dtype=actual.dtype if isinstance(actual, Tensor) else None)
    assert_close(
        as_tensor(actual), expected, rtol=rtol, atol=atol, equal_nan=equal_nan, check_dtype=False,
        check_device=False, msg=msg or None,
    )  # fmt: skip


def _raise(
    options: _Options, place: str, text: str, kind: type[Exception] = AssertionError
) -> NoReturn:
    if place:
        text = f"{text}\n\nThe failure occurred for item {place}"
    if options.msg is not None and kind is AssertionError:
        text = options.msg(text) if callable(options.msg) else options.msg
    raise kind(text)


def _compare(actual: Any, expected: Any, options: _Options, place: str) -> None:
    if actual is expected and not isinstance(actual, Tensor):
        return
    for kind, compare in ((Mapping, _mappings), (Sequence, _sequences)):
        if isinstance(actual, kind) and isinstance(expected, kind) and not isinstance(actual, str):
            compare(actual, expected, options, place)
            return
    if isinstance(actual, bool) and isinstance(expected, bool):
        _raise(options, place, f"Booleans mismatch: {actual} is not {expected}")
    if _is_number(actual) and _is_number(expected):
        _numbers(actual, expected, options, place)
        return
    if actual is None or expected is None:
        _raise(options, place, f"None mismatch: {actual} is not {expected}")
    if _is_tensor_like(actual) and _is_tensor_like(expected):
        if not options.allow_subclasses and type(actual) is not type(expected):
            _raise(
                options, place,
                f"If allow_subclasses is set to False, tensor-likes have to be of the same type: {type(actual)} and "
                f"{type(expected)}", TypeError,
            )  # fmt: skip
        _tensors(as_tensor(actual), as_tensor(expected), options, place)
        return
    _raise(
        options, place,
        f"No comparison pair was able to handle inputs of type {type(actual)} and {type(expected)}.", TypeError,
    )  # fmt: skip


def _is_number(value: Any) -> bool:
    return isinstance(value, (bool, int, float, complex)) and not hasattr(value, "__array__")


def _is_tensor_like(value: Any) -> bool:
    return isinstance(value, Tensor) or hasattr(value, "__array__") or _is_number(value)


def _sequences(actual: Any, expected: Any, options: _Options, place: str) -> None:
    if len(actual) != len(expected):
        _raise(
            options, place,
            f"The length of the sequences mismatch: {len(actual)} != {len(expected)}",
        )  # fmt: skip
    for i, (one, other) in enumerate(zip(actual, expected, strict=True)):
        _compare(one, other, options, f"{place}[{i}]")


def _mappings(actual: Any, expected: Any, options: _Options, place: str) -> None:
    if set(actual) != set(expected):
        missing, more = sorted(set(expected) - set(actual)), sorted(set(actual) - set(expected))
        _raise(
            options, place,
            "The keys of the mappings do not match:\n"
            f"Missing keys in the actual mapping: {missing}\nAdditional keys in the actual mapping: {more}",
        )  # fmt: skip
    for key in actual:
        _compare(actual[key], expected[key], options, f"{place}[{key!r}]")


# -- numbers -----------------------------------------------------------------------------------------------------------


def _tolerances(dtypes: Sequence[Dtype], options: _Options) -> tuple[float, float]:
    if options.rtol is not None and options.atol is not None:
        return options.rtol, options.atol
    found = [_TOLERANCES.get(one.name, (0.0, 0.0)) for one in dtypes]
    return max(one[0] for one in found), max(one[1] for one in found)


_NUMBER_DTYPES = {bool: "bool", int: "int64", float: "float64", complex: "complex128"}


def _numbers(actual: Any, expected: Any, options: _Options, place: str) -> None:
    if options.check_dtype and type(actual) is not type(expected):
        _raise(
            options, place,
            f"The (d)types do not match: {type(actual)} != {type(expected)}.",
        )  # fmt: skip
    dtypes = [BY_NAME[_NUMBER_DTYPES[type(one)]] for one in (actual, expected)]
    rtol, atol = _tolerances(dtypes, options)
    if actual == expected:
        return
    if options.equal_nan and cmath.isnan(actual) and cmath.isnan(expected):
        return
    difference = abs(actual - expected)
    tolerance = atol + rtol * abs(expected)
    if cmath.isfinite(difference) and difference <= tolerance:
        return
    if rtol == 0 and atol == 0:
        _raise(options, place, f"Scalars are not equal!\n\nExpected {expected} but got {actual}.\n"
               f"Absolute difference: {difference}\nRelative difference: {_ratio(difference, expected)}")  # fmt: skip
    _raise(
        options, place,
        f"Scalars are not close!\n\nExpected {expected} but got {actual}.\n"
        f"Absolute difference: {difference} (up to {atol} allowed)\n"
        f"Relative difference: {_ratio(difference, expected)} (up to {rtol} allowed)",
    )  # fmt: skip


def _ratio(difference: float, expected: Any) -> float:
    return difference / abs(expected) if expected else float("inf")


# -- tensors -----------------------------------------------------------------------------------------------------------


def _tensors(actual: Tensor, expected: Tensor, options: _Options, place: str) -> None:
    actual, expected = actual.detach(), expected.detach()
    if actual.shape != expected.shape:
        _raise(
            options, place,
            f"The values for attribute 'shape' do not match: {actual.shape} != {expected.shape}.",
        )  # fmt: skip
    for name, checked in (("device", options.check_device), ("dtype", options.check_dtype)):
        a, b = getattr(actual, name), getattr(expected, name)
        if checked and a != b:
            _raise(options, place, f"The values for attribute '{name}' do not match: {a} != {b}.")
    if options.check_stride and actual.stride() != expected.stride():
        _raise(
            options, place,
            f"The values for attribute 'stride()' do not match: {actual.stride()} != {expected.stride()}.",
        )  # fmt: skip
    rtol, atol = _tolerances((actual.dtype, expected.dtype), options)
    if actual.dtype is not expected.dtype:
        common = TORCH["result_type"](actual, expected)
        actual, expected = actual.to(common), expected.to(common)
    close = TORCH["isclose"](actual, expected, rtol=rtol, atol=atol, equal_nan=options.equal_nan)
    if bool(close.all()):
        return
    _raise(options, place, _difference(actual, expected, close, rtol, atol))


def _difference(actual: Tensor, expected: Tensor, close: Tensor, rtol: float, atol: float) -> str:
    """PyTorch's report of how two tensors differ."""
    equal = rtol == 0 and atol == 0
    wrong = close.logical_not()
    count, total = int(wrong.sum()), actual.numel()
    word = "equal" if equal else "close"
    single = not actual.shape
    lines = [f"{'Scalars' if single else 'Tensor-likes'} are not {word}!", ""]
    if single:
        lines.append(f"Expected {expected.item()} but got {actual.item()}.")
    else:
        lines.append(f"Mismatched elements: {count} / {total} ({count / total:.1%})")
    if not actual.dtype.is_differentiable:
        actual, expected = actual.to(BY_NAME["int64"]), expected.to(BY_NAME["int64"])
    apart, size = (actual - expected).abs(), expected.abs()
    relative = apart / size
    for name, values, allowed in (("absolute", apart, atol), ("relative", relative, rtol)):
        lines.append(
            _greatest(name, values, wrong, "" if equal else f" (up to {allowed} allowed)", single)
        )
    return "\n".join(lines)


def _greatest(name: str, values: Tensor, wrong: Tensor, allowed: str, single: bool) -> str:
    flat = TORCH["where"](wrong, values, TORCH["zeros_like"](values)).reshape(
        -1
    )  # as PyTorch masks them
    at = int(flat.argmax())
    value = flat[at].item()
    number = int(value) if allowed == "" and name == "absolute" and value == int(value) else value
    if single:
        return f"{name.capitalize()} difference: {number}{allowed}"
    place, rest = [], at
    for extent in reversed(values.shape):
        place.append(rest % extent)
        rest //= extent
    return f"Greatest {name} difference: {number} at index {tuple(reversed(place))}{allowed}"
