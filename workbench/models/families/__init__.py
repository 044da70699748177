"""What p(x | theta) can be: one file a family, one row here."""

from workbench.models.families.bernoulli import Bernoulli
from workbench.models.families.family import Family
from workbench.models.families.gaussian import Gaussian

FAMILIES: dict[str, type[Family]] = {
    "gaussian": Gaussian,
    "bernoulli": Bernoulli,
}

__all__ = ["FAMILIES", "Bernoulli", "Family", "Gaussian"]
