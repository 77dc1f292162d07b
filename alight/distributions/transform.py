"""Invertible changes of variables, with the logarithm of how much they stretch: the base of all, and chains of them."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import alight as torch
from alight.distributions import constraints
from alight.distributions.distribution import sum_rightmost

Tensor = torch.Tensor


class Transform:
    """An invertible map: `t(x)`, `t.inv(y)`, and `t.log_abs_det_jacobian(x, y)`.

    `domain` and `codomain` are the constraints of what goes in and comes out. Subclasses define
    _call, _inverse and log_abs_det_jacobian.

    >>> import alight as torch
    >>> t = torch.distributions.transforms.ExpTransform()
    >>> t(torch.tensor(0.0)), t.inv(torch.tensor(1.0))
    (tensor(1.), tensor(0.))
    """

    domain: Any = constraints.real
    codomain: Any = constraints.real
    bijective = True
    sign: Any = 1

    def __init__(self, cache_size: int = 0) -> None:
        self._cache_size = cache_size
        self._seen: tuple[Any, Any] = (None, None)

    def __call__(self, x: Tensor) -> Tensor:
        y = self._call(x)
        if self._cache_size:
            self._seen = (x, y)
        return y

    def __eq__(self, other: object) -> bool:
        """The same change of variables: of the same class, with the same settings."""
        return type(self) is type(other) and self._settings() == other._settings()  # type: ignore[attr-defined]

    __hash__ = None  # type: ignore[assignment]

    def _settings(self) -> dict[str, Any]:
        apart = ("_seen", "_cache_size", "domain", "codomain")
        kept = {name: one for name, one in self.__dict__.items() if name not in apart}
        return {
            name: one.tolist() if isinstance(one, Tensor) else one for name, one in kept.items()
        }

    def with_cache(self, cache_size: int = 1) -> Transform:
        """The same transform, which remembers its last result if cache_size is 1.

        >>> import alight as torch
        >>> torch.distributions.ExpTransform().with_cache()
        ExpTransform()
        """
        if cache_size == self._cache_size:
            return self
        copied = copy.copy(self)
        copied._cache_size, copied._seen = cache_size, (None, None)
        return copied

    @property
    def inv(self) -> Transform:
        """The inverse transform."""
        return _Inverse(self)

    def inverse(self, y: Tensor) -> Tensor:
        """The x that the transform takes to `y`; with a cache the very x, if `y` is the last result.

        >>> import alight as torch
        >>> torch.distributions.ExpTransform().inverse(torch.tensor(1.0))
        tensor(0.)
        """
        return self._seen[0] if self._seen[1] is y else self._inverse(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """log |dy / dx|, of the shape of the events.

        >>> import alight as torch
        >>> t = torch.distributions.transforms.ExpTransform()
        >>> x = torch.tensor(2.0)
        >>> t.log_abs_det_jacobian(x, t(x))
        tensor(2.)
        """
        raise NotImplementedError

    def _call(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def _inverse(self, y: Tensor) -> Tensor:
        raise NotImplementedError

    def forward_shape(self, shape: Sequence[int]) -> Any:
        """Shape of the result for an argument of `shape`.

        >>> import alight as torch
        >>> torch.distributions.transforms.ExpTransform().forward_shape((2, 3))
        (2, 3)
        """
        return shape

    def inverse_shape(self, shape: Sequence[int]) -> Any:
        """Shape of the argument for a result of `shape`.

        >>> import alight as torch
        >>> torch.distributions.transforms.ExpTransform().inverse_shape((2, 3))
        (2, 3)
        """
        return shape

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class _Inverse(Transform):
    """A transform the other way round."""

    def __init__(self, transform: Transform) -> None:
        super().__init__()
        self._transform = transform
        self.domain, self.codomain = transform.codomain, transform.domain
        self.sign, self.bijective = transform.sign, transform.bijective

    @property
    def inv(self) -> Transform:
        """The transform that this is the inverse of."""
        return self._transform

    def __call__(self, x: Tensor) -> Tensor:
        return self._transform.inverse(x)

    def inverse(self, y: Tensor) -> Tensor:
        """The transform itself."""
        return self._transform(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """-log |dx / dy| of the transform."""
        return -self._transform.log_abs_det_jacobian(y, x)

    def forward_shape(self, shape: Sequence[int]) -> Any:
        """The transform's inverse_shape."""
        return self._transform.inverse_shape(shape)

    def inverse_shape(self, shape: Sequence[int]) -> Any:
        """The transform's forward_shape."""
        return self._transform.forward_shape(shape)

    def with_cache(self, cache_size: int = 1) -> Transform:
        """The inverse of the transform with a cache."""
        return self._transform.with_cache(cache_size).inv

    def __repr__(self) -> str:
        return f"_InverseTransform({self._transform!r})"


class ComposeTransform(Transform):
    """One transform after the other.

    >>> import alight as torch
    >>> from alight.distributions.transforms import AffineTransform, ComposeTransform, ExpTransform
    >>> ComposeTransform([AffineTransform(1.0, 2.0), ExpTransform()])(torch.tensor(-0.5))
    tensor(1.)
    """

    def __init__(self, parts: Sequence[Transform], cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.parts = list(parts)

    @property
    def domain(self) -> Any:  # type: ignore[override]
        """Where the first part takes its arguments from, an event as large as any part needs it."""
        if not self.parts:
            return constraints.real
        event = self.parts[-1].codomain.event_dim
        for part in reversed(self.parts):
            change = part.domain.event_dim - part.codomain.event_dim
            event = max(event + change, part.domain.event_dim)
        return _with_event(self.parts[0].domain, event)

    @property
    def codomain(self) -> Any:  # type: ignore[override]
        """Where the last part leads, an event as large as any part makes it."""
        if not self.parts:
            return constraints.real
        event = self.parts[0].domain.event_dim
        for part in self.parts:
            change = part.codomain.event_dim - part.domain.event_dim
            event = max(event + change, part.codomain.event_dim)
        return _with_event(self.parts[-1].codomain, event)

    @property
    def bijective(self) -> bool:  # type: ignore[override]
        """Whether all parts are."""
        return all(part.bijective for part in self.parts)

    @property
    def sign(self) -> Any:  # type: ignore[override]
        """Product of the parts' signs."""
        return math.prod(part.sign for part in self.parts)

    def _call(self, x: Tensor) -> Tensor:
        for part in self.parts:
            x = part(x)
        return x

    def _inverse(self, y: Tensor) -> Tensor:
        for part in reversed(self.parts):
            y = part.inverse(y)
        return y

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Sum over the parts."""
        if not self.parts:
            return torch.zeros_like(x)
        event, total = self.domain.event_dim, None
        for i, part in enumerate(self.parts):
            out = y if i == len(self.parts) - 1 else part(x)
            term = part.log_abs_det_jacobian(x, out)
            term = sum_rightmost(term, event - part.domain.event_dim)
            total = term if total is None else total + term
            event += part.codomain.event_dim - part.domain.event_dim
            x = out
        assert total is not None
        return total

    def forward_shape(self, shape: Sequence[int]) -> Any:
        """Shape of the result for an argument of `shape`."""
        for part in self.parts:
            shape = part.forward_shape(shape)
        return shape

    def inverse_shape(self, shape: Sequence[int]) -> Any:
        """Shape of the argument for a result of `shape`."""
        for part in reversed(self.parts):
            shape = part.inverse_shape(shape)
        return shape

    def __repr__(self) -> str:
        inner = ",\n    ".join(repr(part) for part in self.parts)
        return f"{type(self).__name__}(\n    {inner}\n)"


def _with_event(constraint: Any, event_dim: int) -> Any:
    more = event_dim - constraint.event_dim
    return constraints.independent(constraint, more) if more else constraint


class IndependentTransform(Transform):
    """A transform whose last `reinterpreted_batch_ndims` dimensions make up one event.

    >>> import alight as torch
    >>> d = torch.distributions
    >>> t = d.IndependentTransform(d.ExpTransform(), 1)
    >>> t.log_abs_det_jacobian(torch.ones(3), torch.ones(3))
    tensor(3.)
    """

    def __init__(
        self, base_transform: Transform, reinterpreted_batch_ndims: int, cache_size: int = 0
    ) -> None:
        super().__init__(cache_size)
        self.base_transform = base_transform
        self.reinterpreted_batch_ndims = reinterpreted_batch_ndims
        n = reinterpreted_batch_ndims
        self.domain = constraints.independent(base_transform.domain, n)
        self.codomain = constraints.independent(base_transform.codomain, n)

    @property
    def bijective(self) -> bool:  # type: ignore[override]
        """As the base."""
        return self.base_transform.bijective

    @property
    def sign(self) -> Any:  # type: ignore[override]
        """As the base's."""
        return self.base_transform.sign

    def _call(self, x: Tensor) -> Tensor:
        if x.dim() < self.domain.event_dim:
            raise ValueError("Too few dimensions on input")
        return self.base_transform(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return self.base_transform.inverse(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """The base's, summed over the event."""
        found = self.base_transform.log_abs_det_jacobian(x, y)
        return sum_rightmost(found, self.reinterpreted_batch_ndims)

    def forward_shape(self, shape: Sequence[int]) -> Any:
        """The base's."""
        return self.base_transform.forward_shape(shape)

    def inverse_shape(self, shape: Sequence[int]) -> Any:
        """The base's."""
        return self.base_transform.inverse_shape(shape)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_transform!r}, {self.reinterpreted_batch_ndims})"


identity_transform = ComposeTransform([])
