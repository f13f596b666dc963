"""Datasets and the loader that makes batches of them."""

from .collate import collate
from .dataset import Dataset, TensorDataset
from .loader import DataLoader

__all__ = ["DataLoader", "Dataset", "TensorDataset", "collate"]
