"""Builds the emulated CUDA libraries with the host's compiler, once for each version of their sources.

python build.py      prints the paths, as shell assignments
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
FLAGS = [
    "-std=c++20",
    "-O2",
    "-fPIC",
    "-shared",
    "-fvisibility=hidden",
    "-fno-gnu-unique",
    "-Wall",
    "-Wextra",
]
# They use the emulated driver's memory and streams, so they are parts of its library.
MATHEMATICS = ["cublaslt.cpp", "cudnn.cpp", "cufft.cpp"]
LIBRARIES = {
    "libpgcuda.so": ["driver.cpp", "graphs.cpp", "grid.cpp", "memory.cpp", "queue.cpp", *MATHEMATICS],
    "libpgnvrtc.so": ["nvrtc.cpp"],
}


def compiler() -> str | None:
    """The host's C++ compiler, or None."""
    return shutil.which(os.environ.get("CXX", "g++")) or shutil.which("c++")


def build() -> dict[str, str]:
    """Paths by the variables that pequegrad reads."""
    cxx = compiler()
    if cxx is None:
        raise RuntimeError("the emulator needs a C++ compiler")
    text = b"".join(
        path.read_bytes() for path in sorted(HERE.iterdir()) if path.suffix in (".h", ".cpp", ".py")
    )
    name = hashlib.sha256(text + cxx.encode()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"pequegrad-emulator-{os.getuid()}-{name}"
    if not folder.exists():
        work = Path(tempfile.mkdtemp(dir=folder.parent))
        for library, sources in LIBRARIES.items():
            files = [str(HERE / source) for source in sources]
            link = ["-o", str(work / library), f"-Wl,-soname,{library}", "-ldl"]
            subprocess.run([cxx, *FLAGS, *files, *link], check=True)
        for header in ("kernel.h", "module.h"):
            shutil.copy(HERE / header, work / header)
        try:
            work.rename(folder)
        except OSError:  # another process was first
            shutil.rmtree(work)
    driver = str(folder / "libpgcuda.so")
    return {
        "PG_LIBCUDA": driver,
        "PG_LIBNVRTC": str(folder / "libpgnvrtc.so"),
        "PG_LIBCUBLASLT": driver,
        "PG_LIBCUDNN": driver,
        "PG_LIBCUFFT": driver,
    }


if __name__ == "__main__":
    for variable, path in build().items():
        print(f"export {variable}={path}")
