"""ONNX files as differentiable modules, and traced functions as ONNX files."""

__version__ = "0.1.0"
