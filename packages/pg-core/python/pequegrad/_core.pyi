"""The private extension: what the Python modules above it rely on. Nothing outside this package imports it.

Written by hand; ci/check_stubs.py compares it with the extension.
"""
# Size: one module of C++, which has one stub.

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, final, type_check_only

import numpy as np
from typing_extensions import disjoint_base

from pequegrad._methods import Tensor as Tensor
from pequegrad.device import Device
from pequegrad.dt import DType
from pequegrad.jit import Explanation
from pequegrad.tracing import Options

# dtypes cross this border as their code (position in types/dtype.h), devices as a pair (kind: 0 cpu | 1 cuda, index).

@type_check_only
class RawTensor:
    """What the extension itself implements of Tensor: a rebindable handle to an immutable node. The extension's type is
    a mutable heap type, to which Python attaches the methods of the class ``_methods.Tensor``.

    ``Tensor(data, dtype=None, device=None)`` calls the hook ``convert(data, dtype, device)``, which returns a Tensor.
    Number operators and comparisons are slots: they promote, broadcast, and take Python numbers as weak operands.
    An operand that is neither a Tensor nor a number is given to the hook ``operand(x)`` (a Tensor or NotImplemented).
    """

    def __init__(self, data: Any, dtype: Any = None, device: Any = None) -> None: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def ndim(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def T(self) -> Tensor: ...
    @property
    def dtype(self) -> DType: ...  # the object registered under the code
    @property
    def device(self) -> Device: ...  # from the registered factory, cached
    @property
    def weak(self) -> bool: ...
    @property
    def is_abstract(self) -> bool: ...
    @property
    def is_donated(self) -> bool: ...
    def eval(self) -> Tensor: ...
    def item(self) -> Any: ...  # bool, int or float, as the dtype says
    def detach(self) -> Tensor: ...
    def __complex__(self) -> complex: ...
    def __add__(self, other: Any) -> Tensor: ...
    def __radd__(self, other: Any) -> Tensor: ...
    def __sub__(self, other: Any) -> Tensor: ...
    def __rsub__(self, other: Any) -> Tensor: ...
    def __mul__(self, other: Any) -> Tensor: ...
    def __rmul__(self, other: Any) -> Tensor: ...
    def __matmul__(self, other: Any) -> Tensor: ...
    def __rmatmul__(self, other: Any) -> Tensor: ...
    def __truediv__(self, other: Any) -> Tensor: ...
    def __rtruediv__(self, other: Any) -> Tensor: ...
    def __floordiv__(self, other: Any) -> Tensor: ...
    def __rfloordiv__(self, other: Any) -> Tensor: ...
    def __mod__(self, other: Any) -> Tensor: ...
    def __rmod__(self, other: Any) -> Tensor: ...
    def __pow__(self, other: Any) -> Tensor: ...
    def __rpow__(self, other: Any) -> Tensor: ...
    def __and__(self, other: Any) -> Tensor: ...
    def __rand__(self, other: Any) -> Tensor: ...
    def __or__(self, other: Any) -> Tensor: ...
    def __ror__(self, other: Any) -> Tensor: ...
    def __xor__(self, other: Any) -> Tensor: ...
    def __rxor__(self, other: Any) -> Tensor: ...
    def __lshift__(self, other: Any) -> Tensor: ...
    def __rlshift__(self, other: Any) -> Tensor: ...
    def __rshift__(self, other: Any) -> Tensor: ...
    def __rrshift__(self, other: Any) -> Tensor: ...
    def __neg__(self) -> Tensor: ...
    def __pos__(self) -> Tensor: ...
    def __abs__(self) -> Tensor: ...
    def __invert__(self) -> Tensor: ...
    def __eq__(self, other: object) -> Tensor: ...  # type: ignore[override]
    def __ne__(self, other: object) -> Tensor: ...  # type: ignore[override]
    def __lt__(self, other: Any) -> Tensor: ...
    def __le__(self, other: Any) -> Tensor: ...
    def __gt__(self, other: Any) -> Tensor: ...
    def __ge__(self, other: Any) -> Tensor: ...
    def __iadd__(self, other: Any) -> Tensor: ...
    def __isub__(self, other: Any) -> Tensor: ...
    def __imul__(self, other: Any) -> Tensor: ...
    def __itruediv__(self, other: Any) -> Tensor: ...
    def __ifloordiv__(self, other: Any) -> Tensor: ...
    def __imod__(self, other: Any) -> Tensor: ...
    def __iand__(self, other: Any) -> Tensor: ...
    def __ior__(self, other: Any) -> Tensor: ...
    def __ixor__(self, other: Any) -> Tensor: ...
    def __divmod__(self, other: Any) -> tuple[Tensor, Tensor]: ...
    def __rdivmod__(self, other: Any) -> tuple[Tensor, Tensor]: ...
    def __len__(self) -> int: ...
    def __bool__(self) -> bool: ...
    def __int__(self) -> int: ...
    def __float__(self) -> float: ...
    def __index__(self) -> int: ...
    def __hash__(self) -> int: ...  # identity

# ---- hooks: Python objects the extension hands out or asks

def set_hooks(
    *,
    dtypes: Sequence[DType],  # by code
    device: Callable[[int, int], Device],  # (kind, index) -> Device
    convert: Callable[[Any, Any, Any], Tensor],  # Tensor(...)
    operand: Callable[[Any], Any],  # foreign operand of an operator
    errors: Mapping[str, type[Exception]],  # ErrorKind name -> class
    package_path: str,  # code below it is ours: locations name the nearest frame outside
) -> None: ...

# ---- nodes

def apply(op: str, inputs: Sequence[Tensor], attrs: Sequence[int] = ...) -> Tensor:
    """One node of a record; operands must fit as the record says (no promotion, no broadcasting)."""

def elementwise(op: str, *operands: Any) -> Tensor:
    """Promote operands (Tensors and Python or NumPy numbers) to one dtype, broadcast them to one shape, apply.

    ``where`` keeps its first operand out of the promotion."""

def matmul(x: Tensor, y: Tensor) -> Tensor:
    """The matrix product of the last two axes, the others broadcast; a vector counts as a row on the left, as a column
    on the right."""

def reduce(op: str, x: Tensor, axis: Any, keepdims: bool) -> Tensor:
    """A reduction over an axis, several, or all (None)."""

def take_rows(x: Any, index: Any) -> Tensor | None:
    """x[index] for a tensor of int32 or int64; None for any other index."""

def take_along_axis(x: Any, index: Any, axis: int) -> Tensor | None:
    """The elements that int64 indices of the same extents beside the axis name; None for any others."""

def join(tensors: Any, axis: Any) -> Tensor | None:
    """A few tensors of one dtype one after the other; None for any others."""

def draw(key: Any, number: Tensor | int | None, shape: Sequence[int], word: int) -> Tensor | None:
    """Random uint32 of a key, or of the key that it and a number make: a word of the cipher, or both xored (2). None for
    what is no key, and for shapes of 2**32 elements."""

def fold_in(key: Any, number: Any) -> Tensor | None:
    """The key that a key and a uint32 make; None for anything else."""

def full_like(value: bool | int | float | complex, x: Tensor) -> Tensor:
    """A filled literal of the shape, dtype and device of a tensor."""

def promote(*operands: Any) -> tuple[int, bool]:
    """The dtype code and weakness that ``elementwise`` would choose."""

def astype(x: Tensor, dtype: int) -> Tensor: ...  # the result is strong
def broadcast_to(x: Tensor, shape: Sequence[int]) -> Tensor: ...  # NumPy's rule
def number(value: bool | int | float | complex, dtype: int, weak: bool, shape: Sequence[int], device: tuple[int, int]) -> Tensor:
    """A filled tensor: a run-time number outside a jit trace, a literal inside."""

def full(value: bool | int | float | complex, dtype: int, weak: bool, shape: Sequence[int], device: tuple[int, int]) -> Tensor:
    """A filled literal: its value is part of the program."""

def to_device(x: Tensor, device: tuple[int, int]) -> Tensor: ...
def rebind(handle: Tensor, value: Tensor) -> None:
    """Let the handle name another node; inside jit a captured handle becomes a hidden output."""

def op_names() -> list[str]: ...
def op_doc(op: str) -> str: ...
def op_rules(op: str) -> dict[str, Any]:
    """Which rules of transforms a record states: arity, facts, joint, transpose, jvp, batch."""

# ---- data in and out

def from_numpy(array: np.ndarray, dtype: int, copy: bool, device: tuple[int, int] = (0, 0)) -> Tensor:
    """Any strides, any byte order already native; bfloat16 travels as uint16. copy=False aliases a C-contiguous array."""

def to_numpy(x: Tensor) -> np.ndarray:
    """Evaluates; a read-only view that keeps the buffer alive (uint16 for bfloat16)."""

def item(x: Tensor) -> Any: ...  # of a one-element tensor: bool, int or float
def to_dlpack(  # a capsule "dltensor" or "dltensor_versioned"
    x: Tensor, versioned: bool = False, stream: int | None = None, copied: bool = False
) -> Any: ...
def from_dlpack(capsule: Any) -> Tensor: ...
def eval_many(trees: Any, flatten: Callable[[Any], list[Any]]) -> None:
    """Compute the tensors of pytrees as one program; ``flatten`` takes apart what is no tuple or list."""

# ---- traces and differentiation (transforms.md 2.1). Handles stand for nodes.

class Trace:
    """``with Trace(abstract) as t``: nodes made inside carry serials and are interned.

    An abstract trace has placeholders. It captures handles from outside as hidden inputs (jit), unless ``captures=False``
    (vmap)."""

    def __init__(self, abstract: bool, captures: bool | None = None) -> None: ...
    def __enter__(self) -> Trace: ...
    def __exit__(self, *exc: object) -> None: ...
    def alias(self, x: Tensor) -> Tensor: ...
    def param(self, shape: Sequence[int], dtype: int, weak: bool, device: tuple[int, int]) -> Tensor: ...
    def batch(
        self, outs: Sequence[Tensor], params: Sequence[Tensor], values: Sequence[Tensor], size: int
    ) -> list[tuple[Tensor, bool]]:
        """Closes a vmap trace: the outputs for every example, batch axis first, and whether they differ between examples."""

class Pullback:
    def __call__(self, cotangents: Sequence[Tensor | None]) -> list[Tensor | None]: ...
    def push(self, tangents: Sequence[Tensor | None]) -> list[Tensor | None]: ...
    def push_many(self, tangents: Sequence[Tensor], size: int) -> list[tuple[Tensor | None, bool]]: ...

def vjp(outs: Sequence[Tensor], stand_ins: Sequence[Tensor], inputs: Sequence[Tensor]) -> tuple[list[Tensor], Pullback]:
    """Rebuild ``outs`` with every stand-in replaced by its input; the pullback transposes the linear part. None is zero."""

def jvp(
    outs: Sequence[Tensor],
    stand_ins: Sequence[Tensor],
    inputs: Sequence[Tensor],
    tangents: Sequence[Tensor | None],
) -> tuple[list[Tensor], list[Tensor | None]]: ...

def jet(
    outs: Sequence[Tensor],
    stand_ins: Sequence[Tensor],
    coefficients: Sequence[Sequence[Tensor | None]],
    order: int,
) -> list[list[Tensor | None]]:
    """Taylor coefficients 0 ... order of the outputs, given those of the inputs. None is zero."""

# ---- control flow and functions of the host

class Body:
    """``with Body() as b``: the trace of a body, to be closed afterwards. Nodes made before are not found inside."""

    def __init__(self) -> None: ...
    def __enter__(self) -> Body: ...
    def __exit__(self, *exc: object) -> None: ...
    def param(self, shape: Sequence[int], dtype: int, weak: bool, device: tuple[int, int]) -> Tensor: ...
    def bind(self, handle: Tensor, value: Tensor) -> None:
        """A handle from outside names another value while the body is open."""

    @property
    def written(self) -> list[tuple[Tensor, Tensor]]:
        """Handles from outside that the body rebound, with their last values; they name the old ones again."""

@final
class ClosedBody:
    """A closed graph; equal ones have one id."""

    @property
    def id(self) -> int: ...
    @property
    def num_nodes(self) -> int: ...

_Parts = tuple[Body, Sequence[Tensor], Sequence[Tensor]]  # of a traced function: body, params, results

def close_bodies(bodies: Sequence[_Parts]) -> tuple[list[ClosedBody], list[Tensor]]:
    """Closed over one list of captures, which are the first inputs of each."""

def close_custom_jvp(body: _Parts, rule: _Parts) -> tuple[list[ClosedBody], list[Tensor]]:
    """The rule: (arguments, results, tangents of arguments) -> tangents of results."""

def lower_products(body: ClosedBody, operands: Sequence[Tensor], dtype: int) -> list[Tensor]: ...
def close_custom_vjp(body: _Parts, forward: _Parts, backward: _Parts) -> tuple[list[ClosedBody], list[Tensor]]:
    """forward: arguments -> (results, residuals); backward: (residuals, cotangents) -> cotangents of arguments."""

def register_rewrite(
    name: str,
    example: ClosedBody,
    at: Callable[[Sequence[tuple[tuple[int, ...], int, tuple[int, int]]]], tuple[ClosedBody, ClosedBody] | None],
) -> int:
    """A pattern for some types, and what answers (pattern, replacement) for others: (shape, dtype code, device) of each
    operand. For the whole process, until unregister_rewrite is called with the number."""

def unregister_rewrite(number: int) -> bool: ...
def pattern_fault(example: ClosedBody) -> str: ...  # why a pattern cannot be looked for; "" when it can
def control(op: str, bodies: Sequence[ClosedBody], operands: Sequence[Tensor], attrs: Sequence[int]) -> list[Tensor]:
    """All results of a record that holds bodies (ops/control.h); outside of traces they are computed at once."""

class NativeKernel:
    """A compiled function void(void** buffers, const int64_t* shapes, const double* attributes) for host_call; ``owner``
    keeps its code in memory."""

    def __init__(self, name: str, address: int, attributes: Sequence[float], owner: Any) -> None: ...

def factorisation(f: Callable[..., Any], name: str, path: str) -> NativeKernel:
    """A function on NumPy arrays that LAPACK's routine of that name, in the library at the path, stands in for; the
    function itself where there is no such routine or library, and for what the routine refuses."""

def host_call(
    f: Callable[..., Any] | NativeKernel, operands: Sequence[Tensor], types: Sequence[tuple[Sequence[int], int]], vectorized: bool
) -> list[Tensor]:
    """All results of a Python function on NumPy copies of its operands, at once outside of traces, as an op inside.

    ``f(*arrays)`` returns one array, or a list or tuple of them, of the announced types (shape, dtype code); other
    dtypes of the same kind are converted. It must be pure. ``vectorized``: it takes further leading axes, the same on
    all operands and results, so that vmap calls it once; else it is called for one example after the other. Programs
    are found again for the same object ``f``, so pass functions of a module, not fresh closures. bfloat16 travels as
    uint16. No derivative: wrap it in custom_vjp or custom_jvp."""

def call_body(body: ClosedBody, operands: Sequence[Tensor]) -> list[Tensor]:
    """The results of a closed body's records on operands, captures first, as if its function were called."""

def is_free(x: Tensor) -> bool: ...  # stands for itself, outside of all traces
def trace_open() -> bool: ...  # any trace on this thread
def same_node(a: Tensor, b: Tensor) -> bool: ...

# ---- jit

_Guard = Callable[[], str | None] | tuple[str, Any, Any, Any, str]

class GraphTrace:
    """The closed graph between params and outs; prints one line per record. Placeholders of captured tensors are inputs too."""

    def __init__(self, params: Sequence[Tensor], outs: Sequence[Tensor]) -> None: ...
    @property
    def num_inputs(self) -> int: ...
    @property
    def num_nodes(self) -> int: ...
    @property
    def inputs(self) -> list[int]: ...  # positions in records
    @property
    def outputs(self) -> list[int]: ...
    @property
    def records(
        self,
    ) -> list[
        tuple[
            str,
            list[int],
            str,
            list[int],
            int,
            str,
            tuple[str, int, str],
            list[tuple[str, GraphTrace]],
            list[int],
        ]
    ]:
        """Of every record: op, operands, attributes, shape, dtype code, kind (elementwise, view, reduction, call,
        constant, input), where it was called (file, line, function), its sub-graphs with what they are for, and its
        attribute words without those that name sub-graphs."""

    @property
    def captured(self) -> list[Tensor]: ...  # behind the inputs after the arguments

    def __str__(self) -> str: ...

@disjoint_base
class JitFunction:
    """Callable. Matches the arguments against its entries, the one used last first; on a miss it calls
    ``miss(jit_function, args, kwargs)``, which must return a JitEntry, stores that and runs it. The entry used longest
    ago is dropped when there are more than ``max_entries``.

    It is a descriptor like a function, so that it works as a method, and keeps attributes. Inside a trace, abstract or
    not, it calls the Python function, so that it is differentiated and compiled with what surrounds it.
    """

    def __init__(self, function: Callable[..., Any], miss: Callable[..., JitEntry], max_entries: int = 64) -> None: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...
    @property
    def function(self) -> Callable[..., Any]: ...
    @property
    def max_entries(self) -> int: ...
    @property
    def entries(self) -> list[JitEntry]: ...  # the one used last at the end
    @property
    def traces(self) -> int: ...  # how often it was traced
    @property
    def retrace_reason(self) -> str: ...  # why it was traced the last time
    @property
    def reasons(self) -> list[str]:
        """Why it was traced again, oldest first; the last 64."""

    def entry(self, *args: Any, **kwargs: Any) -> JitEntry:
        """The program that a call with these arguments would run; traces when there is none."""

    def clear(self) -> None: ...
    def __get__(self, instance: Any, owner: Any = None, /) -> Any: ...

    # Attached by jit.py.
    options: Options
    explain: ClassVar[Callable[..., Explanation]]

@final
class JitEntry:
    """One traced program.

    A *spec* is a nested tuple, walked along the arguments (the pair ``(args, kwargs)``) without building anything:
      ("tensor", shape, dtype code, weak, device pair)   an input; an array is converted at every call
      ("float",) | ("int",)                              exact Python (or NumPy scalar) number: a rank-0 weak input;
                                                         ("float", True) | ("int", True): no NumPy scalar
      ("static", value)                                  same type and equal; NaN, -0.0 by bits
      ("none",)
      ("tuple", (spec, ...)) | ("list", (spec, ...)) | ("dict", (key, ...), (spec, ...))     exact types
      ("object", type, flatten, aux, (spec, ...))        flatten(x) -> (children, aux); aux compared as static values are
      ("fields", type, (name, ...), (spec, ...))         attributes of an object of this exact type
    Keys of a dict are best given in the order of insertion: equal orders need no look-up. Output specs use the same words
    with ("out", k) for output k of the program, ("object", type, unflatten, aux, ...), unflatten(aux, children) -> object,
    and ("fields", ...), which sets the attributes of a new object without calling __init__.

    params: placeholders of the trace in the order in which the walk meets tensors and numbers; outs: traced result leaves.
    Handles captured by the trace become hidden inputs, rebound captured handles and rebound placeholders hidden outputs:
    after a call the captured handle, or the tensor passed as that argument, names the new value.
    guards: what must still hold; each is a function that answers a reason to retrace or None, or a fact
    (kind, object, key, expected, what) that is checked without Python code: "cell" (the content of a closure cell), "item"
    (of a dict) or "attr" (of an object or of what a weak reference names). Facts hold for the same object, or for an equal
    one of the same type; tensors only for the same. ``what`` names the fact in reasons.
    """

    def __init__(
        self,
        trace: Trace,
        in_spec: Any,
        params: Sequence[Tensor],
        outs: Sequence[Tensor],
        out_spec: Any,
        guards: _Guard | Sequence[_Guard] | None = None,
        donated: Sequence[int] | None = None,  # params that a call gives away
    ) -> None: ...
    @property
    def in_spec(self) -> Any: ...
    @property
    def graph(self) -> GraphTrace: ...
    @property
    def reason(self) -> str | None: ...  # why the function was traced again
    custom_allocator: bool  # does the program take memory of GPUs from our own cache?
    @property
    def unused_donations(self) -> list[str]: ...  # types of donated tensors whose memory no result takes
    def skeleton(self) -> Any: ...  # the result with an ellipsis in the place of every tensor
    def changed(self) -> str | None:
        """Why a call with fitting arguments would be traced again."""

    def explain(self) -> str: ...
    def details(self) -> dict[str, Any]:
        """What explain() says: "kernels" (dicts of name, source, bytes, flops, tier), "library_calls" (dicts of
        name, text, attributes, bytes, flops), "control_flow" (what runs the kernels and calls of its bodies, each named
        once), "rules", "patterns" (times by name), "passes" (seconds by name), "bytes", "flops",
        "memory" (bytes of one run: "inputs", "outputs", "donated", "temporaries", "total", "live", "unshared"),
        "compile_seconds", "arguments", "hidden_inputs", "results", "hidden_outputs",
        "calls", "reason"."""

# ---- watching

def live_nodes() -> int: ...
def live_buffers() -> int: ...
def live_payloads() -> int: ...  # closed bodies and functions of the host
def set_nan_check(check: int) -> int:
    """What results are searched for: 0 nothing, 1 NaN, 2 also inf; answers what it was."""

def launches() -> int: ...  # groups executed so far in the process
def library_calls() -> dict[str, int]: ...  # matmul and conv so far: onednn, fallback
def counters() -> dict[str, int]: ...  # of the engine so far: kernels, calls, programs, builds, cached
def start_profile() -> bool: ...
def stop_profile() -> list[tuple[str, str, str, list[str], int, int, int, float, int]]: ...
def profile_time() -> int: ...
def clear_programs() -> None: ...  # empties the cache of compiled programs
def onednn_status() -> str: ...  # empty when oneDNN is in use, else why not
def onednn_enable(on: bool) -> None: ...
def set_codegen(mode: str) -> str:
    """Which kernels of programs made from now on get generated code: off, automatic, all; answers what it was."""

def finish_codegen() -> None: ...  # waits until no kernel is being generated
def codegen_status() -> dict[str, Any]: ...  # reason (empty: code can be generated), compiled, loaded, shared
def num_threads() -> int: ...
def set_num_threads(n: int) -> None: ...
def memory_stats() -> dict[str, int]: ...  # live_bytes, live_buffers, cached_bytes, held_bytes, peak_bytes, limit_bytes
def reset_peak() -> None: ...
def empty_cache() -> None: ...
def memory_limit() -> int: ...
def set_memory_limit(bytes: int) -> None: ...  # 0 restores the default
def env_help() -> str: ...  # the environment switches, one line each

# ---- CUDA

def cuda_prelude() -> str: ...  # what the text of every kernel begins with
def cuda_missing() -> str: ...  # empty when CUDA can be used; else what would help
def cuda_report() -> dict[str, Any]: ...  # driver, devices, libraries, missing
def cuda_device_count() -> int: ...  # 0 when CUDA cannot be used
def cuda_require(device: int) -> None: ...  # raises DeviceError when the GPU is not there
def cuda_synchronize(device: int) -> None: ...  # -1: all that were used
def cuda_memory_stats(device: int) -> dict[str, int]: ...
def cuda_reset_peak(device: int) -> None: ...
def cuda_empty_cache(device: int) -> None: ...
def cuda_set_allocator(name: str) -> str: ...  # of this thread; answers what it was
def cuda_allow_tf32(allow: bool) -> bool: ...  # answers what was allowed before
def cuda_stream(device: int) -> int: ...
def cuda_stream_synchronize(device: int, stream: int) -> None: ...
def cuda_stream_query(device: int, stream: int) -> bool: ...
def cuda_stream_wait(device: int, stream: int, event: int) -> None: ...
def cuda_event(device: int, timing: bool) -> int: ...
def cuda_event_record(device: int, event: int, stream: int) -> None: ...
def cuda_event_query(device: int, event: int) -> bool: ...
def cuda_event_synchronize(device: int, event: int) -> None: ...
def cuda_event_elapsed(device: int, begin: int, end: int) -> float: ...
def cuda_event_destroy(device: int, event: int) -> None: ...
def cuda_borrow(  # memory of another library; its stream is waited for
    owner: Any, pointer: int, shape: list[int], dtype: int, stream: int | None = None
) -> Tensor: ...
def cuda_pointer(x: Tensor) -> int: ...
def cuda_copy(x: Tensor) -> Tensor: ...  # on the same GPU
def cuda_set_graphs(name: str) -> str: ...  # answers what it was
def cuda_compile_counts() -> dict[str, int]: ...  # compiled, loaded, shared
