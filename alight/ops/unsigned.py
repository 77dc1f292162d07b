"""uint16, uint32 and uint64: PyTorch stores, converts, moves and compares them, and has few operations beside.

In: an operation that is being recorded. Out: nothing, or PyTorch's error where the operation lacks these dtypes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from alight.dtypes import WIDE_UNSIGNED, dtype
from alight.errors import fail
from alight.ir.program import Value


def _table(text: str) -> dict[str, str]:
    """Names of operations to the name that PyTorch's error has."""
    return {name: kernel for kernel, *names in map(str.split, text.split(";")) for name in names}


# Refused where the common dtype of the operands is one of the three.
_OF_OPERANDS = _table(
    "neg_cpu neg negative; add_stub add sub rsub diff; div_floor_cpu floor_divide rfloordiv; remainder_cpu remainder rmod; "
    "fmod_cpu fmod; pow pow pow_known rpow square; maximum_cpu maximum fmax; minimum_cpu minimum fmin; gcd_cpu gcd; "
    "lcm_cpu lcm; lshift_cpu bitwise_left_shift; rshift_cpu bitwise_right_shift; lt_cpu lt; le_cpu le; gt_cpu gt; "
    "ge_cpu ge; logical_and_cpu logical_and; logical_or_cpu logical_or; logical_xor_cpu logical_xor; hypot_cpu hypot; "
    "dot dot vdot inner; isin_default_cpu isin; abs_cpu abs absolute; sign_cpu sign sgn; bitwise_not_cpu bitwise_not; "
    "logical_not_cpu logical_not; clamp_min_scalar_cpu relu; clamp_scalar_cpu clamp clip; addmm_impl_cpu_ mm matmul mv addmm; "
    "bmm bmm einsum baddbmm; searchsorted_out_cpu searchsorted; addcmul_cpu_out addcmul; lerp_kernel_scalar lerp"
)
# Refused where the first tensor is one of the three.
_OF_FIRST = _table(
    "tril tril; triu triu; max_all max_all; min_all min_all; argmax_cpu argmax; argmin_cpu argmin; "
    "median_cpu median_all median_along; mode_cpu mode; nonzero_count_cpu count_nonzero; max_values_cpu amax; "
    "min_values_cpu amin; aminmax_cpu aminmax histc; topk_cpu topk; kthvalue_cpu kthvalue; cummax_cpu cummax; "
    "cummin_cpu cummin; flip_cpu flip rot90 fliplr flipud; max_cpu max_along; min_cpu min_along; index_put put_at; "
    "scatter_gather_tensor_cpu gather scatter_add take_along_dim; index_select index_select; take_cpu take; "
    "masked_fill masked_fill; scatter_gather_scalar_cpu scatter; index_add_ index_add; index_fill_cpu index_fill; "
    "masked_scatter masked_scatter; index_copy_cpu index_copy; take_put_cpu put; trace trace"
)
# Refused where one of the three is asked for.
_OF_RESULT = _table("arange_cpu ramp; linspace_cpu between; eye eye; sum_cpu sum; prod_cpu prod")


def refuse(kernel: str, of: dtype) -> NoReturn:
    """PyTorch's error for a dtype that an operation lacks."""
    from alight.ops.arguments import scalar_type_name

    fail(
        NotImplementedError,
        f"\"{kernel}\" not implemented for '{scalar_type_name(of)}'",
        try_=".long() or .int() first",
    )


def refuse_tensor(kernel: str, tensor: Any) -> None:
    """The same for functions that are no operation, if a tensor has one of the dtypes."""
    if tensor.dtype in WIDE_UNSIGNED:
        refuse(kernel, tensor.dtype)


def check_unsigned(operation: str, values: Sequence[Any]) -> None:
    """Refuse what PyTorch lacks. `values` are the arguments of an operation that is recorded for the first time."""
    tensors = list(_tensors(values))
    wanted = [value for value in values if isinstance(value, dtype)]
    if all(one not in WIDE_UNSIGNED for one in [*(value.dtype for value in tensors), *wanted]):
        return
    name = operation.strip("_")
    if name in _OF_OPERANDS:
        from alight.ops.arguments import result_type

        of = result_type(*tensors)
        if of in WIDE_UNSIGNED:
            refuse(_OF_OPERANDS[name], of)
    elif name in _OF_FIRST and tensors[0].dtype in WIDE_UNSIGNED:
        refuse(_OF_FIRST[name], tensors[0].dtype)
    elif name in _OF_RESULT and any(one in WIDE_UNSIGNED for one in wanted):
        refuse(_OF_RESULT[name], wanted[0])


def _tensors(values: Sequence[Any]) -> Iterator[Value]:
    for value in values:
        if isinstance(value, Value):
            yield value
        elif isinstance(value, tuple):
            yield from _tensors(value)
