"""Devices: any can be named, and what is missing is said."""

from __future__ import annotations

import os
import subprocess
import sys

import pequegrad as pg
import pytest


def test_names() -> None:
    assert pg.device.as_device("cuda") == pg.device.cuda(0) == "cuda:0" == pg.device.as_device("cuda:0")
    assert str(pg.device.cuda(1)) == "cuda:1" and pg.device.cpu() == "cpu"
    assert pg.device.cuda(0) != pg.device.cuda(1)
    assert len({pg.device.cuda(0), pg.device.as_device("cuda")}) == 1
    for bad in ("gpu", "cuda:x", "cpu:1", 3, "cuda:-1"):
        with pytest.raises(pg.DeviceError):
            pg.device.as_device(bad)


WITHOUT_A_GPU = """
import pequegrad as pg
pg.sync_cuda_device()
pg.sync_cuda_device("cuda:0")
assert not pg.device.is_cuda_available() and pg.cuda.device_count() == 0
for place in (
    lambda: pg.zeros(2, device="cuda"),
    lambda: pg.ones(2).cuda(),
    lambda: pg.ones(2).to("cuda:1"),
    lambda: pg.set_default_device("cuda"),
    lambda: pg.randn(2, device=pg.device.cuda(0)),
    lambda: pg.jit(lambda x: x.to("cuda"))(pg.ones(2)),
    lambda: pg.arange(3, device="cuda"),
):
    try:
        place()
    except pg.DeviceError as error:
        assert "install" in str(error), error
    else:
        raise AssertionError("there is no GPU")
assert pg.zeros(1).device == "cpu"
"""


def test_without_a_gpu() -> None:
    # A process of its own: in this one an emulated GPU may be in use.
    env = {**os.environ, "PG_LIBCUDA": "/nonexistent/libcuda.so.1"}
    done = subprocess.run([sys.executable, "-c", WITHOUT_A_GPU], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr


def test_default_device() -> None:
    assert pg.set_default_device("cpu") == "cpu"
    assert pg.device.default_device() == "cpu"


def test_to_the_same_device_is_free_also_inside_jit() -> None:
    x = pg.ones(2)
    assert x.to("cpu") is x
    assert pg.jit(lambda x: x.to("cpu") + 1)(x).tolist() == [2.0, 2.0]


def test_importing_prints_nothing_and_loads_little() -> None:
    # How long it takes is a row of the benchmarks; what could make it slow is what it loads.
    # An editable install builds before it imports, and needs a module for that.
    code = (
        "import sys, numpy\n"
        "if any('editable' in type(f).__module__ for f in sys.meta_path): import subprocess\n"
        "before = set(sys.modules); import pequegrad; print(*set(sys.modules) - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "" and len(done.stdout.splitlines()) == 1
    roots = {name.partition(".")[0] for name in done.stdout.split()}
    assert not roots & {
        "pg_nn",
        "torch",
        "jax",
        "scipy",
        "ml_dtypes",
        "llvmlite",
        "matplotlib",
        "sklearn",
        "asyncio",
        "json",
        "subprocess",
    }


def test_names_that_are_loaded_later_are_listed() -> None:
    assert set(pg.__all__) <= set(dir(pg))
    assert {"fft", "linalg", "check_grads", "array_api"} <= set(pg.__all__)
    assert pg.fft.fft is not None and pg.check_grads is pg.gradcheck.check_grads


def test_aliases_of_pg_nn() -> None:
    pg_nn = pytest.importorskip("pg_nn")
    assert pg.nn is pg_nn
    assert pg.transforms is pg_nn.transforms
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        pg.nonsense
