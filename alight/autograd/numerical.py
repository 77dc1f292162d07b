"""gradcheck and gradgradcheck: gradients against small differences."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from alight.autograd import grad
from alight.autograd.modes import enable_grad, no_grad
from alight.dtypes import BY_NAME
from alight.errors import fail
from alight.ops.operation import TORCH
from alight.tensor import Tensor


class GradcheckError(RuntimeError):
    """Gradients and differences disagree.

    >>> import alight as torch
    >>> issubclass(torch.autograd.GradcheckError, RuntimeError)
    True
    """


def _tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def _differentiable(values: Sequence[Any]) -> list[tuple[int, Tensor]]:
    return [
        (i, one) for i, one in enumerate(values)
        if isinstance(one, Tensor) and one.dtype.is_differentiable and one.requires_grad
    ]  # fmt: skip


def _check_inputs(inputs: Sequence[Any]) -> list[tuple[int, Tensor]]:
    wanted = _differentiable(inputs)
    if not wanted:
        fail(
            ValueError,
            "gradcheck expects at least one input tensor to require gradient, but none of them have requires_grad=True.",
        )
    double = (BY_NAME["float64"], BY_NAME["complex128"])
    for i, one in wanted:
        if one.dtype not in double:
            warnings.warn(
                f"Input #{i} requires gradient and is not a double precision floating point or complex. This check will "
                "likely fail if all the inputs are not of double precision floating point or complex. ",
                stacklevel=3,
            )
    return wanted


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Whether the gradients of `func` agree with small differences of its values.

    Inputs that require grad should be float64. Complex tensors are taken as pairs of real numbers.
    Errors: GradcheckError, a RuntimeError, where they disagree, unless raise_exception=False.

    >>> import alight as torch
    >>> x = torch.tensor([0.5, 2.], dtype=torch.float64, requires_grad=True)
    >>> torch.autograd.gradcheck(torch.sin, x)
    True
    """
    given = _tuple(inputs)
    wanted = _check_inputs(given)
    try:
        with enable_grad():
            outputs = [
                (i, one) for i, one in enumerate(_tuple(func(*given)))
                if isinstance(one, Tensor) and one.dtype.is_differentiable and one.requires_grad
            ]  # fmt: skip
        for i, out in outputs:
            for n, (j, x) in enumerate(wanted):
                analytical = _analytical(out, x)
                numerical = _numerical(func, given, i, j, eps)
                _compare(numerical, analytical, i, n, atol, rtol)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _compare(
    numerical: Tensor, analytical: Tensor, out: int, into: int, atol: float, rtol: float
) -> None:
    if TORCH["allclose"](analytical, numerical, rtol=rtol, atol=atol):
        return
    fail(
        GradcheckError,
        f"Jacobian mismatch for output {out} with respect to input {into},\n"
        f"numerical:{numerical}\nanalytical:{analytical}\n",
    )


def _parts(x: Tensor) -> Tensor:
    """A tensor's elements as a flat list of real numbers."""
    x = x.detach()
    return TORCH["view_as_real"](x.resolve_conj()).reshape(-1) if x.is_complex() else x.reshape(-1)


def _units(like: Tensor) -> list[Tensor]:
    """Unit vectors of all elements of a tensor; of both parts of a complex one."""
    found = []
    for value in (1, 1j) if like.is_complex() else (1,):
        for k in range(like.numel()):
            unit = TORCH["zeros"](like.numel(), dtype=like.dtype)
            unit[k] = value
            found.append(unit.reshape(like.shape))
    return found


def _analytical(out: Tensor, x: Tensor) -> Tensor:
    """The Jacobian from backward passes: a row for each real number in x, a column for each one in out."""
    columns = []
    for unit in _units(out):
        (found,) = grad(out, x, unit, retain_graph=True, allow_unused=True)
        columns.append(_parts(TORCH["zeros_like"](x) if found is None else found))
    order = _element_order(out)
    if not columns:
        return TORCH["zeros"]((_parts(x).numel(), 0), dtype=x.dtype.to_real())
    return TORCH["stack"]([columns[k] for k in order], dim=1)


def _element_order(out: Tensor) -> list[int]:
    """Columns in the order in which `_parts` gives the numbers: real and imaginary part of each element in turn."""
    n = out.numel()
    return [k for i in range(n) for k in (i, n + i)] if out.is_complex() else list(range(n))


def _numerical(
    func: Callable[..., Any], given: Sequence[Any], i: int, j: int, eps: float
) -> Tensor:
    """The Jacobian from central differences."""
    rows = []
    x = given[j].detach()
    size = x.numel()
    for k in range(size):
        for step in (eps, eps * 1j) if x.is_complex() else (eps,):
            values = []
            for sign in (1, -1):
                moved = x.clone().reshape(-1)
                moved[k] += sign * step
                arguments = list(given)
                arguments[j] = moved.reshape(x.shape).requires_grad_()
                with no_grad():
                    values.append(_parts(_tuple(func(*arguments))[i]))
            rows.append((values[0] - values[1]) / (2 * eps))
    if not rows:
        return TORCH["zeros"]((0, 0), dtype=x.dtype)
    return TORCH["stack"](rows)


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """Whether second derivatives of `func` agree with small differences of its gradients.

    >>> import alight as torch
    >>> x = torch.tensor([0.5, 2.], dtype=torch.float64, requires_grad=True)
    >>> torch.autograd.gradgradcheck(torch.sin, x)
    True
    """
    given = _tuple(inputs)
    places = [i for i, _ in _check_inputs(given)]
    outputs = [one for one in _tuple(func(*given)) if isinstance(one, Tensor) and one.requires_grad]
    if grad_outputs is None:
        cotangents = [TORCH["randn_like"](one.detach()).requires_grad_() for one in outputs]
    else:
        cotangents = list(_tuple(grad_outputs))
    count = len(given)

    def gradients(*arguments: Any) -> tuple[Any, ...]:
        with enable_grad():
            values = [
                one
                for one in _tuple(func(*arguments[:count]))
                if isinstance(one, Tensor) and one.requires_grad
            ]
            found = grad(
                values,
                [arguments[i] for i in places],
                arguments[count:],
                create_graph=True,
                allow_unused=True,
            )
        return tuple(one for one in found if one is not None)

    return gradcheck(
        gradients,
        (*given, *cotangents),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
    )
