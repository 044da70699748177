"""What takes seconds to tell of finished fits, from a run's folder where it is there already."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.compare.sensitivity import Finder, Look
from workbench.compare.sensitivity.under import Under
from workbench.experiment.events import Failed, Line, Measured, Reporter
from workbench.experiment.execute import execute
from workbench.experiment.measures import read_under, under_prior
from workbench.experiment.store import MEASURES, Store


def finder(store: Store, jobs: int, reporter: Reporter, *, force: bool = False) -> Finder:
    """What answers looks at fits: the store, and for what it has not, processes side by side."""

    def find(looks: Sequence[Look]) -> list[Under]:
        tasks = {look: under_prior(look) for look in looks if look.slow}
        store.keep_only(list(tasks.values()), MEASURES)
        groups = store.missing(list(tasks.values()), force=force)
        if groups:
            reporter(Line(f"looking at {len(groups)} log evidences under other priors, to see what the prior does to P(K | x)"))
        for group, outcome in execute(groups, store.folder, jobs, reporter):
            for task in group:
                store.record(task, outcome.status, outcome.seconds, failed=outcome.failed)
                reporter(Failed(task.name, outcome.status, outcome.seconds) if outcome.failed else Measured(task.name))
        return [look.found() if look not in tasks else _answer(store, tasks[look].artefact) for look in looks]

    return find


def _answer(store: Store, artefact: str) -> Under:
    entry = store.entries[artefact]
    return Under(why=str(entry["status"])) if entry["failed"] else read_under(store.folder / artefact)
