"""PyTorch's operator database as rows for alight: an operation under both libraries, and samples for it.

Much of the database calls operations through small functions of its own; those are run with alight in the place of
`torch`. What alight lacks has no row. Known gaps are in gaps.toml, each with a reason.
"""

from __future__ import annotations

import functools
import itertools
import os
import tomllib
import types
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

import alight

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch.testing._internal.common_methods_invocations import op_db

SAMPLES = int(os.environ.get("OPINFO_SAMPLES", "100"))  # of an operation and dtype; 0 takes all
ALL_DTYPES = bool(os.environ.get("OPINFO_ALL_DTYPES"))
WHOLE_DTYPES = (torch.int64, torch.bool, torch.uint8, torch.int32)
GAPS = tomllib.loads((Path(__file__).parent / "gaps.toml").read_text())


# -- the operation under alight ------------------------------------------------------------------------------------------


def full_name(info: Any) -> str:
    """The name of a row: torch's, with the variant behind a slash."""
    return f"{info.name}/{info.variant_test_name}" if info.variant_test_name else info.name


def found(dotted: str) -> Any:
    """alight's object of this name under `torch`, or None."""
    holder: Any = alight
    for part in dotted.split("."):
        try:
            holder = getattr(holder, part)
        except (AttributeError, ImportError):
            return None
    return holder


def counterpart(info: Any) -> Callable[..., Any] | None:
    """The operation of a row under alight; None where alight lacks it."""
    by_name = found(info.name)
    method = getattr(alight.Tensor, info.name, None)
    if method is None:  # uniform_ and its like are rows without their underscore
        method = getattr(alight.Tensor, f"{info.name}_", None)
    if by_name is None and method is None:
        return None
    function = info.op
    if getattr(function, "__module__", None) and function.__module__.startswith("torch.testing"):
        return translated(function)
    return by_name if callable(by_name) else method


def translated(function: Any) -> Any:
    """A function of the database with alight in the place of torch."""
    if isinstance(function, functools.partial):
        return functools.partial(translated(function.func), *function.args, **function.keywords)
    name = getattr(function, "__name__", "")
    if getattr(function, "__module__", None) == "torch.nn.functional":
        return found(f"nn.functional.{name}")
    if not isinstance(function, types.FunctionType):
        return found(name) or getattr(alight.Tensor, name)
    scope = {
        **function.__globals__,
        "torch": alight,
        "F": alight.nn.functional,
        "wrapper_set_seed": _seeded,
    }
    cells = None
    if function.__closure__ is not None:
        cells = tuple(types.CellType(_inner(cell.cell_contents)) for cell in function.__closure__)
    copy = types.FunctionType(
        function.__code__, scope, function.__name__, function.__defaults__, cells
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy


def _seeded(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The database's `wrapper_set_seed`, which seeds torch's generator with 42."""
    alight.manual_seed(42)
    return function(*args, **kwargs)


def _inner(value: Any) -> Any:
    if isinstance(value, (types.FunctionType, types.BuiltinFunctionType, functools.partial)):
        return translated(value)
    if isinstance(value, types.MethodDescriptorType):
        return getattr(alight.Tensor, value.__name__)
    return value


def rows() -> list[Any]:
    """The entries of the database that alight has."""
    return [info for info in op_db if counterpart(info) is not None]


# -- values between the two libraries ------------------------------------------------------------------------------------


def to_alight(value: Any, requires_grad: bool = False) -> Any:
    """torch's tensors, dtypes, devices (also inside lists) as alight's."""
    return Crossing(tensors_in(value), requires_grad)(value)


class Crossing:
    """torch's values as alight's; tensors that share memory there share it here."""

    def __init__(self, tensors: list[torch.Tensor], requires_grad: bool) -> None:
        self.requires_grad = requires_grad
        different = {id(one): one for one in tensors}.values()
        self.held = Counter(_address(one) for one in different)
        self.bases: dict[int, Any] = {}  # one that holds a whole storage, by its address
        self.made: dict[int, Any] = {}

    def __call__(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            if id(value) not in self.made:
                self.made[id(value)] = self._tensor(value)
            return self.made[id(value)]
        if isinstance(value, (list, tuple)):
            made = [self(one) for one in value]
            if hasattr(value, "_fields"):
                return type(value)(*made)
            return tuple(made) if isinstance(value, tuple) else made
        if isinstance(value, dict):
            return {key: self(one) for key, one in value.items()}
        if isinstance(value, (torch.dtype, torch.memory_format, torch.layout)):
            return getattr(alight, str(value).removeprefix("torch."))
        if isinstance(value, torch.nn.Module):  # a distance, with the usual settings
            return getattr(alight.nn, type(value).__name__)()
        if isinstance(value, torch.device):
            return alight.device(str(value))
        if isinstance(value, slice):
            return slice(self(value.start), self(value.stop), self(value.step))
        if isinstance(value, types.FunctionType) and value.__module__.startswith("torch"):
            return translated(value)
        return value

    def _tensor(self, value: torch.Tensor) -> Any:
        """The same values, strides and need of a gradient."""
        plain = value.detach().resolve_conj().resolve_neg()
        if plain.device.type == "meta":
            return alight.empty(plain.shape, dtype=self(plain.dtype), device="meta")
        alone = plain.data_ptr() != value.data_ptr() or self.held[_address(value)] < 2
        alone = alone and _is_dense(plain)
        if alone and plain.is_contiguous():
            made = _from_elements(plain.reshape(-1)).reshape(plain.shape)
        elif alone and not plain._is_view() and plain.dtype is not torch.bfloat16:
            made = alight.from_numpy(plain.numpy().copy(order="K"))
        else:
            made = self._base(plain).as_strided(plain.shape, plain.stride(), plain.storage_offset())
        return made.requires_grad_() if self.requires_grad and value.requires_grad else made

    def _base(self, value: torch.Tensor) -> Any:
        address = _address(value)
        if address not in self.bases:
            flat = torch.empty(0, dtype=value.dtype).set_(value.untyped_storage())
            self.bases[address] = _from_elements(flat)
        return self.bases[address]


def _address(value: torch.Tensor) -> int:
    return value.untyped_storage()._cdata


def _is_dense(value: torch.Tensor) -> bool:
    return value.untyped_storage().nbytes() == value.numel() * value.element_size()


def _from_elements(flat: torch.Tensor) -> Any:
    if flat.dtype is torch.bfloat16:
        return alight.tensor(flat.float().numpy()).bfloat16()
    return alight.tensor(
        flat.clone().numpy()
    )  # a storage that NumPy has seen cannot be resized any more


def to_torch(value: Any) -> Any:
    """alight's tensors (also inside lists) as torch's."""
    if isinstance(value, alight.Tensor):
        if value.dtype is alight.bfloat16:
            return torch.tensor(np.array(value.detach().float().numpy())).bfloat16()
        return torch.from_numpy(np.array(value.detach().numpy(), order="C"))
    if isinstance(value, (list, tuple)):
        return [to_torch(one) for one in value]
    if isinstance(value, alight.dtype):
        return getattr(torch, value.name)
    return value


def tensors_in(value: Any) -> list[Any]:
    """All tensors of either library inside a structure, in order."""
    if isinstance(value, (torch.Tensor, alight.Tensor)):
        return [value]
    if isinstance(value, (list, tuple)):
        return [one for part in value for one in tensors_in(part)]
    if isinstance(value, dict):
        return [one for part in value.values() for one in tensors_in(part)]
    return []


# -- samples -------------------------------------------------------------------------------------------------------------


def dtypes_of(info: Any) -> list[torch.dtype]:
    """float32 and one whole-number dtype of those that the operation takes; all of ours with OPINFO_ALL_DTYPES."""
    supported = info.supported_dtypes("cpu")
    if ALL_DTYPES:
        return [one for one in supported if found(str(one).removeprefix("torch.")) is not None]
    whole = next((one for one in WHOLE_DTYPES if one in supported), None)
    chosen = [one for one in (torch.float32, whole) if one in supported]
    return chosen or [one for one in (torch.complex64, torch.float64) if one in supported]


def samples(info: Any, dtype: torch.dtype, requires_grad: bool = False) -> Iterator[Any]:
    """The samples of an operation."""
    torch.manual_seed(0)
    given = info.sample_inputs("cpu", dtype, requires_grad=requires_grad)
    return itertools.islice(given, SAMPLES or None)


def known_gap(info: Any, case: str) -> str | None:
    """The line of gaps.toml that covers a failing case ("values int64 3"): itself, "values int64" or "values"."""
    listed = GAPS.get(full_name(info), {})
    words = case.split(" ")
    return next(
        (" ".join(words[:n]) for n in range(len(words), 0, -1) if " ".join(words[:n]) in listed),
        None,
    )
