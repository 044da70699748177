"""Inference methods: one file or folder a method, one row here."""

from workbench.inference.em import EM
from workbench.inference.em.annealed import AnnealedEM
from workbench.inference.em.hard import HardEM
from workbench.inference.em.incremental import IncrementalEM
from workbench.inference.em.sampled import SampledEM
from workbench.inference.em.stochastic import StochasticEM
from workbench.inference.exact import Exact
from workbench.inference.gibbs import Gibbs
from workbench.inference.gradient import Gradient
from workbench.inference.imported import Imported
from workbench.inference.kmeans import KMeans
from workbench.inference.method import Clock, Context, Method
from workbench.inference.options import answer_unknown_options
from workbench.inference.pathfinder import Pathfinder
from workbench.inference.pymc import ADVI, NUTS, FullRankADVI
from workbench.inference.smc import SMC
from workbench.inference.vbem import VBEM

METHODS: dict[str, type[Method]] = {
    "em": EM,
    "hard_em": HardEM,
    "kmeans": KMeans,
    "annealed_em": AnnealedEM,
    "incremental_em": IncrementalEM,
    "stochastic_em": StochasticEM,
    "sampled_em": SampledEM,
    "gradient": Gradient,
    "vbem": VBEM,
    "advi": ADVI,
    "fullrank_advi": FullRankADVI,
    "pathfinder": Pathfinder,
    "nuts": NUTS,
    "gibbs": Gibbs,
    "smc": SMC,
    "exact": Exact,
    "imported": Imported,
}
answer_unknown_options(METHODS)

__all__ = [
    "ADVI",
    "EM",
    "METHODS",
    "NUTS",
    "SMC",
    "VBEM",
    "AnnealedEM",
    "Clock",
    "Context",
    "Exact",
    "FullRankADVI",
    "Gibbs",
    "Gradient",
    "HardEM",
    "Imported",
    "IncrementalEM",
    "KMeans",
    "Method",
    "Pathfinder",
    "SampledEM",
    "StochasticEM",
]
