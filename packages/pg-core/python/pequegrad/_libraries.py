"""Where shared libraries that come as Python packages lie. The core asks at its first need."""

from __future__ import annotations


def find_onednn() -> str:
    """The path of libdnnl.so.3 in the installed onednn-cpu-gomp, or "" when it is not installed."""
    import os.path
    from importlib import metadata  # late: it costs milliseconds that an import of pequegrad need not pay

    try:
        files = metadata.files("onednn-cpu-gomp")
    except metadata.PackageNotFoundError:
        return ""
    for file in files or ():
        if file.name == "libdnnl.so.3":
            return os.path.realpath(file.locate())
    return ""


def find_nvidia(file: str) -> str:
    """The path of a library of NVIDIA's wheels (nvidia/*/lib), else what cuda-pathfinder finds, else ""."""
    import glob
    import os.path
    from importlib.util import find_spec

    spec = find_spec("nvidia")
    for root in (spec.submodule_search_locations or ()) if spec else ():
        for path in sorted(glob.glob(os.path.join(glob.escape(root), "*", "lib", file))):
            return os.path.realpath(path)
    try:
        from cuda.pathfinder import load_nvidia_dynamic_lib
    except ImportError:
        return ""
    try:
        path = load_nvidia_dynamic_lib(file.removeprefix("lib").partition(".so")[0]).abs_path
    except Exception:  # whatever keeps it from being found, it is not there
        return ""
    return path if os.path.basename(path).startswith(file) else ""  # it may find another major version
