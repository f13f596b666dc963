"""A bounded reader of ONNX files, which needs no other package than NumPy."""

from .external import Directory, check_location
from .model import (
    Attribute,
    Dim,
    Function,
    Graph,
    Model,
    Node,
    OpaqueType,
    OptionalType,
    SequenceType,
    TensorType,
    Type,
    ValueInfo,
)
from .parse import read
from .tensors import External, SparseTensor, Tensor
from .types import ELEMENT_TYPES, ElementType, code_of, type_name
