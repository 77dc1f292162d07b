"""alight: deep learning with PyTorch's API, from a light install.

    import alight as torch

The names of `torch` live here; sub-packages load when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from math import e, inf, nan, pi
from typing import Any

from alight.autograd import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled
from alight.autograd.modes import (
    is_anomaly_check_nan_enabled,
    is_anomaly_enabled,
    is_inference_mode_enabled,
)
from alight.device import device
from alight.dtypes import (
    bfloat16,
    complex64,
    complex128,
    dtype,
    finfo,
    float16,
    float32,
    float64,
    iinfo,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint16,
    uint32,
    uint64,
)
from alight.dtypes import bool_ as bool
from alight.dtypes import promote as promote_types
from alight.namespace import (
    OTHER_LAYOUTS,
    channels_last,
    channels_last_3d,
    compile,
    contiguous_format,
    get_default_dtype,
    get_num_threads,
    is_storage,
    is_tensor,
    layout,
    memory_format,
    numel,
    preserve_format,
    set_default_dtype,
    set_default_tensor_type,
    set_num_threads,
    strided,
    typed_constructors,
    typename,
)
from alight.ops import TORCH as _operations
from alight.ops import later
from alight.printing import set_printoptions
from alight.random import (
    Generator,
    default_generator,
    fork_rng,
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
)
from alight.record.meta import Size
from alight.tensor import Tensor

__version__ = "0.1.0"

half, float, double = float16, float32, float64
short, int, long = int16, int32, int64
cfloat, cdouble = complex64, complex128
newaxis = None

globals().update(_operations)
globals().update(typed_constructors())
globals().update(OTHER_LAYOUTS)

_SUBPACKAGES = (
    "_C", "_dynamo", "accelerator", "amp", "autograd", "backends", "bench", "compiler", "cuda", "data", "distributed",
    "distributions", "explain", "fft", "func", "hub", "io", "jit", "lessons", "linalg", "masked", "multiprocessing", "nn",
    "optim", "overrides", "profiler", "random", "record", "signal", "special", "storage", "testing", "train", "types", "utils",
    "version", "vision",
)  # fmt: skip
_ELSEWHERE = {  # sub-module -> names that `torch` has of it
    "amp": "autocast GradScaler is_autocast_enabled set_autocast_enabled get_autocast_dtype set_autocast_dtype "
    "is_autocast_cache_enabled set_autocast_cache_enabled clear_autocast_cache is_autocast_cpu_enabled "
    "set_autocast_cpu_enabled get_autocast_cpu_dtype set_autocast_cpu_dtype get_autocast_gpu_dtype set_autocast_gpu_dtype",
    "errors": "OutOfMemoryError",
    "func": "vmap",
    "io": "load save serialization",
    "settings": "use_deterministic_algorithms are_deterministic_algorithms_enabled set_deterministic_debug_mode "
    "is_deterministic_algorithms_warn_only_enabled get_deterministic_debug_mode set_float32_matmul_precision "
    "get_float32_matmul_precision set_default_device get_default_device set_flush_denormal set_num_interop_threads "
    "get_num_interop_threads set_warn_always is_warn_always_enabled compiled_with_cxx11_abi sym_int sym_float sym_not "
    "sym_max sym_min sym_sqrt sym_ite sym_sum has_lapack has_mkl has_openmp has_spectral",
}
_HOMES = {name: module for module, names in _ELSEWHERE.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name in _SUBPACKAGES:
        try:
            return import_module(f"alight.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"alight.{name}":
                raise
    elif name in _HOMES:
        return getattr(import_module(f"alight.{_HOMES[name]}"), name)
    elif (found := later.torch_name(name)) is not None:
        globals()[name] = found
        return found
    absent = import_module("alight.ops.absent")
    raise AttributeError(absent.sentence(name), name=name, obj=import_module("alight"))


# Names of this module that are not names of `torch`: what it is made of, and parts of alight that programs do not use.
_INSIDE = {
    "Any", "OTHER_LAYOUTS", "annotations", "config", "dtypes", "errors", "import_module", "ir", "later", "namespace",
    "offered", "ops", "primitives", "printing", "record", "settings", "transforms", "typed_constructors",
}  # fmt: skip


def __dir__() -> list[str]:
    from importlib.util import find_spec

    present = [name for name in _SUBPACKAGES if find_spec(f"alight.{name}")]
    return sorted({*globals(), *later.names(), *_HOMES, *present} - _INSIDE)
