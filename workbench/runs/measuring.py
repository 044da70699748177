"""What takes seconds to tell of finished fits, from a run's folder where it is there already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workbench.compare.sensitivity import Look
from workbench.compare.sensitivity.under import Under
from workbench.experiment.events import Failed, Line, Measured, Reporter
from workbench.experiment.execute import execute
from workbench.experiment.measures import read_under, under_prior
from workbench.experiment.store import MEASURES, Store
from workbench.experiment.task import AnyTask

AGAIN = "run the config again, which tries it again; run.log says more"


@dataclass(eq=False)
class Measuring:
    """What answers looks at fits: the store, and for what it has not, processes side by side.

    Attributes
    ----------
    force : whether what is there is measured again
    done : how many were computed
    """

    store: Store
    jobs: int
    reporter: Reporter
    force: bool = False
    done: int = 0

    def __call__(self, looks: Sequence[Look]) -> list[Under]:
        tasks = {look: under_prior(look) for look in looks if look.slow}
        self.store.keep_only(list(tasks.values()), MEASURES)
        self._measure(self.store.missing(list(tasks.values()), force=self.force))
        return [look.found() if look not in tasks else self._answer(tasks[look].artefact) for look in looks]

    def _measure(self, groups: Sequence[tuple[AnyTask, ...]]) -> None:
        if not groups:
            return
        wanted = len(groups)
        what = "1 log evidence" if wanted == 1 else f"{wanted} log evidences"
        self.reporter(Line(f"looking at {what} under other priors, to see what the prior does to P(K | x)"))
        for number, (group, outcome) in enumerate(execute(groups, self.store.folder, self.jobs, self.reporter), start=1):
            for task in group:
                self.store.record(task, outcome.status, outcome.seconds, failed=outcome.failed)
            name = group[0].name
            self.reporter(Failed(name, outcome.status, outcome.seconds) if outcome.failed else Measured(name, number, wanted))
            self.done += not outcome.failed

    def _answer(self, artefact: str) -> Under:
        entry = self.store.entries[artefact]
        return Under(why=str(entry["status"]), advice=AGAIN) if entry["failed"] else read_under(self.store.folder / artefact)
