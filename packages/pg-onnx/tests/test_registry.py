"""The table of operators agrees with the schemas of ONNX: versions, inputs, attributes and their defaults."""

from __future__ import annotations

import numpy as np
import onnx.defs
import pequegrad as pg
import pytest
from pg_onnx.ops.registry import find, rules
from pg_onnx.plan import MAX_OPSET
from pg_onnx.reader import ELEMENT_TYPES

SCHEMAS = {}
for schema in onnx.defs.get_all_schemas_with_history():
    SCHEMAS.setdefault((schema.domain, schema.name), {})[schema.since_version] = schema
OLDEST = 6  # the oldest operator set
NAMES = sorted(rules(), key=str)
# Attributes of old versions that say nothing any more, and those without support, which are refused by name.
GONE = {"consumed_inputs"}
LACKING = {("Constant", "sparse_value")}


def versions(key: tuple[str, str]) -> list[int]:
    """The versions of an operator that some operator set from the oldest on includes."""
    known = sorted(v for v in SCHEMAS[key])
    first = max((v for v in known if v <= OLDEST), default=known[0])
    return [v for v in known if v >= first]


CASES = [(key, v) for key in NAMES for v in rules()[key]]


def test_the_newest_operator_set_is_known() -> None:
    assert onnx.defs.onnx_opset_version() <= MAX_OPSET


@pytest.mark.parametrize("key", NAMES, ids=lambda key: "::".join(key))
def test_no_version_is_missing(key) -> None:
    """A gap would run a newer version by the rule of an older one."""
    assert sorted(rules()[key]) == versions(key)


@pytest.mark.parametrize(
    ("key", "version"), CASES, ids=lambda x: "::".join(x) if isinstance(x, tuple) else str(x)
)
def test_inputs_and_attributes(key, version: int) -> None:
    rule, schema = rules()[key][version], SCHEMAS[key][version]
    for name, attribute in schema.attributes.items():
        if name in GONE or (key[1], name) in LACKING:
            continue
        assert name in rule.attributes, f"attribute {name}"
        ours = rule.attributes[name]
        assert ours.kind == attribute.type.name.lower().removesuffix("_proto"), name
        assert not ours.required or attribute.required, f"{name} is optional"
        stated = (
            onnx.helper.get_attribute_value(attribute.default_value) if attribute.default_value.type else None
        )
        if isinstance(ours.default, pg.dt.DType):
            assert ELEMENT_TYPES[stated].name == ours.default.name
        elif stated is not None and ours.default is not None:
            stated = stated.decode() if isinstance(stated, bytes) else stated
            assert (
                np.allclose(stated, ours.default) if not isinstance(stated, str) else stated == ours.default
            ), name
    variadic = any(i.option.name == "Variadic" for i in schema.inputs)
    assert (rule.rest is not None) == variadic
    if not variadic:
        assert len(rule.slots) >= len(schema.inputs)
        for slot, given in zip(rule.slots, schema.inputs):
            assert slot.optional or given.option.name != "Optional", given.name


def test_lookup_takes_the_newest_version_of_a_set() -> None:
    assert find("", "ReduceSum", 12)[0] == 11 and find("", "ReduceSum", 28)[0] == 13
    assert find("", "Gelu", 19) is None and find("", "NoSuchOp", 28) is None
