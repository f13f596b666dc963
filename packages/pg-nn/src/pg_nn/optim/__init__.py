"""Optimizers, each as a function over pytrees and as an object that holds a model's parameters."""

from .adam import Adam, AdamState, AdamW, adam, adamw
from .sgd import SGD, SGDState, sgd

__all__ = ["SGD", "Adam", "AdamState", "AdamW", "SGDState", "adam", "adamw", "sgd"]
