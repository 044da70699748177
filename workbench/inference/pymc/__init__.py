"""PyMC: the only room where pymc, pytensor and nutpie are imported, and only inside a fit.

ADVI runs on PyMC's model. NUTS by nutpie runs on the same density, of which :mod:`~workbench.inference.pymc.charts` says the priors
and transforms in numbers; or, by ``likelihood: graph``, on PyMC's own graph.
"""

from workbench.inference.pymc.advi import ADVI, FullRankADVI
from workbench.inference.pymc.nuts import NUTS

__all__ = ["ADVI", "NUTS", "FullRankADVI"]
