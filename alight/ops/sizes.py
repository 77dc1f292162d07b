"""What functions that make tensors are told of shapes and counts: checked as PyTorch does, with its errors.

In: sizes and whole numbers as they were given. Out: shapes and ints. PyTorch tells a bool from a whole number where an
argument is one extent, and in the first place of a sequence; in the places behind it a bool counts as 0 or 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Any, NoReturn

from alight.dtypes import bool_
from alight.errors import fail
from alight.ops.arguments import extents, type_name
from alight.tensor import Tensor

_OVERLOADED = {"rand", "randn"}  # which PyTorch has in forms of several arguments, and says so


def is_whole(value: Any) -> bool:
    """Whether PyTorch takes a value for an int: no bool, but also NumPy's ints and integer tensors of one element.

    >>> is_whole(2), is_whole(True), is_whole(2.0)
    (True, False, False)
    """
    if value.__class__ is int:
        return True
    if isinstance(value, bool) or getattr(value, "dtype", None) is bool_:
        return False
    try:
        index(value)
    except TypeError:
        return False
    return True


def whole_number(name: str, argument: str, position: int, value: Any) -> int:
    """A whole number; a TypeError for anything else."""
    if not is_whole(value):
        fail(
            TypeError,
            f"{name}(): argument '{argument}' (position {position}) must be int, not {type_name(value)}",
        )
    return index(value)


def refuse_combination(name: str, *values: Any, forms: tuple[str, ...] = ()) -> NoReturn:
    """PyTorch's error for arguments that fit none of the forms of a function."""
    kinds = ", ".join(map(type_name, values))
    fail(
        TypeError,
        f"{name}() received an invalid combination of arguments - got ({kinds}), but expected one of:",
        facts=list(forms),
    )


def shape_given(name: str, size: tuple[Any, ...], given: dict[str, Any]) -> tuple[int, ...]:
    """The shape of `zeros(2, 3)`, `zeros((2, 3))` or `zeros(size=(2, 3))`; an error for any other keyword."""
    if size and not given:
        found = size[0] if len(size) == 1 and isinstance(size[0], tuple) else size
        for extent in found:
            if extent.__class__ is not int or extent < 0:
                break
        else:
            return tuple(found)
    if given:
        return _shape_by_keyword(name, size, given)
    if not size:
        if name in _OVERLOADED:
            refuse_combination(name, forms=(f"{name}(size, dtype=None, requires_grad=False)",))
        _refuse_missing(name)
    first = size[0]
    if len(size) == 1 and isinstance(first, (tuple, list)):
        return shape_from(name, first)
    if is_whole(first):
        return extents(size, name)
    if len(size) == 1:
        fail(
            TypeError,
            f"{name}(): argument 'size' (position 1) must be tuple of ints, not {type_name(first)}",
        )
    if name in _OVERLOADED:
        refuse_combination(name, *size)
    fail(
        TypeError,
        f"{name}() takes 1 positional argument but {len(size)} were given",
        try_="all extents in one sequence, or each by itself",
    )


def _refuse_missing(name: str) -> NoReturn:
    fail(
        TypeError,
        f'{name}() missing 1 required positional arguments: "size"',
        try_="() as the size of a tensor without dimensions",
    )


def _shape_by_keyword(name: str, size: tuple[Any, ...], given: dict[str, Any]) -> tuple[int, ...]:
    if "size" not in given and not size:
        _refuse_missing(name)
    unknown = [keyword for keyword in given if keyword != "size"]
    if unknown:
        fail(TypeError, f"{name}() got an unexpected keyword argument '{unknown[0]}'")
    if size:
        fail(TypeError, f"{name}() got multiple values for argument 'size'")
    size = given["size"]
    if not is_sequence_of_ints(size):
        fail(TypeError, f"{name}(): argument 'size' must be tuple of ints, not {type_name(size)}")
    return extents(size, name)


def is_sequence_of_ints(size: Any) -> bool:
    """Whether PyTorch takes a value for a size at first sight: it looks at the first element."""
    return isinstance(size, (tuple, list)) and (not size or is_whole(size[0]))


def shape_from(
    name: str, size: Any, position: int = 1, argument: str = "size", facts: Sequence[str] = ()
) -> tuple[int, ...]:
    """The shape that one argument gives, which has to be a sequence."""
    if is_sequence_of_ints(size):
        return extents(size, name)
    found, one = f", not {type_name(size)}", f"({size},)"
    if isinstance(size, (tuple, list)):
        found = f", but found element of type {type_name(size[0])} at pos 0"
    fail(
        TypeError,
        f"{name}(): argument '{argument}' (position {position}) must be tuple of ints{found}",
        facts=list(facts),
        try_=f"{one} as the {argument}" if is_whole(size) else None,
    )


def number_given(name: str, value: Any) -> Any:
    """The number that a `fill_value` is: of Python, of NumPy, or a tensor without dimensions."""
    if isinstance(value, Tensor) and not value.ndim:
        return value.item()
    if isinstance(value, (int, float, complex)) or getattr(value, "ndim", None) == 0:
        return value
    fail(
        TypeError,
        f"{name}(): argument 'fill_value' (position 2) must be Number, not {type_name(value)}",
    )


def check_tensor(name: str, input: Any) -> None:
    """A TypeError for what is no tensor."""
    if not isinstance(input, Tensor):
        fail(
            TypeError,
            f"{name}(): argument 'input' (position 1) must be Tensor, not {type_name(input)}",
            try_=f"torch.{name}(torch.tensor(...))",
        )
