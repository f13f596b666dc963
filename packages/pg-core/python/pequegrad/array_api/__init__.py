"""The Python array API standard 2024.12, strictly: its names, its signatures, no mixing of kinds.

The main namespace has all of this and is more lenient; this view is for code that must run on any library.
Undefined combinations (integers with floats, Python numbers of a higher kind) raise here.

>>> from pequegrad import array_api as xp
>>> xp.sum(xp.asarray([1.0, 2.0]), axis=0).item()
3.0
>>> xp.add(xp.asarray([1]), xp.asarray([1.0]))
Traceback (most recent call last):
    ...
pequegrad.errors.DTypeError: add: int64 and float32 are of different kinds; convert them with astype
"""

from inspect import signature as _signature

import pequegrad as _pg

from . import fft, linalg
from ._strict import strict as _strict

__array_api_version__ = "2024.12"

e, inf, nan, newaxis, pi = _pg.e, _pg.inf, _pg.nan, _pg.newaxis, _pg.pi

bool = _pg.bool_
int8, int16, int32, int64 = _pg.int8, _pg.int16, _pg.int32, _pg.int64
uint8, uint16, uint32, uint64 = _pg.uint8, _pg.uint16, _pg.uint32, _pg.uint64
float32, float64 = _pg.float32, _pg.float64
complex64, complex128 = _pg.complex64, _pg.complex128

# ---- signatures that several functions share

_UNARY = _signature(lambda x, /: None)
_BINARY = _signature(lambda x1, x2, /: None)
_REDUCTION = _signature(lambda x, /, *, axis=None, keepdims=False: None)
_SUM = _signature(lambda x, /, *, axis=None, dtype=None, keepdims=False: None)
_VARIANCE = _signature(lambda x, /, *, axis=None, correction=0.0, keepdims=False: None)
_RUNNING = _signature(lambda x, /, *, axis=None, dtype=None, include_initial=False: None)
_SORTING = _signature(lambda x, /, *, axis=-1, descending=False, stable=True: None)
_SHAPED = _signature(lambda shape, *, dtype=None, device=None: None)
_LIKE = _signature(lambda x, /, *, dtype=None, device=None: None)
_TRIANGLE = _signature(lambda x, /, *, k=0: None)
_LIMITS = _signature(lambda type, /: None)

# ---- elementwise

abs = _strict(_pg.abs, _UNARY)
acos = _strict(_pg.acos, _UNARY)
acosh = _strict(_pg.acosh, _UNARY)
asin = _strict(_pg.asin, _UNARY)
asinh = _strict(_pg.asinh, _UNARY)
atan = _strict(_pg.atan, _UNARY)
atanh = _strict(_pg.atanh, _UNARY)
bitwise_invert = _strict(_pg.bitwise_invert, _UNARY)
ceil = _strict(_pg.ceil, _UNARY)
conj = _strict(_pg.conj, _UNARY)
cos = _strict(_pg.cos, _UNARY)
cosh = _strict(_pg.cosh, _UNARY)
exp = _strict(_pg.exp, _UNARY)
expm1 = _strict(_pg.expm1, _UNARY)
floor = _strict(_pg.floor, _UNARY)
imag = _strict(_pg.imag, _UNARY)
isfinite = _strict(_pg.isfinite, _UNARY)
isinf = _strict(_pg.isinf, _UNARY)
isnan = _strict(_pg.isnan, _UNARY)
log = _strict(_pg.log, _UNARY)
log10 = _strict(_pg.log10, _UNARY)
log1p = _strict(_pg.log1p, _UNARY)
log2 = _strict(_pg.log2, _UNARY)
logical_not = _strict(_pg.logical_not, _UNARY)
negative = _strict(_pg.negative, _UNARY)
positive = _strict(_pg.positive, _UNARY)
real = _strict(_pg.real, _UNARY)
reciprocal = _strict(_pg.reciprocal, _UNARY)
round = _strict(_pg.round, _UNARY)
sign = _strict(_pg.sign, _UNARY)
signbit = _strict(_pg.signbit, _UNARY)
sin = _strict(_pg.sin, _UNARY)
sinh = _strict(_pg.sinh, _UNARY)
sqrt = _strict(_pg.sqrt, _UNARY)
square = _strict(_pg.square, _UNARY)
tan = _strict(_pg.tan, _UNARY)
tanh = _strict(_pg.tanh, _UNARY)
trunc = _strict(_pg.trunc, _UNARY)

add = _strict(_pg.add, _BINARY, numbers=True)
atan2 = _strict(_pg.atan2, _BINARY, numbers=True)
bitwise_and = _strict(_pg.bitwise_and, _BINARY, numbers=True)
bitwise_left_shift = _strict(_pg.bitwise_left_shift, _BINARY, numbers=True)
bitwise_or = _strict(_pg.bitwise_or, _BINARY, numbers=True)
bitwise_right_shift = _strict(_pg.bitwise_right_shift, _BINARY, numbers=True)
bitwise_xor = _strict(_pg.bitwise_xor, _BINARY, numbers=True)
copysign = _strict(_pg.copysign, _BINARY, numbers=True)
divide = _strict(_pg.divide, _BINARY, numbers=True)
equal = _strict(_pg.equal, _BINARY, numbers=True)
floor_divide = _strict(_pg.floor_divide, _BINARY, numbers=True)
greater = _strict(_pg.greater, _BINARY, numbers=True)
greater_equal = _strict(_pg.greater_equal, _BINARY, numbers=True)
hypot = _strict(_pg.hypot, _BINARY, numbers=True)
less = _strict(_pg.less, _BINARY, numbers=True)
less_equal = _strict(_pg.less_equal, _BINARY, numbers=True)
logaddexp = _strict(_pg.logaddexp, _BINARY, numbers=True)
logical_and = _strict(_pg.logical_and, _BINARY, numbers=True)
logical_or = _strict(_pg.logical_or, _BINARY, numbers=True)
logical_xor = _strict(_pg.logical_xor, _BINARY, numbers=True)
maximum = _strict(_pg.maximum, _BINARY, numbers=True)
minimum = _strict(_pg.minimum, _BINARY, numbers=True)
multiply = _strict(_pg.multiply, _BINARY, numbers=True)
nextafter = _strict(_pg.nextafter, _BINARY, numbers=True)
not_equal = _strict(_pg.not_equal, _BINARY, numbers=True)
pow = _strict(_pg.pow, _BINARY, numbers=True)
remainder = _strict(_pg.remainder, _BINARY, numbers=True)
subtract = _strict(_pg.subtract, _BINARY, numbers=True)
clip = _strict(_pg.clip, _signature(lambda x, /, min=None, max=None: None))

# ---- creation

arange = _strict(_pg.arange, _signature(lambda start, /, stop=None, step=1, *, dtype=None, device=None: None))
asarray = _strict(_pg.asarray, _signature(lambda obj, /, *, dtype=None, device=None, copy=None: None))
empty = _strict(_pg.empty, _SHAPED)
ones = _strict(_pg.ones, _SHAPED)
zeros = _strict(_pg.zeros, _SHAPED)
empty_like = _strict(_pg.empty_like, _LIKE)
ones_like = _strict(_pg.ones_like, _LIKE)
zeros_like = _strict(_pg.zeros_like, _LIKE)
eye = _strict(_pg.eye, _signature(lambda n_rows, n_cols=None, /, *, k=0, dtype=None, device=None: None))
from_dlpack = _strict(_pg.from_dlpack, _signature(lambda x, /, *, device=None, copy=None: None))
full = _strict(_pg.full, _signature(lambda shape, fill_value, *, dtype=None, device=None: None))
full_like = _strict(_pg.full_like, _signature(lambda x, /, fill_value, *, dtype=None, device=None: None))
linspace = _strict(
    _pg.linspace, _signature(lambda start, stop, /, num, *, dtype=None, device=None, endpoint=True: None)
)
meshgrid = _strict(_pg.meshgrid, _signature(lambda *arrays, indexing="xy": None))
tril = _strict(_pg.tril, _TRIANGLE)
triu = _strict(_pg.triu, _TRIANGLE)

# ---- dtypes

astype = _strict(_pg.astype, _signature(lambda x, dtype, /, *, copy=True, device=None: None))
can_cast = _strict(_pg.can_cast, _signature(lambda from_, to, /: None))
finfo = _strict(_pg.finfo, _LIMITS)
iinfo = _strict(_pg.iinfo, _LIMITS)
isdtype = _strict(_pg.isdtype, _signature(lambda dtype, kind: None))
result_type = _strict(_pg.result_type, _signature(lambda *arrays_and_dtypes: None))

# ---- indexing, searching, sorting, sets

take = _strict(_pg.take, _signature(lambda x, indices, /, *, axis=None: None))
take_along_axis = _strict(_pg.take_along_axis, _signature(lambda x, indices, /, *, axis=-1: None))
argmax = _strict(_pg.argmax, _REDUCTION)
argmin = _strict(_pg.argmin, _REDUCTION)
count_nonzero = _strict(_pg.count_nonzero, _REDUCTION)
nonzero = _strict(_pg.nonzero, _UNARY)
searchsorted = _strict(_pg.searchsorted, _signature(lambda x1, x2, /, *, side="left", sorter=None: None))
where = _strict(_pg.where, _signature(lambda condition, x1, x2, /: None), numbers=True)
argsort = _strict(_pg.argsort, _SORTING)
sort = _strict(_pg.sort, _SORTING)
unique_all = _strict(_pg.unique_all, _UNARY)
unique_counts = _strict(_pg.unique_counts, _UNARY)
unique_inverse = _strict(_pg.unique_inverse, _UNARY)
unique_values = _strict(_pg.unique_values, _UNARY)

# ---- products

matmul = _strict(_pg.matmul, _BINARY)
matrix_transpose = _strict(_pg.matrix_transpose, _UNARY)
tensordot = _strict(_pg.tensordot, _signature(lambda x1, x2, /, *, axes=2: None))
vecdot = _strict(_pg.vecdot, _signature(lambda x1, x2, /, *, axis=-1: None))

# ---- manipulation

broadcast_arrays = _strict(_pg.broadcast_arrays, _signature(lambda *arrays: None))
broadcast_to = _strict(_pg.broadcast_to, _signature(lambda x, /, shape: None))
concat = _strict(_pg.concat, _signature(lambda arrays, /, *, axis=0: None))
expand_dims = _strict(_pg.expand_dims, _signature(lambda x, /, axis: None))
flip = _strict(_pg.flip, _signature(lambda x, /, *, axis=None: None))
moveaxis = _strict(_pg.moveaxis, _signature(lambda x, source, destination, /: None))
permute_dims = _strict(_pg.permute_dims, _signature(lambda x, /, axes: None))
repeat = _strict(_pg.repeat, _signature(lambda x, repeats, /, *, axis=None: None))
reshape = _strict(_pg.reshape, _signature(lambda x, /, shape, *, copy=None: None))
roll = _strict(_pg.roll, _signature(lambda x, /, shift, *, axis=None: None))
squeeze = _strict(_pg.squeeze, _signature(lambda x, /, axis: None))
stack = _strict(_pg.stack, _signature(lambda arrays, /, *, axis=0: None))
tile = _strict(_pg.tile, _signature(lambda x, repetitions, /: None))
unstack = _strict(_pg.unstack, _signature(lambda x, /, *, axis=0: None))

# ---- statistics and truth

cumulative_prod = _strict(_pg.cumulative_prod, _RUNNING)
cumulative_sum = _strict(_pg.cumulative_sum, _RUNNING)
max = _strict(_pg.max, _REDUCTION)
mean = _strict(_pg.mean, _REDUCTION)
min = _strict(_pg.min, _REDUCTION)
prod = _strict(_pg.prod, _SUM)
sum = _strict(_pg.sum, _SUM)
std = _strict(_pg.std, _VARIANCE)
var = _strict(_pg.var, _VARIANCE)
all = _strict(_pg.all, _REDUCTION)
any = _strict(_pg.any, _REDUCTION)
diff = _strict(_pg.diff, _signature(lambda x, /, *, axis=-1, n=1, prepend=None, append=None: None))

__array_namespace_info__ = _pg.__array_namespace_info__

__all__ = sorted(name for name in globals() if not name.startswith("_"))
