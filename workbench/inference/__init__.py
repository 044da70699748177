"""Inference methods: one file or folder a method, one row here."""

from workbench.inference.em import EM
from workbench.inference.method import Clock, Context, Method

METHODS: dict[str, type[Method]] = {
    "em": EM,
}

__all__ = ["EM", "METHODS", "Clock", "Context", "Method"]
