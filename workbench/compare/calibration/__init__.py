"""Simulation-based calibration: is a method right on data that the model itself made?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from workbench.compare.calibration.trial import Trials, trial
from workbench.compare.calibration.verdicts import Covered, Ranked, coverages, ranked
from workbench.inference.advice import Advice
from workbench.inference.method import Context, Method
from workbench.problem import Problem


def silent(done: int, wanted: int) -> None:
    """Tell nobody."""


def calibrate(
    problem: Problem, method: Method, replicates: int = 200, seed: int = 0, progress: Callable[[int, int], None] = silent
) -> Trials:
    """Fit ``method`` to ``replicates`` data sets drawn from the prior and the model of ``problem`` (Talts et al. 2018).

    Replicate i: theta from the prior, whose numbers stay as they are; rows of the same number, with the same cells missing, from
    theta; the fit of those. If the draws of a fit come from the posterior, the rank of any number of theta among those of L
    nearly independent draws is uniform on 0, ..., L. Numbers that do not depend on labels are looked at, the log likelihood of
    the replicate's rows among them. Of a point, whether its 95 % intervals hold theta, aligned by responsibilities.

    Parameters
    ----------
    problem : with a prior; its rows serve as a pattern only
    replicates : M
    seed : of the replicates, which do not depend on the method, and of the fits
    progress : called with the number of replicates done, and M

    Returns
    -------
    Trials : see :func:`ranked` for the tests of draws and :func:`coverages` for those of intervals

    References
    ----------
    Talts, S., Betancourt, M., Simpson, D., Vehtari, A. & Gelman, A. (2018). Validating Bayesian inference algorithms with
    simulation-based calibration. arXiv:1804.06788.
    Modrak, M. et al. (2023). Simulation-based calibration checking for Bayesian computation: the choice of test quantities shapes
    sensitivity. Bayesian Analysis.
    Saeilynoja, T., Buerkner, P.-C. & Vehtari, A. (2022). Graphical test for discrete uniformity and its applications in goodness
    of fit evaluation and multiple sample comparison. Statistics and Computing 32, 32.
    """
    done = []
    for number in range(replicates):
        done.append(trial(problem, lambda made: method.fit(made, replace(Context.default(made, seed), estimates=False)), seed, number))
        progress(number + 1, replicates)
    return Trials(method.estimate, replicates, Advice.of(method, problem), tuple(done))


__all__ = ["Covered", "Ranked", "Trials", "calibrate", "coverages", "ranked"]
