"""What operations do with arguments before the mathematics: checks, dimensions, and type promotion.

Promotion has three ranks: tensors with dimensions, 0-d tensors, Python numbers. A lower rank decides the result's
dtype only if its category (bool, integer, floating point, complex) is higher.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from alight import dtypes
from alight.dtypes import SCALAR_NAMES as SCALAR_NAMES
from alight.dtypes import category, complex64, dtype, promote
from alight.errors import fail
from alight.ir.program import Value
from alight.primitives import Convert
from alight.primitives.arithmetic import broadcast, broadcast_shape
from alight.record.recorder import thread


def scalar_type_name(of: dtype) -> str:
    """PyTorch's internal name of a dtype, as its errors say it: Float, Long, ..."""
    return SCALAR_NAMES[of.name]


def type_name(value: Any) -> str:
    """A type as PyTorch's errors write it: NumPy's with their module."""
    kind = type(value)
    return f"numpy.{kind.__name__}" if kind.__module__ == "numpy" else kind.__name__


def default_dtype() -> dtype:
    """The dtype of floating-point results that nothing else decides."""
    return thread.recorder.default_dtype


_PYTHON = {
    float: dtypes.float64,
    int: dtypes.int64,
    bool: dtypes.bool_,
    complex: dtypes.complex128,
}


def as_dtype(name: str, given: Any) -> Any:
    """The dtype that the argument of a function means, which may be a type of Python; None stays None.

    >>> as_dtype("ones", float)
    torch.float64

    Errors: TypeError for anything else.
    """
    if given is None or given.__class__ is dtype:
        return given
    found = _PYTHON.get(given) if isinstance(given, type) else None
    if found is None:
        known = isinstance(given, str) and given in dtypes.BY_NAME
        fail(
            TypeError,
            f"{name.rstrip('_')}(): argument 'dtype' must be torch.dtype, not {type_name(given)}",
            try_=f"torch.{given}" if known else "torch.float32",
        )
    return found


# -- normalising (runs before the key is made) -----------------------------------------------------------------------


def normalized(operation: Any, parameter: Any, value: Any) -> Any:
    """`value` in the form that keys hold, or PyTorch's TypeError."""
    kind = parameter.kind
    if kind == "tensor" or (kind == "optional" and value is not None):
        if not hasattr(value, "_slot"):
            position = operation.parameters.index(parameter) + 1
            fail(
                TypeError,
                f"{operation.name.strip('_')}(): argument '{parameter.name}' (position {position}) must be Tensor, not "
                f"{type_name(value)}",
                try_=f"torch.tensor({parameter.name})",
            )
    elif kind == "tensors":
        return _tensor_sequence(operation, parameter, value)
    elif kind in ("operand", "scalar"):
        return _number_or_tensor(operation, parameter, value)
    elif kind == "int":
        return value if value.__class__ is int or value is None else _index(value)
    elif kind == "static":
        return as_dtype(operation.name, value) if parameter.name == "dtype" else _hashable(value)
    return value


def _tensor_sequence(operation: Any, parameter: Any, value: Any) -> tuple[Any, ...]:
    if hasattr(value, "_slot") or not hasattr(value, "__iter__"):
        fail(
            TypeError,
            f"{operation.name}(): argument '{parameter.name}' (position 1) must be tuple of Tensors, not "
            f"{type(value).__name__}",
            try_=f"{operation.name}((a, b))",
        )
    value = tuple(value)
    for i, one in enumerate(value):
        if not hasattr(one, "_slot"):
            fail(
                TypeError,
                f"expected Tensor as element {i} in argument 0, but got {type(one).__name__}",
                try_="torch.tensor(...) for each element",
            )
    return value


def _number_or_tensor(operation: Any, parameter: Any, value: Any) -> Any:
    if value is None or value.__class__ in (float, int, bool, complex):
        return value
    if hasattr(value, "_slot"):
        if parameter.kind == "scalar":
            return value.item()
        return value
    number: Any
    for number in (bool, int, float, complex):  # subclasses, and NumPy's scalars
        if isinstance(value, number):
            return number(value)
    if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        return value.item()
    if hasattr(value, "__array__"):
        from alight.tensor import from_numpy

        return from_numpy(value.__array__())
    fail(
        TypeError,
        f"{operation.name.rstrip('_')}(): argument '{parameter.name}' must be Tensor, not {type(value).__name__}",
    )


def _index(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    if hasattr(value, "__index__"):
        return value.__index__()
    return value


def _hashable(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return tuple([_hashable(one) for one in value])
    if hasattr(value, "_slot") or (hasattr(value, "item") and getattr(value, "ndim", 1) == 0):
        return value.item()
    return value


# -- dimensions --------------------------------------------------------------------------------------------------------


def normalize_dim(dim: int, ndim: int, wrap_scalar: bool = True) -> int:
    """A dimension counted from the front; PyTorch's IndexError where it is out of range.

    >>> normalize_dim(-1, 3)
    2
    """
    if isinstance(dim, bool) or not isinstance(dim, int):
        fail(TypeError, f"dim must be an int, not {type(dim).__name__}")
    if ndim == 0 and not wrap_scalar:
        fail(IndexError, f"Dimension specified as {dim} but tensor has no dimensions")
    extent = max(ndim, 1)
    if not -extent <= dim < extent:
        fail(
            IndexError,
            f"Dimension out of range (expected to be in range of [{-extent}, {extent - 1}], but got {dim})",
            facts=[f"the tensor has {ndim} dimensions"],
            try_="dim=-1 for the last one",
        )
    return dim + extent if dim < 0 else dim


def normalize_dims(dim: Any, ndim: int) -> tuple[int, ...]:
    """Sorted axes from an int, a sequence, or None (and an empty sequence) for all of them."""
    if ndim > 64:
        fail(RuntimeError, "only tensors with up to 64 dims are supported")
    if dim is None or dim == ():
        return tuple(range(ndim))
    dims = (dim,) if isinstance(dim, int) else tuple(dim)
    axes = [normalize_dim(one, ndim) for one in dims]
    if len(set(axes)) != len(axes):
        repeated = next(axis for axis in axes if axes.count(axis) > 1)
        fail(RuntimeError, f"dim {repeated} appears multiple times in the list of dims")
    return tuple(sorted(axes)) if ndim else ()


# -- promotion -----------------------------------------------------------------------------------------------------------


def number_dtype(kind: type) -> dtype:
    """The dtype of a Python number's type."""
    if kind is bool:
        return dtypes.bool_
    if kind is int:
        return dtypes.int64
    return default_dtype() if kind is float else default_dtype().to_complex()


def _rank_and_dtype(value: Any) -> tuple[int, dtype]:
    if isinstance(value, Value):
        kind = getattr(value, "number", None)
        if kind is not None:
            return 0, number_dtype(kind)
        return (1 if value.ndim == 0 else 2), value.dtype
    return 0, number_dtype(type(value))


def result_type(*values: Any) -> dtype:
    """The dtype that PyTorch computes with on these operands: values, scalar arguments, Python numbers."""
    best: list[dtype | None] = [None, None, None]  # by rank
    for value in values:
        rank, of = _rank_and_dtype(value)
        held = best[rank]
        best[rank] = of if held is None else promote(held, of)
    result: dtype | None = None
    for of in (one for one in reversed(best) if one is not None):
        if result is None:
            result = of
        elif category(of) > category(result):
            if of.is_complex and result.is_floating_point:
                result = result.to_complex() if result is not dtypes.float16 else complex64
            else:
                result = of
    assert result is not None
    return result


def as_value(value: Any, like: Value, to: dtype | None = None) -> Value:
    """A tensor, a scalar argument or a Python number as a value of dtype `to`."""
    if not isinstance(value, Value):
        from alight.primitives.arithmetic import constant

        return constant(like, value, dtype=to or number_dtype(type(value)))
    return Convert(value, dtype=to) if to is not None else value


def promoted(*values: Any, to_float: bool = False, name: str = "") -> tuple[Value, ...]:
    """All operands in their common dtype and broadcast to their common shape."""
    of = result_type(*values)
    if to_float and category(of) < 2:
        of = default_dtype()
    like = next(value for value in values if isinstance(value, Value))
    check_devices(values)
    return broadcast_all(*(as_value(value, like, of) for value in values))


def to_float(x: Value) -> Value:
    """Integers and bools as the default floating-point dtype; the rest as it is."""
    return x if category(x.dtype) >= 2 else Convert(x, dtype=default_dtype())


def check_devices(values: Sequence[Any]) -> None:
    """PyTorch's error where operands live on different devices; 0-d CPU tensors and numbers go anywhere."""
    found = None
    for value in values:
        if (
            not isinstance(value, Value)
            or getattr(value, "number", None) is not None
            or value.ndim == 0
        ):
            continue
        if found is None:
            found = value.type.device
        elif found != value.type.device:
            here = value.type.device
            without_data = "meta" in (found.type, here.type)
            fail(
                RuntimeError,
                f"Tensor on device {here} is not on the expected device {found}!"
                if without_data
                else "Expected all tensors to be on the same device, but found at least two devices, "
                f"{found} and {here}!",
                facts=[
                    f"operand {i}: {v.type}" for i, v in enumerate(values) if isinstance(v, Value)
                ],
                try_=f".to('{found}')",
            )


def broadcast_all(*values: Value) -> tuple[Value, ...]:
    """All values under their common shape, or PyTorch's error with the shapes."""
    shape = broadcast_shape(*(value.shape for value in values))
    if shape is None:
        broadcast_error([value.shape for value in values])
    return tuple(broadcast(value, shape) for value in values)


def broadcast_error(shapes: Sequence[tuple[int, ...]]) -> NoReturn:
    """PyTorch's error for shapes that do not broadcast, with the first two extents that disagree."""
    for i, a in enumerate(shapes):
        for b in shapes[i + 1 :]:
            rank = max(len(a), len(b))
            wide_a, wide_b = (1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b
            for axis in range(rank - 1, -1, -1):
                m, n = wide_a[axis], wide_b[axis]
                if m != n and 1 not in (m, n):
                    fail(
                        RuntimeError,
                        f"The size of tensor a ({m}) must match the size of tensor b ({n}) at non-singleton "
                        f"dimension {axis}",
                        facts=[f"a is {list(a)}, b is {list(b)}"],
                        try_="unsqueeze() or reshape() so that sizes are equal or 1, counted from the last",
                    )

    raise AssertionError("these shapes do broadcast")


def shape_of(size: Sequence[Any], name: str = "empty") -> tuple[int, ...]:
    """A shape from `(2, 3)` or `((2, 3),)`; PyTorch's errors for what is none, in the name of a function."""
    if len(size) == 1 and not hasattr(size[0], "__index__") and hasattr(size[0], "__iter__"):
        size = tuple(size[0])
    return extents(size, name)


def extents(size: Sequence[Any], name: str) -> tuple[int, ...]:
    """The extents of a shape as ints; PyTorch's errors for what is none, and for negative ones."""
    shape = []
    for i, extent in enumerate(size):
        try:
            shape.append(extent.__index__())
        except (AttributeError, TypeError):
            fail(
                TypeError,
                f"{name}(): argument 'size' failed to unpack the object at pos {i + 1} with error \"type must be tuple of "
                f'ints,but got {type(extent).__name__}"',
            )
    for extent in shape:
        if extent < 0:
            if name == "zeros":
                fail(
                    RuntimeError,
                    "zeros: Dimension size must be non-negative.",
                    facts=[f"the shape is {shape}"],
                )
            fail(RuntimeError, f"Trying to create tensor with negative dimension {extent}: {shape}")
    return tuple(shape)
