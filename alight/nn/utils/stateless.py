"""A module called with other parameters and buffers than its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from alight.errors import fail
from alight.nn.module import Module
from alight.tensor import Tensor


def _tied(module: Module) -> list[set[str]]:
    """Names of parameters and buffers that are one tensor."""
    groups: dict[int, set[str]] = {}
    for walk in (module.named_parameters, module.named_buffers):
        for name, tensor in walk(remove_duplicate=False):
            groups.setdefault(id(tensor), set()).add(name)
    return [names for names in groups.values() if len(names) > 1]


def _with_ties(module: Module, given: dict[str, Any]) -> dict[str, Any]:
    """The given tensors also under the other names of the tensors that they replace."""
    more = dict(given)
    for names in _tied(module):
        found = {name: given[name] for name in sorted(names) if name in given}
        if len({id(tensor) for tensor in found.values()}) > 1:
            fail(
                ValueError,
                f"functional_call got multiple values for keys {sorted(found)}, which are tied. Consider using "
                "tie_weights=False",
            )
        for name in names if found else ():
            more[name] = next(iter(found.values()))
    return more


def _check_names(module: Module, given: dict[str, Any], strict: bool) -> None:
    own = {name for name, _ in module.named_parameters(remove_duplicate=False)}
    own |= {name for name, _ in module.named_buffers(remove_duplicate=False)}
    unexpected, missing = sorted(set(given) - own), sorted(own - set(given))
    if strict and (unexpected or missing):
        lines = ["Error(s) in loading state_dict for " + type(module).__name__ + ":"]
        if unexpected:
            lines.append("\tUnexpected key(s): " + ", ".join(unexpected) + ".")
        if missing:
            lines.append("\tMissing key(s): " + ", ".join(missing) + ".")
        fail(RuntimeError, "\n".join(lines))


@contextmanager
def swapped(module: Module, given: dict[str, Any]) -> Iterator[None]:
    """Inside the block the module has the given tensors in the place of its own."""
    undo: list[tuple[Any, str, Any]] = []
    try:
        for path, tensor in given.items():
            if not isinstance(tensor, Tensor) and tensor is not None:
                fail(TypeError, f"{tensor} is not an instance of torch.Tensor")
            parent_path, _, name = path.rpartition(".")
            holder = module.get_submodule(parent_path)
            for registry in (holder._parameters, holder._buffers):
                if name in registry:
                    undo.append((registry, name, registry[name]))
                    registry[name] = tensor
                    break
            else:
                fail(AttributeError, f"{type(holder).__name__} has no attribute `{name}`")
        yield
    finally:
        for registry, name, tensor in reversed(undo):
            registry[name] = tensor


def functional_call(
    module: Any,
    parameters_and_buffers: Any,
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """module(*args, **kwargs) with other tensors in the place of its parameters and buffers, by
    path.

    Those that are not given stay as they are; the module itself does not change. ValueError
    where tied weights are given two values, RuntimeError with `strict` for missing or unknown
    names.

    >>> import alight as torch
    >>> layer = torch.nn.Linear(2, 1, bias=False)
    >>> torch.func.functional_call(layer, {"weight": torch.ones(1, 2)}, torch.tensor([3., 4.]))
    tensor([7.])
    """
    if isinstance(parameters_and_buffers, Mapping):
        given = dict(parameters_and_buffers)
    elif isinstance(parameters_and_buffers, (tuple, list)):
        given = {}
        for part in parameters_and_buffers:
            if not isinstance(part, Mapping):
                fail(
                    ValueError, "Expected all elements of parameters_and_buffers to be dictionaries"
                )
            repeated = sorted(set(given) & set(part))
            if repeated:
                fail(
                    ValueError,
                    f"{repeated} appeared in multiple dictionaries; behavior of functional call is ambiguous",
                )
            given.update(part)
    else:
        fail(
            ValueError,
            "Expected parameters_and_buffers to be a dict, or a list/tuple of dicts, but got "
            f"{type(parameters_and_buffers)}",
        )
    _check_names(module, given, strict)
    if tie_weights:
        given = _with_ties(module, given)
    if args is None:
        args = ()
    elif not isinstance(args, tuple):
        args = (args,)
    with swapped(module, given):
        return module(*args, **(kwargs or {}))


def __dir__() -> list[str]:
    return list(__all__)


__all__ = ["functional_call"]
