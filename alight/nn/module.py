"""Module: the base of all layers and models.

Parameters, buffers and sub-modules live in registries (`_parameters`, `_buffers`, `_modules`) and, as ordinary
attributes, in the instance's dictionary: `self.weight` is a plain look-up. A registry keeps both in step, also when
it is written directly. A module without hooks costs one call more than its `forward`.
"""

from __future__ import annotations

import difflib
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from alight.autograd.hooks import RemovableHandle
from alight.errors import fail
from alight.nn import hooks
from alight.nn.conversion import Convertible
from alight.nn.hooks import (
    add,
    on_every_module,
    register_module_buffer_registration_hook,
    register_module_forward_hook,
    register_module_forward_pre_hook,
    register_module_full_backward_hook,
    register_module_full_backward_pre_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
    registered,
)
from alight.nn.parameter import Buffer, Parameter
from alight.nn.registry import HookTable, Registry, _name_of, typename
from alight.nn.state import Stateful
from alight.nn.walking import Walkable
from alight.record.specialized import copy_of
from alight.tensor import Tensor

NOT_GIVEN = object()
REGISTRIES = ("_parameters", "_buffers", "_modules")
_HOOK_TABLES = (
    "_backward_pre_hooks", "_backward_hooks", "_forward_hooks", "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called", "_forward_pre_hooks", "_forward_pre_hooks_with_kwargs", "_state_dict_hooks",
    "_state_dict_pre_hooks", "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks",
)  # fmt: skip


_CALLED = ("_backward_pre_hooks", "_backward_hooks", "_forward_hooks", "_forward_pre_hooks")


class Module(Convertible, Stateful, Walkable):
    """Base class of layers and models: assign parameters and sub-modules in `__init__`, compute in
    `forward`.

    Call the module, not `forward`: the call runs the hooks as well. AttributeError where
    something is assigned before super().__init__(), TypeError where a parameter's name is given
    another thing.

    >>> import alight as torch
    >>> class Twice(torch.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.inner = torch.nn.Linear(2, 2)
    ...     def forward(self, x):
    ...         return self.inner(self.inner(x))
    >>> net = Twice()
    >>> net
    Twice(
      (inner): Linear(in_features=2, out_features=2, bias=True)
    )
    >>> net(torch.ones(5, 2)).shape
    torch.Size([5, 2])
    """

    training: bool
    dump_patches: bool = False
    call_super_init: bool = False
    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

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
        fields["_is_hooked"] = False
        for name in _HOOK_TABLES:
            fields[name] = HookTable(self) if name in _CALLED else OrderedDict()
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if hasattr(cls, "__getattr__") and not hasattr(Module, "__getattr__"):
            # Not before: a class with this method has all its attributes found in the slow way.
            Module.__getattr__ = _no_attribute  # type: ignore[method-assign]
        inherited = getattr(cls.__call__, "__code__", None)
        if "__call__" not in cls.__dict__ and inherited == Module.__call__.__code__:
            cls.__call__ = copy_of(Module.__call__)  # type: ignore[method-assign]

    # -- calling --------------------------------------------------------------------------------------------------------

    def forward(self, *input: Any) -> Any:
        """What the module computes; every module defines it, with arguments of its own.

        NotImplementedError where it does not.

        >>> import alight as torch
        >>> class Double(torch.nn.Module):
        ...     def forward(self, x):
        ...         return 2 * x
        >>> Double()(torch.ones(2))
        tensor([2., 2.])
        """
        near = difflib.get_close_matches("forward", vars(type(self)).keys() - {"forward"}, 1, 0.75)
        fail(
            NotImplementedError,
            f'Module [{type(self).__name__}] is missing the required "forward" function',
            facts=[f"its class has {near[0]}"] if near else (),
            try_=self._in_place_of_forward(),
        )

    def _in_place_of_forward(self) -> str:
        return "def forward(self, x): ... in the class"

    def __call__(self, input: Any = NOT_GIVEN, /, *args: Any, **kwargs: Any) -> Any:
        # The usual call has one argument, which then needs no tuple; the rest is for all others.
        if self._is_hooked or on_every_module or input is NOT_GIVEN:
            return hooks.call(self, () if input is NOT_GIVEN else (input, *args), kwargs)
        if kwargs:
            return self.forward(input, *args, **kwargs)
        return self.forward(input, *args) if args else self.forward(input)

    def register_forward_pre_hook(
        self, hook: Any, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args)` before forward; what it returns replaces the arguments.

        With with_kwargs it is `hook(module, args, kwargs)`, which returns both. `prepend` puts it
        before the other hooks. The handle's remove() takes it away.

        >>> import alight as torch
        >>> layer = torch.nn.Identity()
        >>> handle = layer.register_forward_pre_hook(lambda module, args: (args[0] + 1,))
        >>> layer(torch.zeros(1))
        tensor([1.])
        >>> handle.remove()
        """
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
        """Call `hook(module, args, output)` after forward; what it returns replaces the output.

        With with_kwargs it is `hook(module, args, kwargs, output)`; always_call runs it where
        forward raises, too. The handle's remove() takes it away.

        >>> import alight as torch
        >>> layer = torch.nn.Linear(2, 3)
        >>> handle = layer.register_forward_hook(lambda module, args, output: print(output.shape))
        >>> _ = layer(torch.ones(1, 2))
        torch.Size([1, 3])
        >>> handle.remove()
        """
        more = self._forward_hooks_with_kwargs, self._forward_hooks_always_called
        handle = add(self._forward_hooks, hook, prepend, *more)
        if with_kwargs:
            self._forward_hooks_with_kwargs[handle.id] = True
        if always_call:
            self._forward_hooks_always_called[handle.id] = True
        return handle

    def register_full_backward_pre_hook(self, hook: Any, prepend: bool = False) -> RemovableHandle:
        """Call `hook(module, grad_output)` before the backward of this module.

        What it returns replaces the gradients of the outputs. The handle's remove() takes it away.

        >>> import alight as torch
        >>> layer = torch.nn.Identity()
        >>> handle = layer.register_full_backward_pre_hook(lambda module, grads: (2 * grads[0],))
        >>> x = torch.ones(1, requires_grad=True)
        >>> layer(x).sum().backward()
        >>> x.grad
        tensor([2.])
        """
        return add(self._backward_pre_hooks, hook, prepend)

    def register_full_backward_hook(self, hook: Any, prepend: bool = False) -> RemovableHandle:
        """Call `hook(module, grad_input, grad_output)` after the backward of this module.

        What it returns replaces the gradients of the inputs. The handle's remove() takes it away.

        >>> import alight as torch
        >>> layer = torch.nn.Linear(2, 1)
        >>> handle = layer.register_full_backward_hook(lambda module, inputs, outputs: print(outputs))
        >>> layer(torch.ones(1, 2, requires_grad=True)).sum().backward()
        (tensor([[1.]]),)
        """
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
            self._modules[name] = registered("module", self, name, value)
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
        elif name in _CALLED:
            object.__setattr__(self, name, HookTable(self, value))
        else:
            object.__setattr__(self, name, value)

    def _set_buffer(self, name: str, value: Any) -> None:
        if value is not None and not isinstance(value, Tensor):
            raise TypeError(
                f"cannot assign '{typename(value)}' as buffer '{name}' (torch.nn.Buffer, torch.Tensor or None expected)"
            )
        if isinstance(value, Buffer):
            if not any(name in self.__dict__[registry] for registry in REGISTRIES):
                self._check_name(name, "buffer", "_buffers")
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
        """Add a parameter under a name; None keeps the name without one.

        KeyError where the name is taken, empty or has a dot; TypeError where it is no Parameter,
        ValueError where it is not a leaf.

        >>> import alight as torch
        >>> module = torch.nn.Module()
        >>> module.register_parameter("scale", torch.nn.Parameter(torch.ones(1)))
        >>> module.scale
        Parameter containing:
        tensor([1.], requires_grad=True)
        """
        held = self.__dict__.get("_parameters")
        if held is None or name not in held:
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
        self._parameters[name] = (
            registered("parameter", self, name, param) if param is not None else None
        )

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that belongs to the module's state but is no parameter.

        It moves with the module, and is saved unless persistent=False. KeyError where the name is
        taken, empty or has a dot; TypeError where it is no tensor.

        >>> import alight as torch
        >>> module = torch.nn.Module()
        >>> module.register_buffer("mean", torch.zeros(2))
        >>> module.mean
        tensor([0., 0.])
        """
        self._check_name(name, "buffer", "_buffers")
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign '{typename(tensor)}' object to buffer '{name}' (torch Tensor or None required)"
            )
        self._buffers[name] = None if tensor is None else registered("buffer", self, name, tensor)
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a sub-module under a name.

        KeyError where the name is taken, empty or has a dot; TypeError where it is no Module.

        >>> import alight as torch
        >>> module = torch.nn.Module()
        >>> module.add_module("act", torch.nn.ReLU())
        >>> module.act
        ReLU()
        """
        if not isinstance(module, Module) and module is not None:
            made = isinstance(module, type) and issubclass(module, Module)
            fail(
                TypeError,
                f"{_name_of(module)} is not a Module subclass",
                facts=["this is a class, not a layer made from it"] if made else (),
                try_=f"{module.__name__}()"
                if made
                else "nn.Sequential(*layers)"
                if isinstance(module, list)
                else "a module",
            )
        self._check_name(name, "module", "_modules")
        self._modules[name] = None if module is None else registered("module", self, name, module)

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
        self.__dict__["_is_hooked"] = False
        for name in _HOOK_TABLES:
            found = self.__dict__.get(name, ())
            self.__dict__[name] = HookTable(self, found) if name in _CALLED else OrderedDict(found)
        self.__dict__.setdefault("_non_persistent_buffers_set", set())
        for registry in REGISTRIES:
            self.__dict__[registry] = Registry(self, state.get(registry, ()))

    def __dir__(self) -> list[str]:
        return sorted(name for name in super().__dir__() if not name[0].isdigit())

    # -- text -----------------------------------------------------------------------------------------------------------

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """What the printed form says of this module between the parentheses; subclasses define it.

        >>> import alight as torch
        >>> class Scale(torch.nn.Module):
        ...     def extra_repr(self):
        ...         return "by=2"
        >>> Scale()
        Scale(by=2)
        """
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
        """Does nothing: every program is compiled by itself.

        >>> import alight as torch
        >>> torch.nn.Linear(2, 1).compile()
        """


def _no_attribute(module: Module, name: str) -> Any:
    """`Module.__getattr__`, from the moment when a subclass has one that may ask for it by `super()`."""
    text = f"'{type(module).__name__}' object has no attribute '{name}'"
    raise AttributeError(text, name=name, obj=module)


def indented(text: str) -> str:
    """Text with its lines after the first moved in by two places."""
    return text.replace("\n", "\n  ")


__all__ = [
    "Module",
    "Registry",
    "indented",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_buffer_registration_hook",
    "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
    "typename",
]
