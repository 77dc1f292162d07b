"""The base of the optimizers whose update is a formula on elements.

A step is one recorded step for each group: it reads the gradients and writes parameters and state, with learning
rates and the like as inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any
from weakref import ref

from alight import primitives as prim
from alight.autograd.modes import enable_grad
from alight.dtypes import dtype, float32, float64
from alight.errors import fail, not_implemented
from alight.ir.program import Value
from alight.optim.optimizer import Optimizer
from alight.primitives import Complex, Convert, Imag, Real
from alight.primitives.arithmetic import constant, zeros_like
from alight.record.kept import Kept, keep
from alight.record.recorder import thread
from alight.tensor import filled


def number(value: Any) -> float:
    """A setting as a Python float; a tensor gives its element."""
    return value if value.__class__ is float else float(value)


def check_not_negative(what: str, value: Any) -> None:
    """PyTorch's ValueError for a negative setting."""
    if not number(value) >= 0.0:
        fail(ValueError, f"Invalid {what}: {value}")


def check_betas(betas: Sequence[float]) -> None:
    """PyTorch's ValueError for decay rates outside [0, 1)."""
    for i, beta in enumerate(betas):
        if not 0.0 <= number(beta) < 1.0:
            fail(
                ValueError,
                f"Invalid beta parameter at index {i}: {beta}",
                facts=["a share of the past that is kept at each step: from 0, below 1"],
                try_="betas=(0.9, 0.999)",
            )


# Names of state tensors, the formula's form, the numbers that it reads, whether steps are counted.
Terms = tuple[tuple[str, ...], tuple[Any, ...], list[float], bool]


def _stays(setting: Any) -> bool:
    """Whether a setting cannot change by itself, as a list or a tensor can."""
    if isinstance(setting, tuple):
        return all(map(_stays, setting))
    return setting is None or isinstance(setting, (float, int, str))


class ElementwiseOptimizer(Optimizer):
    """An optimizer whose update of each parameter is a formula on its elements.

    Subclasses say which state tensors a group needs (`slots`), which settings decide the formula's form (`form`),
    which numbers it reads (`settings`, and `at_step` for those that depend on the step), and the `update` itself.
    """

    numbers: tuple[str, ...] = ("step",)
    step_numbers = 0  # how many numbers `at_step` gives

    def slots(self, group: dict[str, Any]) -> tuple[str, ...]:
        """Names of the state tensors."""
        return ()

    def form(self, group: dict[str, Any]) -> tuple[Any, ...]:
        """Settings that decide which formula is recorded."""
        return ()

    def settings(self, group: dict[str, Any]) -> list[float]:
        """Numbers that the formula reads, the same for all parameters."""
        return []

    def at_step(self, group: dict[str, Any], state: dict[str, Any]) -> tuple[float, ...]:
        """Count the step in `state`; the numbers that depend on it."""
        return ()

    def update(
        self,
        form: tuple[Any, ...],
        p: Value,
        grad: Value,
        slots: list[Value],
        n: list[Value],
        s: list[Value],
    ) -> tuple[Value, ...]:
        """The new parameter and the new state tensors; n are the settings, s the numbers of the step."""
        raise NotImplementedError

    def first_value(self, name: str, group: dict[str, Any]) -> float:
        """What a state tensor begins with."""
        return 0.0

    def begin(self, parameter: Any, state: dict[str, Any], group: dict[str, Any]) -> None:
        """Fill the state of a parameter at its first step."""
        for name in self.numbers:
            state.setdefault(name, 0.0)
        of = parameter._meta.type
        for name in self.slots(group):
            if state.get(name) is None:
                first: Any = self.first_value(name, group)
                state[name] = filled(of, complex(first, first) if of.dtype.is_complex else first)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; with a closure, compute the loss first and return it."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for group in self.param_groups:
            self._step_group(group)
        return loss

    def is_counted(self, group: dict[str, Any]) -> bool:
        """Whether `at_step` depends on a parameter's state."""
        return True

    def _make_tables(self) -> None:
        super()._make_tables()
        self._known: dict[int, tuple[Any, Any, Terms]] = {}  # by the group's id
        self._last: dict[int, ref[Kept]] = {}  # what was kept of its state, too

    def _terms(self, group: dict[str, Any]) -> Terms:
        """What a group's settings decide: as it was at the last step, if they are the same."""
        known = self._known.get(id(group))
        if known is not None:
            read, values, terms = known
            if read(group) == values:
                return terms
        if group.get("differentiable"):
            not_implemented(
                "optimizers with differentiable=True",
                "a hand-written update with create_graph=True",
            )
        terms = self.slots(group), self.form(group), self.settings(group), self.is_counted(group)
        read = itemgetter(*self.defaults)
        if all(name in group and _stays(group[name]) for name in self.defaults):
            self._known[id(group)] = read, read(group), terms
        return terms

    def _step_group(self, group: dict[str, Any]) -> None:
        params = group["params"]
        grads = [grad for p in params if (grad := p._grad) is not None]
        if len(grads) < len(params):
            if not grads:
                return
            params = [p for p in params if p._grad is not None]
        names, form, settings, is_counted = self._terms(group)
        steps: Sequence[tuple[float, ...]]
        writes, kept = params, None
        if names or is_counted:
            states = self._states_of(params, group)
        if names:
            kept = self._kept_of(states, names, group)
            if kept is None:
                kept, held = self._keep(params, states, names, group)
                writes = [*params, *held] if kept is None else params
        if is_counted:
            steps, which = self._count_steps(states, group)
        else:
            steps, which = (self.at_step(group, {}),), None
        key = form, which, len(params)
        thread.recorder.compound(
            self.__class__.__name__, key, grads, writes, [*settings, *chain.from_iterable(steps)],
            self._updated, form, which, len(steps), names, kept=kept,
        )  # fmt: skip

    def _states_of(self, params: list[Any], group: dict[str, Any]) -> list[dict[str, Any]]:
        """The state of each parameter, which it gets at its first step."""
        states = [*map(self.state.__getitem__, params)]
        if not all(states):
            for parameter, state in zip(params, states, strict=True):
                if not state:
                    self.begin(parameter, state, group)
        return states

    def _kept_of(
        self, states: list[dict[str, Any]], names: tuple[str, ...], group: dict[str, Any]
    ) -> Kept | None:
        """What the last step kept of the state, if all of it is still there and nobody has to do with it."""
        last = self._last.get(id(group))
        kept = None if last is None else last()
        if kept is None:
            return None
        try:
            slots = [state[name]._slot for state in states for name in names]
        except (AttributeError, KeyError):  # a tensor was replaced by something else
            return None
        return kept if kept.is_whole(slots, thread.recorder) else None

    def _keep(
        self,
        params: list[Any],
        states: list[dict[str, Any]],
        names: tuple[str, ...],
        group: dict[str, Any],
    ) -> tuple[Kept | None, list[Any]]:
        """Keep the state from now on, if its tensors are plain; the tensors."""
        for parameter, state in zip(params, states, strict=True):
            if any(state.get(name) is None for name in names):  # loaded without, or first asked for
                self.begin(parameter, state, group)
        held = [state[name] for state in states for name in names]
        kept = keep(thread.recorder, held)
        if kept is not None:
            self._last[id(group)] = ref(kept)
        return kept, held

    def _count_steps(
        self, states: list[dict[str, Any]], group: dict[str, Any]
    ) -> tuple[Sequence[tuple[float, ...]], tuple[int, ...] | None]:
        """Take the step in each state; the numbers of the steps, and which of them each state takes if not the first."""
        names, first = self.numbers, states[0]
        if names:
            before = [*map(itemgetter(*names), states)]
            if before.count(before[0]) == len(before):  # as a rule they have all counted alike
                numbers = self.at_step(group, first)
                for name in names:
                    value = first[name]
                    for state in states:
                        state[name] = value
                return (numbers,), None
        steps: dict[tuple[float, ...], int] = {}
        which = [steps.setdefault(self.at_step(group, state), len(steps)) for state in states]
        return list(steps), tuple(which) if len(steps) > 1 else None

    def _updated(
        self, form: tuple[Any, ...], which: tuple[int, ...] | None, step_count: int, names: tuple[str, ...], grads: list[Value],
        values: list[Value], scalars: list[Value],
    ) -> list[Value]:  # fmt: skip
        """The new values of all written tensors: parameters, then the state of each."""
        count = len(grads)
        which = which or (0,) * count
        per_step = self.step_numbers
        shared = len(scalars) - step_count * per_step
        cast: dict[tuple[int, dtype], Value] = {}
        new_params, new_slots = [], []
        for i in range(count):
            p = values[i]
            of = p.dtype.to_real()
            held = values[count + i * len(names) : count + (i + 1) * len(names)]
            at = shared + which[i] * per_step
            for j in (*range(shared), *range(at, at + per_step)):
                if (j, of) not in cast:
                    cast[j, of] = Convert(scalars[j], dtype=of)
            n = [cast[j, of] for j in range(shared)]
            s = [cast[j, of] for j in range(at, at + per_step)]
            new, *slots = self._by_parts(form, p, grads[i], held, n, s)
            new_params.append(new)
            new_slots.extend(slots)
        return [*new_params, *new_slots]

    def _by_parts(
        self, form: tuple[Any, ...], p: Value, grad: Value, held: list[Value], n: list[Value], s: list[Value]
    ) -> Sequence[Value]:  # fmt: skip
        """An update; that of complex numbers is one of their real and one of their imaginary parts."""
        if not p.dtype.is_complex:
            return self.update(form, p, grad, held, n, s)
        halves = [
            self.update(form, part(p), part(grad), [part(one) for one in held], n, s)
            for part in (Real, Imag)
        ]
        return [Complex(*both) for both in zip(*halves, strict=True)]


def decayed(p: Value, grad: Value, maximize: bool, weight_decay: Value | None) -> Value:
    """The gradient to descend along, with the penalty on weights."""
    grad = -grad if maximize else grad
    return grad if weight_decay is None else grad + p * weight_decay


SMALLEST_NORMAL = {float32: 2.0**-126, float64: 2.0**-1022}


def faded(mean: Value) -> Value:
    """A running mean, with zero for what lies below the normal numbers.

    Where gradients have become zero (a dead unit, the row of a rare word), a mean would shrink to the smallest numbers
    and stay there, since rounding up undoes each further step. Processors take a hundred times as long for those.
    """
    smallest = SMALLEST_NORMAL.get(mean.dtype)
    if smallest is None:
        return mean
    small = prim.Less(prim.Abs(mean), constant(mean, smallest, mean.shape))
    return prim.Select(small, zeros_like(mean), mean)
