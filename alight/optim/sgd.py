"""Stochastic gradient descent with momentum (Sutskever et al., 2013, for the Nesterov form)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from alight.errors import fail
from alight.ir.program import Value
from alight.optim.optimizer import Group, Optimizer, buffer_like, check_nonnegative, refuse
from alight.tensor import Tensor


class SGD(Optimizer):
    """param -= lr * d, where d is the gradient with weight decay, or the momentum buffer.

    d = grad + weight_decay * param;  buffer = momentum * buffer + (1 - dampening) * d  (the first time: d);
    Nesterov steps along d + momentum * buffer.

    >>> import alight as torch
    >>> torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=0.1).param_groups[0]["lr"]
    0.1
    """

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-3, momentum: float = 0, dampening: float = 0,
        weight_decay: float = 0, nesterov: bool = False, *, maximize: bool = False, foreach: bool | None = None,
        differentiable: bool = False, fused: bool | None = None,
    ) -> None:  # fmt: skip
        check_nonnegative(lr=lr, momentum=momentum, weight_decay=weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            fail(ValueError, "Nesterov momentum requires a momentum and zero dampening")
        refuse("differentiable", differentiable, "torch.func, or the update written by hand")
        super().__init__(
            params,
            {
                "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay,
                "nesterov": nesterov, "maximize": maximize, "foreach": foreach, "differentiable": differentiable,
                "fused": fused,
            },
        )  # fmt: skip

    def _update(self, group: Group, params: Sequence[Tensor]) -> None:
        if not group["momentum"]:
            self._record_sgd(group, params, momentum=False, first=False)
            return
        new = [param for param in params if self.state[param].get("momentum_buffer") is None]
        old = [param for param in params if self.state[param].get("momentum_buffer") is not None]
        for param in new:
            self.state[param].pop("momentum_buffer", None)
            buffer_like(self.state[param], "momentum_buffer", param)
        if new:
            self._record_sgd(group, new, momentum=True, first=True)
        if old:
            self._record_sgd(group, old, momentum=True, first=False)

    def _record_sgd(self, group: Group, params: Sequence[Tensor], momentum: bool, first: bool) -> None:
        decays, maximize, nesterov = bool(group["weight_decay"]), group["maximize"], group["nesterov"]

        def rule(param: Value, grad: Value, *rest: Value) -> tuple[Value, ...]:
            lr, factor, damped, decay = rest[-4:]
            d = -grad if maximize else grad
            if decays:
                d = d + decay * param
            if not momentum:
                return (param - lr * d,)
            buffer = d if first else factor * rest[0] + damped * d
            step = d + factor * buffer if nesterov else buffer
            return param - lr * step, buffer

        numbers = (
            float(group["lr"]), float(group["momentum"]), 1.0 - group["dampening"], float(group["weight_decay"]),
        )  # fmt: skip
        self._record(
            "sgd",
            (decays, maximize, nesterov, first),
            params,
            ("momentum_buffer",) if momentum else (),
            [numbers] * len(params),
            rule,
        )
