"""torch.special beside its rows in the operator database: names, gradients that PyTorch lacks, what has none, edges."""

from __future__ import annotations

import pytest
import torch

import alight
from tests.ops.rows import agree


def test_names() -> None:
    theirs = {name for name in torch.special.__all__ if not name.startswith("_")}
    assert theirs <= set(dir(alight.special))
    for name in theirs:
        assert callable(getattr(alight.special, name)) and getattr(alight.special, name).__doc__


PROGRAMS = [
    "torch.special.expit(v), torch.special.psi(x), torch.special.gammaln(x), torch.special.softmax(x, dim=0)",
    "torch.special.multigammaln(x + 2, 2), torch.special.round(v * 1.23, decimals=1)",
    "torch.i0(v), v.i0(), torch.special.i0(j)",
    "torch.igamma(x, x + 1), x.detach().igammac(x)",
    "y = v.detach().abs(); y.igamma_(torch.tensor(2.0)); y",
    "torch.special.gammainc(torch.tensor([0.0, 1.0, -1.0]), torch.tensor([0.0, 0.0, 1.0]))",
    "torch.special.zeta(torch.tensor([1.0, 2.0, 2.0, 2.5]), torch.tensor([1.0, 0.0, -1.5, -1.5]))",
    "torch.special.zeta(2, x), torch.special.zeta(torch.tensor(3.0), 2)",
    "torch.special.entr(torch.tensor([0.0, 1.0, -1.0, float('nan')]))",
    "torch.special.ndtri(torch.tensor([0.0, 0.5, 1.0, 2.0])), torch.special.log_ndtr(v)",
    "torch.special.xlog1py(0.0, v), torch.special.xlog1py(v, 2)",
    "torch.special.chebyshev_polynomial_t(v.detach(), 3), torch.special.legendre_polynomial_p(0.5, j)",
    "torch.special.hermite_polynomial_h(v.detach(), torch.tensor([-1.0, 0.0, 1.0, 5.0]))",
    "torch.special.i1(m)",
    "torch.special.entr(3.0)",
    "torch.igamma(i, i)",
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_as_in_pytorch(program: str) -> None:
    agree(program)


def test_polynomials_have_gradients() -> None:
    x = alight.tensor([0.3, -0.7], dtype=alight.float64, requires_grad=True)
    (gradient,) = alight.autograd.grad(
        alight.special.chebyshev_polynomial_t(x, 3).sum(), x, create_graph=True
    )
    assert alight.allclose(gradient, 12 * x * x - 3)  # T3 = 4 x^3 - 3 x
    (second,) = alight.autograd.grad(gradient.sum(), x)
    assert alight.allclose(second, 24 * x)


def test_bessel_functions_have_gradients() -> None:
    x = alight.tensor([0.3, 5.0], dtype=alight.float64, requires_grad=True)
    (gradient,) = alight.autograd.grad(alight.special.bessel_j0(x).sum(), x)
    assert alight.allclose(gradient, -alight.special.bessel_j1(x))


@pytest.mark.parametrize("library", [alight, torch], ids=["alight", "torch"])
@pytest.mark.parametrize("name", ["igamma", "special.zeta"])
def test_no_gradient_in_the_first_argument(library: object, name: str) -> None:
    function = library
    for part in name.split("."):
        function = getattr(function, part)
    a = library.tensor([2.0], requires_grad=True)  # type: ignore[attr-defined]
    result = function(a, library.tensor([3.0])).sum()  # type: ignore[attr-defined, operator]
    with pytest.raises(NotImplementedError, match=r"the derivative for '.*' is not implemented\."):
        result.backward()
