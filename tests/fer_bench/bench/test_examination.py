"""Models with one known fault each: every fault is found, told apart from the others, stored and shown as a badge."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import nn
from toys import LinearToy, SmallConvToy, toy_card, toy_data

import fer_bench
from fer_bench.bench.examination import Examined, against_card, examine
from fer_bench.core.evalset import EvalSet
from fer_bench.core.model_card import ModelCard, PublishedAccuracy
from fer_bench.engine.judge import prepare
from fer_bench.errors import ModelError
from models_zoo.loading import open_model
from models_zoo.logits import Undone, as_logits

N = 40
GOOD = SmallConvToy(48)
DATA = toy_data(N, GOOD, wrong=10)


class Through(nn.Module):
    """GOOD, with something done to the images before it or to its answers."""

    def __init__(self) -> None:
        super().__init__()
        self.good = SmallConvToy(48)


class Random(Through):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return nn.functional.dropout(self.good(images), 0.3, training=True)


class Mixing(Through):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        answers = self.good(images)
        return answers - answers.mean(0)


class Detached(Through):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.good(images.detach())


class Rounded(Through):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.good((images * 8).round() / 8)


class Saturated(Through):
    """A tenth of the images, the brightest, is so sure of its class that the loss has no gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.edge = float(DATA.images.mean((1, 2, 3)).quantile(0.9))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        bright = (images.mean((1, 2, 3)) > self.edge)[:, None]
        return torch.where(bright, self.good(images) * 1e4, self.good(images))


class Broken(Through):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.good((images - images.detach()).sqrt() + images)


class Scores(Through):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.good(images).sigmoid()


def look(model: nn.Module, card: ModelCard | None = None, data: EvalSet = DATA, split: str = "test") -> Examined:
    return examine(prepare(model), card or toy_card(), data, data.labels.tolist(), split)


def codes(model: nn.Module) -> list[str]:
    return [finding.code for finding in look(model).findings]


def test_a_sound_model_has_no_finding_and_its_accuracy_is_counted() -> None:
    found = look(SmallConvToy(48))
    assert found.findings == ()
    assert found.n == N
    assert found.accuracy is not None
    assert found.accuracy.value == 0.75


@pytest.mark.parametrize(
    ("model", "code"),
    [
        (Mixing, "depends on batch"),
        (Detached, "no gradient"),
        (Rounded, "no gradient"),
        (Saturated, "masked gradient"),
        (Broken, "non-finite gradient"),
        (Scores, "bounded outputs"),
    ],
)
def test_each_fault_is_found_and_only_it(model: type[nn.Module], code: str) -> None:
    assert codes(model()) == [code]


def test_a_random_model_is_found() -> None:
    assert "random" in codes(Random())


def test_one_image_of_a_hundred_may_have_no_gradient() -> None:
    """The share is a strict bound: 1 of 100 passes, 2 of 100 do not."""
    data = toy_data(100, GOOD)

    class Some(Through):
        def __init__(self, dead: int) -> None:
            super().__init__()
            self.edge = float(data.images.mean((1, 2, 3)).sort().values[-dead - 1])

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            dead = (images.mean((1, 2, 3)) > self.edge)[:, None]
            return torch.where(dead, self.good(images.detach()), self.good(images))

    assert look(Some(1), data=data).findings == ()
    (finding,) = look(Some(2), data=data).findings
    assert finding.code == "masked gradient"
    assert finding.reason.startswith("2 of 100 ")


def test_a_model_that_cannot_take_the_images_is_one_line() -> None:
    with pytest.raises(ModelError, match=r"'toy' cannot be examined on images of \(1, 48, 48\)") as caught:
        look(nn.Conv2d(3, 7, 3))
    assert "\n" not in str(caught.value)


def test_a_regressor_is_not_judged_as_a_classifier() -> None:
    card = toy_card(classes=("valence", "arousal"), task="va")
    model = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(16, 2), nn.Sigmoid())
    found = look(model, card)
    assert found.findings == ()
    assert found.accuracy is None


# --------------------------------------------------------------------------------------------------- the accuracy


def stated(**splits: tuple[float, int | None]) -> ModelCard:
    entries = tuple(PublishedAccuracy(value, "set", split, n, "somebody") for split, (value, n) in splits.items())
    return toy_card(accuracy=entries)


@pytest.mark.parametrize(
    ("accuracy", "n", "differs"),
    [
        (0.60, 1000, False),  # as stated
        (0.56, 1000, False),  # sqrt(.58 * .42 * 2 / 1000) = .0221, 3 of them are .066
        (0.53, 1000, True),
        (0.53, 100, False),  # few images prove little
        (0.68, 1000, True),  # too good is wrong too
    ],
)
def test_the_accuracy_is_compared_with_the_cards_within_sampling_error(accuracy: float, n: int, differs: bool) -> None:
    found = against_card(stated(test=(0.60, 1000)), "set", "test", accuracy, n)
    assert ("accuracy differs" in [finding.code for finding in found]) == differs


def test_another_data_set_or_split_is_no_measure() -> None:
    assert against_card(stated(test=(0.9, 1000)), "other", "test", 0.5, 1000) == []
    assert against_card(stated(test=(0.9, 1000)), "set", "validation", 0.5, 1000) == []
    assert against_card(stated(), "set", "", 0.5, 1000) == []


def test_a_number_of_unknown_n_counts_as_exact() -> None:
    """sqrt(.6 * .4 / 1000) = .0155, 3 of them are .046."""
    assert against_card(stated(test=(0.60, None)), "set", "test", 0.56, 1000) == []
    assert [f.code for f in against_card(stated(test=(0.60, None)), "set", "test", 0.55, 1000)] == ["accuracy differs"]


def test_better_than_on_the_training_set_hints_at_contamination() -> None:
    card = stated(train=(0.70, 3000), validation=(0.69, 3000))
    assert [f.code for f in against_card(card, "set", "test", 0.80, 3000)] == ["contaminated?"]
    assert against_card(card, "set", "test", 0.71, 3000) == []
    assert against_card(stated(train=(0.99, 3000), validation=(0.69, 3000)), "set", "test", 0.80, 3000) == []


# ------------------------------------------------------------------------------------------------------- softmax


class Ended(nn.Module):
    """The linear toy and a softmax, as a module of its own or as a function."""

    def __init__(self, end: nn.Module | None) -> None:
        super().__init__()
        self.toy = LinearToy(1, 48, 48)
        self.end = end

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits = self.toy(images)
        return logits.softmax(1) if self.end is None else self.end(logits)


IMAGES = DATA.images[:4]
LOGITS = LinearToy(1, 48, 48)(IMAGES).detach()


def logits_of(model: nn.Module) -> tuple[nn.Module, list[str]]:
    with torch.no_grad():
        found, findings = as_logits(model, IMAGES, model(IMAGES))
    return found, [finding.code for finding in findings]


def centred(logits: torch.Tensor) -> torch.Tensor:
    return logits - logits.mean(1, keepdim=True)


def test_a_softmax_module_is_cut_off_exactly() -> None:
    model, codes = logits_of(Ended(nn.Softmax(dim=1)))
    assert torch.equal(model(IMAGES), LOGITS)
    assert codes == ["softmax cut"]


def test_a_softmax_function_is_undone_up_to_a_constant() -> None:
    model, codes = logits_of(Ended(None))
    assert isinstance(model, Undone)
    torch.testing.assert_close(centred(model(IMAGES)), centred(LOGITS), rtol=0, atol=1e-4)
    assert codes == ["softmax undone"]


def test_a_softmax_inside_the_model_stays() -> None:
    class Attention(nn.Module):
        """Its softmax gives weights, not the answer, which happens to be probabilities by another way."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Softmax(dim=1)
            self.toy = LinearToy(1, 48, 48)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return (self.inner(self.toy(images)) * 3).softmax(1)

    original = Attention()(IMAGES)
    model, codes = logits_of(Attention())
    torch.testing.assert_close(model(IMAGES).softmax(1), original)
    assert codes == ["softmax undone"]


def test_log_probabilities_are_logits() -> None:
    model, codes = logits_of(Ended(nn.LogSoftmax(dim=1)))
    torch.testing.assert_close(centred(model(IMAGES)), centred(LOGITS), rtol=0, atol=1e-4)
    assert codes == ["log-probabilities"]


def test_logits_are_left_alone() -> None:
    assert logits_of(LinearToy(1, 48, 48))[1] == []
    loaded = open_model(toy_card(build=lambda: Ended(nn.Softmax(dim=1))))
    assert torch.equal(loaded.model(IMAGES), LOGITS)
    assert loaded.findings[0].code == "softmax cut"


# ------------------------------------------------------------------------------------------------------ in a run


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> EvalSet:
    data = dataclasses.replace(toy_data(8, GOOD), source="toy:folder:test")
    monkeypatch.setattr("fer_bench.api.benchmark.open_data", lambda text, n=None: data)
    return data


def test_a_run_examines_once_and_shows_badges(opened: EvalSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    accuracy = (PublishedAccuracy(0.2, "toy", "test", 5000, "nobody"),)
    card = toy_card("scored", Scores, accuracy=accuracy)
    run = {"models": [card], "data": "toy:folder:test", "out": tmp_path, "device": "cpu"}
    fer_bench.run(attacks="fgsm", eps="2/255", **run)
    cells = fer_bench.load(tmp_path).cells
    assert {"bounded outputs", "accuracy differs"} <= set(cells["flags"].iloc[0])
    assert "sigmoid scores instead of logits" in (tmp_path / "report.html").read_text(encoding="utf-8")
    monkeypatch.setattr("fer_bench.bench.matrix.examine", lambda *args: pytest.fail("examined twice"))
    fer_bench.run(attacks="pgd-2", eps="2/255", **run)
    flags = fer_bench.load(tmp_path).cells["flags"]
    assert len(flags) == 2
    assert all("bounded outputs" in codes for codes in flags)


def test_what_was_said_while_loading_is_a_badge_too(opened: EvalSet, tmp_path: Path) -> None:
    card = toy_card("soft", lambda: Ended(nn.Softmax(dim=1)))
    fer_bench.run(models=[card, toy_card("plain")], attacks="fgsm", eps="2/255", out=tmp_path, device="cpu")
    cells = fer_bench.load(tmp_path).cells.set_index("model")["flags"]
    assert "softmax cut" in cells["soft"]
    assert "softmax cut" not in cells["plain"]
