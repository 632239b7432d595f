"""Suites and curves: staged cells, their pooling, their storage, and that a stage is the attack it is alone."""

from __future__ import annotations

import pytest
import torch
import torchattacks
from observed import SEED, TwoWays, judge, shard_of
from stored_results import CONTEXT
from toys import CLASSES, SmallConvToy, toy_data, toy_images, toy_provenance

import fer_bench
from attacks import ATTACKS, SUITES, choose_attacks
from attacks.select import attack_again
from fer_bench.api import replays
from fer_bench.core.cell import Cell
from fer_bench.core.labels import match
from fer_bench.engine.attack import Attack
from fer_bench.engine.job import CellJob, Stage, cell_job
from fer_bench.engine.local import run_cell
from fer_bench.errors import UsageError
from fer_bench.store.results import ResultStore

CPU = torch.device("cpu")


def job_of(attack: Attack, shard) -> CellJob:
    parts = attack.stages or (attack,)
    return CellJob(tuple(Stage(part.spec, part.program, SEED) for part in parts), shard)


def run(attack: Attack, model, shard, batch: int | None = None, **options):
    return list(run_cell(job_of(attack, shard), model, range(len(shard.ids)), CPU, batch, torch.float64, **options))


def robust(parts) -> dict[str, bool]:
    return {v.sample: v.clean_right and not v.fooled for part in parts for v in part.verdicts}


@pytest.fixture
def toy():
    model = SmallConvToy(gain=20).double()
    return model, shard_of(model, toy_images(24, (1, 16, 16)).double(), wrong=2)


def test_a_suite_is_the_per_sample_worst_case_of_its_stages(toy):
    model, shard = toy
    (suite,) = choose_attacks("standard(apgd-ce.steps=4,apgd-t.steps=4,fab-t.steps=4,square.queries=30,eps=0.006)")
    found = robust(run(suite, model, shard))
    alone = [robust(run(Attack(stage.spec, stage.program), model, shard)) for stage in suite.stages]
    assert found == {name: all(one[name] for one in alone) for name in found}
    assert 0 < sum(found.values()) < 22
    assert all(found[name] <= one[name] for one in alone for name in found)


@pytest.mark.parametrize("batch", [1, 7])
def test_survivors_are_pooled_and_the_batch_changes_no_verdict(toy, batch):
    model, shard = toy
    (suite,) = choose_attacks("quick(eps=0.004)")
    whole = run(suite, model, shard)
    parts = run(suite, model, shard, batch)
    assert robust(parts) == robust(whole)
    stood = sum(len(part.passed) for part in parts)
    assert 0 < stood < 22
    second = [part for part in parts if part.stage == 1]
    assert len(second) == -(-stood // batch)  # survivors of all batches share the batches of the next stage
    assert len(robust(parts)) == 24


def test_a_curve_falls_with_eps_and_equals_the_attack_at_each_level(toy):
    model, shard = toy
    made = choose_attacks("pgd-5", eps="0.2/255:3/255:log5")
    (curve,) = [attack for attack in made if attack.stages]
    verdicts = {v.sample: v for part in run(curve, model, shard, 5) for v in part.verdicts}
    fallen: set[str] = set()
    for level, stage in zip(curve.spec.levels, curve.stages, strict=True):
        at = {name for name, v in verdicts.items() if v.fooled and v.norm <= level + 1e-6}
        alone = {v.sample for v in judge(model, shard, "pgd", level, steps=5).verdicts if v.fooled}
        assert stage.spec.threat.eps == level
        assert fallen <= at
        assert alone - fallen <= at  # what the attack breaks alone is broken here at this level, or was before
        fallen = at
    assert 0 < len(fallen) <= 22


def test_a_staged_cell_goes_on_where_it_stopped_and_counts_the_cost_once(tmp_path):
    """Stopped between two stages: the second run asks the first stage of nobody again."""
    model = SmallConvToy(gain=20)
    data = toy_data(20, model, (1, 16, 16))
    (suite,) = choose_attacks("quick(eps=0.004)")
    with ResultStore(tmp_path / "whole") as store:
        whole = stored(store, suite, model, data, stop_after=None)
    with ResultStore(tmp_path / "halves") as store:
        stored(store, suite, model, data, stop_after=6)  # five shards of the first stage, one of the second
        halves = stored(store, suite, model, data, stop_after=None)
    assert halves == whole
    assert set(whole) == set(data.ids)


def stored(store, suite, model, data, stop_after):
    """Runs and stores the cell, from wherever it stands, up to `stop_after` shards; what is then known of a sample."""
    cell = Cell("toy", "0" * 64, suite.spec, data.name, data.digest, len(data), 0)
    run_id = store.add_run(toy_provenance())
    store.add_samples(data, data.digest)
    number = store.begin(cell, CONTEXT, run_id, again=False)
    judged, through = store.judged(number), store.passed(number)
    wanted = [i for i, name in enumerate(data.ids) if name not in judged]
    job = cell_job(suite, 0, data, match(CLASSES, data.classes), CLASSES)
    passed = {i: through[data.ids[i]] for i in wanted if data.ids[i] in through}
    for count, result in enumerate(run_cell(job, model, wanted, CPU, 4, passed=passed), start=1):
        store.add_shard(number, run_id, data.digest, result)
        if count == stop_after:
            return {}
    store.finish(number)
    counts = store.stages()[number]
    verdicts = {v.verdict.sample: v.verdict for v in store.verdicts([number])}
    assert [count.number for count in counts] == [0, 1]
    assert counts[0].asked == len(data)
    assert counts[1].asked == counts[0].asked - counts[0].fell
    assert sum(count.fell for count in counts) == sum(v.fooled for v in verdicts.values())
    assert sum(count.forwards for count in counts) == sum(v.forwards for v in verdicts.values())
    return {name: (v.fooled, v.forwards, v.backwards) for name, v in verdicts.items()}


@pytest.mark.network
def test_a_suite_and_a_curve_are_run_shown_and_replayed_from_the_store_alone(tmp_path):
    with pytest.raises(UsageError, match=r"unknown attack 'quik'.*Did you mean quick"):
        fer_bench.run(models="mini-xception", attacks="quik", data="demo", n=6, out=tmp_path)
    asked = {"models": "mini-xception", "attacks": "quick,pgd-3", "eps": "0.5/255,0.25/255:8/255:log4"}
    board = fer_bench.run(**asked, data="demo", n=8, out=tmp_path)
    columns = [name for name in board.columns if name.startswith("robust_accuracy")]
    assert "robust_accuracy[quick@0.5/255]" in columns
    curve = [name for name in columns if "curve" in name]
    assert len(curve) == 4
    levels = board[curve].iloc[0].tolist()
    assert levels == sorted(levels, reverse=True)
    assert fer_bench.run(**asked, data="demo", n=8, out=tmp_path).equals(board)
    with ResultStore(tmp_path, create=False) as store:
        fallen = {v.cell_id: v.verdict.sample for v in store.verdicts() if v.verdict.fooled}
        keys = {cell.id: cell.key for cell in store.cells() if cell.id in fallen}
    assert len(keys) >= 2
    for cell, key in keys.items():
        again = replays.replay(tmp_path, key, fallen[cell])
        assert again.same, again.differences


def test_a_stored_suite_or_curve_is_found_again_by_its_spec_alone():
    for text, eps in [("standard(square.queries=50)", "2/255"), ("pgd-7(alpha=0.01)", "0.3/255:9/255:log6")]:
        for attack in choose_attacks(text, eps):
            assert attack_again(attack.spec).spec == attack.spec
            assert [a.spec for a in attack_again(attack.spec).stages] == [a.spec for a in attack.stages]


def test_the_standard_suite_runs_torchattacks_parts_at_the_reference_settings(monkeypatch):
    """100 steps, 5,000 queries, K - 1 targets: read off the objects that are built, nothing of them run."""
    (suite,) = choose_attacks("standard(eps=8/255)")
    settings = {stage.spec.name: dict(stage.spec.params) for stage in suite.stages}
    assert [settings[name]["steps"] for name in ("apgd-ce", "apgd-t", "fab-t")] == [100, 100, 100]
    assert settings["square"]["queries"] == 5000
    assert list(settings) == ["apgd-ce", "apgd-t", "fab-t", "square"]
    assert {stage.spec.threat.eps for stage in suite.stages} == {8 / 255}
    built: list[tuple[str, int, int]] = []
    for kind in ("APGD", "APGDT", "FAB", "Square"):
        original = getattr(torchattacks, kind).__init__

        def spy(self, *args, _kind=kind, _original=original, **given):
            _original(self, *args, **given)
            built.append((_kind, given.get("steps", given.get("n_queries")), getattr(self, "n_target_classes", 0)))

        monkeypatch.setattr(getattr(torchattacks, kind), "__init__", spy)
    (small,) = choose_attacks("autoattack(apgd-ce.steps=7,apgd-t.steps=7,fab-t.steps=7,square.queries=11,eps=0.000001)")
    model = TwoWays()
    with torch.no_grad():
        model.weight.mul_(1e-3)
        model.bias[0] = 10
    run(small, model, shard_of(model, toy_images(1).double()))
    assert built == [("APGD", 7, 0), *[("APGDT", 7, 6)] * 6, *[("FAB", 7, 6)] * 6, ("Square", 11, 0)]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("standard(steps=5)", "unknown setting of standard 'steps'"),
        ("standard(pgd.steps=5)", "unknown setting of standard 'pgd.steps'"),
        ("standard(square.queries=0)", "queries is a whole number from 1"),
        ("standard(norm=L1)", "norm=L1 is not served"),
        ("standard(eps=0)", "eps=0 cannot be used"),
        ("pgd-10(steps=5)", "two numbers of steps"),
    ],
)
def test_a_setting_that_a_suite_cannot_take_is_refused(text, reason):
    with pytest.raises(UsageError) as error:
        choose_attacks(text)
    assert reason in str(error.value)


def test_the_full_suite_leaves_no_linf_attack_out():
    left_out = {"hopskipjump", "noise", "gn", "vanila", "universal", "ccc"}
    serve = {card.name for card in ATTACKS if "Linf" in card.norms and card.status != "refused"}
    stages = [name for name, _ in SUITES.get("full").stages]
    assert set(stages) == serve - left_out
    assert stages[-1] == "square"
    assert stages[0] == "fgsm"


def test_every_suite_can_be_asked_for_at_its_norm():
    for card in SUITES:
        for norm in card.norms:
            (attack,) = choose_attacks(f"{card.name}(norm={norm},eps=0.01)")
            assert len(attack.stages) >= 2
            assert {stage.spec.norm for stage in attack.stages} == {norm}
