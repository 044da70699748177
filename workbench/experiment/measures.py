"""Measures: tasks that look at finished fits, for what takes seconds; tables only assemble them."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from workbench.compare.sensitivity import Look
from workbench.compare.sensitivity.under import Under
from workbench.experiment.plan import artefact, model, text
from workbench.experiment.store import MEASURES
from workbench.experiment.task import Report, Task
from workbench.fit import Evidence
from workbench.inference import SMC, VBEM, Gibbs

REVISION = 1
"""Raised whenever the same draws and priors give another answer."""
SMALL = 500
"""Cells of data times components up to which an answer takes less time than a process takes to start."""
BY = (Gibbs, SMC, VBEM)
"""Methods that take part in an answer, whose revisions are part of its key."""


@dataclass(frozen=True, eq=False)
class UnderPrior(Task[Under]):
    """The log evidence of one cell under one other prior."""

    look: Look

    part: ClassVar[bool] = True

    @property
    def heavy(self) -> bool:
        return self.look.base.cells > SMALL

    def compute(self, threads: int, progress: Report) -> Under:
        progress("another prior", math.nan)
        return self.look.found()

    def write(self, path: Path, result: Under) -> None:
        path.write_text(json.dumps(dataclasses.asdict(result), indent=1) + "\n", encoding="utf-8")


def under_prior(look: Look) -> UnderPrior:
    """The task that answers a look."""
    called = re.sub(r"[^a-z0-9]+", "_", look.words.lower().replace("/", "over"))
    return UnderPrior(_key(look), look.words, dict(look.values), artefact(called, look.values, MEASURES, ".json"), look)


def read_under(path: Path) -> Under:
    """An answer that was written."""
    fields = json.loads(path.read_text(encoding="utf-8"))
    estimates = {name: Evidence(**fields[name]) for name in ("evidence", "change") if fields[name] is not None}
    return Under(**{**fields, **estimates})


def _key(look: Look) -> str:
    """The content key: data, both priors, model, where the path begins, what it is added to, revisions and versions."""
    base = look.base
    draws = {} if base.draws_of is None else base.draws_of[1].parameters()
    content = {
        "data": base.problem.data.fingerprint,
        "prior": base.problem.prior.numbers() if base.problem.prior is not None else None,
        "other": look.prior.numbers(),
        "model": model(base.problem),
        "given": None if base.given is None else [base.given[0], dataclasses.asdict(base.given[1])],
        "draws_of": None if base.draws_of is None else base.draws_of[0],
        "draws": {name: hashlib.sha256(value.tobytes()).hexdigest() for name, value in draws.items()},
        "sampled": base.sampled,
        "why": base.why,
        "revision": [REVISION, *(method.revision for method in BY)],
        "versions": {package: importlib.metadata.version(package) for method in BY for package in method.packages},
    }
    return hashlib.sha256(text(content).encode()).hexdigest()
