"""Which optima draws climb to, on the page: who may weigh basins, who agrees, and where the best optimum is not where the mass is."""

from __future__ import annotations

import dataclasses
from typing import Any

import made
import numpy as np
import pandas as pd
import pytest

from workbench.report.basins import grids, weighed
from workbench.report.blocks import Grid
from workbench.report.grids import optima
from workbench.report.judges import basins
from workbench.report.missed import climbed_past
from workbench.report.slices import Slice, slices

KINDS = {"em_map": "em", "nuts": "nuts", "gibbs": "gibbs", "smc": "smc"}
POINT = {"method": "em_map", "estimate": "point"}


def cell(
    shares: dict[str, list[list[float]]],
    standing: str = "reference",
    objectives: tuple[float, ...] = (-10.0, -11.0),
    missed: tuple[float, ...] = (),
    warnings: tuple[tuple[str, str, str], ...] = (),
) -> Slice:
    """One cell in which each sample's chains have such shares, of the optima found, of those missed, and of neither; 100 draws a chain."""
    heights: list[float | None] = [*objectives, *missed, None]
    rows = [
        {
            "method": method,
            "chain": c,
            "climbs": "em_map",
            "optimum": i if i < len(objectives) else None,
            "missed": i - len(objectives) if len(objectives) <= i < len(heights) - 1 else None,
            "objective": heights[i],
            "share": share,
            "draws": 100,
        }
        for method, chains in shares.items()
        for c, chain in enumerate(chains)
        for i, share in enumerate(chain)
    ]
    likelihoods = [POINT, *({"method": method, "estimate": "sample"} for method in shares)]
    told = [(method, quantity, value, "warning", "raise restarts of em_map") for method, quantity, value in warnings]
    tables: dict[str, Any] = {
        "basins": rows,
        "likelihoods": [{**row, "kind": KINDS[row["method"]], "log_likelihood": -9.0} for row in likelihoods],
        "optima": [{"method": "em_map", "optimum": i, "objective": value} for i, value in enumerate(objectives)],
        "restarts": [{"method": "em_map", "restart": 0, "objective_name": "log_posterior"}],
        "evidence": [{"method": "smc", "estimator": "smc", "log_evidence": -20.0, "standing": standing}],
        "components": [{"method": method, "component": k} for method in ("em_map", *shares) for k in (0, 1)],
        "diagnostics": [dict(zip(("method", "quantity", "value", "verdict", "advice"), row, strict=True)) for row in told],
    }
    return slices({name: pd.DataFrame(rows) for name, rows in tables.items()}, [made.cell(made.clusters())])[0]


SMC = [[0.2, 0.75, 0.05], [0.25, 0.72, 0.03], [0.15, 0.8, 0.05]]


def test_smc_weighs_what_chains_cannot() -> None:
    stuck = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    good = [[0.22, 0.74, 0.04], [0.2, 0.75, 0.05]]
    told = list(basins(cell({"nuts": stuck, "gibbs": good, "smc": SMC})))
    assert told[0].startswith(
        "The best optimum of em_map is not where most of the posterior is: 0.757 of smc's draws climb to optimum 1, 1.0 nats lower"
    )
    assert told[1] == "gibbs weighs the basins as smc does."
    assert told[2].startswith("The chains of nuts have from 0 to 1 of their draws where EM climbs to optimum 0 of em_map: chains so")
    assert told[2].endswith("By smc it is 0.200.")

    lost = [[0.9, 0.1, 0.0], [0.92, 0.08, 0.0], [0.91, 0.09, 0.0]]
    told = list(basins(cell({"nuts": lost, "gibbs": good, "smc": SMC})))
    assert told[1] == "gibbs weighs the basins as smc does."
    assert told[2].startswith("0.090 of nuts's draws climb to optimum 1 of em_map, 0.757 of smc's.")


@pytest.mark.parametrize("standing", ["denied", "opposed"])
def test_an_smc_that_is_not_believed_judges_nobody(standing: str) -> None:
    told = list(basins(cell({"nuts": [[0.9, 0.1, 0.0]] * 2, "smc": SMC}, standing)))
    assert told == [
        "nuts and smc do not weigh the basins of em_map's optima alike, and chains cannot tell who is right; "
        "raise draws or chains of smc, until its log evidence is trusted."
    ]


def test_one_sample_of_chains_says_nothing_of_the_posterior() -> None:
    assert not list(basins(cell({"nuts": SMC})))


def test_the_table_has_chains_extremes_and_what_is_left() -> None:
    found = cell({"nuts": SMC}, objectives=(-10.0, -11.0))
    (grid,) = grids(found)
    assert [head.text for head, _ in grid.rows] == ["0", "1", "none of these"]
    assert grid.rows[0][1][1].text == "0.200 [0.150, 0.250]"
    assert grid.rows[1][1][0].text == "-11.000"
    told = weighed(found)
    assert told is not None
    np.testing.assert_allclose(told[1][0].mean.sum(), 1.0)


def test_nothing_where_there_is_one_optimum_or_no_sample() -> None:
    assert not list(grids(cell({"nuts": [[1.0, 0.0]]}, objectives=(-10.0,))))
    assert not list(basins(cell({"nuts": [[1.0, 0.0]], "smc": [[1.0, 0.0]]}, objectives=(-10.0,))))


def test_chains_that_agree_with_anything_are_no_witness() -> None:
    """Those of an SMC that is not trusted, with nuts and gibbs each spread so wide that all three would agree."""
    nuts = [[0.67, 0.22, 0.11], [0.01, 0.39, 0.6], [0.77, 0.22, 0.01]]
    gibbs = [[1.0, 0.0, 0.0], [0.0, 0.82, 0.18], [0.0, 0.92, 0.08], [0.01, 0.47, 0.52]]
    told = list(basins(cell({"nuts": nuts, "smc": SMC, "gibbs": gibbs}, "denied")))
    assert told == [
        "The chains of nuts have from 0.010 to 0.770 of their draws where EM climbs to optimum 0 of em_map: "
        "chains so far apart do not weigh basins.",
        "The chains of gibbs have from 0 to 1 of their draws where EM climbs to optimum 0 of em_map: "
        "chains so far apart do not weigh basins.",
        "No sample here tells how much of the posterior is in each basin of em_map's optima; "
        "raise draws or chains of smc, until its log evidence is trusted.",
    ]


def test_chains_of_which_a_check_warns_are_no_witness() -> None:
    chains = {"nuts": [[0.3, 0.7, 0.0], [0.1, 0.85, 0.05]] * 8, "gibbs": [[0.2, 0.8, 0.0]] * 4}
    assert "is not where most" in next(basins(cell(chains)))
    told = list(basins(cell(chains, warnings=(("nuts", "basins_disagreement", "5"),))))
    assert told[0].startswith("The chains of nuts have from 0.100 to 0.300")
    assert told[1].endswith("add smc.")


ELSEWHERE = [[0.0, 0.07, 0.43, 0.5], [0.0, 0.06, 0.4, 0.54]]


def test_most_is_more_than_half() -> None:
    """Optimum 1 is ahead of optimum 0 each time: with most of the draws, with more than any other, with next to none."""
    most, alike = basins(cell({"nuts": [[0.2, 0.7, 0.1]] * 2, "gibbs": [[0.2, 0.7, 0.1]] * 2}))
    assert "is not where most of the posterior is: 0.700 of nuts's draws climb to optimum 1" in most
    assert alike == "nuts and gibbs weigh the basins of em_map's optima alike."
    more, _ = basins(cell({"nuts": [[0.2, 0.45, 0.35]] * 2, "gibbs": [[0.2, 0.45, 0.35]] * 2}))
    assert "does not have the largest share of the posterior: 0.450 of nuts's draws climb to optimum 1" in more
    warnings = (("nuts", "basins_elsewhere", "0.935"), ("gibbs", "basins_elsewhere", "0.935"))
    shares = {"nuts": ELSEWHERE, "gibbs": ELSEWHERE}
    elsewhere, _ = basins(cell(shares, missed=(-10.5,), warnings=warnings))
    assert elsewhere == (
        "Most of the posterior is in no basin that the restarts of em_map found: 0.935 of nuts's draws and 0.935 of gibbs's draws "
        "climb to optima at which no restart ended. Raise restarts of em_map."
    )


def test_an_optimum_above_the_best_that_restarts_found_is_told() -> None:
    found = cell({"smc": ELSEWHERE, "nuts": [[1.0, 0.0, 0.0, 0.0]]}, missed=(-5.6,), warnings=(("smc", "basins_above_best", "4.4"),))
    (told,) = climbed_past(found)
    assert told == (
        "0.415 of smc's draws climb to an optimum of log posterior -5.600, 4.4 nats above the best that the restarts of em_map found. "
        "Raise restarts of em_map."
    )
    several = cell({"smc": [[0.1, 0.0, 0.4, 0.3, 0.2]]}, missed=(-5.6, -8.0), warnings=(("smc", "basins_above_best", "4.4"),))
    (told,) = climbed_past(several)
    assert told.startswith("0.400 of smc's draws climb to an optimum of log posterior -5.600, 4.4 nats above")
    assert "; with 1 more above it that makes 0.700 of smc's draws. Raise" in told
    (grid,) = grids(found)
    assert [head.text for head, _ in grid.rows] == ["0", "1", "missed", "none of these"]
    assert [field.text for field in grid.rows[2][1]] == ["-5.600", "0.415 [0.400, 0.430]", "0"]
    assert not list(climbed_past(cell({"smc": SMC})))


def test_the_table_has_the_optima_of_most_draws() -> None:
    """Eight found and eight missed, the lower the more draws: of each the lowest six, and the best whatever it has."""
    shares = [*np.linspace(0.0, 0.12, 8), *np.linspace(0.0, 0.12, 8)]
    heights = tuple(-10.0 - i for i in range(8))
    (grid,) = grids(cell({"smc": [[*shares, 1.0 - sum(shares)]]}, objectives=heights, missed=tuple(height + 0.5 for height in heights)))
    assert [head.text for head, _ in grid.rows][:6] == ["0", "3", "4", "5", "6", "7"]
    lost = [fields[0].text for head, fields in grid.rows if head.text == "missed"]
    assert lost == [f"{-9.5 - i:.3f}" for i in (0, 3, 4, 5, 6, 7)]


def test_one_optimum_found_and_others_missed_is_a_table() -> None:
    (grid,) = grids(cell({"smc": [[0.3, 0.5, 0.2]]}, objectives=(-10.0,), missed=(-11.0,)))
    assert [head.text for head, _ in grid.rows] == ["0", "missed", "none of these"]


def test_the_heading_names_whose_draws_they_are() -> None:
    found = cell({"nuts": SMC})
    table = found.tables["optima"].assign(restarts=1.0, share=0.5, posterior_share=[0.2, 0.7], posterior_share_method="nuts")
    (grid,) = (each for each in optima(dataclasses.replace(found, tables={**found.tables, "optima": table})) if isinstance(each, Grid))
    assert "share of nuts's draws" in [head.text for head in grid.columns]
