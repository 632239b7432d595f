"""The codec is strict, and what it refuses it says in one line: where, what was expected, what was there."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Annotated, Literal

import pytest

from fer_bench import codec


@dataclass(frozen=True)
class Inner:
    kind: Literal["a", "b"]
    share: float = 0.5


@dataclass(frozen=True)
class Outer:
    n: int
    on: bool
    word: str
    inner: tuple[Inner, ...] = ()
    pair: tuple[float, float] | None = None
    value: int | float | str | bool = 0


@dataclass(frozen=True)
class Table:
    name: codec.Text
    count: codec.Count = 0
    on: codec.Flag = False
    share: Annotated[codec.Fraction, "a share"] = 0.0
    words: tuple[codec.Text, ...] = ()
    inner: tuple[Table, ...] = ()


def refused(call: object) -> codec.MisfitError:
    with pytest.raises(codec.MisfitError) as caught:
        call()  # type: ignore[operator]
    assert str(caught.value).isprintable()
    return caught.value


def test_json_becomes_the_dataclass_with_its_tuples_and_defaults():
    text = '{"n": 3, "on": true, "word": "x", "inner": [{"kind": "a", "share": 1}], "pair": [0.25, -1]}'
    assert codec.from_json(Outer, text) == Outer(3, True, "x", (Inner("a", 1.0),), (0.25, -1.0))
    assert codec.from_json(tuple[Inner, ...], "[]") == ()


@pytest.mark.parametrize("value", ["7", "7.0", "0.1", "1e-05", "true", '"7"', '"true"', str(2**70), "-0.0"])
def test_a_value_of_several_types_keeps_its_own(value):
    """A parameter that is read back as another type has another digest, and the cell is never found again."""
    read = codec.from_json(Outer, f'{{"n": 1, "on": true, "word": "", "value": {value}}}').value
    assert repr(read) == repr(json.loads(value))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ('"n": true', "n: Input should be a valid integer, not True"),
        ('"n": 3.0', "n: Input should be a valid integer, not 3.0"),
        ('"n": "3"', "n: Input should be a valid integer, not '3'"),
        ('"on": 1', "on: Input should be a valid boolean, not 1"),
        ('"on": "true"', "on: Input should be a valid boolean, not 'true'"),
        ('"word": 3', "word: Input should be a valid string, not 3"),
        ('"word": null', "word: Input should be a valid string, not None"),
        ('"pair": [1]', "lacks pair.1"),
        ('"inner": {}', "inner: Input should be a valid"),
        ('"inner": [{"kind": "c"}]', "inner.0.kind: Input should be 'a' or 'b', not 'c'"),
        ('"inner": [{}]', "lacks inner.0.kind"),
        ('"moon": "full"', "moon is not known"),
        ('"a\\nb": 1', "'a\\nb' is not known"),
        ('"word": ["\\u001b[2J\\n"]', r"word: Input should be a valid string, not ['\x1b[2J\n']"),
    ],
)
def test_nothing_is_converted_and_the_fault_is_named(change, said):
    fields = {"n": '"n": 3', "on": '"on": true', "word": '"word": "x"'}
    fields[change.split('"')[1]] = change
    misfit = refused(lambda: codec.from_json(Outer, f"{{{', '.join(fields.values())}}}"))
    assert said in str(misfit)


@pytest.mark.parametrize("text", ["", "{", "[1", "null", "3", "[]", '"x"', "[" * 100_000, '{"n": "\\ud800"}', b"\xff"])
def test_what_is_no_such_record_at_all_is_a_line(text):
    assert len(str(refused(lambda: codec.from_json(Outer, text)))) < 200


def test_a_field_that_is_not_known_may_be_ignored():
    text = '{"kind": "a", "moon": {"full": true}}'
    assert codec.from_json(Inner, text, extra="ignore") == Inner("a")
    assert refused(lambda: codec.from_json(Inner, text)).path == ("moon",)


def test_a_table_becomes_the_dataclass():
    table = {"name": "x", "count": 2, "on": True, "share": 1.0, "words": ["a"], "inner": [{"name": "y"}]}
    assert codec.from_table(Table, table) == Table("x", 2, True, 1.0, ("a",), (Table("y"),))


@pytest.mark.parametrize(
    ("change", "kind", "path"),
    [
        ({"name": 3}, "wrong", ("name",)),
        ({"count": True}, "wrong", ("count",)),
        ({"count": 1.0}, "wrong", ("count",)),
        ({"count": "1"}, "wrong", ("count",)),
        ({"count": -1}, "wrong", ("count",)),
        ({"on": 1}, "wrong", ("on",)),
        ({"on": "yes"}, "wrong", ("on",)),
        ({"share": 1}, "wrong", ("share",)),
        ({"share": 1.5}, "wrong", ("share",)),
        ({"share": math.nan}, "wrong", ("share",)),
        ({"words": "abc"}, "wrong", ("words",)),
        ({"words": ["a", 1]}, "wrong", ("words", 1)),
        ({"inner": {"name": "y"}}, "wrong", ("inner",)),
        ({"inner": [{"nmae": "y"}]}, "unknown", ("inner", 0, "nmae")),
        ({"inner": [{}]}, "missing", ("inner", 0, "name")),
    ],
)
def test_a_table_is_taken_as_strictly(change, kind, path):
    misfit = refused(lambda: codec.from_table(Table, {"name": "x", **change}))
    assert (misfit.kind, misfit.path) == (kind, path)


def test_a_table_leaves_out_what_is_as_by_default():
    assert codec.to_table(Table("x", 2, inner=(Table("y"),))) == {"name": "x", "count": 2, "inner": ({"name": "y"},)}
