"""Names and keyword arguments that many public programs use, and all that PyTorch's own tables have beside them.

NAMES and CALLS were counted in 24 collections of programs: what three or more of them use of `torch`, Tensor and
`torch.nn.functional` (CUDA, distributed and TorchScript apart).
"""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import pytest
import torch
from torch.overrides import get_testing_overrides

import alight
from tests.ops.rows import agree

NAMES = {
    "Tensor": "item backward size shape data mean to sum view reshape device unsqueeze transpose float norm tolist max clone grad "
    "detach numel cpu copy_ split numpy dtype requires_grad permute contiguous clamp cuda squeeze ndim flatten argmax long "
    "uniform_ add T zero_ masked_fill fill_ dim abs repeat t expand exp std pow type relu sigmoid mul_ add_ requires_grad_ "
    "sqrt gather type_as double log normal_ is_cuda scatter_ cos sin repeat_interleave cumsum chunk softmax bool flip "
    "bfloat16 unfold unbind dot eq detach_ square int mm tanh min mul sort masked_fill_ any half clamp_ topk lerp_ div all "
    "amax index_add_ nonzero argsort unique view_as new_zeros mT div_ ravel expand_as requires_grad_",
    "torch": "no_grad cat zeros ones arange save tensor Tensor long stack load randn device from_numpy float32 manual_seed randint "
    "rand empty zeros_like tanh log topk matmul sqrt exp sum FloatTensor linspace sigmoid where clamp pow multinomial cos max "
    "bool inference_mode mean mm full tril einsum argmax LongTensor float randn_like compile ones_like eye randperm "
    "__version__ sin pi int32 bmm repeat_interleave float16 min bfloat16 normal abs float64 nonzero equal is_tensor finfo dot "
    "flatten enable_grad sort isnan meshgrid allclose square rsqrt as_tensor int64 unsqueeze gather outer add Size "
    "set_printoptions uint8 relu sign split autograd.grad autograd.Function cuda.is_available utils.data.Dataset "
    "utils.data.DataLoader utils.data.TensorDataset",
    "nn.functional": "softmax relu cross_entropy pad log_softmax silu one_hot scaled_dot_product_attention mse_loss linear conv2d "
    "interpolate sigmoid binary_cross_entropy_with_logits avg_pool2d softplus normalize nll_loss gelu max_pool2d l1_loss dropout "
    "binary_cross_entropy",
}  # fmt: skip

CALLS = [
    "torch.cat([x, x], dim=1), torch.stack([x, x], dim=1), torch.split(x, 2, dim=1), x.split(2, dim=1), x.chunk(2, dim=1)",
    "torch.arange(4, dtype=torch.float64, device='cpu', requires_grad=True), torch.linspace(0, 1, steps=3, device='cpu')",
    "torch.tensor([1.0], dtype=torch.float64, device='cpu', requires_grad=True), torch.eye(2, device='cpu')",
    "torch.zeros(2, dtype=torch.int64, device='cpu'), torch.zeros(2, requires_grad=True), torch.zeros(size=(2, 1))",
    "torch.ones(2, dtype=torch.int64, device='cpu'), torch.full((2,), 3.0, dtype=torch.float64, device='cpu')",
    "torch.empty(2, dtype=torch.int64, device='cpu').shape, torch.zeros_like(x, dtype=torch.int64)",
    "torch.manual_seed(1); torch.randn(2, device='cpu', dtype=torch.float64, requires_grad=True), torch.rand(size=(2,), "
    "device='cpu'), torch.randint(0, 5, size=(3,), device='cpu', dtype=torch.int32)",
    "torch.manual_seed(1); torch.multinomial(v.abs(), num_samples=2)",
    "x.mean(dim=0, keepdim=True), x.mean(axis=1), x.sum(dim=(0, 1), keepdim=True), x.sum(axis=0), x.sum(1, keepdims=True)",
    "torch.sum(x, dim=1), torch.mean(x, dim=0), x.std(axis=0), x.norm(dim=1, keepdim=True), x.cumsum(dim=0)",
    "x.argmax(dim=1, keepdim=True), x.argmax(axis=0), torch.argmax(x, dim=-1), x.max(dim=1), torch.max(x, dim=0)",
    "x.clamp(min=2.0, max=5.0), torch.clamp(x, min=3), x.softmax(dim=1), x.unsqueeze(dim=0), x[None].squeeze(dim=0)",
    "torch.topk(v, k=2), torch.topk(x, k=1, dim=0), x.repeat_interleave(2, dim=1), torch.repeat_interleave(x, 2, dim=0)",
    "torch.meshgrid(j, j, indexing='ij'), x.nonzero(as_tuple=True), x.detach().clone().add_(x.detach(), alpha=2)",
    "F = torch.nn.functional; F.softmax(x, dim=1), F.log_softmax(x, dim=1), F.pad(x, (1, 1), value=2.0)",
    "F = torch.nn.functional; F.normalize(x, dim=0, eps=1e-6), F.mse_loss(x, x + 1, reduction='sum')",
    "F = torch.nn.functional; F.cross_entropy(x, j, ignore_index=1, reduction='none')",
    "F = torch.nn.functional; F.binary_cross_entropy_with_logits(v, m[0].float(), weight=v.abs().detach(), reduction='sum')",
    "F = torch.nn.functional; F.avg_pool2d(b, kernel_size=2), F.interpolate(b[None], scale_factor=2, mode='nearest')",
    "F = torch.nn.functional; F.scaled_dot_product_attention(b, b, b, attn_mask=None, dropout_p=0.0, is_causal=True)",
    "y = (x * 2).sum(); y.backward(retain_graph=True); torch.autograd.grad(y, x, retain_graph=True)",
    "torch.swapaxes(b, axis0=0, axis1=1), b.view(size=(6, 4)), torch.det(input=x[:, :3]).round()",
]  # fmt: skip


@pytest.mark.parametrize("place", NAMES)
def test_names(place: str) -> None:
    holder = alight.Tensor if place == "Tensor" else alight
    holder = alight.nn.functional if place == "nn.functional" else holder
    for name in NAMES[place].split():
        found: Any = holder
        for part in name.split("."):
            assert hasattr(found, part), f"{place}.{name}"
            found = getattr(found, part)


@pytest.mark.parametrize("program", CALLS)
def test_keyword_arguments(program: str) -> None:
    agree(program)


# -- what stands beside them: PyTorch's table of functions that can be overridden, and the schemas of its kernels --------

# Families that alight leaves out: quantized and sparse tensors, kernels of other libraries, symbols of its tracer.
OTHER = (
    "quantize", "q_", "int_repr", "fake_", "fbgemm", "fused_", "choose_qparams", "sparse", "dense", "coalesce", "indices",
    "values", "row_", "col_", "crow_", "ccol_", "hspmm", "hsmm", "dsmm", "spmm", "smm", "sspaddmm", "saddmm", "miopen",
    "mkldnn", "cudnn", "sym_", "qscheme", "dequantize",
)  # fmt: skip
LEFT_OUT = {
    "torch": "batch_norm_backward_elemt batch_norm_backward_reduce batch_norm_elemt batch_norm_gather_stats "
    "batch_norm_gather_stats_with_counts batch_norm_stats batch_norm_update_stats embedding_bag hash_tensor lobpcg "
    "native_norm segment_reduce slice_inverse",
    "Tensor": "chalf const_data_ptr hash_tensor index ipu module_load mtia record_stream slice_inverse to_mkldnn "
    "xpu reinforce",
    "nn.functional": "",
    "linalg": "",
    "special": "",
    "fft": "",
}  # fmt: skip
SPACES = {
    "torch": (torch, alight, ""),
    "Tensor": (torch.Tensor, alight.Tensor, ""),
    "nn.functional": (torch.nn.functional, alight.nn.functional, None),
    "linalg": (torch.linalg, alight.linalg, "linalg_"),
    "special": (torch.special, alight.special, "special_"),
    "fft": (torch.fft, alight.fft, "fft_"),
}


def _overridable(place: str) -> list[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        known = get_testing_overrides()
        names = []
        for name in sorted(dir(SPACES[place][0])):
            if name.startswith("_"):
                continue
            one = getattr(SPACES[place][0], name)
            if callable(one) and one.__hash__ is not None and one in known:
                names.append(name)
    return names


@pytest.mark.parametrize("place", SPACES)
def test_what_pytorch_has_beside_them(place: str) -> None:
    ours = SPACES[place][1]
    left_out = set(LEFT_OUT[place].split())
    names = [name for name in _overridable(place) if not any(one in name for one in OTHER)]
    missing = {name for name in names if not hasattr(ours, name)}
    assert missing <= left_out, sorted(missing - left_out)
    assert {name for name in left_out if hasattr(ours, name)} == set()


# Parameters by PyTorch's names, but for a few: where a kernel has names that the documentation does not, or that belong
# to overloads that are not there.
ANY_NAME = {
    "self", "input2", "input3", "layout", "pin_memory", "memory_format", "device", "dtype", "names", "out_dtype",
    "cudnn_enabled", "cudnn_enable", "masked_grad", "sections", "indices", "tensor_indices_or_sections",
}  # fmt: skip
OWN_NAMES = {
    "torch": "gru lstm rnn_relu rnn_tanh gru_cell tensordot sort rrelu isin group_norm swapaxes",
    "Tensor": "backward copy_ set_ sort where swapaxes view resize resize_as",
    "linalg": "lstsq matrix_rank tensorsolve",
    "special": " ".join(name for name in dir(torch.special) if "polynomial" in name or "bessel" in name)
    + " airy_ai",
    "fft": "",
}  # fmt: skip


@pytest.mark.parametrize("place", OWN_NAMES)
def test_parameters_have_pytorchs_names(place: str) -> None:
    _, ours, prefix = SPACES[place]
    wrong = []
    for name in _overridable(place):
        function = getattr(ours, name, None)
        if not callable(function) or name in OWN_NAMES[place].split():
            continue
        parameters = inspect.signature(function).parameters.values()
        if any(one.kind is one.VAR_KEYWORD for one in parameters):
            continue
        have = {one.name for one in parameters} | {"out"} | ANY_NAME
        for schema in torch._C._jit_get_schemas_for_operator(f"aten::{prefix}{name}"):
            first = schema.arguments[0] if schema.arguments else None
            if first is None or str(first.type) != "Tensor" or first.name in ("a", "list"):
                continue  # for scripts
            if "imname" in str(schema) or "out" in schema.overload_name:
                continue
            lacks = {one.name for one in schema.arguments if not one.is_out} - have
            if lacks:
                wrong.append((name, sorted(lacks), sorted(have - ANY_NAME)))
    assert not wrong, "\n".join(map(str, wrong))
