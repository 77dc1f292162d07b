"""What all distributions have: shapes, checks of arguments, and the names of what they can say of themselves."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any, ClassVar

import alight as torch
from alight.distributions import constraints

Tensor = torch.Tensor
Size = torch.Size


class Distribution:
    """Base of all distributions over tensors of shape sample_shape + batch_shape + event_shape.

    batch_shape is that of distributions side by side, event_shape that of one draw. sample and
    rsample draw (rsample lets gradients through), log_prob is the logarithm of the density.
    ValueError where a parameter, or a value given to log_prob, lies outside its constraint,
    unless validate_args=False.

    >>> import alight as torch
    >>> normal = torch.distributions.Normal(torch.zeros(3), torch.ones(3))
    >>> normal.batch_shape, normal.event_shape
    (torch.Size([3]), torch.Size([]))
    >>> normal.sample((2,)).shape
    torch.Size([2, 3])
    """

    has_rsample: Any = False
    has_enumerate_support: Any = False
    shows_parameters = True  # whether repr does
    arg_constraints: ClassVar[Any] = MappingProxyType({})
    support: Any = constraints.dependent
    _validate_args = __debug__

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Whether distributions check their arguments where nothing else is said.

        >>> import alight as torch
        >>> torch.distributions.Distribution.set_default_validate_args(True)
        """
        if value not in (True, False):
            raise ValueError
        Distribution._validate_args = value

    def __init__(
        self,
        batch_shape: Sequence[int] = (),
        event_shape: Sequence[int] = (),
        validate_args: bool | None = None,
    ) -> None:
        self._batch_shape, self._event_shape = Size(batch_shape), Size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            self._check_parameters()

    def _check_parameters(self) -> None:
        for name, constraint in self.arg_constraints.items():
            if constraints.is_dependent(constraint) or name not in self.__dict__:
                continue  # not known by itself, or computed from another parameter
            value = self.__dict__[name]
            valid = constraint.check(value)
            if not valid.all():
                raise ValueError(
                    f"Expected parameter {name} ({type(value).__name__} of shape {tuple(value.shape)}) of distribution "
                    f"{self!r} to satisfy the constraint {constraint!r}, but found invalid values:\n{value}"
                )

    def _validate_sample(self, value: Any) -> None:
        if not isinstance(value, Tensor):
            raise ValueError("The value argument to log_prob must be a Tensor")
        event_start = value.dim() - len(self._event_shape)
        if value.shape[event_start:] != self._event_shape:
            raise ValueError(
                "The right-most size of value must match event_shape: "
                f"{value.shape} vs {self._event_shape}."
            )
        shape = self._batch_shape + self._event_shape
        for i, j in zip(reversed(value.shape), reversed(shape), strict=False):
            if i != 1 and j != 1 and i != j:
                raise ValueError(
                    "Value is not broadcastable with batch_shape+event_shape: "
                    f"{value.shape} vs {Size(shape)}."
                )
        support = self.support
        valid = support.check(value)
        if not valid.all():
            raise ValueError(
                f"Expected value argument ({type(value).__name__} of shape {tuple(value.shape)}) to be within the support "
                f"({support!r}) of the distribution {self!r}, but found invalid values:\n{value}"
            )

    # -- shapes ------------------------------------------------------------------------------------------------------

    @property
    def batch_shape(self) -> Size:
        """Shape of the distributions side by side."""
        return self._batch_shape

    @property
    def event_shape(self) -> Size:
        """Shape of one draw."""
        return self._event_shape

    def _extended_shape(self, sample_shape: Sequence[int] = ()) -> Size:
        return Size((*sample_shape, *self._batch_shape, *self._event_shape))

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Distribution:
        """The same distribution with its parameters expanded to `batch_shape`.

        >>> import alight as torch
        >>> torch.distributions.Normal(torch.zeros(1), 1.0).expand((3,)).batch_shape
        torch.Size([3])
        """
        new = type(self).__new__(type(self)) if _instance is None else _instance
        for name, value in self.__dict__.items():
            if isinstance(value, Tensor) and name in self.arg_constraints:
                event = value.shape[len(self._batch_shape) :]
                value = value.expand((*batch_shape, *event))
            new.__dict__[name] = value
        new._batch_shape = Size(batch_shape)
        return new

    # -- what subclasses say -------------------------------------------------------------------------------------------

    @property
    def mean(self) -> Tensor:
        """Expected value."""
        raise NotImplementedError

    @property
    def mode(self) -> Tensor:
        """Most probable value."""
        raise NotImplementedError(f"{type(self)} does not implement mode")

    @property
    def variance(self) -> Tensor:
        """Expected squared distance from the mean."""
        raise NotImplementedError

    @property
    def stddev(self) -> Tensor:
        """Square root of the variance."""
        return self.variance.sqrt()

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws through which no gradient flows, of shape sample_shape + batch_shape + event_shape.

        >>> import alight as torch
        >>> torch.distributions.Bernoulli(torch.tensor([0.0, 1.0])).sample((2,))
        tensor([[0., 1.],
                [0., 1.]])
        """
        with torch.no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws that are differentiable functions of the parameters; NotImplementedError where there
        are none.

        >>> import alight as torch
        >>> loc = torch.zeros(2, requires_grad=True)
        >>> torch.distributions.Normal(loc, 1.0).rsample().sum().backward()
        >>> loc.grad
        tensor([1., 1.])
        """
        raise NotImplementedError

    def sample_n(self, n: int) -> Tensor:
        """`sample((n,))`, the older name; warns.

        >>> import warnings
        >>> import alight as torch
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("ignore")
        ...     torch.distributions.Normal(0.0, 1.0).sample_n(3).shape
        torch.Size([3])
        """
        return self.sample((n,))

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the density, or of the probability, of shape sample_shape + batch_shape.

        >>> import alight as torch
        >>> torch.distributions.Normal(0.0, 1.0).log_prob(torch.tensor([0.0, 1.0]))
        tensor([-0.9189, -1.4189])
        """
        raise NotImplementedError

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of values up to `value`; NotImplementedError where it has no formula.

        >>> import alight as torch
        >>> torch.distributions.Normal(0.0, 1.0).cdf(torch.tensor(0.0))
        tensor(0.5000)
        """
        raise NotImplementedError

    def icdf(self, value: Tensor) -> Tensor:
        """The value up to which the probability is `value`: the inverse of cdf.

        >>> import alight as torch
        >>> torch.distributions.Uniform(0.0, 4.0).icdf(torch.tensor(0.25))
        tensor(1.)
        """
        raise NotImplementedError

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All values that a discrete distribution can take, along a new first dimension.

        >>> import alight as torch
        >>> torch.distributions.Bernoulli(0.5).enumerate_support()
        tensor([0., 1.])
        """
        raise NotImplementedError

    def entropy(self) -> Tensor:
        """The entropy, of shape batch_shape.

        >>> import alight as torch
        >>> torch.distributions.Bernoulli(0.5).entropy()
        tensor(0.6931)
        """
        raise NotImplementedError

    def perplexity(self) -> Tensor:
        """exp(entropy), of shape batch_shape.

        >>> import alight as torch
        >>> torch.distributions.Bernoulli(0.5).perplexity()
        tensor(2.)
        """
        return torch.exp(self.entropy())

    def __repr__(self) -> str:
        names = [
            name for name in self.arg_constraints if name in self.__dict__ and self.shows_parameters
        ]
        parts = []
        for name in names:
            value = self.__dict__[name]
            parts.append(f"{name}: {value if value.numel() == 1 else value.size()}")
        return type(self).__name__ + "(" + ", ".join(parts) + ")"


class Centred(Distribution):
    """A distribution around `loc`, which is its mean (of an angle, the circular one) and its mode."""

    loc: Tensor

    @property
    def mean(self) -> Tensor:
        """loc."""
        return self.loc

    @property
    def mode(self) -> Tensor:
        """loc."""
        return self.loc


class ExponentialFamily(Distribution):
    """Densities of the form exp(<t(x), theta> - F(theta) + k(x)); their entropy follows from F.

    >>> import alight as torch
    >>> isinstance(torch.distributions.Normal(0.0, 1.0), torch.distributions.ExponentialFamily)
    True
    """


def broadcast_all(*values: Any) -> tuple[Tensor, ...]:
    """Numbers and tensors as tensors of one shape; numbers take the dtype of the first tensor.

    >>> import alight as torch
    >>> from alight.distributions.distribution import broadcast_all
    >>> [one.shape for one in broadcast_all(0.0, torch.ones(2))]
    [torch.Size([2]), torch.Size([2])]
    """
    if not all(isinstance(one, (Tensor, int, float, bool)) for one in values):
        raise ValueError(
            "Input arguments must all be instances of Number, torch.Tensor or objects implementing __torch_function__."
        )
    like = next((one for one in values if isinstance(one, Tensor)), None)
    dtype = torch.get_default_dtype() if like is None else like.dtype
    device = None if like is None else like.device
    tensors = [
        one if isinstance(one, Tensor) else torch.as_tensor(one, dtype=dtype, device=device)
        for one in values
    ]
    return tuple(torch.broadcast_tensors(*tensors))


def batch_shape_of(*parameters: Any) -> Size:
    """The common batch shape: () where every parameter was a number."""
    if all(isinstance(one, (int, float)) for one in parameters):
        return Size(())
    shapes = [one.shape for one in parameters if isinstance(one, Tensor)]
    return torch.broadcast_shapes(*shapes)


def one_of(first: Any, second: Any) -> None:
    """Errors: ValueError unless exactly one of two ways to give a parameter is taken."""
    if (first is None) == (second is None):
        raise ValueError("Either `probs` or `logits` must be specified, but not both.")


def clamp_probs(probs: Tensor) -> Tensor:
    """Probabilities moved off 0 and 1 by one step of their dtype."""
    eps = torch.finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)


def logits_of(probs: Tensor, is_binary: bool = False) -> Tensor:
    """Log odds of binary probabilities; logarithms of several."""
    clamped = clamp_probs(probs)
    return torch.log(clamped) - torch.log1p(-clamped) if is_binary else torch.log(clamped)


def probs_of(logits: Tensor, is_binary: bool = False) -> Tensor:
    """Inverse of `logits_of`."""
    return torch.sigmoid(logits) if is_binary else torch.softmax(logits, dim=-1)


def sum_rightmost(value: Tensor, count: int) -> Tensor:
    """Sum over the last `count` dimensions."""
    return value if count == 0 else value.sum(tuple(range(-count, 0)))
