"""Imported: draws that were made elsewhere, as a fit like any other."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from workbench.fit import Estimate, Evidence, Fit, Status
from workbench.inference.advice import Advice
from workbench.inference.densities import densities
from workbench.inference.evidence import sampled
from workbench.inference.imported.draws import Draws, DrawsError
from workbench.inference.method import Context
from workbench.inference.options import check_options
from workbench.models import Mixture
from workbench.models.shapes import PerFit
from workbench.problem import Problem

GRANTED = "a bridge takes for granted that the draws are of this posterior, and these came from elsewhere; importance sampling does not"


@dataclass(frozen=True)
class Imported:
    """Draws of the posterior that were made elsewhere (R, Stan, Julia, a PyMC script), through the same densities and tables.

    Nothing is known of how they were made but what the file says: they count as draws from the posterior of this problem, under
    its prior. Log likelihood and log posterior of each draw are worked out here.

    Parameters
    ----------
    file : a netCDF file of ArviZ's, or a table (CSV, Parquet), relative to the config

    Notes
    -----
    - A netCDF file (.nc) has a group `posterior` with dims chain, draw and for each parameter its own: weights (component); means
      (component, feature); covariances (component, feature, feature_2), tied without component; variances (component, feature),
      spherical (component); probs (component, feature[, level]); rates (component, feature). Features are put in order by their
      names, where it has them. What `sample_stats` says of each draw (diverging, energy, ...) is kept and judged.
    - A table has the columns chain, draw, parameter, component, feature, feature_2, level, value, in any order, a row for every
      number of every draw; what a parameter has not is empty or left out. Components count from 0, levels stand by their names:
      it is `parameters.csv` of a fit, draw by draw.
    - Held to: every number there once and finite, shares that sum to 1 (to 1e-6), covariances symmetric and positive definite,
      chains of one length. The first fault is named with its line, or its chain and draw.
    - Labels may be permuted from draw to draw; they are aligned afterwards.
    - log p(x) by bridge and importance sampling, as for draws made here; the bridge is never taken for log p(x), since draws under
      another prior would mislead it.
    - A fit is made anew when what is in the file changes, wherever it stands.

    References
    ----------
    - Kumar, R., Carroll, C., Hartikainen, A. & Martin, O. (2019). ArviZ: a unified library for exploratory analysis of Bayesian
      models in Python. Journal of Open Source Software 4, 1143 (the layout of the netCDF file).
    """

    kind: ClassVar[str] = "imported"
    estimate: ClassVar[Estimate] = "sample"
    revision: ClassVar[int] = 7
    packages: ClassVar[tuple[str, ...]] = ("numpy", "scipy", "numba")
    compiles: ClassVar[bool] = False

    file: str

    def __post_init__(self) -> None:
        check_options(self)

    def refuses(self, problem: Problem) -> str | None:
        """What is wrong with the file, or with it for this problem."""
        try:
            self._read(problem)
        except DrawsError as error:
            return str(error)
        return None

    def fit(self, problem: Problem, context: Context | None = None) -> Fit:
        """Read the draws and work out their densities.

        Raises
        ------
        DrawsError
            If they are not draws of the problem's parameters, or one gives the data no density.
        """
        context = context or Context.default(problem)
        with context.clock("run"):
            read = self._read(problem)
            draws = problem.family.mixture(read.parameters)
            log_likelihood, log_posterior = densities(problem, draws, context.threads)
            impossible = np.argwhere(~np.isfinite(log_likelihood))
            if impossible.size:
                where = read.place(*impossible[0])
                raise DrawsError(f"{where}: the data have no density under it; take draws that were made with the same data")
            evidence = _evidence(problem, draws, context, log_posterior, Advice.of(self, problem))
        return Fit.sample(
            draws,
            kind=self.kind,
            family=problem.family,
            log_likelihood=log_likelihood,
            log_posterior=log_posterior,
            objective_name="log_posterior",
            status=Status.SAMPLED,
            seconds=context.clock.seconds,
            options={"file": Path(self.file).name},
            sample_stats=dict(read.statistics),
            evidence=evidence,
        )

    def _read(self, problem: Problem) -> Draws:
        from workbench.inference.imported import netcdf, table
        from workbench.inference.imported.draws import check

        path = Path(self.file)
        room = netcdf if path.suffix.lower() in netcdf.SUFFIXES and path.is_file() else table
        found: Draws = room.read(path, problem)
        check(found, problem)
        return found


def _evidence(problem: Problem, draws: Mixture, context: Context, log_posterior: PerFit, advice: Advice) -> tuple[Evidence, ...]:
    """Estimates that hold whatever the draws are, and a bridge, which does not."""
    if problem.prior is None:
        return ()
    found = sampled(problem, draws, context, noise=1, log_posterior=log_posterior, advice=advice)
    return tuple(_doubted(each) if each.estimator == "bridge" and each.trusted else each for each in found)


def _doubted(bridge: Evidence) -> Evidence:
    return dataclasses.replace(bridge, trusted=False, note=GRANTED)


__all__ = ["DrawsError", "Imported"]
