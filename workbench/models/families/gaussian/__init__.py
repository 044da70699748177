"""Gaussian components: one file a covariance structure, one row in STRUCTURES."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from workbench.data import Dataset
from workbench.data.spelling import advice, there_are
from workbench.models.components import Components
from workbench.models.families.family import EMPTY, Family
from workbench.models.families.gaussian import imputed, moments
from workbench.models.families.gaussian.diagonal import DIAGONAL
from workbench.models.families.gaussian.full import FULL
from workbench.models.families.gaussian.kinds import KINDS
from workbench.models.families.gaussian.missing import LOG_2PI
from workbench.models.families.gaussian.quadratic import FullTerms
from workbench.models.families.gaussian.spherical import SPHERICAL
from workbench.models.families.gaussian.structure import Structure
from workbench.models.families.gaussian.tied import TIED
from workbench.models.hyperparameters import PriorError
from workbench.models.prior import ComponentsPrior, Prior
from workbench.models.shapes import Responsibilities, Rows
from workbench.models.terms import Statistics

STRUCTURES: dict[str, Structure] = {"full": FULL, "tied": TIED, "diagonal": DIAGONAL, "spherical": SPHERICAL}


@dataclass(frozen=True)
class Gaussian(Family):
    """Multivariate normal components (Bishop 2006, section 9.2); cells may be missing.

    Parameters
    ----------
    covariance : ``full`` (a covariance matrix each), ``tied`` (one matrix for all), ``diagonal`` (independent features) or
        ``spherical`` (one variance each)

    Hyperparameters
    ---------------
    concentration : of the Dirichlet over the weights; 1
    kind : ``conjugate`` (the means' covariance is the component's own over kappa; the default) or ``independent`` (it is V0, whatever
        the component's)
    mean : m0, of the means; the column means
    mean_strength : kappa, rows that the prior's mean counts for (conjugate); 0.01
    mean_covariance : V0, of the means (independent): rows of a matrix, with diagonal and spherical the features' variances, a number for
        all of them; 100 C (diagonal: its diagonal; spherical: its mean diagonal), whatever K
    dof : nu, degrees of freedom of the covariance; D + 2 (diagonal: 3)
    scale : Psi, of the covariance; C K ** (-2 / D) with C the data's covariance (diagonal: its diagonal; spherical: its mean diagonal)

    Notes
    -----
    With n = N_k the responsibilities of a component, xbar its mean, S its scatter about xbar, and S0 = S + n kappa / (n + kappa)
    (xbar - m0)(xbar - m0)':

    - p(x | k) = N(x | means_k, covariances_k), over the observed cells.
    - M step: means_k = xbar. Covariance: full S / n; tied sum_k S_k / N; diagonal S_dd / n; spherical tr S / (D n).
    - MAP: means_k = (n xbar + kappa m0) / (n + kappa). Covariance: full (Psi + S0) / (n + nu + D + 2); tied (Psi + sum_k S0_k) /
      (N + nu + K + D + 1); diagonal (Psi_d + S0_dd) / (n + nu + 3); spherical (Psi + tr S0) / (D n + nu + D + 2).
    - `prior: {kind: independent}`: means_k ~ N(m0, V0) and, independently, covariances inverse-Wishart(nu, Psi); variances of one
      dimension inverse-gamma(nu / 2, Psi / 2). Not conjugate: MAP's M step is one of covariances given the means,
      (Psi + S + n (xbar - means_k)(xbar - means_k)') / (n + nu + D + 1) (tied: summed over k; diagonal: n + nu + 2; spherical:
      D n + nu + 2), then of means given those, (V0^-1 + n P)^-1 (V0^-1 m0 + n P xbar) with P the inverse of the covariance: ECM,
      which never falls either. `gibbs` draws one given the other, `vbem` has q(means) q(covariances), `exact` refuses.
    - Units do not matter, as long as float64 has room for the squares of the data: columns with values beyond about 1e150, or within
      1e-150 of each other, are refused.
    - Singular: a component that collapses, where the likelihood has no bound. It is named and kept out of the best; no floor is
      added. With `objective: posterior` there is none.
    - Missing cells: full and tied condition on what was seen, pattern by pattern, with the conditional covariance in the M step;
      diagonal and spherical leave the cell out. A row without any cell adds to the weights alone.

    References
    ----------
    - Bishop, C. M. (2006). Pattern Recognition and Machine Learning. Springer, section 9.2.
    - Fraley, C. & Raftery, A. E. (2007). Bayesian regularization for normal mixture estimation and model-based clustering. Journal
      of Classification 24, 155-181 (the default prior).
    - Little, R. J. A. & Rubin, D. B. (2019). Statistical Analysis with Missing Data. Wiley, section 11.3.
    - Richardson, S. & Green, P. J. (1997). On Bayesian analysis of mixtures with an unknown number of components. Journal of the
      Royal Statistical Society B 59, 731-792 (the independent prior).
    - Meng, X.-L. & Rubin, D. B. (1993). Maximum likelihood estimation via the ECM algorithm: a general framework. Biometrika 80,
      267-278.
    - Hathaway, R. J. (1985). A constrained formulation of maximum-likelihood estimation for normal mixture distributions. Annals of
      Statistics 13, 795-800 (singular solutions).
    """

    name: ClassVar[str] = "gaussian"
    hyperparameters: ClassVar[tuple[str, ...]] = (*dict.fromkeys(key for kind in KINDS.values() for key in kind.keys), "kind")
    prior_kinds: ClassVar[tuple[str, ...]] = tuple(KINDS)

    covariance: Literal["full", "tied", "diagonal", "spherical"] = "full"

    def __post_init__(self) -> None:
        if self.covariance not in STRUCTURES:
            raise ValueError(f"there is no covariance {self.covariance!r}; {advice(self.covariance, STRUCTURES)}")

    @property
    def structure(self) -> Structure:
        return STRUCTURES[self.covariance]

    @property
    def components_type(self) -> type[Components]:
        return self.structure.components

    def refuses(self, data: Dataset) -> str | None:
        empty = np.isnan(data.x).all(axis=0)
        names = [name for name, none in zip(data.features, empty, strict=True) if none]
        if not names:
            return moments.out_of_scale(data)
        which = f"column {names[0]} has" if len(names) == 1 else f"columns {', '.join(names)} have"
        return f"{which} no observed cell, so nothing is known of its mean or variance; leave out what was never observed"

    def augmented(self, data: Dataset) -> np.ndarray:
        """Rows whose cells depend on each other given the label, some of them not observed."""
        empty = np.isnan(data.x)
        return np.asarray(empty.any(axis=1) & ~empty.all(axis=1) & (self.covariance in ("full", "tied")))

    def drawn_statistics(self, terms: Any, x: Rows, labels: Responsibilities, rng: np.random.Generator) -> Statistics:
        return imputed.drawn_statistics(terms, x, labels, rng) if isinstance(terms, FullTerms) else terms.statistics(x, labels)

    def no_closed_form(self, data: Dataset) -> str | None:
        partly = int(self.augmented(data).sum())
        if not partly:
            return None
        return (
            f"with covariance: {self.covariance} there is no closed form where only a part of a row was observed ({partly} rows); keep "
            "complete rows (data: {complete_rows: true}), use covariance: diagonal, or gibbs"
        )

    def log_base(self, data: Dataset) -> float:
        """-log(2 pi) / 2 for every observed cell."""
        return float(-LOG_2PI / 2.0 * (data.counts @ (~np.isnan(data.x)).sum(axis=1)))

    def statistics(self, data: Dataset, responsibilities: Responsibilities) -> Statistics:
        """Missing cells are expected as under the single Gaussian that the data are likeliest under."""
        centres = np.broadcast_to(moments.mean(data), (responsibilities.shape[-1], data.n_features))
        terms = self.around(centres, data).terms(np.ones(centres.shape[0]))
        return terms.statistics(data.x, responsibilities * data.counts[:, None])

    def maximise(self, statistics: Any) -> Components:
        return self.structure.maximise(statistics)

    def around(self, centres: np.ndarray, data: Dataset) -> Components:
        """Missing cells of ``centres`` are the means of their columns' observed ones."""
        covariance = moments.covariance(data)
        if moments.singular(covariance):
            covariance = np.diag(moments.spread(covariance))
        parameters = (moments.filled(centres, data), self.structure.spreads(covariance, centres.shape[:-1]))
        return self.components_type(**dict(zip(self.components_type.dims, parameters, strict=True)))

    def keys_with(self, given: Mapping[str, Any]) -> tuple[str, ...]:
        return ("concentration", *KINDS[_kind(given)].keys, "kind")

    def prior(self, numbers: Mapping[str, Any], n_components: int, data: Dataset) -> Prior:
        return super().prior({"kind": next(iter(KINDS)), **numbers}, n_components, data)

    def default_numbers(self, data: Dataset, n_components: int, given: Mapping[str, Any] = EMPTY) -> dict[str, Any]:
        kind = KINDS[_kind(given)]
        if set(kind.keys) <= given.keys():
            return {"concentration": 1.0}
        if (reason := self.refuses(data)) is not None:
            raise PriorError(f"no default prior: {reason}")
        covariance = moments.covariance(data)
        if not kind.of_covariance <= given.keys():
            try:
                self.structure.check(covariance, data.features)
            except PriorError as error:
                raise (error if data.complete else PriorError(f"{error}; too few cells observed together have the same effect")) from None
        shrunk = covariance * n_components ** (-2.0 / data.n_features)
        return {
            "concentration": 1.0,
            "mean": moments.mean(data).tolist(),
            **kind.spread(self.structure, covariance),
            "dof": self.structure.default_dof(data.n_features),
            "scale": self.structure.scale(shrunk).tolist(),
        }

    def components_prior(self, numbers: Mapping[str, Any], data: Dataset) -> ComponentsPrior:
        return KINDS[_kind(numbers)].prior(self.covariance, self.structure, numbers, data.n_features)

    def n_parameters(self, n_components: int, data: Dataset) -> int:
        return n_components - 1 + self.structure.n_parameters(n_components, data.n_features)

    def coordinates(self, data: Dataset, n_components: int) -> Prior:
        numbers = {
            "mean": moments.mean(data),
            "mean_strength": 1.0,
            "dof": data.n_features + 2.0,
            "scale": self.structure.scale(np.diag(moments.spread(moments.covariance(data)))),
        }
        return Prior(np.ones(n_components), self.components_prior(numbers, data))


def _kind(given: Mapping[str, Any]) -> str:
    """The kind of prior that is asked for.

    Raises
    ------
    PriorError
        If there is no such kind.
    """
    kind = given.get("kind", next(iter(KINDS)))
    if not isinstance(kind, str) or kind not in KINDS:
        raise PriorError(f"is {kind!r}; {there_are(KINDS)}", "kind")
    return kind


__all__ = ["STRUCTURES", "Gaussian", "PriorError"]
