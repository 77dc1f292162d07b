"""Hooks on what is kept for backward: saved_tensors_hooks, save_on_cpu.

Values are packed when the segment that made them has run, and unpacked when a backward pass reads them. Each value is
packed once, however many operations read it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from alight.errors import fail
from alight.record.recorder import thread


class saved_tensors_hooks:  # noqa: N801
    """A block in which backward keeps `pack_hook(tensor)` of a tensor and reads `unpack_hook(packed)`.

    Differs: a value that several operations keep is packed once.

    >>> import alight as torch
    >>> x = torch.tensor([2., 3.], requires_grad=True)
    >>> with torch.autograd.graph.saved_tensors_hooks(lambda t: t.numpy(), torch.from_numpy):
    ...     y = (x * 2).exp().sum()
    >>> y.backward()
    """

    def __init__(self, pack_hook: Callable[[Any], Any], unpack_hook: Callable[[Any], Any]) -> None:
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook

    def __enter__(self) -> None:
        recorder = thread.recorder
        if recorder.hooks_disabled is not None:
            fail(RuntimeError, recorder.hooks_disabled)
        recorder.flush("saved_tensors_hooks begins")
        recorder.saved_hooks = (*recorder.saved_hooks, self)

    def __exit__(self, *error: object) -> None:
        recorder = thread.recorder
        recorder.flush("saved_tensors_hooks ends")
        recorder.saved_hooks = recorder.saved_hooks[:-1]

    def keep(self, history: Any) -> None:
        """Put all that a history keeps behind these hooks."""
        from alight.record.meta import Meta
        from alight.tensor import wrap

        tensors = {value for value, _ in history.tape.slots}  # not what lies inside an operation
        for value, buffer in list(history.values.items()):
            if buffer is None or value not in tensors:
                continue
            history.packed[value] = Packed(wrap(buffer, Meta(history.tape.types[value])), self)
            history.values[value] = None


class save_on_cpu(saved_tensors_hooks):  # noqa: N801
    """A block in which what backward keeps lies in main memory, where it is anyway.

    >>> import alight as torch
    >>> x = torch.tensor(3., requires_grad=True)
    >>> with torch.autograd.graph.save_on_cpu():
    ...     y = x * x
    >>> y.backward()
    >>> x.grad
    tensor(6.)
    """

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        super().__init__(lambda tensor: tensor, lambda tensor: tensor)


class disable_saved_tensors_hooks:  # noqa: N801
    """A block in which `saved_tensors_hooks` is an error with this message.

    >>> import alight as torch
    >>> with torch.autograd.graph.disable_saved_tensors_hooks('not here'):
    ...     torch.ones(1, requires_grad=True) * 2
    tensor([2.], grad_fn=<MulBackward0>)
    """

    def __init__(self, error_message: str) -> None:
        self.message = error_message

    def __enter__(self) -> None:
        recorder = thread.recorder
        self.before, recorder.hooks_disabled = recorder.hooks_disabled, self.message

    def __exit__(self, *error: object) -> None:
        thread.recorder.hooks_disabled = self.before


class Packed:
    """A saved value behind its hooks."""

    def __init__(self, tensor: Any, hooks: saved_tensors_hooks) -> None:
        self.unpack = hooks.unpack_hook
        self.held = hooks.pack_hook(tensor)

    def tensor(self) -> Any:
        """The value again."""
        found = self.unpack(self.held)
        if not hasattr(found, "_slot"):
            fail(TypeError, "Output of saved tensor unpack_hook expected to be a Tensor but got result of type "
                 f"{type(found).__name__}")  # fmt: skip
        return found.detach()
