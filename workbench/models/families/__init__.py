"""What p(x | theta) can be: one file a family, one row here."""

from workbench.models.families.bernoulli import Bernoulli
from workbench.models.families.categorical import Categorical
from workbench.models.families.family import Family
from workbench.models.families.gaussian import Gaussian
from workbench.models.families.poisson import Poisson
from workbench.models.families.product import Product

FAMILIES: dict[str, type[Family]] = {
    "gaussian": Gaussian,
    "bernoulli": Bernoulli,
    "categorical": Categorical,
    "poisson": Poisson,
    "product": Product,
}

__all__ = ["FAMILIES", "Bernoulli", "Categorical", "Family", "Gaussian", "Poisson", "Product"]
