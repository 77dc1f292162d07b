"""Operations whose file is loaded when one of them is first used: names that few programs need, kept out of `import`.

In: a name of `torch`, of Tensor or of `torch.nn.functional`. Out: the function, with its file loaded. Each line of the
table says in which file of `alight.ops` the names are.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from alight.ops.operation import FUNCTIONAL, METHODS, TORCH
from alight.tensor import Tensor

_TORCH: dict[str, str] = {}
_METHODS: dict[str, str] = {}
_FUNCTIONAL: dict[str, str] = {}


def _index(names: dict[str, str]) -> dict[str, str]:
    return {name: file for file, text in names.items() for name in text.split()}


_TORCH = _index(
    {
        "copies": "as_strided_copy detach_copy diagonal_copy expand_copy narrow_copy permute_copy select_copy squeeze_copy "
        "t_copy transpose_copy unfold_copy unsqueeze_copy view_copy view_as_complex_copy view_as_real_copy split_copy "
        "split_with_sizes_copy unbind_copy alias_copy slice_copy unsafe_chunk unsafe_split unsafe_split_with_sizes "
        "as_strided_scatter",
        "counts": "histc bincount",
        "differences": "gradient",
        "factorizations": "orgqr geqrf ormqr lu lu_unpack lu_solve matrix_exp svd_lowrank pca_lowrank",
        "histograms": "histogram histogramdd",
        "integers": "gcd gcd_ lcm lcm_ frexp nextafter",
        "nn": "adaptive_avg_pool1d adaptive_max_pool1d avg_pool1d bilinear binary_cross_entropy_with_logits celu celu_ "
        "channel_shuffle conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d cosine_embedding_loss "
        "cosine_similarity dropout elu_ group_norm hardshrink hardsigmoid_ hardswish_ hardtanh_ hinge_embedding_loss "
        "kl_div layer_norm leaky_relu_ log_softmax margin_ranking_loss max_pool1d max_pool2d max_pool3d mish_ "
        "pairwise_distance pdist pixel_shuffle pixel_unshuffle poisson_nll_loss prelu relu6_ rms_norm rrelu rrelu_ selu "
        "selu_ silu_ softmax threshold threshold_ triplet_margin_loss",
        "nn.native": "batch_norm instance_norm native_batch_norm native_layer_norm native_group_norm dropout_ alpha_dropout "
        "alpha_dropout_ feature_dropout feature_dropout_ feature_alpha_dropout feature_alpha_dropout_ native_dropout "
        "convolution conv_tbc embedding native_channel_shuffle max_pool1d_with_indices norm_except_dim frobenius_norm "
        "nuclear_norm get_device",
        "nn.recurrent": "lstm gru rnn_tanh rnn_relu lstm_cell gru_cell rnn_tanh_cell rnn_relu_cell",
        "nn.sequence_loss": "ctc_loss",
        "nn.sampling": "grid_sampler grid_sampler_2d grid_sampler_3d affine_grid_generator",
        "places": "empty_strided empty_permuted range diagflat fill constant_pad_nd nonzero_static unravel_index is_conj "
        "is_neg is_distributed is_same_size is_signed is_inference resolve_neg conj_physical_ resize_as_",
        "special": "i0 i0_ igamma igammac",
        "storage": "from_dlpack frombuffer",
        "spectrum": "stft istft",
        "quantization": "fake_quantize_per_tensor_affine fake_quantize_per_channel_affine",
        "rejection": "poisson binomial _standard_gamma _standard_gamma_grad _sample_dirichlet _dirichlet_grad",
        "windows": "hann_window hamming_window blackman_window bartlett_window kaiser_window",
    }
)
_METHODS = _index(
    {
        "nn": "celu_ elu_ hardshrink hardsigmoid_ hardswish_ hardtanh_ leaky_relu_ log_softmax mish_ prelu relu6_ selu_ silu_ "
        "softmax threshold_",
        "copies": "narrow_copy unsafe_chunk unsafe_split unsafe_split_with_sizes as_strided_scatter sum_to_size",
        "counts": "histc bincount",
        "factorizations": "orgqr geqrf ormqr lu lu_solve matrix_exp",
        "histograms": "histogram",
        "integers": "gcd gcd_ lcm lcm_ frexp nextafter nextafter_",
        "places": "new_empty_strided diagflat nonzero_static is_conj is_neg is_distributed is_same_size resolve_neg "
        "conj_physical_ resize resize_as",
        "special": "i0 i0_ igamma igamma_ igammac igammac_ polygamma_",
        "spectrum": "stft istft",
        "storage": "untyped_storage storage _typed_storage storage_type __dlpack__ __dlpack_device__ __array_wrap__ new "
        "apply_ map_ map2_ is_pinned is_shared dense_dim sparse_dim to_dense is_inference is_coalesced dim_order "
        "share_memory_ pin_memory _is_view",
    }
)
_FUNCTIONAL = _index(
    {
        "nn.multihead": "multi_head_attention_forward",
        "nn.native": "conv_tbc",
        "nn.sampling": "grid_sample affine_grid",
        "nn.sequence_loss": "ctc_loss",
        "nn.unpooling": "max_unpool1d max_unpool2d max_unpool3d fractional_max_pool2d fractional_max_pool3d "
        "fractional_max_pool2d_with_indices fractional_max_pool3d_with_indices",
    }
)


def torch_name(name: str) -> Any:
    """The function `torch.<name>`, or None."""
    if name.startswith("_foreach_"):
        _load("lists")
        return TORCH.get(name)
    return _found(name, _TORCH, TORCH)


def functional_name(name: str) -> Any:
    """The function `torch.nn.functional.<name>`, or None."""
    return _found(name, _FUNCTIONAL, FUNCTIONAL)


def functional_names() -> list[str]:
    """The names of `torch.nn.functional` that are in the table."""
    return sorted(_FUNCTIONAL)


def names() -> list[str]:
    """The names of `torch` that are in the table."""
    return sorted(_TORCH)


def load_all() -> None:
    """Load every file of the table, for whoever lists all operations."""
    for file in ("lists", *{**_TORCH, **_METHODS, **_FUNCTIONAL}.values()):
        _load(file)


def _found(name: str, table: dict[str, str], namespace: dict[str, Any]) -> Any:
    if name not in table:
        return None
    _load(table[name])
    return namespace[name]


def _load(file: str) -> None:
    import_module(f"alight.ops.{file}")
    for name, place in _METHODS.items():
        if place == file and isinstance(Tensor.__dict__.get(name), _Later):
            setattr(Tensor, name, METHODS[name])


class _Later:
    """Stands for a method until somebody asks for it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type) -> Any:
        _load(_METHODS[self.name])
        return getattr(owner if instance is None else instance, self.name)


def attach() -> None:
    """Put a place for every method of the table on Tensor."""
    for name in _METHODS:
        setattr(Tensor, name, _Later(name))
