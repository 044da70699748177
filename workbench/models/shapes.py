"""Array shapes by name, spelt in one place: N rows, D features, K components, leading batch axes (restarts, draws)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

Rows = Float[np.ndarray, "N D"]
"""Data ``x``; nan is "not observed"."""
Counts = Float[np.ndarray, "... N"]
"""Multiplicity of each row; with leading batch axes where every fit weighs the rows its own way."""
Labels = Int[np.ndarray, " N"]
Weights = Float[np.ndarray, "*batch K"]
LogJoint = Float[np.ndarray, "*batch N K"]
"""log p(x_n, z_n = k)."""
Responsibilities = Float[np.ndarray, "*batch N K"]
LogDensity = Float[np.ndarray, "*batch N"]
"""log p(x_n)."""
PerFit = Float[np.ndarray | np.float64, "*batch"]
"""One number a restart or draw."""
PerComponent = Float[np.ndarray, "*batch K"]
Means = Float[np.ndarray, "*batch K D"]
Variances = Float[np.ndarray, "*batch K D"]
Probs = Float[np.ndarray, "*batch K D"]
Rates = Float[np.ndarray, "*batch K D"]
LevelProbs = Float[np.ndarray, "*batch K D L"]
"""L is the largest number of levels of a feature."""
Covariances = Float[np.ndarray, "*batch K D D"]
SharedCovariance = Float[np.ndarray, "*batch D D"]
Factors = Float[np.ndarray, "*batch #K D D"]
"""Of each component's precision, or of the one that all share."""
Cells = Float[np.ndarray, "*batch N K D"]
"""Moments of a cell, given its row's observed cells and the label."""
Imputed = Float[np.ndarray, "*batch N D"]
"""Moments of a cell, given its row's observed cells."""
Coordinates = Float[np.ndarray, "*batch dim"]
"""Unconstrained coordinates u, in the order of PyMC's value variables."""
Permutation = Int[np.ndarray, "*batch K"]
Flags = Bool[np.ndarray | np.bool, "*batch"]
