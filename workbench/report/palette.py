"""One colour and one marker per method, told apart by colour-blind readers, on white and on black."""

from __future__ import annotations

import dataclasses

INK = "#1b1f24"  # drawn in this, shown in the page's own ink
PAPER = "#fefefe"  # drawn in this, shown in the page's own paper
GREY = "#8a929b"  # reads on both

# After Okabe and Ito (2008), the yellow left out: it cannot be read on white.
LIGHT = ("#0072b2", "#d55e00", "#009e73", "#b3568f", "#b07d00", "#3f9fd6", "#6b5bd2", "#7a5230", "#7f8c00", "#a4161a")
DARK = ("#4fa8e0", "#f08a4b", "#2fc298", "#dd8fbe", "#e0b040", "#8cc8f0", "#a79bf5", "#c09a76", "#cbd65c", "#ff8080")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
LINES = ("-", (0, (4, 2)), (0, (1, 1)), (0, (6, 1.5, 1, 1.5)))  # a later line on an equal earlier one lets it show

# Components are not methods: a scale of their own, from dark to light.
COMPONENTS = ("#3b4f71", "#e3c16f", "#7d9a8c", "#a86464", "#b9b4c7", "#56423e", "#c5d5a6", "#7fb2c9", "#d9a38f", "#8f7ba8")


@dataclasses.dataclass(frozen=True)
class Look:
    """How a method is drawn, the same throughout a page."""

    index: int

    @property
    def colour(self) -> str:
        return LIGHT[self.index % len(LIGHT)]

    @property
    def variable(self) -> str:
        """The CSS variable that holds the colour."""
        return f"--method-{self.index % len(LIGHT)}"

    @property
    def marker(self) -> str:
        return MARKERS[(self.index + self.index // len(LIGHT)) % len(MARKERS)]  # beyond the colours another pair

    @property
    def line(self) -> str | tuple[int, tuple[float, ...]]:
        return LINES[(self.index + self.index // len(LIGHT)) % len(LINES)]


def component_colour(index: int) -> str:
    return COMPONENTS[index % len(COMPONENTS)]


def declarations(colours: tuple[str, ...]) -> str:
    """The CSS declarations of the methods' colours."""
    return "".join(f"--method-{i}:{colour};" for i, colour in enumerate(colours))
