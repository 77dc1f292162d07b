"""The notes' helper module: what `from d2l import torch as d2l` gives under `alight run`.

In: tensors, models, and data sets. Out: training loops that report, text made into numbers, figures that go to the
notebook, to a window, or to a PNG file whose path is printed. Written on alight's public API alone.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import alight as torch
from alight.lessons.attention import (
    AdditiveAttention,
    AddNorm,
    AttentionDecoder,
    DotProductAttention,
    EncoderBlock,
    MultiHeadAttention,
    PositionalEncoding,
    PositionWiseFFN,
    TransformerEncoder,
    masked_softmax,
    transpose_output,
    transpose_qkv,
)
from alight.lessons.classification import (
    accuracy,
    evaluate_accuracy,
    get_dataloader_workers,
    get_fashion_mnist_labels,
    load_data_fashion_mnist,
    predict_ch3,
    train_ch3,
    train_epoch_ch3,
)
from alight.lessons.convolution import (
    Residual,
    corr2d,
    evaluate_accuracy_gpu,
    resnet18,
    train_batch_ch13,
    train_ch6,
    train_ch13,
)
from alight.lessons.devices import cpu, gpu, num_gpus, try_all_gpus, try_gpu
from alight.lessons.downloads import (
    DATA_HUB,
    DATA_URL,
    download,
    download_all,
    download_extract,
)
from alight.lessons.figures import (
    Animator,
    annotate,
    plot,
    set_axes,
    set_figsize,
    show_heatmaps,
    show_images,
    use_svg_display,
)
from alight.lessons.measures import Accumulator, Benchmark, Timer
from alight.lessons.names import *  # noqa: F403  (the notes' one-word names of operations)
from alight.lessons.optimization import (
    get_data_ch11,
    show_trace_2d,
    train_2d,
    train_ch11,
    train_concise_ch11,
)
from alight.lessons.recurrent import (
    RNNModel,
    RNNModelScratch,
    grad_clipping,
    predict_ch8,
    train_ch8,
    train_epoch_ch8,
)
from alight.lessons.regression import (
    evaluate_loss,
    linreg,
    load_array,
    sgd,
    squared_loss,
    synthetic_data,
)
from alight.lessons.text import (
    SeqDataLoader,
    Vocab,
    count_corpus,
    load_corpus_time_machine,
    load_data_time_machine,
    read_time_machine,
    seq_data_iter_random,
    seq_data_iter_sequential,
    tokenize,
)
from alight.lessons.translation import (
    Decoder,
    Encoder,
    EncoderDecoder,
    MaskedSoftmaxCELoss,
    Seq2SeqEncoder,
    bleu,
    build_array_nmt,
    load_data_nmt,
    predict_seq2seq,
    preprocess_nmt,
    read_data_nmt,
    sequence_mask,
    show_list_len_pair_hist,
    tokenize_nmt,
    train_seq2seq,
    truncate_pad,
)

d2l = sys.modules[__name__]
_LAZY = {
    "F": "alight.nn.functional",
    "data": "alight.data",
    "nn": "alight.nn",
    "np": "numpy",
    "pd": "pandas",
    "plt": "matplotlib.pyplot",
    "torchvision": "alight.vision",
    "transforms": "alight.vision.transforms",
}


def __getattr__(name: str) -> Any:
    if name == "plt":
        from alight.lessons.figures import pyplot

        return pyplot()
    if name in _LAZY:
        return import_module(_LAZY[name])
    raise AttributeError(f"module 'd2l.torch' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY} - {"Any", "annotations", "import_module", "sys"})
