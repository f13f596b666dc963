"""Traced functions as ONNX files."""

from .model import DEFAULT_OPSET, export, to_proto

__all__ = ["DEFAULT_OPSET", "export", "to_proto"]
