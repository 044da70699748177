"""Observed information (Louis 1982): one file a family, one row a family in ``chart.KERNELS``."""

from workbench.models.information.chart import KERNELS, Chart
from workbench.models.information.louis import Information, observed_information

__all__ = ["KERNELS", "Chart", "Information", "observed_information"]
