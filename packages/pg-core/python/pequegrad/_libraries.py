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
