"""Memory and streams shared with other libraries on a GPU, real or emulated."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pequegrad as pg
import pytest
from pequegrad import _core

rng = np.random.default_rng(0)
NAMES = ("bool", "int8", "uint16", "int32", "int64", "float16", "float32", "float64", "complex64")


class Array:
    """Stands for an array of another library: device memory that it says is its own."""

    def __init__(self, values: np.ndarray, gpu: str, **about: Any) -> None:
        self.memory = pg.Tensor(values, device=gpu).eval()
        self.about = about

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {**self.memory.__cuda_array_interface__, **self.about}

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, 0

    def __dlpack__(self, *, stream: int | None = None) -> Any:
        self.stream = stream
        return _core.to_dlpack(self.memory, stream=stream)


@pytest.mark.parametrize("dtype", NAMES)
def test_array_interface_both_ways(dtype: str, gpu: str) -> None:
    values = rng.integers(0, 2, (3, 5)).astype(dtype)
    x = pg.Tensor(values, device=gpu)
    about = x.__cuda_array_interface__
    assert about["version"] == 3 and about["shape"] == (3, 5) and about["strides"] is None
    assert about["typestr"] == values.dtype.str and about["stream"] not in (0, None)
    array = Array(values, gpu)
    y = pg.cuda.from_array_interface(array)
    assert y.__cuda_array_interface__["data"] == array.memory.__cuda_array_interface__["data"]  # no copy
    assert y.device == gpu and y.dtype.name == dtype
    np.testing.assert_array_equal(y.numpy(), values)


def test_array_interface_keeps_its_owner(gpu: str) -> None:
    alive = []

    class Watched(Array):
        def __del__(self) -> None:
            alive.remove(id(self))

    array = Watched(np.arange(6, dtype=np.float32), gpu)
    alive.append(id(array))
    y = pg.cuda.from_array_interface(array)
    del array
    gc.collect()
    z = y * 2
    del y
    assert z.tolist() == [0, 2, 4, 6, 8, 10]
    del z
    gc.collect()
    pg.zeros(1).eval()  # what other threads dropped is dropped here
    assert not alive


def test_array_interface_in_other_words(gpu: str) -> None:
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    for about in ({"version": 2}, {"stream": 1}, {"stream": 2}, {"stream": None}, {"strides": (12, 4)}):
        assert pg.cuda.from_array_interface(Array(values, gpu, **about)).tolist() == values.tolist()
    own = pg.cuda.current_stream()
    assert (
        pg.cuda.from_array_interface(Array(values, gpu, stream=own.cuda_stream)).tolist() == values.tolist()
    )
    empty = Array(np.zeros((0, 3), np.float32), gpu, data=(0, False))
    assert pg.cuda.from_array_interface(empty).shape == (0, 3)
    with pytest.raises(pg.InvalidValueError, match="stream 0 is ambiguous"):
        pg.cuda.from_array_interface(Array(values, gpu, stream=0))
    with pytest.raises(pg.UnsupportedError, match="not row-major"):
        pg.cuda.from_array_interface(Array(values, gpu, shape=(3, 2), strides=(4, 12)))
    with pytest.raises(pg.UnsupportedError, match="masked"):
        pg.cuda.from_array_interface(Array(values, gpu, mask=object()))
    with pytest.raises(pg.UnsupportedError, match="other order"):
        pg.cuda.from_array_interface(Array(values, gpu, typestr=">f4"))
    host = np.zeros(4, np.float32)
    with pytest.raises(pg.DeviceError, match="does not lie on a GPU"):
        pg.cuda.from_array_interface(Array(values, gpu, data=(host.ctypes.data, False)))
    with pytest.raises(TypeError, match="__cuda_array_interface__"):
        pg.cuda.from_array_interface(host)


def test_who_has_no_array_interface(gpu: str) -> None:
    assert not hasattr(pg.ones(3), "__cuda_array_interface__")
    assert not hasattr(pg.ones(3, dtype="bfloat16", device=gpu), "__cuda_array_interface__")
    assert hasattr(pg.ones(3, device=gpu) + 1, "__cuda_array_interface__")  # computed when somebody looks


@pytest.mark.parametrize("dtype", (*NAMES, "bfloat16"))
def test_dlpack_both_ways(dtype: str, gpu: str) -> None:
    x = pg.Tensor(rng.integers(0, 2, (4, 3)), dtype=dtype, device=gpu).eval()
    assert x.__dlpack_device__() == (2, 0)
    for stream in (None, 1, 2, -1, pg.cuda.current_stream().cuda_stream):
        for version in (None, (1, 0)):
            capsule = x.__dlpack__(stream=stream, max_version=version)
            assert ("versioned" in repr(capsule)) == (version is not None)
            y = _core.from_dlpack(capsule)
            assert _core.cuda_pointer(y) == _core.cuda_pointer(x) and y.dtype is x.dtype
            np.testing.assert_array_equal((+y).tolist(), x.tolist())
    with pytest.raises(pg.InvalidValueError, match="stream 0 is ambiguous"):
        x.__dlpack__(stream=0)
    with pytest.raises(BufferError, match=r"device \(2, 7\) was asked for"):
        x.__dlpack__(dl_device=(2, 7))
    with pytest.raises(BufferError, match="was asked for"):
        x.__dlpack__(dl_device=(1, 0), copy=False)
    host = _core.from_dlpack(x.__dlpack__(dl_device=(1, 0)))
    assert host.device == "cpu" and host.tolist() == x.tolist()
    copied = _core.from_dlpack(x.__dlpack__(copy=True))
    assert copied.tolist() == x.tolist()


def test_tensors_of_others_are_taken_over_or_copied(gpu: str) -> None:
    values = np.arange(6, dtype=np.float32)
    array = Array(values, gpu)
    shared = pg.from_dlpack(array)
    assert array.stream == pg.cuda.current_stream().cuda_stream
    assert _core.cuda_pointer(shared) == _core.cuda_pointer(array.memory)
    for copied in (pg.from_dlpack(array, copy=True), pg.Tensor(array), pg.Tensor(array, device=gpu)):
        assert copied.device == gpu and copied.tolist() == values.tolist()
        assert _core.cuda_pointer(copied) != _core.cuda_pointer(array.memory)
    assert pg.Tensor(array, device="cpu").device == "cpu"
    assert pg.Tensor(array, dtype="int32").tolist() == values.tolist()


def test_donated_memory_is_used_again(gpu: str) -> None:
    eye = pg.eye(40, device=gpu).eval()
    f = pg.jit(lambda s, w: s @ w @ w, donate_argnums=0)
    x = pg.Tensor(np.ones((40, 40), np.float32), device=gpu).eval()
    where = _core.cuda_pointer(x)
    y = f(x, eye)
    assert x.is_donated and _core.cuda_pointer(y) == where and y.tolist() == [[1.0] * 40] * 40
    array = Array(np.ones((40, 40), np.float32), gpu)
    f(pg.from_dlpack(array), 2 * eye)  # memory of others is never written over
    assert array.memory.tolist() == [[1.0] * 40] * 40


def test_streams_and_events(gpu: str) -> None:
    stream = pg.cuda.current_stream()
    assert stream == pg.cuda.Stream(gpu) and stream.__cuda_stream__() == (0, stream.cuda_stream)
    assert "Stream(device='cuda:0'" in repr(stream) and hash(stream) == hash(pg.cuda.Stream())
    begin, end = pg.cuda.Event(enable_timing=True), pg.cuda.Event(enable_timing=True)
    begin.record()
    x = pg.ones((100, 100), device=gpu).eval()
    stream.record_event(end)
    end.synchronize()
    assert end.query() and begin.query() and begin.elapsed_time(end) >= 0
    other = pg.cuda.Stream(handle=1)
    other.wait_stream(stream)
    stream.wait_stream(other)
    other.synchronize()
    pg.sync_cuda_device()
    assert other.query() and stream.query()
    untimed = stream.record_event()
    with pytest.raises(pg.DeviceError, match="time"):
        untimed.elapsed_time(untimed)
    assert x[0, 0].item() == 1.0


PROGRAM = """
import numpy as np, pequegrad as pg
from pequegrad import _core
x = (pg.Tensor(np.arange(8, dtype=np.float32), device="cuda") * 3).eval()
other = pg.cuda.Stream(handle=1)
y = pg.from_dlpack(type("Foreign", (), {
    "__dlpack_device__": lambda self: (2, 0), "__dlpack__": lambda self, stream=None: _core.to_dlpack(x, stream=stream)})())
z = (y + 1).eval()
done = pg.cuda.current_stream().record_event()
first = done.query()
while not done.query():
    pass
assert z.tolist() == [3.0 * i + 1 for i in range(8)]
del x, y, z
pg.sync_cuda_device()
assert pg.cuda.memory_stats()["live_bytes"] == 0
print(first)
"""


@pytest.mark.parametrize("mode", ["0", "1"])
def test_in_deferred_order(mode: str, gpu: str) -> None:
    if "PG_LIBCUDA" not in os.environ:
        pytest.skip("the GPU is real")
    env = {**os.environ, "PGEMU_DEFERRED": mode}
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=env)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert done.stdout.strip() == ("False" if mode == "1" else "True")


def real(gpu: str) -> str:
    if "PG_LIBCUDA" in os.environ:
        pytest.skip("needs a real GPU")
    return gpu


def test_cupy(gpu: str) -> None:
    cupy = pytest.importorskip("cupy")
    real(gpu)
    array = cupy.arange(12, dtype=cupy.float32).reshape(3, 4)
    for x in (pg.from_dlpack(array), pg.cuda.from_array_interface(array)):
        assert _core.cuda_pointer(x) == array.data.ptr
        np.testing.assert_array_equal((x * 2).numpy(), cupy.asnumpy(array) * 2)
    y = (pg.Tensor(array) + 1).eval()
    for back in (cupy.asarray(y), cupy.from_dlpack(y)):
        assert back.data.ptr == _core.cuda_pointer(y)
        np.testing.assert_array_equal(cupy.asnumpy(back * 2), y.numpy() * 2)
    mine = cupy.cuda.ExternalStream(pg.cuda.current_stream().cuda_stream)
    with mine:
        np.testing.assert_array_equal(cupy.asnumpy(cupy.asarray(y) + 1), y.numpy() + 1)


def test_torch(gpu: str) -> None:
    torch = pytest.importorskip("torch")
    real(gpu)
    t = torch.arange(12, dtype=torch.float32, device="cuda").reshape(3, 4)
    x = pg.from_dlpack(t)
    assert _core.cuda_pointer(x) == t.data_ptr()
    y = (x * 2).eval()
    back = torch.from_dlpack(y)
    assert back.data_ptr() == _core.cuda_pointer(y) and back.is_cuda
    np.testing.assert_array_equal((back + 1).cpu().numpy(), t.cpu().numpy() * 2 + 1)
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        u = torch.from_dlpack((x + 3).eval()) * 2
    np.testing.assert_array_equal(u.cpu().numpy(), (t.cpu().numpy() + 3) * 2)
    with pytest.raises(pg.UnsupportedError, match="not row-major"):
        pg.from_dlpack(t.T)
    np.testing.assert_array_equal(torch.as_tensor(y, device="cuda").cpu().numpy(), y.numpy())
    assert pg.Tensor(t.requires_grad_()).device == gpu


CUDA_PYTHON = """
import ctypes, os, sys
import numpy as np, pequegrad as pg
from cuda.bindings import driver
x = (pg.Tensor(np.arange(6, dtype=np.float32), device="cuda") * 2).eval()
stream = pg.cuda.current_stream()
(code,) = driver.cuCtxSynchronize()
assert code == driver.CUresult.CUDA_SUCCESS, code
out = np.empty(6, np.float32)
(code,) = driver.cuMemcpyDtoHAsync(out.ctypes.data, x.__cuda_array_interface__["data"][0], out.nbytes, driver.CUstream(stream.cuda_stream))
assert code == driver.CUresult.CUDA_SUCCESS, code
(code,) = driver.cuStreamSynchronize(driver.CUstream(stream.cuda_stream))
assert code == driver.CUresult.CUDA_SUCCESS, code
assert out.tolist() == [0, 2, 4, 6, 8, 10], out
code, made = driver.cuStreamCreate(driver.CUstream_flags.CU_STREAM_NON_BLOCKING)
assert code == driver.CUresult.CUDA_SUCCESS, code
theirs = pg.cuda.Stream(handle=int(made))
theirs.wait_stream(stream)
theirs.synchronize()
"""


def test_cuda_python(gpu: str) -> None:
    pytest.importorskip("cuda.bindings.driver")
    env = dict(os.environ)
    if "PG_LIBCUDA" in env:  # cuda-python looks for the driver by its name alone
        folder = os.path.dirname(env["PG_LIBCUDA"])
        link = os.path.join(folder, "named", "libcuda.so.1")
        os.makedirs(os.path.dirname(link), exist_ok=True)
        if not os.path.exists(link):
            os.symlink(env["PG_LIBCUDA"], link)
        env["LD_LIBRARY_PATH"] = os.path.dirname(link) + os.pathsep + env.get("LD_LIBRARY_PATH", "")
    done = subprocess.run([sys.executable, "-c", CUDA_PYTHON], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
