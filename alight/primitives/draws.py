"""How draws move with the parameters of their distribution: implicit reparametrisation, found by a backend by name.

A draw x of distribution function F(x; a) is kept at its probability while a changes, so that dx/da = -(dF/da) / density
(Figurnov, Mohamed and Mnih, "Implicit Reparameterization Gradients", 2018). No second derivative is known.
"""

from __future__ import annotations

from typing import Any

from alight.dtypes import FLOAT
from alight.errors import fail
from alight.ir.primitive import OPAQUE, Primitive, same_type
from alight.ir.program import Value


def _no_second_derivative(name: str) -> None:
    fail(
        NotImplementedError,
        f"the derivative for '{name}' is not implemented.",
        try_="create_graph=False, or draws of Normal or LogNormal",
    )


class GammaDrawSlope(Primitive):
    """dx/da of a draw x of the gamma distribution of concentration a and rate 1."""

    kind, accepts = OPAQUE, FLOAT
    infer: Any = same_type

    def vjp(ct: Value, out: Value, a: Value, x: Value) -> Any:
        _no_second_derivative("_standard_gamma_grad")


class BetaDrawSlope(Primitive):
    """dx/da / (1 - x) of a draw x of the beta distribution of concentrations a and total - a, the second held fast."""

    kind, accepts = OPAQUE, FLOAT
    infer: Any = same_type

    def vjp(ct: Value, out: Value, x: Value, a: Value, total: Value) -> Any:
        _no_second_derivative("_dirichlet_grad")
