"""Tensors and the storages they share, as PyTorch's checkpoints describe them.

In: tensors, to be described as calls of PyTorch's rebuild functions; or the arguments of such
calls, from a file.
Out: storages to write, each once; or tensors, those of one storage sharing memory as before.
Offsets and strides from a file are checked against what its storage holds.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from alight import dtypes
from alight.device import META, device
from alight.dtypes import dtype
from alight.errors import not_implemented
from alight.io.elements import Array, Bytes, from_bytes, host_array, tensor_over, to_bytes
from alight.io.pickling import Call, Global, Persistent
from alight.ir.types import Type
from alight.ops.storage import TypedStorage, UntypedStorage
from alight.record.meta import Meta, Size, contiguous_strides
from alight.record.owners import root_of
from alight.tensor import Tensor, wrap

UNTYPED = "torch.storage.UntypedStorage"
STORAGES = {
    "BoolStorage": dtypes.bool_,
    "ByteStorage": dtypes.uint8,
    "CharStorage": dtypes.int8,
    "ShortStorage": dtypes.int16,
    "IntStorage": dtypes.int32,
    "LongStorage": dtypes.int64,
    "HalfStorage": dtypes.float16,
    "BFloat16Storage": dtypes.bfloat16,
    "FloatStorage": dtypes.float32,
    "DoubleStorage": dtypes.float64,
    "ComplexFloatStorage": dtypes.complex64,
    "ComplexDoubleStorage": dtypes.complex128,
}
STORAGE_NAMES = {of: name for name, of in STORAGES.items()}
LIMIT = 2**63
TENSOR, PARAMETER = "torch.Tensor", "torch.nn.parameter.Parameter"


# -- saving -------------------------------------------------------------------------------------------------------


class Saving:
    """Describes tensors for a pickle, and keeps the storages that they need."""

    def __init__(self) -> None:
        self.storages: list[tuple[Array, dtype]] = []
        self._keys: dict[
            int, tuple[str, Array, Tensor]
        ] = {}  # by the id of the tensor that owns the memory

    def describe(self, obj: Any) -> Global | Call | Persistent | None:
        """How a pickle says tensors, storages, dtypes, sizes and devices, and classes of alight's.

        None for anything else.
        """
        if isinstance(obj, Tensor):
            return self._described(obj)
        if isinstance(obj, dtype):
            return Global("torch", obj.name)
        if isinstance(obj, Size):
            return Call(Global("torch", "Size"), (tuple(obj),))
        if isinstance(obj, TypedStorage | UntypedStorage):
            return Persistent(self._identity(obj._root))
        if isinstance(obj, type) and obj.__module__.partition(".")[0] == "alight":
            return _torch_class(obj)
        if isinstance(obj, device):
            parts = (obj.type,) if obj.index is None else (obj.type, obj.index)
            return Call(Global("torch", "device"), parts)
        return None

    def contents(self) -> list[Bytes]:
        """The storages' bytes, in the order of their keys 0, 1, ..."""
        return [to_bytes(array, of) for array, of in self.storages]

    def _described(self, tensor: Tensor) -> Call:
        state = {name: value for name, value in tensor.__dict__.items() if not name.startswith("_")}
        if tensor._is_parameter:
            data = self._plain(tensor, False)
            arguments: tuple[Any, ...] = (data, tensor.requires_grad, OrderedDict())
            if state:
                function = Global("torch._utils", "_rebuild_parameter_with_state")
                return Call(function, (*arguments, state))
            return Call(Global("torch._utils", "_rebuild_parameter"), arguments)
        plain = self._plain(tensor, tensor.requires_grad)
        if not state:
            return plain
        function = Global("torch._tensor", "_rebuild_from_type_v2")
        return Call(function, (plain.function, Global("torch", "Tensor"), plain.arguments, state))

    def _plain(self, tensor: Tensor, requires_grad: bool) -> Call:
        shape, of = tuple(tensor.shape), tensor.dtype
        if tensor.is_meta:
            function = Global("torch._utils", "_rebuild_meta_tensor_no_storage")
            return Call(function, (Global("torch", of.name), shape, tensor.stride(), requires_grad))
        key, count, offset, strides = self._place(tensor)
        hooks: OrderedDict[Any, Any] = OrderedDict()
        where = str(tensor.device)
        if of in STORAGE_NAMES:
            storage = ("storage", Global("torch", STORAGE_NAMES[of]), key, where, count)
            rest: tuple[Any, ...] = (offset, shape, strides, requires_grad, hooks)
            return Call(Global("torch._utils", "_rebuild_tensor_v2"), (Persistent(storage), *rest))
        storage = (
            "storage",
            Global("torch.storage", "UntypedStorage"),
            key,
            where,
            count * of.itemsize,
        )
        rest = (offset, shape, strides, requires_grad, hooks, Global("torch", of.name))
        return Call(Global("torch._utils", "_rebuild_tensor_v3"), (Persistent(storage), *rest))

    def _place(self, tensor: Tensor) -> tuple[str, int, int, tuple[int, ...]]:
        """Where a tensor lies: its storage's key and element count, the offset in it, and the
        strides."""
        root = root_of(tensor)
        key, memory = self._storage(root)
        array = host_array(tensor)
        start = array.__array_interface__["data"][0] - memory.__array_interface__["data"][0]
        strides = _strides(array, tensor)
        if tensor.dtype is root.dtype and strides is not None and start % memory.itemsize == 0:
            offset = start // memory.itemsize
            if _fits(offset, array.shape, strides, memory.size):
                return key, memory.size, offset, strides
        if tensor is not root:  # a view that NumPy had to copy: a storage of its own
            key, memory = self._storage(tensor)
        return key, memory.size, 0, contiguous_strides(array.shape)

    def _identity(self, root: Tensor) -> tuple[Any, ...]:
        """What stands for a storage by itself."""
        key, memory = self._storage(root)
        kind = Global("torch", STORAGE_NAMES[root.dtype])
        return ("storage", kind, key, str(root.device), memory.size)

    def _storage(self, owner: Tensor) -> tuple[str, Array]:
        found = self._keys.get(id(owner))
        if found is None:
            memory = _memory(host_array(owner), owner)
            found = self._keys[id(owner)] = str(len(self.storages)), memory, owner
            self.storages.append((memory, owner.dtype))
        return found[0], found[1]


def _torch_class(kind: type) -> Global | None:
    """PyTorch's name of one of alight's classes."""
    from alight import nn, optim

    for home, name in (
        (nn, "torch.nn"),
        (optim, "torch.optim"),
        (optim.lr_scheduler, "torch.optim.lr_scheduler"),
    ):
        if getattr(home, kind.__name__, None) is kind:
            return Global(name, kind.__name__)
    return None


def _strides(array: Array, tensor: Tensor) -> tuple[int, ...] | None:
    """The strides of the memory in elements, where they are those that the tensor reports."""
    reported = tuple(tensor.stride())
    for extent, step, said in zip(array.shape, array.strides, reported, strict=True):
        if extent > 1 and step != said * array.itemsize:
            return None
    return reported


def _memory(array: Array, owner: Tensor) -> Array:
    """All the memory that `array` spans, as one dimension; a copy, row by row, where it is laid out
    otherwise."""
    if array.flags.c_contiguous or array.size == 0 or _strides(array, owner) is None:
        return np.ascontiguousarray(array).reshape(-1)
    if any(step < 0 for step in array.strides):
        return np.ascontiguousarray(array).reshape(-1)
    span = 1 + sum(
        (n - 1) * step // array.itemsize for n, step in zip(array.shape, array.strides, strict=True)
    )
    return np.lib.stride_tricks.as_strided(array, (span,), (array.itemsize,))


def _fits(offset: int, shape: tuple[int, ...], strides: tuple[int, ...], count: int) -> bool:
    """Whether a tensor at `offset` lies inside a storage of `count` elements."""
    if offset < 0:
        return False
    if 0 in shape:
        return offset <= count
    last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    return last < count


# -- loading ------------------------------------------------------------------------------------------------------


class Storage:
    """The memory of a file's tensors. `map_location` functions get it, and answer with it or with a
    moved one."""

    def __init__(self, raw: Bytes, of: dtype | None, where: device, big_endian: bool) -> None:
        self.raw, self.dtype, self.device, self.big_endian = raw, of, where, big_endian
        self._root: Tensor | None = None

    def to(self, where: Any) -> Storage:
        """The same bytes, for another device."""
        return Storage(self.raw, self.dtype, device(where), self.big_endian)

    def cpu(self) -> Storage:
        """The same bytes in the CPU's memory."""
        return self.to("cpu")

    def cuda(self, index: int | None = None) -> Storage:
        """The same bytes on an NVIDIA device."""
        return self.to("cuda" if index is None else f"cuda:{index}")

    def size(self) -> int:
        """Number of elements."""
        return self.raw.size // (self.dtype.itemsize if self.dtype else 1)

    __len__ = size

    def typed(self) -> TypedStorage:
        """The storage as programs know it."""
        of = self.dtype or dtypes.uint8
        count = self.raw.size // of.itemsize
        return TypedStorage(self.tensor(of, 0, (count,), (1,)))

    def tensor(
        self, of: dtype, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]
    ) -> Tensor:
        """A tensor of this storage; a second one shares the first one's memory."""
        self.dtype = of if self.dtype is None else self.dtype
        count = self.raw.size // of.itemsize
        if self.raw.size % of.itemsize:
            raise ValueError(f"a storage of {self.raw.size} bytes for elements of {of.itemsize}")
        if of is not self.dtype:
            not_implemented(
                f"one storage as {self.dtype!r} and {of!r}",
                "one dtype for tensors that share memory",
            )
        if not _fits(offset, shape, strides, count):
            raise ValueError(
                f"a tensor of shape {list(shape)} with strides {list(strides)} at {offset} "
                f"lies outside its storage of {count} elements"
            )
        if self.device == META:
            return wrap(None, Meta(Type(shape, of, META), strides))
        whole = (
            offset == 0 and strides == contiguous_strides(shape) and Size(shape).numel() == count
        )
        if self._root is None:
            array = from_bytes(self.raw, of, self.big_endian)
            self._root = tensor_over(array.reshape(shape) if whole else array, of, self.device)
            if whole:
                return self._root
        return _view(self._root, offset, shape, strides)


def _view(root: Tensor, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> Tensor:
    """A view of `root`'s memory, made by slicing, reshaping and permuting; a copy where these do
    not lead there."""
    flat = root.detach().view(-1)
    axes = [axis for axis, extent in enumerate(shape) if extent != 1 and strides[axis]]
    axes.sort(key=lambda axis: -strides[axis])
    kept = [(shape[axis], strides[axis]) for axis in axes]
    if 0 in shape:
        return flat.narrow(0, 0, 0).view(shape)
    found = _cut(flat, offset, kept)
    if found is None:
        found = _copied(root, offset, kept)
    order = sorted(range(len(axes)), key=lambda at: axes[at])
    moved = found.permute(order) if order != sorted(order) else found
    small = [n if axis in axes else 1 for axis, n in enumerate(shape)]
    return moved.view(small).expand(shape) if small != list(moved.shape) else moved


def _cut(flat: Tensor, offset: int, kept: list[tuple[int, int]]) -> Tensor | None:
    """`flat` cut into nested rows: each dimension's stride is the row length of what is left
    inside."""
    found, done = flat, 0
    for extent, stride in kept:
        length = found.shape[-1]
        row, offset = divmod(offset, stride)
        if stride > length or length % stride or row + extent > length // stride:
            return None
        found = found.view(*found.shape[:-1], length // stride, stride)
        found = found.narrow(done, row, extent)
        done += 1
    if offset >= found.shape[-1]:
        return None
    return found.select(done, offset)


def _copied(root: Tensor, offset: int, kept: list[tuple[int, int]]) -> Tensor:
    flat = host_array(root).reshape(-1)
    shape = tuple(extent for extent, _ in kept)
    if Size(shape).numel() > flat.size:
        not_implemented(
            "loading a tensor that holds its memory several times over", ".clone() before saving"
        )
    steps = tuple(stride * flat.itemsize for _, stride in kept)
    array = np.lib.stride_tricks.as_strided(flat[offset:], shape, steps).copy()
    return tensor_over(array, root.dtype, root.device)


# -- the functions that a file may call
# ---------------------------------------------------------------------------


def _integers(values: Any) -> tuple[int, ...]:
    values = tuple(values) if isinstance(values, Size) else values
    if type(values) is not tuple or any(
        type(value) is not int or not 0 <= value < LIMIT for value in values
    ):
        raise ValueError("sizes and strides of a tensor must be whole numbers from 0 to 2**63 - 1")
    return values


def _finished(tensor: Tensor, requires_grad: Any) -> Tensor:
    return tensor.requires_grad_() if requires_grad is True else tensor


def _rebuild_tensor(storage: Any, offset: Any, shape: Any, strides: Any, of: Any = None) -> Tensor:
    of = storage.dtype if of is None and isinstance(storage, Storage) else of
    if not isinstance(storage, Storage) or not isinstance(of, dtype):
        raise ValueError("a tensor without a storage or a dtype")
    shape, strides = _integers(shape), _integers(strides)
    (offset,) = _integers((offset,))
    if len(shape) != len(strides) or len(shape) > 64:
        raise ValueError("a tensor with more strides than sizes, or of more than 64 dimensions")
    return storage.tensor(of, offset, shape, strides)


def _rebuild_tensor_v2(
    storage: Any,
    offset: Any,
    shape: Any,
    strides: Any,
    requires_grad: Any,
    hooks: Any,
    metadata: Any = None,
) -> Tensor:
    return _finished(_rebuild_tensor(storage, offset, shape, strides), requires_grad)


def _rebuild_tensor_v3(
    storage: Any,
    offset: Any,
    shape: Any,
    strides: Any,
    requires_grad: Any,
    hooks: Any,
    of: Any,
    metadata: Any = None,
) -> Tensor:
    return _finished(_rebuild_tensor(storage, offset, shape, strides, of), requires_grad)


def _rebuild_meta_tensor(of: Any, shape: Any, strides: Any, requires_grad: Any) -> Tensor:
    if not isinstance(of, dtype):
        raise ValueError("a tensor without a dtype")
    return _finished(
        wrap(None, Meta(Type(_integers(shape), of, META), _integers(strides))), requires_grad
    )


def _rebuild_parameter(data: Any, requires_grad: Any, hooks: Any) -> Tensor:
    from alight.nn import Parameter

    if not isinstance(data, Tensor):
        raise ValueError("a parameter without a tensor")
    return Parameter(data, requires_grad is True)


def _rebuild_parameter_with_state(data: Any, requires_grad: Any, hooks: Any, state: Any) -> Tensor:
    return _with_attributes(_rebuild_parameter(data, requires_grad, hooks), state)


def _rebuild_from_type(function: Any, kind: Any, arguments: Any, state: Any) -> Tensor:
    known = (
        any(function is plain for plain in _PLAIN)
        and type(kind) is str
        and kind in (TENSOR, PARAMETER)
    )
    if not known or type(arguments) is not tuple:
        raise ValueError("a tensor of an unknown class")
    return _with_attributes(function(*arguments), state)


def _with_attributes(tensor: Tensor, state: Any) -> Tensor:
    """Set what the user had set on a tensor; never a name that the class uses."""
    attributes = state[0] if isinstance(state, tuple) and state else state
    for name, value in (attributes if isinstance(attributes, dict) else {}).items():
        if not isinstance(name, str) or name.startswith("_") or hasattr(Tensor, name):
            raise ValueError(f"a tensor's attribute {name!r}")
        setattr(tensor, name, value)
    return tensor


_PLAIN = (_rebuild_tensor_v2, _rebuild_tensor_v3, _rebuild_meta_tensor, _rebuild_parameter)

REBUILD: dict[str, Callable[..., Any]] = {
    "torch._utils._rebuild_tensor": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor_v2,
    "torch._utils._rebuild_tensor_v3": _rebuild_tensor_v3,
    "torch._utils._rebuild_meta_tensor_no_storage": _rebuild_meta_tensor,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
    "torch._utils._rebuild_parameter_with_state": _rebuild_parameter_with_state,
    "torch._tensor._rebuild_from_type_v2": _rebuild_from_type,
}
