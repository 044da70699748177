"""With WORKBENCH_SHAPES=1, as in CI's second pass, the shapes in the models' annotations are enforced in every call."""

from __future__ import annotations

import os

import pytest
from jaxtyping import install_import_hook

collect_ignore_glob = ["conftest.py", "*/conftest.py"]  # no doctests in them

NUMBERS = ("acceleration", "bridge", "importance", "leave_one_out_of_draws", "minibatches", "neals_galaxies", "pathfinder", "replicated")
NUMBERS += ("begin", "extreme_units", "hard_data", "leave_one_out_boundary")
NUMBERS += ("discrete_counts", "leave_one_out", "lost_component", "pathfinder_by_part", "units")
NUMBERS += ("conditionals", "evidence_references", "relabelling", "smc", "smc_slow", "vbem_evidence")
"""Theorems about numbers that come from the same calls as others: nothing to be learnt from them about shapes."""
if os.environ.get("WORKBENCH_SHAPES") == "1":  # doubles the time of the tests that iterate most
    collect_ignore = [f"theorems/test_{name}.py" for name in NUMBERS]
    install_import_hook(["workbench.models", "workbench.inference.em"], "beartype.beartype")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that are marked with their seconds begin first, the longest before the others: one that begins last leaves all processes
    but its own idle. The rest stay in their order, in which neighbours share what is made once."""
    items.sort(key=lambda item: max((mark.kwargs.get("seconds", 0) for mark in item.iter_markers("slow")), default=0), reverse=True)
