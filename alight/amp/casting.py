"""torch.autocast: operations in the dtype that suits them, for a block of code or a function.

The state is the recorder's, so it is one for each thread, and recorded paths with and without it differ.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

from alight.device import device as Device
from alight.dtypes import bfloat16, float16
from alight.dtypes import dtype as Dtype
from alight.errors import fail
from alight.record.recorder import thread

_dtypes: dict[str, Dtype] = {"cpu": bfloat16, "cuda": float16}


class autocast:  # noqa: N801  (PyTorch's name)
    """Inside, products and convolutions of float32 tensors are computed in a lower dtype, and losses in float32.

    Errors: ValueError for a device_type that is no text, RuntimeError for one that does not exist. A device that is not
    there switches autocast off, with a warning.

    >>> import alight as torch
    >>> with torch.autocast("cpu", dtype=torch.bfloat16):
    ...     y = torch.ones(2, 2) @ torch.ones(2, 2)
    >>> y.dtype
    torch.bfloat16
    """

    def __init__(
        self,
        device_type: str,
        dtype: Dtype | None = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        if not isinstance(device_type, str):
            fail(
                ValueError,
                f"Expected `device_type` of type `str`, got: `{type(device_type)}`",
                try_='autocast("cpu")',
            )
        self.device = Device(device_type).type
        self.fast_dtype = dtype or get_autocast_dtype(self.device)
        self._enabled = enabled and _usable(self.device, self.fast_dtype)
        self._before: list[Any] = []

    def __enter__(self) -> autocast:
        self._before.append(thread.recorder.autocast)
        if self.device == "cpu":
            _set(self.fast_dtype if self._enabled else None)
        return self

    def __exit__(self, *error: object) -> None:
        _set(self._before.pop())

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def decorated(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return decorated


def _set(to: Dtype | None) -> None:
    if thread.recorder.autocast is not to:
        thread.recorder.set_ambient(autocast=to)


def _usable(device_type: str, of: Dtype) -> bool:
    if device_type == "cpu":
        if of in (bfloat16, float16):
            return True
        warnings.warn(
            "In CPU autocast, but the target dtype is not supported. Disabling autocast.\n"
            "CPU Autocast only supports dtypes of torch.bfloat16, torch.float16 currently.",
            stacklevel=3,
        )
        return False
    warnings.warn(
        "CUDA is not available or torch_xla is imported. Disabling autocast."
        if device_type == "cuda"
        else f"User provided device_type of '{device_type}', but it is not available. Disabling autocast.",
        stacklevel=3,
    )
    return False


def is_autocast_available(device_type: str) -> bool:
    """Whether autocast can work for this kind of device: the CPU.

    >>> import alight as torch
    >>> torch.amp.is_autocast_available('cpu')
    True
    """
    return Device(device_type).type == "cpu"


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Whether autocast is on here.

    >>> import alight as torch
    >>> torch.is_autocast_enabled('cpu')
    False
    """
    return device_type == "cpu" and thread.recorder.autocast is not None


def set_autocast_enabled(device_type: str, enabled: bool) -> None:
    """Switch autocast on or off without a block.

    >>> import alight as torch
    >>> torch.set_autocast_enabled('cpu', True)
    >>> torch.is_autocast_enabled('cpu')
    True
    >>> torch.set_autocast_enabled('cpu', False)
    """
    if device_type == "cpu":
        _set(_dtypes["cpu"] if enabled else None)


def get_autocast_dtype(device_type: str) -> Dtype:
    """The lower dtype that autocast uses: bfloat16 on the CPU unless set otherwise.

    >>> import alight as torch
    >>> torch.get_autocast_dtype('cpu')
    torch.bfloat16
    """
    if device_type == "cpu" and thread.recorder.autocast is not None:
        return thread.recorder.autocast
    return _dtypes.get(device_type, float16)


def set_autocast_dtype(device_type: str, dtype: Dtype) -> None:
    """Choose the lower dtype.

    >>> import alight as torch
    >>> torch.set_autocast_dtype('cpu', torch.float16)
    >>> torch.get_autocast_dtype('cpu')
    torch.float16
    >>> torch.set_autocast_dtype('cpu', torch.bfloat16)
    """
    _dtypes[device_type] = dtype
    if is_autocast_enabled(device_type):
        _set(dtype)


def is_autocast_cache_enabled() -> bool:
    """True: a tensor that is converted twice in a segment is one value.

    >>> import alight as torch
    >>> torch.is_autocast_cache_enabled()
    True
    """
    return True


def set_autocast_cache_enabled(enabled: bool) -> None:
    """Nothing to switch: see is_autocast_cache_enabled.

    >>> import alight as torch
    >>> torch.set_autocast_cache_enabled(True)
    """


def clear_autocast_cache() -> None:
    """Nothing to clear: conversions live as long as their segment.

    >>> import alight as torch
    >>> torch.clear_autocast_cache()
    """


def is_autocast_cpu_enabled() -> bool:
    """Whether autocast is on for the CPU: the older form of is_autocast_enabled("cpu").

    >>> import alight as torch
    >>> torch.is_autocast_cpu_enabled()
    False
    """
    return is_autocast_enabled("cpu")


def set_autocast_cpu_enabled(enabled: bool) -> None:
    """The older form of set_autocast_enabled("cpu", enabled).

    >>> import alight as torch
    >>> torch.set_autocast_cpu_enabled(False)
    >>> torch.is_autocast_cpu_enabled()
    False
    """
    set_autocast_enabled("cpu", enabled)


def get_autocast_cpu_dtype() -> Dtype:
    """The older form of get_autocast_dtype("cpu").

    >>> import alight as torch
    >>> torch.get_autocast_cpu_dtype()
    torch.bfloat16
    """
    return get_autocast_dtype("cpu")


def set_autocast_cpu_dtype(dtype: Dtype) -> None:
    """The older form of set_autocast_dtype("cpu", dtype).

    >>> import alight as torch
    >>> torch.set_autocast_cpu_dtype(torch.bfloat16)
    """
    set_autocast_dtype("cpu", dtype)


def get_autocast_gpu_dtype() -> Dtype:
    """The older form of get_autocast_dtype("cuda").

    >>> import alight as torch
    >>> torch.get_autocast_gpu_dtype()
    torch.float16
    """
    return get_autocast_dtype("cuda")


def set_autocast_gpu_dtype(dtype: Dtype) -> None:
    """The older form of set_autocast_dtype("cuda", dtype).

    >>> import alight as torch
    >>> torch.set_autocast_gpu_dtype(torch.float16)
    """
    set_autocast_dtype("cuda", dtype)


def custom_fwd(
    fwd: Callable[..., Any] | None = None,
    *,
    device_type: str = "cuda",
    cast_inputs: Dtype | None = None,
) -> Any:
    """For `forward` of an autograd.Function: with cast_inputs it runs without autocast, on floating tensors of that dtype.

    >>> import alight as torch
    >>> class Double(torch.autograd.Function):
    ...     @staticmethod
    ...     @torch.amp.custom_fwd(device_type='cpu')
    ...     def forward(ctx, x):
    ...         return 2 * x
    ...     @staticmethod
    ...     @torch.amp.custom_bwd(device_type='cpu')
    ...     def backward(ctx, g):
    ...         return 2 * g
    >>> Double.apply(torch.ones(2, requires_grad=True)).detach()
    tensor([2., 2.])
    """
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def decorated(*args: Any, **kwargs: Any) -> Any:
        args[0]._fwd_used_autocast = is_autocast_enabled(device_type)
        if cast_inputs is None or not args[0]._fwd_used_autocast:
            return fwd(*args, **kwargs)
        given = [_converted(one, cast_inputs) for one in args]
        with autocast(device_type, enabled=False):
            return fwd(*given, **{key: _converted(one, cast_inputs) for key, one in kwargs.items()})

    return decorated


def _converted(value: Any, to: Dtype) -> Any:
    if hasattr(value, "_slot") and value.is_floating_point() and value.dtype.itemsize < 8:
        return value.to(to)
    return value


def custom_bwd(bwd: Callable[..., Any] | None = None, *, device_type: str = "cuda") -> Any:
    """For `backward` of an autograd.Function: it runs with autocast on or off as its `forward` did.

    >>> import alight as torch
    >>> class Double(torch.autograd.Function):
    ...     @staticmethod
    ...     @torch.amp.custom_fwd(device_type='cpu')
    ...     def forward(ctx, x):
    ...         return 2 * x
    ...     @staticmethod
    ...     @torch.amp.custom_bwd(device_type='cpu')
    ...     def backward(ctx, g):
    ...         return 2 * g
    >>> x = torch.ones(1, requires_grad=True)
    >>> Double.apply(x).backward()
    >>> x.grad
    tensor([2.])
    """
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def decorated(*args: Any, **kwargs: Any) -> Any:
        if device_type != "cpu":
            return bwd(*args, **kwargs)
        with autocast("cpu", enabled=args[0]._fwd_used_autocast):
            return bwd(*args, **kwargs)

    return decorated
