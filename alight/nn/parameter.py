"""Parameter: a tensor that a module counts among its own, and its relatives for buffers and lazy layers.

In: a tensor. Out: a leaf that requires a gradient and shares memory with it. The parameter owns the memory, and the
tensor becomes a view of it, so that optimizers write whole buffers.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from alight.errors import fail
from alight.ir.program import Node, Program
from alight.ir.types import Type
from alight.ops.arguments import default_dtype
from alight.ops.creation import resolve_device
from alight.ops.dispatch import disabled_torch_function
from alight.primitives import Detach
from alight.record import owners
from alight.record.meta import Meta
from alight.record.recorder import thread
from alight.tensor import Tensor, filled, wrap


@lru_cache(256)
def _alias(of: Type) -> Program:
    """The link of a tensor that is another one, outside the gradient record."""
    return Program([of, of], [0], [Node(Detach, (0,), {}, (1,))], [1])


def adopt(data: Tensor, cls: type, requires_grad: bool, alone: bool = False) -> Any:
    """A leaf of class `cls` over the memory of `data`; a copy where `data` is a view, or in the gradient record.

    `alone` says that nobody else will use `data`.
    """
    if data._base is not None or data._meta.requires_grad:
        data = data.detach().clone()
    meta = data._meta
    buffer = None if meta.device.type == "meta" else data.flush("parameter")
    owners.attach_made(thread.recorder)
    made = wrap(buffer, Meta(meta.type, meta.strides, requires_grad), cls)
    if alone:
        return made
    made._shared, made._writes, made._views = data._shared, data._writes, data._views
    data._buffer, data._views, data._shared = None, None, False
    owners.attach(data, made, _alias(meta.type), ())
    return made


class Parameter(Tensor):
    """A tensor that becomes one of a module's parameters when it is assigned as an attribute.

    It is a leaf, and requires a gradient unless requires_grad=False. Shares the memory of
    `data`. Differs: of a view it takes a copy.

    >>> import alight as torch
    >>> torch.nn.Parameter(torch.ones(2))
    Parameter containing:
    tensor([1., 1.], requires_grad=True)
    """

    _is_parameter = True
    __torch_function__ = staticmethod(disabled_torch_function)  # type: ignore[assignment]

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True) -> Any:
        if data is None:
            from alight.ops.operation import TORCH

            data = TORCH["zeros"](0)
        if not isinstance(data, Tensor):
            fail(
                AttributeError,
                f"'{type(data).__name__}' object has no attribute 'detach'",
                facts=["a Parameter is made from a tensor"],
                try_="Parameter(torch.tensor(data))",
            )
        if requires_grad and not data._meta.dtype.is_differentiable:
            fail(
                RuntimeError,
                "Only Tensors of floating point and complex dtype can require gradients",
                facts=[f"the tensor is {data._meta.dtype!r}"],
                try_="Parameter(data, requires_grad=False)",
            )
        return adopt(data, cls, bool(requires_grad))


class Buffer(Tensor):
    """A tensor that becomes one of a module's buffers when it is assigned as an attribute.

    It is saved with the module's state unless persistent=False, and gets no gradient.

    >>> import alight as torch
    >>> module = torch.nn.Module()
    >>> module.mean = torch.nn.Buffer(torch.zeros(2))
    >>> module.state_dict()
    OrderedDict([('mean', tensor([0., 0.]))])
    """

    persistent: bool
    __torch_function__ = staticmethod(disabled_torch_function)  # type: ignore[assignment]

    def __new__(cls, data: Tensor | None = None, *, persistent: bool = True) -> Any:
        if data is None:
            from alight.ops.operation import TORCH

            data = TORCH["zeros"](0)
        made = adopt(data, cls, bool(data.requires_grad))
        made.persistent = persistent
        return made


def new_parameter(*shape: int, device: Any = None, dtype: Any = None) -> Any:
    """A parameter whose elements are still to be filled."""
    of = Type(shape, dtype or default_dtype(), resolve_device(device))
    return adopt(filled(of), Parameter, True, alone=True)


class UninitializedParameter(Parameter):
    """A parameter of a lazy layer, whose shape the first input will tell.

    >>> import alight as torch
    >>> torch.nn.LazyLinear(2).weight
    <UninitializedParameter>
    """

    def __new__(cls, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> Any:
        from alight.ops.operation import TORCH

        return adopt(TORCH["zeros"](0, device=device, dtype=dtype), cls, requires_grad)

    def materialize(self, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Become an ordinary parameter of this shape, with arbitrary elements.

        >>> import alight as torch
        >>> weight = torch.nn.UninitializedParameter()
        >>> weight.materialize((2, 3))
        >>> weight.shape
        torch.Size([2, 3])
        """
        from alight.ops.operation import TORCH

        data = TORCH["zeros"](shape, device=device or self.device, dtype=dtype or self.dtype)
        self.data = data
        self.__class__ = Parameter  # type: ignore[assignment]

    @property
    def shape(self) -> Any:
        """Not known yet."""
        fail(
            RuntimeError,
            "Can't access the shape of an uninitialized parameter or buffer. This error usually happens in "
            "`load_state_dict` when trying to load an uninitialized parameter into an initialized one. Call `forward` to "
            "initialize the parameters before accessing their attributes.",
            try_="a first batch through the model: net(x)",
        )

    def __repr__(self, **options: Any) -> str:  # type: ignore[override]
        return "<UninitializedParameter>"


class UninitializedBuffer(Tensor):
    """A buffer of a lazy layer, whose shape the first input will tell.

    >>> import alight as torch
    >>> torch.nn.UninitializedBuffer().requires_grad
    False
    """

    __torch_function__ = staticmethod(disabled_torch_function)  # type: ignore[assignment]

    def __new__(
        cls,
        requires_grad: bool = False,
        device: Any = None,
        dtype: Any = None,
        persistent: bool = True,
    ) -> Any:
        from alight.ops.operation import TORCH

        made = adopt(TORCH["zeros"](0, device=device, dtype=dtype), cls, requires_grad)
        made.persistent = persistent
        return made

    def materialize(self, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Become an ordinary tensor of this shape, with arbitrary elements.

        >>> import alight as torch
        >>> buffer = torch.nn.UninitializedBuffer()
        >>> buffer.materialize((2, 3))
        >>> buffer.shape
        torch.Size([2, 3])
        """
        from alight.ops.operation import TORCH

        self.data = TORCH["zeros"](shape, device=device or self.device, dtype=dtype or self.dtype)
        self.__class__ = Tensor  # type: ignore[assignment]

    shape = UninitializedParameter.shape

    def __repr__(self, **options: Any) -> str:  # type: ignore[override]
        return "<UninitializedBuffer>"


def is_lazy(tensor: Any) -> bool:
    """Whether a tensor still waits for its shape.

    >>> import alight as torch
    >>> torch.nn.parameter.is_lazy(torch.nn.Parameter(torch.ones(1)))
    False
    """
    return isinstance(tensor, (UninitializedParameter, UninitializedBuffer))


def __dir__() -> list[str]:
    return ["Buffer", "Parameter", "UninitializedBuffer", "UninitializedParameter", "is_lazy"]
