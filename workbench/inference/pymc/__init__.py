"""PyMC: the only room where pymc, pytensor and nutpie are imported, and only inside a fit."""

from workbench.inference.pymc.advi import ADVI, FullRankADVI
from workbench.inference.pymc.nuts import NUTS

__all__ = ["ADVI", "NUTS", "FullRankADVI"]
