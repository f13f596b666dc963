"""The layers, one family per file."""

from .activations import GELU, ReLU, Sigmoid, SiLU, Tanh
from .conv import Conv2d
from .dropout import Dropout
from .embedding import Embedding
from .linear import Linear
from .loss_modules import BCEWithLogitsLoss, CrossEntropyLoss, MSELoss
from .normalization import BatchNorm2d, LayerNorm
from .pooling import AvgPool2d, MaxPool2d
from .shape import Flatten

__all__ = [
    "GELU",
    "AvgPool2d",
    "BCEWithLogitsLoss",
    "BatchNorm2d",
    "Conv2d",
    "CrossEntropyLoss",
    "Dropout",
    "Embedding",
    "Flatten",
    "LayerNorm",
    "Linear",
    "MSELoss",
    "MaxPool2d",
    "ReLU",
    "SiLU",
    "Sigmoid",
    "Tanh",
]
