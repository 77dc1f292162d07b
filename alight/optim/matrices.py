"""Optimizers that treat a parameter as a matrix: Adafactor, Muon."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Any

from alight.autograd.modes import enable_grad, no_grad
from alight.dtypes import bfloat16, finfo, float32
from alight.errors import fail
from alight.ir.types import Type
from alight.ops.operation import TORCH
from alight.optim.elementwise import number
from alight.optim.optimizer import Optimizer, Params
from alight.tensor import filled

Tensor = Any


def _at_least_zero(what: str, value: float) -> None:
    if not value >= 0.0:
        fail(ValueError, f"{what} should be >= 0 but is: {value}")


class _EachParameter(Optimizer):
    """Takes one parameter after the other."""

    @no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; with a closure, compute the loss first and return it."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                if parameter.is_complex():
                    fail(
                        RuntimeError,
                        f"{type(self).__name__} does not support complex parameters",
                        try_="Adam",
                    )
                self._move(group, parameter, parameter.grad, self.state[parameter])
        return loss

    def _move(self, group: dict[str, Any], p: Tensor, grad: Tensor, state: dict[str, Any]) -> None:
        raise NotImplementedError


class Adafactor(_EachParameter):
    """Adam without a first moment, its second moment kept as one number for each row and each
    column (Shazeer and Stern 2018).

    lr bounds the step in units of the parameter's own size; d clips the root mean square of an
    update; eps are the smallest variance and the smallest size of a parameter. ValueError for
    settings out of range, RuntimeError for complex parameters.

    >>> import alight as torch
    >>> w = torch.ones(2, 2, requires_grad=True)
    >>> optimizer = torch.optim.Adafactor([w], lr=0.1)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([[0.9000, 0.9000],
            [0.9000, 0.9000]], requires_grad=True)
    """

    def __init__(
        self, params: Params, lr: Any = 1e-2, beta2_decay: float = -0.8, eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0, weight_decay: float = 0.0, *, foreach: bool | None = None, maximize: bool = False,
    ) -> None:  # fmt: skip
        _at_least_zero("Learning rate", number(lr))
        if not beta2_decay <= 0.0:
            fail(ValueError, f"beta2_decay should be <= 0 but is: {beta2_decay}", try_="-0.8")
        for place, value in enumerate(eps, 1):
            if value is not None:
                _at_least_zero(f"epsilon{place}", value)
        if not d >= 1.0:
            fail(ValueError, f"Clipping threshold d should be >= 1 but is: {d}", try_="d=1.0")
        _at_least_zero("weight_decay", weight_decay)
        super().__init__(
            params,
            {
                "lr": lr, "beta2_decay": beta2_decay, "eps": eps, "d": d, "weight_decay": weight_decay,
                "foreach": foreach, "maximize": maximize,
            },
        )  # fmt: skip

    def _move(self, group: dict[str, Any], p: Tensor, grad: Tensor, state: dict[str, Any]) -> None:
        if not state:
            self._begin(grad, state)
        state["step"] += 1.0
        step, rate = float(state["step"]), number(group["lr"])
        smallest, least_size = group["eps"]
        smallest = finfo(p.dtype).eps if smallest is None else smallest
        size = (p.square().mean().sqrt()).clamp(min=least_size) * min(rate, step**-0.5)
        if group["weight_decay"]:
            p.mul_(1 - rate * group["weight_decay"])
        grad = -grad if group["maximize"] else grad
        variance = self._variance(grad, state, step ** group["beta2_decay"], smallest)
        update = grad * variance.clamp(min=smallest * smallest).rsqrt()
        clipped = (update.square().mean().sqrt() / group["d"]).clamp(min=1.0)
        p.sub_(update * (size / clipped))

    def _begin(self, grad: Tensor, state: dict[str, Any]) -> None:
        state["step"] = filled(Type((), float32, grad.device))
        shape = list(grad.shape)
        if len(shape) > 1:
            state["row_var"] = grad.new_zeros([*shape[:-1], 1])
            state["col_var"] = grad.new_zeros([*shape[:-2], 1, shape[-1]])
        else:
            state["variance"] = TORCH["zeros_like"](grad)

    def _variance(
        self, grad: Tensor, state: dict[str, Any], share: float, smallest: float
    ) -> Tensor:
        """The second moment: of each element, or the product of its row's and its column's."""
        square = grad.square()
        if grad.dim() < 2:
            return state["variance"].lerp_(square, share)
        rows = state["row_var"].lerp_(square.mean(-1, keepdim=True), share)
        columns = state["col_var"].lerp_(square.mean(-2, keepdim=True), share)
        return rows @ columns / rows.mean(-2, keepdim=True).clamp(min=smallest)


class Muon(_EachParameter):
    """Steps along the momentum with its singular values made about equal (Jordan 2024), for the
    weights of hidden layers.

    A few Newton-Schulz iterations in bfloat16 do that. adjust_lr_fn="match_rms_adamw" scales
    steps to the size of AdamW's. ValueError for parameters that are not matrices and for
    settings out of range, RuntimeError for complex parameters.

    >>> import alight as torch
    >>> w = torch.eye(2, requires_grad=True)
    >>> optimizer = torch.optim.Muon([w], lr=0.1, weight_decay=0.0)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step()
    >>> bool(w.diagonal().max() < 1)
    True
    """

    def __init__(
        self, params: Params, lr: Any = 1e-3, weight_decay: float = 0.1, momentum: float = 0.95, nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315), eps: float = 1e-7, ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:  # fmt: skip
        _at_least_zero("Learning rate", number(lr))
        _at_least_zero("momentum", momentum)
        _at_least_zero("weight decay", weight_decay)
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            fail(
                ValueError,
                f"Adjust learning rate function {adjust_lr_fn} is not supported",
                try_='"original" or "match_rms_adamw"',
            )
        super().__init__(
            params,
            {
                "lr": lr, "weight_decay": weight_decay, "momentum": momentum, "nesterov": nesterov,
                "ns_coefficients": ns_coefficients, "eps": eps, "ns_steps": ns_steps, "adjust_lr_fn": adjust_lr_fn,
            },
        )  # fmt: skip
        for group in self.param_groups:
            for p in group["params"]:
                if p.dim() != 2:
                    fail(
                        ValueError,
                        f"Muon only supports 2D parameters whereas we found a parameter with size: {p.size()}",
                        try_="AdamW for biases, embeddings and the last layer",
                    )

    def _move(self, group: dict[str, Any], p: Tensor, grad: Tensor, state: dict[str, Any]) -> None:
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = TORCH["zeros_like"](grad)
        rate, momentum = number(group["lr"]), group["momentum"]
        mean = state["momentum_buffer"].lerp_(grad, 1 - momentum)
        direction = _equalised(grad.lerp(mean, momentum) if group["nesterov"] else mean, group)
        p.mul_(1 - rate * group["weight_decay"])
        rows, columns = p.shape
        if group["adjust_lr_fn"] == "match_rms_adamw":
            scale = 0.2 * sqrt(max(rows, columns))
        else:
            scale = sqrt(max(1, rows / columns))
        p.add_(direction, alpha=-rate * scale)


def _equalised(matrix: Tensor, group: dict[str, Any]) -> Tensor:
    """A matrix with the same singular vectors and singular values near 1."""
    if group["ns_steps"] >= 100:
        fail(ValueError, "Number of steps must be less than 100 for computational efficiency")
    if len(group["ns_coefficients"]) != 3:
        fail(ValueError, "Coefficients must be a tuple of exactly 3 values")
    a, b, c = group["ns_coefficients"]
    is_tall = matrix.shape[0] > matrix.shape[1]
    x = (matrix.t() if is_tall else matrix).to(bfloat16)
    x = x / x.norm().clamp(min=group["eps"])
    addmm = TORCH["addmm"]
    for _ in range(group["ns_steps"]):
        gram = x @ x.t()
        x = addmm(x, addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.t() if is_tall else x
