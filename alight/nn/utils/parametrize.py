"""torch.nn.utils.parametrize: a parameter that is computed from others each time it is read.

A parametrized module has a class of its own, derived from its old one, in which the parameter's name is a property;
`module.parametrizations[name]` holds what it is computed from.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from alight.autograd.modes import no_grad
from alight.nn.container import ModuleDict, ModuleList
from alight.nn.module import Module
from alight.nn.parameter import Parameter
from alight.tensor import Tensor

_cached_depth = 0
_cache: dict[tuple[int, str], Any] = {}


@contextmanager
def cached() -> Iterator[None]:
    """Inside the block, each parametrized tensor is computed once.

    >>> import alight as torch
    >>> from alight.nn.utils import parametrize, parametrizations
    >>> layer = parametrizations.weight_norm(torch.nn.Linear(2, 3))
    >>> with parametrize.cached():
    ...     print(layer.weight is layer.weight)
    True
    """
    global _cached_depth
    _cached_depth += 1
    try:
        yield
    finally:
        _cached_depth -= 1
        if not _cached_depth:
            _cache.clear()


def _register(module: Module, name: str, tensor: Any) -> None:
    if isinstance(tensor, Parameter):
        module.register_parameter(name, tensor)
    else:
        module.register_buffer(name, tensor)


def _back(modules: Sequence[Any], value: Any) -> Any:
    """A value through the right inverses, where there are some."""
    with no_grad():
        for module in reversed(modules):
            if hasattr(module, "right_inverse"):
                try:
                    value = module.right_inverse(value)
                except NotImplementedError:
                    continue
    return value


def _set(target: Any, value: Any) -> None:
    """Give a parameter or buffer new elements, of another shape perhaps."""
    if value is not target:
        target.data = value.detach()


class ParametrizationList(ModuleList):
    """The parametrizations of one tensor, and what they start from: `original`, or `original0`,
    ...

    >>> import alight as torch
    >>> from alight.nn.utils import parametrizations
    >>> layer = parametrizations.weight_norm(torch.nn.Linear(2, 3))
    >>> [name for name, _ in layer.parametrizations.weight.named_parameters()]
    ['original0', 'original1']
    """

    original: Any

    def __init__(self, modules: Sequence[Any], original: Any, unsafe: bool = False) -> None:
        if not modules:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        shape, of = original.shape, original.dtype
        new: Any = _back(list(self), original)
        if not isinstance(new, Tensor) and not isinstance(new, Sequence):
            raise ValueError(
                "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). "
                f"Got {type(new).__name__}"
            )
        self.is_tensor = isinstance(new, Tensor)
        self.ntensors = 1 if self.is_tensor else len(new)
        if self.is_tensor:
            assert isinstance(new, Tensor)
            if original.dtype is not new.dtype:
                raise ValueError(
                    "When `right_inverse` outputs one tensor, it may not change the dtype.\n"
                    f"original.dtype: {original.dtype}\nright_inverse(original).dtype: {new.dtype}"
                )
            with no_grad():
                _set(original, new)
            _register(self, "original", original)
        else:
            for i, one in enumerate(new):
                if not isinstance(one, Tensor):
                    raise ValueError(
                        "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). "
                        f"Got element {i} of the sequence with type {type(one).__name__}."
                    )
                if isinstance(original, Parameter):
                    one = Parameter(one.detach(), original.requires_grad)
                _register(self, f"original{i}", one.requires_grad_(original.requires_grad))
        if not unsafe:
            self._check(shape, of)

    def _check(self, shape: Any, of: Any) -> None:
        """ValueError where the parametrized tensor is not like the original one."""
        made = self()
        if not isinstance(made, Tensor):
            raise ValueError(f"A parametrization must return a tensor. Got {type(made).__name__}.")
        for what, before, after in (("dtype", of, made.dtype), ("shape", shape, made.shape)):
            if before != after:
                raise ValueError(
                    f"Registering a parametrization may not change the {what} of the tensor, unless `unsafe` flag is "
                    f"enabled.\nunparametrized {what}: {before}\nparametrized {what}: {after}"
                )

    def right_inverse(self, value: Tensor) -> None:
        """Set what the tensor is computed from so that it becomes `value`."""
        with no_grad():
            new: Any = value
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(
                        f"parametrization {type(module).__name__} does not implement right_inverse."
                    )
                new = module.right_inverse(new)
            if self.is_tensor:
                if not isinstance(new, Tensor):
                    raise ValueError(
                        f"`right_inverse` should return a tensor. Got {type(new).__name__}"
                    )
                if new.dtype is not self.original.dtype:
                    raise ValueError(
                        f"The tensor returned by `right_inverse` has dtype {new.dtype} while `original` has dtype "
                        f"{self.original.dtype}"
                    )
                _set(self.original, new)
                return
            if not isinstance(new, Sequence):
                raise ValueError(
                    f"'right_inverse' must return a sequence of tensors. Got {type(new)}."
                )
            if len(new) != self.ntensors:
                raise ValueError(
                    f"'right_inverse' must return a sequence of tensors of length {self.ntensors}. Got a sequence of "
                    f"length {len(new)}."
                )
            for i, one in enumerate(new):
                if not isinstance(one, Tensor):
                    raise ValueError(
                        f"`right_inverse` must return a sequence of tensors. Got element {i} of type {type(one).__name__}"
                    )
                _set(getattr(self, f"original{i}"), one)

    def forward(self) -> Tensor:
        """The tensor, through all parametrizations in order."""
        first, *rest = list(self)
        if self.is_tensor:
            x = first(self.original)
        else:
            x = first(*(getattr(self, f"original{i}") for i in range(self.ntensors)))
        for module in rest:
            x = module(x)
        return x


# -- the module's class ---------------------------------------------------------------------------------------------------


def _derive_class(module: Module) -> None:
    """Give the module a class of its own, where names can be properties."""

    def getstate(self: Any) -> Any:
        raise RuntimeError(
            "Serialization of parametrized modules is only supported through state_dict(). See:\n"
            "https://pytorch.org/tutorials/beginner/saving_loading_models.html"
            "#saving-loading-a-general-checkpoint-for-inference-and-or-resuming-training"
        )

    def deepcopy(self: Any, memo: dict[int, Any]) -> Any:
        replica = memo[id(self)] = object.__new__(type(self))
        replica.__setstate__(copy.deepcopy(Module.__getstate__(self), memo))
        return replica

    cls = type(module)
    body: dict[str, Any] = {
        "__getstate__": getstate,
        "parametrizations": None,
        "__module__": __name__,
    }
    if not hasattr(cls, "__deepcopy__"):
        body["__deepcopy__"] = deepcopy
    module.__class__ = type(f"Parametrized{cls.__name__}", (cls,), body)


def _add_property(module: Module, name: str) -> None:
    def get(self: Any) -> Tensor:
        if not _cached_depth:
            return self.parametrizations[name]()
        key = id(self), name
        if key not in _cache:
            _cache[key] = self.parametrizations[name]()
        return _cache[key]

    def put(self: Any, value: Tensor) -> None:
        self.parametrizations[name].right_inverse(value)

    setattr(type(module), name, property(get, put))


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Compute a parameter or buffer as parametrization(original) from now on; gives the module
    back.

    Several are applied in order. The parametrization's right_inverse, if it has one, is used
    for assignments. ValueError where the shape or dtype changes without `unsafe`, or there is
    no such tensor.

    >>> import alight as torch
    >>> from alight.nn.utils import parametrize
    >>> class Positive(torch.nn.Module):
    ...     def forward(self, x):
    ...         return x.abs()
    >>> layer = parametrize.register_parametrization(torch.nn.Linear(2, 1), "weight", Positive())
    >>> bool((layer.weight >= 0).all())
    True
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        _append(module, tensor_name, parametrization, unsafe)
        return module
    if tensor_name not in module._parameters and tensor_name not in module._buffers:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element with name '{tensor_name}'"
        )
    original = getattr(module, tensor_name)
    made = ParametrizationList([parametrization], original, unsafe=unsafe)
    delattr(module, tensor_name)
    if not is_parametrized(module):
        _derive_class(module)
        module.parametrizations = ModuleDict()
    _add_property(module, tensor_name)
    module.parametrizations[tensor_name] = made  # type: ignore[index,operator]
    return module


def _append(module: Any, name: str, parametrization: Any, unsafe: bool) -> None:
    held = module.parametrizations[name]
    if not unsafe:
        before = getattr(module, name)
        after = parametrization(before)
        if not isinstance(after, Tensor):
            raise ValueError(f"A parametrization must return a tensor. Got {type(after).__name__}.")
        for what in ("dtype", "shape"):
            old, new = getattr(before, what), getattr(after, what)
            if old != new:
                raise ValueError(
                    f"Registering a parametrization may not change the {what} of the tensor, unless the `unsafe` flag is "
                    f"enabled.\nmodule.{name}.{what}: {old}\nparametrization(module.{name}).{what}: {new}"
                )
        if hasattr(parametrization, "right_inverse"):
            try:
                back = parametrization.right_inverse(before)
            except NotImplementedError:
                pass
            else:
                if not isinstance(back, Tensor):
                    raise ValueError(
                        "parametrization.right_inverse must return a tensor. Got: "
                        f"{type(back).__name__}"
                    )
    held.append(parametrization)
    held.unsafe |= unsafe


def is_parametrized(module: Any, tensor_name: str | None = None) -> bool:
    """Whether a module has parametrizations, or one for this tensor.

    >>> import alight as torch
    >>> from alight.nn.utils import parametrizations, parametrize
    >>> layer = parametrizations.weight_norm(torch.nn.Linear(2, 3))
    >>> parametrize.is_parametrized(layer, "weight"), parametrize.is_parametrized(layer, "bias")
    (True, False)
    """
    held = module.__dict__.get("parametrizations")
    if not isinstance(held, ModuleDict):
        return False
    return len(held) > 0 if tensor_name is None else tensor_name in held


def remove_parametrizations(
    module: Any, tensor_name: str, leave_parametrized: bool = True
) -> Module:
    """Undo the parametrizations of a tensor: it keeps its computed value, or takes back the
    original one.

    ValueError where there are none, or where leave_parametrized=False and there is more than
    one original.

    >>> import alight as torch
    >>> from alight.nn.utils import parametrizations, parametrize
    >>> layer = parametrizations.weight_norm(torch.nn.Linear(2, 3))
    >>> parametrize.remove_parametrizations(layer, "weight")
    Linear(in_features=2, out_features=3, bias=True)
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    held = module.parametrizations[tensor_name]
    if held.is_tensor:
        original = held.original
        if leave_parametrized:
            with no_grad():
                _set(original, getattr(module, tensor_name))
    elif leave_parametrized:
        value = getattr(module, tensor_name)
        original = Parameter(value.detach()) if value.requires_grad else value
    else:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is parametrized in terms of a "
            "sequence of tensors."
        )
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    _register(module, tensor_name, original)
    if not is_parametrized(module):
        delattr(module, "parametrizations")
        module.__class__ = type(module).__bases__[0]
    found: Module = module
    return found


def type_before_parametrizations(module: Module) -> type:
    """The class that the module had before it was parametrized.

    >>> import alight as torch
    >>> from alight.nn.utils import parametrizations, parametrize
    >>> layer = parametrizations.weight_norm(torch.nn.Linear(2, 3))
    >>> type(layer).__name__, parametrize.type_before_parametrizations(layer).__name__
    ('ParametrizedLinear', 'Linear')
    """
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(
    from_module: Any, to_module: Any, tensor_name: str | None = None
) -> Module:
    """Give one module the parametrizations of another, with the parameters that they start from.

    >>> import alight as torch
    >>> from alight.nn.utils import parametrizations, parametrize
    >>> layer = parametrizations.weight_norm(torch.nn.Linear(2, 3))
    >>> other = parametrize.transfer_parametrizations_and_params(layer, torch.nn.Linear(2, 3))
    >>> torch.equal(layer.weight, other.weight)
    True
    """
    if not is_parametrized(from_module):
        found: Module = to_module
        return found
    names = list(from_module.parametrizations) if tensor_name is None else [tensor_name]
    for name in names:
        held = from_module.parametrizations[name]
        if not hasattr(to_module, name):
            setattr(to_module, name, copy.deepcopy(held.original if held.is_tensor else held()))
        for parametrization in held:
            register_parametrization(to_module, name, parametrization)
        new = to_module.parametrizations[name]
        names_of = (
            ["original"] if held.is_tensor else [f"original{i}" for i in range(held.ntensors)]
        )
        for one in names_of:
            setattr(new, one, getattr(held, one))
    moved: Module = to_module
    return moved


def __dir__() -> list[str]:
    return list(__all__)


__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
    "transfer_parametrizations_and_params",
    "type_before_parametrizations",
]
