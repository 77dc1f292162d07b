"""Embedding layers: rows of a table by number."""

from __future__ import annotations

from typing import Any

from alight.autograd.modes import no_grad
from alight.errors import fail
from alight.nn import functional as F
from alight.nn import init
from alight.nn.module import Module
from alight.nn.parameter import Parameter, new_parameter

Tensor = Any


def _checked_padding(padding_idx: int | None, rows: int) -> int | None:
    if padding_idx is None:
        return None
    if not -rows <= padding_idx < rows:
        fail(AssertionError, "Padding_idx must be within num_embeddings")
    return padding_idx % rows


class _Table(Module):
    """Common part of the layers that hold a table of embeddings."""

    padding_idx: int | None
    num_embeddings: int
    embedding_dim: int

    def _make_table(self, given: Any, freeze: bool, device: Any, dtype: Any) -> None:
        rows, columns = self.num_embeddings, self.embedding_dim
        if given is None:
            self.weight = new_parameter(rows, columns, device=device, dtype=dtype)
            self.weight.requires_grad_(not freeze)
            self.reset_parameters()
            return
        if list(given.shape) != [rows, columns]:
            fail(AssertionError, "Shape of weight does not match num_embeddings and embedding_dim")
        self.weight = Parameter(given, requires_grad=not freeze)

    def reset_parameters(self) -> None:
        """Standard normal numbers; zeros in the row `padding_idx`."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx].fill_(0)


class Embedding(_Table):
    """A table of num_embeddings rows of embedding_dim numbers; gives the rows that the input
    names.

    Whole numbers (*) to (*, embedding_dim). Parameters: weight (num_embeddings, embedding_dim),
    standard normal numbers. padding_idx names a row that starts at 0 and gets no gradient;
    max_norm shortens rows that are longer. IndexError for a number outside the table,
    AssertionError for a padding_idx outside.

    >>> import alight as torch
    >>> layer = torch.nn.Embedding(10, 3, padding_idx=0)
    >>> layer(torch.tensor([[1, 2, 0]])).shape
    torch.Size([1, 3, 3])
    >>> layer(torch.tensor([0]))
    tensor([[0., 0., 0.]], grad_fn=<EmbeddingBackward0>)
    """

    def __init__(
        self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None, max_norm: float | None = None,
        norm_type: float = 2.0, scale_grad_by_freq: bool = False, sparse: bool = False, _weight: Any = None,
        _freeze: bool = False, device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        if min(num_embeddings, embedding_dim) < 0:
            fail(
                RuntimeError,
                f"Trying to create tensor with negative dimension {min(num_embeddings, embedding_dim)}: "
                f"[{num_embeddings}, {embedding_dim}]",
            )
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.padding_idx = _checked_padding(padding_idx, num_embeddings)
        self.max_norm, self.norm_type = max_norm, norm_type
        self.scale_grad_by_freq, self.sparse = scale_grad_by_freq, sparse
        self._make_table(_weight, _freeze, device, dtype)

    def forward(self, input: Tensor) -> Tensor:
        """Whole numbers of any shape to (*shape, embedding_dim)."""
        return F.embedding(
            input,
            self.weight,
            self.padding_idx,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.sparse,
        )

    def extra_repr(self) -> str:
        """Sizes and every argument that is not the default."""
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        if self.padding_idx is not None:
            text += f", padding_idx={self.padding_idx}"
        if self.max_norm is not None:
            text += f", max_norm={self.max_norm}"
        if self.norm_type != 2:
            text += f", norm_type={self.norm_type}"
        if self.scale_grad_by_freq:
            text += f", scale_grad_by_freq={self.scale_grad_by_freq}"
        return text + (", sparse=True" if self.sparse else "")

    @classmethod
    def from_pretrained(
        cls, embeddings: Tensor, freeze: bool = True, padding_idx: int | None = None, max_norm: float | None = None,
        norm_type: float = 2.0, scale_grad_by_freq: bool = False, sparse: bool = False,
    ) -> Embedding:  # fmt: skip
        """A layer over a given table (num_embeddings, embedding_dim), not trained unless freeze=False.

        AssertionError where the table is not 2-d.

        >>> import alight as torch
        >>> layer = torch.nn.Embedding.from_pretrained(torch.tensor([[1., 2.], [3., 4.]]))
        >>> layer(torch.tensor([1]))
        tensor([[3., 4.]])
        """
        if embeddings.dim() != 2:
            fail(AssertionError, "Embeddings parameter is expected to be 2-dimensional")
        rows, columns = embeddings.shape
        return cls(
            rows,
            columns,
            padding_idx,
            max_norm,
            norm_type,
            scale_grad_by_freq,
            sparse,
            _weight=embeddings,
            _freeze=freeze,
        )


class EmbeddingBag(_Table):
    """Sums, means or maxima of the rows of a table: Embedding and reduction in one.

    Whole numbers (bags, length), or (total,) with `offsets` (bags,) that say where each bag
    begins, to (bags, embedding_dim). Parameters: weight (num_embeddings, embedding_dim). mode:
    "sum", "mean" or "max"; per_sample_weights multiplies the rows, for "sum" only. ValueError
    for offsets with a 2-d input or none with a 1-d one.

    >>> import alight as torch
    >>> table = torch.tensor([[1., 2.], [3., 4.], [5., 6.]])
    >>> bag = torch.nn.EmbeddingBag.from_pretrained(table, mode="sum")
    >>> bag(torch.tensor([0, 1, 2]), torch.tensor([0, 2]))
    tensor([[4., 6.],
            [5., 6.]])
    """

    def __init__(
        self, num_embeddings: int, embedding_dim: int, max_norm: float | None = None, norm_type: float = 2.0,
        scale_grad_by_freq: bool = False, mode: str = "mean", sparse: bool = False, _weight: Any = None,
        include_last_offset: bool = False, padding_idx: int | None = None, device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.max_norm, self.norm_type = max_norm, norm_type
        self.scale_grad_by_freq, self.mode, self.sparse = scale_grad_by_freq, mode, sparse
        self.include_last_offset = include_last_offset
        self.padding_idx = _checked_padding(padding_idx, num_embeddings)
        self._make_table(_weight, False, device, dtype)

    def forward(self, input: Tensor, offsets: Any = None, per_sample_weights: Any = None) -> Tensor:
        """Bags as rows of `input`, or from `offsets` in a 1-d input."""
        return F.embedding_bag(
            input, self.weight, offsets, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.mode, self.sparse,
            per_sample_weights, self.include_last_offset, self.padding_idx,
        )  # fmt: skip

    def extra_repr(self) -> str:
        """Sizes and mode."""
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        if self.max_norm is not None:
            text += f", max_norm={self.max_norm}"
        if self.norm_type != 2:
            text += f", norm_type={self.norm_type}"
        if self.scale_grad_by_freq:
            text += f", scale_grad_by_freq={self.scale_grad_by_freq}"
        text += f", mode={self.mode!r}"
        return text + (f", padding_idx={self.padding_idx}" if self.padding_idx is not None else "")

    @classmethod
    def from_pretrained(
        cls, embeddings: Tensor, freeze: bool = True, max_norm: float | None = None, norm_type: float = 2.0,
        scale_grad_by_freq: bool = False, mode: str = "mean", sparse: bool = False, include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> EmbeddingBag:  # fmt: skip
        """A layer over a given table (num_embeddings, embedding_dim), not trained unless freeze=False.

        AssertionError where the table is not 2-d.

        >>> import alight as torch
        >>> bag = torch.nn.EmbeddingBag.from_pretrained(torch.tensor([[1., 2.], [3., 4.]]))
        >>> bag(torch.tensor([[0, 1]]))
        tensor([[2., 3.]])
        """
        if embeddings.dim() != 2:
            fail(AssertionError, "Embeddings parameter is expected to be 2-dimensional")
        rows, columns = embeddings.shape
        made = cls(
            rows, columns, max_norm, norm_type, scale_grad_by_freq, mode, sparse, embeddings, include_last_offset,
            padding_idx,
        )  # fmt: skip
        made.weight.requires_grad_(not freeze)
        return made
