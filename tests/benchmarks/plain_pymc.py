"""Mixtures as a user of PyMC writes them after its documentation; what the benchmarks of NUTS and of evidence are held against.

Columns are standardised first, as the documentation advises, so that priors of unit scale suit them. One-dimensional Gaussians:
``pm.NormalMixture`` with ordered means; others: ``pm.Mixture`` of ``pm.MvNormal`` with ``pm.LKJCholeskyCov``; Bernoulli columns, for
which PyMC has no component of several columns: labels summed out in a ``pm.Potential``, missing cells masked. The priors are these
models' own and not ours, so that draws are compared by what they cost, and log densities not at all.
"""

import numpy as np
import nutpie
import pymc as pm
import pytensor.tensor as pt


def standardised(x):
    return (x - np.nanmean(x, axis=0)) / np.nanstd(x, axis=0)


def normal_mixture(x, n_components):
    with pm.Model() as model:
        w = pm.Dirichlet("w", np.ones(n_components))
        ordered = pm.distributions.transforms.ordered
        mu = pm.Normal("mu", 0.0, 2.0, shape=n_components, transform=ordered, initval=np.linspace(-1.0, 1.0, n_components))
        sigma = pm.HalfNormal("sigma", 1.0, shape=n_components)
        pm.NormalMixture("x", w=w, mu=mu, sigma=sigma, observed=standardised(x)[:, 0])
    return model


def full_mixture(x, n_components):
    n_features = x.shape[1]
    with pm.Model() as model:
        w = pm.Dirichlet("w", np.ones(n_components))
        mu = pm.Normal("mu", 0.0, 2.0, shape=(n_components, n_features))
        components = []
        for k in range(n_components):
            sds = pm.Exponential.dist(1.0, shape=n_features)
            factor, _, _ = pm.LKJCholeskyCov(f"chol_{k}", n=n_features, eta=2.0, sd_dist=sds, compute_corr=True)
            components.append(pm.MvNormal.dist(mu=mu[k], chol=factor))
        pm.Mixture("x", w=w, comp_dists=components, observed=standardised(x))
    return model


def bernoulli_mixture(x, n_components):
    seen = ~np.isnan(x)
    ones, zeros = np.where(seen, x, 0.0), np.where(seen, 1.0 - x, 0.0)
    with pm.Model() as model:
        w = pm.Dirichlet("w", np.ones(n_components))
        p = pm.Beta("mu", 1.0, 1.0, shape=(n_components, x.shape[1]))
        log_joint = pt.log(w) + pt.dot(ones, pt.log(p).T) + pt.dot(zeros, pt.log1p(-p).T)
        pm.Potential("x", pt.logsumexp(log_joint, axis=1).sum())
    return model


def plain_model(x, n_components, family):
    if family == "bernoulli":
        return bernoulli_mixture(x, n_components)
    return normal_mixture(x, n_components) if x.shape[1] == 1 else full_mixture(x, n_components)


def compiled(model):
    """By nutpie, which ``pm.sample`` takes too where it is installed."""
    return nutpie.compile_pymc_model(model)


def sample(code, draws, tune, seed, chains=4, cores=2):
    """Draws and statistics of kept and warm-up draws, as a DataTree."""
    return nutpie.sample(code, draws=draws, tune=tune, chains=chains, cores=cores, seed=seed, progress_bar=False)
