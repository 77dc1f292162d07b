"""Stochastic gradient descent with momentum, Nesterov's too (Sutskever et al. 2013)."""

from __future__ import annotations

from typing import Any

from alight.errors import fail
from alight.ir.program import Value
from alight.optim.elementwise import (
    ElementwiseOptimizer,
    check_not_negative,
    decayed,
    faded,
    number,
)
from alight.optim.optimizer import Params

ONE = (1.0,)


class SGD(ElementwiseOptimizer):
    """p - lr * grad; with momentum, along buf = momentum * buf + (1 - dampening) * grad.

    weight_decay adds weight_decay * p to the gradient, nesterov looks one step of momentum
    ahead (Sutskever et al. 2013), maximize goes uphill. `foreach`, `fused` and `differentiable`
    ask for nothing here. ValueError for negative settings, or nesterov without momentum.

    >>> import alight as torch
    >>> w = torch.ones(1, requires_grad=True)
    >>> optimizer = torch.optim.SGD([w], lr=0.1, momentum=0.9)
    >>> for _ in range(2):
    ...     optimizer.zero_grad()
    ...     (w ** 2).sum().backward()
    ...     optimizer.step()
    >>> w
    tensor([0.4600], requires_grad=True)
    """

    numbers = ()

    def __init__(
        self, params: Params, lr: Any = 1e-3, momentum: float = 0, dampening: float = 0, weight_decay: Any = 0,
        nesterov: bool = False, *, maximize: bool = False, foreach: bool | None = None, differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:  # fmt: skip
        if number(lr) < 0.0:
            fail(
                ValueError,
                f"Invalid learning rate: {lr}",
                try_="lr=0.1; maximize=True to go uphill",
            )
        if momentum < 0.0:
            fail(ValueError, f"Invalid momentum value: {momentum}")
        check_not_negative("weight_decay value", weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            fail(ValueError, "Nesterov momentum requires a momentum and zero dampening")
        super().__init__(
            params,
            {
                "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay,
                "nesterov": nesterov, "maximize": maximize, "foreach": foreach, "differentiable": differentiable,
                "fused": fused,
            },
        )  # fmt: skip

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            for name, value in (
                ("nesterov", False),
                ("maximize", False),
                ("differentiable", False),
            ):
                group.setdefault(name, value)

    def slots(self, group: dict[str, Any]) -> tuple[str, ...]:
        """The momentum."""
        return ("momentum_buffer",) if group["momentum"] != 0 else ()

    def form(self, group: dict[str, Any]) -> tuple[Any, ...]:
        """Which terms there are."""
        has_momentum = group["momentum"] != 0
        dampened = has_momentum and group["dampening"] != 0
        return (
            group["maximize"],
            group["weight_decay"] != 0,
            has_momentum,
            dampened,
            group["nesterov"],
        )

    def settings(self, group: dict[str, Any]) -> list[float]:
        """Rate, decay, momentum."""
        rate = group["lr"]
        found = [rate if rate.__class__ is float else number(rate)]
        if group["weight_decay"] != 0:
            found.append(number(group["weight_decay"]))
        if group["momentum"] != 0:
            found.append(number(group["momentum"]))
        return found

    step_numbers = 1

    def is_counted(self, group: dict[str, Any]) -> bool:
        """Only with dampening, which the first step of a parameter leaves out."""
        return bool(group["momentum"] != 0 and group["dampening"] != 0)

    def at_step(self, group: dict[str, Any], state: dict[str, Any]) -> tuple[float, ...]:
        """The gradient's weight: 1 at the first step, when the buffer takes the gradient itself."""
        dampening = group["dampening"]
        if dampening == 0:
            return ONE
        first = state.pop("fresh", False)
        return (1.0 if first else 1.0 - number(dampening),)

    def begin(self, parameter: Any, state: dict[str, Any], group: dict[str, Any]) -> None:
        """A buffer of zeros; the first step takes the whole gradient into it."""
        super().begin(parameter, state, group)
        if group["dampening"] != 0:
            state["fresh"] = True

    def update(
        self,
        form: tuple[Any, ...],
        p: Value,
        grad: Value,
        slots: list[Value],
        n: list[Value],
        s: list[Value],
    ) -> tuple[Value, ...]:
        """One step along the gradient or the momentum."""
        maximize, has_decay, has_momentum, dampened, nesterov = form
        lr, *others = n
        grad = decayed(p, grad, maximize, others[0] if has_decay else None)
        if not has_momentum:
            return (p - grad * lr,)
        momentum = others[-1]
        buffer = faded(slots[0] * momentum + (grad * s[0] if dampened else grad))
        grad = grad + buffer * momentum if nesterov else buffer
        return p - grad * lr, buffer
