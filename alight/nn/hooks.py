"""Calling a module that has hooks: before and after forward, and around backward.

Modules without hooks never come here. Backward hooks stand on two places in the gradient record: one that the
module's inputs pass and one that its outputs pass.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from alight.autograd.hooks import RemovableHandle
from alight.errors import fail, warn
from alight.tensor import Tensor

Hook = Callable[..., Any]

# Hooks of all modules. `nn.Module.__call__` looks at `on_every_module` alone.
every_forward_pre: OrderedDict[int, Hook] = OrderedDict()
every_forward: OrderedDict[int, Hook] = OrderedDict()
every_full_backward_pre: OrderedDict[int, Hook] = OrderedDict()
every_full_backward: OrderedDict[int, Hook] = OrderedDict()
on_every_module: OrderedDict[int, Hook] = OrderedDict()  # all of the above


# Called when a parameter, buffer or sub-module gets its name; what they return takes its place.
on_registration: dict[str, OrderedDict[int, Hook]] = {
    kind: OrderedDict() for kind in ("parameter", "buffer", "module")
}


def registered(kind: str, module: Any, name: str, value: Any) -> Any:
    """A parameter, buffer or module after the hooks on its registration."""
    for hook in on_registration[kind].values():
        changed = hook(module, name, value)
        value = value if changed is None else changed
    return value


def register_module_parameter_registration_hook(hook: Hook) -> RemovableHandle:
    """Call `hook(module, name, parameter)` when any module gets a parameter; what it returns takes
    its place.

    >>> from alight.nn.modules.module import register_module_parameter_registration_hook
    >>> import alight as torch
    >>> handle = register_module_parameter_registration_hook(lambda module, name, _: print(name))
    >>> _ = torch.nn.Linear(2, 1)
    weight
    bias
    >>> handle.remove()
    """
    return add(on_registration["parameter"], hook)


def register_module_buffer_registration_hook(hook: Hook) -> RemovableHandle:
    """Call `hook(module, name, buffer)` when any module gets a buffer; what it returns takes its
    place.

    >>> from alight.nn.modules.module import register_module_buffer_registration_hook
    >>> import alight as torch
    >>> handle = register_module_buffer_registration_hook(lambda module, name, _: print(name))
    >>> _ = torch.nn.BatchNorm1d(2)
    running_mean
    running_var
    num_batches_tracked
    >>> handle.remove()
    """
    return add(on_registration["buffer"], hook)


def register_module_module_registration_hook(hook: Hook) -> RemovableHandle:
    """Call `hook(module, name, submodule)` when any module gets another; what it returns takes its
    place.

    >>> from alight.nn.modules.module import register_module_module_registration_hook
    >>> import alight as torch
    >>> handle = register_module_module_registration_hook(lambda module, name, _: print(name))
    >>> _ = torch.nn.Sequential(torch.nn.ReLU())
    0
    >>> handle.remove()
    """
    return add(on_registration["module"], hook)


def add(
    table: OrderedDict[int, Any], hook: Any, prepend: bool = False, *more: Any
) -> RemovableHandle:
    """Put a hook into a table; `more` tables lose the same number when it is removed."""
    handle = RemovableHandle(table, *more)
    table[handle.id] = hook
    if prepend:
        table.move_to_end(handle.id, last=False)
    return handle


def _add_to_every(table: OrderedDict[int, Hook], hook: Hook) -> RemovableHandle:
    handle = add(table, hook, False, on_every_module)
    on_every_module[handle.id] = hook
    return handle


def register_module_forward_pre_hook(hook: Hook) -> RemovableHandle:
    """Call `hook(module, args)` before the forward of every module; what it returns replaces the
    arguments.

    >>> from alight.nn.modules.module import register_module_forward_pre_hook
    >>> import alight as torch
    >>> handle = register_module_forward_pre_hook(lambda module, args: print(module))
    >>> _ = torch.nn.ReLU()(torch.ones(1))
    ReLU()
    >>> handle.remove()
    """
    return _add_to_every(every_forward_pre, hook)


def register_module_forward_hook(
    hook: Hook, *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Call `hook(module, args, output)` after the forward of every module; what it returns
    replaces the output.

    >>> from alight.nn.modules.module import register_module_forward_hook
    >>> import alight as torch
    >>> handle = register_module_forward_hook(lambda module, args, output: print(output))
    >>> _ = torch.nn.ReLU()(torch.ones(1))
    tensor([1.])
    >>> handle.remove()
    """
    if with_kwargs:
        return _add_to_every(every_forward, _WithKeywords(hook))  # type: ignore[arg-type]
    return _add_to_every(every_forward, hook)


def register_module_full_backward_pre_hook(hook: Hook) -> RemovableHandle:
    """Call `hook(module, grad_output)` before the backward of every module.

    >>> from alight.nn.modules.module import register_module_full_backward_pre_hook
    >>> import alight as torch
    >>> handle = register_module_full_backward_pre_hook(lambda module, grads: print(grads))
    >>> torch.nn.ReLU()(torch.ones(1, requires_grad=True)).sum().backward()
    (tensor([1.]),)
    >>> handle.remove()
    """
    return _add_to_every(every_full_backward_pre, hook)


def register_module_full_backward_hook(hook: Hook) -> RemovableHandle:
    """Call `hook(module, grad_input, grad_output)` after the backward of every module.

    >>> from alight.nn.modules.module import register_module_full_backward_hook
    >>> import alight as torch
    >>> handle = register_module_full_backward_hook(lambda module, inputs, outputs: print(inputs))
    >>> torch.nn.ReLU()(torch.tensor([-1.], requires_grad=True)).sum().backward()
    (tensor([0.]),)
    >>> handle.remove()
    """
    return _add_to_every(every_full_backward, hook)


class _WithKeywords:
    """A hook on every module that also takes the keyword arguments."""

    def __init__(self, hook: Hook) -> None:
        self.hook = hook


def call(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """forward with the hooks that the module, or every module, has."""
    args, kwargs = _before(module, args, kwargs)
    backward = _backward_of(module)
    if backward is not None:
        args = backward.inputs(args)
    try:
        result = module.forward(*args, **kwargs)
        result = _after(module, args, kwargs, result)
    except BaseException:
        _after_failure(module, args, kwargs)
        raise
    return result if backward is None else backward.outputs(result)


def _before(
    module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    for id, hook in (*every_forward_pre.items(), *module._forward_pre_hooks.items()):
        if id in module._forward_pre_hooks_with_kwargs:
            changed = hook(module, args, kwargs)
            if changed is None:
                continue
            if not (isinstance(changed, tuple) and len(changed) == 2):
                fail(
                    RuntimeError,
                    f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {changed}.",
                )
            args, kwargs = changed
        else:
            changed = hook(module, args)
            if changed is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
    return args, kwargs


def _after(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> Any:
    for id, hook in (*every_forward.items(), *module._forward_hooks.items()):
        if isinstance(hook, _WithKeywords):
            changed = hook.hook(module, args, kwargs, result)
        elif id in module._forward_hooks_with_kwargs:
            changed = hook(module, args, kwargs, result)
        else:
            changed = hook(module, args, result)
        if changed is not None:
            result = changed
    return result


def _after_failure(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Run the hooks that want to be called also when forward raised."""
    for id in module._forward_hooks_always_called:
        hook = module._forward_hooks[id]
        given = (args, kwargs) if id in module._forward_hooks_with_kwargs else (args,)
        try:
            hook(module, *given, None)
        except Exception:
            continue


# -- backward -------------------------------------------------------------------------------------------------------------


def _backward_of(module: Any) -> _BackwardHooks | None:
    pre = [*every_full_backward_pre.values(), *module._backward_pre_hooks.values()]
    after = [*every_full_backward.values(), *module._backward_hooks.values()]
    return _BackwardHooks(module, pre, after) if pre or after else None


NO_INPUTS = (
    "Full backward hook is firing when gradients are computed with respect to module outputs since no inputs require "
    "gradients. See https://docs.pytorch.org/docs/main/generated/torch.nn.Module.html#torch.nn.Module."
    "register_full_backward_hook for more details."
)


class _BackwardHooks:
    """One call of a module whose backward is watched."""

    def __init__(self, module: Any, pre: Sequence[Hook], after: Sequence[Hook]) -> None:
        self.module, self.pre, self.after = module, pre, after
        self.input_places: list[int] = []  # of the tensors among the arguments
        self.count = 0  # of arguments
        self.passed = False  # some input requires a gradient, so backward will come by
        self.grad_outputs: tuple[Any, ...] | None = None

    def inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments, tensors through the place where their gradients come out."""
        self.count = len(args)
        self.input_places = [i for i, one in enumerate(args) if isinstance(one, Tensor)]
        tensors = [args[i] for i in self.input_places]
        self.passed = any(one.requires_grad for one in tensors)
        if not self.passed or not self.after:
            return args
        passed = _place()(self._at_inputs, *tensors)
        made = list(args)
        for i, one in zip(
            self.input_places, passed if isinstance(passed, tuple) else (passed,), strict=True
        ):
            made[i] = one
        return tuple(made)

    def outputs(self, result: Any) -> Any:
        """The result, tensors through the place where their gradients come in."""
        results = list(result) if isinstance(result, (tuple, list)) else [result]
        places = [i for i, one in enumerate(results) if isinstance(one, Tensor)]
        if not any(results[i].requires_grad for i in places):
            return result
        passed = _place()(self._at_outputs, *(results[i] for i in places))
        for i, one in zip(places, passed if isinstance(passed, tuple) else (passed,), strict=True):
            results[i] = one
        return type(result)(results) if isinstance(result, (tuple, list)) else results[0]

    def _at_outputs(self, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        for hook in self.pre:
            changed = hook(self.module, grads)
            if changed is not None:
                grads = changed if isinstance(changed, tuple) else (changed,)
        self.grad_outputs = grads
        if not self.passed:
            if self.after:
                warn(NO_INPUTS)
            for hook in self.after:
                if hook(self.module, (None,) * self.count, grads) is not None:
                    fail(
                        RuntimeError,
                        "Backward hook for Modules where no input requires gradient should always return None or None for "
                        "all gradients.",
                    )
        return grads

    def _at_inputs(self, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        full: list[Any] = [None] * self.count
        for i, grad in zip(self.input_places, grads, strict=True):
            full[i] = grad
        given = tuple(full)
        for hook in self.after:
            changed = hook(self.module, given, self.grad_outputs)
            if changed is not None:
                given = changed if isinstance(changed, tuple) else (changed,)
        return tuple(given[i] for i in self.input_places)


_place_function: Any = None


def _place() -> Any:
    """An identity in the gradient record, whose backward calls Python."""
    global _place_function
    if _place_function is None:
        from alight.autograd.function import Function

        class Place(Function):
            """Tensors pass unchanged; their gradients go through a callback."""

            @staticmethod
            def forward(ctx: Any, callback: Any, *tensors: Any) -> Any:
                ctx.callback = callback
                passed = tuple(tensor.view_as(tensor) for tensor in tensors)
                return passed if len(passed) > 1 else passed[0]

            @staticmethod
            def backward(ctx: Any, *grads: Any) -> Any:
                return (None, *ctx.callback(grads))

        _place_function = Place.apply
    return _place_function
