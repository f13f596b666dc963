"""pequegrad: lazy tensors, function tracing, composable differentiation, and a compiler that fuses whole
graphs.

The table of contents: each name below is one concept of the module it comes from.

>>> import pequegrad as pg
>>> loss = lambda w, x: ((x @ w) ** 2).mean()
>>> value, (dw,) = pg.value_and_grad(loss)(pg.ones((2, 1)), pg.Tensor([[1.0, 2.0]]))
>>> value.item(), dw.tolist()
(9.0, [[6.0], [12.0]])
"""

# Size: a table of contents, a line for each public name.

from importlib import import_module as _import_module
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from . import debug, device, dt, errors, pytree

from .tensor import Tensor  # isort: skip - sets the hooks that everything below needs
from . import random
from ._linalg.polynomials import poly, polydiv, polyfit, roots
from ._ops.activations import (
    celu,
    elu,
    gelu,
    glu,
    hardshrink,
    hardsigmoid,
    hardswish,
    hardtanh,
    leaky_relu,
    mish,
    prelu,
    relu,
    relu6,
    selu,
    silu,
    softshrink,
    softsign,
    tanhshrink,
    threshold,
)
from ._ops.adaptive_pooling import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
)
from ._ops.applying import apply_along_axis, apply_over_axes, fromfunction, vectorize
from ._ops.arranging import (
    append,
    atleast_1d,
    atleast_2d,
    atleast_3d,
    delete,
    diag_indices,
    diagflat,
    dsplit,
    fill_diagonal,
    fliplr,
    flipud,
    geomspace,
    hsplit,
    identity,
    indices,
    insert,
    ix_,
    kron,
    logspace,
    packbits,
    rollaxis,
    rot90,
    tri,
    tril_indices,
    tril_indices_from,
    trim_zeros,
    triu_indices,
    triu_indices_from,
    unpackbits,
    vsplit,
)
from ._ops.attention import scaled_dot_product_attention
from ._ops.bits import bitcast, count_leading_zeros, reduce_precision, shift_right_logical
from ._ops.complex import (
    angle,
    complex,
    conj,
    conjugate,
    imag,
    iscomplex,
    iscomplexobj,
    isreal,
    isrealobj,
    real,
)
from ._ops.convolution import (
    conv1d,
    conv2d,
    conv3d,
    conv_general,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
    fold,
    pixel_shuffle,
    pixel_unshuffle,
    unfold,
)
from ._ops.creation import (
    arange,
    asarray,
    empty,
    empty_like,
    eye,
    from_dlpack,
    from_numpy,
    full,
    full_like,
    linspace,
    meshgrid,
    one_hot,
    ones,
    ones_like,
    tensor,
    zeros,
    zeros_like,
)
from ._ops.cumulative import cumulative_trapezoid, logcumsumexp
from ._ops.datatypes import (
    astype,
    can_cast,
    finfo,
    iinfo,
    isdtype,
    result_type,
)
from ._ops.diagonals import diag, diagonal, tril, triu
from ._ops.differences import (
    convolve,
    correlate,
    diff,
    ediff1d,
    gradient,
    interp,
    trapezoid,
)
from ._ops.einsum import einsum, einsum_path
from ._ops.elementwise import (
    abs,
    absolute,
    add,
    cbrt,
    ceil,
    clip,
    deg2rad,
    div,
    divide,
    divmod,
    floor,
    floor_divide,
    fmod,
    heaviside,
    hypot,
    isfinite,
    isinf,
    isnan,
    log_sigmoid,
    logaddexp,
    maximum,
    minimum,
    mod,
    mul,
    multiply,
    nan_to_num,
    neg,
    negative,
    positive,
    pow,
    power,
    rad2deg,
    reciprocal,
    remainder,
    round,
    sign,
    signbit,
    softplus,
    square,
    sub,
    subtract,
    true_divide,
    trunc,
)
from ._ops.general import (
    dynamic_slice,
    dynamic_update_slice,
    gather_general,
    gather_nd,
    pad_general,
    scatter_general,
    scatter_nd,
    sort_together,
)
from ._ops.incomplete import (
    betainc,
    erfcx,
    exp1,
    expi,
    expn,
    factorial,
    gamma,
    gammainc,
    gammaincc,
    gammasgn,
    log1mexp,
    logmeanexp,
)
from ._ops.indexing import take, take_along_axis
from ._ops.inspection import __array_namespace_info__
from ._ops.integers import gcd, lcm
from ._ops.linalg import dot, dot_general, inner, matmul, matrix_power, outer, tensordot, trace, vdot
from ._ops.logic import (
    allclose,
    bitwise_and,
    bitwise_not,
    bitwise_or,
    bitwise_xor,
    equal,
    greater,
    greater_equal,
    isclose,
    left_shift,
    less,
    less_equal,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    not_equal,
    right_shift,
    where,
)
from ._ops.losses import binary_cross_entropy_with_logits, cross_entropy_loss_probs, mse_loss
from ._ops.maths import (
    acos,
    acosh,
    arccos,
    arccosh,
    arcsin,
    arcsinh,
    arctan,
    arctan2,
    arctanh,
    asin,
    asinh,
    atan,
    atan2,
    atanh,
    copysign,
    cos,
    cosh,
    erf,
    erfc,
    erfinv,
    exp,
    exp2,
    expm1,
    log,
    log1p,
    log2,
    log10,
    rsqrt,
    sigmoid,
    sin,
    sinh,
    sqrt,
    tan,
    tanh,
)
from ._ops.mixing import (
    addcdiv,
    addcmul,
    frac,
    lerp,
    polar,
    spacing,
    view_as_complex,
    view_as_real,
)
from ._ops.normalization import (
    batch_norm,
    cdist,
    cosine_similarity,
    group_norm,
    instance_norm,
    layer_norm,
    local_response_norm,
    log_softmax,
    normalize,
    pairwise_distance,
    rms_norm,
    softmax,
    softmin,
)
from ._ops.numbers import (
    argpartition,
    array_equal,
    array_equiv,
    bitwise_count,
    block,
    float_power,
    fmax,
    fmin,
    histogram2d,
    histogramdd,
    isneginf,
    isposinf,
    modf,
    partition,
    piecewise,
    promote_types,
    resize,
    unwrap,
)
from ._ops.picking import (
    bucketize,
    chunk,
    index_select,
    masked_fill,
    masked_scatter,
    narrow,
    place,
    put,
    putmask,
    select_scatter,
    slice_scatter,
)
from ._ops.polynomials import (
    bartlett,
    blackman,
    hamming,
    hanning,
    kaiser,
    polyadd,
    polyder,
    polyint,
    polymul,
    polysub,
    polyval,
    vander,
)
from ._ops.pooling import (
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    lp_pool1d,
    lp_pool2d,
    lp_pool3d,
    max_pool1d,
    max_pool2d,
    max_pool3d,
    min_pool1d,
    min_pool2d,
    min_pool3d,
)
from ._ops.products import (
    addbmm,
    addmm,
    addmv,
    addr,
    baddbmm,
    block_diag,
    bmm,
    cartesian_prod,
    diag_embed,
    matvec,
    mm,
    mv,
    vecmat,
)
from ._ops.reduce import (
    all,
    amax,
    amin,
    aminmax,
    any,
    argmax,
    argmin,
    count_nonzero,
    cummax,
    cummin,
    cumprod,
    cumsum,
    logsumexp,
    max,
    mean,
    min,
    norm,
    prod,
    std,
    std_mean,
    sum,
    var,
    var_mean,
)
from ._ops.representation import fix, frexp, ldexp
from ._ops.resample import affine_grid, grid_sample, interpolate
from ._ops.scattering import (
    gather,
    index_add,
    index_copy,
    index_fill,
    scatter,
    scatter_add,
    scatter_reduce,
    segment_max,
    segment_mean,
    segment_min,
    segment_prod,
    segment_sum,
)
from ._ops.selecting import (
    argwhere,
    bincount,
    choose,
    compress,
    digitize,
    extract,
    flatnonzero,
    histogram,
    histogram_bin_edges,
    nonzero,
    put_along_axis,
    ravel_multi_index,
    searchsorted,
    select,
    unravel_index,
)
from ._ops.sets import (
    intersect1d,
    isin,
    lexsort,
    setdiff1d,
    setxor1d,
    union1d,
    unique,
    unique_all,
    unique_counts,
    unique_inverse,
    unique_values,
)
from ._ops.shape import (
    array_split,
    broadcast_arrays,
    broadcast_shapes,
    broadcast_to,
    cat,
    column_stack,
    concat,
    concatenate,
    dstack,
    expand_dims,
    flatten,
    flip,
    hstack,
    matrix_transpose,
    moveaxis,
    pad,
    permute,
    permute_dims,
    ravel,
    repeat,
    reshape,
    roll,
    split,
    squeeze,
    stack,
    swapaxes,
    tile,
    transpose,
    unsqueeze,
    unstack,
    vstack,
)
from ._ops.sorting import argsort, kthvalue, sort, sort_complex, topk
from ._ops.special import (
    betaln,
    digamma,
    entr,
    expit,
    gammaln,
    i0,
    i0e,
    i1,
    i1e,
    kl_div,
    lgamma,
    log_ndtr,
    logaddexp2,
    logit,
    multigammaln,
    ndtr,
    ndtri,
    polygamma,
    psi,
    rel_entr,
    sinc,
    xlog1py,
    xlogy,
    zeta,
)
from ._ops.statistics import (
    average,
    corrcoef,
    cov,
    cumulative_prod,
    cumulative_sum,
    median,
    nanargmax,
    nanargmin,
    nancumprod,
    nancumsum,
    nanmax,
    nanmean,
    nanmedian,
    nanmin,
    nanpercentile,
    nanprod,
    nanquantile,
    nanstd,
    nansum,
    nanvar,
    percentile,
    ptp,
    quantile,
)
from ._ops.vectors import cross, nextafter, vecdot
from ._ops.windows import reduce_window, select_and_scatter_add
from .autodiff import fngrad, grad, jvp, stop_gradient, value_and_grad, vjp
from .batching import vmap
from .control import (
    associative_scan,
    cond,
    fori_loop,
    ifelse,
    map,
    scan,
    switch,
    while_loop,
)
from .custom import (
    ShapeDtype,
    checkpoint,
    checkpoint_policies,
    custom_jvp,
    custom_prim,
    custom_vjp,
    host_call,
)
from .device import Device, set_default_device, sync_cuda_device
from .dt import (
    DType,
    bfloat16,
    bool_,
    complex64,
    complex128,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint16,
    uint32,
    uint64,
)
from .errors import (
    ArgumentError,
    AxisError,
    DeviceError,
    DifferentiationError,
    DTypeError,
    GradientError,
    IndexingError,
    InternalError,
    InvalidValueError,
    LinAlgError,
    NanError,
    OutOfMemoryError,
    PequegradError,
    PytreeError,
    ShapeError,
    TraceError,
    UnsupportedError,
)
from .evaluate import eval
from .graph_trace import GraphTrace
from .jacobians import fnhessian, fnhvp, fnjacobian, fnvhp, hessian, jacfwd, jacrev, linearize
from .jit import jit
from .nans import debug_nans
from .profiling import profile
from .random import manual_seed, rand, randn
from .taylor import jet, taylor_expand
from .tracing import make_trace

if _TYPE_CHECKING:  # these are loaded when they are asked for, so that importing stays cheap
    from . import amp, collectives, compiler, cuda, extend, fft, image, integrate, linalg, ode
    from .gradcheck import check_grads
    from .kernels import kernel

__version__ = "0.1.0"
__array_api_version__ = "2024.12"

inf, nan, pi, e, newaxis = float("inf"), float("nan"), 3.141592653589793, 2.718281828459045, None
bool = bool_
around = rint = round
degrees, radians, fabs = rad2deg, deg2rad, abs
invert = bitwise_invert = bitwise_not
bitwise_left_shift, bitwise_right_shift = left_shift, right_shift
array, clamp, cumlogsumexp = tensor, clip, logcumsumexp
eq, ne, lt, le, gt, ge = equal, not_equal, less, less_equal, greater, greater_equal
movedim, swapdims, take_along_dim, tensor_split, unbind = (
    moveaxis,
    swapaxes,
    take_along_axis,
    array_split,
    unstack,
)
row_stack, trapz, sgn = vstack, trapezoid, sign

# Name -> module that is loaded when the name is asked for, and the name in it (empty: the module itself).
_LATER = {
    **dict.fromkeys(
        (
            "amp",
            "array_api",
            "collectives",
            "compiler",
            "cuda",
            "extend",
            "fft",
            "image",
            "integrate",
            "linalg",
            "ode",
        ),
        "",
    ),
    "check_grads": "gradcheck",
    "kernel": "kernels",
}

__all__ = sorted(name for name in (globals().keys() | _LATER) if not name.startswith("_"))

# Parts of pg-nn under the names that a newcomer tries first.
_PG_NN = {"nn": "pg_nn", "optim": "pg_nn", "transforms": "pg_nn.transforms"}


def __dir__() -> list[str]:
    return sorted(globals().keys() | _LATER)


def __getattr__(name: str) -> _Any:
    if name in _LATER:
        source = _LATER[name]
        module = _import_module(f"pequegrad.{source or name}")
        value = globals()[name] = getattr(module, name) if source else module
        return value
    if name not in _PG_NN:
        raise AttributeError(f"module 'pequegrad' has no attribute {name!r}")
    try:
        return _import_module(_PG_NN[name])
    except ModuleNotFoundError as error:
        if error.name != "pg_nn":
            raise
        raise ImportError(
            f"pequegrad.{name} is part of the package pg-nn, which is not installed: pip install pg-nn"
        ) from None
