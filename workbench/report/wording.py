"""Words of tables as words of sentences."""

from __future__ import annotations

import math


def spoken(objective_name: str) -> str:
    return {"elbo": "ELBO"}.get(objective_name, objective_name.replace("_", " "))


def unit(objective_name: str) -> str:
    """Nats, but for objectives that are no log densities."""
    return "" if objective_name in ("negative_sum_of_squares", "rows_entered") else "nats"


def axis(objective_name: str) -> str:
    """The objective with its unit, as axes and tables head it."""
    measure = unit(objective_name)
    return f"{spoken(objective_name)} ({measure})" if measure else spoken(objective_name)


def sentence(text: str) -> str:
    """Somebody's words as the end of a sentence."""
    text = " ".join(text.split())
    return text if text.endswith((".", "!", "?")) else f"{text}."


def capital(text: str) -> str:
    """With a capital, but for a letter that is a symbol."""
    return text if text[:2] in ("p ", "q ", "K ") else text[:1].upper() + text[1:]


def figure(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def is_wrong(verdict: str) -> bool:
    return verdict.lower() not in ("", "ok", "good", "fine", "pass", "passed", "info", "note", "none")
