from __future__ import annotations

import errno
import os
import resource
import signal

import numpy as np
import pequegrad as pg
import pg_nn as nn
import pytest


def pair():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm2d(2))
    return {"model": model, "optimizer": nn.Adam(model)}


def arrays(parts):
    return {
        f"{p}.{n}": t.numpy(copy=True) for p, owner in parts.items() for n, t in owner.state_dict().items()
    }


def assert_same(a, b):
    assert set(a) == set(b)
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)
        assert a[name].dtype == b[name].dtype


def test_round_trip(tmp_path):
    saved, loaded = pair(), pair()
    nn.save_checkpoint(tmp_path / "deep" / "c.safetensors", saved, {"epoch": 2, "note": "é", "x": [0.1]})
    info = nn.load_checkpoint(tmp_path / "deep" / "c.safetensors", loaded)
    assert info == {"epoch": 2, "note": "é", "x": [0.1]}
    assert_same(arrays(saved), arrays(loaded))
    assert os.listdir(tmp_path / "deep") == ["c.safetensors"]


def test_complex_tensors_are_refused(tmp_path):
    with pytest.raises(nn.errors.CheckpointError, match=r"no dtype for x \(complex64\)"):
        nn.save_safetensors(tmp_path / "c", {"x": pg.zeros(2, dtype="complex64")})
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("dtype", [str(d) for d in pg.dt.all_dtypes if d.kind != "c"])
def test_every_dtype(tmp_path, dtype):
    x = pg.Tensor(np.array([[0, 1, 3], [1, 0, 2]])).astype(dtype)
    nn.save_safetensors(tmp_path / "c", {"x": x, "scalar": x[0, 1], "empty": x[:0]})
    tensors, texts = nn.load_safetensors(tmp_path / "c")
    assert texts == {}
    assert (
        tensors["x"].dtype == dtype
        and tensors["x"].astype("float32").tolist() == x.astype("float32").tolist()
    )
    assert tensors["scalar"].shape == () and tensors["empty"].shape == (0, 3)


def test_the_file_is_plain_safetensors(tmp_path):
    from safetensors.numpy import load_file, save_file

    layer = nn.Linear(2, 3)
    nn.save_safetensors(tmp_path / "c", layer.state_dict(), {"by": "pequegrad"})
    other = load_file(tmp_path / "c")
    np.testing.assert_array_equal(other["weight"], layer.weight.numpy())
    save_file({"weight": np.ones((3, 2), np.float32), "bias": np.zeros(3, np.float32)}, tmp_path / "d")
    layer.load_state_dict(nn.load_safetensors(tmp_path / "d")[0])
    np.testing.assert_array_equal(layer.weight.numpy(), np.ones((3, 2)))


def test_missing_file(tmp_path):
    with pytest.raises(
        nn.errors.CheckpointNotFoundError, match=r"there is no checkpoint at .*absent"
    ) as caught:
        nn.load_checkpoint(tmp_path / "absent", pair())
    assert isinstance(caught.value, FileNotFoundError)


def test_a_folder_is_no_checkpoint(tmp_path):
    with pytest.raises(nn.errors.CheckpointError, match="cannot read"):
        nn.load_checkpoint(tmp_path, pair())


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:-4],
        lambda data: data[:20],
        lambda data: b"not a checkpoint at all",
        lambda data: b"\xff" * 8 + data[8:],
        lambda data: data[:8] + b"!" + data[9:],
        lambda data: data + b"more",
    ],
)
def test_damaged_file(tmp_path, damage):
    path, parts = tmp_path / "c", pair()
    nn.save_checkpoint(path, parts)
    path.write_bytes(damage(path.read_bytes()))
    before = arrays(parts)
    with pytest.raises(nn.errors.CheckpointDamagedError, match="damaged"):
        nn.load_checkpoint(path, parts)
    assert_same(arrays(parts), before)


def test_a_checkpoint_of_another_model_changes_nothing(tmp_path):
    model = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm2d(2))
    nn.save_checkpoint(tmp_path / "c", {"model": model, "optimizer": nn.Adam(model)})
    parts = pair()
    # The first part fits, so that it is the second one that stops the load.
    same = pair()["model"]
    nn.save_checkpoint(tmp_path / "d", {"model": same, "optimizer": nn.Adam(model)})
    before = arrays(parts)
    for name in ("c", "d"):
        with pytest.raises(nn.errors.StateDictError, match=r"differs: .*0\.weight"):
            nn.load_checkpoint(tmp_path / name, parts)
        assert_same(arrays(parts), before)
    with pytest.raises(nn.errors.StateDictError, match=r"\['model', 'optimizer'\], but \['model'\]"):
        nn.load_checkpoint(tmp_path / "c", {"model": model})
    nn.save_safetensors(tmp_path / "plain", same.state_dict())
    with pytest.raises(nn.errors.CheckpointError, match="not written by save_checkpoint"):
        nn.load_checkpoint(tmp_path / "plain", parts)


def test_info_must_be_json(tmp_path):
    with pytest.raises(nn.errors.CheckpointError, match="JSON-able"):
        nn.save_checkpoint(tmp_path / "c", pair(), {"x": object()})
    with pytest.raises(nn.errors.CheckpointError, match="not tensors: x"):
        nn.save_safetensors(tmp_path / "c", {"x": 1})
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("fails", ["write", "fsync", "replace"])
def test_a_full_disk_leaves_the_previous_checkpoint(tmp_path, monkeypatch, fails):
    path, parts = tmp_path / "c", pair()
    nn.save_checkpoint(path, parts, {"epoch": 1})
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        no_space = OSError(errno.ENOSPC, "No space left on device")

        def fail(*args, **kwargs):
            raise no_space

        if fails == "write":
            patch.setattr(os, "fdopen", lambda fd, mode: _Full(fd, no_space))
        else:
            patch.setattr(os, fails, fail)
        with pytest.raises(nn.errors.CheckpointWriteError, match=r"No space left.*is unchanged") as caught:
            nn.save_checkpoint(path, parts, {"epoch": 2})
    assert caught.value.errno == errno.ENOSPC and isinstance(caught.value, OSError)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["c"]
    assert nn.load_checkpoint(path, parts) == {"epoch": 1}


class _Full:
    def __init__(self, descriptor, error):
        self.descriptor, self.error = descriptor, error

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        os.close(self.descriptor)

    def write(self, data):
        raise self.error


def test_a_file_size_limit_is_a_clear_error(tmp_path):
    path, parts = tmp_path / "c", pair()
    nn.save_checkpoint(path, parts)
    before = path.read_bytes()
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
        with pytest.raises(nn.errors.CheckpointWriteError, match="cannot write the checkpoint"):
            nn.save_checkpoint(path, parts)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["c"]


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(nn.errors.CheckpointWriteError):
        nn.save_checkpoint(tmp_path / "file" / "c", pair())


def test_mode_of_the_file_follows_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        nn.save_safetensors(tmp_path / "c", {"x": pg.ones((1,))})
    finally:
        os.umask(before)
    assert (tmp_path / "c").stat().st_mode & 0o777 == 0o640
