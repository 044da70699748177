"""Words that are not ours yet, and words that are other programs': what to answer them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from workbench.data.spelling import advice, nearest, there_are, who_has
from workbench.inference.options import FOREIGN_OPTIONS

LATER_KINDS: tuple[str, ...] = ()
LATER_FAMILIES = ("lda",)
INSTEAD = {
    "lda": "its topics mix within a document, and here a row has one component; with one topic a document use poisson, a column for each word"
}
"""Why a planned value is not there, and what to use in its place."""
LATER = {
    "config": (),
    "data": (),
    "synthetic": (),
    "model": (),
    "prior": (),
    "method": ("timeout",),
    "report": ("study", "language", "features_as_image"),
    "init": ("em",),
}
"""Keys by section, and values by key, that are planned: they are told apart from mistakes."""

FOREIGN_KEYS = {
    "config": {
        **dict.fromkeys(("random_state", "random_seed", "rng"), "seed"),
        **dict.fromkeys(("dataset", "datasets"), "data"),
        **dict.fromkeys(("algorithms", "inference", "fits", "solvers"), "methods"),
        **dict.fromkeys(("grid", "matrix"), "sweep"),
        **dict.fromkeys(("title",), "name"),
        **dict.fromkeys(("sbc", "calibration", "simulation_based_calibration"), "check"),
        **dict.fromkeys(("relabel", "label_switching", "alignment", "relabeling"), "relabelling"),
    },
    "check": {
        **dict.fromkeys(("n_replicates", "n_sims", "num_simulations", "simulations", "reps", "n", "N"), "replicates"),
        **dict.fromkeys(("method", "type"), "kind"),
        **dict.fromkeys(("labels", "fits"), "methods"),
    },
    "data": {
        **dict.fromkeys(("path", "filename", "csv"), "file"),
        **dict.fromkeys(("features", "variables", "usecols", "x", "X"), "columns"),
        **dict.fromkeys(("index", "index_col", "row_names"), "id"),
        **dict.fromkeys(("labels", "target", "y", "class"), "classes"),
        **dict.fromkeys(("dropna", "na_omit", "complete_cases"), "complete_rows"),
        **dict.fromkeys(("test_size", "test", "holdout", "validation"), "held_out"),
        **dict.fromkeys(("weights", "sample_weight", "freq"), "counts"),
    },
    "synthetic": {
        **dict.fromkeys(("n", "N", "n_samples", "rows"), "n_rows"),
        **dict.fromkeys(("k", "K", "G", "centers", "n_clusters"), "n_components"),
        **dict.fromkeys(("d", "D", "p", "dim", "features"), "n_features"),
    },
    "model": {
        **dict.fromkeys(("k", "K", "G", "n_clusters", "n_mixtures", "nclass", "components", "num_components"), "n_components"),
        **dict.fromkeys(("covariance_type", "cov_type", "modelNames", "modelName", "structure"), "covariance"),
        **dict.fromkeys(("distribution", "likelihood", "type"), "family"),
        **dict.fromkeys(("priors", "hyperparameters"), "prior"),
    },
    "prior": {
        **dict.fromkeys(("weight_concentration_prior", "weight_concentration", "alpha", "weights", "dirichlet"), "concentration"),
        **dict.fromkeys(("mean_prior", "m0", "mu0"), "mean"),
        **dict.fromkeys(("mean_variance", "mean_cov", "mean_scale"), "mean_covariance"),
        **dict.fromkeys(("mean_precision_prior", "kappa", "kappa0", "shrinkage"), "mean_strength"),
        **dict.fromkeys(("degrees_of_freedom_prior", "degrees_of_freedom", "df", "nu", "nu0"), "dof"),
        **dict.fromkeys(("covariance_prior", "psi", "Psi", "scale_matrix"), "scale"),
        **dict.fromkeys(("beta",), "b"),
    },
    "method": FOREIGN_OPTIONS,
    "report": {},
}
"""Keys of other programs (scikit-learn, mclust, flexmix, poLCA, Stan, PyMC), by section, and what they are called here."""

ANSWERS = {
    **dict.fromkeys(
        ("reg_covar", "prior_control", "floor"),
        "nothing is added outside the objective here; `objective: posterior` keeps covariances regular by the prior",
    ),
    **dict.fromkeys(("random_state", "random_seed", "seed", "rng"), "it is `seed`, once, at the top of the config"),
    **dict.fromkeys(("n_jobs", "cores", "n_cores", "jobs"), "it is `--jobs` on the command line"),
    **dict.fromkeys(("out", "output", "outdir"), "it is `--out` on the command line"),
    **dict.fromkeys(("verbose", "progressbar", "quiet"), "it is `--quiet` on the command line"),
    **dict.fromkeys(("n_clusters", "K", "G", "k", "nclass"), "it is `n_components`, under `model:`"),
    **dict.fromkeys(("covariance_type", "modelNames"), "it is `covariance`, under `model:`"),
    **dict.fromkeys(("warm_start", "init_kwargs"), "there is nothing like it here; leave it out"),
}
"""Answers to keys that no key of their own section replaces."""

HOMES = {
    "model": ("n_components", "family", "covariance", "blocks", "prior"),
    "data": ("columns", "classes", "id", "counts", "held_out", "complete_rows", "file", "synthetic"),
    "method": ("restarts", "tol", "stop", "max_iter", "objective", "init", "draws", "chains", "tune"),
    "config": ("relabelling", "methods", "sweep"),
    "prior": ("concentration", "mean", "mean_strength", "mean_covariance", "dof", "scale", "a", "b", "alpha", "shape", "rate"),
}
"""Keys that stand elsewhere, by the section they belong to."""

NOBODY: Mapping[str, Collection[str]] = {}
CHOOSE = {
    "method": "leave it out, or choose such a kind",
    "model": "leave it out, or choose that family",
    "synthetic": "leave it out, or choose that family",
}
"""What to do about a key of another kind."""

PLACES = {
    "model": "under `model:`",
    "data": "under `data:`",
    "method": "under a method of `methods:`",
    "prior": "under `model: prior:`",
    "config": "at the top of the config",
}

FOREIGN_VALUES = {
    "covariance": {
        **dict.fromkeys(("diag", "VVI", "EVI"), "diagonal"),
        **dict.fromkeys(("VVV", "unrestricted"), "full"),
        **dict.fromkeys(("EEE",), "tied"),
        **dict.fromkeys(("VII", "iso", "isotropic"), "spherical"),
    },
    "objective": {
        **dict.fromkeys(("mle", "ml", "log_likelihood", "maximum_likelihood"), "likelihood"),
        **dict.fromkeys(("map", "log_posterior"), "posterior"),
    },
    "family": {
        **dict.fromkeys(("normal", "gmm", "mvnormal"), "gaussian"),
        **dict.fromkeys(("binary", "binomial", "lca"), "bernoulli"),
        **dict.fromkeys(("multinomial", "discrete", "polca", "latent_class"), "categorical"),
        **dict.fromkeys(("count", "counts"), "poisson"),
        **dict.fromkeys(("mixed", "mixed_data", "nested"), "product"),
    },
    "kind": {
        **dict.fromkeys(("gmm", "mle", "EM"), "em"),
        **dict.fromkeys(("mcmc", "hmc"), "nuts"),
        **dict.fromkeys(("vb", "variational_bayes", "cavi"), "vbem"),
        **dict.fromkeys(("vi", "meanfield"), "advi"),
        **dict.fromkeys(("fullrank", "full_rank"), "fullrank_advi"),
        **dict.fromkeys(("multipath_pathfinder", "path_finder"), "pathfinder"),
    },
    "init": {
        **dict.fromkeys(("random", "random_from_data", "data"), "random_rows"),
        **dict.fromkeys(("k-means++", "kmeanspp"), "kmeans++"),
        **dict.fromkeys(("k-means",), "kmeans"),
    },
}
"""Values of other programs, by key."""


def unknown_key(section: str, key: str, known: Collection[str], others: Mapping[str, Collection[str]] = NOBODY) -> str:
    """Answer a key that ``section`` has not: what is wrong; what to do.

    ``others`` are the keys of other kinds of such a section, by their names.
    """
    ours = FOREIGN_KEYS.get(section, {}).get(key)
    if ours in known:
        return f"unknown key; here it is called {ours}"
    if key in LATER.get(section, ()) or ours in LATER.get(section, ()):
        return "not available yet; leave it out"
    if whose := who_has(key, others):
        return f"unknown key; {whose}: {_choose(section, known)}"
    if ours and (whose := who_has(ours, others)):
        return f"unknown key; here it is called {ours}, and {whose}: {_choose(section, known)}"
    if key in ANSWERS:
        return f"unknown key; {ANSWERS[key]}"
    home = next((home for home, keys in HOMES.items() if key in keys and home != section), None)
    if home:
        return f"unknown key; it belongs {PLACES[home]}"
    near = nearest(key, {name for names in others.values() for name in names})
    if near and not nearest(key, known):
        return f"unknown key; did you mean {near}? {who_has(near, others)}: {_choose(section, known)}"
    return f"unknown key; {advice(key, known)}"


def _choose(section: str, known: Collection[str]) -> str:
    return CHOOSE.get(section) or f"here {there_are(known)}"


def unknown_value(key: str, value: str, known: Iterable[str], later: Collection[str] = ()) -> str:
    """Answer a word that is none of ``known``: what is wrong; what to do."""
    names = list(known)
    planned = {*later, *LATER.get(key, ())}
    ours = FOREIGN_VALUES.get(key, {}).get(value)
    if value in planned or ours in planned:
        return f"{ours or value} is not available yet; {INSTEAD.get(value) or _choices(names)}"
    if ours in names:
        return f"there is no {value}; here it is called {ours}"
    return f"there is no {value}; {advice(value, names)}"


def _choices(names: list[str]) -> str:
    return ("there is " if len(names) == 1 else "there are ") + ", ".join(names)
