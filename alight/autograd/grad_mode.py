"""torch.autograd.grad_mode: modes under PyTorch's own file name."""

from alight.autograd.modes import enable_grad, inference_mode, no_grad, set_grad_enabled

__all__ = ["enable_grad", "inference_mode", "no_grad", "set_grad_enabled"]
