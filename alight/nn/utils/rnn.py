"""torch.nn.utils.rnn: sequences of different lengths, padded to one length or packed without padding.

A packed batch holds, for each time step, the elements of the sequences that are still running, longest first.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any, NamedTuple

from alight.dtypes import int64
from alight.errors import fail
from alight.ops.nn.recurrent import _pack, _unpack
from alight.ops.operation import TORCH
from alight.tensor import Tensor


class _Fields(NamedTuple):
    data: Any
    batch_sizes: Any
    sorted_indices: Any
    unsorted_indices: Any


class PackedSequence(_Fields):
    """Sequences without padding: `data` by time step, and in `batch_sizes` how many run at each
    step.

    data (total, *), batch_sizes (longest,), sorted_indices and unsorted_indices (n,) or None.
    Made by pack_padded_sequence and pack_sequence; recurrent layers take and give it.

    >>> import alight as torch
    >>> packed = torch.nn.utils.rnn.pack_sequence([torch.tensor([1, 2, 3]), torch.tensor([4])])
    >>> packed.data, packed.batch_sizes
    (tensor([1, 4, 2, 3]), tensor([2, 1, 1]))
    """

    __slots__ = ()

    def __new__(
        cls,
        data: Any,
        batch_sizes: Any = None,
        sorted_indices: Any = None,
        unsorted_indices: Any = None,
    ) -> Any:
        if batch_sizes is None:
            if not isinstance(data, (list, tuple)) or len(data) != 2:
                raise AssertionError("Expected data to be a list or tuple of length 2")
            data, batch_sizes = data
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def __repr__(self) -> str:
        return "PackedSequence" + super().__repr__().removeprefix(type(self).__name__)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The same sequences with data on another device or of another dtype, as Tensor.to has it.

        >>> import alight as torch
        >>> packed = torch.nn.utils.rnn.pack_sequence([torch.tensor([1, 2])])
        >>> packed.to(torch.float64).data.dtype
        torch.float64
        """
        data = self.data.to(*args, **kwargs)
        return self if data is self.data else type(self)(data, *self[1:])

    def cpu(self) -> PackedSequence:
        """On the CPU."""
        return self.to("cpu")

    def cuda(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """On an NVIDIA device."""
        return self.to(*(args or ("cuda",)), **kwargs)

    def pin_memory(self) -> PackedSequence:
        """The same sequences: memory is not pinned."""
        return self

    def double(self) -> PackedSequence:
        """As float64."""
        return self.to(dtype=self.data.double().dtype)

    def float(self) -> PackedSequence:
        """As float32."""
        return self.to(dtype=self.data.float().dtype)

    def half(self) -> PackedSequence:
        """As float16."""
        return self.to(dtype=self.data.half().dtype)

    def long(self) -> PackedSequence:
        """As int64."""
        return self.to(dtype=int64)

    def int(self) -> PackedSequence:
        """As int32."""
        return self.to(dtype=self.data.int().dtype)

    def short(self) -> PackedSequence:
        """As int16."""
        return self.to(dtype=self.data.short().dtype)

    def char(self) -> PackedSequence:
        """As int8."""
        return self.to(dtype=self.data.char().dtype)

    def byte(self) -> PackedSequence:
        """As uint8."""
        return self.to(dtype=self.data.byte().dtype)

    @property
    def is_cuda(self) -> bool:
        """Whether the data lie on an NVIDIA device."""
        return bool(self.data.is_cuda)

    def is_pinned(self) -> bool:
        """Whether the data lie in pinned memory: never."""
        return False


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation that undoes another one, (n,) to (n,).

    >>> import alight as torch
    >>> torch.nn.utils.rnn.invert_permutation(torch.tensor([2, 0, 1]))
    tensor([1, 2, 0])
    """
    if permutation is None:
        return None
    order = permutation.tolist()
    back = [0] * len(order)
    for place, at in enumerate(order):
        back[at] = place
    return _indices(back)


def _indices(numbers: list[int]) -> Any:
    return TORCH["tensor"](numbers, dtype=int64)


def _length_list(lengths: Any) -> list[int]:
    if not isinstance(lengths, Tensor):
        return [int(one) for one in lengths]
    if lengths.dim() != 1:
        fail(
            RuntimeError,
            f"'lengths' argument should be a 1D CPU int64 tensor, but got {lengths.dim()}D cpu "
            f"{'Long' if lengths.dtype is int64 else 'Float'} tensor",
        )
    return [int(one) for one in lengths.tolist()]


def pack_padded_sequence(
    input: Tensor, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Pack padded sequences (longest, n, *), or (n, longest, *) with batch_first, of given lengths
    (n,).

    enforce_sorted=False also takes lengths that do not fall. RuntimeError where they do, a
    length is not positive or there are not n of them.

    >>> import alight as torch
    >>> padded = torch.tensor([[1, 2, 3], [4, 0, 0]])
    >>> torch.nn.utils.rnn.pack_padded_sequence(padded, [3, 1], batch_first=True).data
    tensor([1, 4, 2, 3])
    """
    sizes = _length_list(lengths)
    order = None
    if not enforce_sorted:
        places = sorted(range(len(sizes)), key=lambda i: -sizes[i])
        order, sizes = _indices(places), [sizes[i] for i in places]
    batch = input.shape[0 if batch_first else 1]
    if len(sizes) != batch:
        fail(
            RuntimeError,
            f"Expected `len(lengths)` to be equal to batch_size, but got {len(sizes)} (batch_size={batch})",
        )
    if min(sizes, default=1) <= 0:
        fail(
            RuntimeError,
            "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0",
        )
    if any(a < b for a, b in pairwise(sizes)):
        fail(
            RuntimeError,
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass "
            "`enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this requirement if you "
            "do not need ONNX exportability.",
            facts=[f"lengths are {sizes}"],
            try_="enforce_sorted=False",
        )
    time = input.shape[1 if batch_first else 0]
    if sizes and sizes[0] > time:
        fail(
            RuntimeError,
            f"Expected all lengths to be at most {time}, the padded length, but got {sizes[0]}",
        )
    if order is not None:
        input = input.index_select(0 if batch_first else 1, order)
    if batch_first:
        input = input.transpose(0, 1)
    counts, running = [], len(sizes)
    for t in range(sizes[0] if sizes else 0):
        while sizes[running - 1] <= t:
            running -= 1
        counts.append(running)
    batch_sizes = _indices(counts)
    return PackedSequence(_pack.function(input, batch_sizes, sum(sizes)), batch_sizes, order)


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Undo pack_padded_sequence: the padded tensor, and the lengths (n,).

    The tensor is (longest, n, *), with batch_first (n, longest, *). total_length pads further;
    ValueError where it is less than the longest.

    >>> import alight as torch
    >>> packed = torch.nn.utils.rnn.pack_sequence([torch.tensor([1, 2, 3]), torch.tensor([4])])
    >>> torch.nn.utils.rnn.pad_packed_sequence(packed, batch_first=True)
    (tensor([[1, 2, 3],
            [4, 0, 0]]), tensor([3, 1]))
    """
    data, batch_sizes, _, back = sequence
    counts = batch_sizes.tolist()
    longest = len(counts)
    if total_length is not None and total_length < longest:
        fail(
            ValueError,
            "Expected total_length to be at least the length of the longest sequence in input, but got "
            f"total_length={total_length} and max sequence length being {longest}",
        )
    lengths = _indices([sum(count > i for count in counts) for i in range(counts[0])])
    padded = _unpack.function(
        data, batch_sizes, padding_value, counts[0], total_length or longest, batch_first
    )
    if back is not None:
        return padded.index_select(0 if batch_first else 1, back), lengths[back]
    return padded, lengths


def pad_sequence(
    sequences: Any,
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Sequences (length, *) of different lengths as one padded tensor.

    It is (longest, n, *), with batch_first (n, longest, *). padding_side is "right" or "left";
    RuntimeError for another.

    >>> import alight as torch
    >>> sequences = [torch.tensor([1, 2, 3]), torch.tensor([4])]
    >>> torch.nn.utils.rnn.pad_sequence(sequences, batch_first=True, padding_value=-1)
    tensor([[ 1,  2,  3],
            [ 4, -1, -1]])
    """
    if not isinstance(sequences, Iterable):
        fail(
            RuntimeError,
            "pad_sequence: Expected iterable for input sequences, but got arg of type: "
            f"{type(sequences)}",
        )
    given = list(sequences.unbind(0)) if isinstance(sequences, Tensor) else list(sequences)
    if padding_side not in ("left", "right"):
        fail(
            RuntimeError,
            f"Expected padding_side to be one of left or right, but got {padding_side}.",
        )
    if not given:
        fail(RuntimeError, "received an empty list of sequences")
    rest, longest = given[0].shape[1:], max(one.shape[0] for one in given)
    made = []
    for one in given:
        if one.shape[1:] != rest:
            _misfit(one.shape, given[0].shape)
        pad = longest - one.shape[0]
        sides = (0, pad) if padding_side == "right" else (pad, 0)
        padding = [0, 0] * (one.dim() - 1) + list(sides)
        made.append(_pad(one, padding, padding_value) if pad else one)
    return TORCH["stack"](made, 0 if batch_first else 1)


def _misfit(shape: Any, first: Any) -> None:
    axis = next(i for i in range(1, len(first)) if first[i] != shape[i])
    fail(
        RuntimeError,
        f"The size of tensor a ({first[axis]}) must match the size of tensor b ({shape[axis]}) at non-singleton "
        f"dimension {axis}",
        facts=["sequences differ in their length alone"],
    )


def _pad(x: Tensor, padding: list[int], value: float) -> Tensor:
    from alight.nn import functional as F

    made: Tensor = F.pad(x, padding, value=value)
    return made


def unpad_sequence(
    padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False
) -> list[Tensor]:
    """Undo pad_sequence: a list of the sequences with their own lengths (n,).

    >>> import alight as torch
    >>> padded = torch.tensor([[1, 2, 3], [4, 0, 0]])
    >>> torch.nn.utils.rnn.unpad_sequence(padded, torch.tensor([3, 1]), batch_first=True)
    [tensor([1, 2, 3]), tensor([4])]
    """
    if not batch_first:
        padded_sequences = padded_sequences.transpose(0, 1)
    sizes = _length_list(lengths)
    return [one[:size] for one, size in zip(padded_sequences.unbind(0), sizes, strict=True)]


def pack_sequence(sequences: list[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Pack sequences (length, *) of different lengths, the longest first.

    enforce_sorted=False takes them in any order, which is a RuntimeError otherwise.

    >>> import alight as torch
    >>> sequences = [torch.tensor([1]), torch.tensor([2, 3])]
    >>> torch.nn.utils.rnn.pack_sequence(sequences, enforce_sorted=False).data
    tensor([2, 1, 3])
    """
    lengths = _indices([one.shape[0] for one in sequences])
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """Undo pack_sequence: a list of sequences.

    >>> import alight as torch
    >>> packed = torch.nn.utils.rnn.pack_sequence([torch.tensor([2, 3]), torch.tensor([1])])
    >>> torch.nn.utils.rnn.unpack_sequence(packed)
    [tensor([2, 3]), tensor([1])]
    """
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)


def __dir__() -> list[str]:
    return list(__all__)


__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]
