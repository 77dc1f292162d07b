"""torch.utils._pytree: nested tuples, lists and dictionaries as leaves and a structure, as programs use it.

>>> leaves, spec = tree_flatten({"a": 1, "b": [2, 3]})
>>> leaves, tree_unflatten([10, 20, 30], spec)
([1, 2, 3], {'a': 10, 'b': [20, 30]})
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from alight.errors import fail
from alight.func.trees import LEAF, Tree, _parts, unflatten

TreeSpec = Tree
LeafSpec = LEAF

IsLeaf = Callable[[Any], bool] | None


def tree_flatten(tree: Any, is_leaf: IsLeaf = None) -> tuple[list[Any], Tree]:
    """The leaves in order, and the structure; what `is_leaf` says yes to is not looked into.

    >>> from alight.utils._pytree import tree_flatten
    >>> tree_flatten({"a": 1, "b": (2, [3])})[0]
    [1, 2, 3]
    """
    found = None if is_leaf is not None and is_leaf(tree) else _parts(tree)
    if found is None:
        return [tree], LEAF
    kind, keys, children = found
    flat = [tree_flatten(child, is_leaf) for child in children]
    leaves = [leaf for part, _ in flat for leaf in part]
    return leaves, Tree(kind, keys, tuple(structure for _, structure in flat))


def tree_unflatten(leaves: Iterable[Any], treespec: Tree) -> Any:
    """The nested object of this structure with these leaves.

    >>> from alight.utils._pytree import tree_flatten, tree_unflatten
    >>> leaves, structure = tree_flatten({"a": 1, "b": (2, 3)})
    >>> tree_unflatten([10 * leaf for leaf in leaves], structure)
    {'a': 10, 'b': (20, 30)}
    """
    given = list(leaves)
    if len(given) != treespec.count:
        fail(
            ValueError,
            f"treespec.unflatten(leaves): `leaves` has length {len(given)} but the spec refers to a pytree that holds "
            f"{treespec.count} items ({treespec!r}).",
        )
    return unflatten(given, treespec)


def tree_leaves(tree: Any, is_leaf: IsLeaf = None) -> list[Any]:
    """The leaves in order.

    >>> from alight.utils._pytree import tree_leaves
    >>> tree_leaves({"a": 1, "b": (2, [3])})
    [1, 2, 3]
    """
    return tree_flatten(tree, is_leaf)[0]


def tree_iter(tree: Any, is_leaf: IsLeaf = None) -> Iterable[Any]:
    """The leaves in order, one by one.

    >>> from alight.utils._pytree import tree_iter
    >>> list(tree_iter({"a": 1, "b": (2, [3])}))
    [1, 2, 3]
    """
    return iter(tree_leaves(tree, is_leaf))


def tree_structure(tree: Any, is_leaf: IsLeaf = None) -> Tree:
    """The structure alone.

    >>> from alight.utils._pytree import tree_structure
    >>> tree_structure((1, 2)) == tree_structure((3, 4))
    True
    """
    return tree_flatten(tree, is_leaf)[1]


def tree_map(func: Callable[..., Any], tree: Any, *rests: Any, is_leaf: IsLeaf = None) -> Any:
    """The structure of `tree` with func of its leaves, and of the leaves of other trees like it.

    >>> from alight.utils._pytree import tree_map
    >>> tree_map(lambda x, y: x + y, (1, [2]), (10, [20]))
    (11, [22])
    """
    leaves, structure = tree_flatten(tree, is_leaf)
    others = [tree_leaves(one, is_leaf) for one in rests]
    return unflatten([func(*each) for each in zip(leaves, *others, strict=True)], structure)


def tree_map_(func: Callable[..., Any], tree: Any, *rests: Any, is_leaf: IsLeaf = None) -> Any:
    """Call func on the leaves, for what it does to them; the tree itself is given back.

    >>> from alight.utils._pytree import tree_map_
    >>> tree_map_(print, (1, [2]))
    1
    2
    (1, [2])
    """
    tree_map(func, tree, *rests, is_leaf=is_leaf)
    return tree


def map_only(type_or_types: Any) -> Callable[..., Any]:
    """A decorator: the function is called on these types, or what a predicate accepts; the rest
    stays.

    >>> from alight.utils._pytree import map_only, tree_map
    >>> tree_map(map_only(int)(lambda n: n + 1), [1, "a"])
    [2, 'a']
    """
    if isinstance(type_or_types, (type, tuple)):

        def fits(value: Any) -> bool:
            return isinstance(value, type_or_types)
    else:
        fits = type_or_types

    def decorate(func: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return lambda value: func(value) if fits(value) else value

    return decorate


def tree_map_only(
    type_or_types: Any, func: Callable[[Any], Any], tree: Any, is_leaf: IsLeaf = None
) -> Any:
    """`tree_map` on leaves of these types; the others stay as they are.

    >>> from alight.utils._pytree import tree_map_only
    >>> tree_map_only(int, lambda n: n + 1, [1, "a"])
    [2, 'a']
    """
    return tree_map(map_only(type_or_types)(func), tree, is_leaf=is_leaf)


def tree_all(pred: Callable[[Any], bool], tree: Any, is_leaf: IsLeaf = None) -> bool:
    """Whether all leaves satisfy pred.

    >>> from alight.utils._pytree import tree_all
    >>> tree_all(lambda n: n > 0, (1, [2]))
    True
    """
    return all(map(pred, tree_leaves(tree, is_leaf)))


def tree_any(pred: Callable[[Any], bool], tree: Any, is_leaf: IsLeaf = None) -> bool:
    """Whether any leaf satisfies pred.

    >>> from alight.utils._pytree import tree_any
    >>> tree_any(lambda n: n > 1, (1, [2]))
    True
    """
    return any(map(pred, tree_leaves(tree, is_leaf)))


def tree_is_leaf(tree: Any, is_leaf: IsLeaf = None) -> bool:
    """Whether the object is no container.

    >>> from alight.utils._pytree import tree_is_leaf
    >>> tree_is_leaf(1), tree_is_leaf([1])
    (True, False)
    """
    return bool(is_leaf is not None and is_leaf(tree)) or _parts(tree) is None


def __dir__() -> list[str]:
    return list(__all__)


__all__ = [
    "map_only",
    "tree_all",
    "tree_any",
    "tree_flatten",
    "tree_is_leaf",
    "tree_iter",
    "tree_leaves",
    "tree_map",
    "tree_map_",
    "tree_map_only",
    "tree_structure",
    "tree_unflatten",
]
