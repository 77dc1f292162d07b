"""Rates per element: Adagrad (Duchi et al. 2011), Adadelta (arXiv 1212.5701), Adamax (1412.6980), RMSprop (Hinton)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from alight.ir.program import Value
from alight.optim.adam import check_betas
from alight.optim.optimizer import Group, Optimizer, buffer_like, check_nonnegative, refuse, step_counts
from alight.primitives import Abs, Maximum, Sqrt
from alight.tensor import Tensor


def _prepared(grad: Value, param: Value, decay: Value, decays: bool, maximize: bool) -> Value:
    grad = -grad if maximize else grad
    return grad + decay * param if decays else grad


class Adagrad(Optimizer):
    """param -= lr / (1 + (t - 1) * lr_decay) * grad / (sqrt(sum of squared gradients) + eps)."""

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-2, lr_decay: float = 0, weight_decay: float = 0,
        initial_accumulator_value: float = 0, eps: float = 1e-10, foreach: bool | None = None, *,
        maximize: bool = False, differentiable: bool = False, fused: bool | None = None,
    ) -> None:  # fmt: skip
        check_nonnegative(lr=lr, lr_decay=lr_decay, weight_decay=weight_decay, eps=eps)
        refuse("differentiable", differentiable, "torch.func, or the update written by hand")
        super().__init__(
            params,
            {
                "lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay,
                "initial_accumulator_value": initial_accumulator_value, "foreach": foreach, "maximize": maximize,
                "differentiable": differentiable, "fused": fused,
            },
        )  # fmt: skip
        for group in self.param_groups:
            for param in group["params"]:
                self.state[param]["step"] = 0
                buffer_like(self.state[param], "sum", param, initial_accumulator_value)

    def _update(self, group: Group, params: Sequence[Tensor]) -> None:
        maximize, decays = group["maximize"], bool(group["weight_decay"])

        def rule(param: Value, grad: Value, total: Value, rate: Value, eps: Value, decay: Value) -> tuple[Value, ...]:
            grad = _prepared(grad, param, decay, decays, maximize)
            total = total + grad * grad
            return param - rate * (grad / (Sqrt(total) + eps)), total

        numbers = [
            (group["lr"] / (1 + (t - 1) * group["lr_decay"]), float(group["eps"]), float(group["weight_decay"]))
            for t in step_counts([self.state[param] for param in params])
        ]
        self._record("adagrad", (maximize, decays), params, ("sum",), numbers, rule)


class Adadelta(Optimizer):
    """Steps in the ratio of running root mean squares of past updates and gradients."""

    def __init__(
        self, params: Iterable[Any], lr: float = 1.0, rho: float = 0.9, eps: float = 1e-6, weight_decay: float = 0,
        foreach: bool | None = None, *, capturable: bool = False, maximize: bool = False,
        differentiable: bool = False,
    ) -> None:  # fmt: skip
        check_nonnegative(lr=lr, rho=rho, eps=eps, weight_decay=weight_decay)
        refuse("differentiable", differentiable, "torch.func, or the update written by hand")
        super().__init__(
            params,
            {
                "lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize,
                "capturable": capturable, "foreach": foreach, "differentiable": differentiable,
            },
        )  # fmt: skip

    def _update(self, group: Group, params: Sequence[Tensor]) -> None:
        maximize, decays = group["maximize"], bool(group["weight_decay"])
        for param in params:
            buffer_like(self.state[param], "square_avg", param)
            buffer_like(self.state[param], "acc_delta", param)
        step_counts([self.state[param] for param in params])

        def rule(param: Value, grad: Value, square: Value, moved: Value, *rest: Value) -> tuple[Value, ...]:
            lr, rho, rest_of_rho, eps, decay = rest
            grad = _prepared(grad, param, decay, decays, maximize)
            square = square * rho + grad * grad * rest_of_rho
            delta = Sqrt(moved + eps) / Sqrt(square + eps) * grad
            return param - lr * delta, square, moved * rho + delta * delta * rest_of_rho

        rho = float(group["rho"])
        numbers = (float(group["lr"]), rho, 1 - rho, float(group["eps"]), float(group["weight_decay"]))
        self._record(
            "adadelta", (maximize, decays), params, ("square_avg", "acc_delta"), [numbers] * len(params), rule
        )


class Adamax(Optimizer):
    """Adam with the largest gradient so far in place of the mean of squares."""

    def __init__(
        self, params: Iterable[Any], lr: float = 2e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 0, foreach: bool | None = None, *, maximize: bool = False,
        differentiable: bool = False, capturable: bool = False,
    ) -> None:  # fmt: skip
        check_nonnegative(lr=lr, eps=eps)
        check_betas(betas)
        check_nonnegative(weight_decay=weight_decay)
        refuse("differentiable", differentiable, "torch.func, or the update written by hand")
        super().__init__(
            params,
            {
                "lr": lr, "betas": tuple(betas), "eps": eps, "weight_decay": weight_decay, "foreach": foreach,
                "maximize": maximize, "differentiable": differentiable, "capturable": capturable,
            },
        )  # fmt: skip

    def _update(self, group: Group, params: Sequence[Tensor]) -> None:
        maximize, decays = group["maximize"], bool(group["weight_decay"])
        for param in params:
            buffer_like(self.state[param], "exp_avg", param)
            buffer_like(self.state[param], "exp_inf", param)

        def rule(param: Value, grad: Value, m: Value, largest: Value, *rest: Value) -> tuple[Value, ...]:
            rate, keep1, beta2, eps, decay = rest
            grad = _prepared(grad, param, decay, decays, maximize)
            m = m + (grad - m) * keep1
            largest = Maximum(largest * beta2, Abs(grad) + eps)
            return param - rate * (m / largest), m, largest

        beta1, beta2 = map(float, group["betas"])
        numbers = [
            (group["lr"] / (1 - beta1**t), 1 - beta1, beta2, float(group["eps"]), float(group["weight_decay"]))
            for t in step_counts([self.state[param] for param in params])
        ]
        self._record("adamax", (maximize, decays), params, ("exp_avg", "exp_inf"), numbers, rule)


class RMSprop(Optimizer):
    """param -= lr * grad / (sqrt(mean of squared gradients) + eps), optionally centred and with momentum."""

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-2, alpha: float = 0.99, eps: float = 1e-8, weight_decay: float = 0,
        momentum: float = 0, centered: bool = False, capturable: bool = False, foreach: bool | None = None,
        maximize: bool = False, differentiable: bool = False,
    ) -> None:  # fmt: skip
        check_nonnegative(lr=lr, eps=eps, momentum=momentum, weight_decay=weight_decay, alpha=alpha)
        refuse("differentiable", differentiable, "torch.func, or the update written by hand")
        super().__init__(
            params,
            {
                "lr": lr, "momentum": momentum, "alpha": alpha, "eps": eps, "centered": centered,
                "weight_decay": weight_decay, "capturable": capturable, "foreach": foreach, "maximize": maximize,
                "differentiable": differentiable,
            },
        )  # fmt: skip

    def _update(self, group: Group, params: Sequence[Tensor]) -> None:
        maximize, decays = group["maximize"], bool(group["weight_decay"])
        centered, pushed = group["centered"], group["momentum"] > 0
        buffers = (
            "square_avg", *(("momentum_buffer",) if pushed else ()), *(("grad_avg",) if centered else ()),
        )  # fmt: skip
        for param in params:
            for name in buffers:
                buffer_like(self.state[param], name, param)
        step_counts([self.state[param] for param in params])

        def rule(param: Value, grad: Value, square: Value, *rest: Value) -> tuple[Value, ...]:
            held = dict(zip(buffers[1:], rest, strict=False))
            lr, alpha, rest_of_alpha, eps, momentum, decay = rest[-6:]
            grad = _prepared(grad, param, decay, decays, maximize)
            square = held["square_avg"] = square * alpha + grad * grad * rest_of_alpha
            if centered:
                mean = held["grad_avg"] = held["grad_avg"] + (grad - held["grad_avg"]) * rest_of_alpha
                square = square - mean * mean
            step = grad / (Sqrt(square) + eps)
            if pushed:
                step = held["momentum_buffer"] = held["momentum_buffer"] * momentum + step
            return param - lr * step, *(held[name] for name in buffers)

        alpha = float(group["alpha"])
        numbers = (
            float(group["lr"]), alpha, 1 - alpha, float(group["eps"]), float(group["momentum"]),
            float(group["weight_decay"]),
        )  # fmt: skip
        self._record(
            "rmsprop", (maximize, decays, centered, pushed), params, buffers, [numbers] * len(params), rule
        )
