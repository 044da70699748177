"""Data sets that come with the package, each with its origin and licence (csv/README.md has the same in prose)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from workbench.data.dataset import Dataset
from workbench.data.readers import read_csv
from workbench.data.selection import select
from workbench.data.spelling import advice
from workbench.data.table import SourceError, Table

FOLDER = Path(__file__).parent / "csv"


@dataclass(frozen=True)
class BuiltIn:
    """A data set in ``csv/NAME.csv``.

    Attributes
    ----------
    name : what a config calls it
    n_rows : rows in the file
    columns : the features taken by default
    description : what the rows and columns are, with units
    origin : who measured it, and the copy that was taken
    licence : licence or status, as the source states it
    classes, id, counts : columns used as known classes, as row names and as multiplicities by default
    """

    name: str
    n_rows: int
    columns: tuple[str, ...]
    description: str
    origin: str
    licence: str
    classes: str | None = None
    id: str | None = None
    counts: str | None = None

    @property
    def path(self) -> Path:
        return FOLDER / f"{self.name}.csv"

    def table(self) -> Table:
        """Read the file."""
        return read_csv(self.path, self.name)


GEYSER = ("eruptions", "waiting")
FLOWER = ("sepal_length", "sepal_width", "petal_length", "petal_width")
BIRD = ("bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g")
VOTES = (
    "handicapped_infants",
    "water_project_cost_sharing",
    "adoption_of_the_budget_resolution",
    "physician_fee_freeze",
    "el_salvador_aid",
    "religious_groups_in_schools",
    "anti_satellite_test_ban",
    "aid_to_nicaraguan_contras",
    "mx_missile",
    "immigration",
    "synfuels_corporation_cutback",
    "education_spending",
    "superfund_right_to_sue",
    "crime",
    "duty_free_exports",
    "export_administration_act_south_africa",
)
ANIMAL = (
    *("hair", "feathers", "eggs", "milk", "airborne", "aquatic", "predator", "toothed"),
    *("backbone", "breathes", "venomous", "fins", "tail", "domestic", "catsize"),
)
PIXELS = tuple(f"p{pixel:02d}" for pixel in range(64))

FACTS = "facts (plain measurements)"

SETS = (
    BuiltIn(
        name="old_faithful",
        n_rows=272,
        columns=GEYSER,
        description="Old Faithful geyser: length of an eruption and waiting time to the next, minutes",
        origin="Azzalini and Bowman 1990, Haerdle 1991; R 4.2.2 datasets::faithful",
        licence=f"{FACTS}; R is GPL-2 or GPL-3",
    ),
    BuiltIn(
        name="old_faithful_missing",
        n_rows=272,
        columns=GEYSER,
        description="old_faithful with 15 % of the cells (82 of 544) removed at random",
        origin="made from old_faithful, seed 20",
        licence=f"{FACTS}; R is GPL-2 or GPL-3",
    ),
    BuiltIn(
        name="iris",
        n_rows=150,
        columns=FLOWER,
        description="Iris flowers of three species, 50 each: lengths and widths, cm",
        origin="Anderson 1935, Fisher 1936; R datasets::iris (without the two faulty rows of the UCI copy)",
        licence=f"{FACTS}; R is GPL-2 or GPL-3",
        classes="species",
    ),
    BuiltIn(
        name="iris_missing",
        n_rows=150,
        columns=FLOWER,
        description="iris with 15 % of the measurements (90 of 600) removed at random",
        origin="made from iris, seed 20",
        licence=f"{FACTS}; R is GPL-2 or GPL-3",
        classes="species",
    ),
    BuiltIn(
        name="galaxies",
        n_rows=82,
        columns=("velocity",),
        description="Velocities of galaxies in the Corona Borealis region, 1000 km/s, sorted",
        origin="Postman, Huchra and Geller 1986, Roeder 1990; R MASS with its 78th value put right (26.960)",
        licence=f"{FACTS}; MASS is GPL-2 or GPL-3",
    ),
    BuiltIn(
        name="house_votes",
        n_rows=435,
        columns=VOTES,
        description="US House of Representatives 1984, 16 votes: 1 yea, 0 nay, empty unknown (392 cells)",
        origin="Congressional Quarterly Almanac 1985, UCI repository (J. Schlimmer 1987); R mlbench 2.1-3",
        licence="CC BY 4.0 (UCI); mlbench is GPL-2",
        classes="party",
    ),
    BuiltIn(
        name="zoo",
        n_rows=101,
        columns=ANIMAL,
        description="Animals: 15 binary attributes (and legs, a number) in seven classes",
        origin="R. Forsyth 1990, UCI repository; R mlbench 2.1-3",
        licence="CC BY 4.0 (UCI); mlbench is GPL-2",
        classes="type",
        id="animal",
    ),
    BuiltIn(
        name="penguins",
        n_rows=344,
        columns=BIRD,
        description="Penguins of the Palmer Archipelago, three species: mm and g; 2 rows without any measurement",
        origin="Gorman, Williams and Fraser 2014; R palmerpenguins 0.1.1",
        licence="CC0",
        classes="species",
    ),
    BuiltIn(
        name="digits_binary",
        n_rows=1797,
        columns=PIXELS,
        description="Handwritten digits, 8 x 8 pixels row by row: 1 where the grey level (0 to 16) is 8 or more",
        origin="Alpaydin and Kaynak 1998, UCI repository (test part); scikit-learn load_digits",
        licence="CC BY 4.0 (UCI); scikit-learn is BSD-3-Clause",
        classes="digit",
    ),
    BuiltIn(
        name="digits_binary_missing",
        n_rows=1797,
        columns=PIXELS,
        description="digits_binary with 10 % of the pixels (11501 of 115008) removed at random",
        origin="made from digits_binary, seed 20",
        licence="CC BY 4.0 (UCI); scikit-learn is BSD-3-Clause",
        classes="digit",
    ),
    BuiltIn(
        name="galaxies_mass",
        n_rows=82,
        columns=("velocity",),
        description="galaxies with the typing error of R MASS: the 78th value is 26.690",
        origin="Postman, Huchra and Geller 1986, Roeder 1990; R MASS::galaxies 7.3-58.2, divided by 1000",
        licence=f"{FACTS}; MASS is GPL-2 or GPL-3",
    ),
    BuiltIn(
        name="hasselblad",
        n_rows=1096,
        columns=("deaths",),
        description="Death notices of women of 80 and over in the London Times on each day of 1910 to 1912, sorted",
        origin="Schilling 1947, Hasselblad 1969; typed from the published table",
        licence="facts (plain counts)",
    ),
    BuiltIn(
        name="death_notices",
        n_rows=10,
        columns=("deaths",),
        description="hasselblad grouped: the number of days with 0 to 9 death notices, ten rows that stand for 1096",
        origin="Schilling 1947, Hasselblad 1969; typed from the published table",
        licence="facts (plain counts)",
        counts="days",
    ),
    BuiltIn(
        name="titanic",
        n_rows=2201,
        columns=("class", "sex", "age", "survived"),
        description="Everyone aboard the Titanic: class (1st, 2nd, 3rd, crew), sex, age (adult, child), survived (no, yes)",
        origin="British Board of Trade 1912, Dawson 1995; R datasets::Titanic, expanded to one row a person",
        licence="facts (plain counts); R is GPL-2 or GPL-3",
    ),
)

BUILT_IN: dict[str, BuiltIn] = {built_in.name: built_in for built_in in SETS}


def load_built_in(
    name: str,
    *,
    columns: Sequence[str] | None = None,
    id: str | None = None,
    classes: str | None = None,
    counts: str | None = None,
    levels: bool | Collection[str] | Literal["words"] = False,
    complete_rows: bool = False,
) -> Dataset:
    """Load a data set that comes with the package.

    Parameters
    ----------
    name : one of BUILT_IN
    columns, id, classes, counts : instead of the set's own
    levels : whether all features, or which, hold levels: words or whole numbers
    complete_rows : keep only rows without an empty cell

    Raises
    ------
    DataError
        If there is no such set or column.
    """
    if name not in BUILT_IN:
        raise SourceError(f"there is no built-in data set {name!r}; {advice(name, BUILT_IN)}", "name")
    known = BUILT_IN[name]
    return select(
        known.table(),
        columns=known.columns if columns is None else columns,
        id=id or known.id,
        classes=classes or known.classes,
        counts=counts or known.counts,
        levels=levels,
        complete_rows=complete_rows,
        name=name,
    )
