"""``python -m pg_onnx`` is the command ``pg-onnx``."""

from __future__ import annotations

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
