"""torch.utils.hooks: the handle that takes a hook away."""

from alight.autograd.hooks import RemovableHandle

__all__ = ["RemovableHandle"]
