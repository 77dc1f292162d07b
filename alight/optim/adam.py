"""Adam (Kingma and Ba 2015) and its relatives: AdamW, NAdam, RAdam, Adamax."""

from __future__ import annotations

from typing import Any

from alight import primitives as prim
from alight.ir.program import Value
from alight.optim.elementwise import (
    ElementwiseOptimizer,
    check_betas,
    check_not_negative,
    decayed,
    faded,
    number,
)
from alight.optim.optimizer import Params


class _Moments(ElementwiseOptimizer):
    """Common part: running means of the gradient and of its square."""

    def _check(self, lr: Any, eps: Any, betas: Any, weight_decay: Any) -> None:
        check_not_negative("learning rate", lr)
        check_not_negative("epsilon value", eps)
        check_betas(betas)
        check_not_negative("weight_decay value", weight_decay)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            for name in (
                "amsgrad",
                "maximize",
                "capturable",
                "differentiable",
                "decoupled_weight_decay",
            ):
                if name in self.defaults:
                    group.setdefault(name, self.defaults[name])

    def slots(self, group: dict[str, Any]) -> tuple[str, ...]:
        """The two running means."""
        return "exp_avg", "exp_avg_sq"

    def form(self, group: dict[str, Any]) -> tuple[Any, ...]:
        """Which terms there are."""
        return group["maximize"], group["weight_decay"] != 0, group["decoupled_weight_decay"]

    def settings(self, group: dict[str, Any]) -> list[float]:
        """1 - beta1, beta2, 1 - beta2, eps, and the decay as it is used."""
        beta1, beta2 = map(number, group["betas"])
        decay = number(group["weight_decay"])
        used = 1 - number(group["lr"]) * decay if group["decoupled_weight_decay"] else decay
        return [1 - beta1, beta2, 1 - beta2, number(group["eps"]), used]

    def _moments(
        self, form: tuple[Any, ...], p: Value, grad: Value, slots: list[Value], n: list[Value]
    ) -> tuple[Value, Value, Value, Value]:
        """Parameter and gradient after the decay, and the new running means."""
        maximize, has_decay, decoupled = form[:3]
        of_grad, beta2, of_square, _, decay = n
        grad = decayed(p, grad, maximize, decay if has_decay and not decoupled else None)
        if has_decay and decoupled:
            p = p * decay
        mean = faded(slots[0] + (grad - slots[0]) * of_grad)
        square = faded(slots[1] * beta2 + grad * grad * of_square)
        return p, grad, mean, square


def _corrections(group: dict[str, Any], state: dict[str, Any]) -> tuple[float, float, float]:
    """The step, and how much of each running mean has come in."""
    step = state["step"] = state["step"] + 1.0
    beta1, beta2 = group["betas"]
    if beta1.__class__ is not float or beta2.__class__ is not float:
        beta1, beta2 = number(beta1), number(beta2)
    return step, 1 - beta1**step, 1 - beta2**step


class Adam(_Moments):
    """p - lr * m / (sqrt(v) + eps), for running means m of the gradient and v of its square.

    (Kingma and Ba 2015.) Both are freed of their bias towards 0; betas are the shares of the
    past that they keep. weight_decay adds weight_decay * p to the gradient, amsgrad takes the
    largest v so far (Reddi et al. 2018). ValueError for negative settings, or betas outside [0,
    1).

    >>> import alight as torch
    >>> w = torch.ones(1, requires_grad=True)
    >>> optimizer = torch.optim.Adam([w], lr=0.1)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.9000], requires_grad=True)
    """

    step_numbers = 2

    def __init__(
        self, params: Params, lr: Any = 1e-3, betas: Any = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0,
        amsgrad: bool = False, *, foreach: bool | None = None, maximize: bool = False, capturable: bool = False,
        differentiable: bool = False, fused: bool | None = None, decoupled_weight_decay: bool = False,
    ) -> None:  # fmt: skip
        self._check(lr, eps, betas, weight_decay)
        super().__init__(
            params,
            {
                "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad,
                "maximize": maximize, "foreach": foreach, "capturable": capturable, "differentiable": differentiable,
                "fused": fused, "decoupled_weight_decay": decoupled_weight_decay,
            },
        )  # fmt: skip

    def slots(self, group: dict[str, Any]) -> tuple[str, ...]:
        """The running means, and the largest square with amsgrad."""
        return (
            ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")
            if group["amsgrad"]
            else ("exp_avg", "exp_avg_sq")
        )

    def form(self, group: dict[str, Any]) -> tuple[Any, ...]:
        """Which terms there are."""
        return (*super().form(group), group["amsgrad"])

    def at_step(self, group: dict[str, Any], state: dict[str, Any]) -> tuple[float, ...]:
        """The step's length, and what the root is multiplied by."""
        _, first, second = _corrections(group, state)
        rate = group["lr"]
        return -(rate if rate.__class__ is float else number(rate)) / first, second**-0.5

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
        p, _, mean, square = self._moments(form, p, grad, slots, n)
        length, root = s
        largest = (prim.Maximum(slots[2], square),) if form[3] else ()
        spread = prim.Sqrt(largest[0] if largest else square) * root + n[3]
        return (p + mean * length / spread, mean, square, *largest)


class AdamW(Adam):
    """Adam whose weight decay shrinks the parameters directly, by lr * weight_decay * p.

    (Loshchilov and Hutter 2019.) Settings and errors are those of Adam.

    >>> import alight as torch
    >>> w = torch.ones(1, requires_grad=True)
    >>> optimizer = torch.optim.AdamW([w], lr=0.1)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.8990], requires_grad=True)
    """

    def __init__(
        self, params: Params, lr: Any = 1e-3, betas: Any = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 1e-2,
        amsgrad: bool = False, *, maximize: bool = False, foreach: bool | None = None, capturable: bool = False,
        differentiable: bool = False, fused: bool | None = None,
    ) -> None:  # fmt: skip
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, foreach=foreach, maximize=maximize, capturable=capturable,
            differentiable=differentiable, fused=fused, decoupled_weight_decay=True,
        )  # fmt: skip


class NAdam(_Moments):
    """Adam with Nesterov's momentum (Dozat 2016); momentum_decay lets the momentum grow from step
    to step.

    decoupled_weight_decay shrinks the parameters as AdamW does. Errors are those of Adam.

    >>> import alight as torch
    >>> w = torch.ones(1, requires_grad=True)
    >>> optimizer = torch.optim.NAdam([w], lr=0.1)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.8944], requires_grad=True)
    """

    numbers = ("step", "mu_product")
    step_numbers = 3

    def __init__(
        self, params: Params, lr: Any = 2e-3, betas: Any = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0,
        momentum_decay: float = 4e-3, decoupled_weight_decay: bool = False, *, foreach: bool | None = None,
        maximize: bool = False, capturable: bool = False, differentiable: bool = False,
    ) -> None:  # fmt: skip
        self._check(lr, eps, betas, weight_decay)
        check_not_negative("momentum_decay value", momentum_decay)
        super().__init__(
            params,
            {
                "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "momentum_decay": momentum_decay,
                "decoupled_weight_decay": decoupled_weight_decay, "maximize": maximize, "foreach": foreach,
                "capturable": capturable, "differentiable": differentiable,
            },
        )  # fmt: skip

    def begin(self, parameter: Any, state: dict[str, Any], group: dict[str, Any]) -> None:
        """Products of momenta begin at 1."""
        state.setdefault("step", 0.0)
        state.setdefault("mu_product", 1.0)
        super().begin(parameter, state, group)

    def at_step(self, group: dict[str, Any], state: dict[str, Any]) -> tuple[float, ...]:
        """The lengths along gradient and momentum, and the correction of the square."""
        step, _, second = _corrections(group, state)
        lr, beta1, decay = number(group["lr"]), number(group["betas"][0]), group["momentum_decay"]
        mu = beta1 * (1.0 - 0.5 * 0.96 ** (step * decay))
        mu_next = beta1 * (1.0 - 0.5 * 0.96 ** ((step + 1) * decay))
        state["mu_product"] *= mu
        product = state["mu_product"]
        return -lr * (1.0 - mu) / (1.0 - product), -lr * mu_next / (1.0 - product * mu_next), second

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
        p, grad, mean, square = self._moments(form, p, grad, slots, n)
        along_grad, along_mean, second = s
        spread = prim.Sqrt(square / second) + n[3]
        return p + grad * along_grad / spread + mean * along_mean / spread, mean, square


class RAdam(_Moments):
    """Adam with a rectified variance: plain momentum until enough squares have come in (Liu et al.
    2020).

    decoupled_weight_decay shrinks the parameters as AdamW does. Errors are those of Adam.

    >>> import alight as torch
    >>> w = torch.ones(1, requires_grad=True)
    >>> optimizer = torch.optim.RAdam([w], lr=0.1)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.8000], requires_grad=True)
    """

    step_numbers = 3

    def __init__(
        self, params: Params, lr: Any = 1e-3, betas: Any = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0,
        decoupled_weight_decay: bool = False, *, foreach: bool | None = None, maximize: bool = False,
        capturable: bool = False, differentiable: bool = False,
    ) -> None:  # fmt: skip
        self._check(lr, eps, betas, weight_decay)
        super().__init__(
            params,
            {
                "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize,
                "foreach": foreach, "capturable": capturable, "decoupled_weight_decay": decoupled_weight_decay,
                "differentiable": differentiable,
            },
        )  # fmt: skip

    def at_step(self, group: dict[str, Any], state: dict[str, Any]) -> tuple[float, ...]:
        """The first mean's correction times the rate, the rectified length, and whether it is used."""
        step, first, second = _corrections(group, state)
        beta2 = number(group["betas"][1])
        longest = 2 / (1 - beta2) - 1
        length = longest - 2 * step * beta2**step / second
        lr = number(group["lr"])
        if length <= 5.0:
            return lr / first, 1.0, 0.0
        share = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
        return lr / first, share**0.5 * second**0.5, 1.0

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
        p, _, mean, square = self._moments(form, p, grad, slots, n)
        rate, rectified, used = s
        spread = (prim.Sqrt(square) + n[3]) * used + (1 - used)
        return p - mean * rate * rectified / spread, mean, square


class Adamax(_Moments):
    """Adam by the largest gradient instead of the mean square (Kingma and Ba 2015, section 7.1).

    Errors are those of Adam.

    >>> import alight as torch
    >>> w = torch.ones(1, requires_grad=True)
    >>> optimizer = torch.optim.Adamax([w], lr=0.1)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.9000], requires_grad=True)
    """

    step_numbers = 1

    def __init__(
        self, params: Params, lr: Any = 2e-3, betas: Any = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0,
        foreach: bool | None = None, *, maximize: bool = False, differentiable: bool = False, capturable: bool = False,
    ) -> None:  # fmt: skip
        self._check(lr, eps, betas, weight_decay)
        super().__init__(
            params,
            {
                "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "foreach": foreach,
                "maximize": maximize, "differentiable": differentiable, "capturable": capturable,
            },
        )  # fmt: skip

    def slots(self, group: dict[str, Any]) -> tuple[str, ...]:
        """The running mean and the largest gradient."""
        return "exp_avg", "exp_inf"

    def form(self, group: dict[str, Any]) -> tuple[Any, ...]:
        """Which terms there are."""
        return group["maximize"], group["weight_decay"] != 0

    def settings(self, group: dict[str, Any]) -> list[float]:
        """1 - beta1, beta2, eps, decay."""
        beta1, beta2 = map(number, group["betas"])
        return [1 - beta1, beta2, number(group["eps"]), number(group["weight_decay"])]

    def at_step(self, group: dict[str, Any], state: dict[str, Any]) -> tuple[float, ...]:
        """The step's length."""
        _, first, _ = _corrections(group, state)
        return (-number(group["lr"]) / first,)

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
        of_grad, beta2, eps, decay = n
        grad = decayed(p, grad, form[0], decay if form[1] else None)
        mean = faded(slots[0] + (grad - slots[0]) * of_grad)
        largest = prim.Maximum(slots[1] * beta2, prim.Abs(grad) + eps)
        return p + mean * s[0] / largest, mean, largest


__all__ = ["Adam", "AdamW", "Adamax", "NAdam", "RAdam"]
