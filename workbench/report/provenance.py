"""Where a report's numbers come from."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Provenance:
    """Everything a reader needs to run the same thing again.

    Attributes
    ----------
    name
        The experiment's name.
    description
        What it is for, in the user's words; may be empty.
    config_text
        The resolved config, as in `config.yaml`.
    versions
        Version by package, Python among them.
    seed
        The config's seed.
    machine
        One line about the machine.
    seconds
        Wall seconds by stage.
    command
        The command line, or the Python call.
    started
        When the run was started, as text.
    notes
        Sentences about the data: what was left out on the way in, where they come from.
    licence
        The licence of the data, or an empty string where it is not known.
    """

    name: str
    config_text: str
    description: str = ""
    versions: Mapping[str, str] = dataclasses.field(default_factory=dict)
    seed: int | None = None
    machine: str = ""
    seconds: Mapping[str, float] = dataclasses.field(default_factory=dict)
    command: str = ""
    started: str = ""
    notes: tuple[str, ...] = ()
    licence: str = ""
