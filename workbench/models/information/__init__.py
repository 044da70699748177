"""Observed information (Louis 1982): one file a family, one row a class of components in ``table.TABLE``."""

from workbench.models.information.chart import Chart
from workbench.models.information.louis import Information, observed_information

__all__ = ["Chart", "Information", "observed_information"]
