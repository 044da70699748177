"""A commented starter config, fitted to the columns of a file if there is one."""

from __future__ import annotations

from pathlib import Path

import yaml

from workbench.data.readers import read_table
from workbench.experiment.guesses import OLD_FAITHFUL, Guess, guess
from workbench.experiment.resolved import Writer

SCHEMA_LINE = "# yaml-language-server: $schema=schema.json\n"
PRIORS = {"gaussian": "mean_strength: 0.01", "bernoulli": "a: 1, b: 1", "categorical": "alpha: 1", "poisson": "shape: 1"}
"""A hyperparameter of each family, to show how one is written."""


def starter(name: str, file: Path | None = None, folder: Path = Path(), schema: bool = False, counts: str | None = None) -> str:
    """Return the text of a starter config.

    Parameters
    ----------
    name : of the experiment
    file : data to fit, as the config will name it (relative to its folder); old_faithful if None
    folder : what ``file`` is relative to
    schema : whether schema.json stands beside the config
    counts : the column of ``file`` that says how often each row was seen; None for a guess by its name

    Raises
    ------
    DataError
        If the file cannot be read, holds no column of numbers or of words that come again, or ``counts`` is none of its columns of
        whole numbers.
    """
    found = OLD_FAITHFUL if file is None else guess(read_table(folder / file, file.as_posix()), counts)
    head = SCHEMA_LINE if schema else ""
    return head + TEMPLATE.format(
        name=_flow(name), data=BUILT_IN_DATA if file is None else _data(file.as_posix(), found), model=_model(found)
    )


BUILT_IN_DATA = """\
data: old_faithful                    # a built-in set (`workbench list data`), or a file:
# data: {file: my.csv, columns: [a, b], id: plant, classes: species, held_out: 0.2}
"""

TEMPLATE = """\
# Run:    workbench run THIS_FILE
# Check:  workbench check THIS_FILE      (reads it and the data, computes nothing)

name: {name}

{data}
{model}
# Each method has a label; its kind is the label, unless `kind` says otherwise. `workbench list methods` shows all.
methods:
  em: {{restarts: 100}}                                        # maximum likelihood
  em_map: {{kind: em, objective: posterior, restarts: 100}}    # maximum of the posterior
  advi: {{restarts: 4}}                                        # variational: independent normal coordinates
  nuts: {{chains: 4, draws: 1000}}                             # Monte Carlo: the posterior itself

# Run it for several values; every combination of the lists is one cell of the report.
# sweep: {{model.n_components: [1, 2, 3, 4]}}

seed: 1
"""

ONE_FAMILY = """\
# Components: how many, and of what kind{other}.
model: {{{model}}}
# The prior is one for all methods. Its default is weak and worked out from the rows that are fitted; by hand:
# model: {{{model}, prior: {{concentration: 1, {prior}}}}}
"""

MIXED = """\
# Components: how many, and the family of each column: blocks are independent given the component. Here numbers are gaussian,
# 0 and 1 bernoulli, small whole numbers from 0 poisson, words categorical; move a column where another family suits it better.
model:
  family: product
  n_components: 2
  blocks:
{blocks}
  # The prior is one for all methods. Its default is weak and worked out from the rows that are fitted; by hand:
  # prior: {{concentration: 1, {prior}}}
"""


def _flow(value: str | list[str]) -> str:
    """Write a word or a list of words in one line."""
    return str(yaml.dump([value], Dumper=Writer, default_flow_style=True, width=10**6, allow_unicode=True)).strip()[1:-1]


def _model(found: Guess) -> str:
    if found.family == "product":
        blocks = "\n".join(f"    {family}: {_flow(list(columns))}" for family, columns in found.blocks.items())
        first = next(iter(found.blocks))
        return MIXED.format(blocks=blocks, prior=f"{first}: {{{PRIORS[first]}}}")
    gaussian = found.family == "gaussian"
    return ONE_FAMILY.format(
        model=f"family: {found.family}, {'covariance: full, ' if gaussian else ''}n_components: 2",
        other=" (covariance: full, tied, diagonal or spherical)" if gaussian else "",
        prior=PRIORS[found.family],
    )


def _data(file: str, found: Guess) -> str:
    lines = ["data:", f"  file: {_flow(file)}"]
    if found.family != "product":
        lines.append(f"  columns: {_flow(list(found.columns))}")
    lines += [f"  # {_flow(name)} was left out: {why}" for name, why in found.unused]
    lines.append(_line("counts", found.counts, "how often each row was seen (grouped data)", used=found.counts is not None))
    lines.append(_line("id", found.id, "names the rows"))
    lines.append(_line("classes", found.classes, "known classes: never used in fitting, compared with afterwards"))
    if found.gaps:
        lines.append("  # complete_rows: true               # some cells are empty; as it is they are summed out of the likelihood")
    lines.append("  # held_out: 0.2                     # a share of the rows that no fit sees, to score predictions")
    return "\n".join(lines) + "\n"


def _line(key: str, column: str | None, what: str, used: bool = False) -> str:
    """A key with its column, as a comment unless it is used."""
    return f"  {'' if used else '# '}{key + ': ' + (_flow(column) if column else 'COLUMN'):<{36 if used else 34}}# {what}"
