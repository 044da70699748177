"""What a misspelt name may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping

SHOWN = 12
"""How many names a message lists before it stops."""
FEW = 4
"""How many owners of a name it lists."""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known name most like ``word``, or None if none is near."""
    names = list(known)
    folded = {name.lower().replace("-", "_"): name for name in names}
    wanted = word.lower().replace("-", "_").replace(" ", "_")
    if wanted in folded:
        return folded[wanted]
    near = difflib.get_close_matches(wanted, folded, n=1, cutoff=0.6)
    return folded[near[0]] if near else None


def advice(word: str, known: Iterable[str]) -> str:
    """Return "did you mean NAME?" or, if none is near, which names there are."""
    names = list(known)
    near = nearest(word, names)
    return f"did you mean {near}?" if near else there_are(names)


def who_has(word: str, owners: Mapping[str, Collection[str]]) -> str:
    """Return "A has it" or "A, B and C have it" of the ``owners`` that have the name ``word``; empty if none has."""
    names = [owner for owner, theirs in owners.items() if word in theirs]
    if not names:
        return ""
    shown = names if len(names) <= FEW else [*names[: FEW - 1], f"{len(names) - FEW + 1} more"]
    return f"{names[0]} has it" if len(names) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]} have it"


def there_are(names: Iterable[str]) -> str:
    """Return a sentence that lists ``names``, cut short when they are many."""
    names = list(names)
    if not names:
        return "there are none"
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ("there is " if len(names) == 1 else "there are ") + ", ".join(names[:SHOWN]) + more
