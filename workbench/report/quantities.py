"""What each column of likelihoods.csv means, in a line a reader can use (statistics.md, sections 2, 5 and 6)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from workbench.report.numerals import amount, count, fraction, nats, seconds


@dataclasses.dataclass(frozen=True)
class Quantity:
    """A column: its name and unit on the page, what it means for a point and for draws, how it is written.

    An empty meaning says that such an estimate never has it. An error that is `common` to the methods, as one over rows is, says
    little about their differences: the number keeps a tenth of a nat beside it.
    """

    column: str
    name: str
    point: str
    draws: str
    write: Callable[[float], str] = nats
    error: str = ""
    common: bool = False


QUANTITIES = (
    Quantity(
        "held_out_lpd",
        "held-out log predictive density (nats)",
        "Of rows that no fit has seen. Higher is better; this one compares points with draws.",
        "Of rows that no fit has seen. Higher is better; this one compares points with draws.",
    ),
    Quantity(
        "log_likelihood",
        "log likelihood (nats)",
        "At the reported point. Higher is better.",
        "Mean over the draws; about p/2 below the best point even for a perfect posterior.",
    ),
    Quantity("log_likelihood_best", "best log likelihood (nats)", "", "Of the best single draw."),
    Quantity(
        "log_posterior",
        "log posterior (nats)",
        "Log likelihood plus log prior density at the point, up to the constant log p(x).",
        "Mean over the draws of log likelihood plus log prior density, up to the constant log p(x).",
    ),
    Quantity("elbo", "ELBO (nats)", "", "A lower bound of the log evidence. Higher is better.", error="elbo_mcse"),
    Quantity(
        "log_evidence",
        "log evidence (nats)",
        "",
        "Log probability of the data with all parameters integrated out.",
        error="log_evidence_mcse",
    ),
    Quantity(
        "elpd_loo",
        "leave-one-out log density (nats)",
        "Each row predicted from the others. The standard error is over rows, and common to the methods: their differences are known better. Higher is better.",
        "Each row predicted from the others. The standard error is over rows, and common to the methods: their differences are known better. Higher is better.",
        error="elpd_loo_se",
        common=True,
    ),
    Quantity("pareto_k_max", "largest Pareto k-hat", "", "Above 0.7 the leave-one-out figure cannot be trusted.", amount),
    Quantity("n_parameters", "free parameters p", "Weights count K - 1.", "Weights count K - 1.", count),
    Quantity("aic", "AIC", "2 p - 2 log likelihood, at the maximum of the likelihood only. Lower is better.", ""),
    Quantity("bic", "BIC", "p log N - 2 log likelihood. Lower is better.", ""),
    Quantity("icl", "ICL", "BIC with a price for rows that no component claims. Lower is better.", ""),
    Quantity(
        "entropy",
        "entropy of labels (nats)",
        "Sum over rows; 0 when every row is sure of its component.",
        "Sum over rows; 0 when every row is sure of its component.",
    ),
    Quantity(
        "relative_entropy",
        "relative entropy",
        "1 when every row is sure of its component, 0 when none is.",
        "1 when every row is sure of its component, 0 when none is.",
        fraction,
    ),
    Quantity("seconds_compile", "compiling", "Before the first warm evaluation.", "Before the first warm evaluation.", seconds),
    Quantity("seconds_run", "running", "Everything after that.", "Everything after that.", seconds),
)
