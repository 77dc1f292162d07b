"""Switches of PyTorch that programs set: determinism, precision, devices, warnings.

What alight does is deterministic and in full precision already, so most of them are only remembered.
"""

from __future__ import annotations

import warnings
from typing import Any

from alight.device import CPU
from alight.device import device as Device
from alight.errors import fail
from alight.ops.creation import resolve_device


class _Switches:
    """What was asked for."""

    deterministic = False
    deterministic_warn_only = False
    matmul_precision = "highest"
    interop_threads = 1
    warn_always = False


switches = _Switches()


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Ask for operations that give the same result each time: alight's always do.

    >>> import alight as torch
    >>> torch.use_deterministic_algorithms(True)
    >>> torch.are_deterministic_algorithms_enabled()
    True
    >>> torch.use_deterministic_algorithms(False)
    """
    switches.deterministic, switches.deterministic_warn_only = bool(mode), bool(warn_only)


def are_deterministic_algorithms_enabled() -> bool:
    """Whether use_deterministic_algorithms(True) was called.

    >>> import alight as torch
    >>> torch.are_deterministic_algorithms_enabled()
    False
    """
    return switches.deterministic


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """Whether that was with warn_only=True.

    >>> import alight as torch
    >>> torch.is_deterministic_algorithms_warn_only_enabled()
    False
    """
    return switches.deterministic and switches.deterministic_warn_only


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """The same switch as a number or a word: 0 "default", 1 "warn", 2 "error".

    Errors: RuntimeError for another number or word.

    >>> import alight as torch
    >>> torch.set_deterministic_debug_mode('warn')
    >>> torch.get_deterministic_debug_mode()
    1
    >>> torch.set_deterministic_debug_mode(0)
    """
    words = {"default": 0, "warn": 1, "error": 2}
    mode = words.get(debug_mode, -1) if isinstance(debug_mode, str) else debug_mode
    if mode not in (0, 1, 2):
        fail(
            RuntimeError,
            "invalid value of debug_mode, expected `default`, `warn`, or `error`, but got "
            f"{debug_mode}"
            if isinstance(debug_mode, str)
            else f"invalid value of debug_mode, expected 0, 1, or 2, but got {debug_mode}",
        )
    use_deterministic_algorithms(mode > 0, warn_only=mode == 1)


def get_deterministic_debug_mode() -> int:
    """0, 1 or 2: off, warnings, errors.

    >>> import alight as torch
    >>> torch.get_deterministic_debug_mode()
    0
    """
    return 0 if not switches.deterministic else 1 if switches.deterministic_warn_only else 2


def set_float32_matmul_precision(precision: str) -> None:
    """Allow products of lower precision: "highest", "high" or "medium". Differs: they stay in float32.

    >>> import alight as torch
    >>> torch.set_float32_matmul_precision('high')
    >>> torch.get_float32_matmul_precision()
    'high'
    >>> torch.set_float32_matmul_precision('highest')
    """
    if precision not in ("highest", "high", "medium"):
        warnings.warn(
            f"{precision} is not one of 'highest', 'high', or 'medium'; the current setFloat32MatmulPrecision call has "
            "no effect.",
            stacklevel=2,
        )
        return
    switches.matmul_precision = precision


def get_float32_matmul_precision() -> str:
    """What set_float32_matmul_precision was called with.

    >>> import alight as torch
    >>> torch.get_float32_matmul_precision()
    'highest'
    """
    return switches.matmul_precision


def set_flush_denormal(mode: bool) -> bool:
    """Whether very small numbers could be made zero: no. They stay what they are.

    >>> import alight as torch
    >>> torch.set_flush_denormal(False)
    True
    """
    return not mode


def set_num_interop_threads(num: int) -> None:
    """How many operations may run at once; there is one.

    Errors: RuntimeError for a number below 1.

    >>> import alight as torch
    >>> torch.set_num_interop_threads(1)
    >>> torch.get_num_interop_threads()
    1
    """
    if not isinstance(num, int) or num <= 0:
        fail(RuntimeError, "Expected num_threads > 0")
    switches.interop_threads = num


def get_num_interop_threads() -> int:
    """What set_num_interop_threads was called with.

    >>> import alight as torch
    >>> torch.get_num_interop_threads() > 0
    True
    """
    return switches.interop_threads


def set_warn_always(b: bool) -> None:
    """Whether warnings that show once should show always.

    >>> import alight as torch
    >>> torch.set_warn_always(True)
    >>> torch.is_warn_always_enabled()
    True
    >>> torch.set_warn_always(False)
    """
    switches.warn_always = bool(b)


def is_warn_always_enabled() -> bool:
    """What set_warn_always was called with.

    >>> import alight as torch
    >>> torch.is_warn_always_enabled()
    False
    """
    return switches.warn_always


def set_default_device(device: Any) -> None:
    """Where new tensors are made: the CPU, the only device that is there.

    Errors: PyTorch's for a device that is not there.

    >>> import alight as torch
    >>> torch.set_default_device('cpu')
    >>> torch.ones(1).device
    device(type='cpu')
    """
    where = CPU if device is None else resolve_device(device)
    if where.type != "cpu":
        fail(
            NotImplementedError,
            f"alight does not make tensors on {where} by default",
            try_="device='meta' in each call",
        )


def get_default_device() -> Device:
    """Where new tensors are made.

    >>> import alight as torch
    >>> torch.get_default_device()
    device(type='cpu')
    """
    return CPU


def get_device(input: Any) -> int:
    """Number of the accelerator that a tensor is on; -1 on the CPU.

    Shapes: any.

    >>> import alight as torch
    >>> torch.get_device(torch.ones(2))
    -1
    """
    return input.get_device()  # type: ignore[no-any-return]


def is_inference(input: Any) -> bool:
    """Whether a tensor was made in inference mode.

    Shapes: any.

    >>> import alight as torch
    >>> torch.is_inference(torch.ones(2))
    False
    """
    return input.is_inference()  # type: ignore[no-any-return]


def compiled_with_cxx11_abi() -> bool:
    """A property of PyTorch's build; there is no compiled part here.

    >>> import alight as torch
    >>> torch.compiled_with_cxx11_abi()
    True
    """
    return True


has_lapack = has_mkl = has_openmp = has_spectral = True


# -- numbers that could have been symbols ------------------------------------------------------------------------------


def sym_int(a: Any) -> int:
    """A whole number, rounded towards zero.

    >>> import alight as torch
    >>> torch.sym_int(-2.5)
    -2
    """
    return int(a)


def sym_float(a: Any) -> float:
    """A floating-point number.

    >>> import alight as torch
    >>> torch.sym_float(2)
    2.0
    """
    return float(a)


def sym_not(a: Any) -> bool:
    """Logical negation.

    >>> import alight as torch
    >>> torch.sym_not(True)
    False
    """
    return not a


def sym_max(a: Any, b: Any) -> Any:
    """The larger of two numbers, floating-point if one is.

    >>> import alight as torch
    >>> torch.sym_max(1, 2.0)
    2.0
    """
    found = max(a, b)
    return float(found) if isinstance(a, float) or isinstance(b, float) else found


def sym_min(a: Any, b: Any) -> Any:
    """The smaller of two numbers, floating-point if one is.

    >>> import alight as torch
    >>> torch.sym_min(1, 2.0)
    1.0
    """
    found = min(a, b)
    return float(found) if isinstance(a, float) or isinstance(b, float) else found


def sym_sqrt(a: Any) -> float:
    """The square root.

    >>> import alight as torch
    >>> torch.sym_sqrt(9)
    3.0
    """
    return float(a) ** 0.5


def sym_ite(b: Any, t: Any, f: Any) -> Any:
    """`t` if `b`, else `f`.

    >>> import alight as torch
    >>> torch.sym_ite(True, 1, 2)
    1
    """
    return t if b else f


def sym_sum(args: Any) -> Any:
    """The sum of numbers.

    >>> import alight as torch
    >>> torch.sym_sum([1, 2, 3])
    6
    """
    return sum(args)
