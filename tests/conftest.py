"""With WORKBENCH_SHAPES=1, as in CI's second pass, the shapes in the models' annotations are enforced in every call."""

from __future__ import annotations

import os

from jaxtyping import install_import_hook

collect_ignore_glob = ["conftest.py", "*/conftest.py"]  # no doctests in them

if os.environ.get("WORKBENCH_SHAPES") == "1":  # doubles the time of the tests that iterate most
    install_import_hook(["workbench.models", "workbench.inference.em"], "beartype.beartype")
