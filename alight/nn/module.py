"""Module: the base of all layers and models.

Parameters, buffers and sub-modules live in registries (`_parameters`, `_buffers`, `_modules`) and, as ordinary
attributes, in the instance's dictionary: `self.weight` is a plain look-up. A registry keeps both in step, also when
it is written directly. A module without hooks costs one call more than its `forward`.
"""

from __future__ import annotations

import difflib
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

from alight.autograd.hooks import RemovableHandle
from alight.autograd.modes import no_grad
from alight.errors import fail
from alight.nn import hooks
from alight.nn.hooks import (
    add,
    on_every_module,
    register_module_forward_hook,
    register_module_forward_pre_hook,
    register_module_full_backward_hook,
    register_module_full_backward_pre_hook,
)
from alight.nn.parameter import Buffer, Parameter, is_lazy
from alight.nn.state import Stateful
from alight.tensor import Tensor

REGISTRIES = ("_parameters", "_buffers", "_modules")
_HOOK_TABLES = (
    "_backward_pre_hooks", "_backward_hooks", "_forward_hooks", "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called", "_forward_pre_hooks", "_forward_pre_hooks_with_kwargs", "_state_dict_hooks",
    "_state_dict_pre_hooks", "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks",
)  # fmt: skip


class Registry(dict[str, Any]):
    """A dictionary whose entries are attributes of a module as well."""

    __slots__ = ("_owner",)

    def __init__(self, owner: Any = None, entries: Any = ()) -> None:
        self._owner = None if owner is None else weakref.ref(owner)
        self.update(entries)

    def __setitem__(self, name: str, value: Any) -> None:
        dict.__setitem__(self, name, value)
        owner = self._owner() if self._owner is not None else None
        if owner is not None:
            owner.__dict__[name] = value

    def __delitem__(self, name: str) -> None:
        dict.__delitem__(self, name)
        owner = self._owner() if self._owner is not None else None
        if owner is not None:
            owner.__dict__.pop(name, None)

    def pop(self, name: str, *default: Any) -> Any:
        """Take an entry out, the attribute with it."""
        if default and name not in self:
            return default[0]
        value = self[name]
        del self[name]
        return value

    def popitem(self) -> tuple[str, Any]:
        """Take the last entry out."""
        name = next(reversed(self))
        return name, self.pop(name)

    def clear(self) -> None:
        """Take all entries out."""
        for name in list(self):
            del self[name]

    def update(self, entries: Any = (), **more: Any) -> None:  # type: ignore[override]
        """Set several entries."""
        for name, value in dict(entries, **more).items():
            self[name] = value

    def setdefault(self, name: str, default: Any = None) -> Any:
        """The entry, set first if there is none."""
        if name not in self:
            self[name] = default
        return self[name]

    def __reduce__(self) -> Any:
        return Registry, (), None, None, iter(self.items())


def _name_of(value: Any) -> str:
    """As `torch.typename` has it: a class by its own name."""
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}"
    return typename(value)


def typename(value: Any) -> str:
    """The name of a value's type as PyTorch's messages have it."""
    if isinstance(value, Tensor):
        kind = {"float32": "Float", "float64": "Double", "int64": "Long", "float16": "Half"}.get(
            value.dtype.name, ""
        )
        return f"torch.{kind}Tensor" if type(value) is Tensor else "torch.nn.parameter.Parameter"
    module = type(value).__module__
    return (
        type(value).__qualname__
        if module in ("builtins", "__builtin__")
        else f"{module}.{type(value).__qualname__}"
    )


class Module(Stateful):
    """Base class of layers and models: assign parameters and sub-modules in `__init__`, compute in `forward`.

    >>> import alight as torch
    >>> class Twice(torch.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.inner = torch.nn.Linear(2, 2)
    ...     def forward(self, x):
    ...         return self.inner(self.inner(x))
    >>> Twice()
    Twice(
      (inner): Linear(in_features=2, out_features=2, bias=True)
    )
    """

    training: bool
    dump_patches: bool = False
    call_super_init: bool = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if not self.call_super_init and (args or kwargs):
            given = f"got an unexpected keyword argument '{next(iter(kwargs))}'" if kwargs else (
                f"takes 1 positional argument but {len(args) + 1} were given"
            )  # fmt: skip
            fail(TypeError, f"{type(self).__name__}.__init__() {given}")
        fields = self.__dict__
        fields["training"] = True
        for name in REGISTRIES:
            fields[name] = Registry(self)
        fields["_non_persistent_buffers_set"] = set()
        fields["_is_full_backward_hook"] = None
        for name in _HOOK_TABLES:
            fields[name] = OrderedDict()
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    # -- calling --------------------------------------------------------------------------------------------------------

    def forward(self, *input: Any) -> Any:
        """What the module computes; every module defines it."""
        near = difflib.get_close_matches("forward", vars(type(self)), 1, 0.75)
        fail(
            NotImplementedError,
            f'Module [{type(self).__name__}] is missing the required "forward" function',
            facts=[f"its class has {near[0]}"] if near else (),
            try_=self._in_place_of_forward(),
        )

    def _in_place_of_forward(self) -> str:
        return "def forward(self, x): ... in the class"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if (
            self._forward_hooks
            or self._forward_pre_hooks
            or self._backward_hooks
            or self._backward_pre_hooks
            or on_every_module
        ):
            return hooks.call(self, args, kwargs)
        return self.forward(*args, **kwargs)

    def register_forward_pre_hook(
        self, hook: Any, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args)` before forward; what it returns replaces the arguments."""
        handle = add(self._forward_pre_hooks, hook, prepend, self._forward_pre_hooks_with_kwargs)
        if with_kwargs:
            self._forward_pre_hooks_with_kwargs[handle.id] = True
        return handle

    def register_forward_hook(
        self,
        hook: Any,
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Call `hook(module, args, output)` after forward; what it returns replaces the output."""
        more = self._forward_hooks_with_kwargs, self._forward_hooks_always_called
        handle = add(self._forward_hooks, hook, prepend, *more)
        if with_kwargs:
            self._forward_hooks_with_kwargs[handle.id] = True
        if always_call:
            self._forward_hooks_always_called[handle.id] = True
        return handle

    def register_full_backward_pre_hook(self, hook: Any, prepend: bool = False) -> RemovableHandle:
        """Call `hook(module, grad_output)` before the backward of this module."""
        return add(self._backward_pre_hooks, hook, prepend)

    def register_full_backward_hook(self, hook: Any, prepend: bool = False) -> RemovableHandle:
        """Call `hook(module, grad_input, grad_output)` after the backward of this module."""
        self.__dict__["_is_full_backward_hook"] = True
        return add(self._backward_hooks, hook, prepend)

    register_backward_hook = register_full_backward_hook

    # -- attributes -----------------------------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        parameters = self.__dict__.get("_parameters")
        if isinstance(value, Parameter):
            if parameters is None:
                raise AttributeError("cannot assign parameters before Module.__init__() call")
            self._forget(name, "_buffers", "_modules")
            self.register_parameter(name, value)
        elif parameters is None:
            if isinstance(value, Module):
                fail(
                    AttributeError,
                    "cannot assign module before Module.__init__() call",
                    try_=f"super().__init__() first in {type(self).__name__}.__init__",
                )
            object.__setattr__(self, name, value)
        elif name in parameters:
            if value is not None:
                fail(
                    TypeError,
                    f"cannot assign '{typename(value)}' as parameter '{name}' (torch.nn.Parameter or None expected)",
                    try_=f"nn.Parameter(value), or .{name}.data.copy_(value)",
                )
            self.register_parameter(name, None)
        elif isinstance(value, Module):
            self._forget(name, "_parameters", "_buffers")
            self._modules[name] = value
        elif name in self._modules:
            if value is not None:
                fail(
                    TypeError,
                    f"cannot assign '{typename(value)}' as child module '{name}' (torch.nn.Module or None expected)",
                    try_="another name for what is no layer",
                )
            self._modules[name] = None
        elif name in self._buffers or isinstance(value, Buffer):
            self._set_buffer(name, value)
        else:
            object.__setattr__(self, name, value)

    def _set_buffer(self, name: str, value: Any) -> None:
        if value is not None and not isinstance(value, Tensor):
            raise TypeError(
                f"cannot assign '{typename(value)}' as buffer '{name}' (torch.nn.Buffer, torch.Tensor or None expected)"
            )
        if isinstance(value, Buffer):
            self._forget(name, "_parameters", "_modules")
            self._buffers.pop(name, None)
            self.register_buffer(name, value, value.persistent)
        else:
            self._buffers[name] = value

    def _forget(self, name: str, *registries: str) -> None:
        """Take a name out of the instance and of other registries."""
        fields = self.__dict__
        for registry in registries:
            if name in fields[registry]:
                del fields[registry][name]
        fields["_non_persistent_buffers_set"].discard(name)
        held = [registry for registry in REGISTRIES if name in fields[registry]]
        if not held:
            fields.pop(name, None)

    def __delattr__(self, name: str) -> None:
        for registry in REGISTRIES:
            if name in self.__dict__[registry]:
                del self.__dict__[registry][name]
                self._non_persistent_buffers_set.discard(name)
                return
        object.__delattr__(self, name)

    def _check_name(self, name: Any, what: str, registry: str) -> None:
        if "_parameters" not in self.__dict__:
            raise AttributeError(f"cannot assign {what} before Module.__init__() call")
        if not isinstance(name, str):
            raise TypeError(f"{what} name should be a string. Got {typename(name)}")
        if "." in name:
            raise KeyError(
                f'{what} name can\'t contain "."' + (f", got: {name}" if what == "module" else "")
            )
        if name == "":
            raise KeyError(f'{what} name can\'t be empty string ""')
        if hasattr(self, name) and name not in self.__dict__[registry]:
            raise KeyError(f"attribute '{name}' already exists")

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter under a name; None keeps the name without one."""
        held = self.__dict__.get("_parameters")
        if held is None or name not in held:
            if (
                isinstance(param, Parameter) and name in self.__dict__
            ):  # an attribute becomes a parameter
                self.__dict__.pop(name)
            self._check_name(name, "parameter", "_parameters")
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign '{typename(param)}' object to parameter '{name}' (torch.nn.Parameter or None required)"
            )
        if param is not None and not param.is_leaf:
            raise ValueError(
                f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be created explicitly. To "
                f"express '{name}' as a function of another Tensor, compute the value in the forward() method."
            )
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that belongs to the module's state but is no parameter."""
        self._check_name(name, "buffer", "_buffers")
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign '{typename(tensor)}' object to buffer '{name}' (torch Tensor or None required)"
            )
        self._buffers[name] = tensor
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a sub-module under a name."""
        if not isinstance(module, Module) and module is not None:
            made = isinstance(module, type) and issubclass(module, Module)
            fail(
                TypeError,
                f"{_name_of(module)} is not a Module subclass",
                facts=["this is a class, not a layer made from it"] if made else (),
                try_=f"{module.__name__}()" if made else "a module",
            )
        self._check_name(name, "module", "_modules")
        self._modules[name] = module

    register_module = add_module

    def __getstate__(self) -> dict[str, Any]:
        fields = dict(self.__dict__)
        for registry in REGISTRIES:
            for name in fields.get(registry, ()):
                fields.pop(name, None)
            fields[registry] = dict(fields.get(registry, ()))
        return fields

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for name in _HOOK_TABLES:
            self.__dict__.setdefault(name, OrderedDict())
        self.__dict__.setdefault("_non_persistent_buffers_set", set())
        for registry in REGISTRIES:
            self.__dict__[registry] = Registry(self, state.get(registry, ()))

    def __dir__(self) -> list[str]:
        return sorted(name for name in super().__dir__() if not name[0].isdigit())

    # -- walking --------------------------------------------------------------------------------------------------------

    def _named_members(
        self, get: Callable[[Any], Any], prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[Any]:
        seen: set[int] = set()
        modules = (
            self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
            if recurse
            else [(prefix, self)]
        )
        for path, module in modules:
            for name, member in get(module):
                if member is None or id(member) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(member))
                yield path + ("." if path else "") + name, member

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Parameters with their paths."""
        return self._named_members(
            lambda module: module._parameters.items(), prefix, recurse, remove_duplicate
        )

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Parameters of this module and, with `recurse`, of those inside."""
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Buffers with their paths."""
        return self._named_members(
            lambda module: module._buffers.items(), prefix, recurse, remove_duplicate
        )

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Buffers of this module and, with `recurse`, of those inside."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Direct sub-modules with their names."""
        seen: set[int] = set()
        for name, module in self._modules.items():
            if module is not None and id(module) not in seen:
                seen.add(id(module))
                yield name, module

    def children(self) -> Iterator[Module]:
        """Direct sub-modules."""
        for _, module in self.named_children():
            yield module

    def named_modules(
        self, memo: set[Any] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """This module and all inside, with their paths."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                inner = prefix + ("." if prefix else "") + name
                yield from module.named_modules(memo, inner, remove_duplicate)

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """This module and all inside."""
        for _, module in self.named_modules(remove_duplicate=remove_duplicate):
            yield module

    def get_submodule(self, target: str) -> Module:
        """The module at a path; AttributeError where there is none."""
        module: Any = self
        for name in target.split(".") if target else ():
            if not hasattr(module, name):
                raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
            module = getattr(module, name)
            if not isinstance(module, Module):
                raise AttributeError(f"`{name}` is not an nn.Module")
        return module

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a path; AttributeError where there is none."""
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if not hasattr(module, name):
            raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
        found = getattr(module, name)
        if not isinstance(found, Parameter):
            raise AttributeError(f"`{name}` is not an nn.Parameter")
        return found

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a path; AttributeError where there is none."""
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if not hasattr(module, name):
            raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
        if name not in module._buffers:
            raise AttributeError(f"`{name}` is not a buffer")
        return module._buffers[name]

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put a module at a path."""
        if target == "":
            raise ValueError("Cannot set the submodule without a target name!")
        path, _, name = target.rpartition(".")
        parent = self.get_submodule(path)
        if strict and not hasattr(parent, name):
            raise AttributeError(f"{parent._get_name()} has no attribute `{name}`")
        setattr(parent, name, module)

    def apply(self, fn: Callable[[Module], Any]) -> Any:
        """Call `fn` on every module inside, then on this one."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    # -- modes and conversions ------------------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Any:
        """Set training mode, here and inside."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> Any:
        """Set evaluation mode, here and inside."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Set whether gradients of the parameters are recorded."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the parameters' gradients, or fill them with zeros."""
        for parameter in self.parameters():
            if parameter._grad is None:
                continue
            if set_to_none:
                parameter._grad = None
            else:
                parameter.grad = parameter.grad.detach() * 0  # type: ignore[union-attr]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        """Replace every parameter, gradient and buffer by fn of it."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        for parameter in self._parameters.values():
            if parameter is None:
                continue
            with no_grad():
                old = parameter if is_lazy(parameter) else parameter.detach()
                converted = fn(old)
                if converted is not old:
                    parameter.data = converted
                if parameter._grad is not None:
                    parameter._grad = fn(parameter._grad)
        for name, buffer in self._buffers.items():
            if buffer is not None:
                self._buffers[name] = fn(buffer)
        return self

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """Move to a device, or convert floating-point parameters and buffers to a dtype: to(device), to(dtype), to(tensor)."""
        device, dtype = _device_and_dtype(*args, **kwargs)
        if dtype is not None and not dtype.is_differentiable:
            raise TypeError(
                f"nn.Module.to only accepts floating point or complex dtypes, but got desired dtype={dtype}"
            )

        def convert(tensor: Tensor) -> Tensor:
            wanted = dtype if tensor.is_floating_point() or tensor.is_complex() else None
            if wanted in (None, tensor.dtype) and device in (None, tensor.device):
                return tensor
            if tensor.device.type == "meta" and device not in (None, tensor.device):
                fail(
                    NotImplementedError,
                    "Cannot copy out of meta tensor; no data! Please use torch.nn.Module.to_empty() instead of "
                    "torch.nn.Module.to() when moving module from meta to a different device.",
                )
            return tensor.to(device=device or tensor.device, dtype=wanted or tensor.dtype)

        return self._apply(convert)

    def type(self, dst_type: Any) -> Any:
        """Convert all parameters and buffers to a dtype."""
        return self._apply(lambda tensor: tensor.to(dst_type))

    def _floating(self, name: str) -> Any:
        import alight

        return self.to(getattr(alight, name))

    def float(self) -> Any:
        """Convert floating-point parameters and buffers to float32."""
        return self._floating("float32")

    def double(self) -> Any:
        """Convert floating-point parameters and buffers to float64."""
        return self._floating("float64")

    def half(self) -> Any:
        """Convert floating-point parameters and buffers to float16."""
        return self._floating("float16")

    def bfloat16(self) -> Any:
        """Convert floating-point parameters and buffers to bfloat16."""
        return self._floating("bfloat16")

    def cpu(self) -> Any:
        """Move to the CPU."""
        return self.to("cpu")

    def cuda(self, device: Any = None) -> Any:
        """Move to an NVIDIA device."""
        return self.to(
            "cuda" if device is None else f"cuda:{device}" if isinstance(device, int) else device
        )

    def to_empty(self, *, device: Any, recurse: bool = True) -> Any:
        """Move to a device without the elements."""
        import alight

        return self._apply(lambda tensor: alight.empty_like(tensor, device=device), recurse)

    def share_memory(self) -> Any:
        """Differs: does nothing; memory is not shared between processes."""
        return self

    # -- text -----------------------------------------------------------------------------------------------------------

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """What the printed form says of this module between the parentheses."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        inside = [f"({name}): {indented(repr(module))}" for name, module in self._modules.items()]
        if len(lines) == 1 and not inside:
            return f"{self._get_name()}({lines[0]})"
        if not lines and not inside:
            return self._get_name() + "()"
        return f"{self._get_name()}(\n  " + "\n  ".join([*lines, *inside]) + "\n)"

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Does nothing: every program is compiled by itself."""


def indented(text: str) -> str:
    """Text with its lines after the first moved in by two places."""
    return text.replace("\n", "\n  ")


def _device_and_dtype(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
    """What the arguments of `to` ask for."""
    from alight.device import device as Device
    from alight.dtypes import dtype as Dtype

    device, dtype = kwargs.get("device"), kwargs.get("dtype")
    for one in (*args[:2], kwargs.get("tensor")):
        if isinstance(one, Dtype):
            dtype = one
        elif isinstance(one, Tensor):
            device, dtype = one.device, one.dtype
        elif isinstance(one, (str, int, Device)) and not isinstance(one, bool):
            device = one
    if device is not None and not isinstance(device, Device):
        device = Device(device)
    return device, dtype


__all__ = [
    "Module",
    "Registry",
    "indented",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
    "typename",
]
