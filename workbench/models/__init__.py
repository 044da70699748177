"""Models: what p(x | theta) can be, and the one prior of its parameters."""

from workbench.models.components import Components, Regularity
from workbench.models.families import FAMILIES, Bernoulli, Categorical, Family, Gaussian, Poisson, Product
from workbench.models.hyperparameters import PriorError
from workbench.models.mixture import Mixture
from workbench.models.prior import Prior
from workbench.models.terms import Expectation, Statistics, Terms

__all__ = [
    "FAMILIES",
    "Bernoulli",
    "Categorical",
    "Components",
    "Expectation",
    "Family",
    "Gaussian",
    "Mixture",
    "Poisson",
    "Prior",
    "PriorError",
    "Product",
    "Regularity",
    "Statistics",
    "Terms",
]
