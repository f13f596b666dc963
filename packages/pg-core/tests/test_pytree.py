"""Pytrees: order, structure, registration, errors that name the path."""

from __future__ import annotations

import dataclasses
from collections import namedtuple

import pequegrad as pg
import pytest
from pequegrad import pytree

Point = namedtuple("Point", "x y")


@dataclasses.dataclass(frozen=True)
class State:
    a: object
    b: object
    name: str = dataclasses.field(default="s", metadata={"static": True})


TREES = [
    1,
    None,
    (1, 2),
    [1, [2, (3,)]],
    {"b": 1, "a": [2, None]},
    {2: 1, "a": 2, (1, 2): 3},
    Point(1, {"z": 2}),
    State(1, [2, 3], "other"),
    (),
    [],
    {},
]


@pytest.mark.parametrize("tree", TREES, ids=repr)
def test_round_trip(tree) -> None:
    leaves, structure = pytree.flatten(tree)
    again = pytree.unflatten(structure, leaves)
    assert again == tree and type(again) is type(tree)
    assert len(pytree.paths(tree)) == len(leaves) == structure.num_leaves
    assert structure == pytree.structure(tree) and hash(structure) == hash(pytree.structure(tree))


def test_none_is_empty_and_dicts_go_by_sorted_keys_with_their_order_restored() -> None:
    assert pytree.leaves({"b": 1, "a": 2, "c": None}) == [2, 1]
    doubled = pytree.map(lambda x: 2 * x, {"b": 1, "a": 2})
    assert list(doubled) == ["b", "a"]
    assert pytree.structure({"b": 1, "a": 2}) == pytree.structure({"a": 1, "b": 2})


def test_map_over_several_trees() -> None:
    assert pytree.map(lambda a, b: a + b, {"x": 1, "y": (2,)}, {"y": (20,), "x": 10}) == {"x": 11, "y": (22,)}


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ({"w": [1, 2]}, {"w": [1]}, r"at \['w'\]: expected 2 children, got 1"),
        ({"w": 1}, {"v": 1}, r"at the root: missing keys \['w'\], unexpected keys \['v'\]"),
        ({"w": (1,)}, {"w": [1]}, r"at \['w'\]: expected a tuple, got a list"),
        (Point(1, 2), Point(1, [2]), r"at \.y: expected a leaf, got a list"),
        (State(1, 2), State(1, 2, "t"), r"configuration \('s',\), got \('t',\)"),
        ([1], None, r"expected a list, got None"),
    ],
)
def test_a_difference_names_its_path(a, b, message: str) -> None:
    with pytest.raises(pg.PytreeError, match=message):
        pytree.map(lambda x, y: x, a, b)


def test_registered_classes_and_their_subclasses() -> None:
    class Box:
        def __init__(self, inside):
            self.inside = inside

    class Smaller(Box):
        pass

    registry = pytree.Registry()
    registry.register(
        Box, lambda b: ((b.inside,), None), lambda aux, children: Box(*children), lambda aux: ["inside"]
    )
    assert registry.flatten(Box((1, 2)))[0] == [1, 2]
    assert registry.paths(Box((1, 2))) == [".inside[0]", ".inside[1]"]
    assert registry.flatten(Smaller(5))[0] == [5]
    assert pytree.leaves(Box(1))[0].inside == 1  # not in the default registry: a leaf
    with pytest.raises(pg.PytreeError, match="registered already"):
        registry.register(Box, lambda b: ((), None), lambda a, c: None)


def test_wrong_number_of_leaves() -> None:
    with pytest.raises(pg.PytreeError, match="has 2 leaves, got 1"):
        pytree.unflatten(pytree.structure((1, 2)), [1])


def test_deep_and_wide() -> None:
    tree: object = 1
    for _ in range(200):
        tree = [tree]
    assert pytree.leaves(tree) == [1]
    assert len(pytree.leaves(list(range(10_000)))) == 10_000
