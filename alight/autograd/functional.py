"""Derivatives of Python functions by autograd: jacobian, hessian, vjp, jvp, hvp, vhp.

The function runs on the given tensors and is differentiated by `autograd.grad`; `alight.func` has the forms that nest
and batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from alight.autograd import grad
from alight.autograd.modes import enable_grad
from alight.errors import fail
from alight.offered import listing
from alight.ops.operation import TORCH
from alight.tensor import Tensor

Tensors = tuple[Tensor, ...]


def _as_tuple(given: Any, what: str, name: str) -> tuple[bool, Tensors]:
    """Whether `given` is a tuple, and the tuple; PyTorch's error for anything but tensors."""
    of = "inputs" if what == "inputs" else "outputs of the user-provided function"
    several = isinstance(given, (tuple, list))
    values = tuple(given) if several else (given,)
    for i, one in enumerate(values):
        if not isinstance(one, Tensor):
            if several:
                fail(
                    TypeError,
                    f"The {of} given to {name} must be either a Tensor or a tuple of Tensors but the value at index {i} "
                    f"has type {type(one)}.",
                )
            fail(
                TypeError,
                f"The {of} given to {name} must be either a Tensor or a tuple of Tensors but the given {of} has type "
                f"{type(one)}.",
            )
    return several, values


def _inputs(inputs: Any, name: str, create_graph: bool) -> tuple[bool, Tensors]:
    several, values = _as_tuple(inputs, "inputs", name)
    return several, tuple(
        one.view_as(one)
        if create_graph and one.requires_grad
        else one.detach().clone().requires_grad_()
        for one in values
    )


def _outputs(func: Callable[..., Any], inputs: Tensors, name: str) -> tuple[bool, Tensors]:
    return _as_tuple(func(*inputs), "outputs", name)


def _filled(
    gradients: Sequence[Any], like: Tensors, strict: bool, name: str, what: str = "input"
) -> Tensors:
    """Gradients with zeros where nothing depends on an input, or an error if that is asked for."""
    made = []
    for i, (gradient, one) in enumerate(zip(gradients, like, strict=True)):
        if gradient is None:
            if strict:
                fail(
                    RuntimeError,
                    f"Output of the user-provided function is independent of {what} {i}. This is not allowed in strict "
                    f"mode when computing {name}.",
                )
            gradient = TORCH["zeros_like"](one)
        made.append(gradient)
    return tuple(made)


def _finished(values: Tensors, create_graph: bool) -> Tensors:
    return values if create_graph else tuple(one.detach() for one in values)


def _packed(values: Sequence[Any], several: bool) -> Any:
    return tuple(values) if several else values[0]


def _grads(outputs: Any, inputs: Tensors, cotangents: Any, create_graph: bool) -> tuple[Any, ...]:
    usable = [(out, ct) for out, ct in zip(outputs, cotangents, strict=True) if out.requires_grad]
    if not usable:
        return (None,) * len(inputs)
    outs, cts = zip(*usable, strict=True)
    return grad(outs, inputs, cts, retain_graph=True, create_graph=create_graph, allow_unused=True)


def _direction(v: Any, like: Tensors, several: bool, missing: str) -> Tensors:
    """The vectors of a product, checked against what they belong to."""
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            fail(RuntimeError, missing)
        return (TORCH["ones_like"](like[0]),)
    _, values = _as_tuple(v, "inputs", "v")
    if len(values) != len(like):
        fail(
            RuntimeError,
            f"v is a tuple of invalid length: should be {len(like)} but got {len(values)}.",
        )
    for i, (one, other) in enumerate(zip(values, like, strict=True)):
        if one.shape != other.shape:
            place = f"Entry {i} in v" if len(like) > 1 else "v"
            fail(
                RuntimeError,
                f"{place} has invalid size: should be {other.shape} but got {one.shape}.",
            )
    return values


# -- products ----------------------------------------------------------------------------------------------------------

_ONE_OUTPUT = "The vector v can only be None if the user-provided function returns a single Tensor with a single element."
_ONE_INPUT = "The vector v can only be None if the input to the user-provided function is a single Tensor with a single element."


def vjp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> Any:
    """(func(*inputs), v times the Jacobian): reverse mode.

    >>> import alight as torch
    >>> torch.autograd.functional.vjp(lambda x: x ** 2, torch.tensor([1., 2.]), torch.ones(2))[1]
    tensor([2., 4.])
    """
    with enable_grad():
        several, given = _inputs(inputs, "vjp", create_graph)
        many, outputs = _outputs(func, given, "vjp")
        vectors = _direction(v, outputs, many, _ONE_OUTPUT)
        found = _filled(_grads(outputs, given, vectors, create_graph), given, strict, "the vjp")
    return _packed(_finished(outputs, create_graph), many), _packed(
        _finished(found, create_graph), several
    )


def jvp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> Any:
    """(func(*inputs), the Jacobian times v), by reverse mode applied twice.

    >>> import alight as torch
    >>> torch.autograd.functional.jvp(lambda x: x ** 2, torch.tensor([1., 2.]), torch.ones(2))[1]
    tensor([2., 4.])
    """
    with enable_grad():
        several, given = _inputs(inputs, "jvp", create_graph)
        vectors = _direction(v, given, several, _ONE_INPUT)
        many, outputs = _outputs(func, given, "jvp")
        dummies = tuple(TORCH["zeros_like"](one).requires_grad_() for one in outputs)
        pulled = _filled(_grads(outputs, given, dummies, True), given, strict, "the jvp")
        moved = _grads(pulled, dummies, vectors, create_graph)
        found = _filled(moved, outputs, strict, "the jvp")
    return _packed(_finished(outputs, create_graph), many), _packed(
        _finished(found, create_graph), many
    )


def _scalar(outputs: Tensors, many: bool, name: str) -> None:
    if many:
        fail(RuntimeError, f"The function given to {name} should return a single Tensor")
    if outputs[0].numel() != 1:
        fail(
            RuntimeError,
            f"The Tensor returned by the function given to {name} should contain a single element",
        )


def vhp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> Any:
    """(func(*inputs), v times the matrix of second derivatives) of a function that returns one number.

    >>> import alight as torch
    >>> x, v = torch.tensor([1., 2.]), torch.tensor([1., 1.])
    >>> torch.autograd.functional.vhp(lambda x: (x**3).sum(), x, v)[1]
    tensor([ 6., 12.])
    """
    return _second(func, inputs, v, create_graph, strict, "vhp")


def hvp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> Any:
    """(func(*inputs), the matrix of second derivatives times v) of a function that returns one number.

    >>> import alight as torch
    >>> torch.autograd.functional.hvp(lambda x: (x ** 3).sum(), torch.tensor([1., 2.]), torch.ones(2))[1]
    tensor([ 6., 12.])
    """
    return _second(func, inputs, v, create_graph, strict, "hvp")


def _second(
    func: Callable[..., Any], inputs: Any, v: Any, create_graph: bool, strict: bool, name: str
) -> Any:
    # The matrix is symmetric, so one product from the left serves both.
    with enable_grad():
        several, given = _inputs(inputs, name, create_graph)
        vectors = _direction(v, given, several, _ONE_INPUT)
        many, outputs = _outputs(func, given, name)
        _scalar(outputs, many, name)
        first = _filled(_grads(outputs, given, (None,), True), given, strict, f"the {name}")
        found = _filled(_grads(first, given, vectors, create_graph), given, strict, f"the {name}")
    return _packed(_finished(outputs, create_graph), many), _packed(
        _finished(found, create_graph), several
    )


# -- whole matrices ----------------------------------------------------------------------------------------------------


def jacobian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The derivative of each output element in each input element, of shape output + input.

    Errors: ValueError for another strategy.
    Differs: all rows are always computed together where nobody differentiates them again.

    >>> import alight as torch
    >>> torch.autograd.functional.jacobian(torch.exp, torch.zeros(2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    if strategy not in ("reverse-mode", "forward-mode"):
        fail(
            ValueError,
            'Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If your function has more outputs '
            'than inputs, "forward-mode" tends to be more performant. Otherwise, prefer to use "reverse-mode".',
        )
    with enable_grad():
        several, given = _inputs(inputs, "jacobian", create_graph)
        many, outputs = _outputs(func, given, "jacobian")
        rows = [_rows(out, i, given, create_graph, strict) for i, out in enumerate(outputs)]
    return _packed([_packed(one, several) for one in rows], many)


def _rows(out: Tensor, i: int, inputs: Tensors, create_graph: bool, strict: bool) -> list[Tensor]:
    """The Jacobian of one output in each input."""
    count = out.numel()
    if not out.requires_grad or count == 0:
        if strict and not out.requires_grad:
            fail(
                RuntimeError,
                f"Output {i} of the user-provided function does not require gradients. The outputs must be computed in a "
                "differentiable manner from the input when running in strict mode.",
            )
        return [TORCH["zeros"]((*out.shape, *one.shape), dtype=one.dtype) for one in inputs]
    basis = TORCH["eye"](count, dtype=out.dtype).reshape(count, *out.shape)
    if create_graph:
        found = [
            _filled(_grads((out,), inputs, (row,), True), inputs, strict, "the jacobian")
            for row in basis
        ]
        stacked = [TORCH["stack"](list(part)) for part in zip(*found, strict=True)]
    else:
        batched = grad(
            out, inputs, basis, retain_graph=True, allow_unused=True, is_grads_batched=True
        )
        stacked = [
            TORCH["zeros"]((count, *one.shape), dtype=one.dtype) if part is None else part.detach()
            for part, one in zip(batched, inputs, strict=True)
        ]
        if strict:
            _filled(batched, inputs, strict, "the jacobian")
    return [part.reshape(*out.shape, *one.shape) for part, one in zip(stacked, inputs, strict=True)]


def hessian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The second derivatives of a function that returns one number.

    >>> import alight as torch
    >>> torch.autograd.functional.hessian(lambda x: x.prod(), torch.tensor([2., 3.]))
    tensor([[0., 1.],
            [1., 0.]])
    """
    several, _ = _as_tuple(inputs, "inputs", "hessian")

    def checked(*given: Any) -> Any:
        out = func(*given)
        many, outputs = _as_tuple(out, "outputs", "hessian")
        _scalar(outputs, many, "hessian")
        return outputs[0].squeeze()

    def gradient(*given: Any) -> Any:
        found = jacobian(checked, given, create_graph=True)
        return found if several else found[0]

    return jacobian(gradient, inputs, create_graph=create_graph, strict=strict)


__dir__ = listing(globals())
