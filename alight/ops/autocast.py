"""Which operations compute in half precision, and which in float32, inside `torch.autocast`.

The lists are those that PyTorch has for its CPU: products and convolutions in the lower dtype, losses and what is
delicate in float32, everything else in the dtypes of its arguments. float64 is never touched.
"""

from __future__ import annotations

from typing import Any

from alight.dtypes import bfloat16, dtype, float16, float32
from alight.ir.program import Value
from alight.primitives import Convert
from alight.record.trie import Argument

LOWER = frozenset(
    [
        "linear",
        "matmul",
        "mm",
        "bmm",
        "addmm",
        "addbmm",
        "baddbmm",
        "conv1d",
        "conv2d",
        "conv3d",
        "conv_transpose1d",
        "conv_transpose2d",
        "conv_transpose3d",
        "_einsum",
        "_tensordot",
        "multi_dot",
        "inner",
        "_attention",
        "_multi_head_attention",
        "prelu",
        "vecdot",
    ]
)
FLOAT32 = frozenset(
    [
        "avg_pool3d",
        "binary_cross_entropy",
        "binary_cross_entropy_with_logits",
        "grid_sampled",
        "polar",
        "prod",
        "_quantile_along",
        "_cdist",
        "trace",
        "view_as_complex",
        "cholesky",
        "_linalg_cholesky",
        "cholesky_inverse",
        "cholesky_solve",
        "inv",
        "lu_solve",
        "householder_product",
        "ormqr",
        "pinv",
        "mse_loss",
        "cosine_embedding_loss",
        "nll_loss",
        "hinge_embedding_loss",
        "poisson_nll_loss",
        "cross_entropy",
        "l1_loss",
        "smooth_l1_loss",
        "huber_loss",
        "margin_ranking_loss",
        "soft_margin_loss",
        "triplet_margin_loss",
        "multi_margin_loss",
        "_ctc_loss",
        "kl_div",
        "multilabel_margin_loss",
        "fft",
        "ifft",
        "rfft",
        "irfft",
        "hfft",
        "ihfft",
        "fft2",
        "ifft2",
        "rfft2",
        "irfft2",
        "fftn",
        "ifftn",
        "rfftn",
        "irfftn",
        "cond",
        "_linalg_norm",
        "matrix_norm",
        "vector_norm",
        "matrix_rank",
        "solve",
        "lstsq",
        "svdvals",
        "eigh",
        "eigvalsh",
        "eig",
        "eigvals",
        "_linalg_qr",
        "_linalg_svd",
    ]
)


def cast(operation: str, value: Value, to: dtype) -> Value:
    """An argument of an operation as autocast wants it."""
    if operation in LOWER and value.dtype is float32:
        target = to
    elif operation in FLOAT32 and value.dtype in (bfloat16, float16):
        target = float32
    else:
        return value
    meta: Any = getattr(value, "meta", None)
    if meta is None:  # a number
        return value
    made = Convert(value, dtype=target)
    return Argument(made.id, made.type, made.builder, meta.replace(type=made.type), None)
