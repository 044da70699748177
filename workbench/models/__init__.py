"""Models: what p(x | theta) can be, and the one prior of its parameters."""

from workbench.models.components import Components, Regularity
from workbench.models.families import FAMILIES, Bernoulli, Family, Gaussian
from workbench.models.mixture import Mixture
from workbench.models.prior import Prior, PriorError
from workbench.models.terms import Expectation, Statistics, Terms

__all__ = [
    "FAMILIES",
    "Bernoulli",
    "Components",
    "Expectation",
    "Family",
    "Gaussian",
    "Mixture",
    "Prior",
    "PriorError",
    "Regularity",
    "Statistics",
    "Terms",
]
