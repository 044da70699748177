"""EM as variational inference: the bound, and what each half step does to it."""

from workbench.study.decomposition import HalfStep, decomposition

__all__ = ["HalfStep", "decomposition"]
