"""Data: what is observed, where it came from, and how it gets in."""

from workbench.data.dataset import DataError, Dataset

__all__ = ["DataError", "Dataset"]
