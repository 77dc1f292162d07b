"""Nested tuples, lists and dictionaries as a flat list of leaves and a structure.

>>> leaves, tree = flatten({"a": 1, "b": (2, 3)})
>>> leaves, unflatten([10, 20, 30], tree)
([1, 2, 3], {'a': 10, 'b': (20, 30)})
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple


class Tree(NamedTuple):
    """The structure of a nested object; a leaf has no kind."""

    kind: Any
    keys: tuple[Any, ...] = ()
    children: tuple[Tree, ...] = ()

    @property
    def count(self) -> int:  # type: ignore[override]
        """Number of leaves."""
        return 1 if self.kind is None else sum(child.count for child in self.children)

    def __repr__(self) -> str:
        if self.kind is None:
            return "*"
        inner = ",\n  ".join(map(repr, self.children))
        return (
            f"TreeSpec({self.kind.__name__}, {list(self.keys) if self.keys else None}, [{inner}])"
        )


LEAF = Tree(None)


def _parts(tree: Any) -> tuple[Any, tuple[Any, ...], list[Any]] | None:
    """(kind, keys, children) of a container, None of a leaf."""
    cls = type(tree)
    if cls in (dict, OrderedDict):
        return cls, tuple(tree), list(tree.values())
    if cls in (tuple, list):
        return cls, (), list(tree)
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return cls, (), list(tree)
    return None


def flatten(tree: Any) -> tuple[list[Any], Tree]:
    """The leaves in order, and the structure."""
    found = _parts(tree)
    if found is None:
        return [tree], LEAF
    kind, keys, children = found
    flat = [flatten(child) for child in children]
    leaves = [leaf for part, _ in flat for leaf in part]
    return leaves, Tree(kind, keys, tuple(structure for _, structure in flat))


def unflatten(leaves: Sequence[Any], tree: Tree) -> Any:
    """The nested object of this structure with these leaves."""
    if tree.kind is None:
        return leaves[0]
    children, at = [], 0
    for child in tree.children:
        children.append(unflatten(leaves[at : at + child.count], child))
        at += child.count
    if tree.keys:
        return tree.kind(zip(tree.keys, children, strict=True))
    if hasattr(tree.kind, "_fields"):
        return tree.kind(*children)
    return tree.kind(children)


def broadcast_to(prefix: Any, tree: Tree) -> list[Any] | None:
    """One entry of `prefix` for each leaf of `tree`, where it has that structure or is coarser; None where it has not."""
    if tree.kind is None:
        return [prefix] if _parts(prefix) is None else None
    found = _parts(prefix)
    if found is None:
        return [prefix] * tree.count
    kind, keys, children = found
    if kind is not tree.kind or keys != tree.keys or len(children) != len(tree.children):
        return None
    result: list[Any] = []
    for child, structure in zip(children, tree.children, strict=True):
        part = broadcast_to(child, structure)
        if part is None:
            return None
        result.extend(part)
    return result


def tree_map(function: Callable[..., Any], tree: Any) -> Any:
    """The same structure with `function` of each leaf."""
    leaves, structure = flatten(tree)
    return unflatten([function(leaf) for leaf in leaves], structure)
