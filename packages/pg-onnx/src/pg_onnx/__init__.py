"""ONNX files as differentiable modules, traced functions as ONNX files, and the command ``pg-onnx``."""

from typing import TYPE_CHECKING, Any

from . import errors, reader
from .errors import (
    FileError,
    InvalidModelError,
    OnnxError,
    ResourceLimitError,
    Unsupported,
    UnsupportedError,
    UsageError,
)
from .importer import OnnxModule, load
from .limits import Limits
from .plan import unsupported
from .reader import read

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .exporting import export, to_proto
else:

    def __getattr__(name: str) -> Any:
        """The exporter is imported when it is first used: it needs the onnx package, reading does not."""
        if name not in ("export", "to_proto"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from . import exporting

        return getattr(exporting, name)
