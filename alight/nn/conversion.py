"""Modules in training and evaluation mode, on other devices and of other dtypes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from alight.autograd.modes import no_grad
from alight.errors import fail
from alight.nn.parameter import Parameter, is_lazy
from alight.tensor import Tensor


class Convertible:
    """The part of `Module` that changes all of its tensors."""

    if TYPE_CHECKING:  # the rest of Module

        def __getattr__(self, name: str) -> Any: ...

    def train(self, mode: bool = True) -> Any:
        """Set training mode, here and inside: dropout drops, batch norms take the batch's statistics.

        mode=False sets evaluation mode. ValueError where mode is no bool. Gives the module back.

        >>> import alight as torch
        >>> torch.nn.Dropout().train().training
        True
        """
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> Any:
        """Set evaluation mode, here and inside: no dropout, batch norms take their running statistics.

        Gradients are still recorded; no_grad() is what stops that. Gives the module back.

        >>> import alight as torch
        >>> torch.nn.Dropout().eval()(torch.ones(2))
        tensor([1., 1.])
        """
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Set whether gradients of the parameters are recorded, here and inside: False freezes the
        module.

        >>> import alight as torch
        >>> torch.nn.Linear(2, 1).requires_grad_(False).weight.requires_grad
        False
        """
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the parameters' gradients, or fill them with zeros with set_to_none=False.

        >>> import alight as torch
        >>> layer = torch.nn.Linear(2, 1)
        >>> layer(torch.ones(1, 2)).sum().backward()
        >>> layer.zero_grad()
        >>> print(layer.weight.grad)
        None
        """
        for parameter in self.parameters():
            if parameter._grad is None:
                continue
            if set_to_none:
                parameter._grad = None
            else:
                parameter.grad = parameter.grad.detach() * 0  # type: ignore[union-attr]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        """Replace every parameter, gradient and buffer by fn of it."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        for name, parameter in self._parameters.items():
            if parameter is None:
                continue
            with no_grad():
                old = parameter if is_lazy(parameter) else parameter.detach()
                converted = fn(old)
                if converted.device.type == "meta" != old.device.type:  # as in PyTorch a new one
                    self._parameters[name] = Parameter(converted, parameter.requires_grad)
                    continue
                if converted is not old:
                    parameter.data = converted
                if parameter._grad is not None:
                    parameter._grad = fn(parameter._grad)
        for name, buffer in self._buffers.items():
            if buffer is not None:
                self._buffers[name] = fn(buffer)
        return self

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """Move to a device, or convert floating-point parameters and buffers: to(device), to(dtype),
        to(tensor).

        The module itself changes and is given back. TypeError for a dtype of whole numbers.

        >>> import alight as torch
        >>> torch.nn.Linear(2, 1).to(torch.float64).weight.dtype
        torch.float64
        """
        device, dtype = _device_and_dtype(*args, **kwargs)
        if dtype is not None and not dtype.is_differentiable:
            raise TypeError(
                f"nn.Module.to only accepts floating point or complex dtypes, but got desired dtype={dtype}"
            )

        def convert(tensor: Tensor) -> Tensor:
            wanted = dtype if tensor.is_floating_point() or tensor.is_complex() else None
            if wanted in (None, tensor.dtype) and device in (None, tensor.device):
                return tensor
            if tensor.device.type == "meta" and device not in (None, tensor.device):
                fail(
                    NotImplementedError,
                    "Cannot copy out of meta tensor; no data! Please use torch.nn.Module.to_empty() instead of "
                    "torch.nn.Module.to() when moving module from meta to a different device.",
                )
            return tensor.to(device=device or tensor.device, dtype=wanted or tensor.dtype)

        return self._apply(convert)

    def type(self, dst_type: Any) -> Any:
        """Convert all parameters and buffers to a dtype.

        >>> import alight as torch
        >>> torch.nn.Linear(2, 1).type(torch.float64).weight.dtype
        torch.float64
        """
        return self._apply(lambda tensor: tensor.to(dst_type))

    def _floating(self, name: str) -> Any:
        import alight

        return self.to(getattr(alight, name))

    def float(self) -> Any:
        """Convert floating-point parameters and buffers to float32.

        >>> import alight as torch
        >>> torch.nn.Linear(2, 1, dtype=torch.float64).float().weight.dtype
        torch.float32
        """
        return self._floating("float32")

    def double(self) -> Any:
        """Convert floating-point parameters and buffers to float64.

        >>> import alight as torch
        >>> torch.nn.Linear(2, 1).double().weight.dtype
        torch.float64
        """
        return self._floating("float64")

    def half(self) -> Any:
        """Convert floating-point parameters and buffers to float16.

        >>> import alight as torch
        >>> torch.nn.Linear(2, 1).half().weight.dtype
        torch.float16
        """
        return self._floating("float16")

    def bfloat16(self) -> Any:
        """Convert floating-point parameters and buffers to bfloat16.

        >>> import alight as torch
        >>> torch.nn.Linear(2, 1).bfloat16().weight.dtype
        torch.bfloat16
        """
        return self._floating("bfloat16")

    def cpu(self) -> Any:
        """Move to the CPU; the module itself is given back.

        >>> import alight as torch
        >>> torch.nn.Linear(2, 1).cpu().weight.device
        device(type='cpu')
        """
        return self.to("cpu")

    def cuda(self, device: Any = None) -> Any:
        """Move to an NVIDIA device; an error where there is none.

        >>> import alight as torch
        >>> layer = torch.nn.Linear(2, 1)
        >>> layer = layer.cuda() if torch.cuda.is_available() else layer
        """
        return self.to(
            "cuda" if device is None else f"cuda:{device}" if isinstance(device, int) else device
        )

    def to_empty(self, *, device: Any, recurse: bool = True) -> Any:
        """Move to a device without the elements, which are arbitrary afterwards.

        >>> import alight as torch
        >>> layer = torch.nn.Linear(2, 1, device="meta")
        >>> layer.to_empty(device="cpu").weight.shape
        torch.Size([1, 2])
        """
        import alight

        return self._apply(lambda tensor: alight.empty_like(tensor, device=device), recurse)

    def share_memory(self) -> Any:
        """Differs: does nothing; memory is not shared between processes.

        >>> import alight as torch
        >>> torch.nn.Linear(2, 1).share_memory()
        Linear(in_features=2, out_features=1, bias=True)
        """
        return self


def _device_and_dtype(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
    """What the arguments of `to` ask for."""
    from alight.device import device as Device
    from alight.dtypes import dtype as Dtype

    device, dtype = kwargs.get("device"), kwargs.get("dtype")
    for one in (*args[:2], kwargs.get("tensor")):
        if isinstance(one, Dtype):
            dtype = one
        elif isinstance(one, Tensor):
            device, dtype = one.device, one.dtype
        elif isinstance(one, (str, int, Device)) and not isinstance(one, bool):
            device = one
    if device is not None and not isinstance(device, Device):
        device = Device(device)
    return device, dtype
