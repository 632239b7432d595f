"""Replay: a stored verdict and its image come back from the store alone, or what differs is said."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from regressors import va_card, va_data
from toys import CLASSES, SmallConvToy, faces, toy_card, toy_provenance, write_csv

import attacks
from attacks.on_regressors import for_task
from attacks.select import attack_again, choose_attacks
from fer_bench.api import benchmark, replays
from fer_bench.bench import replay
from fer_bench.bench.matrix import Entrant, Plan, run_matrix
from fer_bench.cli.main import main
from fer_bench.core.model_card import Loaded, ModelCard
from fer_bench.errors import DataError, StoreError, UsageError
from fer_bench.registry import Registry
from fer_bench.store import find
from fer_bench.store.results import ResultStore


def build() -> SmallConvToy:
    return SmallConvToy(gain=20)


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A results folder of a registered toy on a FER2013 csv, some samples fooled and some not."""
    card = toy_card("conv-toy", build)
    registry: Registry[ModelCard] = Registry("model", "ferbench.no-such-group")
    registry.register(card.name, card)
    monkeypatch.setattr("models_zoo.catalogue.MODELS", registry)
    pixels = list(faces(12))
    with torch.no_grad():
        images = torch.from_numpy(np.stack(pixels)).float()[:, None] / 255
        labels = build()(images).argmax(1).tolist()
    labels[0] = (labels[0] + 1) % 7
    write_csv(tmp_path / "data" / "fer2013.csv", pixels, labels)
    benchmark.run_cells(
        "conv-toy", "pgd-10,cw", f"fer2013:{tmp_path / 'data'}:test", eps="1/255", out=tmp_path / "results"
    )
    return tmp_path / "results"


def cells(results: Path) -> list:
    with ResultStore(results, create=False) as store:
        return [(cell, [v.verdict for v in store.verdicts([cell.id])]) for cell in store.cells()]


@pytest.mark.slow
def test_every_verdict_comes_back_with_an_image_that_is_what_it_says(results, tmp_path):
    seen = {"fooled": 0, "stood": 0, "wrong before": 0}
    for cell, verdicts in cells(results):
        for verdict in verdicts:
            again = replays.replay(results, cell.key[:8], verdict.sample[:20], out=tmp_path / "again")
            assert again.same, again.differences
            assert again.now.fooled == verdict.fooled
            assert (again.now.norm or 0) == pytest.approx(verdict.norm or 0, rel=1e-3)
            with np.load(again.tensors) as arrays:
                clean, adversarial = arrays["clean"], arrays["adversarial"]
            prediction = int(build()(torch.from_numpy(adversarial)[None]).argmax(1))
            kind = "wrong before" if not verdict.clean_right else "fooled" if verdict.fooled else "stood"
            seen[kind] += 1
            if verdict.fooled:
                assert prediction == verdict.attacked_prediction != verdict.label
                delta = (adversarial - clean).ravel().astype(np.float64)
                size = np.abs(delta).max() if cell.cell.attack.norm == "Linf" else np.linalg.norm(delta)
                assert size == pytest.approx(verdict.norm, rel=1e-3)
            with Image.open(again.picture) as picture:
                assert picture.size[0] > 3 * 200
    assert min(seen.values()) > 0


@pytest.mark.slow
def test_other_weights_are_named_as_what_differs(results, monkeypatch):
    card = toy_card("conv-toy", lambda: SmallConvToy(gain=20, seed=5))
    registry: Registry[ModelCard] = Registry("model", "ferbench.no-such-group")
    registry.register(card.name, card)
    monkeypatch.setattr("models_zoo.catalogue.MODELS", registry)
    cell, verdicts = cells(results)[0]
    sample = next(v for v in verdicts if v.fooled).sample
    again = replays.replay(results, cell.key, sample)
    assert not again.same
    assert "model digest: stored" in again.differences[0]


@pytest.mark.slow
def test_another_version_of_the_attack_is_named(results, monkeypatch):
    cell, verdicts = cells(results)[0]
    newer = replace(attacks.ATTACKS.get("pgd"), version=99)
    monkeypatch.setitem(attacks.ATTACKS._items, "pgd", newer)
    again = replays.replay(results, cell.key, verdicts[3].sample)
    assert "version of pgd: stored 1, now 99" in again.differences


@pytest.mark.slow
def test_data_that_moved_is_found_where_the_user_says(results, tmp_path):
    cell, verdicts = cells(results)[0]
    (tmp_path / "data").rename(tmp_path / "moved")
    with pytest.raises(DataError, match="does not exist"):
        replays.replay(results, cell.key, verdicts[3].sample)
    assert replays.replay(results, cell.key, verdicts[3].sample, data=f"fer2013:{tmp_path / 'moved'}:test").same
    write_csv(tmp_path / "other" / "fer2013.csv", list(faces(3, seed=9)), [0, 1, 2])
    with pytest.raises(StoreError, match="is not in fer2013"):
        replays.replay(results, cell.key, verdicts[3].sample, data=f"fer2013:{tmp_path / 'other'}:test")


@pytest.mark.slow
def test_what_names_no_cell_or_sample_or_several_is_said_in_one_line(results):
    cell, verdicts = cells(results)[0]
    with pytest.raises(UsageError, match=r"no cell of .* begins with 'zz'"):
        replays.replay(results, "zz", verdicts[0].sample)
    with pytest.raises(UsageError, match="begins 2 cell keys"):
        replays.replay(results, "", verdicts[0].sample)
    with pytest.raises(UsageError, match="is the beginning of no sample"):
        replays.replay(results, cell.key, "zz")
    with pytest.raises(UsageError, match="is the beginning of 12 samples"):
        replays.replay(results, cell.key, "")


@pytest.mark.slow
def test_the_second_of_two_equal_images_is_named_by_its_mark(results, tmp_path, monkeypatch):
    pixels = list(faces(3))
    write_csv(tmp_path / "twice" / "fer2013.csv", [*pixels, pixels[1]], [0, 1, 2, 5])
    benchmark.run_cells("conv-toy", "fgsm", f"fer2013:{tmp_path / 'twice'}:test", eps="1/255", out=tmp_path / "again")
    cell, verdicts = cells(tmp_path / "again")[0]
    second = next(v for v in verdicts if v.sample.endswith("#2"))
    first = next(v for v in verdicts if v.sample == second.sample[:-2])
    for verdict in (first, second):
        name = find.short(verdict.sample)
        assert replays.replay(tmp_path / "again", cell.key, name).stored == verdict


def test_every_sample_of_a_regressor_is_made_again_against_its_own_truth(tmp_path):
    data, card, cpu = va_data(), va_card(), torch.device("cpu")
    entrant = Entrant(card, card.digest, lambda: None, lambda: Loaded(card.build(())))
    with ResultStore(tmp_path) as store:
        chosen = for_task(choose_attacks("pgd-5,ccc", "16/255"), "va")
        run_matrix([entrant], chosen, data, store, Plan(cpu), toy_provenance())
    for cell, verdicts in cells(tmp_path):
        opened = replay.Opened(card.build(()), card.digest, attack_again(cell.cell.attack), data)
        made = replay.remake(cell, verdicts[::-1], opened, cpu)
        assert [again.stored for again in made] == verdicts[::-1]
        assert [again.differences for again in made] == [()] * len(verdicts)


@pytest.mark.slow
def test_the_command_lists_cells_then_samples_then_replays(results):
    runner = CliRunner()
    listed = runner.invoke(main, ["replay", str(results)])
    cell, verdicts = cells(results)[0]
    assert listed.exit_code == 0
    assert cell.key in listed.output
    samples = runner.invoke(main, ["replay", str(results), cell.key])
    fooled = next(v for v in verdicts if v.fooled)
    assert fooled.sample[:16] in samples.output
    done = runner.invoke(main, ["replay", str(results), cell.key, fooled.sample[:16]])
    assert done.exit_code == 0, done.output
    assert f"{CLASSES[fooled.label]} -> {CLASSES[fooled.attacked_prediction]}" in done.output
    assert "the same" in done.output
    assert (results / "replay").is_dir()


@pytest.mark.network
def test_another_process_replays_a_real_model_from_the_store_alone(tmp_path):
    benchmark.run_cells("mini-xception", "pgd-10", "demo", eps="2/255", n=8, out=tmp_path / "results")
    cell, verdicts = cells(tmp_path / "results")[0]
    sample = next(v for v in verdicts if v.fooled).sample
    command = [sys.executable, "-m", "fer_bench.cli", "replay", str(tmp_path / "results"), cell.key, sample]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the same" in done.stdout


@pytest.mark.slow
def test_an_attack_of_a_set_is_fitted_again_on_the_images_it_was_fitted_on(results, tmp_path):
    source = f"fer2013:{tmp_path / 'data'}:test"
    benchmark.run_cells("conv-toy", "universal(epochs=2)", source, eps="4/255", n=5, out=tmp_path / "five")
    ((cell, verdicts),) = cells(tmp_path / "five")
    fell = [verdict for verdict in verdicts if verdict.fooled]
    assert fell
    for verdict in fell:
        assert replays.replay(tmp_path / "five", cell.key, verdict.sample).differences == ()
