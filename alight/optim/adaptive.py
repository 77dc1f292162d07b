"""Optimizers with a rate for each element: RMSprop, Adagrad, Adadelta."""

from __future__ import annotations

from typing import Any

from alight import primitives as prim
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


class RMSprop(ElementwiseOptimizer):
    """p - lr * grad / (sqrt(v) + eps), for a running mean v of the squared gradient (Hinton 2012).

    alpha is the share of the past that v keeps; `centered` takes the gradient's variance
    instead of its mean square. ValueError for negative settings.

    >>> import alight as torch
    >>> w = torch.ones(1, requires_grad=True)
    >>> optimizer = torch.optim.RMSprop([w], lr=0.05)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.5000], requires_grad=True)
    """

    def __init__(
        self, params: Params, lr: Any = 1e-2, alpha: float = 0.99, eps: float = 1e-8, weight_decay: float = 0,
        momentum: float = 0, centered: bool = False, capturable: bool = False, foreach: bool | None = None,
        maximize: bool = False, differentiable: bool = False,
    ) -> None:  # fmt: skip
        check_not_negative("learning rate", lr)
        check_not_negative("epsilon value", eps)
        check_not_negative("momentum value", momentum)
        check_not_negative("weight_decay value", weight_decay)
        check_not_negative("alpha value", alpha)
        super().__init__(
            params,
            {
                "lr": lr, "momentum": momentum, "alpha": alpha, "eps": eps, "centered": centered,
                "weight_decay": weight_decay, "capturable": capturable, "foreach": foreach, "maximize": maximize,
                "differentiable": differentiable,
            },
        )  # fmt: skip

    def slots(self, group: dict[str, Any]) -> tuple[str, ...]:
        """The mean square, with momentum its buffer, and the mean where it is taken off."""
        names = ["square_avg"]
        if group["momentum"] > 0:
            names.append("momentum_buffer")
        if group["centered"]:
            names.append("grad_avg")
        return tuple(names)

    def form(self, group: dict[str, Any]) -> tuple[Any, ...]:
        """Which terms there are."""
        return (
            group["maximize"],
            group["weight_decay"] != 0,
            group["momentum"] > 0,
            group["centered"],
        )

    def settings(self, group: dict[str, Any]) -> list[float]:
        """Rate, alpha, 1 - alpha, eps, decay, momentum."""
        alpha = number(group["alpha"])
        rest = (number(group[name]) for name in ("eps", "weight_decay", "momentum"))
        return [number(group["lr"]), alpha, 1 - alpha, *rest]

    def at_step(self, group: dict[str, Any], state: dict[str, Any]) -> tuple[float, ...]:
        """Nothing depends on the step."""
        state["step"] += 1.0
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
        """One step."""
        maximize, has_decay, has_momentum, centered = form
        lr, alpha, rest, eps, decay, momentum = n
        grad = decayed(p, grad, maximize, decay if has_decay else None)
        square = faded(slots[0] * alpha + grad * grad * rest)
        new = [square]
        spread = square
        mean = None
        if centered:
            mean = faded(slots[-1] + (grad - slots[-1]) * rest)
            spread = square - mean * mean
        spread = prim.Sqrt(spread) + eps
        step = grad / spread
        if has_momentum:
            step = faded(slots[1] * momentum + step)
            new.append(step)
        if mean is not None:
            new.append(mean)
        return (p - step * lr, *new)


class Adagrad(ElementwiseOptimizer):
    """p - lr * grad / (sqrt(sum of squared gradients) + eps) (Duchi et al. 2011).

    lr_decay divides the rate by 1 + (steps before) * lr_decay. ValueError for negative
    settings.

    >>> import alight as torch
    >>> w = torch.ones(1, requires_grad=True)
    >>> optimizer = torch.optim.Adagrad([w], lr=0.1)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.9000], requires_grad=True)
    """

    step_numbers = 1

    def __init__(
        self, params: Params, lr: Any = 1e-2, lr_decay: float = 0, weight_decay: float = 0,
        initial_accumulator_value: float = 0, eps: float = 1e-10, foreach: bool | None = None, *, maximize: bool = False,
        differentiable: bool = False, fused: bool | None = None,
    ) -> None:  # fmt: skip
        check_not_negative("learning rate", lr)
        check_not_negative("lr_decay value", lr_decay)
        check_not_negative("weight_decay value", weight_decay)
        check_not_negative("initial_accumulator_value value", initial_accumulator_value)
        check_not_negative("epsilon value", eps)
        super().__init__(
            params,
            {
                "lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay,
                "initial_accumulator_value": initial_accumulator_value, "foreach": foreach, "maximize": maximize,
                "differentiable": differentiable, "fused": fused,
            },
        )  # fmt: skip
        for group in self.param_groups:
            for parameter in group["params"]:
                self.begin(parameter, self.state[parameter], group)

    def slots(self, group: dict[str, Any]) -> tuple[str, ...]:
        """The sum of squares."""
        return ("sum",)

    def first_value(self, name: str, group: dict[str, Any]) -> float:
        """The initial accumulator."""
        return group["initial_accumulator_value"]

    def form(self, group: dict[str, Any]) -> tuple[Any, ...]:
        """Which terms there are."""
        return group["maximize"], group["weight_decay"] != 0

    def settings(self, group: dict[str, Any]) -> list[float]:
        """Decay and eps."""
        return [number(group["weight_decay"]), number(group["eps"])]

    def at_step(self, group: dict[str, Any], state: dict[str, Any]) -> tuple[float, ...]:
        """The decayed rate."""
        state["step"] += 1.0
        return (-number(group["lr"]) / (1 + (state["step"] - 1) * group["lr_decay"]),)

    def update(
        self,
        form: tuple[Any, ...],
        p: Value,
        grad: Value,
        slots: list[Value],
        n: list[Value],
        s: list[Value],
    ) -> tuple[Value, ...]:
        """One step."""
        grad = decayed(p, grad, form[0], n[0] if form[1] else None)
        total = slots[0] + grad * grad
        return p + grad * s[0] / (prim.Sqrt(total) + n[1]), total


class Adadelta(ElementwiseOptimizer):
    """Steps scaled by the root mean square of earlier steps over that of gradients (Zeiler 2012).

    rho is the share of the past that both keep. ValueError for negative settings, or rho
    outside [0, 1].

    >>> import alight as torch
    >>> w = torch.ones(1, requires_grad=True)
    >>> optimizer = torch.optim.Adadelta([w])
    >>> (w ** 2).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.9968], requires_grad=True)
    """

    def __init__(
        self, params: Params, lr: Any = 1.0, rho: float = 0.9, eps: float = 1e-6, weight_decay: float = 0,
        foreach: bool | None = None, *, capturable: bool = False, maximize: bool = False, differentiable: bool = False,
    ) -> None:  # fmt: skip
        check_not_negative("learning rate", lr)
        if not 0.0 <= rho <= 1.0:
            fail(ValueError, f"Invalid rho value: {rho}")
        check_not_negative("epsilon value", eps)
        check_not_negative("weight_decay value", weight_decay)
        super().__init__(
            params,
            {
                "lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize,
                "capturable": capturable, "foreach": foreach, "differentiable": differentiable,
            },
        )  # fmt: skip

    def slots(self, group: dict[str, Any]) -> tuple[str, ...]:
        """Mean squares of gradients and of steps."""
        return "square_avg", "acc_delta"

    def form(self, group: dict[str, Any]) -> tuple[Any, ...]:
        """Which terms there are."""
        return group["maximize"], group["weight_decay"] != 0

    def settings(self, group: dict[str, Any]) -> list[float]:
        """Rate, rho, 1 - rho, eps, decay."""
        rho = number(group["rho"])
        return [
            number(group["lr"]),
            rho,
            1 - rho,
            number(group["eps"]),
            number(group["weight_decay"]),
        ]

    def at_step(self, group: dict[str, Any], state: dict[str, Any]) -> tuple[float, ...]:
        """Nothing depends on the step."""
        state["step"] += 1.0
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
        """One step."""
        lr, rho, rest, eps, decay = n
        grad = decayed(p, grad, form[0], decay if form[1] else None)
        square = faded(slots[0] * rho + grad * grad * rest)
        delta = prim.Sqrt(slots[1] + eps) / prim.Sqrt(square + eps) * grad
        return p - delta * lr, square, faded(slots[1] * rho + delta * delta * rest)
