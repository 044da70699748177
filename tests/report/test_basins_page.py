"""Which optima draws climb to, on the page: who may weigh basins, who agrees, and where the best optimum is not where the mass is."""

from __future__ import annotations

from typing import Any

import made
import numpy as np
import pandas as pd
import pytest

from workbench.report.basins import basins, grids, weighed
from workbench.report.slices import Slice, slices

KINDS = {"em_map": "em", "nuts": "nuts", "gibbs": "gibbs", "smc": "smc"}
POINT = {"method": "em_map", "estimate": "point"}


def cell(shares: dict[str, list[list[float]]], standing: str = "reference", objectives: tuple[float, ...] = (-10.0, -11.0)) -> Slice:
    """One cell in which each sample's chains have such shares, the last of none of the optima; 100 draws a chain."""
    rows = [
        {"method": method, "chain": c, "climbs": "em_map", "optimum": i if i < len(objectives) else None, "share": share, "draws": 100}
        for method, chains in shares.items()
        for c, chain in enumerate(chains)
        for i, share in enumerate(chain)
    ]
    likelihoods = [POINT, *({"method": method, "estimate": "sample"} for method in shares)]
    tables: dict[str, Any] = {
        "basins": rows,
        "likelihoods": [{**row, "kind": KINDS[row["method"]], "log_likelihood": -9.0} for row in likelihoods],
        "optima": [{"method": "em_map", "optimum": i, "objective": value} for i, value in enumerate(objectives)],
        "restarts": [{"method": "em_map", "restart": 0, "objective_name": "log_posterior"}],
        "evidence": [{"method": "smc", "estimator": "smc", "log_evidence": -20.0, "standing": standing}],
        "components": [{"method": method, "component": k} for method in ("em_map", *shares) for k in (0, 1)],
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
    assert told[2].startswith("The chains of nuts have from 0 to 1 of their draws where EM climbs to optimum 0 of em_map: they stay")

    lost = [[0.9, 0.1, 0.0], [0.92, 0.08, 0.0], [0.91, 0.09, 0.0]]
    told = list(basins(cell({"nuts": lost, "gibbs": good, "smc": SMC})))
    assert told[1] == "gibbs weighs the basins as smc does."
    assert told[2].startswith("0.090 of nuts's draws climb to optimum 1 of em_map, 0.757 of smc's.")


@pytest.mark.parametrize("standing", ["denied", "opposed"])
def test_an_smc_that_is_not_believed_judges_nobody(standing: str) -> None:
    told = list(basins(cell({"nuts": [[0.9, 0.1, 0.0]] * 2, "smc": SMC}, standing)))
    assert told == ["nuts and smc do not weigh the basins of em_map's optima alike, and chains cannot tell who is right; add smc."]


def test_one_sample_of_chains_says_nothing_of_the_posterior() -> None:
    assert not list(basins(cell({"nuts": SMC})))


def test_the_table_has_chains_extremes_and_what_is_left() -> None:
    found = cell({"nuts": SMC}, objectives=(-10.0, -11.0))
    (grid,) = grids(found)
    assert [head.text for head, _ in grid.rows] == ["0", "1", "none of them"]
    assert grid.rows[0][1][1].text == "0.200 [0.150, 0.250]"
    assert grid.rows[1][1][0].text == "-11.000"
    told = weighed(found)
    assert told is not None
    np.testing.assert_allclose(told[1][0].mean.sum(), 1.0)


def test_nothing_where_there_is_one_optimum_or_no_sample() -> None:
    assert not list(grids(cell({"nuts": [[1.0, 0.0]]}, objectives=(-10.0,))))
    assert not list(basins(cell({"nuts": [[1.0, 0.0]], "smc": [[1.0, 0.0]]}, objectives=(-10.0,))))
