"""Modes that decide whether operations are recorded for backward, and whether backward looks for faults.

no_grad, enable_grad, inference_mode, set_grad_enabled; detect_anomaly.
"""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Generator
from typing import Any

from alight.errors import warn
from alight.record.recorder import thread


class _Mode:
    """A context manager, and a decorator of functions and generators."""

    def __enter__(self) -> Any:
        raise NotImplementedError

    def __exit__(self, *error: object) -> None:
        raise NotImplementedError

    def clone(self) -> Any:
        """A mode like this one, for one call of a decorated function."""
        return type(self)()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.isclass(function):
            warnings.warn(
                "Decorating classes is deprecated and will be disabled in future versions. You should only decorate "
                "functions or methods. To preserve the current behavior of class decoration, you can directly decorate "
                "the `__init__` method and nothing else.",
                FutureWarning,
                stacklevel=2,
            )
        clone = self.clone
        if inspect.isgeneratorfunction(function):
            return _generator(clone, function)

        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with clone():
                return function(*args, **kwargs)

        return functools.wraps(function)(wrapper)


def _generator(clone: Callable[[], Any], function: Callable[..., Any]) -> Callable[..., Any]:
    """A generator function whose body runs in a mode, and whose caller does not."""

    @functools.wraps(function)
    def generator(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        iterator = function(*args, **kwargs)
        step, given = iterator.send, None
        try:
            while True:
                try:
                    with clone():
                        value = step(given)
                except StopIteration as stop:
                    return stop.value
                try:
                    step, given = iterator.send, (yield value)
                except GeneratorExit:
                    raise
                except BaseException as error:  # goes into the generator, as it would without us
                    step, given = iterator.throw, error
        finally:
            with clone():
                iterator.close()

    return generator


class _GradMode(_Mode):
    """A mode that sets whether gradients are recorded; also usable as a decorator without parentheses."""

    enabled: bool

    def __init__(self, function: Callable[..., Any] | None = None) -> None:
        self._before: list[bool] = []

    def __new__(cls, function: Any = None) -> Any:
        made = object.__new__(cls)
        if function is not None and callable(function):
            made.__init__()  # type: ignore[misc]
            return made(function)
        return made

    def __enter__(self) -> None:
        recorder = thread.recorder
        self._before.append(recorder.grad_enabled)
        if recorder.grad_enabled is not self.enabled:
            recorder.set_grad(self.enabled)

    def __exit__(self, *error: object) -> None:
        recorder, before = thread.recorder, self._before.pop()
        if recorder.grad_enabled is not before:
            recorder.set_grad(before)
        if recorder.wrote_leaf:
            _end_lap(recorder)


def _restore(before: bool) -> None:
    recorder = thread.recorder
    if recorder.grad_enabled != before:
        recorder.set_grad(before)
    if recorder.wrote_leaf:
        _end_lap(recorder)


def _end_lap(recorder: Any) -> None:
    """A hand-written optimizer step is over."""
    recorder.wrote_leaf = False
    recorder.lap_mark("end of a block that wrote leaves", always=True)


class no_grad(_GradMode):  # noqa: N801
    """Switch recording off, in a `with` block or a decorated function.

    >>> import alight as torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> with torch.no_grad():
    ...     (x * 2).requires_grad
    False
    """

    enabled = False


class enable_grad(_GradMode):  # noqa: N801
    """Switch recording on again inside a no_grad block.

    >>> import alight as torch
    >>> with torch.no_grad(), torch.enable_grad():
    ...     torch.is_grad_enabled()
    True
    """

    enabled = True


class inference_mode(_Mode):  # noqa: N801
    """As no_grad, and the tensors made here cannot take part in recorded operations later.

    >>> import alight as torch
    >>> with torch.inference_mode():
    ...     torch.ones(2).mul(2).is_inference()
    True
    """

    def __new__(cls, mode: Any = True) -> Any:
        made = object.__new__(cls)
        if callable(mode):
            made.__init__()  # type: ignore[misc]
            return made(mode)
        return made

    def __init__(self, mode: Any = True) -> None:
        self.mode = bool(mode)
        self._before: list[tuple[bool, bool]] = []

    def clone(self) -> inference_mode:
        """Another block of the same mode."""
        return inference_mode(self.mode)

    def __enter__(self) -> None:
        recorder = thread.recorder
        self._before.append((recorder.grad_enabled, recorder.inference))
        enabled = not self.mode
        if (recorder.grad_enabled, recorder.inference) != (enabled, self.mode):
            recorder.set_ambient(grad_enabled=enabled, inference=self.mode)

    def __exit__(self, *error: object) -> None:
        recorder, (enabled, inference) = thread.recorder, self._before.pop()
        if recorder.inference != inference:
            recorder.set_ambient(grad_enabled=enabled, inference=inference)
        _restore(enabled)


class set_grad_enabled(_Mode):  # noqa: N801
    """Set grad mode at once; as a context manager until the end of the block, as a decorator during each call.

    >>> import alight as torch
    >>> with torch.set_grad_enabled(False):
    ...     torch.is_grad_enabled()
    False
    """

    def __init__(self, mode: bool) -> None:
        recorder = thread.recorder
        self.mode, self.before = bool(mode), recorder.grad_enabled
        if recorder.grad_enabled != self.mode:
            recorder.set_ambient(grad_enabled=self.mode)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        _restore(self.before)  # a decorator changes nothing where it stands
        return super().__call__(function)

    def clone(self) -> set_grad_enabled:
        """The same mode, for one call."""
        return set_grad_enabled(self.mode)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        _restore(self.before)


def is_grad_enabled() -> bool:
    """Whether operations are recorded now.

    >>> import alight as torch
    >>> with torch.no_grad():
    ...     torch.is_grad_enabled()
    False
    """
    return thread.recorder.grad_enabled


def is_inference_mode_enabled() -> bool:
    """Whether inference mode is on now.

    >>> import alight as torch
    >>> with torch.inference_mode():
    ...     torch.is_inference_mode_enabled()
    True
    """
    return thread.recorder.inference


class no_recording:  # noqa: N801  (a context manager)
    """Switch gradient recording off (or on), by the recorder's own step: for alight's own use."""

    def __init__(self, enabled: bool = False) -> None:
        self.enabled = enabled

    def __enter__(self) -> None:
        self.recorder = thread.recorder
        self.before = self.recorder.grad_enabled
        if self.before != self.enabled:
            self.recorder.set_grad(self.enabled)

    def __exit__(self, *error: object) -> None:
        if self.recorder.grad_enabled != self.before:
            self.recorder.set_grad(self.before)


# -- anomalies ---------------------------------------------------------------------------------------------------------


class _Anomaly:
    """Whether backward passes look for NaN."""

    enabled = False
    check_nan = True

    def set(self, enabled: bool, check_nan: bool) -> None:
        """Switch the search on or off."""
        self.enabled, self.check_nan = enabled, check_nan

    def warn(self, name: str, place: str) -> None:
        """Say where the forward call stands, as PyTorch does before it raises."""
        warn(
            f"Error detected in {name}. Traceback of forward call that caused the error:\n  {place}\n"
        )


anomaly = _Anomaly()


class set_detect_anomaly:  # noqa: N801
    """Look for NaN in every step of a backward pass, or stop looking; as a context manager, within the block.

    >>> import alight as torch
    >>> with torch.autograd.set_detect_anomaly(True):
    ...     torch.is_anomaly_enabled()
    True
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self.before = anomaly.enabled, anomaly.check_nan
        anomaly.set(bool(mode), check_nan)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        anomaly.set(*self.before)


class detect_anomaly:  # noqa: N801
    """Look for NaN in every step of a backward pass: the error names the operation and the line that recorded it.

    >>> import alight as torch
    >>> x = torch.tensor(-1.0, requires_grad=True)
    >>> with torch.autograd.set_detect_anomaly(True):
    ...     (x * 1).backward()
    """

    def __init__(self, check_nan: bool = True) -> None:
        self.check_nan = check_nan
        self.before = anomaly.enabled, anomaly.check_nan
        warnings.warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should only be enabled for "
            "debugging.",
            stacklevel=2,
        )

    def __enter__(self) -> None:
        anomaly.set(True, self.check_nan)

    def __exit__(self, *error: object) -> None:
        anomaly.set(*self.before)


def is_anomaly_enabled() -> bool:
    """Whether backward passes look for NaN.

    >>> import alight as torch
    >>> torch.is_anomaly_enabled()
    False
    """
    return anomaly.enabled


def is_anomaly_check_nan_enabled() -> bool:
    """Whether that search is for NaN too, not only for the line of an error.

    >>> import alight as torch
    >>> torch.is_anomaly_check_nan_enabled()
    True
    """
    return anomaly.check_nan
