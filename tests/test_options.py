"""Options are held to their annotations in Python as in a config."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest

from workbench.inference import ADVI, EM, METHODS, NUTS


@pytest.mark.parametrize(
    ("method", "options", "words"),
    [
        (EM, {"objective": "map"}, "EM: objective is 'map'"),
        (EM, {"restarts": 0}, "EM: restarts is 0"),
        (EM, {"tol": -1.0}, "EM: tol is -1.0"),
        (EM, {"init": "kmeansx"}, "EM: init is 'kmeansx'"),
        (ADVI, {"rates": ()}, "ADVI: rates is ()"),
        (NUTS, {"sampler": "stan"}, "NUTS: sampler is 'stan'"),
    ],
)
def test_impossible(method: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        method(**options)


@pytest.mark.parametrize("kind", METHODS)
def test_defaults_are_possible_and_frozen(kind: str) -> None:
    method = METHODS[kind]()
    first = dataclasses.fields(method)[0].name  # type: ignore[arg-type]
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(method, first, 1)
