"""The results folder: what goes in comes out, nothing is lost or counted twice, and what a broken file says."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from observed import assert_alike
from places import TESTS
from toys import CLASSES, sample_name, toy_provenance, toy_verdict

from fer_bench.core.attack_spec import AttackSpec
from fer_bench.core.cell import Cell
from fer_bench.core.evalset import EvalSet
from fer_bench.core.outcome import ShardResult, Verdict
from fer_bench.core.threat import NORMS, Norm, ThreatModel, format_eps, parse_number
from fer_bench.errors import StoreError
from fer_bench.store.records import to_json
from fer_bench.store.results import FILE_NAME, CellContext, ResultStore, StoredVerdict

NAMES = tuple(sample_name(i) for i in range(12))
DATA = EvalSet("toy", "toy", torch.zeros(12, 1, 1, 1), torch.arange(12) % 7, CLASSES, NAMES)
PGD = AttackSpec("pgd", ThreatModel("Linf", 8 / 255), (("steps", 50), ("alpha", 2 / 255)), 1, label="pgd")
CELL = Cell("toy", "0" * 64, PGD, "toy", DATA.digest, 12, 0)
CONTEXT = CellContext(
    attack_label="pgd",
    model_title="Toy",
    task="expression",
    family="toys",
    year=2024,
    parameters=7,
    licence="MIT",
    trained_on="nothing",
    input="gray",
    defended=False,
    contaminated="",
    notes=("one", "two"),
    model_classes=CLASSES,
    data_classes=CLASSES,
    data_source="toy",
    missing_in_model=(),
    missing_in_data=("contempt",),
)


def shard(*numbers: int, seconds: float = 1.0, **fields: object) -> ShardResult:
    """A shard of some samples; its rows are the sums of its verdicts', as `evaluate_shard` makes them."""
    verdicts = tuple(toy_verdict(NAMES[i], fooled=i % 2 == 0) for i in numbers)
    result = ShardResult(
        verdicts, seconds, sum(v.forwards for v in verdicts), sum(v.backwards for v in verdicts), 1, 0, 0
    )
    return dataclasses.replace(result, **fields)


def opened(folder: Path) -> tuple[ResultStore, int, int]:
    """A store with one run, the samples and one cell that is open."""
    store = ResultStore(folder)
    run_id = store.add_run(toy_provenance())
    store.add_samples(DATA, DATA.digest)
    return store, run_id, store.begin(CELL, CONTEXT, run_id, again=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "out"


# ---------------------------------------------------------------------------- round trips

WORDS = st.text(max_size=12)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.one_of(st.integers(-(2**60), 2**60), NUMBERS, WORDS, st.booleans())
FIELDS = ["eps", "levels", "stages", "target", "region", "digest", "loss", "tolerance", "source", "source_digest"]
NAMES_OF_SETTINGS = WORDS.filter(lambda name: name not in FIELDS)


@st.composite
def specs(draw: st.DrawFn) -> AttackSpec:
    """An attack with any of its fields set, whose key lists some of its settings in any order."""
    norm: Norm = draw(st.sampled_from(NORMS))
    params = draw(st.dictionaries(NAMES_OF_SETTINGS, VALUES, max_size=4))
    levels = draw(st.lists(st.floats(0, 300), max_size=3))
    return AttackSpec(
        name=draw(WORDS),
        threat=ThreatModel(norm, draw(NUMBERS | st.just(math.inf)), draw(WORDS)),
        params=tuple(params.items()),
        version=draw(st.integers(1, 9)),
        record=draw(st.sampled_from(["first", "smallest", "largest"])),
        label=draw(WORDS),
        target=draw(WORDS),
        loss=draw(WORDS),
        tolerance=draw(st.none() | NUMBERS),
        levels=tuple(parse_number(format_eps(level, norm)) for level in levels),
        stages=tuple(draw(st.lists(st.sampled_from(["pgd", "fgsm(eps=8/255,steps=1)", "square"]), max_size=3))),
        stages_digest=draw(WORDS),
        source=draw(WORDS),
        source_digest=draw(WORDS),
        order=tuple(draw(st.lists(st.sampled_from([*FIELDS, *params]), max_size=6))),
    )


SPECS = specs()
CELLS = st.builds(
    Cell, WORDS, WORDS, SPECS, data=WORDS, data_digest=WORDS, n=st.integers(1, 9), seed=st.integers(0, 2**62)
)
TUPLES = st.lists(WORDS, max_size=3).map(tuple)
CONTEXTS = st.builds(
    CellContext,
    **{
        field.name: {"str": WORDS, "int": st.integers(0, 2**40), "bool": st.booleans()}.get(field.type, TUPLES)
        for field in dataclasses.fields(CellContext)
    },
)
COUNTS = st.integers(0, 2**40)
VERDICTS = st.builds(
    Verdict,
    sample=st.just(NAMES[0]),
    label=st.integers(-1, 7),
    clean_prediction=st.integers(0, 7),
    fooled=st.booleans(),
    attacked_prediction=st.integers(0, 7),
    norm=st.none() | NUMBERS,
    eight_bit=st.none() | st.booleans(),
    first_query=st.none() | COUNTS,
    forwards=COUNTS,
    backwards=COUNTS,
)


@settings(max_examples=25)
@given(CELLS, CONTEXTS, VERDICTS, st.lists(COUNTS, min_size=5, max_size=5), WORDS)
def test_what_goes_in_comes_out(
    tmp_path_factory: pytest.TempPathFactory,
    cell: Cell,
    context: CellContext,
    verdict: Verdict,
    counts: list[int],
    command: str,
) -> None:
    """Every field, in its own type, and the same identity: a peer stores a set as text, and never finds it again."""
    folder = tmp_path_factory.mktemp("trip")
    provenance = dataclasses.replace(toy_provenance(command), dirty=True)
    with ResultStore(folder) as store:
        run_id = store.add_run(provenance)
        store.add_samples(DATA, DATA.digest)
        cell_id = store.begin(cell, context, run_id, again=False)
        store.add_shard(cell_id, run_id, DATA.digest, ShardResult((verdict,), 1.5, *counts))
        store.finish(cell_id)
    with ResultStore(folder, create=False) as store:
        (found,) = store.cells()
        assert found.cell == cell
        assert found.cell.attack.label == cell.attack.label
        assert found.key == found.cell.key == cell.key
        assert found.cell.draw_seed == cell.draw_seed
        assert found.context == context
        assert (found.id, found.run_id, found.attempt, found.status, found.error) == (cell_id, run_id, 1, "done", "")
        assert found.seconds == 1.5
        kept = (found.forward_rows, found.backward_rows, found.zero_gradient_rows, found.bad_gradient_rows)
        assert [*kept, found.unconfirmed] == counts
        assert list(store.verdicts()) == [StoredVerdict(cell_id, 0, 0, verdict)]
        (back,) = (stored.verdict for stored in store.verdicts([cell_id]))
        assert [type(value) for value in vars(back).values()] == [type(value) for value in vars(verdict).values()]
        assert store.runs() == {run_id: provenance}


def test_verdicts_come_in_the_order_of_cells_and_samples(folder: Path) -> None:
    store, run_id, first = opened(folder)
    with store:
        second = store.begin(dataclasses.replace(CELL, seed=1), CONTEXT, run_id, again=False)
        store.add_shard(second, run_id, DATA.digest, shard(7, 2))
        store.add_shard(first, run_id, DATA.digest, shard(11, 10, 3))
        found = [(v.cell_id, v.position, v.truth, v.verdict.sample) for v in store.verdicts()]
        assert found == [
            (first, 3, 3, NAMES[3]),
            (first, 10, 3, NAMES[10]),
            (first, 11, 4, NAMES[11]),
            (second, 2, 2, NAMES[2]),
            (second, 7, 0, NAMES[7]),
        ]
        assert [v.cell_id for v in store.verdicts([second])] == [second, second]
        assert list(store.verdicts([])) == []


def test_the_same_images_in_two_subsets_keep_their_places(folder: Path) -> None:
    """A sample of n=2 is stored beside the same image of n=12: positions and verdicts are each subset's own."""
    store, run_id, whole = opened(folder)
    few = dataclasses.replace(DATA, images=DATA.images[:2], labels=DATA.labels[[3, 1]], ids=(NAMES[3], NAMES[1]))
    with store:
        store.add_samples(few, few.digest)
        store.add_samples(few, few.digest)
        cell_id = store.begin(dataclasses.replace(CELL, data_digest=few.digest, n=2), CONTEXT, run_id, again=False)
        store.add_shard(cell_id, run_id, few.digest, shard(3, 1))
        store.add_shard(whole, run_id, DATA.digest, shard(3))
        assert [(v.cell_id, v.position) for v in store.verdicts()] == [(whole, 3), (cell_id, 0), (cell_id, 1)]


def test_a_number_that_is_none_is_refused(folder: Path) -> None:
    with ResultStore(folder) as store:
        run_id = store.add_run(toy_provenance())
        spec = dataclasses.replace(PGD, threat=ThreatModel("Linf", math.nan))
        with pytest.raises(ValueError, match="not JSON compliant"):
            store.begin(dataclasses.replace(CELL, attack=spec), CONTEXT, run_id, again=False)
        assert store.cells() == []
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json(spec)


# ---------------------------------------------------------------------------- shards, attempts, resume


def test_a_shard_is_stored_whole_or_not_at_all(folder: Path) -> None:
    """A sample that the store does not know stands in the middle of a shard: nothing of the shard may stay."""
    store, run_id, cell_id = opened(folder)
    with store:
        store.add_shard(cell_id, run_id, DATA.digest, shard(0, 1))
        foreign = (toy_verdict(NAMES[2]), toy_verdict("nobody"), toy_verdict(NAMES[3]))
        with pytest.raises(TypeError):
            store.add_shard(cell_id, run_id, DATA.digest, shard(2, verdicts=foreign))
        twice = (toy_verdict(NAMES[4]), toy_verdict(NAMES[5]), toy_verdict(NAMES[4]))
        with pytest.raises(StoreError, match="UNIQUE"):
            store.add_shard(cell_id, run_id, DATA.digest, shard(4, verdicts=twice))
        assert store.judged(cell_id) == set(NAMES[:2])
        (found,) = store.cells()
        assert (found.judged, found.forward_rows) == (2, 10)


def test_a_reader_sees_shards_while_the_cell_is_running(folder: Path) -> None:
    store, run_id, cell_id = opened(folder)
    with store:
        store.add_shard(cell_id, run_id, DATA.digest, shard(0, 1, 2))
        with ResultStore(folder, create=False) as reader:
            (found,) = reader.cells()
            assert (found.status, found.judged) == ("running", 3)
            store.add_shard(cell_id, run_id, DATA.digest, shard(3))
            assert reader.cells()[0].judged == 4


def test_the_status_of_a_cell(folder: Path) -> None:
    store, run_id, cell_id = opened(folder)
    with store:
        assert store.status("0" * 16) is None
        assert store.status(CELL.key) == "running"
        store.finish(cell_id, error="it broke")
        assert store.status(CELL.key) == "failed"
        assert store.cells()[0].error == "it broke"
        assert store.begin(CELL, CONTEXT, run_id, again=False) == cell_id
        assert store.status(CELL.key) == "running"
        assert store.cells()[0].error == ""
        store.finish(cell_id)
        assert store.status(CELL.key) == "done"


def test_another_attempt_loses_nothing(folder: Path) -> None:
    """Readers see the latest finished attempt, also while a newer one runs or after it failed."""
    store, run_id, first = opened(folder)
    with store:
        store.add_shard(first, run_id, DATA.digest, shard(0, 1))
        store.finish(first)
        second = store.begin(CELL, CONTEXT, run_id, again=True)
        assert second != first
        assert store.judged(second) == set()
        store.add_shard(second, run_id, DATA.digest, shard(0))
        assert store.status(CELL.key) == "running"
        assert [(c.id, c.attempt, c.judged) for c in store.cells()] == [(first, 1, 2)]
        store.finish(second, error="it broke")
        assert [(c.id, c.status) for c in store.cells()] == [(first, "done")]
        third = store.begin(CELL, CONTEXT, run_id, again=True)
        assert store.begin(CELL, CONTEXT, run_id, again=False) == third  # a killed attempt is taken up again
        store.add_shard(third, run_id, DATA.digest, shard(5, 6, 7))
        store.finish(third)
        assert [(c.id, c.attempt, c.judged) for c in store.cells()] == [(third, 3, 3)]
        kept = [(v.cell_id, v.verdict.sample) for v in store.verdicts()]
        assert kept == [(first, NAMES[0]), (first, NAMES[1]), (second, NAMES[0])] + [
            (third, NAMES[i]) for i in (5, 6, 7)
        ]


def test_where_nothing_is_finished_the_latest_attempt_is_seen(folder: Path) -> None:
    store, run_id, first = opened(folder)
    with store:
        store.finish(first, error="one")
        second = store.begin(CELL, CONTEXT, run_id, again=True)
        store.finish(second, error="two")
        assert [(c.id, c.error) for c in store.cells()] == [(second, "two")]


def test_two_writers_of_one_cell_count_each_sample_once(folder: Path) -> None:
    """Two processes with other batch sizes overlap: every sample must be there, and the rows of each once."""
    one, run_id, cell_id = opened(folder)
    with one, ResultStore(folder) as other:
        assert other.begin(CELL, CONTEXT, run_id, again=False) == cell_id
        one.add_shard(cell_id, run_id, DATA.digest, shard(0, 1, 2, 3))
        other.add_shard(cell_id, run_id, DATA.digest, shard(0, 1, 2, 3))
        other.add_shard(cell_id, run_id, DATA.digest, shard(2, 3, 4, 5))
        one.add_shard(cell_id, run_id, DATA.digest, shard(4, 5, 6, 7))
        found = [stored.verdict for stored in one.verdicts()]
        assert [verdict.sample for verdict in found] == list(NAMES[:8])
        (cell,) = other.cells()
        assert cell.judged == 8
        assert cell.forward_rows == sum(verdict.forwards for verdict in found)
        assert cell.backward_rows == sum(verdict.backwards for verdict in found)


def test_writers_wait_for_each_other(folder: Path) -> None:
    store, run_id, cell_id = opened(folder)
    errors: list[BaseException] = []

    def write(numbers: range) -> None:
        try:
            with ResultStore(folder) as own:
                for i in numbers:
                    own.add_shard(cell_id, run_id, DATA.digest, shard(i))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(range(k, 12, 3),)) for k in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store:
        assert errors == []
        assert store.judged(cell_id) == set(NAMES)


def test_many_processes_may_create_the_same_store(folder: Path) -> None:
    stores: list[ResultStore] = []
    lock = threading.Barrier(4)

    def create() -> None:
        lock.wait()
        stores.append(ResultStore(folder))

    threads = [threading.Thread(target=create) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(stores) == 4


# ---------------------------------------------------------------------------- files that cannot be used


def refusal(folder: Path, create: bool = False) -> str:
    """What opening a folder says in its one line."""
    with pytest.raises(StoreError) as error, ResultStore(folder, create=create) as store:
        store.cells()
    message = str(error.value)
    assert "\n" not in message
    assert str(folder) in message
    return message


def filled(folder: Path) -> Path:
    """A store of one finished cell; the path of its file."""
    store, run_id, cell_id = opened(folder)
    with store:
        store.add_shard(cell_id, run_id, DATA.digest, shard(0, 1))
        store.finish(cell_id)
    return folder / FILE_NAME


def still_there(folder: Path, count: int = 2) -> bool:
    with ResultStore(folder, create=False) as store:
        return [len(list(store.verdicts([cell.id]))) for cell in store.cells()] == [count]


@pytest.mark.parametrize("create", [True, False])
def test_a_newer_schema_is_one_line(create: bool, folder: Path) -> None:
    db = sqlite3.connect(filled(folder))
    db.execute("pragma user_version = 99")
    db.close()
    before = (folder / FILE_NAME).read_bytes()
    assert "newer fer_bench (schema 99" in refusal(folder, create)
    assert (folder / FILE_NAME).read_bytes() == before


@pytest.mark.parametrize("create", [True, False])
def test_what_is_no_database_is_one_line(create: bool, folder: Path) -> None:
    folder.mkdir()
    (folder / FILE_NAME).write_text("model,accuracy\n" * 100)
    assert "file is not a database" in refusal(folder, create)
    assert (folder / FILE_NAME).read_text().startswith("model,accuracy")


def test_a_file_cut_short_is_one_line(folder: Path) -> None:
    file = filled(folder)
    file.write_bytes(file.read_bytes()[:5000])
    assert "cannot be used" in refusal(folder)
    file.write_bytes(b"")
    assert "schema 0 of" in refusal(folder)


@pytest.mark.parametrize(
    ("column", "text"), [("definition", "{}"), ("context", '{"year": 2024}'), ("context", "null"), ("definition", "[1")]
)
def test_a_record_of_another_version_is_one_line(column: str, text: str, folder: Path) -> None:
    db = sqlite3.connect(filled(folder))
    db.execute(f"update cell set {column} = ?", [text])
    db.commit()
    db.close()
    assert "holds a record that this fer_bench cannot read" in refusal(folder)


def test_a_provenance_of_another_version_is_one_line(folder: Path) -> None:
    db = sqlite3.connect(filled(folder))
    db.execute("update run set provenance = ?", [json.dumps({"packages": [], "moon": "full"})])
    db.commit()
    db.close()
    with ResultStore(folder, create=False) as store, pytest.raises(StoreError, match="cannot read"):
        store.runs()


def test_a_file_in_place_of_the_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    assert "cannot be made (File exists); choose another with --out" in refusal(tmp_path / "out", create=True)
    assert "holds no results" in refusal(tmp_path / "out")
    assert "cannot be made (Not a directory)" in refusal(tmp_path / "out" / "deeper", create=True)
    (tmp_path / "dir" / FILE_NAME).mkdir(parents=True)
    assert "unable to open" in refusal(tmp_path / "dir", create=True)


def test_a_folder_without_results_says_what_to_do(folder: Path) -> None:
    assert f"run `ferbench run --out {folder}`" in refusal(folder)
    assert not folder.exists()
    assert refusal(folder.parent / ("x" * 300))  # a name too long to ask for
    assert "embedded null byte" in refusal(folder.parent / "a\0b", create=True)


def test_reading_leaves_the_file_alone(folder: Path) -> None:
    file = filled(folder)
    before = file.read_bytes()
    with ResultStore(folder, create=False) as store:
        with pytest.raises(StoreError, match="readonly"):
            store.add_run(toy_provenance())
        assert len(store.cells()) == 1
    assert file.read_bytes() == before
    assert [entry.name for entry in folder.iterdir()] == [FILE_NAME]


def test_a_folder_whose_name_sqlite_could_misread(tmp_path: Path) -> None:
    for name in ("a?mode=ro", "a#b", "50%", "ä ö", ":memory:"):
        filled(tmp_path / name)
        assert still_there(tmp_path / name)


def read_only(monkeypatch: pytest.MonkeyPatch, pragma: str) -> None:
    """Lets every connection obey `pragma`: permission bits and quotas do not stop a test that runs as root."""
    connect = sqlite3.connect

    def limited(*args: object, **settings: object) -> sqlite3.Connection:
        db = connect(*args, **settings)  # type: ignore[arg-type]
        db.execute(pragma)
        return db

    monkeypatch.setattr(sqlite3, "connect", limited)


def test_a_read_only_file_is_one_line_and_stays_readable(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(folder)
    with monkeypatch.context() as patch:
        read_only(patch, "pragma query_only = on")
        with ResultStore(folder) as store, pytest.raises(StoreError) as error:
            store.add_run(toy_provenance())
    assert str(folder / FILE_NAME) in str(error.value)
    assert "choose another folder with --out" in str(error.value)
    assert still_there(folder)


def test_a_full_disk_is_one_line_and_what_was_stored_stays(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite's own limit of pages gives the error of a full disk, at the same place: when a page is to be added."""
    file = filled(folder)
    with monkeypatch.context() as patch:
        read_only(patch, f"pragma max_page_count = {file.stat().st_size // 4096}")
        with ResultStore(folder) as store:
            long = dataclasses.replace(toy_provenance(), command="x" * 20_000)
            with pytest.raises(StoreError, match=r"full.*stored before is untouched. Check free space"):
                store.add_run(long)
            assert store.status(CELL.key) == "done"
            assert len(store.runs()) == 1  # the same connection goes on
    assert still_there(folder)


LIMITED = """
import resource, signal
from pathlib import Path
from fer_bench.errors import StoreError
from fer_bench.store.results import ResultStore
from fer_bench.core.outcome import Provenance
folder = Path({folder!r})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # then a write beyond the limit fails as one to a full disk does
store = ResultStore(folder)
resource.setrlimit(resource.RLIMIT_FSIZE, (store.path.stat().st_size,) * 2)
try:
    store.add_run(Provenance("x" * 100_000, "", "", "", False, "", "", "", 1, ()))
except StoreError as error:
    print(error)
    raise SystemExit(3)
"""


@pytest.mark.skipif(os.name != "posix", reason="limits of file sizes are POSIX's")
def test_a_write_that_the_system_refuses_is_one_line(folder: Path) -> None:
    filled(folder)
    code = LIMITED.format(folder=str(folder))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 3, done.stderr
    assert str(folder / FILE_NAME) in done.stdout
    assert still_there(folder)


# ---------------------------------------------------------------------------- a process that is killed

TORN = """
import os, signal, sqlite3
db = sqlite3.connect({file!r}, isolation_level=None)
db.execute("pragma cache_size = 1")  # pages go to the file before the transaction is over
db.execute("begin immediate")
db.execute("delete from verdict")
db.executemany("insert into run (provenance) values (?)", [["x" * 3000]] * 200)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
def test_a_kill_within_a_transaction_is_undone_by_a_reader(folder: Path) -> None:
    """The file is torn and its journal is hot; a connection that may only read would refuse it."""
    file = filled(folder)
    before = file.read_bytes()
    done = subprocess.run([sys.executable, "-c", TORN.format(file=str(file))], timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert file.read_bytes() != before
    assert still_there(folder)
    assert still_there(folder)


SLOW = """
import sys, time
sys.path.insert(0, {tests!r})
import torch
torch.set_num_threads({threads})
from toys import SmallConvToy, toy_card, toy_data
import fer_bench, fer_bench.api.benchmark as api

class Slow(SmallConvToy):
    def forward(self, images):
        if {pause}:
            print("query", flush=True)
            time.sleep({pause})
        return super().forward(images)

api.open_data = lambda text, n: toy_data(40, SmallConvToy(), wrong=6)
fer_bench.run([toy_card(build=Slow)], "pgd(steps=3),cw(steps=12)", "demo", eps="1/255", out={out!r}, batch_size=5)
"""


def in_process(out: Path, calls: list[int]) -> None:
    """The same run as SLOW, unhindered, in this process; notes the rows of every call of the model."""
    from toys import SmallConvToy, toy_card, toy_data

    import fer_bench

    class Counting(SmallConvToy):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            calls.append(len(images))
            return super().forward(images)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fer_bench.api.benchmark.open_data", lambda text, n: toy_data(40, SmallConvToy(), wrong=6))
        fer_bench.run(
            [toy_card(build=Counting)], "pgd(steps=3),cw(steps=12)", "demo", eps="1/255", out=out, batch_size=5
        )


def content(folder: Path) -> Iterator[tuple[str, Verdict]]:
    with ResultStore(folder, create=False) as store:
        for cell in store.cells():
            for stored in store.verdicts([cell.id]):
                yield cell.key, stored.verdict


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
def test_a_run_killed_in_the_middle_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """kill -9 in the middle of a shard: whole shards are kept, only the missing samples are computed again."""
    out, clean = tmp_path / "killed", tmp_path / "clean"
    code = SLOW.format(tests=str(TESTS / "support"), out=str(out), pause=0.02, threads=torch.get_num_threads())
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if line.startswith("query") and (out / FILE_NAME).exists() and len(list(content(out))) >= 10:
                break  # it has just asked the model: it is within the third shard
        else:
            pytest.fail(f"the run ended before it could be killed: {process.stderr and process.stderr.read()}")
        process.send_signal(signal.SIGKILL)
        assert process.wait(60) == -signal.SIGKILL
    finally:
        process.kill()
        process.communicate()
    stored = list(content(out))
    assert len(stored) % 5 == 0
    assert 10 <= len(stored) < 80
    calls: list[int] = []
    in_process(out, calls)
    with ResultStore(out, create=False) as store:
        cells = store.cells()
        assert [(cell.status, cell.judged, cell.attempt) for cell in cells] == [("done", 40, 1)] * 2
        assert len(store.runs()) == 2
    finished = list(content(out))
    assert set(stored) <= set(finished)
    new = [verdict for key, verdict in finished if (key, verdict) not in set(stored)]
    probes = 4  # loading asks the model twice, two images each
    assert sum(calls) - probes == sum(verdict.forwards for verdict in new)
    in_process(clean, [])
    uninterrupted = list(content(clean))
    assert [key for key, _ in finished] == [key for key, _ in uninterrupted]
    # Two processes may round differently.
    assert_alike([verdict for _, verdict in finished], [verdict for _, verdict in uninterrupted], rel=1e-5)
    again: list[int] = []
    in_process(out, again)
    assert again == []


def test_the_error_of_a_cell_is_that_of_its_latest_attempt(folder: Path) -> None:
    """`cells` prefers the finished attempt; what `--rerun never` tells must be why the last one failed."""
    store, run_id, number = opened(folder)
    with store:
        store.finish(number)
        assert store.error(CELL.key) == ""
        store.finish(store.begin(CELL, CONTEXT, run_id, again=True), "no luck")
        assert (store.status(CELL.key), store.error(CELL.key)) == ("failed", "no luck")
        assert store.error("no such cell") == ""
