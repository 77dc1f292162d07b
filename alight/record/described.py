"""What a tensor says of itself at once, from its meta alone: no element is looked at and nothing is flushed."""

from __future__ import annotations

from typing import Any

from alight.device import device
from alight.dtypes import dtype as Dtype
from alight.record.meta import Meta, Size


class Described:
    """The part of Tensor that reads its meta: shape, dtype, device, strides, sizes in bytes."""

    _meta: Meta

    @property
    def shape(self) -> Size:
        """Extents of the dimensions."""
        return self._meta.size

    @property
    def dtype(self) -> Dtype:
        """Type of the elements."""
        return self._meta.dtype

    @property
    def device(self) -> device:
        """Where the elements live."""
        return self._meta.device

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self._meta.shape)

    @property
    def is_cuda(self) -> bool:
        """Whether the tensor is on an NVIDIA device."""
        return self._meta.device.type == "cuda"

    @property
    def is_meta(self) -> bool:
        """Whether the tensor has no elements at all."""
        return self._meta.device.type == "meta"

    is_sparse = is_quantized = is_mkldnn = is_nested = is_mps = is_xpu = is_xla = is_vulkan = False

    is_ipu = is_maia = is_mtia = is_sparse_csr = volatile = False

    name = None

    @property
    def is_cpu(self) -> bool:
        """Whether the tensor is in main memory."""
        return self._meta.device.type == "cpu"

    @property
    def itemsize(self) -> int:
        """Bytes of an element."""
        return self._meta.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self._meta.type.bytes

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the extent of one dimension.

        Errors: IndexError for a dimension out of range.

        >>> import alight as torch
        >>> torch.ones(2, 3).size(), torch.ones(2, 3).size(1)
        (torch.Size([2, 3]), 3)
        """
        if dim is None:
            return self._meta.size
        if dim.__class__ is int:
            shape = self._meta.shape
            if -len(shape) <= dim < len(shape):
                return shape[dim]
        from alight.ops.arguments import normalize_dim

        return self._meta.shape[normalize_dim(dim, len(self._meta.shape), wrap_scalar=False)]

    def dim(self) -> int:
        """Number of dimensions.

        >>> import alight as torch
        >>> torch.ones(2, 3).dim()
        2
        """
        return len(self._meta.shape)

    ndimension = dim

    def numel(self) -> int:
        """Number of elements.

        >>> import alight as torch
        >>> torch.ones(2, 3).numel()
        6
        """
        return self._meta.type.size

    nelement = numel

    def element_size(self) -> int:
        """Bytes of an element.

        >>> import alight as torch
        >>> torch.ones(2).element_size()
        4
        """
        return self._meta.dtype.itemsize

    def stride(self, dim: int | None = None) -> Any:
        """Steps in memory between neighbours along each dimension, in elements.

        Errors: IndexError for a dimension out of range.

        >>> import alight as torch
        >>> torch.ones(2, 3).stride(), torch.ones(2, 3).t().stride()
        ((3, 1), (1, 3))
        """
        strides = self._meta.full_strides()
        if dim is None:
            return strides
        from alight.ops.arguments import normalize_dim

        return strides[normalize_dim(dim, len(strides), wrap_scalar=False)]

    def is_contiguous(self, memory_format: Any = None) -> bool:
        """Whether the elements lie in row-major order without gaps.

        >>> import alight as torch
        >>> torch.ones(2, 3).is_contiguous(), torch.ones(2, 3).t().is_contiguous()
        (True, False)
        """
        meta = self._meta
        if memory_format is not None and memory_format.name.startswith("channels_last"):
            from alight.ops.conversion import format_strides

            rank = 4 if memory_format.name == "channels_last" else 5
            return len(meta.shape) == rank and meta.full_strides() == format_strides(
                meta.shape, memory_format
            )
        if meta.strides is None or meta.type.size == 0:
            return True
        step = 1
        for extent, stride in zip(reversed(meta.shape), reversed(meta.strides), strict=True):
            if extent != 1:
                if stride != step:
                    return False
                step *= extent
        return True

    def is_floating_point(self) -> bool:
        """Whether the dtype is a floating-point one.

        >>> import alight as torch
        >>> torch.ones(2).is_floating_point()
        True
        """
        return self._meta.dtype.is_floating_point

    def is_complex(self) -> bool:
        """Whether the dtype is complex.

        >>> import alight as torch
        >>> torch.ones(2).is_complex()
        False
        """
        return self._meta.dtype.is_complex

    def is_signed(self) -> bool:
        """Whether the dtype holds negative numbers.

        >>> import alight as torch
        >>> torch.ones(2).is_signed()
        True
        """
        return self._meta.dtype.is_signed

    def get_device(self) -> int:
        """Number of the accelerator; -1 on the CPU.

        >>> import alight as torch
        >>> torch.ones(2).get_device()
        -1
        """
        return -1 if self._meta.device.type == "cpu" else (self._meta.device.index or 0)
