"""Saving a module's parameters and buffers as a dictionary, and loading them back.

Names are paths: `block.0.weight`. Messages of `load_state_dict` are PyTorch's, so that they can be searched for.
"""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from alight.autograd.hooks import RemovableHandle
from alight.autograd.modes import no_grad
from alight.errors import fail
from alight.nn.hooks import add
from alight.nn.parameter import Parameter, is_lazy
from alight.tensor import Tensor

_EXTRA_STATE = "_extra_state"


class IncompatibleKeys(namedtuple("IncompatibleKeys", ["missing_keys", "unexpected_keys"])):
    """What `load_state_dict` found missing, and what it did not know."""

    __slots__ = ()

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return super().__repr__().replace("IncompatibleKeys", "_IncompatibleKeys", 1)

    __str__ = __repr__


def _renaming(missing: list[str], unexpected: list[str]) -> str:
    """What to try where names differ: without or with the prefix that one side has, as DataParallel's "module."."""
    for given, wanted, how in (
        (unexpected, missing, "{name[len(PREFIX):]: one for name, one in state_dict.items()}"),
        (missing, unexpected, "{PREFIX + name: one for name, one in state_dict.items()}"),
    ):
        first, rest = min(given, default=""), set(wanted)
        for name in wanted:
            prefix = first.removesuffix(name)
            renamed = {one.removeprefix(prefix) for one in given}
            if prefix not in ("", first) and renamed <= rest:
                return how.replace("PREFIX", repr(prefix)) + ": the names have another prefix"
    return "strict=False to load what has the same name"


class Stateful:
    """The part of `Module` that saves and loads."""

    if TYPE_CHECKING:  # parameters, buffers, sub-modules and hook tables live in the instance

        def __getattr__(self, name: str) -> Any: ...

    _version: int = 1

    # -- saving ---------------------------------------------------------------------------------------------------------

    def state_dict(
        self, *args: Any, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> Any:
        """All parameters and persistent buffers by path, detached unless `keep_vars`.

        They share the memory of the module's own: clone() what is to stay as it is.

        >>> import alight as torch
        >>> list(torch.nn.Linear(2, 1).state_dict())
        ['weight', 'bias']
        """
        for name, value in zip(("destination", "prefix", "keep_vars"), args, strict=False):
            if name == "destination":
                destination = value
            elif name == "prefix":
                prefix = value
            else:
                keep_vars = value
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        local = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = local
        for hook in self._state_dict_pre_hooks.values():
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(
                    destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars
                )
        for hook in self._state_dict_hooks.values():
            changed = hook(self, destination, prefix, local)
            if changed is not None:
                destination = changed
        return destination

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        """Put this module's own tensors into `destination`; modules may add their own here."""
        for name, tensor in self._parameters.items():
            if tensor is not None:
                destination[prefix + name] = (
                    tensor if keep_vars or is_lazy(tensor) else tensor.detach()
                )
        for name, tensor in self._buffers.items():
            if tensor is not None and name not in self._non_persistent_buffers_set:
                destination[prefix + name] = tensor if keep_vars else tensor.detach()
        if type(self).get_extra_state is not Stateful.get_extra_state:
            destination[prefix + _EXTRA_STATE] = self.get_extra_state()

    def get_extra_state(self) -> Any:
        """What else belongs into the state dictionary; modules define it together with
        set_extra_state.

        >>> import alight as torch
        >>> class Counter(torch.nn.Module):
        ...     count = 3
        ...     def get_extra_state(self):
        ...         return self.count
        ...     def set_extra_state(self, state):
        ...         self.count = state
        >>> Counter().state_dict()
        OrderedDict([('_extra_state', 3)])
        """
        fail(
            RuntimeError,
            "Reached a code path in Module.get_extra_state() that should never be called. Please file an issue at "
            "https://github.com/pytorch/pytorch/issues/new?template=bug-report.yml to report this bug.",
        )

    def set_extra_state(self, state: Any) -> None:
        """Take back what get_extra_state gave; modules define both.

        >>> import alight as torch
        >>> class Counter(torch.nn.Module):
        ...     count = 0
        ...     def get_extra_state(self):
        ...         return self.count
        ...     def set_extra_state(self, state):
        ...         self.count = state
        >>> counter = Counter()
        >>> counter.load_state_dict({"_extra_state": 3})
        <All keys matched successfully>
        >>> counter.count
        3
        """
        fail(
            RuntimeError,
            "Reached a code path in Module.set_extra_state() that should never be called. Please file an issue at "
            "https://github.com/pytorch/pytorch/issues/new?template=bug-report.yml to report this bug.",
        )

    def _register_state_dict_hook(self, hook: Any) -> RemovableHandle:
        return add(self._state_dict_hooks, hook)

    def register_state_dict_post_hook(self, hook: Any) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, local_metadata)` after state_dict; it may change the
        dictionary.

        >>> import alight as torch
        >>> layer = torch.nn.Linear(2, 1)
        >>> def count(module, state, prefix, metadata):
        ...     print(prefix, len(state))
        >>> handle = layer.register_state_dict_post_hook(count)
        >>> _ = layer.state_dict(prefix="layer.")
        layer. 2
        """
        return add(self._state_dict_hooks, hook)

    def register_state_dict_pre_hook(self, hook: Any) -> RemovableHandle:
        """Call `hook(module, prefix, keep_vars)` before state_dict.

        >>> import alight as torch
        >>> layer = torch.nn.Linear(2, 1)
        >>> handle = layer.register_state_dict_pre_hook(lambda *args: print("saved"))
        >>> _ = layer.state_dict()
        saved
        """
        return add(self._state_dict_pre_hooks, hook)

    # -- loading --------------------------------------------------------------------------------------------------------

    def register_load_state_dict_pre_hook(self, hook: Any) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, ...)` before this module's part is loaded, to rename
        what is old.

        The rest of its arguments are local_metadata, strict and the lists of missing keys,
        unexpected keys and error messages.

        >>> import alight as torch
        >>> def rename(module, state, prefix, *rest):
        ...     state[prefix + "weight"] = state.pop(prefix + "kernel")
        >>> layer = torch.nn.Linear(1, 1, bias=False)
        >>> handle = layer.register_load_state_dict_pre_hook(rename)
        >>> layer.load_state_dict({"kernel": torch.ones(1, 1)})
        <All keys matched successfully>
        """
        return add(self._load_state_dict_pre_hooks, lambda *args: hook(self, *args))

    def _register_load_state_dict_pre_hook(
        self, hook: Any, with_module: bool = False
    ) -> RemovableHandle:
        return add(
            self._load_state_dict_pre_hooks,
            (lambda *args: hook(self, *args)) if with_module else hook,
        )

    def register_load_state_dict_post_hook(self, hook: Any) -> RemovableHandle:
        """Call `hook(module, incompatible_keys)` after this module's part is loaded; it may change the
        lists.

        >>> import alight as torch
        >>> layer = torch.nn.Linear(1, 1)
        >>> def forgive(module, keys):
        ...     keys.missing_keys.clear()
        >>> handle = layer.register_load_state_dict_post_hook(forgive)
        >>> layer.load_state_dict({})
        <All keys matched successfully>
        """
        return add(self._load_state_dict_post_hooks, hook)

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Copy tensors into parameters and buffers by path; with `assign`, put them in their place.

        RuntimeError, with a list, for tensors of other shapes and, with `strict`, for names that
        are missing or unknown; else those are in the result.

        >>> import alight as torch
        >>> one, other = torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)
        >>> other.load_state_dict(one.state_dict())
        <All keys matched successfully>
        >>> torch.equal(one.weight, other.weight)
        True
        >>> other.load_state_dict({}, strict=False)
        _IncompatibleKeys(missing_keys=['weight', 'bias'], unexpected_keys=[])
        """
        if not isinstance(state_dict, Mapping):
            fail(
                TypeError,
                f"Expected state_dict to be dict-like, got {type(state_dict)}.",
                try_="other.state_dict()",
            )
        missing: list[str] = []
        unexpected: list[str] = []
        errors: list[str] = []
        metadata = getattr(state_dict, "_metadata", None)
        state_dict = OrderedDict(state_dict)
        if metadata is not None:
            state_dict._metadata = metadata  # type: ignore[attr-defined]

        def load(module: Any, state: Any, prefix: str) -> None:
            local = {} if metadata is None else dict(metadata.get(prefix[:-1], {}))
            if assign:
                local["assign_to_params_buffers"] = True
            module._load_from_state_dict(state, prefix, local, True, missing, unexpected, errors)
            for name, child in module._modules.items():
                if child is not None:
                    inner = prefix + name + "."
                    load(
                        child,
                        {key: value for key, value in state.items() if key.startswith(inner)},
                        inner,
                    )
            keys = IncompatibleKeys(missing, unexpected)
            for hook in module._load_state_dict_post_hooks.values():
                hook(module, keys)

        load(self, state_dict, "")
        self._report(strict, missing, unexpected, errors)
        return IncompatibleKeys(missing, unexpected)

    def _report(
        self, strict: bool, missing: list[str], unexpected: list[str], errors: list[str]
    ) -> None:
        if strict:
            if unexpected:
                names = ", ".join(f'"{name}"' for name in unexpected)
                errors.insert(0, f"Unexpected key(s) in state_dict: {names}. ")
            if missing:
                names = ", ".join(f'"{name}"' for name in missing)
                errors.insert(0, f"Missing key(s) in state_dict: {names}. ")
        if errors:
            only_names = strict and len(errors) == bool(missing) + bool(unexpected)
            fail(
                RuntimeError,
                f"Error(s) in loading state_dict for {type(self).__name__}:\n\t"
                + "\n\t".join(errors),
                try_=_renaming(missing, unexpected)
                if only_names
                else "a model with the sizes of the one that was saved",
            )

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, local_metadata: Any, strict: bool, missing_keys: list[str],
        unexpected_keys: list[str], error_msgs: list[str],
    ) -> None:  # fmt: skip
        """Load this module's own part; modules override it to rename or convert."""
        for hook in self._load_state_dict_pre_hooks.values():
            hook(
                state_dict,
                prefix,
                local_metadata,
                strict,
                missing_keys,
                unexpected_keys,
                error_msgs,
            )
        assign = local_metadata.get("assign_to_params_buffers", False)
        kept = {
            name: one
            for name, one in self._buffers.items()
            if name not in self._non_persistent_buffers_set
        }
        own = {
            name: one for name, one in (*self._parameters.items(), *kept.items()) if one is not None
        }
        for name, tensor in own.items():
            key = prefix + name
            if key in state_dict:
                self._load_one(name, key, tensor, state_dict[key], assign, error_msgs)
            elif strict:
                missing_keys.append(key)
        extra = prefix + _EXTRA_STATE
        if type(self).set_extra_state is not Stateful.set_extra_state:
            if extra in state_dict:
                self.set_extra_state(state_dict[extra])
            elif strict:
                missing_keys.append(extra)
        elif strict and extra in state_dict:
            unexpected_keys.append(extra)
        if strict:
            self._find_unexpected(state_dict, prefix, own, unexpected_keys)

    def _find_unexpected(
        self, state_dict: Any, prefix: str, own: Any, unexpected_keys: list[str]
    ) -> None:
        for key in state_dict:
            if not key.startswith(prefix) or key == prefix + _EXTRA_STATE:
                continue
            head, dot, _ = key[len(prefix) :].partition(".")
            known = head in self._modules if dot else head in own
            if not known:
                unexpected_keys.append(key)

    def _load_one(
        self, name: str, key: str, tensor: Any, given: Any, assign: bool, errors: list[str]
    ) -> None:
        if not isinstance(given, Tensor):
            errors.append(
                f'While copying the parameter named "{key}", expected torch.Tensor or Tensor-like object from checkpoint '
                f"but received {type(given)}"
            )
            return
        if is_lazy(tensor):
            if is_lazy(given):
                return
            if not assign:
                tensor.materialize(tuple(given.shape))
        elif tensor.ndim == 0 and given.shape == (1,):
            given = given[0]  # checkpoints from before 0-d tensors
        if not (is_lazy(tensor) or given.shape == tensor.shape):
            errors.append(
                f"size mismatch for {key}: copying a param with shape {given.shape} from checkpoint, the shape in current "
                f"model is {tensor.shape}."
            )
            return
        with no_grad():
            if not assign:
                tensor.copy_(given)
            elif isinstance(tensor, Parameter):
                setattr(
                    self,
                    name,
                    given
                    if isinstance(given, Parameter)
                    else Parameter(given, tensor.requires_grad),
                )
            else:
                setattr(self, name, given)
