"""Optimizer: parameter groups, state, hooks. A step ends a lap: after it the segment runs."""

from __future__ import annotations

import functools
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

from alight.autograd.hooks import RemovableHandle
from alight.dtypes import float32
from alight.errors import fail
from alight.record.recorder import thread
from alight.tensor import Tensor, filled

Params = Any
Hook = Callable[..., Any]


class _Required:
    """Stands for a setting that has no default."""

    def __repr__(self) -> str:
        return "<required parameter>"


required = _Required()

_every_pre_hook: OrderedDict[int, Hook] = OrderedDict()
_every_post_hook: OrderedDict[int, Hook] = OrderedDict()


def _register(table: OrderedDict[int, Hook], hook: Hook, prepend: bool = False) -> RemovableHandle:
    handle = RemovableHandle(table)
    table[handle.id] = hook
    if prepend:
        table.move_to_end(handle.id, last=False)
    return handle


def register_optimizer_step_pre_hook(hook: Hook) -> RemovableHandle:
    """Call `hook(optimizer, args, kwargs)` before the step of every optimizer.

    >>> import alight as torch
    >>> from alight.optim.optimizer import register_optimizer_step_pre_hook
    >>> handle = register_optimizer_step_pre_hook(lambda *args: print("step"))
    >>> torch.optim.SGD([torch.ones(1, requires_grad=True)]).step()
    step
    >>> handle.remove()
    """
    return _register(_every_pre_hook, hook)


def register_optimizer_step_post_hook(hook: Hook) -> RemovableHandle:
    """Call `hook(optimizer, args, kwargs)` after the step of every optimizer.

    >>> import alight as torch
    >>> from alight.optim.optimizer import register_optimizer_step_post_hook
    >>> handle = register_optimizer_step_post_hook(lambda *args: print("stepped"))
    >>> torch.optim.SGD([torch.ones(1, requires_grad=True)]).step()
    stepped
    >>> handle.remove()
    """
    return _register(_every_post_hook, hook)


def _watched(step: Callable[..., Any]) -> Callable[..., Any]:
    """`step` with its hooks, and the lap that it ends."""

    @functools.wraps(step)
    def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
        if _every_pre_hook or self._optimizer_step_pre_hooks:
            for hook in (*_every_pre_hook.values(), *self._optimizer_step_pre_hooks.values()):
                changed = hook(self, args, kwargs)
                if changed is not None:
                    if not (isinstance(changed, tuple) and len(changed) == 2):
                        fail(
                            RuntimeError,
                            f"{step} must return None or a tuple of (new_args, new_kwargs), but got {changed}.",
                        )
                    args, kwargs = changed
        result = step(self, *args, **kwargs) if args or kwargs else step(self)
        if _every_post_hook or self._optimizer_step_post_hooks:
            for hook in (*self._optimizer_step_post_hooks.values(), *_every_post_hook.values()):
                hook(self, args, kwargs)
        self._opt_called = True
        recorder = thread.recorder
        if recorder.handles:
            recorder.flush("optimizer step")
        return result

    watched._is_watched = True  # type: ignore[attr-defined]
    return watched


_HOOK_TABLES = (
    "_optimizer_step_pre_hooks", "_optimizer_step_post_hooks", "_optimizer_state_dict_pre_hooks",
    "_optimizer_state_dict_post_hooks", "_optimizer_load_state_dict_pre_hooks",
    "_optimizer_load_state_dict_post_hooks",
)  # fmt: skip


class Optimizer:
    """Base of all optimizers: holds parameter groups and per-parameter state; subclasses define
    `step`.

    `params` are tensors, (name, tensor) pairs, or groups: dictionaries with "params" and the
    settings that differ from `defaults`. They stand in `param_groups`; `state[p]` is a
    dictionary for each parameter. TypeError for a single tensor or what is none, ValueError for
    no parameters, a parameter in two groups or a non-leaf. Differs: running means that fall below
    the smallest normal number are 0, since arithmetic with such numbers is slow.

    >>> import alight as torch
    >>> class Descent(torch.optim.Optimizer):
    ...     def __init__(self, params, lr):
    ...         super().__init__(params, {"lr": lr})
    ...     @torch.no_grad()
    ...     def step(self):
    ...         for group in self.param_groups:
    ...             for p in group["params"]:
    ...                 p -= group["lr"] * p.grad
    >>> w = torch.ones(1, requires_grad=True)
    >>> (3 * w).backward()
    >>> Descent([w], lr=0.1).step()
    >>> w
    tensor([0.7000], requires_grad=True)
    """

    param_groups: list[dict[str, Any]]
    state: Any
    _optimizer_step_pre_hooks: OrderedDict[int, Hook]
    _optimizer_step_post_hooks: OrderedDict[int, Hook]
    _optimizer_state_dict_pre_hooks: OrderedDict[int, Hook]
    _optimizer_state_dict_post_hooks: OrderedDict[int, Hook]
    _optimizer_load_state_dict_pre_hooks: OrderedDict[int, Hook]
    _optimizer_load_state_dict_post_hooks: OrderedDict[int, Hook]
    numbers: tuple[
        str, ...
    ] = ()  # state entries that are Python numbers here, 0-d tensors in state_dict

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        step = cls.__dict__.get("step")
        if callable(step) and not getattr(step, "_is_watched", False):
            cls.step = _watched(step)  # type: ignore[method-assign]

    def __init__(self, params: Params, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self._make_tables()
        if isinstance(params, Tensor):
            fail(
                TypeError,
                "params argument given to the optimizer should be an iterable of Tensors or dicts, but got "
                f"torch.{'Float' if params.dtype is float32 else ''}Tensor",
                try_="[tensor]",
            )
        if not hasattr(params, "__iter__"):
            fail(
                TypeError,
                f"'{type(params).__name__}' object is not iterable",
                try_="its parameters: net.parameters()"
                if hasattr(params, "parameters")
                else "[tensor]",
            )
        self.state = defaultdict(dict)
        self.param_groups = []
        groups = list(params)
        if not groups:
            fail(
                ValueError,
                "optimizer got an empty parameter list",
                try_="model.parameters() after the layers are made; a list instead of a generator that was used up",
            )
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(dict(group))

    def _make_tables(self) -> None:
        for name in _HOOK_TABLES:
            self.__dict__.setdefault(name, OrderedDict())

    def __getstate__(self) -> dict[str, Any]:
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._make_tables()
        if not isinstance(self.__dict__.get("state"), defaultdict):
            self.state = defaultdict(dict, self.__dict__.get("state", {}))

    def __repr__(self) -> str:
        lines = [type(self).__name__ + " ("]
        for i, group in enumerate(self.param_groups):
            lines += [""] * (i > 0) + [f"Parameter Group {i}"]
            lines.extend(
                f"    {key}: {group[key]}"
                for key in sorted(group)
                if key not in ("params", "param_names")
            )
        return "\n".join([*lines, ")"])

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters by their gradients; those without one stay. Subclasses define it.

        With a `closure`, which computes the loss with its gradients, it is called first and its
        loss is given back.

        >>> import alight as torch
        >>> w = torch.ones(1, requires_grad=True)
        >>> optimizer = torch.optim.SGD([w], lr=0.1)
        >>> (2 * w).backward()
        >>> optimizer.step()
        >>> w
        tensor([0.8000], requires_grad=True)
        """
        raise NotImplementedError

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients of all parameters, or fill them with zeros with set_to_none=False.

        >>> import alight as torch
        >>> w = torch.ones(1, requires_grad=True)
        >>> (2 * w).backward()
        >>> torch.optim.SGD([w]).zero_grad()
        >>> print(w.grad)
        None
        """
        thread.recorder.lap_mark("zero_grad")
        if set_to_none:
            for group in self.param_groups:
                for parameter in group["params"]:
                    parameter._grad = None
            return
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter._grad is not None:
                    parameter._grad = filled(parameter._grad._meta.type)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group: its "params" and those settings that differ from the defaults.

        TypeError where it is no dictionary, ValueError where a parameter is in another group
        already.

        >>> import alight as torch
        >>> body, head = torch.nn.Linear(2, 2), torch.nn.Linear(2, 1)
        >>> optimizer = torch.optim.SGD(body.parameters(), lr=0.1)
        >>> optimizer.add_param_group({"params": head.parameters(), "lr": 0.01})
        >>> [group["lr"] for group in optimizer.param_groups]
        [0.1, 0.01]
        """
        if not isinstance(param_group, dict):
            fail(TypeError, f"param_group must be a dict, but got {type(param_group)}")
        params = param_group["params"]
        if isinstance(params, Tensor):
            params = [params]
        elif isinstance(params, set):
            fail(
                TypeError,
                "optimizer parameters need to be organized in ordered collections, but the ordering of tensors in sets "
                "will change between runs. Please use a list instead.",
            )
        params = list(params)
        if params and all(isinstance(one, tuple) for one in params):
            param_group["param_names"] = [name for name, _ in params]
            params = [parameter for _, parameter in params]
        param_group["params"] = params
        for parameter in params:
            self._check_parameter(parameter)
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                fail(
                    ValueError,
                    f"parameter group didn't specify a value of required optimization parameter {name}",
                )
            param_group.setdefault(name, default)
        held = {id(parameter) for group in self.param_groups for parameter in group["params"]}
        if not held.isdisjoint(map(id, params)):
            fail(
                ValueError,
                "some parameters appear in more than one parameter group",
                try_="a group for each part: net.body.parameters(), net.head.parameters()",
            )
        self.param_groups.append(param_group)

    def _check_parameter(self, parameter: Any) -> None:
        if not isinstance(parameter, Tensor):
            fail(
                TypeError,
                f"optimizer can only optimize Tensors, but one of the params is {type(parameter).__name__}",
            )
        if not (parameter.is_leaf or parameter._retains_grad):
            fail(
                ValueError,
                "can't optimize a non-leaf Tensor",
                try_="the tensor that it was computed from, or .detach().requires_grad_()",
            )

    # -- hooks ----------------------------------------------------------------------------------------------------------

    def register_step_pre_hook(self, hook: Hook) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` before each step; it may return new args and kwargs.

        >>> import alight as torch
        >>> optimizer = torch.optim.SGD([torch.ones(1, requires_grad=True)])
        >>> handle = optimizer.register_step_pre_hook(lambda *args: print("step"))
        >>> optimizer.step()
        step
        """
        return _register(self._optimizer_step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Hook) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` after each step.

        >>> import alight as torch
        >>> optimizer = torch.optim.SGD([torch.ones(1, requires_grad=True)])
        >>> handle = optimizer.register_step_post_hook(lambda *args: print("stepped"))
        >>> optimizer.step()
        stepped
        """
        return _register(self._optimizer_step_post_hooks, hook)

    def register_state_dict_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call `hook(optimizer)` before state_dict.

        >>> import alight as torch
        >>> optimizer = torch.optim.SGD([torch.ones(1, requires_grad=True)])
        >>> handle = optimizer.register_state_dict_pre_hook(lambda optimizer: print("saving"))
        >>> _ = optimizer.state_dict()
        saving
        """
        return _register(self._optimizer_state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call `hook(optimizer, state_dict)` after state_dict; what it returns is given instead.

        >>> import alight as torch
        >>> optimizer = torch.optim.SGD([torch.ones(1, requires_grad=True)])
        >>> handle = optimizer.register_state_dict_post_hook(lambda optimizer, state: list(state))
        >>> optimizer.state_dict()
        ['state', 'param_groups']
        """
        return _register(self._optimizer_state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(
        self, hook: Hook, prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(optimizer, state_dict)` before load_state_dict; what it returns is loaded
        instead.

        >>> import alight as torch
        >>> optimizer = torch.optim.SGD([torch.ones(1, requires_grad=True)])
        >>> handle = optimizer.register_load_state_dict_pre_hook(lambda *args: print("loading"))
        >>> optimizer.load_state_dict(optimizer.state_dict())
        loading
        """
        return _register(self._optimizer_load_state_dict_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(
        self, hook: Hook, prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(optimizer)` after load_state_dict.

        >>> import alight as torch
        >>> optimizer = torch.optim.SGD([torch.ones(1, requires_grad=True)])
        >>> handle = optimizer.register_load_state_dict_post_hook(lambda *args: print("loaded"))
        >>> optimizer.load_state_dict(optimizer.state_dict())
        loaded
        """
        return _register(self._optimizer_load_state_dict_post_hooks, hook, prepend)

    # -- state ----------------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """State and groups, parameters replaced by their numbers: what PyTorch's optimizers save.

        >>> import alight as torch
        >>> optimizer = torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=0.1)
        >>> optimizer.state_dict()["param_groups"][0]["params"]
        [0]
        """
        for hook in self._optimizer_state_dict_pre_hooks.values():
            hook(self)
        number: dict[int, int] = {}
        for group in self.param_groups:
            for parameter in group["params"]:
                number.setdefault(id(parameter), len(number))
        groups = [
            {
                **{k: v for k, v in group.items() if k != "params"},
                "params": [number[id(p)] for p in group["params"]],
            }
            for group in self.param_groups
        ]
        state = {
            number[id(key)] if isinstance(key, Tensor) else key: self._saved(value)
            for key, value in self.state.items()
        }
        result = {"state": state, "param_groups": groups}
        for hook in self._optimizer_state_dict_post_hooks.values():
            changed = hook(self, result)
            if changed is not None:
                result = changed
        return result

    def _saved(self, state: Any) -> Any:
        if not self.numbers or not isinstance(state, dict):
            return state
        from alight.ops.creation import tensor

        return {
            key: tensor(value, dtype=float32)
            if key in self.numbers and isinstance(value, float)
            else value
            for key, value in state.items()
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take back what `state_dict` gave, here or in PyTorch; ValueError where the groups are
        others.

        >>> import alight as torch
        >>> one = torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=0.1)
        >>> other = torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=0.5)
        >>> other.load_state_dict(one.state_dict())
        >>> other.param_groups[0]["lr"]
        0.1
        """
        state_dict = dict(state_dict)
        for hook in self._optimizer_load_state_dict_pre_hooks.values():
            changed = hook(self, state_dict)
            if changed is not None:
                state_dict = changed
        groups, saved = self.param_groups, deepcopy(state_dict["param_groups"])
        if len(groups) != len(saved):
            fail(ValueError, "loaded state dict has a different number of parameter groups")
        if any(len(a["params"]) != len(b["params"]) for a, b in zip(groups, saved, strict=True)):
            fail(
                ValueError,
                "loaded state dict contains a parameter group that doesn't match the size of optimizer's group",
                facts=[
                    f"groups hold {[len(one['params']) for one in groups]} parameters, saved ones "
                    f"{[len(one['params']) for one in saved]}"
                ],
                try_="an optimizer over the same parameters in the same order",
            )
        of_number: dict[int, Any] = {}
        for group, loaded in zip(groups, saved, strict=True):
            of_number.update(zip(loaded["params"], group["params"], strict=True))
        state: Any = defaultdict(dict)
        for key, value in state_dict["state"].items():
            parameter = of_number.get(key)
            if parameter is None:
                state[key] = value
            else:
                state[parameter] = self._loaded(parameter, value)
        merged = []
        for group, loaded in zip(groups, saved, strict=True):
            loaded["params"] = group["params"]
            if "param_names" in group:
                loaded.setdefault("param_names", group["param_names"])
            merged.append(loaded)
        self.__setstate__({"state": state, "param_groups": merged})
        for hook in self._optimizer_load_state_dict_post_hooks.values():
            hook(self)

    def _loaded(self, parameter: Any, value: Any, key: str = "") -> Any:
        """A value of the state, in the dtype and on the device of its parameter; copied."""
        if isinstance(value, Tensor):
            if key in self.numbers:
                return float(value.item())
            if key == "step":
                return value.detach().clone()
            of = parameter.dtype if parameter.is_floating_point() else value.dtype
            return value.detach().clone().to(dtype=of, device=parameter.device)
        if key in self.numbers and isinstance(value, (int, float)):
            return float(value)
        if isinstance(value, dict):
            return {name: self._loaded(parameter, one, name) for name, one in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)([self._loaded(parameter, one) for one in value])
        return value


__all__ = ["Iterable", "Optimizer", "required"]
