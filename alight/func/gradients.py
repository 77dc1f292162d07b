"""grad, vjp, jvp: gradients, products with Jacobians, from functions to functions."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from alight.errors import fail
from alight.func.capture import Recording, capturing, run
from alight.func.trees import flatten, unflatten
from alight.ir.program import Builder, Value
from alight.primitives.arithmetic import constant
from alight.tensor import Tensor
from alight.transforms.forward import forward
from alight.transforms.reverse import reverse
from alight.transforms.traced import Traced, inline


def _tensors(leaves: Sequence[Any]) -> None:
    for leaf in leaves:
        if not isinstance(leaf, Tensor):
            fail(ValueError, f"Thing passed to transform API must be Tensor, got {type(leaf)}")
        if not leaf.dtype.is_differentiable:
            fail(
                RuntimeError,
                "only Tensors of floating point dtype can require gradients",
                facts=[f"this one is {leaf.dtype!r}"],
                try_=".float()",
            )


def _chosen(argnums: Any, args: tuple[Any, ...]) -> tuple[int, ...]:
    numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    for one in numbers:
        if not -len(args) <= one < len(args):
            fail(RuntimeError, f"Got argnum={one}, but only {len(args)} positional inputs")
    return tuple(one % len(args) for one in numbers)


def _split_aux(result: Any, has_aux: bool, name: str) -> tuple[Any, Any]:
    if not has_aux:
        return result, None
    if not (isinstance(result, tuple) and len(result) == 2):
        fail(
            RuntimeError,
            f"{name}: output of function f should be a tuple: (output, aux) if has_aux is True",
        )
    return result


# -- grad --------------------------------------------------------------------------------------------------------------


def grad_and_value(
    func: Callable[..., Any], argnums: Any = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """A function that gives the gradient of `func`, which returns a scalar, and its value.

    argnums: the argument, or tuple of arguments, to differentiate; each may be nested. has_aux: `func` returns
    (scalar, more), and the result is (gradient, (value, more)).

    >>> import alight as torch
    >>> torch.func.grad_and_value(lambda x: x ** 2)(torch.tensor(3.))
    (tensor(6.), tensor(9.))
    """

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        chosen = _chosen(argnums, args)
        flat = [flatten(args[i]) for i in chosen]
        leaves = [leaf for part, _ in flat for leaf in part]
        _tensors(leaves)
        with capturing() as capture:
            inner = [capture.argument_for(leaf, wants_grad=True) for leaf in leaves]
            at, given = 0, list(args)
            for i, (part, tree) in zip(chosen, flat, strict=True):
                given[i] = unflatten(inner[at : at + len(part)], tree)
                at += len(part)
            value, aux = _split_aux(func(*given, **kwargs), has_aux, "grad_and_value(f)(*args)")
            _check_scalar(value)
            more, more_tree = flatten(aux)
            kept = [one for one in more if isinstance(one, Tensor)]
            recording = Recording(capture, [value, *kept])
            traced = recording.derived(
                ("grad", len(inner)), lambda one: _with_gradients(one, len(inner))
            )
        key = (recording.position, recording.slots, "grad", len(inner))
        value, *made = run(traced, recording.given(), key, "grad")
        found, gradients = iter(made[: len(kept)]), made[len(kept) :]
        aux = unflatten(
            [next(found) if isinstance(one, Tensor) else one for one in more], more_tree
        )
        at, results = 0, []
        for part, tree in flat:
            results.append(unflatten(gradients[at : at + len(part)], tree))
            at += len(part)
        result = results[0] if isinstance(argnums, int) else tuple(results)
        return (result, (value, aux)) if has_aux else (result, value)

    return functools.wraps(func)(wrapped) if hasattr(func, "__name__") else wrapped


def _check_scalar(value: Any) -> None:
    if not isinstance(value, Tensor):
        fail(
            RuntimeError,
            f"grad_and_value(f)(*args): Expected f(*args) to return a Tensor, got {type(value)}",
        )
    if value.ndim:
        fail(
            RuntimeError,
            "grad_and_value(f)(*args): Expected f(*args) to return a scalar Tensor, got tensor with "
            f"{value.ndim} dims. Maybe you wanted to use the vjp or jacrev APIs instead?",
        )


def _with_gradients(traced: Traced, count: int) -> Traced:
    """The function with the gradients of its first output in its first `count` inputs as more outputs."""
    builder = Builder()
    inputs = [builder.input(traced.types[i]) for i in traced.inputs]
    outs, ids = inline(builder, traced, inputs)
    wrt = traced.inputs[:count]
    back = reverse(
        traced.types, traced.nodes, traced.outputs[:1], wrt, traced.blocked, traced.regions
    )
    with builder.active():
        one = constant(outs[0], 1, outs[0].shape)
        found = builder.inline(
            back.program, [one, *(builder.value(ids[i]) for i in back.residuals)]
        )
        gradients = _in_order(builder, wrt, back.reached, found, ids)
    return _extended(builder, traced, ids, [*outs, *gradients])


def _in_order(
    builder: Builder,
    wanted: Sequence[int],
    reached: Sequence[int],
    found: Sequence[Value],
    ids: Sequence[int],
) -> list[Value]:
    """A gradient for each wanted value: zeros where none was reached."""
    given = dict(zip(reached, found, strict=True))
    zeros = {id: builder.value(ids[id]) for id in wanted if id not in given}
    return [given[id] if id in given else constant(zeros[id], 0, zeros[id].shape) for id in wanted]


def _extended(
    builder: Builder, traced: Traced, ids: Sequence[int], outputs: Sequence[Value]
) -> Traced:
    """A builder that began with the nodes of `traced`, as a traced function."""
    from alight.transforms.traced import moved_regions

    return Traced(
        tuple(builder.types),
        tuple(builder.inputs),
        tuple(builder.nodes),
        tuple(one.id for one in outputs),
        tuple(moved_regions(traced.regions, 0, ids)),
        frozenset(ids[i] for i in traced.blocked),
    )


def grad(func: Callable[..., Any], argnums: Any = 0, has_aux: bool = False) -> Callable[..., Any]:
    """A function that gives the gradient of `func`, which returns a scalar.

    argnums and has_aux as in `grad_and_value`; with has_aux the result is (gradient, more).
    Errors: RuntimeError where `func` returns anything but a 0-d tensor.

    >>> import alight as torch
    >>> torch.func.grad(torch.func.grad(torch.sin))(torch.tensor(0.5))
    tensor(-0.4794)
    """
    both = grad_and_value(func, argnums, has_aux)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        gradient, value = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return functools.wraps(func)(wrapped) if hasattr(func, "__name__") else wrapped


# -- vjp ---------------------------------------------------------------------------------------------------------------


def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """(func(*primals), a function from cotangents of the result to those of the primals).

    Errors: RuntimeError where `func` returns anything but tensors.

    >>> import alight as torch
    >>> y, pull = torch.func.vjp(torch.sin, torch.tensor([0., 1.]))
    >>> pull(torch.ones(2))
    (tensor([1.0000, 0.5403]),)
    """
    leaves, tree = flatten(primals)
    _tensors(leaves)
    with capturing() as capture:
        inner = [capture.argument_for(leaf, wants_grad=True) for leaf in leaves]
        result, aux = _split_aux(func(*unflatten(inner, tree)), has_aux, "vjp(f, *primals)")
        outputs, out_tree = flatten(result)
        for one in outputs:
            if not isinstance(one, Tensor):
                fail(
                    RuntimeError,
                    f"vjp(f, *primals): Expected f(*primals) to return only tensors, got {type(one)}",
                )
        more, more_tree = flatten(aux)
        kept = [one for one in more if isinstance(one, Tensor)]
        recording = Recording(capture, [*outputs, *kept])
        key = ("vjp", len(inner), len(outputs))
        forward_part, back = recording.derived(
            key, lambda one: _forward_and_back(one, len(inner), len(outputs))
        )
    place = (recording.position, recording.slots, *key)
    made = run(forward_part, recording.given(), place, "vjp")
    outs, found = made[: len(outputs)], iter(made[len(outputs) :])
    aux = unflatten([next(found) if isinstance(one, Tensor) else one for one in more], more_tree)
    residuals = list(found)

    def pull(*cotangents: Any) -> Any:
        given, given_tree = flatten(cotangents[0] if len(cotangents) == 1 else cotangents)
        _check_cotangents(given, given_tree, outs, out_tree)
        grads = run(back, [*given, *residuals], ("pull", *place), "vjp")
        return unflatten(grads, tree)

    result = unflatten(outs, out_tree)
    return (result, pull, aux) if has_aux else (result, pull)


def _check_cotangents(
    given: Sequence[Any], given_tree: Any, outs: Sequence[Tensor], out_tree: Any
) -> None:
    if given_tree != out_tree:
        fail(
            RuntimeError,
            f"Expected pytree structure of cotangents to be the same as pytree structure of outputs to the function. "
            f"cotangents: {given_tree}, primal output: {out_tree}",
        )
    for i, (ct, out) in enumerate(zip(given, outs, strict=True)):
        if ct.shape != out.shape:
            fail(
                RuntimeError,
                f"Mismatch in shape: grad_output[{i}] has a shape of {ct.shape} and output[{i}] has a shape of "
                f"{out.shape}.",
            )


def _forward_and_back(traced: Traced, count: int, results: int) -> tuple[Traced, Traced]:
    """The function with what its backward reads as more outputs, and that backward."""
    wrt, outputs = traced.inputs[:count], traced.outputs[:results]
    back = reverse(traced.types, traced.nodes, outputs, wrt, traced.blocked, traced.regions)
    builder = Builder()
    cts = [builder.input(traced.types[i]) for i in outputs]
    residuals = [builder.input(traced.types[i]) for i in back.residuals]
    with builder.active():
        found = builder.inline(back.program, [*cts, *residuals])
        given = dict(zip(back.reached, found, strict=True))
        grads = [given.get(id) for id in wrt]
        whole = [
            _zeros(builder, traced, id) if grad is None else grad
            for id, grad in zip(wrt, grads, strict=True)
        ]
    pull = Traced(
        tuple(builder.types),
        tuple(builder.inputs),
        tuple(builder.nodes),
        tuple(one.id for one in whole),
    )
    return traced._replace(outputs=(*traced.outputs, *back.residuals)), pull


def _zeros(builder: Builder, traced: Traced, id: int) -> Value:
    from alight.primitives.create import Full

    of = traced.types[id]
    return Full(shape=of.shape, value=0, dtype=of.dtype, device=of.device)  # type: ignore[no-any-return]


# -- jvp ---------------------------------------------------------------------------------------------------------------


def jvp(
    func: Callable[..., Any],
    primals: Any,
    tangents: Any,
    *,
    strict: bool = False,
    has_aux: bool = False,
) -> Any:
    """(func(*primals), the change of it when the primals change by `tangents`).

    Errors: RuntimeError for primals and tangents that are no tuples of one length and shape.

    >>> import alight as torch
    >>> torch.func.jvp(torch.sin, (torch.tensor(0.),), (torch.tensor(2.),))
    (tensor(0.), tensor(2.))
    """
    if not isinstance(primals, tuple):
        fail(
            RuntimeError,
            "jvp(f, primals, tangents): Expected primals to be a tuple. E.g. it should be valid to call f(*primals).",
        )
    leaves, tree = flatten(primals)
    given, given_tree = flatten(tangents)
    if tree != given_tree:
        fail(
            RuntimeError,
            "jvp(f, primals, tangents): Expected primals and tangents to have the same python structure. For example, if "
            "primals is a tuple of 3 tensors, tangents also must be. Got primals with structure "
            f"{tree} and tangents with structure {given_tree}",
        )
    _tensors(leaves)
    for x, t in zip(leaves, given, strict=True):
        if x.shape != t.shape:
            fail(
                RuntimeError,
                "Trying to set a forward gradient that has a different size than that of the original Tensor, this is "
                f"not supported. Tensor is of size {list(x.shape)} while the given forward gradient is of size "
                f"{list(t.shape)}.",
            )
    outs, moved, aux, out_tree = _push(func, leaves, tree, given, has_aux)
    result = unflatten(outs, out_tree), unflatten(moved, out_tree)
    return (*result, aux) if has_aux else result


def _push(
    func: Callable[..., Any],
    leaves: Sequence[Tensor],
    tree: Any,
    tangents: Sequence[Tensor],
    has_aux: bool,
) -> tuple[list[Tensor], list[Tensor], Any, Any]:
    """Results and their tangents."""
    with capturing() as capture:
        inner = [capture.argument_for(leaf, wants_grad=True) for leaf in leaves]
        result, aux = _split_aux(
            func(*unflatten(inner, tree)), has_aux, "jvp(f, primals, tangents)"
        )
        outputs, out_tree = flatten(result)
        for one in outputs:
            if not isinstance(one, Tensor):
                fail(
                    RuntimeError,
                    "jvp(f, primals, tangents): Expected f(*primals) to return only tensors, got unsupported type "
                    f"{type(one)}",
                )
        more, more_tree = flatten(aux)
        kept = [one for one in more if isinstance(one, Tensor)]
        recording = Recording(capture, [*outputs, *kept])
        key = ("jvp", len(inner), len(outputs))
        traced = recording.derived(key, lambda one: _with_tangents(one, len(inner), len(outputs)))
    given = [*recording.given(), *tangents]
    made = run(traced, given, (recording.position, recording.slots, *key), "jvp")
    count = len(outputs)
    found = iter(made[count : count + len(kept)])
    aux = unflatten([next(found) if isinstance(one, Tensor) else one for one in more], more_tree)
    return made[:count], made[count + len(kept) :], aux, out_tree


def _with_tangents(traced: Traced, count: int, results: int) -> Traced:
    """The function with tangents of its first inputs as more inputs, and of its results as more outputs."""
    wrt, outputs = traced.inputs[:count], traced.outputs[:results]
    push = forward(traced, outputs, wrt)
    builder = Builder()
    inputs = [builder.input(traced.types[i]) for i in traced.inputs]
    tangents = {id: builder.input(traced.types[id]) for id in wrt}
    outs, ids = inline(builder, traced, inputs)
    with builder.active():
        given = [tangents[id] for id in push.given]
        found = builder.inline(
            push.program, [*given, *(builder.value(ids[i]) for i in push.residuals)]
        )
        moved = _in_order(builder, outputs, push.reached, found, ids)
    return _extended(builder, traced, ids, [*outs, *moved])


def linearize(func: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """(func(*primals), the function from tangents of the primals to the tangent of the result).

    >>> import alight as torch
    >>> y, push = torch.func.linearize(torch.sin, torch.tensor(0.))
    >>> push(torch.tensor(3.))
    tensor(3.)
    """
    result = func(*primals)

    def push(*tangents: Any) -> Any:
        return jvp(func, primals, tangents)[1]

    return result, push
