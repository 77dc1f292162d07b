"""Random tensors drawn by rejection: torch.poisson, torch.binomial, and the draws that Gamma distributions stand on."""

from __future__ import annotations

from typing import Any

from alight.backends.base import backend_of
from alight.errors import not_implemented
from alight.ops.operation import function
from alight.ops.random import _engine
from alight.record.recorder import thread
from alight.tensor import Tensor, from_buffer


def _drawn(name: str, generator: Any, *parameters: Tensor) -> Tensor:
    from alight.backends.interpreter import rejection

    first = parameters[0]
    flat = [one.detach().contiguous().flush(name).reshape(-1) for one in parameters]
    values = getattr(rejection, name)(_engine(generator), *flat).reshape(first.shape)
    return from_buffer(backend_of(first.device).from_host(values, first.dtype), first.dtype)


@function()
def poisson(input: Tensor, generator: Any = None) -> Tensor:
    """Counts of events whose expected number each element of `input` gives, in its dtype and shape.

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

    >>> import alight as torch
    >>> torch.binomial(torch.tensor([5., 5.]), torch.tensor([0., 1.]))
    tensor([0., 5.])
    """
    import alight as torch

    count, prob = torch.broadcast_tensors(count, prob)
    return _drawn("binomial", generator, count, prob)


@function()
def _standard_gamma(self: Tensor, generator: Any = None) -> Tensor:
    """Gamma draws of rate one; no gradient flows to the concentration."""
    if self.requires_grad and thread.recorder.grad_enabled:
        not_implemented(
            "gradients through draws of Gamma, Beta, Dirichlet and StudentT",
            ".sample(), or log_prob(sample) * reward",
        )
    tiny = {"float64": 2.2250738585072014e-308}.get(self.dtype.name, 1.1754943508222875e-38)
    return _drawn("standard_gamma", generator, self).clamp(min=tiny)
