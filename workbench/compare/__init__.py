"""Comparison: fits in, numbers out, whatever method made the fit."""

from workbench.compare.cell import Cell, Failure

__all__ = ["Cell", "Failure"]
