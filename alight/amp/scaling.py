"""GradScaler: losses times a large number, so that float16 gradients do not vanish; steps that overflowed are left out."""

from __future__ import annotations

import math
import warnings
from typing import Any

from alight.device import device as Device
from alight.errors import fail

_READY, _UNSCALED, _STEPPED = "ready", "unscaled", "stepped"


class GradScaler:
    """Scales the loss, unscales gradients before the step, and adapts the scale.

    Errors: AssertionError for factors on the wrong side of 1; methods called out of turn raise
    RuntimeError.

    >>> import alight as torch
    >>> w = torch.ones(1, requires_grad=True)
    >>> optimizer = torch.optim.SGD([w], lr=0.5)
    >>> scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    >>> scaler.scale((w * 2).sum()).backward()
    >>> scaler.step(optimizer)
    >>> scaler.update()
    >>> w.item()
    0.0
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        self._device = Device(device).type
        if enabled and self._device == "cuda":
            warnings.warn(
                "torch.cuda.amp.GradScaler is enabled, but CUDA is not available.  Disabling.",
                stacklevel=2,
            )
            enabled = False
        self._enabled = enabled
        if enabled and not growth_factor > 1.0:
            fail(AssertionError, "The growth factor must be > 1.0.")
        if enabled and not backoff_factor < 1.0:
            fail(AssertionError, "The backoff factor must be < 1.0.")
        self._scale, self._growth_tracker = float(init_scale), 0
        self._growth_factor, self._backoff_factor = growth_factor, backoff_factor
        self._growth_interval = growth_interval
        self._stage: dict[int, str] = {}  # of each optimizer, by its id
        self._overflow: dict[int, bool] = {}

    def scale(self, outputs: Any) -> Any:
        """A tensor, or those in a list or tuple, times the scale."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, (list, tuple)):
            return type(outputs)([self.scale(one) for one in outputs])
        if not hasattr(outputs, "_slot"):
            fail(ValueError, "outputs must be a Tensor or an iterable of Tensors")
        return outputs * self._scale

    def unscale_(self, optimizer: Any) -> None:
        """Divide the gradients of an optimizer's parameters by the scale, in place: before clipping them."""
        if not self._enabled:
            return
        stage = self._stage.get(id(optimizer), _READY)
        if stage == _UNSCALED:
            fail(
                RuntimeError,
                "unscale_() has already been called on this optimizer since the last update().",
            )
        if stage == _STEPPED:
            fail(RuntimeError, "unscale_() is being called after step().")
        grads = [
            parameter.grad
            for group in optimizer.param_groups
            for parameter in group["params"]
            if parameter.grad is not None
        ]
        from alight.autograd.modes import no_grad

        with no_grad():
            for grad in grads:
                grad.mul_(1.0 / self._scale)
        sums = [float(grad.float().sum().item()) for grad in grads]
        finite = all(
            math.isfinite(total) or bool(grad.isfinite().all())
            for total, grad in zip(sums, grads, strict=True)
        )
        self._overflow[id(optimizer)] = not finite
        self._stage[id(optimizer)] = _UNSCALED

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """`optimizer.step(...)`, unless a gradient is infinite or not a number."""
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            fail(RuntimeError, "Closure use is not currently supported if GradScaler is enabled.")
        stage = self._stage.get(id(optimizer), _READY)
        if stage == _STEPPED:
            fail(RuntimeError, "step() has already been called since the last update().")
        if stage == _READY:
            self.unscale_(optimizer)
        self._stage[id(optimizer)] = _STEPPED
        if self._overflow[id(optimizer)]:
            return None
        return optimizer.step(*args, **kwargs)

    def update(self, new_scale: Any = None) -> None:
        """A smaller scale after an overflow, a larger one after growth_interval steps without; or `new_scale`."""
        if not self._enabled:
            return
        if new_scale is not None:
            self._scale = float(new_scale)
        else:
            if not self._overflow:
                fail(AssertionError, "No inf checks were recorded prior to update.")
            if any(self._overflow.values()):
                self._scale, self._growth_tracker = self._scale * self._backoff_factor, 0
            else:
                self._growth_tracker += 1
                if self._growth_tracker == self._growth_interval:
                    self._scale, self._growth_tracker = self._scale * self._growth_factor, 0
        self._stage.clear()
        self._overflow.clear()

    def get_scale(self) -> float:
        """The scale; 1 if the scaler is off."""
        return self._scale if self._enabled else 1.0

    def is_enabled(self) -> bool:
        """Whether the scaler does anything."""
        return self._enabled

    def get_growth_factor(self) -> float:
        """What the scale is multiplied by when it grows."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Choose what the scale is multiplied by when it grows."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """What the scale is multiplied by after an overflow."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Choose what the scale is multiplied by after an overflow."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """Steps without overflow after which the scale grows."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Choose after how many steps without overflow the scale grows."""
        self._growth_interval = new_interval

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` takes; empty if the scaler is off."""
        if not self._enabled:
            return {}
        return {
            "scale": self._scale,
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._growth_tracker,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state."""
        if not self._enabled:
            return
        if not state_dict:
            fail(
                RuntimeError,
                "The source state dict is empty, possibly because it was saved from a disabled instance of GradScaler.",
            )
        self._scale = float(state_dict["scale"])
        self._growth_factor = state_dict["growth_factor"]
        self._backoff_factor = state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        self._growth_tracker = state_dict["_growth_tracker"]
