"""What a card says of its attack's cost and rows is so; what was corrected; memory."""

from __future__ import annotations

import pytest
import torch
from attack_battery import budget, small
from observed import SEED, TwoWays, assert_alike, judge, shard_of
from torch import nn
from toys import LinearToy, SmallConvToy, toy_images, with_feature_map

from attacks import ATTACKS
from fer_bench.engine import judge as engine_judge
from fer_bench.engine.job import CellJob, Stage
from fer_bench.engine.local import run_cell
from fer_bench.engine.shard import Shard
from fer_bench.errors import AttackError


@pytest.mark.parametrize(
    ("name", "eps", "settings", "forwards", "backwards"),
    [
        # K = 7 classes, S = 5 steps, Q = 9 queries; see the cards. Nothing falls at this budget.
        ("fgsm", 1e-6, {}, 1 + 1, 1),
        ("bim", 1e-6, {"steps": 5}, 5 + 1, 5),
        ("pgd", 1e-6, {"steps": 5, "restarts": 3}, 3 * 6, 3 * 5),
        ("mifgsm", 1e-6, {"steps": 5}, 5 + 1, 5),
        ("pgdl2", 1e-6, {"steps": 5}, 5 + 1, 5),
        ("apgd-ce", 1e-6, {"steps": 5, "eot": 2}, 2 * 6, 2 * 6),
        ("apgd-dlr", 1e-6, {"steps": 5}, 6, 6),
        ("apgd-t", 1e-6, {"steps": 5}, 6 * 7, 6 * 6),
        ("square", 1e-6, {"queries": 9}, 10, 0),
        ("fab-t", None, {"steps": 5}, 6 * 12, 6 * 5),
        ("ffgsm", 1e-6, {}, 2, 1),
        ("rfgsm", 1e-6, {"steps": 5}, 6, 5),
        ("eotpgd", 1e-6, {"steps": 5, "eot": 3}, 3 * 5 + 1, 3 * 5),
        ("tpgd", 1e-6, {"steps": 5, "restarts": 2}, 2 * 7, 2 * 5),
        ("jitter", 1e-6, {"steps": 5}, 6, 5),
        ("pgdrs", 1e-6, {"steps": 5, "copies": 3}, 16, 15),
        ("pgdrsl2", 1e-6, {"steps": 5, "copies": 3}, 16, 15),
        ("nifgsm", 1e-6, {"steps": 5}, 11, 5),
        ("sinifgsm", 1e-6, {"steps": 5, "m": 3}, 4 * 5 + 1, 3 * 5),
        ("vmifgsm", 1e-6, {"steps": 5, "neighbours": 2}, 3 * 5 + 1, 3 * 5),
        ("vnifgsm", 1e-6, {"steps": 5, "neighbours": 2}, 4 * 5 + 1, 3 * 5),
        ("difgsm", 1e-6, {"steps": 5}, 6, 5),
        ("tifgsm", 1e-6, {"steps": 5}, 6, 5),
        ("pifgsm", 1e-6, {"steps": 5}, 6, 5),
        ("pifgsmpp", 1e-6, {"steps": 5}, 6, 5),
        ("upgd", 1e-6, {"steps": 5}, 6, 5),
        ("spsa", 1e-6, {"steps": 5, "samples": 7}, 5 * 15 + 1, 0),
        ("noise", 1e-6, {"draws": 9}, 9, 0),
        ("gn", None, {}, 1, 0),
        ("vanila", 1e-6, {}, 1, 0),
        ("cw-search", None, {"steps": 5, "searches": 3}, 3 * 5, 3 * 5),
        ("deepfool", None, {"steps": 5}, 6, 7 * 5),
        ("fmn", None, {"steps": 5}, 6, 5),
        ("ddn", None, {"steps": 5}, 6, 5),
        ("eadl1", None, {"steps": 5, "searches": 3}, 2 * 3 * 5, 3 * 5),
        ("eaden", None, {"steps": 5, "searches": 3}, 2 * 3 * 5, 3 * 5),
        ("jsma", None, {"gamma": 0.25}, 64 * 0.25 / 2 + 1, 7 * 64 * 0.25 / 2),
        ("pixle", None, {"rounds": 3, "tries": 4}, 3 * 4 + 2, 0),
    ],
)
def test_the_cost_of_a_sample_that_stands_is_what_the_card_says(name, eps, settings, forwards, backwards):
    model = TwoWays()
    with torch.no_grad():
        model.weight.mul_(1e-3)
        model.bias[0] = 10
    verdicts = judge(model, shard_of(model, toy_images(3).double()), name, eps, **settings).verdicts
    for verdict in verdicts:
        assert not verdict.fooled
        assert (verdict.forwards, verdict.backwards) == (1 + forwards, backwards)


@pytest.mark.parametrize(
    "name", [card.name for card in ATTACKS if card.status != "refused" and card.regressors != "only"]
)
def test_what_a_card_says_of_rows_and_freezing_is_what_its_program_asks_for(name, monkeypatch):
    asked: set[tuple[str, bool]] = set()

    class Watched(engine_judge.Observer):
        def attack(self, call, stream="", rows="aligned", freeze=True, row_draws=(4,)):
            asked.add((rows, freeze))
            super().attack(call, stream, rows, freeze, row_draws)

    monkeypatch.setattr(engine_judge, "Observer", Watched)
    card = ATTACKS.get(name)
    if card.fit is not None:
        return  # its rows are the engine's business, its queries one proposal each
    model = with_feature_map(name, TwoWays())
    judge(model, shard_of(model, toy_images(2).double()), name, budget(card, 1e-6), **small(card))
    assert asked == {(card.rows, card.freeze)}


# --------------------------------------------------------------------------------------------------------------- CW


@pytest.mark.slow
def test_cw_moves_pixels_that_are_exactly_black_or_white():
    model = TwoWays()
    images = toy_images(12).double().round()
    assert set(images.unique().tolist()) == {0.0, 1.0}
    shard = shard_of(model, images)
    verdicts = judge(model, shard, "cw", c=50, steps=400, lr=0.1).verdicts
    assert all(v.fooled for v in verdicts)


@pytest.mark.slow
def test_cw_stops_each_sample_by_its_own_cost():
    """One sample at a time or all together: the same number of queries for each."""
    model = SmallConvToy(gain=20).double()
    shard = shard_of(model, toy_images(8, (1, 16, 16)).double())
    together = judge(model, shard, "cw", c=5, steps=60).verdicts
    for i, verdict in enumerate(together):
        alone = judge(
            model,
            Shard(shard.images[i : i + 1], shard.labels[i : i + 1], shard.ids[i : i + 1]),
            "cw",
            c=5,
            steps=60,
        )
        assert alone.verdicts[0].forwards == verdict.forwards
    assert len({v.forwards for v in together}) > 1


# ------------------------------------------------------------------------------------------------------- other shapes


class FewerClasses(nn.Module):
    """The first `count` logits of a toy."""

    def __init__(self, model: nn.Module, count: int) -> None:
        super().__init__()
        self.model, self.count = model, count

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(images)[:, : self.count]
        return logits


def test_too_few_classes_are_refused_in_one_line():
    model = FewerClasses(LinearToy().double(), 3)
    with torch.no_grad():
        labels = model(toy_images(4).double()).argmax(1)
    shard = Shard(toy_images(4).double(), labels, tuple("abcd"))
    with pytest.raises(AttackError, match=r"at least 4 classes.*this one has 3"):
        judge(model, shard, "apgd-t", 0.1)
    two = FewerClasses(LinearToy().double(), 2)
    with torch.no_grad():
        labels = two(toy_images(4).double()).argmax(1)
    with pytest.raises(AttackError, match="at least 3 classes"):
        judge(two, Shard(shard.images, labels, shard.ids), "apgd-dlr", 0.1)


def test_memory_that_runs_out_halves_the_batch_and_changes_no_verdict():
    class Small(TwoWays):
        largest = 0

        def forward(self, images):
            if len(images) > 5:
                raise torch.OutOfMemoryError("CUDA out of memory")
            Small.largest = max(Small.largest, len(images))
            return super().forward(images)

    roomy = TwoWays()
    shard = shard_of(roomy, toy_images(23).double())
    card = ATTACKS.get("pgd")
    # A little above the median: at the median itself one sample falls or stands by rounding.
    spec = card.spec({"steps": "5"}, float(roomy.smallest(shard.images, "Linf").median()) * (1 + 1e-6))
    job = CellJob((Stage(spec, card.program, SEED),), shard)
    wanted = range(23)
    cpu = torch.device("cpu")
    expected = [v for part in run_cell(job, roomy, wanted, cpu, 23, torch.float64) for v in part.verdicts]
    found = [v for part in run_cell(job, Small(), wanted, cpu, 23, torch.float64) for v in part.verdicts]
    assert_alike(found, expected, rel=1e-9)
    assert Small.largest == 5


def test_an_image_that_does_not_fit_at_all_is_an_error_of_the_cell():
    class Tiny(TwoWays):
        def forward(self, images):
            raise torch.OutOfMemoryError("CUDA out of memory")

    card = ATTACKS.get("pgd")
    shard = Shard(toy_images(2), torch.zeros(2, dtype=torch.int64), ("a", "b"))
    job = CellJob((Stage(card.spec({}, 0.1), card.program, SEED),), shard)
    with pytest.raises(AttackError, match="one image at a time"):
        list(run_cell(job, Tiny(), [0, 1], torch.device("cpu"), 2))
