"""Special functions in the neutral scalar language, so that every backend has them."""

from __future__ import annotations

from typing import Any

from alight.errors import not_implemented


def erf(b: Any, x: Any) -> Any:
    """Error function."""
    not_implemented("erf", "tanh")


def erfinv(b: Any, x: Any) -> Any:
    """Inverse error function."""
    not_implemented("erfinv", "atanh")


def lgamma(b: Any, x: Any) -> Any:
    """Log-gamma."""
    not_implemented("lgamma", "log")


def digamma(b: Any, x: Any) -> Any:
    """Derivative of lgamma."""
    not_implemented("digamma", "log")
