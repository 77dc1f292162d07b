"""What PyTorch calls the backward nodes of operations: `AddBackward0`, `SumBackward1`.

Most are the operation's own name in capitals; a few depend on the arguments, which is decided while the operation is
recorded (`origin_of`), so that reading a name later needs no more than the tensor's meta.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from alight.record.ambiguous import WRITTEN

# Operations whose node has another name; a name without "Backward" gets "Backward0".
_NAMES = {
    name: words
    for line in """
getitem Select; flatten View; reshape View; ravel View; unflatten View; true_divide Div; gradient Accumulated
saved Saved; max_dim Max; min_dim Min; pow_known Pow; max_all MaxBackward1; max_along Max; square Pow
min_all MinBackward1; min_along Min; median_all Median; median_along MedianBackward1; outer Mul
nanmedian_all Nanmedian; nanmedian_along NanmedianBackward1; copy_ CopyBackwards; to ToCopy; cross LinalgCross
clamp ClampBackward1; clip ClampBackward1; fmod FmodBackward1; remainder RemainderBackward1; float_power PowBackward1
floor_divide torch::autograd::NotImplemented; heaviside torch::autograd::NotImplemented; masked_select MaskedSelect
index_at Index; put_at IndexPut; softmin Softmax; normalize Div; strided AsStrided; as_strided AsStrided
conv1d Convolution; conv2d Convolution; conv3d Convolution; conv_transpose1d Convolution; layer_norm NativeLayerNorm
conv_transpose2d Convolution; conv_transpose3d Convolution; group_norm NativeGroupNorm; batch_norm NativeBatchNorm
batch_norm_eval NativeBatchNorm; instance_norm View; rms_norm Mul; fold Col2Im
avg_pool1d SqueezeBackward1; adaptive_avg_pool1d SqueezeBackward1; max_pool1d SqueezeBackward1; prelu PreluKernel; rrelu RreluWithNoise; selu Elu; solve_ex LinalgSolveEx; inv_ex LinalgInvEx; cholesky_ex LinalgCholeskyEx; lstsq LinalgLstsq; rpow PowBackward1; rmod RemainderBackward1; rdiv Mul; hfft2 FftC2R; hfftn FftC2R
relu6 Hardtanh; lu_factor_ex LinalgLuFactorEx; lu_solve LinalgLuSolve; matrix_exp LinalgMatrixExp; reversed_axes Permute
householder_product LinalgHouseholderProduct; adjoint Transpose; tensordot View; tensorsolve View; multi_dot View
tensorinv ReshapeAlias; logdet Where; cond SqueezeBackward1; vander Cat; special_ndtr MulBackward1
pairwise_distance NormBackward1; local_response_norm Div; quantile_along SqueezeBackward4; cov Squeeze
alpha_dropout Add; cumulative_trapezoid Cumsum; ihfft Conj; trapezoid MulBackward1
multi_head_attention View
logsigmoid LogSigmoid; softsign Div; tanhshrink Sub; dropout Mul; hstack Cat; vstack Cat; dstack Cat
column_stack Cat; concat Cat; msort Sort; movedim Permute; moveaxis Permute; swapaxes Transpose; swapdims Transpose
take_along_dim Gather; tile Repeat; kron UnsafeView; attention UnsafeView; nanmean Div; qr LinalgQr; svd LinalgSvd
svdvals LinalgSvd; det LinalgDet; inv LinalgInvEx; inverse LinalgInvEx; eigh LinalgEigh; eig LinalgEig
eigvals LinalgEig; eigvalsh LinalgEigh; pinv LinalgPinv; solve LinalgSolveEx; solve_triangular LinalgSolveTriangular
slogdet LinalgSlogdet; linalg_cholesky LinalgCholeskyEx; lu_factor LinalgLuFactorEx
norm LinalgVectorNorm; linalg_norm LinalgVectorNorm; vector_norm LinalgVectorNorm; matrix_norm LinalgVectorNorm
fft2 FftC2C; ifft2 FftC2C; fftn FftC2C; ifftn FftC2C; rfft FftR2C; rfft2 FftR2C
rfftn FftR2C; irfft FftC2R; irfft2 FftC2R; irfftn FftC2R; hfft FftC2R; tensor_split Slice; chunk Split
unsafe_chunk Split; cosine_similarity SumBackward1; std_mean StdMean; contiguous Clone; fftshift Roll; ifftshift Roll
gamma_draw StandardGamma; dirichlet_draw _DirichletBackward
""".replace("\n", ";").split(";")
    for name, words in [line.split() or ("", "")]
}


def backward_name(origin: str) -> str:
    """PyTorch's name of the backward node of an operation.

    >>> backward_name("log_softmax"), backward_name("add_"), backward_name("SumBackward1")
    ('LogSoftmaxBackward0', 'AddBackward0', 'SumBackward1')
    """
    words = _NAMES.get(origin) or _NAMES.get(origin.strip("_"))
    if words is None and ("Backward" in origin or origin == "CopySlices"):
        return origin
    if words is None:
        words = "".join(word[:1].upper() + word[1:] for word in origin.strip("_").split("_"))
        words = re.sub(r"(?<=\d)[a-z]", lambda letter: letter[0].upper(), words)  # Log1P, AvgPool2D
    return words if "Backward" in words or "::" in words else words + "Backward0"


def grad_name(tensor: Any) -> str:
    """The name of a tensor's `grad_fn`; empty for leaves.

    >>> import alight as torch
    >>> grad_name(torch.ones(2, requires_grad=True) * 2)
    'MulBackward0'
    """
    meta = tensor._meta
    if meta.leaf or not meta.requires_grad:
        return ""
    origin = meta.origin or "unknown"
    return "Invalid" if origin.startswith(WRITTEN) else backward_name(origin)


# -- names that depend on the arguments --------------------------------------------------------------------------------

Rule = Callable[[Sequence[Any]], str]


def _if_given(plain: str, given: str, place: int) -> Rule:
    """One name without argument number `place`, another with it."""
    return lambda values: given if len(values) > place and values[place] is not None else plain


def _by_operand(number: str, tensor: str, place: int = 1) -> Rule:
    """One name where an operand is a number, another where it is a tensor."""

    def rule(values: Sequence[Any]) -> str:
        other = values[place] if len(values) > place else None
        return tensor if getattr(other, "meta", None) is not None else number

    return rule


def _by_rank(name: str, lowest: int = 1) -> Rule:
    """The number of spatial dimensions is part of the name."""
    return lambda values: name.format(max(values[0].ndim - 2, lowest))


def _of_product(values: Sequence[Any]) -> str:
    a, b = (value.ndim for value in values[:2])
    if a == b == 1:
        return "DotBackward0"
    if (a, b) in ((2, 1), (1, 2)):
        return "MvBackward0" if a == 2 else "SqueezeBackward4"
    if a == 2 and b > 2:
        return "CloneBackward0"
    return "MmBackward0" if a == b == 2 else "UnsafeViewBackward0"


def _of_convolution(values: Sequence[Any]) -> str:
    alone = values[0].ndim < values[1].ndim  # one image, not a batch
    return "SqueezeBackward1" if alone else "ConvolutionBackward0"


def _of_pool(name: str) -> Rule:
    """Pools along one dimension are those along two, squeezed."""

    def rule(values: Sequence[Any]) -> str:
        count = next((value for value in values if value.__class__ is int), 0)
        return "SqueezeBackward1" if count == 1 else name.format(count)

    return rule


def _of_clamp(values: Sequence[Any]) -> str:
    bounds = [getattr(value, "meta", None) is not None for value in values[1:3]]
    return "ClampBackward0" if any(bounds) else "ClampBackward1"


def _of_inner(values: Sequence[Any]) -> str:
    return "ViewBackward0" if values[0].ndim and values[1].ndim else "MulBackward0"


def _of_einsum(values: Sequence[Any]) -> str:
    equation, operands = values
    result = equation.split("->")[1].strip() if "->" in equation else None
    if len(operands) == 1:
        summed = result is not None and len(result) < operands[0].ndim
        return "SumBackward1" if summed else "PermuteBackward0"
    terms = equation.split("->")[0].split(",")
    outer = result is not None and all(
        letter in result for term in terms for letter in term.strip()
    )
    return "MulBackward0" if outer else "ViewBackward0"


def _of_power(values: Sequence[Any]) -> str:
    n = values[1]
    if n in (0, 1):
        return "torch::autograd::CopyBackwards" if n == 0 else "AliasBackward0"
    if n == -1:
        return "LinalgInvExBackward0"
    return "MmBackward0" if values[0].ndim == 2 else "UnsafeViewBackward0"


def _of_transform(forward: bool) -> Rule:
    def rule(values: Sequence[Any]) -> str:
        if values[0].dtype.is_complex:
            return "FftC2CBackward0"
        return "FftR2CBackward0" if forward else "ConjBackward0"

    return rule


def _of_matrix_norm(values: Sequence[Any]) -> str:
    kind, keepdim = values[1], values[3]
    if kind == "nuc":
        return "PermuteBackward0" if keepdim else "SumBackward1"
    if kind in (2, -2):
        return "PermuteBackward0" if keepdim else "AmaxBackward0" if kind > 0 else "AminBackward0"
    if isinstance(kind, (int, float)):
        return "AmaxBackward0" if kind > 0 else "AminBackward0"
    return "LinalgVectorNormBackward0"


def _of_linear(values: Sequence[Any]) -> str:
    if values[0].ndim == 2:
        return "MmBackward0" if values[2] is None else "AddmmBackward0"
    if values[0].ndim == 1:
        return "SqueezeBackward4" if values[2] is None else "ViewBackward0"
    return "UnsafeViewBackward0" if values[2] is None else "ViewBackward0"


def _of_loss(plain: str) -> Rule:
    """Losses that PyTorch composes end in what `reduction` makes: a mean, a sum or the elements."""

    def rule(values: Sequence[Any]) -> str:
        words = [value for value in values if isinstance(value, str)]
        return {"mean": "MeanBackward0", "sum": "SumBackward0"}.get(
            words[-1] if words else "", plain
        )

    return rule


def _of_divergence(values: Sequence[Any]) -> str:
    if "batchmean" in values:
        return "DivBackward0"
    return _of_loss("MulBackward0" if values[5] else "SubBackward0")(values)


def _with_constant(plain: str) -> Rule:
    """Losses that add a constant where argument number 3, `full`, asks for it."""
    return lambda values: _of_loss("AddBackward0" if values[3] else plain)(values)


def _of_inverse_transform(values: Sequence[Any]) -> str:
    """Half of an inverse transform: along one dimension nothing but its conjugate is left to do."""
    over = values[1] if values[2] is None else values[2]
    count = values[0].ndim if over is None else len(over) if isinstance(over, (tuple, list)) else 1
    return "ConjBackward0" if count == 1 else "FftC2CBackward0"


def _of_pad(values: Sequence[Any]) -> str:
    words = [value for value in values if isinstance(value, str)]
    kind = {"reflect": "ReflectionPad", "replicate": "ReplicationPad"}.get(
        words[0] if words else ""
    )
    return "ConstantPadNdBackward0" if kind is None else f"{kind}{len(values[1]) // 2}DBackward0"


_UPSAMPLING = {
    "nearest": "Nearest{}D", "nearest-exact": "NearestExact{}D", "linear": "Linear1D", "bilinear": "Bilinear2D",
    "bicubic": "Bicubic2D", "trilinear": "Trilinear3D",
}  # fmt: skip


def _of_interpolation(values: Sequence[Any]) -> str:
    kind = next(
        (_UPSAMPLING[one] for one in values if isinstance(one, str) and one in _UPSAMPLING), ""
    )
    return f"Upsample{kind.format(values[0].ndim - 2)}Backward0"


def _of_fake_quantization(values: Sequence[Any]) -> str:
    if values[3] >= 0:
        return "FakeQuantizePerChannelAffineCachemaskBackward0"
    is_tensor = getattr(values[1], "meta", None) is not None
    return f"FakeQuantizePerTensorAffineCachemask{'TensorQparams' * is_tensor}Backward0"


def _of_division(values: Sequence[Any]) -> str:
    return (
        "DivBackward2"
        if any(value in ("floor", "trunc") for value in values[2:])
        else "DivBackward0"
    )


def _of_cross_entropy(values: Sequence[Any]) -> str:
    scores, target = values[:2]
    if target.dtype.is_floating_point:
        return {"none": "NegBackward0", "sum": "NegBackward0"}.get(values[6], "DivBackward1")
    return "NllLossBackward0" if scores.ndim <= 2 else "NllLoss2DBackward0"


def _of_adaptive_average(plain: str) -> Rule:
    """Down to one place it is a mean."""

    def rule(values: Sequence[Any]) -> str:
        size = values[1] if isinstance(values[1], tuple) else (values[1],)
        return "MeanBackward1" if set(size) == {1} else plain

    return rule


_BY_ARGUMENTS: dict[str, Rule] = {
    "copied": lambda values: values[1],
    "drawn": lambda values: values[2],
    "sum": _if_given("SumBackward0", "SumBackward1", 1),
    "mean": _if_given("MeanBackward0", "MeanBackward1", 1),
    "prod": _if_given("ProdBackward0", "ProdBackward1", 1),
    "squeeze": lambda values: "SqueezeBackward"
    + ("0" if values[1] is None else "2" if isinstance(values[1], tuple) else "1"),
    "matmul": _of_product,
    "linear": _of_linear,
    "div": _of_division,
    "rsub": _by_operand("RsubBackward1", "RsubBackward0"),
    "pow": _by_operand("PowBackward0", "PowBackward1"),
    "clamp_min": _by_operand("ClampMinBackward0", "ClampMinBackward1"),
    "clamp_max": _by_operand("ClampMaxBackward0", "ClampMaxBackward1"),
    "masked_fill": _by_operand("MaskedFillBackward0", "MaskedFillBackward1", 2),
    "lerp": _by_operand("LerpBackward0", "LerpBackward1", 2),
    "max_pool": _of_pool("MaxPool{}DWithIndicesBackward0"),
    "max_pool_with_indices": _of_pool("MaxPool{}DWithIndicesBackward0"),
    "adaptive_max_pool": _of_pool("AdaptiveMaxPool{}DBackward0"),
    "max_unpool": _of_pool("MaxUnpool{}DBackward0"),
    "fractional_max_pool": _of_pool("FractionalMaxPool{}DBackward0"),
    "grid_sampled": _by_rank("GridSampler{}DBackward0"),
    **{f"conv{n}d": _of_convolution for n in (1, 2, 3)},
    **{f"conv_transpose{n}d": _of_convolution for n in (1, 2, 3)},
    "clamp": _of_clamp,
    "clip": _of_clamp,
    "copysign": _by_operand("CopysignBackward1", "CopysignBackward0"),
    "index_fill": _by_operand("IndexFillBackward0", "IndexFillBackward1", 3),
    "scatter": _by_operand("ScatterBackward1", "ScatterBackward0", 3),
    "round": lambda values: "RoundBackward1" if values[1] else "RoundBackward0",
    "bilinear": lambda v: "ViewBackward0" if v[3] is None else "AddBackward0",
    "diag": lambda v: "DiagEmbedBackward0" if v[0].ndim == 1 else "DiagonalBackward0_copy",
    "unfold": lambda v: "UnfoldBackward0" if len(v) == 4 else "Im2ColBackward0",
    "inner": _of_inner,
    "einsum": _of_einsum,
    "matrix_power": _of_power,
    "matrix_norm": _of_matrix_norm,
    "vecdot": lambda values: "SumBackward1" if values[0].ndim > 1 else "VdotBackward0",
    "median_all": lambda values: "NanmedianBackward0" if values[1] else "MedianBackward0",
    "fft": _of_transform(True),
    "ifft": _of_transform(False),
    "trapezoid": lambda v: "MulBackward1" if v[1] is None else "DivBackward1",
    "cumulative_trapezoid": lambda v: "CumsumBackward0" if v[1] is None else "DivBackward1",
    "l1_loss": _of_loss("AbsBackward0"),
    "smooth_l1_loss": lambda v: "SmoothL1LossBackward0" if v[5] else _of_loss("AbsBackward0")(v),
    "adaptive_avg_pool2d": _of_adaptive_average("AdaptiveAvgPool2DBackward0"),
    "adaptive_avg_pool3d": _of_adaptive_average("AdaptiveAvgPool3DBackward0"),
    "norm": lambda v: "SumBackward1" if v[1] == "nuc" else "LinalgVectorNormBackward0",
    "multilabel_soft_margin_loss": _of_loss("DivBackward1"),
    "fake_quantize": _of_fake_quantization,
    "kl_div": _of_divergence,
    "margin_ranking_loss": _of_loss("ClampMinBackward0"),
    "triplet_margin_loss": _of_loss("ClampMinBackward0"),
    "cosine_embedding_loss": _of_loss("AddBackward0"),
    "hinge_embedding_loss": _of_loss("AddBackward0"),
    "interpolate": _of_interpolation,
    "poisson_nll_loss": _with_constant("SubBackward0"),
    "gaussian_nll_loss": _with_constant("MulBackward0"),
    "ihfft2": _of_inverse_transform,
    "ihfftn": _of_inverse_transform,
    "corrcoef": lambda v: "DivBackward0" if v[0].ndim < 2 or v[0].shape[0] == 1 else "ClampBackward1",
    "diff": lambda v: "SubBackward0" if v[1] else "torch::autograd::CopyBackwards",
    "pad": _of_pad,
    "cross_entropy": _of_cross_entropy,
}  # fmt: skip


_AS_OPERATIONS = {
    "dot_general": "mm", "conv": "convolution", "conv_data": "convolution", "conv_filter": "convolution_backward",
    "expand": "expand", "reshape": "view", "sum": "SumBackward1", "select": "where", "convert": "to", "concat": "cat",
    "pad": "SliceBackwardBackward0", "cum_sum": "cumsum",
}  # fmt: skip


def origin_of_gradient(result: Any) -> str:
    """What a differentiable gradient's meta keeps: the operation that its last primitive is."""
    for node in reversed(result.builder.nodes):
        if result.id in node.outputs:
            return _AS_OPERATIONS.get(node.primitive.name, node.primitive.name)
    return "alias"


def origin_of(operation: str, values: Sequence[Any]) -> str:
    """What a result's meta keeps of the operation that made it, with these arguments."""
    rule = _BY_ARGUMENTS.get(operation.strip("_"))
    return operation if rule is None else rule(values)
