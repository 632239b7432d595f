"""Plain values, as JSON and TOML hold them, into frozen dataclasses: strictly, with a fault in one line.

It knows no record. The only file that imports pydantic; see docs/design/codecs.md.
"""

from __future__ import annotations

import reprlib
from collections.abc import Hashable, Mapping
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, cast

from pydantic import Field, InstanceOf, StrictBool, StrictInt, StrictStr, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

T = TypeVar("T")

# What a field of a table may be, for `from_table`.
Text = StrictStr
Flag = StrictBool
#: A whole number from 0.
Count = Annotated[StrictInt, Field(ge=0)]
#: From 0.0 to 1.0, and written with a point.
Fraction = Annotated[InstanceOf[float], Field(ge=0, le=1)]


class MisfitError(ValueError):
    """Values that are not the record which they should be; as text, one line.

    `path`: the names of fields and the positions that lead to the fault, none for the whole.
    `kind`: a field is missing, or there is one that the record does not have, or its value is wrong.
    """

    def __init__(self, path: tuple[str | int, ...], kind: Literal["missing", "unknown", "wrong"], text: str) -> None:
        super().__init__(text)
        self.path = path
        self.kind = kind


def from_json(
    kind: type[T], text: str | bytes, extra: Literal["forbid", "ignore"] = "forbid", strict: bool = True
) -> T:
    """The `kind` that a JSON text holds, a dataclass or a tuple of them.

    `extra`: whether a field that the dataclass does not have is a fault. `strict`: nothing is converted to another
    type; else a text that is a number stands for it, and a whole 3.0 for 3. Raises MisfitError.
    """
    try:
        record: T = _adapter(cast(Hashable, kind)).validate_json(text, strict=strict, extra=extra)
    except ValidationError as error:
        raise _misfit(error) from None
    return record


def from_table(kind: type[T], table: Mapping[str, Any]) -> T:
    """The dataclass that a table of a TOML file holds; its fields are of this module's types, or dataclasses as it is.

    Raises MisfitError, also for a field that the dataclass does not have.
    """
    # Strict for the whole would take no table for a dataclass: that is for JSON alone.
    try:
        record: T = _adapter(cast(Hashable, kind)).validate_python(table, extra="forbid")
    except ValidationError as error:
        raise _misfit(error) from None
    return record


def to_table(record: object) -> dict[str, Any]:
    """A dataclass as plain values; a field that has a default and is equal to it is left out."""
    adapter = _adapter(cast(Hashable, type(record)))
    table: dict[str, Any] = adapter.dump_python(record, exclude_defaults=True, warnings=False)
    return table


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _misfit(error: ValidationError) -> MisfitError:
    """The first fault; a field that is not known comes first, for it may be a misspelt one that is missing."""
    faults = error.errors(include_url=False, include_context=False)
    fault = next((fault for fault in faults if fault["type"] == "unexpected_keyword_argument"), faults[0])
    path = fault["loc"]
    where = printable(".".join(map(str, path)))
    if fault["type"] == "missing":
        return MisfitError(path, "missing", f"lacks {where}")
    if fault["type"] == "unexpected_keyword_argument":
        return MisfitError(path, "unknown", f"{where} is not known")
    return MisfitError(path, "wrong", f"{where or 'the record'}: {_said(fault)}")


def _said(fault: ErrorDetails) -> str:
    """What was expected and, but for a text that is no JSON, what was there."""
    message = printable(fault["msg"])
    return message if fault["type"] == "json_invalid" else f"{message}, not {reprlib.repr(fault['input'])}"


def printable(text: str) -> str:
    """Text from a damaged file as one line that a terminal can show."""
    return text if text.isprintable() else ascii(text)
