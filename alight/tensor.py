"""Tensor: a handle to a value, pending or computed. No mathematics: methods are attached from `alight.ops`.

A tensor knows its meta (shape, dtype, device, strides: `record/described.py`) at once; its elements are computed when
something asks for them: `item`, `tolist`, `numpy`, `print`, `bool`, saving.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from alight.backends.base import backend_of, executable
from alight.device import CPU, device
from alight.dtypes import dtype as Dtype
from alight.errors import fail, warn
from alight.ir.program import Builder
from alight.ir.types import Type
from alight.primitives import Full
from alight.record.ambiguous import refuse_written
from alight.record.described import Described
from alight.record.flush import buffer_of
from alight.record.kept import writes_of
from alight.record.meta import INFERENCE, Meta
from alight.record.owners import root_of
from alight.record.recorder import thread
from alight.record.views import counter_of, place_in_root

_new = object.__new__
_engine: Any = None  # alight.autograd.engine, once something is differentiated
_data: Any = None  # the operation behind x.data, once it is used


_SHOWN_AS = {"Tensor": "torch.Tensor", "Parameter": "torch.nn.parameter.Parameter"}


def _is_own(cls: type) -> bool:
    return cls.__module__ in ("alight.tensor", "alight.nn.parameter") and cls.__name__ in _SHOWN_AS


class _TensorMeta(type):
    """`isinstance(x, Tensor)` is true of subclasses only; the metaclass keeps room for the typed constructors.

    The class is shown under PyTorch's name: `<class 'torch.Tensor'>`.
    """

    def __repr__(cls) -> str:
        return f"<class '{_SHOWN_AS[cls.__name__]}'>" if _is_own(cls) else super().__repr__()


if TYPE_CHECKING:
    from alight.ops.methods import Methods
else:
    Methods = object


class Tensor(Described, Methods, metaclass=_TensorMeta):
    """An n-dimensional array of one dtype on one device.

    Errors: a method's own; IndexError or TypeError for an index that does not fit.

    >>> import alight as torch
    >>> x = torch.tensor([[1., 2.], [3., 4.]])
    >>> (x + 1).sum().item()
    14.0
    """

    _meta: Meta
    _slot: int = -1  # place in the pending segment, -1 where it has none
    _buffer: Any = None  # what the backend holds
    _base: Tensor | None = None  # what this is a view of
    _link: Any = None  # program from the base to this view
    _numbers: tuple[Any, ...] = ()  # scalar inputs of the link
    _part: int = 0  # its number among several views that were made at once
    _views: list[Any] | None = None  # weak references to views of this memory
    _shared: int = False  # memory that was exchanged with NumPy; 2 if nobody can say who holds it
    _open: bool = False  # share_memory_() was called
    _writes: int = 0  # in place, into this memory
    _counts: bool = False  # writes for itself: x.data that was written
    _unnoticed: int = 0  # those through .data, which the version leaves out
    _own: Any = None  # of a view with a history of its own: what it was at its last change
    _kept: Any = None  # what holds the value of one of an optimizer's tensors meanwhile
    _history: Any = None  # where backward goes on in a flushed segment
    _grad: Tensor | None = None
    _hooks: dict[int, Callable[..., Any]] | None = None
    _accumulate_hooks: dict[int, Callable[..., Any]] | None = None
    _watched: bool = False  # it has hooks of one kind or the other, or had them
    _retains_grad: bool = False
    _is_parameter: bool = False
    _hidden: Callable[..., Tensor]
    __array_priority__ = 1000

    if (
        TYPE_CHECKING
    ):  # methods are attached from alight.ops: a stub written by alight.ops.stubs names them

        def __getattr__(self, name: str) -> Any: ...

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        from alight.ops.creation import legacy_tensor

        made = legacy_tensor(*args, **kwargs)
        return made if cls is Tensor else made.as_subclass(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        from alight.ops.dispatch import prepare

        prepare(cls)

    @classmethod
    def __torch_function__(
        cls, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """What calls with an instance of a subclass do: the plain operation, its results made instances of `cls`."""
        from alight.ops.dispatch import default_torch_function

        return default_torch_function(cls, func, types, args, kwargs)

    # -- gradients ---------------------------------------------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        """Whether operations on this tensor are recorded for backward."""
        return self._meta.requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    @property
    def is_leaf(self) -> bool:
        """True for tensors that no recorded operation made."""
        if self._meta.origin is not None:
            refuse_written([self])
        return self._meta.leaf or not self._meta.requires_grad

    @property
    def layout(self) -> Any:
        """Always strided."""
        import alight

        return alight.strided

    @property
    def output_nr(self) -> int:
        """The tensor's number among the results of the step that made it."""
        from alight.autograd.graph import output_number

        return output_number(self)

    @property
    def _version(self) -> int:
        if self._meta.origin == INFERENCE:
            fail(RuntimeError, "Inference tensors do not track version counter.")
        return writes_of(counter_of(self))

    @property
    def grad(self) -> Tensor | None:
        """The accumulated gradient of a leaf, or of a tensor that retain_grad() was called on."""
        found = self._grad
        if (
            found is None
            and not self._meta.leaf
            and self._meta.requires_grad
            and not self._retains_grad
        ):
            warn(
                "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed: this one was computed from "
                "others, which collect the gradients. Keep updates in place (with torch.no_grad(): w -= lr * w.grad), or "
                "call .retain_grad() before backward()."
            )
        return found

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                fail(
                    TypeError,
                    f"assigned grad expected to be a Tensor or None but got grad of type {type(value).__name__}",
                )
            if value.shape != self.shape:
                fail(
                    RuntimeError,
                    f"attempting to assign a gradient of size '{list(value.shape)}' to a tensor of size "
                    f"'{list(self.shape)}'. Please ensure that the gradient and the tensor are the same size",
                    try_=f"a gradient of shape {list(self.shape)}, or None",
                )
            if value is self:
                fail(RuntimeError, "can't assign Variable as its own grad", try_=".clone()")
            if value.device.type != self.device.type:
                fail(
                    RuntimeError,
                    f"attempting to assign a gradient with device type '{value.device.type}' to a tensor with device "
                    f"type '{self.device.type}'. Please ensure that the gradient and the tensor are on the same device",
                )
            if value.dtype is not self.dtype:
                from alight.ops.arguments import SCALAR_NAMES

                fail(
                    RuntimeError,
                    f"attempting to assign a gradient with dtype '{SCALAR_NAMES[value.dtype.name].lower()}' to a tensor "
                    f"with grad_dtype '{SCALAR_NAMES[self.dtype.name]}'. The gradient must match the tensor's grad_dtype "
                    "(defaults to the tensor's dtype). You can set the tensor's grad_dtype attribute with a specific "
                    "dtype, or None to allow any dtype. Set grad_dtype with caution. Diverging the dtypes of a tensor "
                    "and its gradient may break downstream systems that assume they match.",
                    try_=f"grad.to({self.dtype!r})",
                )
        self._grad = value

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    @property
    def grad_fn(self) -> Any:
        """The step that made this tensor, where gradients are recorded."""
        from alight.autograd.graph import grad_fn

        return grad_fn(self)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set whether operations on this leaf are recorded.

        Errors: RuntimeError for dtypes that have no gradients, and for a tensor that was computed
        from others.
        Differs: a view taken before goes on without gradients. PyTorch says that it requires them, and drops them
        silently until the memory is written without gradients; take the view again behind this call.

        >>> import alight as torch
        >>> x = torch.ones(2).requires_grad_()
        >>> x.requires_grad
        True
        """
        meta = self._meta
        if thread.recorder.transforming and thread.recorder.owns(self):
            fail(
                RuntimeError,
                "You are attempting to call Tensor.requires_grad_() (or perhaps using torch.autograd.functional.* APIs) "
                "inside of a function being transformed by a functorch transform. This is unsupported, please attempt to "
                "use the functorch transforms (e.g. grad, vjp, jacrev, jacfwd, hessian) or call requires_grad_() outside "
                "of a function being transformed instead.",
            )
        if meta.requires_grad == requires_grad:
            return self
        if requires_grad and not meta.dtype.is_differentiable:
            fail(
                RuntimeError,
                "only Tensors of floating point dtype can require gradients",
                facts=[f"this tensor is {meta.dtype!r}"],
                try_=".float().requires_grad_()",
            )
        if requires_grad and meta.origin == INFERENCE and not thread.recorder.inference:
            fail(
                RuntimeError,
                "Setting requires_grad=True on inference tensor outside InferenceMode is not allowed.",
            )
        if not requires_grad and not meta.leaf:
            fail(
                RuntimeError,
                "you can only change requires_grad flags of leaf variables. If you want to use a computed variable in "
                "a subgraph that doesn't require differentiation use var_no_grad = var.detach().",
                facts=["this tensor was computed from others, which decide whether it takes part"],
                try_="y = y.detach()",
            )
        if self._slot >= 0:  # pending: later steps see another kind of leaf
            self.flush("requires_grad_ on a pending tensor")
        self._meta = meta.replace(requires_grad=requires_grad, leaf=True, origin=None)
        return self

    def backward(
        self,
        gradient: Any = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Any = None,
    ) -> None:
        """Add the gradient of this tensor to `.grad` of every leaf that it depends on.

        Errors: RuntimeError for a tensor of several elements without `gradient`, for one that needs
        no gradient, and for a second time without retain_graph.

        >>> import alight as torch
        >>> x = torch.tensor(3., requires_grad=True)
        >>> (x * x).backward()
        >>> x.grad
        tensor(6.)
        """
        global _engine
        if _engine is None:  # it needs this module first
            from alight.autograd import engine as _engine

        plain = gradient is None and inputs is None and not retain_graph and not create_graph
        if not (plain and _engine.known_backward(self)):
            _engine.backward((self,), (gradient,), retain_graph, create_graph, inputs)

    def register_hook(self, hook: Callable[..., Any]) -> Any:
        """Call `hook(grad)` when this tensor's gradient is computed; what it returns replaces the gradient.

        Errors: RuntimeError for a tensor that needs no gradient.

        >>> import alight as torch
        >>> x = torch.tensor(3., requires_grad=True)
        >>> _ = x.register_hook(lambda grad: grad * 10)
        >>> (x * x).backward()
        >>> x.grad
        tensor(60.)
        """
        from alight.autograd.hooks import register

        return register(self, hook)

    def register_post_accumulate_grad_hook(self, hook: Callable[..., Any]) -> Any:
        """Call `hook(tensor)` after a gradient was added to this leaf.

        Errors: RuntimeError for a tensor that is no leaf or needs no gradient.

        >>> import alight as torch
        >>> x = torch.tensor(3., requires_grad=True)
        >>> _ = x.register_post_accumulate_grad_hook(lambda leaf: print(leaf.grad))
        >>> (x * x).backward()
        tensor(6.)
        """
        from alight.autograd.hooks import register_post_accumulate

        return register_post_accumulate(self, hook)

    def retain_grad(self) -> None:
        """Keep `.grad` of this tensor although it is no leaf.

        Errors: RuntimeError for a tensor that needs no gradient.

        >>> import alight as torch
        >>> x = torch.tensor(3., requires_grad=True)
        >>> y = x * x
        >>> y.retain_grad()
        >>> (2 * y).backward()
        >>> y.grad
        tensor(2.)
        """
        from alight.autograd.hooks import retain_grad

        retain_grad(self)

    @property
    def retains_grad(self) -> bool:
        """Whether retain_grad() was called on this non-leaf."""
        return self._retains_grad

    # -- values ------------------------------------------------------------------------------------------------------

    def flush(self, reason: str) -> Any:
        """Compute this tensor's elements now; the backend's buffer.

        >>> import alight as torch
        >>> (torch.ones(2) + 1).flush('shown').shape
        (2,)
        """
        return buffer_of(self, thread.recorder, reason)

    def item(self) -> Any:
        """The element of a one-element tensor as a Python number.

        Errors: RuntimeError for a tensor of another number of elements.

        >>> import alight as torch
        >>> torch.tensor([1.5]).item()
        1.5
        """
        if self._meta.type.size != 1:
            fail(
                RuntimeError,
                f"a Tensor with {self._meta.type.size} elements cannot be converted to Scalar",
                facts=[f"the tensor is {self._meta.type}"],
                try_=".tolist(), or reduce it first: .mean()",
            )
        return backend_of(self._meta.device).item(
            buffer_of(self, thread.recorder, "item"), self._meta.dtype
        )

    def tolist(self) -> Any:
        """The elements as nested lists; a number for a 0-d tensor.

        >>> import alight as torch
        >>> torch.tensor([[1, 2], [3, 4]]).tolist(), torch.tensor(1.5).tolist()
        ([[1, 2], [3, 4]], 1.5)
        """
        return backend_of(self._meta.device).tolist(self.flush("tolist"), self._meta.dtype)

    def numpy(self, *, force: bool = False) -> Any:
        """The elements as a NumPy array that shares memory with this tensor.

        Errors: RuntimeError for a tensor that requires gradients (without `force`), TypeError for
        one that is not on the CPU.

        >>> import alight as torch
        >>> torch.tensor([1, 2]).numpy()
        array([1, 2])
        """
        if self._meta.requires_grad and not force:
            fail(
                RuntimeError,
                "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.",
                try_=".detach().numpy()",
            )
        if self._meta.device.type != "cpu":
            if not force:
                fail(
                    TypeError,
                    f"can't convert {self._meta.device} device type tensor to numpy. Use Tensor.cpu() to copy the tensor "
                    "to host memory first.",
                )
            return self.detach().cpu().numpy()
        root = root_of(self)
        buffer = self.flush("numpy")
        root._shared = True
        return backend_of(CPU).share(buffer, self._meta.dtype)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        array = self.numpy()
        if dtype is not None and array.dtype != dtype:
            return array.astype(dtype)
        return array.copy() if copy else array

    def __bool__(self) -> bool:
        if self._meta.type.size != 1:
            if self._meta.type.size == 0:
                fail(RuntimeError, "Boolean value of Tensor with no values is ambiguous")
            fail(
                RuntimeError,
                "Boolean value of Tensor with more than one value is ambiguous",
                try_=".any() or .all()",
            )
        return bool(backend_of(self._meta.device).item(self.flush("bool"), self._meta.dtype))

    def __float__(self) -> float:
        return float(self._one("float"))

    def __int__(self) -> int:
        return int(self._one("int"))

    def __complex__(self) -> complex:
        return complex(self._one("complex"))

    def __index__(self) -> int:
        if self._meta.type.size != 1 or self._meta.dtype.is_differentiable:
            fail(TypeError, "only integer tensors of a single element can be converted to an index")
        return int(self.item())

    def _one(self, kind: str) -> Any:
        if self._meta.type.size != 1:
            fail(
                ValueError,
                "only one element tensors can be converted to Python scalars",
                facts=[f"the tensor is {self._meta.type}"],
                try_=".tolist()",
            )
        return self.item()

    def __len__(self) -> int:
        if not self._meta.shape:
            fail(TypeError, "len() of a 0-d tensor", try_=".numel(), or .unsqueeze(0)")
        return self._meta.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if not self._meta.shape:
            fail(TypeError, "iteration over a 0-d tensor", try_=".item(), or .unsqueeze(0)")
        return iter(self.unbind(0))

    def __delitem__(self, index: Any) -> None:
        fail(
            TypeError,
            "Tensor does not support deleting items",
            try_="torch.cat of the parts to keep",
        )

    def __contains__(self, element: Any) -> bool:
        return bool((self == element).any())

    def __format__(self, spec: str) -> str:
        if not self._meta.shape:
            return format(self.item(), spec)
        if spec:
            fail(
                TypeError,
                f"unsupported format string passed to {type(self).__name__}.__format__",
                facts=[f"the tensor is {self._meta.type}"],
                try_=".item() of one element, or torch.set_printoptions(precision=2)",
            )
        return str(self)

    __hash__ = object.__hash__

    def __repr__(self, *, tensor_contents: str | None = None) -> str:
        from alight.record.shown import tensor_text

        return tensor_text(self)

    # -- copies and storage --------------------------------------------------------------------------------------------

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        from copy import deepcopy

        if id(self) in memo:
            return memo[id(self)]
        if not self.is_leaf:
            fail(
                RuntimeError,
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment.  "
                "If you were attempting to deepcopy a module, this may be because of a torch.nn.utils.weight_norm usage, "
                "see https://github.com/pytorch/pytorch/pull/103001",
                try_=".detach().clone()",
            )
        copy = wrap(
            backend_of(self.device).copy(self.flush("deepcopy")), self._meta.replace(strides=None)
        )
        copy.__class__ = self.__class__
        memo[id(self)] = copy
        if self._grad is not None:
            copy._grad = self._grad.__deepcopy__(memo)
        for name, value in self.__dict__.items():
            if not name.startswith("_") or name == "_is_parameter":
                copy.__dict__[name] = deepcopy(value, memo)
        return copy

    def __reduce_ex__(self, protocol: Any) -> Any:
        from alight.record.shown import rebuild

        array = backend_of(self.device).copy(self.flush("pickle"))
        return rebuild, (
            self.__class__,
            array,
            self.dtype.name,
            self.requires_grad and self.is_leaf,
        )

    @property
    def data(self) -> Tensor:
        """This tensor's elements without its gradient record: writes go through, and backward does not notice."""
        global _data
        if _data is None:  # it needs this module first
            from alight.ops.shape import data as _data

        return _data.function(self)  # type: ignore[no-any-return]

    @data.setter
    def data(self, value: Tensor) -> None:
        from alight.ops.memory import set_data

        set_data(self, value)

    def data_ptr(self) -> int:
        """Address of the first element.

        >>> import alight as torch
        >>> x = torch.ones(2)
        >>> x.view(2, 1).data_ptr() == x.data_ptr()
        True
        """
        root, backend = root_of(self), backend_of(self.device)
        root.flush("data_ptr")
        # Once its address is known, it stays where it is: flush._settle_inputs finds nothing to do.
        if not root._shared and root._buffer is not None:
            root._buffer = backend.settle(root._buffer)
        return backend.address(self.flush("data_ptr"))

    def storage_offset(self) -> int:
        """Place of the first element in the memory that this tensor views, in elements.

        >>> import alight as torch
        >>> torch.arange(4)[2:].storage_offset()
        2
        """
        root = root_of(self)
        if root is self or self._meta.type.size == 0:
            return 0
        place = (self.data_ptr() - root.data_ptr()) // self._meta.dtype.itemsize
        return place if 0 <= place < root.numel() else place_in_root(self)

    def as_subclass(self, cls: type) -> Any:
        """The same tensor as an object of a subclass.

        >>> import alight as torch
        >>> class Named(torch.Tensor):
        ...     pass
        >>> type(torch.ones(1).as_subclass(Named)).__name__
        'Named'
        """
        made = self.detach() if not self.requires_grad else self.view_as(self)
        made.__class__ = cls
        return made


def _hidden(meta: Meta, slot: int = -1) -> Tensor:
    """A tensor that no user sees: of a pending slot, or of elements that nobody asks for."""
    if slot >= 0:
        return new_handle(meta, slot)
    tensor = filled(meta.type)
    tensor._meta = meta
    return tensor


def new_handle(meta: Meta, slot: int) -> Tensor:
    """The tensor of a pending slot."""
    tensor = _new(Tensor)
    tensor._meta, tensor._slot = meta, slot
    return tensor


def wrap(buffer: Any, meta: Meta, cls: type = Tensor) -> Any:
    """A tensor whose elements are at hand.

    What each step asks of it is set, although it is the class's default: CPython finds an instance's attribute in a
    fifteenth of the time, and only if the instance was made as one of its class.
    """
    tensor: Any = _new(cls)
    tensor._slot, tensor._meta, tensor._buffer = -1, meta, buffer
    tensor._base = tensor._views = tensor._history = tensor._grad = None
    tensor._shared, tensor._writes, tensor._watched = False, 0, False
    return tensor


def filled(of: Type, value: complex = 0) -> Tensor:
    """A tensor of one number, computed at once and apart from what is pending: parameters, optimizer state."""
    if of.device.type == "meta":
        return wrap(None, Meta(of))
    builder = Builder()
    with builder.active():
        made = Full(shape=of.shape, value=value, dtype=of.dtype, device=of.device)
    (buffer,) = executable(builder.finish([made]))([])
    return wrap(buffer, Meta(of))


Tensor._hidden = staticmethod(_hidden)  # type: ignore[method-assign]  # for what lies below this module


_metas: dict[Any, Meta] = {}  # of what came from buffers


def from_buffer(buffer: Any, of: Dtype, where: device = CPU, requires_grad: bool = False) -> Tensor:
    """A tensor over a backend's buffer that nobody else holds."""
    key = buffer.shape, of, where, requires_grad
    meta = _metas.get(key)
    if meta is None:
        if len(_metas) > 10_000:
            _metas.clear()
        meta = _metas[key] = Meta(Type(tuple(buffer.shape), of, where), None, requires_grad)
    return wrap(buffer, meta)  # type: ignore[no-any-return]


def from_numpy(array: Any) -> Tensor:
    """A tensor that shares memory with a NumPy array: a write to one is seen in the other.

    Errors: TypeError for an element type that tensors do not have.

    >>> import alight as torch
    >>> import numpy
    >>> x = numpy.ones(2)
    >>> shared = torch.from_numpy(x)
    >>> shared[0] = 5
    >>> x
    array([5., 1.])
    """
    buffer, of, strides = backend_of(CPU).adopt(array)
    meta = Meta(Type(tuple(buffer.shape), of, CPU), strides)
    tensor = wrap(buffer, meta)
    tensor._shared = True
    return tensor
