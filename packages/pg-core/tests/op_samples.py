"""The op table: the rows of all families, one row (or a few) for each public function.

The laws in ``laws/`` and the matrix in ``matrix/`` run over it; ``test_completeness.py`` fails when a public
function or a record has no row. A family is a file ``samples_<family>.py`` with a list ``ROWS``, and where
functions are tested in a file of their own instead, a dict ``ELSEWHERE``: file name -> names.
"""

from __future__ import annotations

import importlib
from pathlib import Path

from rows import Row

FAMILIES = [importlib.import_module(path.stem) for path in sorted(Path(__file__).parent.glob("samples_*.py"))]
ROWS: list[Row] = [row for family in FAMILIES for row in family.ROWS]

# Public names that are other names of a row's function, or are tested in a file of their own.
ELSEWHERE: dict[str, set[str]] = {
    "test_kernels.py": {"kernel"},
    "test_creation.py": {
        "tensor",
        "array",
        "asarray",
        "from_numpy",
        "from_dlpack",
        "broadcast_shapes",
        "eval",
    },
    "test_autodiff.py": {"fngrad", "grad", "jvp", "vjp", "value_and_grad", "stop_gradient"},
    "test_jit.py": {"jit", "make_trace"},
    "test_tools.py": {"check_grads", "debug_nans"},
    "test_random.py": {"rand", "randn", "manual_seed"},
    "test_profile.py": {"profile"},
    "test_device.py": {"set_default_device", "sync_cuda_device"},
}
for _family in FAMILIES:
    for _file, _names in getattr(_family, "ELSEWHERE", {}).items():
        ELSEWHERE.setdefault(_file, set()).update(_names)
