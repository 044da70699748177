"""Independent priors of means and covariances: conjugate each given the other, but not together."""

from workbench.models.families.gaussian.semiconjugate.axes import NormalAndInverseGamma, SphericalNormalAndInverseGamma
from workbench.models.families.gaussian.semiconjugate.matrices import NormalAndInverseWishart, TiedNormalAndInverseWishart
from workbench.models.families.gaussian.semiconjugate.prior import SemiConjugatePrior

__all__ = [
    "NormalAndInverseGamma",
    "NormalAndInverseWishart",
    "SemiConjugatePrior",
    "SphericalNormalAndInverseGamma",
    "TiedNormalAndInverseWishart",
]
