"""ASGD and Rprop, two of the older optimizers."""

from __future__ import annotations

from typing import Any

from alight import primitives as prim
from alight.errors import fail
from alight.ir.program import Value
from alight.optim.elementwise import (
    ElementwiseOptimizer,
    check_not_negative,
    decayed,
    number,
)
from alight.optim.optimizer import Params
from alight.primitives.arithmetic import broadcast, where


class Rprop(ElementwiseOptimizer):
    """Steps by the signs of gradients, with a step size for each element (Riedmiller and Braun
    1993).

    It grows by etas[1] where the sign stays, and shrinks by etas[0] where it changes, within
    step_sizes. For gradients of the whole data. ValueError where not 0 < etas[0] < 1 < etas[1].

    >>> import alight as torch
    >>> w = torch.ones(1, requires_grad=True)
    >>> optimizer = torch.optim.Rprop([w], lr=0.1)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.9000], requires_grad=True)
    """

    def __init__(
        self, params: Params, lr: Any = 1e-2, etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50), *, capturable: bool = False, foreach: bool | None = None,
        maximize: bool = False, differentiable: bool = False,
    ) -> None:  # fmt: skip
        check_not_negative("learning rate", lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            fail(ValueError, f"Invalid eta values: {etas[0]}, {etas[1]}", try_="etas=(0.5, 1.2)")
        super().__init__(
            params,
            {
                "lr": lr, "etas": etas, "step_sizes": step_sizes, "foreach": foreach, "maximize": maximize,
                "differentiable": differentiable, "capturable": capturable,
            },
        )  # fmt: skip

    def slots(self, group: dict[str, Any]) -> tuple[str, ...]:
        """The last gradient, and the step of each element."""
        return "prev", "step_size"

    def first_value(self, name: str, group: dict[str, Any]) -> float:
        """Steps begin at the learning rate."""
        return number(group["lr"]) if name == "step_size" else 0.0

    def form(self, group: dict[str, Any]) -> tuple[Any, ...]:
        """Uphill or downhill."""
        return (group["maximize"],)

    def settings(self, group: dict[str, Any]) -> list[float]:
        """Factors and bounds of the steps."""
        return [float(one) for one in (*group["etas"], *group["step_sizes"])]

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
        """Longer steps where the sign stays, shorter ones and a pause where it turns."""
        grad = -grad if form[0] else grad
        shrink, grow, least, most = (broadcast(one, p.shape) for one in n)
        agreement = grad * slots[0]
        turned = agreement < 0
        factor = where(agreement > 0, grow, where(turned, shrink, 1.0))
        size = prim.Minimum(prim.Maximum(slots[1] * factor, least), most)
        grad = where(turned, 0.0, grad)
        return p - prim.Sign(grad) * size, grad, size


class ASGD(ElementwiseOptimizer):
    """Stochastic gradient descent that also keeps the average of the parameters (Polyak and
    Juditsky 1992).

    It is state[p]["ax"], begun after t0 steps. ValueError for negative settings.

    >>> import alight as torch
    >>> w = torch.ones(1, requires_grad=True)
    >>> optimizer = torch.optim.ASGD([w], lr=0.1)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.8000], requires_grad=True)
    """

    numbers = ("step", "eta", "mu")
    step_numbers = 2

    def __init__(
        self, params: Params, lr: Any = 1e-2, lambd: float = 1e-4, alpha: float = 0.75, t0: float = 1e6,
        weight_decay: float = 0, foreach: bool | None = None, maximize: bool = False, differentiable: bool = False,
        capturable: bool = False,
    ) -> None:  # fmt: skip
        check_not_negative("learning rate", lr)
        check_not_negative("weight_decay value", weight_decay)
        super().__init__(
            params,
            {
                "lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0, "weight_decay": weight_decay, "foreach": foreach,
                "maximize": maximize, "differentiable": differentiable, "capturable": capturable,
            },
        )  # fmt: skip

    def slots(self, group: dict[str, Any]) -> tuple[str, ...]:
        """The average."""
        return ("ax",)

    def begin(self, parameter: Any, state: dict[str, Any], group: dict[str, Any]) -> None:
        """The first rate is lr, the first weight of the average one."""
        state.setdefault("eta", number(group["lr"]))
        state.setdefault("mu", 1.0)
        super().begin(parameter, state, group)

    def form(self, group: dict[str, Any]) -> tuple[Any, ...]:
        """Which terms there are."""
        return group["maximize"], group["weight_decay"] != 0

    def settings(self, group: dict[str, Any]) -> list[float]:
        """Pull to zero, and decay."""
        return [number(group["lambd"]), number(group["weight_decay"])]

    def at_step(self, group: dict[str, Any], state: dict[str, Any]) -> tuple[float, ...]:
        """Rate and weight of this step; those of the next are kept."""
        now = number(state["eta"]), number(state["mu"])
        state["step"] += 1.0
        step, lr, lambd = number(state["step"]), number(group["lr"]), number(group["lambd"])
        state["eta"] = lr / ((1 + lambd * lr * step) ** group["alpha"])
        state["mu"] = 1 / max(1.0, step - group["t0"])
        return now

    def update(
        self,
        form: tuple[Any, ...],
        p: Value,
        grad: Value,
        slots: list[Value],
        n: list[Value],
        s: list[Value],
    ) -> tuple[Value, ...]:
        """A step, and the average moved towards it."""
        maximize, has_decay = form
        lambd, decay = n
        eta, mu = s
        grad = decayed(p, grad, maximize, decay if has_decay else None)
        p = p * (1 - lambd * eta) - grad * eta
        return p, slots[0] + (p - slots[0]) * mu
