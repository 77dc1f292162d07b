"""Modes that decide whether operations are recorded for backward: no_grad, enable_grad, inference_mode."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from alight.record.recorder import thread


class _Mode:
    """A context manager and decorator that sets grad mode."""

    enabled: bool

    def __init__(self, function: Callable[..., Any] | None = None) -> None:
        self._before: list[bool] = []

    def __new__(cls, function: Any = None) -> Any:
        made = object.__new__(cls)
        if callable(function):  # used as a decorator without parentheses
            made.__init__()  # type: ignore[misc]
            return made(function)
        return made

    def __enter__(self) -> None:
        recorder = thread.recorder
        self._before.append(recorder.grad_enabled)
        if recorder.grad_enabled != self.enabled:
            recorder.set_ambient(grad_enabled=self.enabled)

    def __exit__(self, *error: object) -> None:
        recorder, before = thread.recorder, self._before.pop()
        if recorder.grad_enabled != before:
            recorder.set_ambient(grad_enabled=before)
        if recorder.wrote_leaf:  # a hand-written optimizer step: a lap has ended
            recorder.wrote_leaf = False
            recorder.lap_mark("end of a block that wrote leaves", always=True)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        mode = type(self)
        if inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def generator(*args: Any, **kwargs: Any) -> Any:
                iterator = function(*args, **kwargs)
                while True:
                    with mode():
                        try:
                            value = next(iterator)
                        except StopIteration:
                            return
                    yield value

            return generator

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with mode():
                return function(*args, **kwargs)

        return wrapper


class no_grad(_Mode):  # noqa: N801
    """Switch recording off, in a `with` block or a decorated function.

    >>> import alight as torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> with torch.no_grad():
    ...     (x * 2).requires_grad
    False
    """

    enabled = False


class enable_grad(_Mode):  # noqa: N801
    """Switch recording on again inside a no_grad block."""

    enabled = True


class inference_mode(_Mode):  # noqa: N801
    """As no_grad. Differs: tensors made here may be used in recorded operations later."""

    enabled = False

    def __new__(cls, mode: Any = True) -> Any:
        if callable(mode):
            return _Mode.__new__(cls, mode)
        return object.__new__(cls if mode else enable_grad)

    def __init__(self, mode: Any = True) -> None:
        self._before = []


class set_grad_enabled:  # noqa: N801
    """Set grad mode at once; as a context manager, until the end of the block."""

    def __init__(self, mode: bool) -> None:
        recorder = thread.recorder
        self.before = recorder.grad_enabled
        if recorder.grad_enabled != bool(mode):
            recorder.set_ambient(grad_enabled=bool(mode))

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        if thread.recorder.grad_enabled != self.before:
            thread.recorder.set_ambient(grad_enabled=self.before)


def is_grad_enabled() -> bool:
    """Whether operations are recorded now."""
    return thread.recorder.grad_enabled
