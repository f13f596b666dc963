"""The reader says what the onnx package says, and refuses what is not a model."""

from __future__ import annotations

import os

import numpy as np
import onnx
import onnx.helper as oh
import onnx.numpy_helper as onh
import pg_onnx
import pytest
from onnx import TensorProto
from pg_onnx import FileError, InvalidModelError, Limits, ResourceLimitError, UnsupportedError, reader


def model_with(*tensors: TensorProto, nodes=(), **kw) -> bytes:
    y = oh.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    graph = oh.make_graph(list(nodes), "g", [], [y], list(tensors))
    return oh.make_model(graph, **kw).SerializeToString()


def tensor_of(proto: TensorProto) -> reader.Tensor:
    return pg_onnx.read(model_with(proto)).graph.initializers[0]


NUMBERS = {
    "FLOAT": [1.5, -2.0],
    "DOUBLE": [1.5, -2e300],
    "FLOAT16": [0.5, -65504.0],
    "INT8": [-128, 127],
    "UINT8": [0, 255],
    "INT16": [-(2**15), 7],
    "UINT16": [65535, 0],
    "INT32": [-(2**31), 5],
    "UINT32": [2**32 - 1, 0],
    "INT64": [-(2**63), 2**63 - 1],
    "UINT64": [2**64 - 1, 1],
    "BOOL": [True, False],
    "COMPLEX64": [1 + 2j, -3j],
    "COMPLEX128": [1 + 2j, -3j],
}


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("raw", [False, True])
def test_numbers_of_each_type(name: str, raw: bool) -> None:
    code = TensorProto.DataType.Value(name)
    expected = np.array(NUMBERS[name], oh.tensor_dtype_to_np_dtype(code))
    values = expected.tobytes() if raw else list(expected)
    got = tensor_of(oh.make_tensor("t", code, [2], values, raw=raw)).numpy()
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected)


def test_bfloat16_comes_as_bit_patterns() -> None:
    proto = oh.make_tensor("t", TensorProto.BFLOAT16, [2], [1.0, -2.0])
    assert tensor_of(proto).numpy().tolist() == [0x3F80, 0xC000]


def test_strings_and_scalars() -> None:
    assert tensor_of(oh.make_tensor("t", TensorProto.STRING, [2], ["a", "b"])).numpy().tolist() == ["a", "b"]
    scalar = tensor_of(oh.make_tensor("t", TensorProto.FLOAT, [], [3.0])).numpy()
    assert scalar.shape == () and scalar == 3.0


NARROW = ["UINT4", "INT4", "UINT2", "INT2", "FLOAT8E4M3FN", "FLOAT8E4M3FNUZ", "FLOAT8E5M2", "FLOAT8E5M2FNUZ",
          "FLOAT4E2M1"]  # fmt: skip


@pytest.mark.parametrize("name", NARROW)
@pytest.mark.parametrize("raw", [True, False])
def test_narrow_numbers_come_in_a_wider_type(name: str, raw: bool) -> None:
    """All bit patterns, and a number of elements that leaves a byte half full."""
    code = TensorProto.DataType.Value(name)
    bits = reader.ELEMENT_TYPES[code].bits
    count = 255 if bits == 8 else 31
    if raw:
        data = (np.arange(-(-count * bits // 8)) * 37 % 256).astype(np.uint8)
        proto = TensorProto(name="t", data_type=code, dims=[count], raw_data=data.tobytes())
    else:
        proto = oh.make_tensor("t", code, [count], [0, 1] * (count // 2) + [1])
    got = tensor_of(proto).numpy()
    np.testing.assert_array_equal(got.astype(np.float32), onh.to_array(proto).astype(np.float32))


def test_types_without_numbers_here_are_unsupported() -> None:
    proto = oh.make_tensor("t", TensorProto.FLOAT8E8M0, [3], [1, 2, 3])
    with pytest.raises(UnsupportedError, match="float8e8m0"):
        tensor_of(proto).numpy()


def test_weights_stay_in_the_file(tmp_path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(model_with(onh.from_array(np.arange(6, dtype=np.float32).reshape(2, 3), "w")))
    array = pg_onnx.read(path).graph.initializers[0].numpy()
    assert array.tolist() == [[0, 1, 2], [3, 4, 5]] and not array.flags.owndata and not array.flags.writeable


def test_nodes_attributes_types_and_functions() -> None:
    inner = oh.make_graph(
        [oh.make_node("Relu", ["x"], ["z"])], "then", [], [oh.make_tensor_value_info("z", 1, None)]
    )
    nodes = [
        oh.make_node("If", ["c"], ["z"], name="choose", then_branch=inner, else_branch=inner),
        oh.make_node("Conv", ["x", "", "b"], ["q"], pads=[1, -1], auto_pad="VALID", alpha=0.5, n=-3),
        oh.make_node("F", ["q"], ["y"], domain="my", k=[1.0, 2.0], s=["a"]),
    ]
    x = oh.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, None])
    s = oh.make_value_info("s", oh.make_sequence_type_proto(oh.make_tensor_type_proto(7, None)))
    y = oh.make_value_info("y", oh.make_optional_type_proto(oh.make_tensor_type_proto(1, [])))
    body = oh.make_node("Elu", ["a"], ["b"])
    body.attribute.add(name="alpha", ref_attr_name="k", type=onnx.AttributeProto.FLOAT)
    function = oh.make_function(
        "my", "F", ["a"], ["b"], [body], [oh.make_opsetid("", 18)], ["s"], [oh.make_attribute("k", 2.0)]
    )
    proto = oh.make_model(
        oh.make_graph(nodes, "g", [x, s], [y]),
        functions=[function],
        opset_imports=[oh.make_opsetid("", 18), oh.make_opsetid("my", 1)],
    )
    oh.set_model_props(proto, {"author": "nobody"})
    model = pg_onnx.read(proto.SerializeToString())
    choose, conv, call = model.graph.nodes
    assert choose.label == "choose" and [g.nodes[0].op for g in choose.graphs()] == ["Relu", "Relu"]
    assert conv.inputs == ("x", "", "b")
    values = {name: (a.kind, a.value) for name, a in conv.attributes.items()}
    assert values == {
        "pads": ("ints", (1, -1)),
        "auto_pad": ("string", b"VALID"),
        "alpha": ("float", 0.5),
        "n": ("int", -3),
    }
    assert call.domain == "my" and call.attributes["s"].value == (b"a",)
    assert [str(v.type) for v in model.graph.inputs] == ["float32[n, 3, ?]", "sequence(int64)"]
    assert str(model.graph.outputs[0].type) == "optional(float32[])"
    made = model.functions["my", "F", ""]
    assert made.nodes[0].attributes["alpha"].reference == "k" and made.defaults["k"].value == 2.0
    assert made.attributes == ("s",) and made.opsets == {"": 18}
    assert model.opsets == {"": 18, "my": 1} and model.metadata == {"author": "nobody"}


# ---- refusals


def test_every_truncation_is_refused_or_a_shorter_model() -> None:
    whole = model_with(
        onh.from_array(np.ones((2, 3), np.float32), "w"), nodes=[oh.make_node("Relu", ["w"], ["y"])]
    )
    for n in range(len(whole)):
        try:
            pg_onnx.read(whole[:n])
        except InvalidModelError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(dims=[3]), "12 bytes needed, 8 given"),
        (dict(dims=[-2]), "negative extents"),
        (dict(dims=[2**62, 2**62]), "bytes needed, 8 given"),
        (dict(data_type=77), "unknown element type 77"),
        (dict(float_data=[1.0]), "raw bytes and a list of numbers"),
        (dict(segment=dict(begin=0)), "segments"),
    ],
)
def test_tensors_that_do_not_fit(change: dict, message: str) -> None:
    proto = onh.from_array(np.ones(2, np.float32), "w")
    for name in change:
        proto.ClearField(name)
    proto.MergeFrom(TensorProto(**change))
    with pytest.raises(InvalidModelError, match=message):
        tensor_of(proto)


def test_lists_that_do_not_fit() -> None:
    proto = oh.make_tensor("w", TensorProto.INT64, [3], [1, 2, 3])
    proto.dims[0] = 4
    with pytest.raises(InvalidModelError, match="4 elements needed, 3 given"):
        tensor_of(proto).numpy()
    proto.dims[0] = 2**40
    with pytest.raises(InvalidModelError, match="elements needed, 3 bytes given"):
        tensor_of(proto)
    with pytest.raises(InvalidModelError, match="none given"):
        tensor_of(TensorProto(name="w", dims=[2], data_type=1))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x3a\xff\xff\xff\xff\x7f", "states .* bytes where 0 remain"),
        (b"\x3b", "unknown wire type 3"),
        (b"\x00\x00", "number 0"),
        (b"\x38\x01", "field graph of the model has wire type 0"),
        (b"\x3a\x00\x3a\x00", "has the field graph twice"),
        (b"\x08\x01", "it has no graph"),
        (b"\x08" + b"\xff" * 11, "longer than 64 bits"),
        (b"\x3a\x03\x12\x01\xff", "not UTF-8"),
    ],
)
def test_bytes_that_are_no_model(data: bytes, message: str) -> None:
    with pytest.raises(InvalidModelError, match=message):
        pg_onnx.read(data)


def field(number: int, data: bytes) -> bytes:
    length, n = b"", len(data)
    while n > 127:
        length, n = length + bytes([n & 127 | 128]), n >> 7
    return bytes([number << 3 | 2]) + length + bytes([n]) + data


def test_depth_and_counts_are_limited() -> None:
    data = b""  # by hand: protobuf's own writer stops before
    for _ in range(70):
        data = field(1, field(4, b"If") + field(5, field(1, b"then") + b"\xa0\x01\x05" + field(6, data)))
    data = field(7, data)
    with pytest.raises(ResourceLimitError, match="max_depth"):
        pg_onnx.read(data)
    many = model_with(nodes=[oh.make_node("Relu", ["x"], ["y"])] * 5)
    with pytest.raises(ResourceLimitError, match="max_nodes"):
        pg_onnx.read(many, Limits(max_nodes=4))
    with pytest.raises(ResourceLimitError, match="max_file_bytes"):
        pg_onnx.read(many, Limits(max_file_bytes=10))


def test_only_regular_files(tmp_path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path, tmp_path / "fifo", "/dev/zero", tmp_path / "none"):
        with pytest.raises(FileError):
            pg_onnx.read(path)
    (tmp_path / "empty").touch()
    with pytest.raises(InvalidModelError, match="empty"):
        pg_onnx.read(tmp_path / "empty")


def test_control_characters_do_not_reach_the_terminal() -> None:
    proto = onh.from_array(np.ones(2, np.float32), "w\x1b[31m\n")
    proto.dims[0] = 3
    with pytest.raises(InvalidModelError) as caught:
        tensor_of(proto)
    assert str(caught.value).isprintable()


# ---- external data


def external(path, location: str, **entries) -> reader.Tensor:
    proto = TensorProto(name="w", dims=[2], data_type=1, data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, **entries}.items():
        proto.external_data.add(key=key, value=str(value))
    (path / "m.onnx").write_bytes(model_with(proto))
    return pg_onnx.read(path / "m.onnx").graph.initializers[0]


def test_external_data(tmp_path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "w.bin").write_bytes(np.arange(4, dtype=np.float32).tobytes())
    assert external(tmp_path, "sub/w.bin", offset=4, length=8).numpy().tolist() == [1, 2]
    assert external(tmp_path, "./sub/w.bin").numpy().tolist() == [0, 1]
    for entries in (dict(offset=12), dict(offset=2**60), dict(offset=12, length=8)):
        with pytest.raises(InvalidModelError):
            external(tmp_path, "sub/w.bin", **entries).numpy()
    for entries in (dict(offset=-1), dict(length=4), dict(length="x"), dict(offset="9" * 40)):
        with pytest.raises(InvalidModelError):
            external(tmp_path, "sub/w.bin", **entries)


@pytest.mark.parametrize(
    "location", ["", ".", "/etc/passwd", "../x", "a/../../x", "a//b", "c:\\x", "file://x", "a\0"]
)
def test_external_paths_that_leave_the_directory(tmp_path, location: str) -> None:
    with pytest.raises(InvalidModelError, match="not a plain relative path"):
        external(tmp_path, location).numpy()


def test_external_data_only_from_regular_files(tmp_path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "w").write_bytes(bytes(8))
    (tmp_path / "link").symlink_to("real/w")
    (tmp_path / "dir").symlink_to("real")
    os.mkfifo(tmp_path / "fifo")
    for location in ("link", "dir/w", "real", "fifo", "none"):
        with pytest.raises(FileError):
            external(tmp_path, location).numpy()
    os.link(tmp_path / "real" / "w", tmp_path / "hard")
    with pytest.warns(UserWarning, match="hard links"):
        external(tmp_path, "hard").numpy()
    tensor = external(tmp_path, "real/w")
    data = (tmp_path / "m.onnx").read_bytes()
    with pytest.raises(FileError, match="no directory"):
        pg_onnx.read(data).graph.initializers[0].numpy()
    assert tensor.external is not None and tensor.external.location == "real/w"
