"""The base of all optimizers: parameter groups, state, exchange of both, and the recorded update.

In: parameters with gradients. Out: parameters and state written in place, as one step of the recorded path. A
subclass of ours gives `_update`; a user's own subclass overrides `step`, as in PyTorch.
"""

from __future__ import annotations

import functools
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from typing import Any

from alight.autograd.hooks import RemovableHandle
from alight.autograd.modes import enable_grad, no_grad
from alight.errors import fail, not_implemented
from alight.ir.program import Value
from alight.ops.operation import TORCH
from alight.primitives import Convert
from alight.record.recorder import thread
from alight.tensor import Tensor

Group = dict[str, Any]
State = dict[str, Any]


class _Required:
    def __repr__(self) -> str:
        return "<required parameter>"


required = _Required()


class Optimizer:
    """Base class. `params` is an iterable of tensors, of (name, tensor) pairs, or of groups (dicts with "params").

    >>> import alight as torch
    >>> w = torch.ones(1, requires_grad=True)
    >>> optimizer = torch.optim.SGD([w], lr=0.1)
    >>> (w * 3).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.7000], requires_grad=True)
    """

    def __init__(self, params: Iterable[Any], defaults: Group) -> None:
        self.defaults = defaults
        self.state: dict[Any, State] = defaultdict(dict)
        self.param_groups: list[Group] = []
        self._before_step: OrderedDict[int, Callable[..., Any]] = OrderedDict()
        self._after_step: OrderedDict[int, Callable[..., Any]] = OrderedDict()
        if isinstance(params, Tensor):
            fail(
                TypeError,
                "params argument given to the optimizer should be an iterable of Tensors or dicts, but got "
                "torch.FloatTensor",
                try_="[parameter]",
            )
        groups = list(params)
        if not groups:
            fail(ValueError, "optimizer got an empty parameter list", try_="net.parameters()")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(dict(group))
        self._wrap_step()

    # -- groups --------------------------------------------------------------------------------------------------------

    def add_param_group(self, param_group: Group) -> None:
        """Add parameters with options of their own; what a group does not say comes from the defaults."""
        if not isinstance(param_group, dict):
            fail(TypeError, f"param_group must be a dict, but got {type(param_group)}")
        given = param_group["params"]
        if isinstance(given, set):
            fail(
                TypeError,
                "optimizer parameters need to be organized in ordered collections, but the ordering of tensors in sets "
                "will change between runs. Please use a list instead.",
            )
        params = [given] if isinstance(given, Tensor) else list(given)
        if params and isinstance(params[0], tuple):
            param_group["param_names"] = [name for name, _ in params]
            params = [param for _, param in params]
        for param in params:
            if not isinstance(param, Tensor):
                fail(TypeError, f"optimizer can only optimize Tensors, but one of the params is {type(param).__name__}")
            if not (param.is_leaf or param.retains_grad):
                fail(ValueError, "can't optimize a non-leaf Tensor", try_=".detach().requires_grad_()")
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                fail(ValueError, f"parameter group didn't specify a value of required optimization parameter {name}")
            param_group.setdefault(name, default)
        known = {id(param) for group in self.param_groups for param in group["params"]}
        if any(id(param) in known for param in params):
            fail(ValueError, "some parameters appear in more than one parameter group")
        self.param_groups.append({**param_group, "params": params})

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or fill them with zeros."""
        for group in self.param_groups:
            for param in group["params"]:
                if set_to_none:
                    param._grad = None
                elif param._grad is not None:
                    param._grad = param._grad.detach().zero_()

    # -- steps ----------------------------------------------------------------------------------------------------------

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; `closure` computes the loss again first, and is returned."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for group in self.param_groups:
            params = [param for param in group["params"] if param._grad is not None]
            if params:
                self._update(group, params)
        return loss

    def _update(self, group: Group, params: Sequence[Tensor]) -> None:
        """Record the update of `params`, which all have gradients."""
        raise NotImplementedError(f"{type(self).__name__} must define step()")

    def _record(
        self,
        name: str,
        statics: tuple[Any, ...],
        params: Sequence[Tensor],
        buffers: Sequence[str],
        numbers: Sequence[Sequence[float]],
        rule: Callable[..., tuple[Value, ...]],
    ) -> None:
        """One step of the path for parameters of one kind.

        `rule(param, grad, *buffers, *numbers)` gives the new parameter and buffers as values; `numbers[i]` are those
        of parameter i. Parameters whose numbers are the same share them as inputs of the program.
        """
        state = self.state
        grads = [param._grad for param in params]
        writes = [*params, *(state[param][buffer] for buffer in buffers for param in params)]
        shared = all(row == numbers[0] for row in numbers)
        given = list(numbers[0]) if shared else [number for row in numbers for number in row]
        count, per = len(params), len(numbers[0])

        def body(reads: list[Value], written: list[Value], scalars: list[Value]) -> list[Value]:
            columns: list[list[Value]] = [[] for _ in range(1 + len(buffers))]
            for i in range(count):
                own = scalars if shared else scalars[i * per : (i + 1) * per]
                param = written[i]
                own = [Convert(number, dtype=param.dtype.to_real()) for number in own]
                held = [written[(b + 1) * count + i] for b in range(len(buffers))]
                for column, value in zip(columns, rule(param, reads[i], *held, *own), strict=True):
                    column.append(value)
            return [value for column in columns for value in column]

        thread.recorder.compound(name, (statics, buffers, shared, count), grads, writes, given, body)

    def _wrap_step(self) -> None:
        """Hooks, no recording, and the end of a lap round every class's `step`, the users' included."""
        cls = type(self)
        step = cls.step
        if getattr(step, "is_wrapped", False):
            return

        @functools.wraps(step)
        def wrapped(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
            for hook in self._before_step.values():
                replaced = hook(self, args, kwargs)
                if replaced is not None:
                    args, kwargs = replaced
            result = step(self, *args, **kwargs)
            for hook in self._after_step.values():
                hook(self, args, kwargs)
            thread.recorder.lap_mark("optimizer step", always=True)
            return result

        wrapped.is_wrapped = True  # type: ignore[attr-defined]
        cls.step = wrapped  # type: ignore[method-assign]

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` before each step."""
        handle = RemovableHandle(self._before_step)
        self._before_step[handle.id] = hook
        return handle

    def register_step_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` after each step."""
        handle = RemovableHandle(self._after_step)
        self._after_step[handle.id] = hook
        return handle

    # -- exchange -------------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """State and options, with parameters numbered in order: PyTorch's form."""
        numbers: dict[int, int] = {}
        for group in self.param_groups:
            for param in group["params"]:
                numbers.setdefault(id(param), len(numbers))
        groups = [
            {**{name: value for name, value in group.items() if name != "params"},
             "params": [numbers[id(param)] for param in group["params"]]}
            for group in self.param_groups
        ]  # fmt: skip
        state = {
            numbers[id(key)] if isinstance(key, Tensor) else key: _for_file(value)
            for key, value in self.state.items()
        }
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over state and options, in the order of the parameters."""
        saved = state_dict["param_groups"]
        if len(saved) != len(self.param_groups):
            fail(ValueError, "loaded state dict has a different number of parameter groups")
        for ours, theirs in zip(self.param_groups, saved, strict=True):
            if len(ours["params"]) != len(theirs["params"]):
                fail(ValueError, "loaded state dict contains a parameter group that doesn't match the size of optimizer's group")
        params = {
            number: param
            for ours, theirs in zip(self.param_groups, saved, strict=True)
            for number, param in zip(theirs["params"], ours["params"], strict=True)
        }
        state: dict[Any, State] = defaultdict(dict)
        for key, value in state_dict["state"].items():
            if key in params:
                state[params[key]] = {name: _as_state(one, params[key], name) for name, one in value.items()}
            else:
                state[key] = value
        self.state = state
        self.param_groups = [
            {**deepcopy({k: v for k, v in theirs.items() if k != "params"}), "params": ours["params"]}
            for ours, theirs in zip(self.param_groups, saved, strict=True)
        ]

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines.extend(["", f"Parameter Group {i}"] if i else [f"Parameter Group {i}"])
            lines.extend(f"    {name}: {group[name]}" for name in sorted(group) if name != "params")
        return "\n".join(lines) + "\n)"

    def __getstate__(self) -> dict[str, Any]:
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._before_step, self._after_step = OrderedDict(), OrderedDict()
        self._wrap_step()


def _for_file(value: Any) -> Any:
    if isinstance(value, dict) and isinstance(value.get("step"), int):
        return {**value, "step": TORCH["tensor"](float(value["step"]))}
    return value


def _as_state(value: Any, param: Tensor, name: str) -> Any:
    """Loaded state as this optimizer holds it: step counts stay as they are, buffers take the parameter's dtype."""
    if not isinstance(value, Tensor):
        return deepcopy(value)
    if name == "step":
        return int(value.item())
    value = value.detach().clone()
    if param.is_floating_point():
        value = value.to(dtype=param.dtype, device=param.device)
    return value


def buffer_like(state: State, name: str, param: Tensor, value: float = 0.0) -> None:
    """Make sure that `state[name]` is there: a tensor like `param`, filled with one number."""
    if name not in state:
        with no_grad():
            state[name] = TORCH["full_like"](param, value).detach()


def step_counts(states: Sequence[State]) -> list[int]:
    """Count one more step of each parameter; counts are Python numbers here and 0-d tensors in files."""
    for state in states:
        state["step"] = state.get("step", 0) + 1
    return [state["step"] for state in states]


def check_nonnegative(**numbers: float) -> None:
    """PyTorch's errors for options that must not be negative."""
    names = {"lr": "learning rate", "eps": "epsilon value", "weight_decay": "weight_decay value", "momentum": "momentum value"}
    for name, number in numbers.items():
        if isinstance(number, (int, float)) and not number >= 0.0:
            fail(ValueError, f"Invalid {names.get(name, name)}: {number}")


def refuse(option: str, value: Any, nearest: str) -> None:
    """Say that an option is not there."""
    if value:
        not_implemented(f"the optimizer option {option}={value!r}", nearest)

