"""Names of `torch` that are neither operations nor classes of their own: layouts, defaults, threads, constructors."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from alight import config, dtypes
from alight.dtypes import dtype as Dtype
from alight.errors import fail
from alight.ops.arguments import SCALAR_NAMES
from alight.ops.conversion import (
    channels_last,
    channels_last_3d,
    contiguous_format,
    memory_format,
    preserve_format,
)
from alight.record.recorder import thread
from alight.tensor import Tensor


class layout:  # noqa: N801  (PyTorch's name)
    """How a tensor is stored at all; alight has `strided` ones only, the others are names.

    >>> import alight as torch
    >>> torch.strided, torch.ones(2).layout
    (torch.strided, torch.strided)
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> str:
        return self.name


strided = layout("strided")
OTHER_LAYOUTS = {
    name: layout(name)
    for name in ("sparse_coo", "sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc", "jagged")
}


def set_default_dtype(d: Dtype) -> None:
    """The dtype of floating-point tensors that nothing else decides.

    Errors: TypeError for a dtype that is not floating point.

    >>> import alight as torch
    >>> torch.set_default_dtype(torch.float64)
    >>> torch.tensor(1.5).dtype
    torch.float64
    >>> torch.set_default_dtype(torch.float32)
    """
    if not isinstance(d, Dtype):
        fail(
            TypeError,
            f"invalid dtype object: only floating-point types are supported as the default type, not {d}",
        )
    if not d.is_floating_point:
        fail(TypeError, "only floating-point types are supported as the default type")
    thread.recorder.set_ambient(default_dtype=d)


def get_default_dtype() -> Dtype:
    """The dtype that set_default_dtype set; float32 at first.

    >>> import alight as torch
    >>> torch.get_default_dtype()
    torch.float32
    """
    return thread.recorder.default_dtype


def set_default_tensor_type(t: Any) -> None:
    """The older way to set the default dtype: 'torch.DoubleTensor'.

    Errors: TypeError for a type that is not floating point.

    >>> import alight as torch
    >>> torch.set_default_tensor_type('torch.DoubleTensor')
    >>> torch.tensor(1.5).dtype
    torch.float64
    >>> torch.set_default_tensor_type('torch.FloatTensor')
    """
    name = t if isinstance(t, str) else t.__name__
    by_name = {text + "Tensor": dtypes.BY_NAME[of] for of, text in SCALAR_NAMES.items()}
    set_default_dtype(by_name[name.removeprefix("torch.")])


def is_tensor(obj: Any) -> bool:
    """Whether `obj` is a tensor.

    >>> import alight as torch
    >>> torch.is_tensor(torch.ones(2)), torch.is_tensor([1, 1])
    (True, False)
    """
    return isinstance(obj, Tensor)


def is_storage(obj: Any) -> bool:
    """Always False: storages are not objects here.

    >>> import alight as torch
    >>> torch.is_storage(torch.ones(2))
    False
    """
    return False


def numel(input: Tensor) -> int:
    """Number of elements.

    Shapes: any.

    >>> import alight as torch
    >>> torch.numel(torch.ones(2, 3))
    6
    """
    return input.numel()


def typename(obj: Any) -> str:
    """The type of `obj` as text, 'torch.FloatTensor' for tensors.

    >>> import alight as torch
    >>> torch.typename(torch.ones(2)), torch.typename([1])
    ('torch.FloatTensor', 'list')
    """
    if isinstance(obj, Tensor):
        return obj.type()
    cls = obj if isinstance(obj, type) else type(obj)
    return (
        cls.__qualname__
        if cls.__module__ in ("", "builtins")
        else f"{cls.__module__}.{cls.__qualname__}"
    )


def set_num_threads(n: int) -> None:
    """How many threads a kernel may use.

    Errors: RuntimeError for a number below 1.

    >>> import alight as torch
    >>> before = torch.get_num_threads()
    >>> torch.set_num_threads(1)
    >>> torch.get_num_threads()
    1
    >>> torch.set_num_threads(before)
    """
    if not isinstance(n, int) or n <= 0:
        fail(RuntimeError, "set_num_threads expects a positive integer", try_="set_num_threads(2)")
    config.num_threads = n
    pools = sys.modules.get("alight.backends.cpu.threads")
    if pools is not None:  # compiled code has run
        pools.number_changed()


def get_num_threads() -> int:
    """How many threads a kernel may use.

    >>> import alight as torch
    >>> torch.get_num_threads() > 0
    True
    """
    from alight.backends.interpreter.threads import thread_count

    return thread_count()


def compile(model: Callable[..., Any] | None = None, **options: Any) -> Any:
    """`model` itself: alight compiles what repeats without being told.

    >>> import alight as torch
    >>> f = torch.compile(lambda x: x + 1)
    >>> f(torch.ones(2))
    tensor([2., 2.])
    """
    return model if model is not None else lambda function: function


class _Constructor(type):
    """Makes `isinstance(x, torch.FloatTensor)` ask for the dtype."""

    of: Dtype

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, Tensor) and instance.dtype is cls.of

    def __call__(cls, *args: Any) -> Tensor:
        from alight.ops.creation import typed_tensor

        return typed_tensor(cls.of, *args)


def typed_constructors() -> dict[str, type]:
    """`FloatTensor`, `LongTensor` and the rest, by name."""
    return {
        f"{text}Tensor": _Constructor(
            f"{text}Tensor",
            (),
            {"of": dtypes.BY_NAME[name], "__module__": "torch", "__doc__": _typed_docstring(text)},
        )
        for name, text in SCALAR_NAMES.items()
        if not name.startswith("uint") or name == "uint8"
    }


def _typed_docstring(text: str) -> str:
    made = f"torch.{text}Tensor(2)"
    return f"""A tensor of one dtype, from extents (its elements mean nothing yet) or from data: the older way.

Shapes: the extents as numbers, or that of the data.
Errors: as torch.Tensor.

>>> import alight as torch
>>> {made}.shape, isinstance({made}, torch.{text}Tensor)
(torch.Size([2]), True)
"""


__all__ = [
    "channels_last",
    "channels_last_3d",
    "contiguous_format",
    "memory_format",
    "preserve_format",
]
