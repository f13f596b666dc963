"""pg_nn: modules, losses, optimizers, data loading and checkpoints for pequegrad.

>>> import pequegrad as pg, pg_nn as nn
>>> model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
>>> model(pg.ones((2, 4))).shape
(2, 3)
"""

from . import data, errors, functional, initializers, losses, optim, transforms
from .apply import apply_to_module, functional_call, value_and_grad
from .checkpoint import load_checkpoint, load_safetensors, save_checkpoint, save_safetensors
from .containers import ModuleDict, ModuleList, Sequential
from .data import DataLoader, Dataset, TensorDataset, collate
from .layers import (
    GELU,
    AvgPool2d,
    BatchNorm2d,
    BCEWithLogitsLoss,
    Conv2d,
    CrossEntropyLoss,
    Dropout,
    Embedding,
    Flatten,
    LayerNorm,
    Linear,
    MaxPool2d,
    MSELoss,
    ReLU,
    Sigmoid,
    SiLU,
    Tanh,
)
from .losses import binary_cross_entropy_with_logits, cross_entropy, mse_loss
from .module import Parameter, StatefulModule
from .optim import SGD, Adam, AdamState, AdamW, SGDState, adam, adamw, sgd

__version__ = "0.1.0"

__all__ = [
    "GELU",
    "SGD",
    "Adam",
    "AdamState",
    "AdamW",
    "AvgPool2d",
    "BCEWithLogitsLoss",
    "BatchNorm2d",
    "Conv2d",
    "CrossEntropyLoss",
    "DataLoader",
    "Dataset",
    "Dropout",
    "Embedding",
    "Flatten",
    "LayerNorm",
    "Linear",
    "MSELoss",
    "MaxPool2d",
    "ModuleDict",
    "ModuleList",
    "Parameter",
    "ReLU",
    "SGDState",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "StatefulModule",
    "Tanh",
    "TensorDataset",
    "adam",
    "adamw",
    "apply_to_module",
    "binary_cross_entropy_with_logits",
    "collate",
    "cross_entropy",
    "data",
    "errors",
    "functional",
    "functional_call",
    "initializers",
    "load_checkpoint",
    "load_safetensors",
    "losses",
    "mse_loss",
    "optim",
    "save_checkpoint",
    "save_safetensors",
    "sgd",
    "transforms",
    "value_and_grad",
]
