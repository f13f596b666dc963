"""pg_jax: the API of JAX on pequegrad; ``import pg_jax as jax; import pg_jax.numpy as jnp``.

>>> import pg_jax as jax, pg_jax.numpy as jnp
>>> jax.grad(lambda w: jnp.sum(w**2))(jnp.array([1.0, 2.0]))
Array([2., 4.], dtype=float32)
"""

import functools as _functools
from typing import Any as _Any

__version__ = "0.1.0"

from . import numpy  # isort: skip - the functions of which methods and operators are made
from . import _methods as _methods_of_arrays

_methods_of_arrays.attach()

from . import (  # noqa: E402
    ad_checkpoint,
    core,
    debug,
    dtypes,
    errors,
    flatten_util,
    lax,
    nn,
    random,
    scipy,
    sharding,
    tree,
    tree_util,
    typing,
)
from ._aot import eval_shape as eval_shape  # noqa: E402
from ._aot import make_jaxpr as make_jaxpr  # noqa: E402
from ._api import ShapeDtypeStruct as ShapeDtypeStruct  # noqa: E402
from ._api import block_until_ready as block_until_ready  # noqa: E402
from ._api import device_get as device_get  # noqa: E402
from ._api import device_put as device_put  # noqa: E402
from ._api import typeof as typeof  # noqa: E402
from ._array import Array as Array  # noqa: E402
from ._autodiff import grad as grad  # noqa: E402
from ._autodiff import hessian as hessian  # noqa: E402
from ._autodiff import jacfwd as jacfwd  # noqa: E402
from ._autodiff import jacrev as jacrev  # noqa: E402
from ._autodiff import jvp as jvp  # noqa: E402
from ._autodiff import linear_transpose as linear_transpose  # noqa: E402
from ._autodiff import linearize as linearize  # noqa: E402
from ._autodiff import value_and_grad as value_and_grad  # noqa: E402
from ._autodiff import vjp as vjp  # noqa: E402
from ._callbacks import pure_callback as pure_callback  # noqa: E402
from ._config import config as config  # noqa: E402
from ._config import switched as _switched  # noqa: E402
from ._custom import checkpoint as checkpoint  # noqa: E402
from ._custom import checkpoint_policies as checkpoint_policies  # noqa: E402
from ._custom import custom_gradient as custom_gradient  # noqa: E402
from ._custom import custom_jvp as custom_jvp  # noqa: E402
from ._custom import custom_vjp as custom_vjp  # noqa: E402
from ._custom import remat as remat  # noqa: E402
from ._install import install_as_jax as install_as_jax  # noqa: E402
from ._jit import clear_caches as clear_caches  # noqa: E402
from ._jit import jit as jit  # noqa: E402
from ._missing import compat as compat  # noqa: E402
from ._missing import missing as _missing  # noqa: E402
from ._vmap import pmap as pmap  # noqa: E402
from ._vmap import vmap as vmap  # noqa: E402
from .devices import default_backend as default_backend  # noqa: E402
from .devices import device_count as device_count  # noqa: E402
from .devices import devices as devices  # noqa: E402
from .devices import make_mesh as make_mesh  # noqa: E402
from .devices import process_count as process_count  # noqa: E402
from .devices import process_index as process_index  # noqa: E402
from .sharding import NamedSharding as NamedSharding  # noqa: E402

P = sharding.PartitionSpec
local_devices, local_device_count = devices, device_count
enable_x64 = _functools.partial(_switched, "jax_enable_x64")
debug_nans = _functools.partial(_switched, "jax_debug_nans")
disable_jit = _functools.partial(_switched, "jax_disable_jit", True)


def __getattr__(name: str) -> _Any:
    raise _missing("", name)
