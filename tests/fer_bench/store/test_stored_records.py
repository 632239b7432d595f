"""Records as JSON: what is stored stays byte for byte, each comes back as it was, and damage to one is a line."""

from __future__ import annotations

import dataclasses
import sqlite3
from pathlib import Path

import pytest
from damage import damaged
from hypothesis import given, settings
from hypothesis import strategies as st
from places import GOLDEN
from stored_results import CONTEXT, Made, make, outcomes
from toys import toy_provenance

from fer_bench.core.attack_spec import AttackSpec
from fer_bench.core.cell import Cell
from fer_bench.core.model_card import Finding
from fer_bench.core.outcome import Provenance
from fer_bench.core.threat import NORMS, ThreatModel
from fer_bench.errors import StoreError, UsageError
from fer_bench.store import records
from fer_bench.store.results import FILE_NAME, CellContext, ResultStore

WORDS = st.text(max_size=12)
TUPLES = st.lists(WORDS, max_size=3).map(tuple)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
COUNTS = st.integers(0, 2**70)
VALUES = st.one_of(st.integers(), NUMBERS, WORDS, st.booleans(), st.sampled_from(["7", "true", 7, 7.0, True]))
ATTACKS = st.builds(
    AttackSpec,
    name=WORDS,
    threat=st.builds(ThreatModel, st.sampled_from(NORMS), NUMBERS, WORDS),
    params=st.dictionaries(st.sampled_from(["steps", "alpha", "größe", ""]), VALUES).map(
        lambda own: tuple(own.items())
    ),
    version=COUNTS,
    record=st.sampled_from(["first", "smallest", "largest"]),
    label=WORDS,
    target=WORDS,
    tolerance=st.none() | NUMBERS,
)
CELLS = st.builds(Cell, WORDS, WORDS, ATTACKS, WORDS, WORDS, n=COUNTS, seed=st.integers())
#: By the text of a field's annotation.
FIELDS = {"str": WORDS, "int": COUNTS, "bool": st.booleans(), "tuple[str, ...]": TUPLES}
CONTEXTS = st.builds(CellContext, **{field.name: FIELDS[field.type] for field in dataclasses.fields(CellContext)})
PACKAGES = st.lists(st.tuples(WORDS, WORDS), max_size=3).map(tuple)
PROVENANCES = st.builds(
    Provenance, **{field.name: FIELDS.get(field.type, PACKAGES) for field in dataclasses.fields(Provenance)}
)
FINDINGS = st.lists(st.builds(Finding, WORDS, WORDS), max_size=3).map(tuple)


@settings(max_examples=200)
@given(CELLS, CONTEXTS, PROVENANCES, FINDINGS)
def test_every_record_comes_back_with_its_types_and_identity(cell, context, provenance, findings):
    back = records.cell_from(records.definition_json(cell))
    assert back == cell
    assert repr(back) == repr(cell)  # 7, 7.0 and True are equal, and other parameters
    assert back.key == cell.key
    assert repr(records.context_from(records.context_json(context))) == repr(context)
    assert repr(records.provenance_from(records.to_json(provenance))) == repr(provenance)
    assert repr(records.findings_from(records.findings_json(findings))) == repr(findings)


def test_what_the_code_before_wrote_is_written_again_byte_for_byte():
    db = sqlite3.connect(f"{(GOLDEN / 'results-0.1.0' / FILE_NAME).as_uri()}?mode=ro", uri=True)
    stored = db.execute("select definition, context from cell").fetchall()
    runs = db.execute("select provenance from run").fetchall()
    findings = db.execute("select findings from examination").fetchall()
    db.close()
    assert len(stored) == 15
    assert runs
    assert findings
    for definition, context in stored:
        assert records.definition_json(records.cell_from(definition)) == definition
        assert records.context_json(records.context_from(context)) == context
    for (text,) in runs:
        assert records.to_json(records.provenance_from(text)) == text
    for (text,) in findings:
        assert records.findings_json(records.findings_from(text)) == text


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stored")
    make(folder, Made(outcomes()))
    with ResultStore(folder) as store:
        store.add_examination(1, "a" * 64, store.cells()[0].cell.data_digest, [Finding("softmax cut", "why")])
    return folder


@settings(max_examples=150)
@given(data=st.data())
def test_a_damaged_record_is_read_or_refused_in_one_line(stored, data):
    """Whatever the damage, no other exception; where it is still a record, it is one with fields of their types."""
    table, column = data.draw(
        st.sampled_from(
            [("cell", "definition"), ("cell", "context"), ("run", "provenance"), ("examination", "findings")]
        )
    )
    db = sqlite3.connect(stored / FILE_NAME)
    (whole,) = db.execute(f"select {column} from {table}").fetchone()
    cells, runs, said = [], {}, ""
    try:
        with db:
            db.execute(f"update {table} set {column} = ?", [data.draw(damaged(whole))])
        with ResultStore(stored, create=False) as store:
            cells, runs = store.cells(), store.runs()
    except StoreError as error:
        said = str(error)
    finally:
        with db:
            db.execute(f"update {table} set {column} = ?", [whole])
        db.close()
    assert said.isprintable()
    assert all(type(cell.cell.n) is int and type(cell.context.licence) is str for cell in cells)
    assert all(type(run.threads) is int and type(run.packages) is tuple for run in runs.values())


@pytest.mark.parametrize(
    ("column", "old", "new", "said"),
    [
        ("definition", '"seed": 0', '"seed": true', "seed: Input should be a valid integer, not True"),
        ("definition", '"seed": 0', '"seed": 0, "sede": 1', "sede is not known"),
        ("definition", '"norm": "Linf"', '"norm": "L9"', "attack.norm: Input should be 'Linf', "),
        ("definition", '["steps", 50]', '["levels", "1/0"]', "division by zero"),
        ("definition", '["eps", 0.03137254901960784]', f'["eps", 1{"0" * 400}]', "int too large to convert to float"),
        ("context", '"licence"', '"license"', "license is not known"),
        ("context", '"notes": [', '"notes": [3, ', "notes.0: Input should be a valid string, not 3"),
    ],
)
def test_the_line_names_the_field_and_what_is_there(tmp_path, column, old, new, said):
    make(tmp_path, Made(outcomes(), context=dataclasses.replace(CONTEXT, notes=("a",))))
    db = sqlite3.connect(tmp_path / FILE_NAME)
    with db:
        db.execute(f"update cell set {column} = replace({column}, ?, ?)", [old, new])
    db.close()
    with (
        ResultStore(tmp_path, create=False) as store,
        pytest.raises(StoreError, match="that this fer_bench cannot") as e,
    ):
        store.cells()
    assert said in str(e.value)


def test_a_card_whose_fields_have_other_types_is_refused_before_anything_is_stored(tmp_path):
    """It would be written without complaint, and then no command could read the folder."""
    attack = AttackSpec("pgd", ThreatModel("Linf", 0.1), (), 1)
    with ResultStore(tmp_path) as store:
        run = store.add_run(toy_provenance())
        wrong = dataclasses.replace(CONTEXT, year="2024")
        with pytest.raises(UsageError, match=r"the card of .* \(year: Input should be a valid integer, not '2024'"):
            store.begin(Cell("toy", "0", attack, "toy", "0", 1, 0), wrong, run, again=False)
        assert store.cells() == []


def test_a_context_that_an_older_version_stored_with_other_types_is_still_read(tmp_path):
    """A plug-in's card could say its year as text, and the folder was written; no number depends on it."""
    make(tmp_path, Made(outcomes(), context=dataclasses.replace(CONTEXT, year=2024, parameters=7)))
    db = sqlite3.connect(tmp_path / FILE_NAME)
    with db:
        db.execute("""update cell set context = replace(context, '"year": 2024', '"year": "2024"')""")
        db.execute("""update cell set context = replace(context, '"parameters": 7', '"parameters": 7.0')""")
        assert '"year": "2024"' in db.execute("select context from cell").fetchone()[0]
    db.close()
    with ResultStore(tmp_path, create=False) as store:
        (cell,) = store.cells()
    assert (cell.context.year, cell.context.parameters) == (2024, 7)
