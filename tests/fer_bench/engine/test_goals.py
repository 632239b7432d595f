"""Targeted attacks and attacks confined to a region, through `evaluate_shard`: what counts, what is left alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from observed import SEED, TwoWays, attack, shard_of
from toys import CLASSES, LinearToy, SmallConvToy, toy_data, toy_images, with_feature_map

import fer_bench
from attacks import ATTACKS, choose_attacks
from fer_bench.api import replays
from fer_bench.core.labels import match
from fer_bench.core.threat import ThreatModel
from fer_bench.data import open_data
from fer_bench.engine.goals import Goal, targets_of
from fer_bench.engine.job import cell_job
from fer_bench.engine.judge import evaluate_shard
from fer_bench.engine.local import run_cell
from fer_bench.engine.norms import norms, project
from fer_bench.engine.shard import Shard
from fer_bench.errors import AttackError, UsageError
from fer_bench.faces import landmarks
from fer_bench.store.results import ResultStore

#: Attacks of every way of asking; that each targeted attack goes the right way is in test_attack_battery.py.
TARGETED = ["fgsm", "bim", "pgd", "mifgsm", "nifgsm", "pgdl2", "cw", "deepfool", "fmn"]


def judge_target(model, shard, name, target, eps=None, target_class=None, **settings):
    spec, program = attack(name, eps, target=target, **settings)
    return evaluate_shard(model, shard, spec, program, SEED, target_class).result


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETED)
@pytest.mark.parametrize("target", ["least-likely", "random", "happy"])
def test_a_targeted_attack_reaches_its_class_and_nothing_else_counts(name, target):
    model = with_feature_map(name, LinearToy().double())
    shard = shard_of(model, toy_images(24).double())
    eps = None if ATTACKS.get(name).minimum_norm else 0.5 if ATTACKS.get(name).norms[0] == "Linf" else 5.0
    result = judge_target(model, shard, name, target, eps, 3 if target == "happy" else None)
    reached = [v for v in result.verdicts if v.fooled]
    assert len(reached) > (2 if name == "pgd-low" else 8)  # few directions are in a band of 8 x 8 pixels
    assert all(v.attacked_prediction == v.target != v.label for v in reached)
    with torch.no_grad():
        logits = model(shard.images)
    for i, verdict in enumerate(result.verdicts):
        if target == "least-likely":
            assert verdict.target == int(logits[i].argmin())
        if target == "happy":
            assert verdict.target == 3
            if verdict.label == 3:
                assert (verdict.fooled, verdict.forwards) == (False, 1)  # it is there already: nothing to attack
    if target == "random":
        assert len({v.target for v in result.verdicts}) > 3
        assert all(v.target != v.label for v in result.verdicts)


def test_an_image_that_only_leaves_its_class_does_not_reach_a_target():
    """Between two classes of six out of reach, leaving class 0 always means class 1: target 4 is never reached."""
    model = TwoWays()
    shard = shard_of(model, toy_images(12).double())
    assert all(v.fooled for v in judge_target(model, shard, "pgd", "random", 0.5, steps=5).verdicts if v.target < 2)
    result = judge_target(model, shard, "pgd", "sad", 0.5, 4, steps=5)
    assert not any(v.fooled for v in result.verdicts)
    assert all(v.target == 4 for v in result.verdicts)


def test_a_random_target_belongs_to_the_sample():
    logits = torch.eye(7)
    ids = tuple(f"{i:03d}" for i in range(7))
    whole = targets_of("random", None, logits, ids)
    assert whole is not None
    one = [int(targets_of("random", None, logits[i : i + 1], ids[i : i + 1])[0]) for i in range(7)]
    assert whole.tolist() == one
    many = targets_of("random", None, torch.eye(7)[[0] * 700], tuple(map(str, range(700))))
    counts = torch.bincount(many, minlength=7).tolist()
    assert counts[0] == 0
    assert min(counts[1:]) > 70  # of 700 / 6 = 117: 4.8 standard deviations below it


def test_a_class_word_is_looked_up_in_the_models_own_order():
    classes = ("Neutral", "Happiness", "Sad", "Surprise", "Fear", "Disgust", "Anger")
    model = SmallConvToy(gain=20)
    data = toy_data(10, model, (1, 16, 16))
    chosen = ATTACKS.get("pgd").attack({"target": "happy", "steps": "20"}, 0.5)
    job = cell_job(chosen, 0, data, match(classes, data.classes), classes)
    assert job.target_class == 1
    verdicts = [v for part in run_cell(job, model, range(10), torch.device("cpu")) for v in part.verdicts]
    assert {v.target for v in verdicts} == {1}
    lacks = ATTACKS.get("pgd").attack({"target": "contempt"}, 0.5)
    with pytest.raises(AttackError, match="no class 'contempt' to aim at; it has neutral, happy"):
        cell_job(lacks, 0, data, match(classes, data.classes), classes)


def test_a_target_for_everybody_is_refused_where_an_attack_cannot_aim():
    assert {a.spec.target for a in choose_attacks("pgd,fgsm", target="Happiness")} == {"happy"}
    assert [a.spec.target for a in choose_attacks("pgd(target=random),fgsm", "2/255", "sad")] == ["random", "sad"]
    for name in ("square", "standard"):
        with pytest.raises(UsageError, match=rf"{name} cannot aim at a class.*these can: .*pgd"):
            choose_attacks(name, target="happy")
    with pytest.raises(UsageError, match="target=hapy cannot be used; it is one of least-likely, random, angry"):
        choose_attacks("pgd(target=hapy)")


def test_an_untargeted_goal_minds_no_class_that_the_model_lacks():
    goal = Goal(torch.tensor([-1, 0]))
    assert goal.open(torch.tensor([3, 0])).tolist() == [False, True]


# ------------------------------------------------------------------------------------------------------------ regions


@pytest.mark.parametrize("name", ["pgd", "fgsm", "pgdl2", "square", "apgd-ce"])
def test_any_attack_is_confined_to_its_region_and_as_strong_there_as_the_closed_form(name):
    """A linear model between two classes: over a mask the smallest perturbation is margin / dual norm of masked w."""
    model = TwoWays()
    images = toy_images(24).double()
    mask = torch.zeros(24, 1, 8, 8, dtype=torch.float64)
    mask[:, :, 1:6, 2:7] = 1
    shard = replace(shard_of(model, images), mask=mask)
    norm = ATTACKS.get(name).norms[0]
    with torch.no_grad():
        logits = model(images)
        weight = (model.weight[0] - model.weight[1]).reshape(1, 1, 8, 8) * mask[:1]
        dual = weight.abs().sum() if norm == "Linf" else weight.square().sum().sqrt()
        smallest = (logits[:, 0] - logits[:, 1]).abs() / dual
    eps = float(smallest.median())
    spec, program = attack(name, eps, region="eyes", **({} if name in ("fgsm", "square") else {"steps": 40}))
    done = evaluate_shard(model, shard, spec, program, SEED)
    fooled = torch.tensor([v.fooled for v in done.result.verdicts])
    assert bool(fooled[smallest * 1.7 <= eps].all() if name == "square" else fooled[smallest * 1.25 <= eps].all())
    assert not bool(fooled[smallest > eps * (1 + 1e-6)].any())
    assert int(fooled.sum()) > 3
    assert float(((done.images - images) * (1 - mask)).abs().max()) == 0
    assert str(spec.threat).endswith(" eyes")


@pytest.mark.parametrize("norm", ["Linf", "L2", "L1", "L0"])
def test_projection_ends_inside_the_budget_and_leaves_what_is_inside(norm):
    clean = toy_images(16, (3, 6, 5)).double()
    moved = clean + (torch.rand(16, 3, 6, 5, generator=torch.Generator().manual_seed(3)) - 0.5).double() * 0.5
    eps = {"Linf": 0.1, "L2": 0.7, "L1": 3.0, "L0": 7.0}[norm]
    threat = ThreatModel(norm, eps)
    done = project(moved, clean, threat)
    assert float(norms(moved - clean, norm).min()) > eps
    assert float(norms(done - clean, norm).max()) <= eps + threat.tolerance
    assert torch.allclose(project(done, clean, threat), done, atol=1e-12)
    if norm == "L1":  # the projection is the nearest point: no other point of the ball is nearer (Duchi et al. 2008)
        inside = project(clean + (moved - clean) * 0.3, clean, threat)
        mixed = 0.9 * done + 0.1 * inside
        assert bool(((moved - done).square().flatten(1).sum(1) <= (moved - mixed).square().flatten(1).sum(1)).all())


def test_a_shard_is_taken_apart_with_everything_that_belongs_to_a_row():
    shard = Shard(
        torch.rand(4, 1, 2, 2), torch.arange(4), tuple("abcd"), torch.rand(4, 1, 2, 2), torch.rand(4, 1, 2, 2)
    )
    part = shard.take([2, 0])
    assert part.ids == ("c", "a")
    for name in ("images", "labels", "mask", "proposals"):
        assert torch.equal(getattr(part, name), getattr(shard, name)[[2, 0]])
    assert len(CLASSES) == 7


@pytest.mark.network
@pytest.mark.fer2013
def test_a_region_holds_through_the_whole_program_on_real_faces(fer2013, tmp_path):
    """From --attacks to the replayed image: the perturbation lies where the landmarks say, and nowhere else."""
    data = f"fer2013:{fer2013}:validation"
    fer_bench.run("mini-xception", "fgsm(region=eyes),fgsm(region=outside-core)", data, eps="8/255", n=20, out=tmp_path)
    with ResultStore(tmp_path, create=False) as store:
        cells = store.cells()
        fallen = {v.cell_id: v.verdict.sample for v in store.verdicts() if v.verdict.fooled}
    assert {str(cell.cell.attack.threat) for cell in cells} == {"Linf@8/255 eyes", "Linf@8/255 outside-core"}
    opened = open_data(data, 20)
    for cell in cells:
        again = replays.replay(tmp_path, cell.key, fallen[cell.id])
        assert again.same, again.differences
        images = np.load(again.tensors)
        changed = np.abs(images["adversarial"] - images["clean"]) > 0
        at = opened.ids.index(fallen[cell.id])
        (mask,) = landmarks.masks(opened.images[at : at + 1], [opened.ids[at]], cell.cell.attack.threat.region).numpy()
        assert changed.any()
        assert not (changed & (mask == 0)).any()


def test_an_unknown_region_is_refused_with_the_known_ones():
    with pytest.raises(UsageError, match=r"region=ears cannot be used; it is made of core, brows, eyes"):
        choose_attacks("pgd(region=ears)")
    assert choose_attacks("pgd(region=mouth+eyes,eps=0.1)")[0].spec.threat.region == "eyes+mouth"
