"""torch.utils._pytree beside PyTorch's."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from typing import Any

import pytest
from torch.utils import _pytree as theirs

import alight

ours = alight.utils._pytree
Point = namedtuple("Point", "x y")
TREES: list[Any] = [
    1, [], (), {}, [1, (2, 3)], {"b": 1, "a": [2, {"c": (3,)}]}, Point(1, [2]), OrderedDict(b=1, a=2), None, [None, "text"],
]  # fmt: skip


@pytest.mark.parametrize("tree", TREES, ids=str)
def test_flatten_and_back(tree: Any) -> None:
    (leaves, spec), (their_leaves, their_spec) = ours.tree_flatten(tree), theirs.tree_flatten(tree)
    assert leaves == their_leaves and spec.count == their_spec.num_leaves
    assert ours.tree_unflatten(leaves, spec) == tree
    assert ours.tree_map(str, tree) == theirs.tree_map(str, tree)
    assert ours.tree_map_only(int, lambda x: x + 1, tree) == theirs.tree_map_only(
        int, lambda x: x + 1, tree
    )
    assert ours.tree_any(lambda x: x == 2, tree) == theirs.tree_any(lambda x: x == 2, tree)
    assert ours.tree_all(lambda x: x == 1, tree) == theirs.tree_all(lambda x: x == 1, tree)


def test_leaves_by_a_rule_and_several_trees() -> None:
    pairs = {"a": (1, 2), "b": [(3, 4)]}
    assert ours.tree_leaves(pairs, is_leaf=lambda x: isinstance(x, tuple)) == [(1, 2), (3, 4)]
    assert ours.tree_map(max, [1, 5], [3, 4]) == [3, 5]
    with pytest.raises(ValueError, match="`leaves` has length 1 but the spec refers to a pytree"):
        ours.tree_unflatten([1], ours.tree_structure([1, 2]))
