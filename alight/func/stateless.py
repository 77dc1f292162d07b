"""Modules as functions of their parameters: functional_call, and the parameters of several modules stacked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from alight.errors import fail
from alight.ops.operation import TORCH
from alight.tensor import Tensor


def _home(module: Any, name: str) -> tuple[Any, str, dict[str, Any]]:
    """The submodule, the attribute and the registry that a dotted name means."""
    *path, last = name.split(".")
    owner = module
    for step in path:
        owner = owner._modules.get(step) if hasattr(owner, "_modules") else None
        if owner is None:
            fail(AttributeError, f"{type(module).__name__} has no attribute `{step}`")
    for registry in (owner._parameters, owner._buffers):
        if last in registry:
            return owner, last, registry
    fail(
        AttributeError,
        f"{type(owner).__name__} has no attribute `{last}`",
        facts=[f"'{name}' is no parameter and no buffer"],
    )


def _tied(module: Any, given: dict[str, Tensor]) -> dict[str, Tensor]:
    """The given tensors, under every name of a parameter that has several."""
    names: dict[int, list[str]] = {}
    for walk in (module.named_parameters, module.named_buffers):
        for name, tensor in walk(remove_duplicate=False):
            names.setdefault(id(tensor), []).append(name)
    whole = dict(given)
    for group in names.values():
        held = [given[name] for name in group if name in given]
        for name in group:
            if held and name not in given:
                whole[name] = held[0]
    return whole


@contextmanager
def replaced(
    module: Any, tensors: Mapping[str, Tensor], tie_weights: bool = True
) -> Iterator[None]:
    """Within the block, a module's parameters and buffers are these tensors."""
    given = _tied(module, dict(tensors)) if tie_weights else dict(tensors)
    before = []
    for name, tensor in given.items():
        owner, attribute, registry = _home(module, name)
        before.append((owner, attribute, registry, registry[attribute]))
        registry[attribute] = owner.__dict__[attribute] = tensor
    try:
        yield
    finally:
        for owner, attribute, registry, held in reversed(before):
            registry[attribute] = owner.__dict__[attribute] = held


def functional_call(
    module: Any,
    parameter_and_buffer_dicts: Mapping[str, Tensor] | Sequence[Mapping[str, Tensor]],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Call a module with the given tensors in place of its parameters and buffers.

    Errors: RuntimeError with strict=True where names are missing or unexpected, ValueError where two dictionaries name
    one tensor.

    >>> import alight as torch
    >>> layer = torch.nn.Linear(2, 1, bias=False)
    >>> torch.func.functional_call(layer, {"weight": torch.ones(1, 2)}, torch.ones(2))
    tensor([2.])
    """
    if isinstance(parameter_and_buffer_dicts, Mapping):
        given = dict(parameter_and_buffer_dicts)
    else:
        given = {}
        for one in parameter_and_buffer_dicts:
            for name, tensor in one.items():
                if name in given:
                    fail(
                        ValueError,
                        f"{name} appears in multiple dictionaries; behavior of functional call is ambiguous",
                    )
                given[name] = tensor
    if strict:
        _check_names(module, given)
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    with replaced(module, given, tie_weights):
        return module(*args, **(kwargs or {}))


def _check_names(module: Any, given: Mapping[str, Any]) -> None:
    own = {
        name
        for walk in (module.named_parameters, module.named_buffers)
        for name, _ in walk(remove_duplicate=False)
    }
    missing, unexpected = sorted(own - set(given)), sorted(set(given) - own)
    if not missing and not unexpected:
        return
    parts = []
    if unexpected:
        parts.append(f"Unexpected key(s): {', '.join(unexpected)}.")
    if missing:
        parts.append(f"Missing key(s): {', '.join(missing)}.")
    fail(RuntimeError, "Error(s) in reparametrizing:\n\t" + "\n\t".join(parts))


def stack_module_state(models: Sequence[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(parameters, buffers) of several modules of one kind, stacked along a new first dimension for `vmap`.

    Errors: RuntimeError for no models, and for models of other classes or in another mode.

    >>> import alight as torch
    >>> parameters, _ = torch.func.stack_module_state([torch.nn.Linear(2, 3) for _ in range(4)])
    >>> parameters["weight"].shape
    torch.Size([4, 3, 2])
    """
    if not models:
        fail(RuntimeError, "stack_module_state: Expected at least one model, got 0.")
    if len({model.training for model in models}) > 1:
        fail(
            RuntimeError,
            "stack_module_state: Expected all models to have the same training/eval mode.",
        )
    if len({type(model) for model in models}) > 1:
        fail(RuntimeError, "stack_module_state: Expected all models to be of the same class.")

    def stacked(tables: list[dict[str, Any]]) -> dict[str, Any]:
        made = {}
        for name, first in tables[0].items():
            whole = TORCH["stack"]([table[name] for table in tables]).detach()
            made[name] = whole.requires_grad_(first.requires_grad)
        return made

    return (
        stacked([dict(model.named_parameters()) for model in models]),
        stacked([dict(model.named_buffers()) for model in models]),
    )


def replace_all_batch_norm_modules_(root: Any) -> Any:
    """Take running statistics away from every batch normalisation in a module, so that vmap can go through it.

    >>> import alight as torch
    >>> net = torch.nn.Sequential(torch.nn.BatchNorm1d(2))
    >>> torch.func.replace_all_batch_norm_modules_(net)[0].running_mean is None
    True
    """
    for module in root.modules():
        if hasattr(module, "running_mean") and hasattr(module, "track_running_stats"):
            module.running_mean = module.running_var = module.num_batches_tracked = None
            module.track_running_stats = False
    return root
