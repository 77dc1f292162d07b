"""What PyTorch has and alight has not, with the nearest thing that it has: the second line of an AttributeError."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module

from alight.errors import message

# Beginnings of names of `torch` -> what is missing, and what to use.
_NEAREST = {
    "sparse_": ("sparse tensors", "a dense tensor, or index_add over pairs of places"),
    "quantize": ("quantized tensors", "bfloat16 or float16"),
    "lobpcg": ("LOBPCG", "torch.linalg.eigh"),
    "segment_reduce": ("segment_reduce", "torch.Tensor.index_reduce or scatter_reduce"),
    "embedding_bag": ("the kernel's form of embedding_bag", "torch.nn.functional.embedding_bag"),
    "while_loop": ("traced control flow", "Python's own while"),
    "cond": ("traced control flow", "Python's own if, or torch.where"),
    "lstsq": ("torch.lstsq, which PyTorch has removed", "torch.linalg.lstsq(A, B)"),
    "solve": ("torch.solve, which PyTorch has removed", "torch.linalg.solve(A, B)"),
    "eig": ("torch.eig, which PyTorch has removed", "torch.linalg.eig"),
    "symeig": ("torch.symeig, which PyTorch has removed", "torch.linalg.eigh"),
    "matrix_rank": ("torch.matrix_rank, which PyTorch has removed", "torch.linalg.matrix_rank"),
    "hash_tensor": ("hashes of tensors", "hash(x.numpy().tobytes())"),
    "cudnn": ("cuDNN's kernels", "the operation without `cudnn_`"),
    "mkldnn": ("oneDNN's kernels", "the operation without `mkldnn_`"),
    "miopen": ("MIOpen's kernels", "the operation without `miopen_`"),
}


def sentence(name: str) -> str:
    """The text of the AttributeError for `torch.<name>`.

    >>> print(sentence("lobpcg"))
    module 'alight' has no attribute 'lobpcg'
      alight does not have LOBPCG
      try torch.linalg.eigh
    """
    first = f"module 'alight' has no attribute '{name}'"
    for start, (what, nearest) in _NEAREST.items():
        if name == start or (name.startswith(start) and len(start) > 5):
            return message(first, [f"alight does not have {what}"], nearest)
    if name.startswith("_"):
        return first
    near = get_close_matches(name, dir(import_module("alight")), 1, 0.75)
    return message(first, (), f"torch.{near[0]}" if near else "")
