"""Every attack's card against a linear model whose smallest perturbation is known, its cost, and what was corrected."""

from __future__ import annotations

import pytest
import torch
import torchattacks
from test_fer_attacks import OF_FACES
from test_observer import SEED, TwoWays, judge, shard_of
from torch import nn
from toys import LinearToy, SmallConvToy, toy_images, with_feature_map

from attacks import ATTACKS
from fer_bench import evaluate
from fer_bench.engines.job import CellJob, Stage
from fer_bench.engines.local import run_cell
from fer_bench.errors import AttackError
from fer_bench.outcomes import Verdict
from fer_bench.shards import Shard

#: tests/test_va.py holds the attacks on regressors.
CLASSIFIERS = [card.name for card in ATTACKS if card.regressors != "only"]
BUDGET = [
    ("fgsm", "Linf", {}),
    ("bim", "Linf", {}),
    ("pgd", "Linf", {"steps": 20}),
    ("mifgsm", "Linf", {}),
    ("pgdl2", "L2", {"steps": 20}),
    ("apgd-ce", "Linf", {"steps": 20}),
    ("apgd-ce", "L2", {"steps": 20, "norm": "L2"}),
    ("apgd-dlr", "Linf", {"steps": 20}),
    ("apgd-dlr", "L2", {"steps": 20, "norm": "L2"}),
    ("apgd-t", "Linf", {"steps": 20}),
    ("square", "Linf", {"queries": 2500}),
]
MINIMUM = [
    ("cw", "L2", {"c": 10, "steps": 500}),
    ("fab-t", "Linf", {"steps": 30}),
    ("fab-t", "L2", {"steps": 30, "norm": "L2"}),
]


#: How far above the optimum a budget attack must succeed. Square, in the reference code too, never lays a window on the
#: last row or column: on 8x8 images 15 of 64 pixels keep their first random sign, which costs it that much more.
SLACK = {"square": 1.7}


def names(cases: list) -> list[str]:
    return [f"{name}-{norm}" for name, norm, _ in cases]


def test_every_card_stands_in_a_closed_form_test():
    assert {name for name, _, _ in BUDGET + MINIMUM} | OF_FACES == set(CLASSIFIERS)


@pytest.mark.parametrize(("name", "norm", "settings"), BUDGET, ids=names(BUDGET))
def test_a_budget_attack_fools_at_a_quarter_above_the_optimum_and_never_below_it(name, norm, settings):
    model = TwoWays()
    shard = shard_of(model, toy_images(24).double())
    smallest = model.smallest(shard.images, norm)
    eps = float(smallest.median())
    fooled = torch.tensor([v.fooled for v in judge(model, shard, name, eps, **settings).verdicts])
    assert bool(fooled[smallest * SLACK.get(name, 1.25) <= eps].all())
    assert not bool(fooled[smallest > eps * (1 + 1e-6)].any())
    assert 0 < int(fooled.sum()) < 24


@pytest.mark.parametrize(("name", "norm", "settings"), MINIMUM, ids=names(MINIMUM))
def test_a_minimum_norm_attack_comes_within_a_quarter_of_the_optimum_and_not_below_it(name, norm, settings):
    model = TwoWays()
    shard = shard_of(model, toy_images(12).double())
    smallest = model.smallest(shard.images, norm).tolist()
    for verdict, optimum in zip(judge(model, shard, name, **settings).verdicts, smallest, strict=True):
        assert verdict.fooled
        assert optimum * (1 - 1e-5) <= verdict.norm <= optimum * 1.25


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


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_what_a_card_says_of_rows_and_freezing_is_what_its_program_asks_for(name, monkeypatch):
    asked: set[tuple[str, bool]] = set()

    class Watched(evaluate.Observer):
        def attack(self, call, stream="", rows="aligned", freeze=True):
            asked.add((rows, freeze))
            super().attack(call, stream, rows, freeze)

    monkeypatch.setattr(evaluate, "Observer", Watched)
    card = ATTACKS.get(name)
    if card.fit is not None:
        return  # its rows are the engine's business, its queries one proposal each
    model = with_feature_map(name, TwoWays())
    settings = {p.name: max(2, int(p.low or 0)) for p in card.parameters if p.name in ("steps", "queries")}
    eps = None if card.minimum_norm else 1 if card.norms == ("severity",) else 1e-6
    judge(model, shard_of(model, toy_images(2).double()), name, eps, **settings)
    assert asked == {(card.rows, card.freeze)}


# ------------------------------------------------------------------------------------------------ CW and its canaries


class Shifted(nn.Module):
    """The same classifier with all logits moved by a constant."""

    def __init__(self, model: nn.Module, by: float) -> None:
        super().__init__()
        self.model, self.by = model, by

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(images) + self.by
        return logits


def outcomes(verdicts: tuple[Verdict, ...]) -> list[tuple[bool, float]]:
    return [(v.fooled, round(v.norm or 0, 9)) for v in verdicts]


def test_cw_does_not_mind_negative_logits_and_torchattacks_does():
    """The canary of torchattacks #184: a shift of all logits makes its CW blind."""
    model = SmallConvToy(gain=20).double()
    shard = shard_of(model, toy_images(16, (1, 16, 16)).double())
    shifted = Shifted(model, -100.0).double()
    ours = judge(model, shard, "cw", c=1, steps=60).verdicts
    assert all(v.fooled for v in ours)
    assert outcomes(judge(shifted, shard, "cw", c=1, steps=60).verdicts) == outcomes(ours)

    def plain(target: nn.Module) -> int:
        target.eval().requires_grad_(False)
        images = torchattacks.CW(target, c=1, steps=60, lr=0.01)(shard.images.float(), shard.labels).double()
        return int((target(images).argmax(1) != shard.labels).sum())

    model.float()

    # in float32: torchattacks builds its one-hot labels so
    class Cast(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.inner(images.float())

    assert plain(Cast(model)) > 8
    assert plain(Cast(Shifted(model, -100.0))) == 0


def test_cw_moves_pixels_that_are_exactly_black_or_white():
    model = TwoWays()
    images = toy_images(12).double().round()
    assert set(images.unique().tolist()) == {0.0, 1.0}
    shard = shard_of(model, images)
    verdicts = judge(model, shard, "cw", c=50, steps=400, lr=0.1).verdicts
    assert all(v.fooled for v in verdicts)


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


@pytest.mark.parametrize(
    "name",
    [
        "fgsm",
        "pgd",
        "mifgsm",
        "pgdl2",
        "apgd-ce",
        "apgd-dlr",
        "apgd-t",
        "fab-t",
        "square",
        "cw",
    ],
)
@pytest.mark.parametrize(("channels", "height", "width"), [(3, 10, 6), (1, 6, 9)])
def test_every_attack_serves_colour_and_non_square_images_in_float32(name, channels, height, width):
    model = LinearToy(channels, height, width)
    card = ATTACKS.get(name)
    settings = {p.name: 6 for p in card.parameters if p.name in ("steps", "queries")}
    eps = (
        None
        if card.minimum_norm
        else float(model.smallest(toy_images(6, (channels, height, width)), card.norms[0]).max()) * 3
    )
    shard = shard_of(model, toy_images(6, (channels, height, width)))
    assert sum(v.fooled for v in judge(model, shard, name, eps, **settings).verdicts) >= (
        0 if name in ("square", "cw") else 3
    )


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
    spec = card.spec({"steps": "5"}, float(roomy.smallest(shard.images, "Linf").median()))
    job = CellJob((Stage(spec, card.program, SEED),), shard)
    wanted = range(23)
    cpu = torch.device("cpu")
    expected = [v for part in run_cell(job, roomy, wanted, cpu, 23, torch.float64) for v in part.verdicts]
    found = [v for part in run_cell(job, Small(), wanted, cpu, 23, torch.float64) for v in part.verdicts]
    assert found == expected
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
