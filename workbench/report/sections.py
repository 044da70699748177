"""The sections of the page, in their order; one with nothing in it is left out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from workbench.report import (
    agreement,
    basins,
    calibration,
    checks,
    densities,
    evidence,
    grids,
    hidden,
    invariants,
    plates,
    probabilities,
    replicates,
    scores,
    sensitivity,
    sweeps,
)
from workbench.report.blocks import Block, Field, Grid, Head, Listing, Section, Sentences
from workbench.report.findings import findings
from workbench.report.numerals import seconds

if TYPE_CHECKING:
    from workbench.report.provenance import Provenance
    from workbench.report.slices import Slice


def of_cell(cell: Slice, prefix: str) -> tuple[Section, ...]:
    """Everything about one cell; `prefix` keeps its anchors and files apart from other cells'."""
    contents: dict[str, tuple[str, list[Block]]] = {
        "findings": ("Findings", [Sentences(tuple(findings(cell)))]),
        "likelihoods": ("Likelihoods and other scores", [*scores.likelihoods(cell)]),
        "evidence": ("Evidence and bounds", [*evidence.plates(cell, prefix), *evidence.grids(cell)]),
        "restarts": ("Restarts", [*plates.restarts(cell, prefix)]),
        "invariants": ("Label-free quantities", [*invariants.grids(cell), *invariants.plates(cell, prefix)]),
        "data": ("Data and fits", [*densities.fitted(cell, prefix), *grids.components(cell)]),
        "responsibilities": (
            "Responsibilities compared",
            [*plates.shared(cell, prefix), *agreement.grids(cell), *agreement.contested(cell), *hidden.grids(cell)],
        ),
        "trace": ("Objectives by iteration and by second", [*plates.progress(cell, prefix)]),
        "parameters": ("Parameters", [*plates.forests(cell, prefix), *grids.parameters(cell)]),
        "optima": ("Optima", [*grids.optima(cell), *basins.grids(cell)]),
        "replicated": ("Does any mixture fit?", [*replicates.grids(cell)]),
        "calibration": ("Calibration", [*calibration.plates(cell, prefix), *calibration.grids(cell)]),
        "diagnostics": ("Diagnostics", [*checks.grids(cell)]),
    }
    return kept(Section(title, f"{prefix}{anchor}", tuple(blocks)) for anchor, (title, blocks) in contents.items())


def of_sweep(cells: list[Slice]) -> tuple[Section, ...]:
    """What the cells show together."""
    return kept(
        [
            Section("Findings", "findings", (Sentences(tuple(sweeps.findings(cells))),)),
            Section("The sweep", "sweep", (*sweeps.plates(cells), *sweeps.grids(cells))),
            Section("How many components? P(K | x)", "probabilities", (*probabilities.plates(cells), *probabilities.grids(cells))),
            Section("What the prior does to P(K | x)", "sensitivity", tuple(sensitivity.blocks(cells))),
        ]
    )


def of_provenance(provenance: Provenance) -> Section:
    """Where the numbers come from."""
    facts = {
        "command": provenance.command,
        "started": provenance.started,
        "seed": "" if provenance.seed is None else str(provenance.seed),
        "machine": provenance.machine,
        "seconds": ", ".join(f"{stage} {seconds(value)}" for stage, value in provenance.seconds.items()),
        "versions": ", ".join(f"{package} {version}" for package, version in provenance.versions.items()),
        "licence of the data": provenance.licence,
    }
    rows = tuple((Head(name), (Field(fact, numeric=False),)) for name, fact in facts.items() if fact)
    blocks = [Grid("", (Head(""),), rows, compact=True)] if rows else []
    notes = [Sentences(provenance.notes)] if provenance.notes else []
    return Section("Provenance", "provenance", (*blocks, *notes, Listing("Config, with every default", provenance.config_text)))


def kept(sections: Iterator[Section] | list[Section]) -> tuple[Section, ...]:
    """Those with something in them."""
    return tuple(section for section in sections if any(filled(block) for block in section.blocks))


def filled(block: Block) -> bool:
    return bool(block.lines) if isinstance(block, Sentences) else True


def slug(text: str) -> str:
    """A name for anchors and files."""
    return re.sub(r"[^a-z0-9_.-]+", "-", text.lower()).strip("-.")[:60]
