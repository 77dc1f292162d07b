"""Changing dtype, device and memory: `to`, `float`, `clone`, `contiguous`, and what stays the same tensor."""

from __future__ import annotations

from typing import Any

from alight import primitives as p
from alight.device import device as Device
from alight.dtypes import BY_NAME
from alight.dtypes import dtype as Dtype
from alight.errors import fail, not_implemented
from alight.ir.program import Value
from alight.ops.arguments import SCALAR_NAMES, as_dtype
from alight.ops.creation import resolve_device
from alight.ops.docstrings import with_example
from alight.ops.operation import Strided, function, op, pointwise_strides
from alight.primitives.arithmetic import fresh
from alight.record.meta import Meta, contiguous_strides
from alight.tensor import Tensor, wrap


class memory_format:  # noqa: N801  (PyTorch's name)
    """How the elements of a tensor lie in memory: `torch.contiguous_format`, `torch.channels_last`, ...

    It shows in the strides; in what order a kernel really keeps elements is the compiler's business.

    >>> import alight as torch
    >>> torch.channels_last
    torch.channels_last
    >>> torch.ones(1, 3, 2, 2).to(memory_format=torch.channels_last).stride()
    (12, 1, 6, 3)
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> str:
        return self.name


contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")
channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")


Format = memory_format


def format_strides(shape: tuple[int, ...], memory_format: Format) -> tuple[int, ...]:
    """The strides that a memory format gives a shape."""
    if memory_format is contiguous_format:
        return contiguous_strides(shape)
    rank = 4 if memory_format is channels_last else 5
    if len(shape) != rank:
        fail(RuntimeError, f"required rank {rank} tensor to use {memory_format.name} format")
    order = (0, *range(2, rank), 1)
    inner = contiguous_strides(tuple(shape[i] for i in order))
    return tuple(inner[order.index(i)] for i in range(rank))


def _formatted(x: Value, like: Value, memory_format: Format | None) -> Strided:
    """`x` with the strides of a format, or, without one, those of `like` where it is dense."""
    if memory_format in (None, preserve_format):
        return Strided(x, pointwise_strides(x, [like]) or contiguous_strides(x.shape))
    assert memory_format is not None
    return Strided(x, format_strides(x.shape, memory_format))


@op(functions="clone", methods="clone", out=False)
def clone(input: Value, *, memory_format: Any = None) -> Strided:
    """A copy; gradients flow through.

    Shapes: any; the result has the input's.

    >>> import alight as torch
    >>> torch.ones(2).clone()
    tensor([1., 1.])
    """
    return _formatted(fresh(input), input, memory_format)


@op(functions="")
def _copied(input: Value, maker: str) -> Value:
    """A copy whose backward node is called `maker`."""
    return fresh(input)


def made_by(maker: str, tensor: Any) -> Any:
    """A tensor that several operations made, as one whose grad_fn has the name that PyTorch gives it."""
    return _copied.function(tensor, maker) if tensor.requires_grad else tensor


@function("", methods="contiguous")
def contiguous(self: Any, memory_format: Any = contiguous_format) -> Any:
    """This tensor if it lies in memory as asked, in row-major order by default, else a copy that does.

    Shapes: any, kept.

    >>> import alight as torch
    >>> torch.ones(2, 3).t().contiguous().stride()
    (2, 1)
    """
    return (
        self
        if self.is_contiguous(memory_format)
        else clone.function(self, memory_format=memory_format)
    )


@op(functions="")
def _to(input: Value, dtype: Any, memory_format: Any = None) -> Strided:
    """The elements as another dtype."""
    return _formatted(p.Convert(input, dtype=dtype), input, memory_format)


@function("", methods="to")
def to(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """This tensor with another dtype or on another device; itself where nothing changes.

    `to(dtype)`, `to(device)`, `to(device, dtype)`, `to(other)`, each with non_blocking, copy, memory_format.

    Shapes: any, kept.
    Errors: TypeError for arguments that fit none of these forms, RuntimeError for a device that is
    not there.

    >>> import alight as torch
    >>> torch.ones(1).to(torch.int64)
    tensor([1])
    """
    if len(args) == 1 and not kwargs:  # most calls, and most of them change nothing
        one, meta = args[0], self._meta
        if one is meta.dtype:
            return self
        at_home = meta.device.type == "cpu"
        if at_home and (one == "cpu" if one.__class__ is str else one is meta.device):
            return self
    dtype, device, copy = (
        kwargs.pop("dtype", None),
        kwargs.pop("device", None),
        kwargs.pop("copy", False),
    )
    other = kwargs.pop("other", None)
    memory_format = kwargs.pop("memory_format", None)
    for name in kwargs:
        if name != "non_blocking":
            fail(TypeError, f"to() got an unexpected keyword argument '{name}'")
    flags = []
    for one in args:
        if isinstance(one, Dtype):
            dtype = one
        elif isinstance(one, Tensor):
            other = one
        elif isinstance(one, bool):
            flags.append(one)
        elif isinstance(one, (str, Device, int)):
            device = one
        elif isinstance(one, type) and one in (float, int, bool, complex):
            dtype = as_dtype("to", one)
        elif one is not None:
            fail(
                TypeError,
                f"to() received an invalid combination of arguments - got ({type(one).__name__})",
            )
    if other is not None:
        dtype, device = other.dtype, other.device
    copy = copy or (len(flags) > 1 and flags[1])
    return _moved(self, as_dtype("to", dtype), device, copy, memory_format)


def _moved(
    self: Tensor, dtype: Dtype | None, device: Any, copy: bool, memory_format: Format | None = None
) -> Tensor:
    made = self
    if device is not None:
        where = resolve_device(device)
        if where != self.device:
            if where.type == "meta":
                made = wrap(
                    None,
                    Meta(
                        type(self._meta.type)(self._meta.shape, self.dtype, where),
                        self._meta.strides,
                    ),
                )
            elif self.device.type == "meta":
                fail(
                    NotImplementedError,
                    "Cannot copy out of meta tensor; no data!",
                    try_="torch.empty_like(tensor, device='cpu')",
                )
            else:
                not_implemented(f"a copy from {self.device} to {where}", "device='cpu'")
    if dtype is not None and dtype is not self.dtype:
        return _to.function(made, dtype, memory_format)
    if memory_format not in (None, preserve_format) and not made.is_contiguous(memory_format):
        return clone.function(made, memory_format=memory_format)
    return clone.function(made, memory_format=memory_format) if copy and made is self else made


def _cast(name: str, to_dtype: Dtype, shown: str) -> None:
    """`shown` is what 0 and 1 print when they are cast."""

    def cast(self: Tensor, memory_format: Any = None) -> Tensor:
        if memory_format is not None:
            return to(self, to_dtype, memory_format=memory_format)
        return self if self._meta.dtype is to_dtype else _to.function(self, to_dtype)

    cast.__name__ = name
    cast.__doc__ = with_example(
        f"This tensor as {to_dtype!r}; itself if it is that already.\n\nShapes: any, kept.",
        f"torch.tensor([0, 1], dtype={'torch.int8' if name != 'char' else 'torch.uint8'}).{name}()",
        f"tensor([{shown})",
    )
    function("", methods=name)(cast)


for _names, _shown in (
    ("float float32  double float64  half float16  bfloat16 bfloat16", "0., 1."),
    ("int int32  long int64  short int16  char int8  byte uint8", "0, 1"),
    ("bool bool", "False,  True"),
    ("cfloat complex64  cdouble complex128", "0.+0.j, 1.+0.j"),
):
    _pairs = _names.split()
    for _name, _dtype in zip(_pairs[::2], _pairs[1::2], strict=True):
        _implied = _dtype in ("float32", "int64", "bool", "complex64")
        _cast(_name, BY_NAME[_dtype], _shown + ("]" if _implied else f"], dtype=torch.{_dtype}"))


@function("", methods="cpu")
def cpu(self: Tensor, memory_format: Any = None) -> Tensor:
    """This tensor on the CPU.

    Shapes: any, kept.

    >>> import alight as torch
    >>> torch.ones(2).cpu()
    tensor([1., 1.])
    """
    return _moved(self, None, "cpu", False)


@function("", methods="cuda")
def cuda(
    self: Tensor, device: Any = None, non_blocking: bool = False, memory_format: Any = None
) -> Tensor:
    """This tensor on an NVIDIA device; PyTorch's error where there is none.

    Shapes: any, kept.

    >>> import alight as torch
    >>> torch.ones(2).cuda() if torch.cuda.is_available() else 'no CUDA device here'
    'no CUDA device here'
    """
    return _moved(
        self, None, Device("cuda", device) if isinstance(device, int) else device or "cuda", False
    )


_BY_TYPE_NAME = {f"torch.{text}Tensor": BY_NAME[name] for name, text in SCALAR_NAMES.items()}


@function("", methods="type")
def type_(self: Tensor, dtype: Any = None, non_blocking: bool = False, **other: Any) -> Any:
    """The tensor's type as a string, as 'torch.FloatTensor'; with a dtype or such a string, the converted tensor.

    Shapes: any, kept.
    Errors: ValueError for a string that names no type.

    >>> import alight as torch
    >>> torch.ones(2).type()
    'torch.FloatTensor'
    >>> torch.ones(2).type(torch.int64)
    tensor([1, 1])
    """
    if dtype is None:
        return f"torch.{SCALAR_NAMES[self.dtype.name]}Tensor"
    if isinstance(dtype, Dtype):
        of = dtype
    else:
        text = dtype if isinstance(dtype, str) else f"torch.{getattr(dtype, '__name__', dtype)}"
        if text not in _BY_TYPE_NAME:
            fail(ValueError, f"invalid type: '{text}'", try_="x.to(torch.float32)")
        of = _BY_TYPE_NAME[text]
    return self if self.dtype is of else _to.function(self, of)


@function("", methods="type_as")
def type_as(self: Tensor, other: Tensor) -> Tensor:
    """This tensor as the dtype of `other`.

    Shapes: any, kept.

    >>> import alight as torch
    >>> torch.ones(2).type_as(torch.tensor(1))
    tensor([1, 1])
    """
    return self if self.dtype is other.dtype else _to.function(self, other.dtype)


@function("can_cast")
def can_cast(from_: Dtype, to: Dtype) -> bool:
    """Whether a result of one dtype may be written into a tensor of another.

    >>> import alight as torch
    >>> torch.can_cast(torch.int32, torch.float32), torch.can_cast(torch.float32, torch.int32)
    (True, False)
    """
    from alight.dtypes import category

    return category(from_) <= category(to)


@function("result_type")
def result_type(tensor1: Any, tensor2: Any) -> Dtype:
    """The dtype of tensor1 + tensor2.

    Shapes: any: numbers and 0-d tensors count less than others.

    >>> import alight as torch
    >>> torch.result_type(torch.tensor([1, 2]), 1.5)
    torch.float32
    """
    return (tensor1 * tensor2).dtype if isinstance(tensor1, Tensor) else (tensor2 * tensor1).dtype


@function(methods="is_nonzero")
def is_nonzero(input: Tensor) -> bool:
    """Whether the only element is not zero.

    Shapes: any of one element.
    Errors: RuntimeError for another number of elements.

    >>> import alight as torch
    >>> torch.is_nonzero(torch.tensor([2.]))
    True
    """
    return bool(input)
