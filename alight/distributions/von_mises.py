"""The von Mises distribution: angles around a direction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import alight as torch
from alight.distributions import constraints
from alight.distributions.distribution import Centred, broadcast_all

Tensor = torch.Tensor

# Abramowitz and Stegun, 9.8.1 to 9.8.4: I0 and I1 below 3.75 in (x / 3.75)**2, and above it in 3.75 / x.
_BELOW = (
    (1.0, 3.5156229, 3.0899424, 1.2067492, 0.2659732, 0.0360768, 0.0045813),
    (0.5, 0.87890594, 0.51498869, 0.15084934, 0.02658733, 0.00301532, 0.00032411),
)
_ABOVE = (
    (0.39894228, 0.01328592, 0.00225319, -0.00157565, 0.00916281, -0.02057706, 0.02635537, -0.01647633, 0.00392377),
    (0.39894228, -0.03988024, -0.00362018, 0.00163801, -0.01031555, 0.02282967, -0.02895312, 0.01787654, -0.00420059),
)  # fmt: skip


def _polynomial(coefficients: Sequence[float], x: Tensor) -> Tensor:
    found: Any = coefficients[-1]
    for one in reversed(coefficients[:-1]):
        found = one + x * found
    return found


def log_bessel(x: Tensor, order: int = 0) -> Tensor:
    """log I0(x), or log I1(x), for positive x, of any shape.

    >>> import alight as torch
    >>> log_bessel(torch.tensor(1.0))
    tensor(0.2359)
    """
    below = _polynomial(_BELOW[order], (x / 3.75) ** 2)
    below = (x.abs() * below if order else below).log()
    above = x - 0.5 * x.log() + _polynomial(_ABOVE[order], 3.75 / x).log()
    return torch.where(x < 3.75, below, above)


class VonMises(Centred):
    """An angle around `loc`, in radians; the larger the `concentration`, the nearer.

    Draws lie between -pi and pi.

    >>> import alight as torch
    >>> torch.distributions.VonMises(0.0, 1.0).log_prob(torch.tensor([0.0, 3.1416]))
    tensor([-1.0738, -3.0738])
    """

    arg_constraints: ClassVar[Any] = {
        "loc": constraints.real,
        "concentration": constraints.positive,
    }
    support = constraints.real

    def __init__(self, loc: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self.loc, self.concentration = broadcast_all(loc, concentration)
        super().__init__(self.loc.shape, validate_args=validate_args)

    @property
    def variance(self) -> Tensor:
        """The circular variance: 1 - I1(concentration) / I0(concentration)."""
        return 1 - (log_bessel(self.concentration, 1) - log_bessel(self.concentration)).exp()

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the density."""
        if self._validate_args:
            self._validate_sample(value)
        nearness = self.concentration * torch.cos(value - self.loc)
        return nearness - math.log(2 * math.pi) - log_bessel(self.concentration)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """By rejection from a wrapped Cauchy distribution, in float64 (Best and Fisher, 1979)."""
        with torch.no_grad():
            loc, kappa = self.loc.double(), self.concentration.double()
            tau = 1 + (1 + 4 * kappa**2).sqrt()
            rho = (tau - (2 * tau).sqrt()) / (2 * kappa)
            r = torch.where(kappa < 1e-5, 1 / kappa + kappa, (1 + rho**2) / (2 * rho))
            shape = self._extended_shape(sample_shape)
            x, done = torch.zeros(shape, dtype=torch.float64), torch.zeros(shape, dtype=torch.bool)
            while not done.all():
                u, tested, side = torch.rand((3, *shape), dtype=torch.float64).unbind()
                z = torch.cos(math.pi * u)
                f = (1 + r * z) / (r + z)
                c = kappa * (r - f)
                accepted = ((c * (2 - c) - tested) > 0) | ((c / tested).log() + 1 - c >= 0)
                x = torch.where(accepted, (side - 0.5).sign() * f.acos(), x)
                done = done | accepted
            return ((x + math.pi + loc) % (2 * math.pi) - math.pi).to(self.loc.dtype)
