"""Random tensors drawn by rejection: torch.poisson, torch.binomial, and the draws that Gamma distributions stand on."""

from __future__ import annotations

from typing import Any

from alight import primitives as p
from alight.backends.base import backend_of
from alight.dtypes import finfo
from alight.errors import fail
from alight.ir.program import Value
from alight.ops.arguments import promoted, scalar_type_name
from alight.ops.operation import function, op
from alight.ops.random import _engine
from alight.primitives.arithmetic import fresh, put_back
from alight.primitives.draws import BetaDrawSlope, GammaDrawSlope
from alight.tensor import Tensor, from_buffer


def _drawn(name: str, generator: Any, *parameters: Tensor) -> Tensor:
    from alight.backends.interpreter import rejection

    first = parameters[0]
    arrays = [one.detach().contiguous().flush(name) for one in parameters]
    values = getattr(rejection, name)(_engine(generator), *arrays).reshape(first.shape)
    return from_buffer(backend_of(first.device).from_host(values, first.dtype), first.dtype)


@function()
def poisson(input: Tensor, generator: Any = None) -> Tensor:
    """Counts of events whose expected number each element of `input` gives, in its dtype and shape.

    Shapes: any, kept.

    >>> import alight as torch
    >>> torch.poisson(torch.zeros(2))
    tensor([0., 0.])

    Errors: RuntimeError for negative rates.
    """
    if bool((input < 0).any()):
        raise RuntimeError("invalid Poisson rate, expected rate to be non-negative")
    return _drawn("poisson", generator, input)


@function()
def binomial(count: Tensor, prob: Tensor, generator: Any = None) -> Tensor:
    """Successes among `count` trials of probability `prob`, in the dtype of `count`.

    Shapes: any that broadcast together.
    Errors: RuntimeError where shapes do not broadcast.

    >>> import alight as torch
    >>> torch.binomial(torch.tensor([5., 5.]), torch.tensor([0., 1.]))
    tensor([0., 5.])
    """
    import alight as torch

    count, prob = torch.broadcast_tensors(count, prob)
    return _drawn("binomial", generator, count, prob)


# -- gamma and Dirichlet draws -----------------------------------------------------------------------------------------


def _floating(name: str, parameter: Tensor) -> None:
    if not parameter.dtype.is_floating_point:
        fail(
            NotImplementedError,
            f"\"{name}\" not implemented for '{scalar_type_name(parameter.dtype)}'",
            try_="floating-point parameters: x.float()",
        )


@op(functions="")
def gamma_draw(concentration: Value, draw: Value) -> Value:
    """The draw, which moves with the concentration at its probability."""
    return fresh(draw)


@gamma_draw.vjp
def _(ct: Value, out: Value, concentration: Value, draw: Value) -> tuple[Value, None]:
    return ct * GammaDrawSlope(concentration, out), None


@function()
def _standard_gamma(self: Tensor, generator: Any = None) -> Tensor:
    """Gamma draws of rate one; gradients flow to the concentration by implicit reparametrisation."""
    _floating("gamma_cpu", self)
    made = _drawn("standard_gamma", generator, self).clamp(min=finfo(self.dtype).tiny)
    return gamma_draw(self, made)


@function()
def _standard_gamma_grad(self: Tensor, output: Tensor) -> Tensor:
    """How draws `output` move with their concentrations `self`: what `_standard_gamma` uses backward.

    >>> import alight as torch
    >>> torch._standard_gamma_grad(torch.tensor([1.]), torch.tensor([1.]))
    tensor([1.1736])
    """
    return gamma_draw_slope(self, output)


@op(functions="")
def gamma_draw_slope(concentration: Value, draw: Value) -> Value:
    """The slope itself."""
    return GammaDrawSlope(*promoted(concentration, draw))


@op(functions="")
def dirichlet_draw(concentration: Value, draw: Value) -> Value:
    """The draw; each part moves with its concentration at its probability, the others share the rest as before."""
    return fresh(draw)


@dirichlet_draw.vjp
def _(ct: Value, out: Value, concentration: Value, draw: Value) -> tuple[Value, None]:
    last = (out.ndim - 1,)
    total = put_back(p.Sum(concentration, axes=last), out.shape, last)
    mean = put_back(p.Sum(out * ct, axes=last), out.shape, last)
    return BetaDrawSlope(out, concentration, total) * (ct - mean), None


@function()
def _sample_dirichlet(self: Tensor, generator: Any = None) -> Tensor:
    """Dirichlet draws of the concentrations along the last dim; gradients flow to them."""
    _floating("dirichlet", self)
    limits = finfo(self.dtype)
    made = _drawn("dirichlet", generator, self).clamp(min=limits.tiny, max=1 - limits.eps / 2)
    return dirichlet_draw(self, made)


@op()
def _dirichlet_grad(x: Value, alpha: Value, total: Value) -> Value:
    """How draws x of Beta(alpha, total - alpha) move with alpha, over 1 - x: what `_sample_dirichlet` uses backward."""
    return BetaDrawSlope(*promoted(x, alpha, total))
