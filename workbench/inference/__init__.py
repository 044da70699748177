"""Inference methods: one file or folder a method, one row here."""

from workbench.inference.em import EM
from workbench.inference.method import Clock, Context, Method
from workbench.inference.pymc import ADVI, NUTS, FullRankADVI

METHODS: dict[str, type[Method]] = {
    "em": EM,
    "advi": ADVI,
    "fullrank_advi": FullRankADVI,
    "nuts": NUTS,
}

__all__ = ["ADVI", "EM", "METHODS", "NUTS", "Clock", "Context", "FullRankADVI", "Method"]
