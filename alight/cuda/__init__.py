"""torch.cuda where there is no NVIDIA device: what scripts ask before they decide where to run."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, NoReturn

from alight.errors import OutOfMemoryError, fail
from alight.offered import listing


def _absent() -> NoReturn:
    fail(
        AssertionError, "Torch not compiled with CUDA enabled", try_="if torch.cuda.is_available():"
    )


# -- questions that have an answer ---------------------------------------------------------------------------------------


def is_available() -> bool:
    """Whether tensors can live on an NVIDIA device: not yet.

    >>> import alight as torch
    >>> torch.cuda.is_available()
    False
    """
    return False


def device_count() -> int:
    """Number of NVIDIA devices that can be used.

    >>> import alight as torch
    >>> torch.cuda.device_count()
    0
    """
    return 0


def is_initialized() -> bool:
    """Whether the device's runtime was started.

    >>> import alight as torch
    >>> torch.cuda.is_initialized()
    False
    """
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Whether the device computes in bfloat16.

    >>> import alight as torch
    >>> torch.cuda.is_bf16_supported()
    False
    """
    return False


def get_arch_list() -> list[str]:
    """Kinds of devices that code was made for.

    >>> import alight as torch
    >>> torch.cuda.get_arch_list()
    []
    """
    return []


def manual_seed(seed: int) -> None:
    """Nothing to seed.

    >>> import alight as torch
    >>> torch.cuda.manual_seed(0)
    """


def manual_seed_all(seed: int) -> None:
    """Nothing to seed.

    >>> import alight as torch
    >>> torch.cuda.manual_seed_all(0)
    """


def seed() -> None:
    """Nothing to seed.

    >>> import alight as torch
    >>> torch.cuda.seed()
    """


def seed_all() -> None:
    """Nothing to seed.

    >>> import alight as torch
    >>> torch.cuda.seed_all()
    """


def get_rng_state_all() -> list[Any]:
    """The state of each device's generator: there are none.

    >>> import alight as torch
    >>> torch.cuda.get_rng_state_all()
    []
    """
    return []


def set_rng_state_all(new_states: Any) -> None:
    """Nothing to set.

    >>> import alight as torch
    >>> torch.cuda.set_rng_state_all([])
    """


def empty_cache() -> None:
    """Nothing to empty.

    >>> import alight as torch
    >>> torch.cuda.empty_cache()
    """


def memory_allocated(device: Any = None) -> int:
    """Bytes in use on the device.

    >>> import alight as torch
    >>> torch.cuda.memory_allocated()
    0
    """
    return 0


def max_memory_allocated(device: Any = None) -> int:
    """Most bytes that were in use on the device.

    >>> import alight as torch
    >>> torch.cuda.max_memory_allocated()
    0
    """
    return 0


def memory_reserved(device: Any = None) -> int:
    """Bytes taken from the device.

    >>> import alight as torch
    >>> torch.cuda.memory_reserved()
    0
    """
    return 0


def max_memory_reserved(device: Any = None) -> int:
    """Most bytes that were taken from the device.

    >>> import alight as torch
    >>> torch.cuda.max_memory_reserved()
    0
    """
    return 0


memory_cached, max_memory_cached = memory_reserved, max_memory_reserved


def memory_stats(device: Any = None) -> OrderedDict[str, Any]:
    """Counts of allocations: there are none.

    >>> import alight as torch
    >>> torch.cuda.memory_stats()
    OrderedDict()
    """
    return OrderedDict()


def memory_summary(device: Any = None, abbreviated: bool = False) -> str:
    """Counts of allocations as text.

    >>> import alight as torch
    >>> torch.cuda.memory_summary()
    'no NVIDIA device'
    """
    return "no NVIDIA device"


def reset_peak_memory_stats(device: Any = None) -> None:
    """Nothing to reset.

    >>> import alight as torch
    >>> torch.cuda.reset_peak_memory_stats()
    """


reset_max_memory_allocated = reset_max_memory_cached = reset_peak_memory_stats
reset_accumulated_memory_stats = reset_peak_memory_stats


@contextmanager
def stream(stream: Any) -> Iterator[None]:
    """A block on a stream; nothing for None.

    >>> import alight as torch
    >>> with torch.cuda.stream(None):
    ...     torch.ones(1)
    tensor([1.])
    """
    yield


# -- what needs a device ---------------------------------------------------------------------------------------------------


def current_device() -> int:
    """PyTorch's error: there is none.

    Errors: AssertionError, always.

    >>> import alight as torch
    >>> try:
    ...     torch.cuda.current_device()
    ... except AssertionError as error:
    ...     print('no device')
    no device
    """
    _absent()


def set_device(device: Any) -> None:
    """PyTorch's error: there is none.

    Errors: AssertionError, always.

    >>> import alight as torch
    >>> try:
    ...     torch.cuda.set_device(0)
    ... except AssertionError as error:
    ...     print('no device')
    no device
    """
    _absent()


def init() -> None:
    """PyTorch's error: there is no device to start.

    Errors: AssertionError, always.

    >>> import alight as torch
    >>> try:
    ...     torch.cuda.init()
    ... except AssertionError as error:
    ...     print('no device')
    no device
    """
    _absent()


def synchronize(device: Any = None) -> None:
    """PyTorch's error: there is no device to wait for.

    Errors: AssertionError, always.

    >>> import alight as torch
    >>> try:
    ...     torch.cuda.synchronize()
    ... except AssertionError as error:
    ...     print('no device')
    no device
    """
    _absent()


def get_device_name(device: Any = None) -> str:
    """PyTorch's error: there is none.

    Errors: AssertionError, always.

    >>> import alight as torch
    >>> try:
    ...     torch.cuda.get_device_name()
    ... except AssertionError as error:
    ...     print('no device')
    no device
    """
    _absent()


def get_device_capability(device: Any = None) -> tuple[int, int]:
    """PyTorch's error: there is none.

    Errors: AssertionError, always.

    >>> import alight as torch
    >>> try:
    ...     torch.cuda.get_device_capability()
    ... except AssertionError as error:
    ...     print('no device')
    no device
    """
    _absent()


def get_device_properties(device: Any = None) -> Any:
    """PyTorch's error: there is none.

    Errors: AssertionError, always.

    >>> import alight as torch
    >>> try:
    ...     torch.cuda.get_device_properties()
    ... except AssertionError as error:
    ...     print('no device')
    no device
    """
    _absent()


def mem_get_info(device: Any = None) -> tuple[int, int]:
    """PyTorch's error: there is none.

    Errors: AssertionError, always.

    >>> import alight as torch
    >>> try:
    ...     torch.cuda.mem_get_info()
    ... except AssertionError as error:
    ...     print('no device')
    no device
    """
    _absent()


def can_device_access_peer(device: Any, peer_device: Any) -> bool:
    """PyTorch's error: there is none.

    Errors: AssertionError, always.

    >>> import alight as torch
    >>> try:
    ...     torch.cuda.can_device_access_peer(0, 1)
    ... except AssertionError as error:
    ...     print('no device')
    no device
    """
    _absent()


def ipc_collect() -> None:
    """PyTorch's error: there is none.

    Errors: AssertionError, always.

    >>> import alight as torch
    >>> try:
    ...     torch.cuda.ipc_collect()
    ... except AssertionError as error:
    ...     print('no device')
    no device
    """
    _absent()


def current_stream(device: Any = None) -> Any:
    """PyTorch's error: there is none.

    Errors: AssertionError, always.

    >>> import alight as torch
    >>> try:
    ...     torch.cuda.current_stream()
    ... except AssertionError as error:
    ...     print('no device')
    no device
    """
    _absent()


def default_stream(device: Any = None) -> Any:
    """PyTorch's error: there is none.

    Errors: AssertionError, always.

    >>> import alight as torch
    >>> try:
    ...     torch.cuda.default_stream()
    ... except AssertionError as error:
    ...     print('no device')
    no device
    """
    _absent()


def get_rng_state(device: Any = "cuda") -> Any:
    """PyTorch's error: there is no generator.

    Errors: AssertionError, always.

    >>> import alight as torch
    >>> try:
    ...     torch.cuda.get_rng_state()
    ... except AssertionError as error:
    ...     print('no device')
    no device
    """
    _absent()


def set_rng_state(new_state: Any, device: Any = "cuda") -> None:
    """PyTorch's error: there is no generator.

    Errors: AssertionError, always.

    >>> import alight as torch
    >>> try:
    ...     torch.cuda.set_rng_state(torch.get_rng_state())
    ... except AssertionError as error:
    ...     print('no device')
    no device
    """
    _absent()


def initial_seed() -> int:
    """PyTorch's error: there is no generator.

    Errors: AssertionError, always.

    >>> import alight as torch
    >>> try:
    ...     torch.cuda.initial_seed()
    ... except AssertionError as error:
    ...     print('no device')
    no device
    """
    _absent()


class device:  # noqa: N801
    """A block in which another device is the current one; nothing for None or -1.

    >>> import alight as torch
    >>> with torch.cuda.device(None):
    ...     torch.ones(1)
    tensor([1.])
    """

    def __init__(self, device: Any) -> None:
        self.device = device

    def __enter__(self) -> None:
        if self.device is not None and self.device != -1:
            _absent()

    def __exit__(self, *error: object) -> None:
        pass


class Stream:
    """PyTorch's error: there is no device.

    Errors: RuntimeError, always.

    >>> import alight as torch
    >>> try:
    ...     torch.cuda.Stream()
    ... except RuntimeError as error:
    ...     print('no device')
    no device
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        fail(
            RuntimeError,
            "torch.cuda.Stream requires CUDA support",
            try_="if torch.cuda.is_available():",
        )


class Event:
    """PyTorch's error: there is no device.

    Errors: RuntimeError, always.

    >>> import alight as torch
    >>> try:
    ...     torch.cuda.Event()
    ... except RuntimeError as error:
    ...     print('no device')
    no device
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        fail(
            RuntimeError,
            "Tried to instantiate dummy base class Event",
            facts=["there is no NVIDIA device"],
            try_="time.perf_counter()",
        )


class CUDAGraph:
    """PyTorch's error: there is no device.

    Errors: RuntimeError, always.

    >>> import alight as torch
    >>> try:
    ...     torch.cuda.CUDAGraph()
    ... except RuntimeError as error:
    ...     print('no device')
    no device
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        fail(
            RuntimeError,
            "Tried to instantiate dummy base class CUDAGraph",
            facts=["there is no NVIDIA device"],
            try_="if torch.cuda.is_available():",
        )


def __getattr__(name: str) -> Any:
    if name in ("amp", "nvtx"):
        return import_module(f"alight.cuda.{name}")
    if name.endswith("Tensor") and name[:1].isupper():
        fail(
            TypeError,
            f"type torch.cuda.{name} not available. Torch not compiled with CUDA enabled.",
            try_=f"torch.{name}",
        )
    raise AttributeError(f"module 'alight.cuda' has no attribute '{name}'")


__all__ = ["CUDAGraph", "Event", "OutOfMemoryError", "Stream", "device", "is_available", "stream"]

__dir__ = listing(globals(), "amp nvtx")
