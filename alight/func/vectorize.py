"""vmap: a function of single examples made a function of a batch."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from alight.errors import fail
from alight.func.capture import Recording, capturing, run
from alight.func.trees import Tree, broadcast_to, flatten, unflatten
from alight.tensor import Tensor
from alight.transforms.batch import batch


def vmap(
    func: Callable[..., Any],
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """`func` applied to every example along a dimension of its arguments, in one go.

    in_dims: the dimension for each argument, None for one that all examples share. out_dims: where the batch stands in
    the results. randomness: "error", "different" or the "same" random numbers for all. chunk_size: examples at a time.
    Errors: ValueError for dimensions that do not fit, RuntimeError where `func` looks at values.

    >>> import alight as torch
    >>> torch.func.vmap(torch.dot)(torch.ones(3, 2), torch.arange(6.).reshape(3, 2))
    tensor([1., 5., 9.])
    """
    if randomness not in ("error", "different", "same"):
        fail(
            RuntimeError,
            f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}",
        )
    if not (chunk_size is None or chunk_size > 0):
        fail(ValueError, f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        dims, leaves, tree, size = _inputs(func, in_dims, args)
        if chunk_size is None or chunk_size >= size:
            return _run(func, dims, leaves, tree, size, out_dims, randomness, kwargs)
        return _in_chunks(
            lambda part, n: _run(func, dims, part, tree, n, out_dims, randomness, kwargs),
            dims, leaves, size, chunk_size, out_dims,
        )  # fmt: skip

    return functools.wraps(func)(wrapped) if hasattr(func, "__name__") else wrapped


def _name(func: Any) -> str:
    return getattr(func, "__name__", None) or repr(func)


def _inputs(
    func: Any, in_dims: Any, args: tuple[Any, ...]
) -> tuple[list[Any], list[Any], Tree, int]:
    """Batch dimensions, arguments and structure, and the number of examples; PyTorch's errors."""
    name = _name(func)
    start = f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): "
    if not isinstance(in_dims, (int, tuple)):
        fail(
            ValueError,
            f"{start}expected `in_dims` to be int or a (potentially nested) tuple matching the structure of inputs, got: "
            f"{type(in_dims)}.",
        )
    if not args:
        fail(
            ValueError,
            f"vmap({name})(<inputs>): got no inputs. Maybe you forgot to add inputs, or you are trying to vmap over a "
            "function with no inputs. The latter is unsupported.",
        )
    leaves, tree = flatten(args)
    dims = broadcast_to(in_dims, tree)
    if dims is None:
        fail(
            ValueError,
            f"{start}in_dims is not compatible with the structure of `inputs`. in_dims has structure "
            f"{flatten(in_dims)[1]} but inputs has structure {tree}.",
        )
    dims = [_dim(start, leaf, dim) for leaf, dim in zip(leaves, dims, strict=True)]
    sizes = [leaf.shape[dim] for leaf, dim in zip(leaves, dims, strict=True) if dim is not None]
    if not sizes:
        fail(ValueError, "vmap: Expected at least one Tensor to vmap over")
    if len(set(sizes)) > 1:
        fail(
            ValueError,
            "vmap: Expected all tensors to have the same size in the mapped dimension, got sizes "
            f"{sizes} for the mapped dimension",
        )
    return dims, leaves, tree, sizes[0]


def _dim(start: str, leaf: Any, dim: Any) -> int | None:
    if dim is None:
        return None
    if not isinstance(dim, int):
        fail(
            ValueError,
            f"{start}Got in_dim={dim} for an input but in_dim must be either an integer dimension or None.",
        )
    if not isinstance(leaf, Tensor):
        fail(
            ValueError,
            f"{start}Got in_dim={dim} for an input but the input is of type {type(leaf)}. We cannot vmap over non-Tensor "
            "arguments, please use None as the respective in_dim",
        )
    rank = leaf.ndim
    if not -rank <= dim < rank:
        fail(
            ValueError,
            f"{start}Got in_dim={dim} for some input, but that input is a Tensor of dimensionality {rank} so expected "
            f"in_dim to satisfy -{rank} <= in_dim < {rank}.",
        )
    return dim % rank


def _run(
    func: Any,
    dims: Sequence[int | None],
    leaves: Sequence[Any],
    tree: Tree,
    size: int,
    out_dims: Any,
    randomness: str,
    kwargs: dict[str, Any],
) -> Any:
    """Record the function on one example, and run it on all."""
    moved = [
        leaf if dim in (None, 0) else leaf.movedim(dim, 0)
        for leaf, dim in zip(leaves, dims, strict=True)
    ]
    with capturing(size, randomness) as capture:
        inner = [
            leaf if dim is None else capture.argument_for(leaf, batched=True)
            for leaf, dim in zip(moved, dims, strict=True)
        ]
        result = func(*unflatten(inner, tree), **kwargs)
        outputs, out_tree = flatten(result)
        _check_outputs(func, outputs)
        places = _out_places(func, out_dims, out_tree)
        outside = capture.written()
        written = [
            (leaf, one) for leaf, one in zip(moved, inner, strict=True) if leaf is not one and one._writes
        ]  # fmt: skip
        recording = Recording(capture, [*outputs, *outside, *(one for _, one in written)])
        traced, flags = recording.derived(
            ("vmap", size, randomness), lambda traced: _batched(recording, traced, size, randomness)
        )
    made = run(
        traced, recording.given(), (recording.position, recording.slots, size, randomness), "vmap"
    )
    results = [
        _placed(func, out, flag, size, place)
        for out, flag, place in zip(made, flags, places, strict=False)
    ]
    targets = [*outside, *(leaf for leaf, _ in written)]
    for target, value in zip(targets, made[len(outputs) :], strict=True):
        target.copy_(value)  # what was written of one example, in all of them
    return unflatten(results, out_tree)


def _batched(recording: Recording, traced: Any, size: int, randomness: str) -> Any:
    position = recording.position
    flags = [
        kind == "buffer" and recording.source_batched[i]
        for kind, i in position.tape.sources[: position.counts.inputs]
    ]
    return batch(traced, flags, size, "different" if randomness == "error" else randomness)


def _check_outputs(func: Any, outputs: Sequence[Any]) -> None:
    for one in outputs:
        if not isinstance(one, Tensor):
            fail(
                ValueError,
                f"vmap({_name(func)}, ...): `{_name(func)}` must only return Tensors, got type {type(one)}. Did you mean "
                "to set out_dims= to None for output?",
            )


def _out_places(func: Any, out_dims: Any, tree: Tree) -> list[Any]:
    places = broadcast_to(out_dims, tree)
    if places is None and tree.kind is None and isinstance(out_dims, tuple) and len(out_dims) == 1:
        places = list(out_dims)
    if places is None:
        fail(
            ValueError,
            f"vmap({_name(func)}, ..., out_dims={out_dims})(<inputs>): out_dims is not compatible with the structure of "
            f"`outputs`. out_dims has structure {flatten(out_dims)[1]} but outputs has structure {tree}.",
        )
    return places


def _placed(func: Any, out: Tensor, batched: bool, size: int, place: int | None) -> Tensor:
    """A result with the batch where `out_dims` wants it."""
    if place is None:
        if batched:
            fail(
                ValueError,
                f"vmap({_name(func)}, ...): `{_name(func)}` can not return a BatchedTensor when out_dim is None",
            )
        return out
    if not batched:
        out = out.unsqueeze(0).expand(size, *out.shape)
    if place == 0:
        return out
    rank = out.ndim
    if not -rank <= place < rank:
        fail(
            IndexError,
            f"Dimension out of range (expected to be in range of [{-rank}, {rank - 1}], but got {place})",
        )
    return out.movedim(0, place)


def _in_chunks(
    one: Callable[[list[Any], int], Any],
    dims: Sequence[int | None],
    leaves: Sequence[Any],
    size: int,
    chunk_size: int,
    out_dims: Any,
) -> Any:
    """Run some examples at a time and join the results."""
    from alight.ops.operation import TORCH

    parts: list[list[Any]] = []
    tree = None
    for start in range(0, size, chunk_size):
        n = min(chunk_size, size - start)
        part = [
            leaf if dim is None else leaf.narrow(dim, start, n)
            for leaf, dim in zip(leaves, dims, strict=True)
        ]
        flat, tree = flatten(one(part, n))
        parts.append(flat)
    assert tree is not None
    places = broadcast_to(out_dims, tree) or [0] * tree.count
    joined = [
        pieces[0] if place is None else TORCH["cat"](list(pieces), dim=place)
        for pieces, place in zip(zip(*parts, strict=True), places, strict=True)
    ]
    return unflatten(joined, tree)
