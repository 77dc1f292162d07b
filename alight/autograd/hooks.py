"""Hooks on tensors: called with the gradient during a backward pass."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from alight.errors import fail
from alight.record.recorder import thread

_ids = itertools.count()


class RemovableHandle:
    """Takes a hook away again: `handle.remove()`, or at the end of a `with` block.

    >>> import alight as torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> handle = x.register_hook(lambda grad: grad * 2)
    >>> handle.remove()
    """

    def __init__(self, table: dict[int, Any], *more: dict[int, Any]) -> None:
        self.id = next(_ids)
        self._tables = (table, *more)

    def remove(self) -> None:
        """Take the hook away; nothing happens if it is gone already."""
        for table in self._tables:
            table.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()


def _wait_for_gradient(tensor: Any, retain: bool = False) -> None:
    """Make sure that a backward pass stops at this tensor."""
    if tensor.is_leaf:
        return
    recorder = thread.recorder
    if tensor._slot < 0 and tensor._history is None:
        recorder.enter(tensor)  # a view that derives itself
    if recorder.owns(tensor):
        recorder.hooked = True
        if retain:
            recorder.retained.append(tensor)
        else:
            recorder.hooked_slots[tensor._slot - recorder.offset] = tensor
    elif tensor._history is not None:
        history = tensor._history.history
        (history.retained if retain else history.hooked)[tensor._history.value] = tensor


def register(tensor: Any, hook: Callable[..., Any]) -> RemovableHandle:
    """`Tensor.register_hook`."""
    if not tensor.requires_grad:
        fail(RuntimeError, "cannot register a hook on a tensor that doesn't require gradient")
    if tensor._hooks is None:
        tensor._hooks, tensor._watched = {}, True
    handle = RemovableHandle(tensor._hooks)
    tensor._hooks[handle.id] = hook
    _wait_for_gradient(tensor)
    return handle


def register_post_accumulate(tensor: Any, hook: Callable[..., Any]) -> RemovableHandle:
    """`Tensor.register_post_accumulate_grad_hook`."""
    if not tensor.requires_grad:
        fail(RuntimeError, "cannot register a hook on a tensor that doesn't require gradient")
    if not tensor.is_leaf:
        fail(RuntimeError, "post accumulate grad hooks cannot be registered on non-leaf tensors")
    if tensor._accumulate_hooks is None:
        tensor._accumulate_hooks, tensor._watched = {}, True
    handle = RemovableHandle(tensor._accumulate_hooks)
    tensor._accumulate_hooks[handle.id] = hook
    return handle


def retain_grad(tensor: Any) -> None:
    """`Tensor.retain_grad`."""
    if not tensor.requires_grad:
        fail(RuntimeError, "can't retain_grad on Tensor that has requires_grad=False")
    if tensor.is_leaf:
        return
    tensor._retains_grad = True
    _wait_for_gradient(tensor, retain=True)


def register_multi_grad_hook(
    tensors: Any, fn: Callable[..., Any], *, mode: str = "all"
) -> RemovableHandle:
    """Call `fn` once the gradients of several tensors are there: of all of them, or with mode "any" of the first.

    >>> import alight as torch
    >>> x, y = torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
    >>> hook = lambda grads: print(len(grads))
    >>> handle = torch.autograd.graph.register_multi_grad_hook((x, y), hook)
    >>> (x * y).backward()
    2
    """
    if mode not in ("all", "any"):
        fail(ValueError, f"Expects mode to be one of ('all', 'any') but got {mode}")
    tensors = tuple(tensors)
    found: dict[int, Any] = {}
    done: list[bool] = []

    def one(i: int) -> Callable[[Any], None]:
        def hook(grad: Any) -> None:
            if mode == "any":
                if not done:
                    done.append(True)
                    fn(grad)
                return
            found[i] = grad
            if len(found) == len(wanted):
                fn([found.get(k) for k in range(len(tensors))])
                found.clear()

        return hook

    wanted = [i for i, tensor in enumerate(tensors) if tensor.requires_grad]
    handles = [register(tensors[i], one(i)) for i in wanted]
    return _ManyHandles(handles)


class _ManyHandles(RemovableHandle):
    """One handle for several hooks."""

    def __init__(self, handles: list[RemovableHandle]) -> None:
        super().__init__({})
        self._handles = handles

    def remove(self) -> None:
        """Take all of them away."""
        for handle in self._handles:
            handle.remove()
