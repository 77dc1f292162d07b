"""Making tensors: from data, filled with a number, and with the shape of another.

Constants are recorded like anything else; what is to be a leaf with gradients, and what comes from data, is made at
the call and enters the next segment as an input.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alight import primitives as p
from alight.backends.base import backend_of, executable
from alight.device import CPU
from alight.device import device as Device
from alight.dtypes import BY_NAME, iinfo, int64
from alight.dtypes import dtype as Dtype
from alight.errors import fail, warn
from alight.ir.program import Builder, Value
from alight.ir.types import Type
from alight.ops.arguments import as_dtype
from alight.ops.constants import fill_of, known, recorded, remember
from alight.ops.docstrings import with_example
from alight.ops.operation import Strided, dense_strides, function, op
from alight.ops.out import write_out
from alight.ops.sizes import check_tensor, number_given, shape_from, shape_given
from alight.primitives.arithmetic import broadcast
from alight.record.meta import INFERENCE, Meta
from alight.record.recorder import thread
from alight.tensor import Tensor, from_buffer, from_numpy, wrap

Shape = Any
Scalar = Any


def resolve_device(device: Any) -> Device:
    """The device that an argument names; the CPU where none is given."""
    where = CPU if device is None else device if isinstance(device, Device) else Device(device)
    if where.type == "cpu" and where.index is not None:
        return CPU
    if where.type not in ("cpu", "meta"):
        backend_of(where)  # PyTorch's error where there is no such device
    return where


def default_dtype() -> Dtype:
    """What `torch.get_default_dtype()` says."""
    return thread.recorder.default_dtype


# -- from data -------------------------------------------------------------------------------------------------------


@function()
def tensor(
    data: Any, *, dtype: Dtype | None = None, device: Any = None, requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor with a copy of `data`: a number, nested sequences, or an array.

    Whole numbers give int64, floating point the default dtype, an array keeps its own.
    Errors: ValueError for ragged sequences, TypeError for what is not a number.

    Shapes: that of the data; a number gives ().

    >>> import alight as torch
    >>> torch.tensor([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]])
    """
    dtype = as_dtype("tensor", dtype)
    if isinstance(data, Tensor):
        warn(
            "torch.tensor(x) of a tensor x is a copy without x's gradient record; x.detach().clone() says so, and "
            "x.detach().clone().requires_grad_() makes it a leaf"
        )
        made = data.detach().clone()
        made = made.to(dtype=dtype or data.dtype, device=resolve_device(device or data.device))
        return leaf(made) if requires_grad else made
    where = resolve_device(device)
    if isinstance(data, (list, tuple)) and _holds_tensors(data):
        data = _without_tensors(data)
    buffer, of = backend_of(CPU).from_data(data, dtype, default_dtype())
    if where.type == "meta":
        return wrap(None, Meta(Type(tuple(buffer.shape), of, where), None, requires_grad))
    made = from_buffer(buffer, of, where)
    if thread.recorder.inference:
        made._meta = made._meta.replace(origin=INFERENCE)
    return leaf(made) if requires_grad else made


def leaf(made: Tensor) -> Tensor:
    """A tensor that has just been made, as a leaf that collects gradients."""
    if not made._meta.dtype.is_differentiable:
        fail(
            RuntimeError,
            "Only Tensors of floating point and complex dtype can require gradients",
            facts=[f"this one is {made.dtype!r}"],
            try_="dtype=torch.float32",
        )
    return made.requires_grad_()


def _holds_tensors(data: Sequence[Any]) -> bool:
    return any(
        isinstance(one, Tensor) or (isinstance(one, (list, tuple)) and _holds_tensors(one))
        for one in data
    )


def _without_tensors(data: Any) -> Any:
    if isinstance(data, Tensor):
        if data.numel() != 1:
            fail(
                ValueError,
                "only one element tensors can be converted to Python scalars",
                facts=[f"the list holds a tensor {list(data.shape)}"],
                try_="torch.stack(...) of tensors of one shape",
            )
        plain = data.detach().reshape(())  # as a number of NumPy it keeps its dtype
        return plain.item() if data.dtype.name == "bfloat16" else plain.numpy()[()]
    return [_without_tensors(one) for one in data] if isinstance(data, (list, tuple)) else data


@function(functions="as_tensor asarray")
def as_tensor(
    data: Any,
    dtype: Dtype | None = None,
    device: Any = None,
    copy: bool | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """`data` as a tensor, without a copy where it is one already or a NumPy array of the right dtype.

    Shapes: that of the data.
    Errors: TypeError for what is not a number, ValueError for ragged sequences.

    >>> import alight as torch
    >>> x = torch.ones(2)
    >>> torch.as_tensor(x) is x
    True
    """
    dtype = as_dtype("as_tensor", dtype)
    if isinstance(data, Tensor):
        made = data.to(
            dtype=dtype or data.dtype, device=resolve_device(device or data.device), copy=bool(copy)
        )
    elif hasattr(data, "__array_interface__") and getattr(data, "ndim", 0) > 0 and not copy:
        made = from_numpy(data)
        made = made if dtype in (None, made.dtype) else made.to(dtype)
    else:
        made = tensor(data, dtype=dtype, device=device)
    return made.requires_grad_() if requires_grad else made


function("from_numpy")(from_numpy)


@function(functions="")
def legacy_tensor(*args: Any, **kwargs: Any) -> Tensor:
    """`torch.Tensor(2, 3)`, `torch.Tensor([1, 2])`: the constructor that people still use."""
    return typed_tensor(default_dtype(), *args)


def typed_tensor(of: Dtype, *args: Any) -> Tensor:
    """`torch.FloatTensor(2, 3)` and its kin: from a shape, or from data of any kind, always of one dtype."""
    if not args:
        return empty(0, dtype=of)
    if len(args) == 1 and isinstance(args[0], (float, complex, bool)):
        fail(
            TypeError,
            f"new(): data must be a sequence (got {type(args[0]).__name__})",
            try_=f"torch.tensor({args[0]})",
        )
    if len(args) == 1 and not isinstance(args[0], int):
        data = args[0]
        if isinstance(data, Tensor):
            return data.detach().to(of)
        if type(data).__name__ == "Size":
            return empty(data, dtype=of)
        return tensor(data, dtype=of)
    return empty(*args, dtype=of)


# -- filled with one number --------------------------------------------------------------------------------------------


@op(functions="")
def _full(shape: Shape, value: Any, dtype: Any, device: Any, strides: Any) -> Any:
    """A tensor of one number that is part of the path, in another order of axes than the usual one."""
    return Strided(p.Full(shape=shape, value=value, dtype=dtype, device=device), strides)


@op(functions="")
def _full_of(number: Scalar, shape: Shape, dtype: Any) -> Value:
    """A tensor of one number that may be another at each call."""
    return broadcast(p.Convert(number, dtype=dtype), shape)


def at_once(node: Any, **statics: Any) -> Any:
    """The buffer that a creation primitive makes, outside any segment."""
    builder = Builder()
    with builder.active():
        program = builder.finish([node(**statics)])
    return executable(program)([])[0]


def _check_fits(value: int, of: Dtype) -> None:
    """PyTorch's error for a number that a dtype of whole numbers cannot hold; -1 may be meant as the highest."""
    limits = iinfo(of)
    if not (limits.min or -limits.max) <= value <= limits.max:
        name = "int" if of.name == "int32" else f"{of.name}_t"
        fail(
            RuntimeError,
            f"value cannot be converted to type {name} without overflow",
            facts=[f"{of!r} holds {limits.min} to {limits.max}, not {value}"],
        )


def _may_differ(value: Any) -> bool:
    """Whether a number is an input of the program: a rate, or the step of a loop, torch.full((n,), t), but no 0, 1, -1."""
    if isinstance(value, float):
        return value not in (0.0, 1.0)
    return type(value) is int and 1 < abs(value) < 2**31


def filled(
    shape: tuple[int, ...], value: Any, dtype: Dtype, device: Any, requires_grad: bool
) -> Tensor:
    """A tensor of one number: recorded, or at hand at once where it is to be a leaf with gradients."""
    where = resolve_device(device)
    if not requires_grad:
        if type(value) is int and dtype.kind in "ui":
            _check_fits(value, dtype)
        if where == CPU and _may_differ(value):
            return _full_of.function(value, shape, dtype)
        return recorded(fill_of(shape, value, dtype, where))
    if where.type == "meta":
        return wrap(None, Meta(Type(shape, dtype, where), None, True))
    buffer = at_once(p.Full, shape=shape, value=value, dtype=dtype, device=where)
    return leaf(from_buffer(buffer, dtype, where))


def into(out: Any, made: Tensor) -> Tensor:
    return made if out is None else write_out(out, made)


def _constant(name: str, value: Any, doc: str) -> Any:
    def make(
        *size: Any, dtype: Dtype | None = None, device: Any = None, requires_grad: bool = False, out: Any = None,
        layout: Any = None, pin_memory: bool = False, memory_format: Any = None, names: Any = None, **given: Any,
    ) -> Tensor:  # fmt: skip
        plain = size and not (requires_grad or given) and out is None and memory_format is None
        if plain and (made := known(name, size, dtype, device)) is not None:
            return made  # type: ignore[no-any-return]
        shape = shape_given(name, size, given)
        if memory_format is not None and memory_format.name.startswith("channels_last"):
            from alight.ops.conversion import format_strides
            from alight.ops.places import empty_strided

            return empty_strided(
                shape,
                format_strides(shape, memory_format),
                dtype=dtype,
                device=device,
                requires_grad=requires_grad,
            )
        of = as_dtype(name, dtype) or default_dtype()
        if plain:
            fill = fill_of(shape, value, of, resolve_device(device))
            remember(name, size, dtype, device, fill)
        return into(out, filled(shape, value, of, device, requires_grad))

    make.__name__ = make.__qualname__ = name
    make.__doc__ = _constant_docstring(doc + _SIZES, f"torch.{name}(2)", f"{value}., {value}.")
    return function(name)(make)


def _constant_docstring(text: str, call: str, shown: str) -> str:
    """With an example; what `empty` makes is not shown, for its elements mean nothing."""
    if "empty" in call:
        return with_example(text, f"{call}.shape", "torch.Size([2])")
    return with_example(text, call, f"tensor([{shown}])")


_SIZES = """

Shapes: `size`, as numbers or as one sequence.
Errors: RuntimeError for a negative extent."""
zeros = _constant("zeros", 0, "A tensor of zeros.")
ones = _constant("ones", 1, "A tensor of ones.")
empty = _constant("empty", 0, "A tensor whose elements mean nothing yet. Differs: they are zeros.")


@function()
def full(
    size: Any, fill_value: Any, *, dtype: Dtype | None = None, device: Any = None, requires_grad: bool = False,
    out: Any = None, layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor of one number, whose kind decides the dtype.

    Shapes: `size`, one sequence.
    Errors: RuntimeError for a negative extent.

    >>> import alight as torch
    >>> torch.full((2,), 7)
    tensor([7, 7])
    """
    shape, fill_value = shape_from("full", size), number_given("full", fill_value)
    dtype = as_dtype("full", dtype)
    if dtype is None:
        kind = type(fill_value)
        dtype = BY_NAME["bool"] if kind is bool else int64 if kind is int else default_dtype()
        if kind is complex:
            dtype = dtype.to_complex()
    return into(out, filled(shape, fill_value, dtype, device, requires_grad))


def _options(like: Tensor, dtype: Any, device: Any) -> tuple[Dtype, Any]:
    return as_dtype("new", dtype) or like.dtype, like.device if device is None else device


def _like(value: Any, name: str, doc: str) -> Any:
    def make(
        input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, layout: Any = None,
        pin_memory: bool = False, memory_format: Any = None,
    ) -> Tensor:  # fmt: skip
        if input.__class__ is not Tensor:
            check_tensor(name, input)
        plain = dtype is None and device is None and not requires_grad
        number = (input._meta.number,)
        if plain and (made := known(name, number, None, None)) is not None:
            return made  # type: ignore[no-any-return]
        meta = input._meta
        if plain and meta.strides is None:
            remember(name, number, None, None, fill_of(meta.shape, value, meta.dtype, meta.device))
        return filled_like(input, value, dtype, device, requires_grad)

    make.__name__ = make.__qualname__ = name
    call = f"torch.{name}(torch.tensor([5, 6]))"
    make.__doc__ = _constant_docstring(doc, call, f"{value}, {value}")
    return function(name)(make)


def filled_like(input: Tensor, value: Any, dtype: Any, device: Any, requires_grad: bool) -> Tensor:
    """One number in the shape of another tensor, and in its order of axes."""
    dtype, device = _options(input, dtype, device)
    meta = input._meta
    if meta.strides is None or requires_grad:
        return filled(meta.shape, value, dtype, device, requires_grad)
    return _full(meta.shape, value, dtype, resolve_device(device), dense_strides(meta))


zeros_like = _like(0, "zeros_like", "Zeros of the shape, dtype and device of `input`.")
ones_like = _like(1, "ones_like", "Ones of the shape, dtype and device of `input`.")
empty_like = _like(
    0, "empty_like", "A tensor of the shape of `input` whose elements mean nothing yet."
)


@function()
def full_like(
    input: Tensor, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
    layout: Any = None, pin_memory: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """One number in the shape, dtype and device of `input`.

    >>> import alight as torch
    >>> torch.full_like(torch.ones(2), 7)
    tensor([7., 7.])
    """
    check_tensor("full_like", input)
    number = number_given("full_like", fill_value)
    return filled_like(input, number, dtype, device, requires_grad)


def _new(value: Any, name: str) -> Any:
    def make(
        self: Tensor,
        *size: Any,
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool = False,
        layout: Any = None,
        pin_memory: bool = False,
        **given: Any,
    ) -> Tensor:
        shape = shape_given(name, size, given)
        return filled(shape, value, *_options(self, dtype, device), requires_grad)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = _constant_docstring(
        f"`torch.{name[4:]}` with the dtype and device of this tensor." + _SIZES,
        f"torch.tensor([5]).{name}(2)",
        f"{value}, {value}",
    )
    return function("", methods=name)(make)


new_zeros, new_ones, new_empty = _new(0, "new_zeros"), _new(1, "new_ones"), _new(0, "new_empty")


@function("", methods="new_full")
def new_full(
    self: Tensor,
    size: Any,
    fill_value: Any,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """`torch.full` with the dtype and device of this tensor.

    Shapes: `size`, one sequence.

    >>> import alight as torch
    >>> torch.ones(1).new_full((2,), 3)
    tensor([3., 3.])
    """
    shape, number = shape_from("new_full", size), number_given("new_full", fill_value)
    return filled(shape, number, *_options(self, dtype, device), requires_grad)


@function("", methods="new_tensor")
def new_tensor(
    self: Tensor, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """`torch.tensor` with the dtype and device of this tensor.

    Shapes: that of the data.

    >>> import alight as torch
    >>> torch.ones(1).new_tensor([1, 2])
    tensor([1., 2.])
    """
    dtype, device = _options(self, dtype, device)
    return tensor(data, dtype=dtype, device=device, requires_grad=requires_grad)


@function()
def scalar_tensor(
    s: Any,
    *,
    dtype: Dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
    layout: Any = None,
) -> Tensor:
    """A 0-d tensor of the default dtype.

    Shapes: ().

    >>> import alight as torch
    >>> torch.scalar_tensor(3)
    tensor(3.)
    """
    return tensor(s, dtype=dtype or default_dtype(), device=device, requires_grad=requires_grad)
