"""ONNX files as differentiable modules, traced functions as ONNX files, and the command ``pg-onnx``."""

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
from .exporting import export, to_proto
from .importer import OnnxModule, load
from .limits import Limits
from .plan import unsupported
from .reader import read

__version__ = "0.1.0"
