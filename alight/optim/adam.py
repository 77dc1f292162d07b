"""Adam (Kingma and Ba, arXiv 1412.6980) and its kin: AdamW (1711.05101), NAdam (Dozat 2016), RAdam (1908.03265)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import sqrt
from typing import Any

from alight.errors import fail
from alight.ir.program import Value
from alight.optim.optimizer import Group, Optimizer, buffer_like, check_nonnegative, refuse, step_counts
from alight.primitives import Maximum, Sqrt
from alight.tensor import Tensor


def check_betas(betas: tuple[float, float]) -> None:
    """PyTorch's errors for decay rates outside [0, 1)."""
    for i, beta in enumerate(betas):
        if not 0.0 <= float(beta) < 1.0:
            fail(ValueError, f"Invalid beta parameter at index {i}: {beta}")


class Adam(Optimizer):
    """param -= lr * m / (sqrt(v) + eps), with m and v the bias-corrected means of the gradient and of its square.

    weight_decay adds weight_decay * param to the gradient. amsgrad keeps the largest v seen.

    >>> import alight as torch
    >>> torch.optim.Adam([torch.ones(1, requires_grad=True)]).defaults["betas"]
    (0.9, 0.999)
    """

    decoupled = False  # weight decay apart from the gradient

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 0, amsgrad: bool = False, *, foreach: bool | None = None, maximize: bool = False,
        capturable: bool = False, differentiable: bool = False, fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:  # fmt: skip
        check_nonnegative(lr=lr, eps=eps)
        check_betas(betas)
        check_nonnegative(weight_decay=weight_decay)
        refuse("differentiable", differentiable, "torch.func, or the update written by hand")
        super().__init__(
            params,
            {
                "lr": lr, "betas": tuple(betas), "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad,
                "maximize": maximize, "foreach": foreach, "capturable": capturable,
                "differentiable": differentiable, "fused": fused,
                "decoupled_weight_decay": decoupled_weight_decay or self.decoupled,
            },
        )  # fmt: skip

    def _update(self, group: Group, params: Sequence[Tensor]) -> None:
        amsgrad, maximize, decays = group["amsgrad"], group["maximize"], bool(group["weight_decay"])
        decoupled = group.get("decoupled_weight_decay", self.decoupled)
        buffers = ("exp_avg", "exp_avg_sq", *(("max_exp_avg_sq",) if amsgrad else ()))
        for param in params:
            for name in buffers:
                buffer_like(self.state[param], name, param)

        def rule(param: Value, grad: Value, m: Value, v: Value, *rest: Value) -> tuple[Value, ...]:
            step_size, root, keep1, beta2, keep2, eps, decay = rest[-7:]
            if maximize:
                grad = -grad
            if decays:
                if decoupled:
                    param = param * decay
                else:
                    grad = grad + decay * param
            m = m + (grad - m) * keep1
            v = v * beta2 + grad * grad * keep2
            largest = Maximum(rest[0], v) if amsgrad else v
            param = param - step_size * (m / (Sqrt(largest) / root + eps))
            return (param, m, v, largest) if amsgrad else (param, m, v)

        (beta1, beta2), lr = map(float, group["betas"]), float(group["lr"])
        decay = 1 - lr * group["weight_decay"] if decoupled else float(group["weight_decay"])
        numbers = [
            (lr / (1 - beta1**t), sqrt(1 - beta2**t), 1 - beta1, beta2, 1 - beta2, float(group["eps"]), decay)
            for t in step_counts([self.state[param] for param in params])
        ]
        self._record("adam", (amsgrad, maximize, decays, decoupled), params, buffers, numbers, rule)


class AdamW(Adam):
    """Adam whose weight decay shrinks the parameters themselves: param *= 1 - lr * weight_decay."""

    decoupled = True

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 1e-2, amsgrad: bool = False, *, maximize: bool = False, foreach: bool | None = None,
        capturable: bool = False, differentiable: bool = False, fused: bool | None = None,
    ) -> None:  # fmt: skip
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, foreach=foreach, maximize=maximize, capturable=capturable,
            differentiable=differentiable, fused=fused, decoupled_weight_decay=True,
        )  # fmt: skip


class NAdam(Optimizer):
    """Adam with Nesterov momentum."""

    def __init__(
        self, params: Iterable[Any], lr: float = 2e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 0, momentum_decay: float = 4e-3, decoupled_weight_decay: bool = False, *,
        foreach: bool | None = None, maximize: bool = False, capturable: bool = False, differentiable: bool = False,
    ) -> None:  # fmt: skip
        check_nonnegative(lr=lr, eps=eps)
        check_betas(betas)
        check_nonnegative(weight_decay=weight_decay, momentum_decay=momentum_decay)
        refuse("differentiable", differentiable, "torch.func, or the update written by hand")
        super().__init__(
            params,
            {
                "lr": lr, "betas": tuple(betas), "eps": eps, "weight_decay": weight_decay,
                "momentum_decay": momentum_decay, "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize, "foreach": foreach, "capturable": capturable,
                "differentiable": differentiable,
            },
        )  # fmt: skip

    def _update(self, group: Group, params: Sequence[Tensor]) -> None:
        maximize, decays = group["maximize"], bool(group["weight_decay"])
        decoupled = group["decoupled_weight_decay"]
        for param in params:
            buffer_like(self.state[param], "exp_avg", param)
            buffer_like(self.state[param], "exp_avg_sq", param)

        def rule(param: Value, grad: Value, m: Value, v: Value, *rest: Value) -> tuple[Value, ...]:
            along_grad, along_m, root, keep1, beta2, keep2, eps, decay = rest
            if maximize:
                grad = -grad
            if decays:
                if decoupled:
                    param = param * decay
                else:
                    grad = grad + decay * param
            m = m + (grad - m) * keep1
            v = v * beta2 + grad * grad * keep2
            denominator = Sqrt(v / root) + eps
            return param - along_grad * (grad / denominator) - along_m * (m / denominator), m, v

        self._record(
            "nadam", (maximize, decays, decoupled), params, ("exp_avg", "exp_avg_sq"),
            [self._numbers(group, self.state[param]) for param in params], rule,
        )  # fmt: skip

    def _numbers(self, group: Group, state: dict[str, Any]) -> tuple[float, ...]:
        (t,) = step_counts([state])
        (beta1, beta2), lr = map(float, group["betas"]), float(group["lr"])
        decay_rate = group["momentum_decay"]
        mu = beta1 * (1.0 - 0.5 * 0.96 ** (t * decay_rate))
        mu_next = beta1 * (1.0 - 0.5 * 0.96 ** ((t + 1) * decay_rate))
        product = state["mu_product"] = float(state.get("mu_product", 1.0)) * mu
        decay = 1 - lr * group["weight_decay"] if group["decoupled_weight_decay"] else group["weight_decay"]
        return (
            lr * (1.0 - mu) / (1.0 - product), lr * mu_next / (1.0 - product * mu_next), 1 - beta2**t, 1 - beta1,
            beta2, 1 - beta2, float(group["eps"]), float(decay),
        )  # fmt: skip


class RAdam(Optimizer):
    """Adam whose adaptive rate is switched on when its variance is tractable (Liu et al., arXiv 1908.03265)."""

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 0, decoupled_weight_decay: bool = False, *, foreach: bool | None = None,
        maximize: bool = False, capturable: bool = False, differentiable: bool = False,
    ) -> None:  # fmt: skip
        check_nonnegative(lr=lr, eps=eps)
        check_betas(betas)
        check_nonnegative(weight_decay=weight_decay)
        refuse("differentiable", differentiable, "torch.func, or the update written by hand")
        super().__init__(
            params,
            {
                "lr": lr, "betas": tuple(betas), "eps": eps, "weight_decay": weight_decay, "maximize": maximize,
                "foreach": foreach, "capturable": capturable, "differentiable": differentiable,
                "decoupled_weight_decay": decoupled_weight_decay,
            },
        )  # fmt: skip

    def _update(self, group: Group, params: Sequence[Tensor]) -> None:
        maximize, decays = group["maximize"], bool(group["weight_decay"])
        decoupled = group["decoupled_weight_decay"]
        for param in params:
            buffer_like(self.state[param], "exp_avg", param)
            buffer_like(self.state[param], "exp_avg_sq", param)

        def rule(param: Value, grad: Value, m: Value, v: Value, *rest: Value) -> tuple[Value, ...]:
            plain, adaptive, keep1, beta2, keep2, eps, decay = rest
            if maximize:
                grad = -grad
            if decays:
                if decoupled:
                    param = param * decay
                else:
                    grad = grad + decay * param
            m = m + (grad - m) * keep1
            v = v * beta2 + grad * grad * keep2
            return param - m * plain - m * adaptive / (Sqrt(v) + eps), m, v  # one of the two rates is 0

        (beta1, beta2), lr = map(float, group["betas"]), float(group["lr"])
        limit = 2 / (1 - beta2) - 1  # length of the approximated simple moving average
        numbers = []
        for t in step_counts([self.state[param] for param in params]):
            length = limit - 2 * t * beta2**t / (1 - beta2**t)
            rate = lr / (1 - beta1**t)
            plain, adaptive = rate, 0.0
            if length > 5.0:
                rectified = sqrt((length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length))
                plain, adaptive = 0.0, rate * rectified * sqrt(1 - beta2**t)
            decay = 1 - lr * group["weight_decay"] if decoupled else float(group["weight_decay"])
            numbers.append((plain, adaptive, 1 - beta1, beta2, 1 - beta2, float(group["eps"]), decay))
        self._record(
            "radam", (maximize, decays, decoupled), params, ("exp_avg", "exp_avg_sq"), numbers, rule
        )
