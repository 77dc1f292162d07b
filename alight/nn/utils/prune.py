"""torch.nn.utils.prune: parameters with a mask that holds some elements at zero.

A pruned parameter `name` is kept as `name_orig` with a buffer `name_mask`; before each forward, `name` becomes their
product.
"""

from __future__ import annotations

import numbers
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

from alight.errors import fail
from alight.nn.utils.convert_parameters import parameters_to_vector
from alight.ops.operation import TORCH
from alight.tensor import Tensor


class BasePruningMethod(ABC):
    """How a mask comes about; subclasses define PRUNING_TYPE and compute_mask.

    >>> import alight as torch
    >>> from alight.nn.utils import prune
    >>> class Negative(prune.BasePruningMethod):
    ...     PRUNING_TYPE = "unstructured"
    ...     def compute_mask(self, t, default_mask):
    ...         return default_mask * (t >= 0)
    >>> layer = torch.nn.Linear(2, 1)
    >>> _ = Negative.apply(layer, "weight")
    >>> bool((layer.weight >= 0).all())
    True
    """

    PRUNING_TYPE: str = "unstructured"
    _tensor_name: str

    def __call__(self, module: Any, inputs: Any) -> None:
        setattr(module, self._tensor_name, self.apply_mask(module))

    @abstractmethod
    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask of ones and zeros for values t, from the one that is there, all of one shape.

        >>> import alight as torch
        >>> from alight.nn.utils import prune
        >>> prune.L1Unstructured(amount=1).compute_mask(torch.tensor([3., 1., 2.]), torch.ones(3))
        tensor([1., 0., 1.])
        """

    def apply_mask(self, module: Any) -> Tensor:
        """The parameter with its mask.

        >>> import alight as torch
        >>> from alight.nn.utils import prune
        >>> layer = torch.nn.Linear(2, 1)
        >>> method = prune.Identity.apply(layer, "weight")
        >>> torch.equal(method.apply_mask(layer), layer.weight_orig)
        True
        """
        mask = getattr(module, self._tensor_name + "_mask")
        original = getattr(module, self._tensor_name + "_orig")
        masked: Tensor = mask.to(dtype=original.dtype) * original
        return masked

    @classmethod
    def apply(
        cls,
        module: Any,
        name: str,
        *args: Any,
        importance_scores: Tensor | None = None,
        **kwargs: Any,
    ) -> Any:
        """Prune a parameter; a second pruning works on what the first left. Gives the method, which is
        the hook.

        The parameter becomes `name_orig`, its mask the buffer `name_mask`, the product the
        attribute `name`.

        >>> import alight as torch
        >>> from alight.nn.utils import prune
        >>> layer = torch.nn.Linear(2, 1)
        >>> _ = prune.L1Unstructured.apply(layer, "weight", amount=1)
        >>> layer.weight_mask.sum()
        tensor(1.)
        """
        old = _method_of(module, name)
        if old is not None:
            for id, hook in list(module._forward_pre_hooks.items()):
                if hook is old:
                    del module._forward_pre_hooks[id]
        method: Any = cls(*args, **kwargs)
        if old is not None:
            container = old if isinstance(old, PruningContainer) else PruningContainer(old)
            method._tensor_name = name
            container.add_pruning_method(method)
            method = container
        method._tensor_name = name
        original = getattr(module, name)
        scores = original if importance_scores is None else importance_scores
        if scores.shape != original.shape:
            raise AssertionError(
                f"importance_scores should have the same shape as parameter                 {name} of {module}"
            )
        if old is None:
            module.register_parameter(name + "_orig", original)
            del module._parameters[name]
            default_mask = TORCH["ones_like"](original.detach())
        else:
            default_mask = getattr(module, name + "_mask").detach().clone()
        mask = method.compute_mask(scores.detach(), default_mask)
        module.register_buffer(name + "_mask", mask)
        setattr(module, name, method.apply_mask(module))
        module.register_forward_pre_hook(method)
        return method

    def prune(
        self, t: Tensor, default_mask: Tensor | None = None, importance_scores: Tensor | None = None
    ) -> Tensor:
        """t with its mask.

        >>> import alight as torch
        >>> from alight.nn.utils import prune
        >>> prune.L1Unstructured(amount=1).prune(torch.tensor([3., 1., 2.]))
        tensor([3., 0., 2.])
        """
        scores = t if importance_scores is None else importance_scores
        mask = TORCH["ones_like"](t) if default_mask is None else default_mask
        return t * self.compute_mask(scores, mask)

    def remove(self, module: Any) -> None:
        """Make the pruning permanent: the masked values become the parameter.

        >>> import alight as torch
        >>> from alight.nn.utils import prune
        >>> layer = torch.nn.Linear(2, 1)
        >>> method = prune.L1Unstructured.apply(layer, "bias", amount=1)
        >>> method.remove(layer)
        >>> (layer.bias == 0).all()
        tensor(True)
        """
        name = self._tensor_name
        weight = self.apply_mask(module)
        if hasattr(module, name):
            delattr(module, name)
        original = module._parameters[name + "_orig"]
        original.data = weight.data
        del module._parameters[name + "_orig"]
        del module._buffers[name + "_mask"]
        setattr(module, name, original)


def _method_of(module: Any, name: str) -> BasePruningMethod | None:
    for hook in module._forward_pre_hooks.values():
        if isinstance(hook, BasePruningMethod) and hook._tensor_name == name:
            return hook
    return None


class PruningContainer(BasePruningMethod):
    """Several prunings of one parameter, in order; made when a parameter is pruned again.

    >>> import alight as torch
    >>> from alight.nn.utils import prune
    >>> layer = torch.nn.Linear(3, 1)
    >>> for _ in range(2):
    ...     _ = prune.l1_unstructured(layer, "weight", amount=1)
    >>> [len(hook) for hook in layer._forward_pre_hooks.values()]
    [2]
    """

    def __init__(self, *args: Any) -> None:
        self._pruning_methods: tuple[BasePruningMethod, ...] = ()
        if len(args) == 1 and not isinstance(args[0], Iterable):
            self._tensor_name = args[0]._tensor_name
            self.add_pruning_method(args[0])
        else:
            for method in args[0] if len(args) == 1 else args:
                self.add_pruning_method(method)

    def add_pruning_method(self, method: BasePruningMethod | None) -> None:
        """Add one; ValueError where it is for another parameter, TypeError where it is no
        BasePruningMethod.

        >>> from alight.nn.utils import prune
        >>> container, method = prune.PruningContainer(), prune.L1Unstructured(1)
        >>> container._tensor_name = method._tensor_name = "weight"
        >>> container.add_pruning_method(method)
        >>> len(container)
        1
        """
        if not isinstance(method, BasePruningMethod) and method is not None:
            raise TypeError(f"{type(method)} is not a BasePruningMethod subclass")
        if method is not None and self._tensor_name != method._tensor_name:
            raise ValueError(
                "Can only add pruning methods acting on the parameter named "
                f"'{self._tensor_name}' to PruningContainer {self}. Found '{method._tensor_name}'"
            )
        self._pruning_methods += (method,)  # type: ignore[operator]

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self) -> Any:
        return iter(self._pruning_methods)

    def __getitem__(self, index: int) -> BasePruningMethod:
        return self._pruning_methods[index]

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The last method's mask, on what those before have left."""
        method = self._pruning_methods[-1]
        mask = default_mask.to(dtype=t.dtype)
        if method.PRUNING_TYPE == "unstructured":
            chosen: Any = mask == 1
        elif method.PRUNING_TYPE == "structured":
            dim = method.dim % t.dim()  # type: ignore[attr-defined]
            kept = (mask.sum([i for i in range(t.dim()) if i != dim]) != 0).nonzero().flatten()
            chosen = (*(slice(None),) * dim, kept)
        else:
            chosen = (slice(None),) * t.dim()
        part = method.compute_mask(t[chosen], default_mask[chosen])
        mask = mask.clone()
        mask[chosen] = part.to(dtype=mask.dtype)
        return mask


class Identity(BasePruningMethod):
    """Nothing is pruned; the parameter gets a mask of ones.

    >>> import alight as torch
    >>> from alight.nn.utils import prune
    >>> prune.Identity().compute_mask(torch.zeros(2), torch.ones(2))
    tensor([1., 1.])
    """

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask that is there."""
        return default_mask


# -- how many -------------------------------------------------------------------------------------------------------------


def _check_amount(amount: Any) -> None:
    if not isinstance(amount, numbers.Real):
        raise TypeError(f"Invalid type for amount: {amount}. Must be int or float.")
    whole = isinstance(amount, numbers.Integral)
    if (whole and amount < 0) or (not whole and not 0.0 <= float(amount) <= 1.0):
        raise ValueError(
            f"amount={amount} should either be a float in the range [0, 1] or a non-negative integer"
        )


def _count(amount: Any, size: int) -> int:
    """How many of `size` elements to prune."""
    if isinstance(amount, numbers.Integral):
        if int(amount) > size:
            raise ValueError(
                f"amount={amount} should be smaller than the number of parameters to prune={size}"
            )
        return int(amount)
    return round(float(amount) * size)


class _ByAmount(BasePruningMethod):
    """Common part of the methods that prune an amount of elements or slices."""

    def __init__(self, amount: Any) -> None:
        _check_amount(amount)
        self.amount = amount

    def _without(self, places: Tensor, mask: Tensor) -> Tensor:
        """The mask with zeros at places of its flattened form."""
        flat = mask.reshape(-1).clone()
        flat[places] = 0
        return flat.reshape(mask.shape)


class RandomUnstructured(_ByAmount):
    """Elements at random: a share (float) or a number (int) of them.

    ValueError for a share outside [0, 1] or more elements than there are.

    >>> import alight as torch
    >>> from alight.nn.utils import prune
    >>> prune.RandomUnstructured(0.5).prune(torch.ones(4)).sum()
    tensor(2.)
    """

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask with `amount` more zeros."""
        count = _count(self.amount, t.numel())
        if not count:
            return default_mask.clone()
        drawn = TORCH["rand_like"](t).view(-1)
        return self._without(drawn.topk(count).indices, default_mask)


class L1Unstructured(_ByAmount):
    """The elements nearest to zero: a share (float) or a number (int) of them.

    ValueError for a share outside [0, 1] or more elements than there are.

    >>> import alight as torch
    >>> from alight.nn.utils import prune
    >>> prune.L1Unstructured(1).prune(torch.tensor([3., -1., 2.]))
    tensor([3., -0., 2.])
    """

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask with `amount` more zeros."""
        count = _count(self.amount, t.numel())
        if not count:
            return default_mask.clone()
        return self._without(t.abs().view(-1).topk(count, largest=False).indices, default_mask)


def _check_dim(t: Tensor, dim: int) -> None:
    if not -t.dim() <= dim < t.dim():
        fail(IndexError, f"Invalid index {dim} for tensor of size {t.shape}")


class _Structured(_ByAmount):
    """Common part of the methods that prune whole slices of a dimension."""

    PRUNING_TYPE = "structured"

    def __init__(self, amount: Any, dim: int = -1) -> None:
        super().__init__(amount)
        self.dim = dim

    def _scores(self, t: Tensor) -> Tensor:
        """A number for each slice; the lowest go."""
        raise NotImplementedError

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask with zeros in `amount` more slices."""
        if t.dim() <= 1:
            raise ValueError(
                "Structured pruning can only be applied to multidimensional tensors. Found tensor of shape "
                f"{t.shape} with {t.dim()} dims"
            )
        _check_dim(t, self.dim)
        size = t.shape[self.dim]
        pruned = _count(self.amount, size)
        if not pruned:
            return default_mask
        keep = self._scores(t).topk(size - pruned, largest=True).indices
        shape = [1] * t.dim()
        shape[self.dim] = size
        mask = t.new_zeros(size)
        mask[keep] = 1
        return default_mask * mask.to(dtype=default_mask.dtype).reshape(shape)


class RandomStructured(_Structured):
    """Slices of dimension `dim` at random: a share (float) or a number (int) of them.

    >>> import alight as torch
    >>> from alight.nn.utils import prune
    >>> prune.RandomStructured(1, dim=0).prune(torch.ones(3, 2)).sum()
    tensor(4.)
    """

    def _scores(self, t: Tensor) -> Tensor:
        drawn: Tensor = TORCH["rand"](t.shape[self.dim])
        return drawn


class LnStructured(_Structured):
    """The slices of dimension `dim` with the smallest n-norm: a share (float) or a number (int) of
    them.

    >>> import alight as torch
    >>> from alight.nn.utils import prune
    >>> prune.LnStructured(1, n=2, dim=0).prune(torch.tensor([[1., 1.], [3., 4.]]))
    tensor([[0., 0.],
            [3., 4.]])
    """

    def __init__(self, amount: Any, n: Any, dim: int = -1) -> None:
        super().__init__(amount, dim)
        self.n = n

    def _scores(self, t: Tensor) -> Tensor:
        dims = [i for i in range(t.dim()) if i != self.dim % t.dim()]
        found: Tensor = t.norm(p=self.n, dim=dims)
        return found


class CustomFromMask(BasePruningMethod):
    """A mask of one's own.

    >>> import alight as torch
    >>> from alight.nn.utils import prune
    >>> prune.CustomFromMask(torch.tensor([1., 0.])).prune(torch.tensor([3., 4.]))
    tensor([3., 0.])
    """

    PRUNING_TYPE = "global"

    def __init__(self, mask: Tensor) -> None:
        self.mask = mask

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask that is there times the given one."""
        return default_mask * self.mask.to(dtype=default_mask.dtype)


# -- functions ------------------------------------------------------------------------------------------------------------


def identity(module: Any, name: str) -> Any:
    """Give a parameter a mask of ones; the module is given back.

    >>> import alight as torch
    >>> from alight.nn.utils import prune
    >>> prune.identity(torch.nn.Linear(2, 1), "weight").weight_mask
    tensor([[1., 1.]])
    """
    Identity.apply(module, name)
    return module


def random_unstructured(module: Any, name: str, amount: Any) -> Any:
    """Prune elements of a parameter at random: a share (float) or a number (int) of them.

    >>> import alight as torch
    >>> from alight.nn.utils import prune
    >>> layer = prune.random_unstructured(torch.nn.Linear(2, 2), "weight", amount=3)
    >>> layer.weight_mask.sum()
    tensor(1.)
    """
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(
    module: Any, name: str, amount: Any, importance_scores: Tensor | None = None
) -> Any:
    """Prune the elements of a parameter nearest to zero: a share (float) or a number (int) of
    them.

    importance_scores, of the parameter's shape, decide in place of its values. ValueError for a
    share outside [0, 1] or more elements than there are.

    >>> import alight as torch
    >>> from alight.nn.utils import prune
    >>> layer = torch.nn.Linear(3, 1)
    >>> layer.weight.data = torch.tensor([[3., -1., 2.]])
    >>> prune.l1_unstructured(layer, "weight", amount=1).weight
    tensor([[3., -0., 2.]], grad_fn=<MulBackward0>)
    """
    L1Unstructured.apply(module, name, amount, importance_scores=importance_scores)
    return module


def random_structured(module: Any, name: str, amount: Any, dim: int) -> Any:
    """Prune slices of dimension `dim` of a parameter at random: a share (float) or a number (int)
    of them.

    >>> import alight as torch
    >>> from alight.nn.utils import prune
    >>> layer = prune.random_structured(torch.nn.Linear(2, 3), "weight", amount=1, dim=0)
    >>> layer.weight_mask.sum()
    tensor(4.)
    """
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(
    module: Any, name: str, amount: Any, n: Any, dim: int, importance_scores: Tensor | None = None
) -> Any:
    """Prune the slices of dimension `dim` of a parameter with the smallest n-norm.

    `amount` is a share (float) or a number (int) of them.

    >>> import alight as torch
    >>> from alight.nn.utils import prune
    >>> layer = torch.nn.Linear(2, 2)
    >>> layer.weight.data = torch.tensor([[1., 1.], [3., 4.]])
    >>> prune.ln_structured(layer, "weight", amount=1, n=2, dim=0).weight_mask
    tensor([[0., 0.],
            [1., 1.]])
    """
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def global_unstructured(
    parameters: Any, pruning_method: Any, importance_scores: Any = None, **kwargs: Any
) -> None:
    """Prune (module, name) pairs together, as if their parameters were one.

    TypeError where they are no pairs, or the method is not an unstructured one.

    >>> import alight as torch
    >>> from alight.nn.utils import prune
    >>> one, other = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    >>> pairs = [(one, "weight"), (other, "weight")]
    >>> prune.global_unstructured(pairs, pruning_method=prune.L1Unstructured, amount=3)
    >>> one.weight_mask.sum() + other.weight_mask.sum()
    tensor(5.)
    """
    if not isinstance(parameters, Iterable):
        raise TypeError("global_unstructured(): parameters is not an Iterable")
    pairs = list(parameters)
    given = importance_scores or {}
    if not isinstance(given, dict):
        raise TypeError("global_unstructured(): importance_scores must be of type dict")
    scores = [given.get((module, name), getattr(module, name)) for module, name in pairs]
    masks = [
        getattr(module, name + "_mask", TORCH["ones_like"](getattr(module, name)))
        for module, name in pairs
    ]
    container = PruningContainer()
    container._tensor_name = "temp"
    method = pruning_method(**kwargs)
    method._tensor_name = "temp"
    container.add_pruning_method(method)
    if method.PRUNING_TYPE != "unstructured":
        raise TypeError(
            'Only "unstructured" PRUNING_TYPE supported for the `pruning_method`. Found method '
            f"{pruning_method} of type {method.PRUNING_TYPE}"
        )
    final = container.compute_mask(
        parameters_to_vector(scores).detach(), parameters_to_vector(masks)
    )
    at = 0
    for module, name in pairs:
        weight = getattr(module, name)
        custom_from_mask(module, name, final[at : at + weight.numel()].view_as(weight))
        at += weight.numel()


def custom_from_mask(module: Any, name: str, mask: Tensor) -> Any:
    """Prune a parameter by a mask of one's own, of its shape.

    >>> import alight as torch
    >>> from alight.nn.utils import prune
    >>> layer = prune.custom_from_mask(torch.nn.Linear(2, 1), "weight", torch.tensor([[1., 0.]]))
    >>> bool(layer.weight[0, 1] == 0)
    True
    """
    CustomFromMask.apply(module, name, mask)
    return module


def remove(module: Any, name: str) -> Any:
    """Make a pruning permanent: the masked values become the parameter. ValueError where there is
    none.

    >>> import alight as torch
    >>> from alight.nn.utils import prune
    >>> layer = prune.l1_unstructured(torch.nn.Linear(2, 1), "weight", amount=1)
    >>> [name for name, _ in prune.remove(layer, "weight").named_parameters()]
    ['bias', 'weight']
    """
    for id, hook in list(module._forward_pre_hooks.items()):
        if isinstance(hook, BasePruningMethod) and hook._tensor_name == name:
            hook.remove(module)
            del module._forward_pre_hooks[id]
            return module
    raise ValueError(
        f"Parameter '{name}' of module {module} has to be pruned before pruning can be removed"
    )


def is_pruned(module: Any) -> bool:
    """Whether some parameter inside a module is pruned.

    >>> import alight as torch
    >>> from alight.nn.utils import prune
    >>> layer = torch.nn.Linear(2, 1)
    >>> prune.is_pruned(layer), prune.is_pruned(prune.identity(layer, "weight"))
    (False, True)
    """
    return any(
        isinstance(hook, BasePruningMethod)
        for inside in module.modules()
        for hook in inside._forward_pre_hooks.values()
    )


def __dir__() -> list[str]:
    return list(__all__)


__all__ = [
    "BasePruningMethod", "CustomFromMask", "Identity", "L1Unstructured", "LnStructured", "PruningContainer",
    "RandomStructured", "RandomUnstructured", "custom_from_mask", "global_unstructured", "identity", "is_pruned",
    "l1_unstructured", "ln_structured", "random_structured", "random_unstructured", "remove",
]  # fmt: skip
