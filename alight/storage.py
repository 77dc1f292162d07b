"""torch.storage: the memory under tensors."""

from alight.ops.storage import TypedStorage, UntypedStorage

__all__ = ["TypedStorage", "UntypedStorage"]
