"""The command ``pg-onnx``.

Exit codes: 0 done, 1 a comparison failed, 2 wrong use, 3 the model is invalid or corrupt, 4 valid but not
supported, 5 a limit is exceeded, 6 a file cannot be read or written, 70 an error in pg_onnx itself.
"""

from .main import main

__all__ = ["main"]
