"""Transforms from all real numbers to where a constraint is met: `biject_to`, which can be inverted, and `transform_to`.

>>> import alight as torch
>>> from alight.distributions import constraints, transform_to
>>> transform_to(constraints.positive)(torch.tensor(0.0))
tensor(1.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from alight.distributions import constraints, transforms


class ConstraintRegistry:
    """For each class of constraints a function that makes the transform to such a constraint.

    NotImplementedError for a constraint of a class that is not registered.

    >>> from alight.distributions import constraints, transforms
    >>> registry = ConstraintRegistry()
    >>> made = registry.register(constraints.positive, lambda constraint: transforms.ExpTransform())
    >>> registry(constraints.positive)
    ExpTransform()
    """

    def __init__(self) -> None:
        self._registry: dict[type, Callable[[Any], transforms.Transform]] = {}

    def register(self, constraint: Any, factory: Any = None) -> Any:
        """Say how to make transforms to a class of constraints, or to that of one constraint.

        Without a factory it gives a decorator. TypeError for what is no constraint.

        >>> from alight.distributions import constraints, transforms
        >>> registry = ConstraintRegistry()
        >>> @registry.register(constraints.positive)
        ... def make(constraint):
        ...     return transforms.SoftplusTransform()
        >>> registry(constraints.positive)
        SoftplusTransform()
        """
        if factory is None:
            return lambda factory: self.register(constraint, factory)
        if isinstance(constraint, constraints.Constraint):
            constraint = type(constraint)
        if not isinstance(constraint, type) or not issubclass(constraint, constraints.Constraint):
            raise TypeError(
                f"Expected constraint to be either a Constraint subclass or instance, but got {constraint}"
            )
        self._registry[constraint] = factory
        return factory

    def __call__(self, constraint: Any) -> transforms.Transform:
        factory = self._registry.get(type(constraint))
        if factory is None:
            raise NotImplementedError(f"Cannot transform {type(constraint).__name__} constraints")
        return factory(constraint)


biject_to = ConstraintRegistry()
transform_to = ConstraintRegistry()


def _both(*kinds: Any) -> Callable[[Any], Any]:
    """Register a function in both registries."""

    def decorate(factory: Any) -> Any:
        for kind in kinds:
            biject_to.register(kind, factory), transform_to.register(kind, factory)
        return factory

    return decorate


@_both(constraints.real)
def _real(constraint: Any) -> transforms.Transform:
    return transforms.identity_transform


@_both(constraints.greater_than, constraints.greater_than_eq)
def _above(constraint: Any) -> transforms.Transform:
    return transforms.ComposeTransform(
        [transforms.ExpTransform(), transforms.AffineTransform(constraint.lower_bound, 1)]
    )


@_both(constraints.less_than)
def _below(constraint: Any) -> transforms.Transform:
    return transforms.ComposeTransform(
        [transforms.ExpTransform(), transforms.AffineTransform(constraint.upper_bound, -1)]
    )


@_both(constraints.interval, constraints.half_open_interval)
def _between(constraint: Any) -> transforms.Transform:
    low, high = constraint.lower_bound, constraint.upper_bound
    if isinstance(low, (int, float)) and isinstance(high, (int, float)) and (low, high) == (0, 1):
        return transforms.SigmoidTransform()
    return transforms.ComposeTransform(
        [transforms.SigmoidTransform(), transforms.AffineTransform(low, high - low)]
    )


@_both(constraints.corr_cholesky)
def _correlations(constraint: Any) -> transforms.Transform:
    return transforms.CorrCholeskyTransform()


def _register_compound(registry: ConstraintRegistry) -> None:
    """Constraints made of constraints, whose parts are looked up in the same registry."""

    @registry.register(constraints.independent)
    def _independent(constraint: Any) -> transforms.Transform:
        base = registry(constraint.base_constraint)
        return transforms.IndependentTransform(base, constraint.reinterpreted_batch_ndims)

    @registry.register(constraints.cat)
    def _cat(constraint: Any) -> transforms.Transform:
        parts = [registry(one) for one in constraint.cseq]
        return transforms.CatTransform(parts, constraint.dim, constraint.lengths)

    @registry.register(constraints.stack)
    def _stack(constraint: Any) -> transforms.Transform:
        return transforms.StackTransform([registry(one) for one in constraint.cseq], constraint.dim)


_register_compound(biject_to)
_register_compound(transform_to)
biject_to.register(constraints.simplex, lambda constraint: transforms.StickBreakingTransform())
transform_to.register(constraints.simplex, lambda constraint: transforms.SoftmaxTransform())
transform_to.register(
    constraints.lower_cholesky, lambda constraint: transforms.LowerCholeskyTransform()
)
for _kind in (constraints.positive_definite, constraints.positive_semidefinite):
    transform_to.register(_kind, lambda constraint: transforms.PositiveDefiniteTransform())


def __dir__() -> list[str]:
    return list(__all__)


__all__ = [
    "ConstraintRegistry",
    "biject_to",
    "transform_to",
]
