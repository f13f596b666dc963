"""Writes the public names of jax by module: what pg_jax says is not implemented yet.

One line for each module:

python ci/jax_names.py > packages/pg-jax/src/pg_jax/_names.txt
"""

from __future__ import annotations

import importlib
import types
import warnings

MODULES = (
    "",
    "ad_checkpoint",
    "core",
    "debug",
    "dlpack",
    "dtypes",
    "errors",
    "example_libraries.optimizers",
    "example_libraries.stax",
    "experimental.jet",
    "flatten_util",
    "image",
    "lax",
    "lax.linalg",
    "nn",
    "nn.initializers",
    "numpy",
    "numpy.fft",
    "numpy.linalg",
    "profiler",
    "random",
    "scipy",
    "scipy.linalg",
    "scipy.special",
    "scipy.stats",
    "scipy.stats.norm",
    "sharding",
    "stages",
    "test_util",
    "tree",
    "tree_util",
    "typing",
)


def main() -> None:
    warnings.simplefilter("ignore")
    import jax

    print(f"# {jax.__version__}")
    for name in MODULES:
        module = importlib.import_module(f"jax.{name}" if name else "jax")
        public = [n for n in dir(module) if not n.startswith("_")]
        if name:
            public = [n for n in public if not isinstance(getattr(module, n, None), types.ModuleType)]
        print(f"{name or 'jax'}: {' '.join(sorted(public))}")


if __name__ == "__main__":
    main()
