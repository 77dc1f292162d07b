"""Random tensors. The numbers are drawn at the call, from the generator's stream, so recording never moves them.

In: a shape, or a tensor to fill. Out: tensors whose elements are at hand. Element order is memory order.
"""

from __future__ import annotations

import math
from math import prod
from typing import Any

from alight import primitives as p
from alight.autograd.modes import no_grad
from alight.backends.base import backend_of
from alight.dtypes import WIDE_UNSIGNED, category, float32, int64
from alight.dtypes import dtype as Dtype
from alight.errors import fail
from alight.ir.program import Value
from alight.ops.arguments import as_dtype, scalar_type_name
from alight.ops.creation import default_dtype, resolve_device
from alight.ops.operation import function, op
from alight.ops.out import write_out
from alight.ops.sizes import (
    check_tensor,
    is_sequence_of_ints,
    is_whole,
    refuse_combination,
    shape_from,
    shape_given,
    whole_number,
)
from alight.ops.unsigned import refuse, refuse_tensor
from alight.primitives.arithmetic import zeros_like
from alight.record.meta import contiguous_strides
from alight.record.recorder import thread
from alight.tensor import Tensor, from_buffer

Draw = Any
Tensors = Any


_distributions: Any = None  # what fills arrays, once something is drawn
_default: Any = None  # the generator that nobody names


def _fills() -> Any:
    global _distributions
    if _distributions is None:
        from alight.backends.interpreter import distributions as _distributions
    return _distributions


def _engine(generator: Any) -> Any:
    global _default
    if generator is None:
        if _default is None:
            from alight.random import default_generator as _default
        generator = _default
    return generator.engine


def _made(
    shape: tuple[int, ...], of: Dtype, draw: Draw, device: Any, requires_grad: bool, out: Any = None
) -> Tensor:
    """A tensor of what `draw(count)` gives, or `out` filled with it."""
    where = resolve_device(device)
    recorder = thread.recorder
    if recorder.transforming:
        made = recorder.random(
            shape, lambda shape: from_buffer(draw(prod(shape)).reshape(shape), of, where)
        )
    else:
        drawn = draw(prod(shape))
        made = from_buffer(drawn if len(shape) == 1 else drawn.reshape(shape), of, where)
    if out is not None:
        return write_out(out, made)
    return made.requires_grad_() if requires_grad else made


def fill(tensor: Tensor, draw: Draw) -> Tensor:
    """Write what `draw(count)` gives into a tensor, in the order of its memory."""
    meta = tensor._meta
    if thread.recorder.grad_enabled and meta.requires_grad and meta.leaf:
        fail(
            RuntimeError,
            "a leaf Variable that requires grad is being used in an in-place operation.",
            try_="with torch.no_grad(): around it, or tensor.data",
        )
    if meta.device.type == "meta":  # nothing to fill, and nothing taken from the stream
        return tensor
    if thread.recorder.transforming:
        made = thread.recorder.random(
            meta.shape,
            lambda shape: from_buffer(draw(prod(shape)).reshape(shape), meta.dtype, meta.device),
        )
        return tensor.copy_(made)
    values = draw(meta.type.size)
    if meta.strides is not None and meta.strides != contiguous_strides(meta.shape):
        strides = meta.strides
        order = sorted(range(len(meta.shape)), key=lambda i: (-strides[i], i))
        values = values.reshape([meta.shape[i] for i in order])
        values = values.transpose([order.index(i) for i in range(len(order))])
    values = values.reshape(meta.shape)
    plain = tensor._base is None and not tensor._views and not tensor._shared and tensor._slot < 0
    if plain and tensor._history is None:
        tensor._buffer = backend_of(meta.device).copy(values)
        tensor._writes += 1
        return tensor
    return tensor.copy_(from_buffer(values.copy(), meta.dtype, meta.device))


# -- new tensors -----------------------------------------------------------------------------------------------------------


@function()
def rand(
    *size: Any, generator: Any = None, dtype: Dtype | None = None, device: Any = None, requires_grad: bool = False,
    out: Any = None, layout: Any = None, pin_memory: bool = False, **given: Any,
) -> Tensor:  # fmt: skip
    """Numbers evenly spread over [0, 1).

    Shapes: `size`, as numbers or as one sequence.
    Errors: RuntimeError for a negative extent.

    >>> import alight as torch
    >>> torch.rand(2, generator=torch.Generator().manual_seed(0))
    tensor([0.4963, 0.7682])
    """
    of = as_dtype("rand", dtype) or default_dtype()
    engine = _engine(generator)
    return _made(
        shape_given("rand", size, given),
        of,
        lambda n: _uniform(engine, n, of, 0.0, 1.0),
        device,
        requires_grad,
        out,
    )


def _uniform(engine: Any, n: int, of: Dtype, low: float, high: float) -> Any:
    if of is float32:
        return _fills().uniform(engine, n, of, low, high)
    if category(of) < 2:
        fail(
            NotImplementedError,
            f"\"check_uniform_bounds\" not implemented for '{scalar_type_name(of)}'",
        )
    if of.is_complex:
        real = _fills().uniform(engine, 2 * n, of.to_real(), low, high)
        return real[0::2] + 1j * real[1::2]
    return _fills().uniform(engine, n, of, low, high)


def _normal(
    engine: Any, n: int, of: Dtype, mean: float, std: float, contiguous: bool = True
) -> Any:
    if category(of) < 2:
        fail(
            NotImplementedError,
            f"\"normal_kernel_cpu\" not implemented for '{scalar_type_name(of)}'",
        )
    if std < 0:
        fail(RuntimeError, f"normal expects std >= 0.0, but found std {std:g}")
    if of is float32 and contiguous and 16 <= n <= 1 << 14:
        from alight.ops.normal_blocks import count_draw

        count_draw(n)
    return _fills().normal(engine, n, of, mean, std, contiguous)


@function()
def randn(
    *size: Any, generator: Any = None, dtype: Dtype | None = None, device: Any = None, requires_grad: bool = False,
    out: Any = None, layout: Any = None, pin_memory: bool = False, **given: Any,
) -> Tensor:  # fmt: skip
    """Numbers with the standard normal distribution.

    Shapes: `size`, as numbers or as one sequence.
    Errors: RuntimeError for a negative extent.

    >>> import alight as torch
    >>> torch.randn(2, generator=torch.Generator().manual_seed(0))
    tensor([ 1.5410, -0.2934])
    """
    of = as_dtype("randn", dtype) or default_dtype()
    engine = _engine(generator)
    return _made(
        shape_given("randn", size, given),
        of,
        lambda n: _normal(engine, n, of, 0.0, 1.0),
        device,
        requires_grad,
        out,
    )


@function()
def randint(
    low: Any = None, high: Any = None, size: Any = None, *, generator: Any = None, dtype: Dtype | None = None,
    device: Any = None, requires_grad: bool = False, out: Any = None, layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Whole numbers from low (0 if left out) up to, but without, high.

    Shapes: `size`, one sequence.
    Errors: RuntimeError where low is not below high.

    >>> import alight as torch
    >>> torch.randint(0, 10, (4,), generator=torch.Generator().manual_seed(0))
    tensor([4, 9, 3, 0])
    """
    low, high, shape = _bounds(low, high, size)
    if low >= high:
        fail(
            RuntimeError,
            f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}",
            try_="randint(low, high, shape) with low < high; high itself is never drawn",
        )
    engine, of = _engine(generator), as_dtype("randint", dtype) or int64
    return _made(
        shape,
        of,
        lambda n: _fills().integers(engine, n, low, high, of),
        device,
        requires_grad,
        out,
    )


def _bounds(low: Any, high: Any, size: Any) -> tuple[int, int, tuple[int, ...]]:
    """What randint(high, size) and randint(low, high, size) say, by position or keyword."""
    forms = ("randint(high, size)", "randint(low, high, size)")
    if size is None and low is not None and high is not None:
        return (
            0,
            whole_number("randint", "high", 1, low),
            shape_from("randint", high, 2, facts=forms),
        )
    if size is not None and (low is None) != (high is None):
        above = low if high is None else high
        return (
            0,
            whole_number("randint", "high", 1, above),
            shape_from("randint", size, 2, facts=forms),
        )
    given = [one for one in (low, high, size) if one is not None]
    if len(given) < 3 or not (is_whole(low) and is_whole(high) and is_sequence_of_ints(size)):
        refuse_combination("randint", *given, forms=forms)
    return int(low), int(high), shape_from("randint", size, 3)


@function()
def randperm(
    n: int, *, generator: Any = None, dtype: Dtype = int64, device: Any = None, requires_grad: bool = False,
    out: Any = None, layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """0 to n - 1 in random order.

    Shapes: (n,).
    Errors: RuntimeError for negative n.

    >>> import alight as torch
    >>> _ = torch.manual_seed(0)
    >>> torch.randperm(4)
    tensor([0, 1, 3, 2])
    """
    n = whole_number("randperm", "n", 1, n)
    if n < 0:
        fail(RuntimeError, f"Trying to create tensor with negative dimension {n}: [{n}]")
    if dtype in WIDE_UNSIGNED:
        refuse("randperm", dtype)
    engine = _engine(generator)
    made = _made((n,), int64, lambda count: _fills().permutation(engine, count), device, False, out)
    return made if dtype is int64 else made.to(dtype)


@function()
def normal(
    mean: Any, std: Any = 1.0, size: Any = None, *, generator: Any = None, dtype: Dtype | None = None,
    device: Any = None, requires_grad: bool = False, out: Any = None, layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Normal numbers with these means and standard deviations: numbers with a size, or tensors.

    Shapes: `size`, or that to which mean and std broadcast.
    Errors: RuntimeError for a negative std.

    >>> import alight as torch
    >>> torch.normal(0, 0.01, (2, 3)).shape
    torch.Size([2, 3])
    """
    engine = _engine(generator)
    _check_normal(mean, std, size)
    if size is not None:
        of, shape = as_dtype("normal", dtype) or default_dtype(), shape_from("normal", size, 3)
        return _made(
            shape,
            of,
            lambda n: _normal(engine, n, of, float(mean), float(std)),
            device,
            requires_grad,
            out,
        )
    like = mean if isinstance(mean, Tensor) else std
    of, shape = like.dtype, like._meta.shape
    if isinstance(mean, Tensor) and isinstance(std, Tensor):
        shape = (mean + std)._meta.shape
    made = _made(shape, of, lambda n: _normal(engine, n, of, 0.0, 1.0), None, False)
    with no_grad():
        made = made * std + mean
    number = isinstance(mean, Tensor) + 2 * isinstance(std, Tensor)
    parameters = [one for one in (mean, std) if isinstance(one, Tensor)]
    made = _drawn(made, parameters, f"NormalBackward{number}")
    return made if out is None else write_out(out, made)


def _check_normal(mean: Any, std: Any, size: Any) -> None:
    """A TypeError for what is neither two numbers and a size nor a tensor or two."""
    tensors = isinstance(mean, Tensor) or isinstance(std, Tensor)
    if tensors if size is not None else not tensors:
        given = (mean, std) if size is None else (mean, std, size)
        refuse_combination(
            "normal", *given,
            forms=("normal(mean, std), of tensors", "normal(mean, std, size), of numbers"),
        )  # fmt: skip
    if size is not None and not is_sequence_of_ints(size):
        refuse_combination("normal", mean, std, size, forms=("normal(mean, std, size)",))


@op(functions="")
def _drawn(input: Value, parameters: Tensors, maker: str) -> Value:
    """Numbers that depend on parameters as PyTorch sees it: their gradient is zero."""
    return p.Reshape(input, shape=input.shape)


@_drawn.vjp
def _(
    ct: Value, out: Value, input: Value, parameters: Tensors, maker: str
) -> tuple[Value | None, ...]:
    return None, *(zeros_like(one) for one in parameters)


@function()
def rand_like(
    input: Tensor,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    generator: Any = None,
    layout: Any = None,
    pin_memory: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """`rand` in the shape and dtype of `input`.

    >>> import alight as torch
    >>> _ = torch.manual_seed(0)
    >>> torch.rand_like(torch.ones(2))
    tensor([0.4963, 0.7682])
    """
    check_tensor("rand_like", input)
    return rand(
        input.shape,
        generator=generator,
        dtype=as_dtype("rand_like", dtype) or input.dtype,
        device=device or input.device,
        requires_grad=requires_grad,
    )


@function()
def randn_like(
    input: Tensor,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    generator: Any = None,
    layout: Any = None,
    pin_memory: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """`randn` in the shape and dtype of `input`.

    >>> import alight as torch
    >>> _ = torch.manual_seed(0)
    >>> torch.randn_like(torch.ones(2))
    tensor([ 1.5410, -0.2934])
    """
    check_tensor("randn_like", input)
    return randn(
        input.shape,
        generator=generator,
        dtype=as_dtype("randn_like", dtype) or input.dtype,
        device=device or input.device,
        requires_grad=requires_grad,
    )


@function()
def randint_like(
    input: Tensor, low: Any = None, high: Any = None, *, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """`randint` in the shape and dtype of `input`: randint_like(x, high) or randint_like(x, low, high).

    Errors: TypeError without a bound, RuntimeError where low is not below high.

    >>> import alight as torch
    >>> _ = torch.manual_seed(0)
    >>> torch.randint_like(torch.ones(3), 10)
    tensor([4., 9., 3.])
    """
    check_tensor("randint_like", input)
    given = [one for one in (low, high) if one is not None]
    if not given or not all(map(is_whole, given)):
        forms = ("randint_like(input, high)", "randint_like(input, low, high)")
        refuse_combination("randint_like", input, *given, forms=forms)
    low, high = (0, low) if high is None else (low or 0, high)
    of = as_dtype("randint_like", dtype) or input.dtype
    return randint(
        low, high, input.shape, dtype=of, device=device or input.device, requires_grad=requires_grad
    )


@function(methods="bernoulli")
def bernoulli(input: Tensor, p: Any = None, *, generator: Any = None, out: Any = None) -> Tensor:
    """1 with the probability that each element of `input` gives (or `p`), else 0, in the dtype of `input`.

    Shapes: any, kept.
    Errors: RuntimeError for probabilities outside [0, 1].

    >>> import alight as torch
    >>> _ = torch.manual_seed(0)
    >>> torch.bernoulli(torch.tensor([0., 0.5, 1.]))
    tensor([0., 0., 1.])
    """
    refuse_tensor("bernoulli_tensor_cpu_self_", input)
    made = input.detach().clone()
    made = made.bernoulli_(input if p is None else p, generator=generator)
    made = _drawn(made, [input], "BernoulliBackward0") if input.requires_grad else made
    return made if out is None else write_out(out, made, "any", (input,))


@function(methods="multinomial")
def multinomial(
    input: Tensor,
    num_samples: int,
    replacement: bool = False,
    *,
    generator: Any = None,
    out: Any = None,
) -> Tensor:
    """Places drawn in proportion to the weights in each row of `input`.

    Shapes: (n,) gives (num_samples,), (m, n) gives (m, num_samples).
    Errors: RuntimeError for other ranks, for dtypes that are not floating point, for weights that
    make no distribution, and for more samples than weights without replacement.

    >>> import alight as torch
    >>> _ = torch.manual_seed(0)
    >>> torch.multinomial(torch.tensor([0., 3., 1.]), 2)
    tensor([1, 2])
    """
    num_samples = whole_number("multinomial", "num_samples", 2, num_samples)
    if input.ndim not in (1, 2):
        fail(RuntimeError, "prob_dist must be 1 or 2 dim")
    if category(input.dtype) != 2:
        fail(
            RuntimeError,
            f"multinomial only supports floating-point dtypes for input, got: {scalar_type_name(input.dtype)}",
        )
    if out is not None and out.dtype is not int64:
        fail(
            RuntimeError, f"multinomial expects Long tensor out, got: {scalar_type_name(out.dtype)}"
        )
    if input.shape[-1] > 2**24:
        fail(RuntimeError, "number of categories cannot exceed 2^24")
    if num_samples <= 0:
        fail(RuntimeError, "cannot sample n_sample <= 0 samples")
    if not replacement and num_samples > input.shape[-1]:
        fail(
            RuntimeError,
            "cannot sample n_sample > prob_dist.size(-1) samples without replacement",
            facts=[f"{num_samples} draws from {input.shape[-1]} places"],
            try_="replacement=True",
        )
    weights = input.flush("multinomial")
    _check_weights(weights, replacement)
    drawn = _fills().multinomial(_engine(generator), weights, input.dtype, num_samples, replacement)
    made = from_buffer(drawn, int64, input.device)
    return made if out is None else write_out(out, made)


def _check_weights(weights: Any, replacement: bool) -> None:
    """PyTorch's errors for what is no distribution; with replacement it names the first entry that is wrong."""
    finite = (weights >= 0) & (weights < math.inf)
    if not finite.all():
        if not replacement:
            fail(RuntimeError, "probability tensor contains either `inf`, `nan` or element < 0")
        what = "< 0" if weights[~finite][0] < 0 else "= infinity or NaN"
        fail(
            RuntimeError,
            f"invalid multinomial distribution (encountering probability entry {what})",
        )
    if not (weights.sum(-1) > 0).all():
        fail(
            RuntimeError,
            "invalid multinomial distribution (sum of probabilities <= 0)",
            try_="weights of which one at least is positive in each row: softmax(scores, -1)",
        )
