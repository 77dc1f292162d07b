"""L-BFGS: a quasi-Newton step from the last gradients and steps (Nocedal 1980), with or without a line search.

In: a closure that computes the loss and its gradients. All parameters are one long vector here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from alight.autograd.modes import enable_grad, no_grad
from alight.errors import fail
from alight.ops.operation import TORCH
from alight.optim.elementwise import number
from alight.optim.optimizer import Optimizer, Params

Tensor = Any
Closure = Callable[[], Any]
SUFFICIENT, CURVATURE = (
    1e-4,
    0.9,
)  # constants of the strong Wolfe conditions (Nocedal and Wright 2006, section 3.1)
SEARCH_STEPS = 25


class LBFGS(Optimizer):
    """Steps along -H g, with H estimated from the last `history_size` steps; one group of
    parameters only.

    (Nocedal 1980.) step(closure) calls the closure, which computes the loss with its gradients,
    up to max_eval times. line_search_fn="strong_wolfe" finds the length of each step; else it
    is lr. ValueError for more than one group, RuntimeError for another line search.

    >>> import alight as torch
    >>> w = torch.tensor([3.0], requires_grad=True)
    >>> optimizer = torch.optim.LBFGS([w], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = ((w - 1) ** 2).sum()
    ...     loss.backward()
    ...     return loss
    >>> optimizer.step(closure).item()
    4.0
    >>> round(w.item(), 4)
    1.0
    """

    def __init__(
        self, params: Params, lr: Any = 1, max_iter: int = 20, max_eval: int | None = None, tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9, history_size: int = 100, line_search_fn: str | None = None,
    ) -> None:  # fmt: skip
        if number(lr) < 0.0:
            fail(ValueError, f"Invalid learning rate: {lr}", try_="lr=1")
        super().__init__(
            params,
            {
                "lr": lr, "max_iter": max_iter, "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
                "tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change, "history_size": history_size,
                "line_search_fn": line_search_fn,
            },
        )  # fmt: skip
        if len(self.param_groups) != 1:
            fail(
                ValueError,
                "LBFGS doesn't support per-parameter options (parameter groups)",
                try_="one list of parameters",
            )
        self._params = self.param_groups[0]["params"]

    # -- the parameters as one vector ------------------------------------------------------------------------------------

    def _gradient(self) -> Tensor:
        grads = [p.new_zeros(p.shape) if p.grad is None else p.grad for p in self._params]
        return TORCH["cat"]([grad.detach().reshape(-1) for grad in grads])

    def _move(self, direction: Tensor, length: float) -> None:
        at = 0
        for p in self._params:
            part = direction[at : at + p.numel()]
            p.add_(part.view(p.shape), alpha=length)
            at += p.numel()

    def _evaluate(self, closure: Closure) -> tuple[float, Tensor]:
        loss = float(closure())
        return loss, self._gradient()

    # -- a step ------------------------------------------------------------------------------------------------------------

    def step(self, closure: Closure) -> Any:  # type: ignore[override]
        """Up to `max_iter` iterations; the loss before the first of them.

        >>> import alight as torch
        >>> w = torch.tensor([3.0], requires_grad=True)
        >>> optimizer = torch.optim.LBFGS([w])
        >>> def closure():
        ...     optimizer.zero_grad()
        ...     loss = (w ** 2).sum()
        ...     loss.backward()
        ...     return loss
        >>> optimizer.step(closure).item()
        9.0
        """

        def with_gradients() -> Any:
            with enable_grad():
                return closure()

        with no_grad():
            return self._minimise(with_gradients)

    def _minimise(self, closure: Closure) -> Any:
        group, state = self.param_groups[0], self.state[self._params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first = closure()
        loss, gradient, evaluations = float(first), self._gradient(), 1
        state["func_evals"] += 1
        if float(gradient.abs().max()) <= group["tolerance_grad"]:
            return first
        iterations = 0
        while iterations < group["max_iter"]:
            iterations += 1
            state["n_iter"] += 1
            direction = _direction(state, gradient, group["history_size"])
            state["prev_flat_grad"], state["prev_loss"] = gradient.clone(), loss
            length = number(group["lr"])
            if state["n_iter"] == 1:
                length *= min(1.0, 1.0 / float(gradient.abs().sum()))
            slope = float(gradient.dot(direction))
            state["d"], state["t"] = direction, length
            if slope > -group["tolerance_change"]:
                break
            last = iterations == group["max_iter"]
            before = loss
            loss, gradient, length, count = self._advance(
                closure, direction, length, loss, gradient, slope, last
            )
            state["t"] = length
            evaluations += count
            state["func_evals"] += count
            if last or evaluations >= group["max_eval"] or _has_converged(
                group, gradient, direction, length, loss - before
            ):  # fmt: skip
                break
        return first

    def _advance(
        self, closure: Closure, direction: Tensor, length: float, loss: float, gradient: Tensor, slope: float, last: bool
    ) -> tuple[float, Tensor, float, int]:  # fmt: skip
        """Move along `direction`; the loss and gradient there, how far it was, and the evaluations it took."""
        name = self.param_groups[0]["line_search_fn"]
        if name is None:
            self._move(direction, length)
            if last:
                return loss, gradient, length, 0
            return (*self._evaluate(closure), length, 1)
        if name != "strong_wolfe":
            fail(RuntimeError, "only 'strong_wolfe' is supported", try_="'strong_wolfe' or None")
        start = [p.clone() for p in self._params]

        def at(t: float) -> Point:
            self._move(direction, t)
            value, there = self._evaluate(closure)
            for p, held in zip(self._params, start, strict=True):
                p.copy_(held)
            return Point(t, value, there, float(there.dot(direction)))

        widest = float(direction.abs().max())
        found, count = strong_wolfe(at, Point(0.0, loss, gradient, slope), length, widest)
        self._move(direction, found.t)
        return found.value, found.gradient, found.t, count


def _direction(state: dict[str, Any], gradient: Tensor, size: int) -> Tensor:
    """-H g by the two-loop recursion, after the last step has joined the history."""
    if state["n_iter"] == 1:
        state["old_dirs"], state["old_stps"], state["ro"], state["H_diag"] = [], [], [], 1
        return gradient.neg()
    change, moved = gradient - state["prev_flat_grad"], state["d"] * state["t"]
    curvature = float(change.dot(moved))
    changes, moves, ro = state["old_dirs"], state["old_stps"], state["ro"]
    if curvature > 1e-10:
        if len(changes) == size:
            changes.pop(0), moves.pop(0), ro.pop(0)
        changes.append(change), moves.append(moved), ro.append(1.0 / curvature)
        state["H_diag"] = curvature / float(change.dot(change))
    q, weights = gradient.neg(), [0.0] * len(changes)
    for i in range(len(changes) - 1, -1, -1):
        weights[i] = float(moves[i].dot(q)) * ro[i]
        q = q - changes[i] * weights[i]
    q = q * state["H_diag"]
    for i in range(len(changes)):
        q = q + moves[i] * (weights[i] - float(changes[i].dot(q)) * ro[i])
    return q


def _has_converged(
    group: dict[str, Any], gradient: Tensor, direction: Tensor, length: float, change: float
) -> bool:
    return (
        float(gradient.abs().max()) <= group["tolerance_grad"]
        or float(direction.mul(length).abs().max()) <= group["tolerance_change"]
        or abs(change) < group["tolerance_change"]
    )


# -- the line search -----------------------------------------------------------------------------------------------------


class Point(NamedTuple):
    """A place along the direction: how far, the loss, its gradient, and the slope along the direction."""

    t: float
    value: float
    gradient: Tensor
    slope: float


def strong_wolfe(
    at: Callable[[float], Point], start: Point, t: float, widest: float, tolerance: float = 1e-9
) -> tuple[Point, int]:
    """A place that satisfies the strong Wolfe conditions, and how often `at` was asked."""
    before, here, rounds = start, at(t), 0
    count = 1
    bracket = None
    while rounds < SEARCH_STEPS:
        too_high = here.value > start.value + SUFFICIENT * here.t * start.slope
        if too_high or (rounds > 1 and here.value >= before.value):
            bracket = [before, here]
            break
        if abs(here.slope) <= -CURVATURE * start.slope:
            return here, count
        if here.slope >= 0:
            bracket = [before, here]
            break
        bounds = here.t + 0.01 * (here.t - before.t), here.t * 10
        before, here = here, at(_cubic_minimum(before, here, bounds))
        count += 1
        rounds += 1
    if bracket is None:
        bracket = [start, here]
    found, more = _zoom(at, start, bracket, rounds, widest, tolerance)
    return found, count + more


def _zoom(
    at: Callable[[float], Point],
    start: Point,
    bracket: list[Point],
    rounds: int,
    widest: float,
    tolerance: float,
) -> tuple[Point, int]:
    """Narrow a bracket that holds a good place."""
    low, high = (0, 1) if bracket[0].value <= bracket[1].value else (1, 0)
    stalled, count = False, 0
    while rounds < SEARCH_STEPS:
        if abs(bracket[1].t - bracket[0].t) * widest < tolerance:
            break
        t, stalled = _inside(bracket, _cubic_minimum(bracket[0], bracket[1]), stalled)
        here = at(t)
        count += 1
        rounds += 1
        too_high = here.value > start.value + SUFFICIENT * t * start.slope
        if too_high or here.value >= bracket[low].value:
            bracket[high] = here
            low, high = (0, 1) if bracket[0].value <= bracket[1].value else (1, 0)
            continue
        done = abs(here.slope) <= -CURVATURE * start.slope
        if not done and here.slope * (bracket[high].t - bracket[low].t) >= 0:
            bracket[high] = bracket[low]
        bracket[low] = here
        if done:
            break
    return bracket[low], count


def _inside(bracket: list[Point], t: float, stalled: bool) -> tuple[float, bool]:
    """Keep a trial place off the ends of the bracket where the search makes no headway."""
    low, high = sorted(point.t for point in bracket)
    margin = 0.1 * (high - low)
    if min(high - t, t - low) >= margin:
        return t, False
    if stalled or t >= high or t <= low:
        return (high - margin if abs(t - high) < abs(t - low) else low + margin), False
    return t, True


def _cubic_minimum(a: Point, b: Point, bounds: tuple[float, float] | None = None) -> float:
    """Where the cubic through two values and slopes is least, within bounds."""
    low, high = bounds or (min(a.t, b.t), max(a.t, b.t))
    d1 = a.slope + b.slope - 3 * (a.value - b.value) / (a.t - b.t)
    square = d1**2 - a.slope * b.slope
    if not square >= 0:
        return (low + high) / 2.0
    d2 = math.sqrt(square)
    left, right = (a, b) if a.t <= b.t else (b, a)
    share = (right.slope + d2 - d1) / (right.slope - left.slope + 2 * d2)
    return min(max(right.t - (right.t - left.t) * share, low), high)
