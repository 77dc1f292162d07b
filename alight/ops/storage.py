"""The memory under tensors: storages, and exchange with other libraries through DLPack and the buffer protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from alight.backends.base import backend_of
from alight.device import CPU
from alight.dtypes import BY_NAME, uint8
from alight.dtypes import dtype as Dtype
from alight.errors import fail, not_implemented
from alight.ops.arguments import SCALAR_NAMES
from alight.ops.creation import typed_tensor, zeros
from alight.ops.docstrings import with_example
from alight.ops.operation import function
from alight.record.owners import root_of
from alight.record.views import ALWAYS
from alight.tensor import Tensor, from_numpy


class UntypedStorage:
    """The bytes that a tensor and its views share.

    >>> import alight as torch
    >>> x = torch.arange(6.).reshape(2, 3)
    >>> x.untyped_storage().nbytes(), x[1].untyped_storage().data_ptr() == x.data_ptr()
    (24, True)
    """

    def __init__(self, root: Tensor) -> None:
        self._root = root

    def _elements(self) -> Tensor:
        """All elements in the order in which they lie in memory."""
        root = self._root.detach()
        return root.as_strided((root.numel(),), (1,), 0)

    def _bytes(self) -> Any:
        return (
            backend_of(CPU).share(self._elements().flush("storage"), self._root.dtype).view("uint8")
        )

    @property
    def device(self) -> Any:
        """Where the bytes are."""
        return self._root.device

    def nbytes(self) -> int:
        """Number of bytes."""
        return self._root.nbytes

    size = __len__ = nbytes

    def data_ptr(self) -> int:
        """Address of the first byte."""
        return self._root.data_ptr()

    def element_size(self) -> int:
        """Bytes of an element: one."""
        return 1

    def tolist(self) -> list[int]:
        """The bytes as numbers."""
        return self._bytes().tolist()

    def __getitem__(self, index: Any) -> Any:
        found = self._bytes()[index]
        return int(found) if found.ndim == 0 else found.tolist()

    def __iter__(self) -> Iterator[int]:
        return iter(self.tolist())

    def is_shared(self) -> bool:
        """Whether the memory is open to other processes: never."""
        return False

    is_cuda = property(lambda self: self.device.type == "cuda")

    def cpu(self) -> UntypedStorage:
        """This storage: it is on the CPU."""
        return self

    def resize_(self, size: int) -> UntypedStorage:
        """Not there: tensors change their size with `resize_`."""
        not_implemented("resizing a storage", "tensor.resize_()")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UntypedStorage) and self._root is other._root

    def __hash__(self) -> int:
        return id(self._root)

    def __repr__(self) -> str:
        lines = "".join(f" {value}\n" for value in self.tolist())
        return (
            f"{lines}[torch.storage.UntypedStorage(device={self.device}) of size {self.nbytes()}]"
        )


class TypedStorage:
    """The elements that a tensor and its views share, as a flat sequence that may be written.

    >>> import alight as torch
    >>> torch.tensor([1, 2]).storage()[1]
    2
    """

    def __init__(self, root: Tensor) -> None:
        self._root = root

    @property
    def dtype(self) -> Dtype:
        """Type of the elements."""
        return self._root.dtype

    @property
    def device(self) -> Any:
        """Where the elements are."""
        return self._root.device

    def untyped(self) -> UntypedStorage:
        """The same memory as bytes."""
        return UntypedStorage(self._root)

    def _elements(self) -> Tensor:
        return self.untyped()._elements()

    def size(self) -> int:
        """Number of elements."""
        return self._root.numel()

    __len__ = size

    def nbytes(self) -> int:
        """Number of bytes."""
        return self._root.nbytes

    def element_size(self) -> int:
        """Bytes of an element."""
        return self._root.element_size()

    def data_ptr(self) -> int:
        """Address of the first element."""
        return self._root.data_ptr()

    def tolist(self) -> list[Any]:
        """The elements as numbers."""
        return self._elements().tolist()

    def __getitem__(self, index: Any) -> Any:
        found = self._elements()[index]
        return found.item() if found.ndim == 0 else TypedStorage(root_of(found.clone()))

    def __setitem__(self, index: Any, value: Any) -> None:
        self._elements()[index] = value

    def fill_(self, value: Any) -> TypedStorage:
        """Write one number into every element."""
        self._elements().fill_(value)
        return self

    def copy_(self, source: Any, non_blocking: Any = None) -> TypedStorage:
        """Write the elements of another storage."""
        self._elements().copy_(source._elements())
        return self

    def __iter__(self) -> Iterator[Any]:
        return iter(self.tolist())

    def type(self) -> str:
        """The name of the storage's type."""
        return f"torch.{SCALAR_NAMES[self.dtype.name]}Storage"

    pickle_storage_type = type

    def is_shared(self) -> bool:
        """Whether the memory is open to other processes: never."""
        return False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TypedStorage) and self._root is other._root

    def __hash__(self) -> int:
        return id(self._root)

    def __repr__(self) -> str:
        lines = "".join(f" {value}\n" for value in self.tolist())
        kind = f"torch.storage.TypedStorage(dtype={self.dtype!r}, device={self.device})"
        return f"{lines}[{kind} of size {self.size()}]"


@function("", methods="untyped_storage")
def untyped_storage(self: Tensor) -> UntypedStorage:
    """The bytes that this tensor shares with its views.

    Shapes: any.

    >>> import alight as torch
    >>> torch.ones(2).untyped_storage().nbytes()
    8
    """
    return UntypedStorage(root_of(self))


@function("", methods="storage _typed_storage")
def storage(self: Tensor) -> TypedStorage:
    """The elements that this tensor shares with its views, as a flat sequence.

    Shapes: any.

    >>> import alight as torch
    >>> torch.tensor([1, 2]).storage().tolist()
    [1, 2]
    """
    return TypedStorage(root_of(self))


@function("", methods="storage_type")
def storage_type(self: Tensor) -> Any:
    """The class of `storage()`.

    Shapes: any.

    >>> import alight as torch
    >>> torch.ones(2).storage_type().__name__
    'TypedStorage'
    """
    return TypedStorage


# -- other libraries -----------------------------------------------------------------------------------------------------


@function("", methods="__dlpack__")
def dlpack_capsule(self: Tensor, **options: Any) -> Any:
    """A capsule over this tensor's memory for another library's `from_dlpack`.

    Errors: BufferError where the tensor requires grad.
    """
    if self.requires_grad:
        fail(BufferError, "Can't export tensors that require gradient, use tensor.detach()")
    options.pop("stream", None)
    return self.numpy().__dlpack__(**options)


@function("", methods="__dlpack_device__")
def dlpack_device(self: Tensor) -> tuple[int, int]:
    """Where the memory is, in DLPack's numbers: (1, 0) is the CPU."""
    return 1, 0


class _Capsule:
    """Somebody's capsule, as `numpy.from_dlpack` wants it."""

    def __init__(self, capsule: Any) -> None:
        self._capsule = capsule

    def __dlpack__(self, **options: Any) -> Any:
        return self._capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0


@function("from_dlpack")
def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor over the memory of another library's array, or of a DLPack capsule.

    Shapes: that of the array.
    Errors: BufferError or RuntimeError for an array that cannot be shared.

    >>> import numpy
    >>> import alight as torch
    >>> torch.from_dlpack(numpy.arange(3))
    tensor([0, 1, 2])
    """
    if not hasattr(ext_tensor, "__dlpack__"):
        ext_tensor = _Capsule(ext_tensor)
    made = from_numpy(backend_of(CPU).from_dlpack(ext_tensor))
    made._shared = ALWAYS
    return made.clone() if copy else made


@function("frombuffer")
def frombuffer(
    buffer: Any, *, dtype: Dtype, count: int = -1, offset: int = 0, requires_grad: bool = False
) -> Tensor:
    """A flat tensor over the memory of an object with the buffer protocol.

    Shapes: (count,), or what is there behind `offset`.
    Errors: ValueError for a buffer that is too short, an offset outside it, or an empty result.

    >>> import alight as torch
    >>> torch.frombuffer(bytearray(b"\\x01\\x02"), dtype=torch.uint8)
    tensor([1, 2], dtype=torch.uint8)
    """
    length = memoryview(buffer).nbytes
    if length == 0 or count == 0:
        fail(ValueError, f"both buffer length ({length}) and count ({count}) must not be 0")
    if not 0 <= offset < length:
        fail(
            ValueError,
            f"offset ({offset} bytes) must be non-negative and no greater than buffer length ({length} bytes) minus 1",
        )
    if count < 0 and (length - offset) % dtype.itemsize:
        fail(
            ValueError,
            f"buffer length ({length - offset} bytes) after offset ({offset} bytes) must be a multiple of element size "
            f"({dtype.itemsize})",
        )
    if offset + count * dtype.itemsize > length:
        fail(
            ValueError,
            f"requested buffer length ({count} * {dtype.itemsize} bytes) after offset ({offset} bytes) must not be "
            f"greater than actual buffer length ({length} bytes)",
        )
    made = from_numpy(backend_of(CPU).from_memory(buffer, dtype, count, offset))
    made._shared = ALWAYS
    return made.requires_grad_() if requires_grad else made


@function("", methods="__array_wrap__")
def array_wrap(
    self: Tensor, array: Any, context: Any = None, return_scalar: bool = False
) -> Tensor:
    """What a NumPy function made of this tensor, as a tensor again; truth values as uint8, as PyTorch has them."""
    made = from_numpy(array if array.ndim else array.reshape(1))
    made = made if array.ndim else made.reshape(())
    return made.to(uint8) if made.dtype is BY_NAME["bool"] else made


# -- the constructor of a tensor's own type -------------------------------------------------------------------------------


@function("", methods="new")
def new(self: Tensor, *args: Any, **options: Any) -> Tensor:
    """A tensor of this one's dtype, from a shape or from data, as its constructor makes it.

    Shapes: `args` as numbers, or that of the data.
    Errors: as torch.Tensor.

    >>> import alight as torch
    >>> torch.ones(1).new([1, 2])
    tensor([1., 2.])
    """
    return typed_tensor(self.dtype, *args)


# -- Python code on elements ------------------------------------------------------------------------------------------------


def _by_element(name: str, tensors: tuple[Tensor, ...], call: Callable[..., Any]) -> Tensor:
    self = tensors[0]
    if self.requires_grad:
        fail(
            RuntimeError,
            f"Can't call {name}() on Variable that requires grad. Use var.detach().{name}() instead.",
        )
    places = {2: ("'other'",), 3: ("argument 'x'", "argument 'y'")}.get(len(tensors), ())
    for place, one in zip(places, tensors[1:], strict=True):
        if one.dtype is not self.dtype:
            fail(TypeError, f"{name}: expected {self.type()} for {place} (got {one.type()})")
    rows = [one.expand_as(self).reshape(-1).tolist() for one in tensors]
    values = [call(*row) for row in zip(*rows, strict=True)]
    made = typed_tensor(self.dtype, values) if values else zeros(0, dtype=self.dtype)
    return self.copy_(made.reshape(self.shape))


@function("", methods="apply_")
def apply_(self: Tensor, callable: Callable[[Any], Any]) -> Tensor:
    """Replace each element by what a Python function gives for it.

    Shapes: any, kept.
    Errors: TypeError for a tensor that is not on the CPU.

    >>> import alight as torch
    >>> torch.ones(2).apply_(lambda x: x + 1)
    tensor([2., 2.])
    """
    return _by_element("apply_", (self,), callable)


@function("", methods="map_")
def map_(self: Tensor, tensor: Tensor, callable: Callable[[Any, Any], Any]) -> Tensor:
    """Replace each element by what a Python function gives for it and the other tensor's element.

    Shapes: any that broadcast to the tensor's.
    Errors: TypeError for another dtype.

    >>> import alight as torch
    >>> torch.tensor([1., 2.]).map_(torch.tensor([3., 4.]), lambda a, b: a * b)
    tensor([3., 8.])
    """
    return _by_element("map_", (self, tensor), callable)


@function("", methods="map2_")
def map2_(self: Tensor, x: Tensor, y: Tensor, callable: Callable[[Any, Any, Any], Any]) -> Tensor:
    """As `map_`, with two other tensors.

    Shapes: any that broadcast to the tensor's.
    Errors: TypeError for another dtype.

    >>> import alight as torch
    >>> x, y = torch.tensor([3., 4.]), torch.tensor([1., 1.])
    >>> torch.tensor([1., 2.]).map2_(x, y, lambda a, b, c: a * b + c)
    tensor([4., 9.])
    """
    return _by_element("map2_", (self, x, y), callable)


# -- what other kinds of tensors have ----------------------------------------------------------------------------------------


def _answer(name: str, value: Any, doc: str, shown: str) -> None:
    def method(self: Tensor) -> Any:
        return value(self) if callable(value) else value

    method.__name__ = name
    method.__doc__ = with_example(f"{doc}\n\nShapes: any.", f"torch.ones(2).{name}()", shown)
    function("", methods=name)(method)


_answer("is_pinned", False, "Whether the memory is locked for a GPU: never.", "False")
_answer(
    "is_shared", lambda x: root_of(x)._open, "Whether share_memory_() was called on it.", "False"
)
_answer("dense_dim", lambda x: x.ndim, "Number of dense dimensions: all.", "1")
_answer("sparse_dim", 0, "Number of sparse dimensions: none.", "0")
_answer("to_dense", lambda x: x, "This tensor, which is dense.", "tensor([1., 1.])")
_answer(
    "is_inference",
    lambda x: x._meta.origin == "inference",
    "Whether inference_mode made it.",
    "False",
)


@function("", methods="is_coalesced")
def is_coalesced(self: Tensor) -> bool:
    """PyTorch's error: this is no sparse tensor.

    Shapes: any.
    Errors: RuntimeError, always.

    >>> import alight as torch
    >>> try:
    ...     torch.ones(2).is_coalesced()
    ... except RuntimeError as error:
    ...     print(type(error).__name__)
    RuntimeError
    """
    fail(RuntimeError, "is_coalesced expected sparse coordinate tensor layout but got Strided")


@function("", methods="dim_order")
def dim_order(self: Tensor, **options: Any) -> tuple[int, ...]:
    """The dimensions from the slowest to the fastest in memory.

    Shapes: any.

    >>> import alight as torch
    >>> torch.ones(2, 3).t().dim_order()
    (1, 0)
    """
    strides = self.stride()
    return tuple(sorted(range(self.ndim), key=lambda i: -strides[i]))


@function("", methods="share_memory_")
def share_memory_(self: Tensor) -> Tensor:
    """This tensor. Differs: other processes get a copy of its elements.

    Shapes: any, kept.

    >>> import alight as torch
    >>> torch.ones(2).share_memory_().is_shared()
    True
    """
    root_of(self)._open = True
    return self


@function("", methods="pin_memory")
def pin_memory(self: Tensor, device: Any = None) -> Tensor:
    """PyTorch's error: there is no GPU to lock memory for.

    Shapes: any.
    Errors: RuntimeError, always.

    >>> import alight as torch
    >>> try:
    ...     torch.ones(2).pin_memory()
    ... except RuntimeError as error:
    ...     print(type(error).__name__)
    RuntimeError
    """
    fail(
        RuntimeError,
        "Cannot access accelerator device when none is available.",
        try_="pin_memory=torch.cuda.is_available()",
    )


@function("", methods="_is_view")
def _is_view(self: Tensor) -> bool:
    """Whether this tensor shows a part of another one."""
    return self._base is not None
