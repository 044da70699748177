"""Options of a method are checked wherever the method is made: in a config, where each mistake has its place, and in Python."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, get_type_hints


def check_options(method: Any) -> None:
    """Hold every field of a method's dataclass to its annotation.

    Raises
    ------
    ValueError
        Naming the method, the option, its value and what is wanted.
    """
    import pydantic

    adapters = _adapters(method.__class__)
    for field in dataclasses.fields(method):
        value = getattr(method, field.name)
        try:
            adapters[field.name].validate_python(value)
        except pydantic.ValidationError as error:
            wanted = "; ".join(dict.fromkeys(detail["msg"].lower() for detail in error.errors()))
            raise ValueError(f"{type(method).__name__}: {field.name} is {value!r}; {wanted}") from None


@functools.cache
def _adapters(kind: type) -> dict[str, Any]:
    import pydantic

    hints = get_type_hints(kind, include_extras=True)
    return {field.name: pydantic.TypeAdapter(hints[field.name]) for field in dataclasses.fields(kind)}
