"""Families whose weights the user brings, and CAF and ELIM: built from files in the public layouts and attacked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from brought_checkpoints import State, save_as_trained
from fixed_images import recipe
from places import ROOT
from published_checkpoints import GOLDEN, seeded, shapes
from torch import nn

from attacks import ATTACKS
from fer_bench.core.labels import EXPRESSIONS
from fer_bench.core.model_card import ModelCard, UserFile
from fer_bench.engine.judge import Shard, evaluate_shard
from fer_bench.errors import ModelError
from models_zoo import MODELS
from models_zoo.layers.convolution import clamped

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Case:
    """A card, the public definition that it is held against, and how its authors save.

    `gain` keeps the seeded network's answers of ordinary size and dependent on the image.
    """

    card: str
    definition: str
    layout: str | None
    gain: float


#: One card of each architecture.
ARCHITECTURES = {
    case.card: case
    for case in (
        Case("dan-rafdb", "dan-rafdb", "model_state_dict", 1.5),
        Case("scn-rafdb", "scn-rafdb", "model_state_dict", 4),
        Case("rmn", "rmn", "net", 4),
        Case("efficientface-rafdb", "efficientface-rafdb", "trained", 6),
        Case("poster-v2-rafdb", "poster-v2-rafdb", "trained", 2),
        Case("cage-affectnet7", "cage-affectnet7", None, 2),
        Case("cage-affectnet8-va", "cage-affectnet8", None, 2),
        Case("ma-net-rafdb", "ma-net-rafdb", "trained", 4),
        Case("rul-rafdb", "rul-rafdb", "with a last layer apart", 3),
        Case("arm-rafdb", "arm-rafdb", "model_state_dict", 3),
        Case("dmue-affectnet8", "dmue-affectnet8", None, 4),
        Case("eac-rafdb", "eac-rafdb", None, 4),
        Case("apvit-rafdb", "apvit-rafdb", "state_dict", 2),
        Case("caf", "caf", "parts", 1),
        Case("elim", "elim", "parts", 1),
    )
}
#: The other cards of the families, which differ in the number of classes, in normalisation or in the task alone.
RELATIVES = {
    "dan-affectnet7": "dan-rafdb",
    "dan-affectnet8": "dan-affectnet8",
    "efficientface-affectnet7": "efficientface-rafdb",
    "efficientface-affectnet8": "efficientface-affectnet8",
    "efficientface-caers": "efficientface-rafdb",
    "poster-v2-affectnet7": "poster-v2-rafdb",
    "poster-v2-affectnet8": "poster-v2-affectnet8",
    "cage-affectnet7-va": "cage-affectnet7",
    "cage-affectnet8": "cage-affectnet8",
    "ma-net-affectnet7": "ma-net-rafdb",
    "ma-net-affectnet8": "ma-net-rafdb",
}
BROUGHT = [card.name for card in MODELS if any(isinstance(file, UserFile) for file in card.files)]


@pytest.fixture(scope="module", params=ARCHITECTURES)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[ModelCard, nn.Module]:
    """A card and its model, built from a seeded file as its authors would have saved it."""
    case = ARCHITECTURES[request.param]
    card = MODELS.get(case.card)
    state = seeded(shapes(case.definition), case.gain)
    with pytest.MonkeyPatch.context() as monkeypatch:
        paths = save(state, case.layout, tmp_path_factory.mktemp("weights"), monkeypatch)
        model = card.build(paths).requires_grad_(False)
    return card, model


def save(state: State, layout: str | None, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files of one model, as its authors' scripts write them."""
    path = folder / "weights.pth"
    if layout == "trained":
        save_as_trained(state, path, monkeypatch)
    elif layout == "with a last layer apart":
        last = {name.removeprefix("fc."): value for name, value in state.items() if name.startswith("fc.")}
        rest = {name: value for name, value in state.items() if not name.startswith("fc.")}
        torch.save({"model_state_dict": rest, "fc_state_dict": last}, path)
    elif layout == "parts":
        parts = list(dict.fromkeys(name.partition(".")[0] for name in state))
        for part in parts:
            own = {name.partition(".")[2]: value for name, value in state.items() if name.startswith(f"{part}.")}
            torch.save(own, folder / f"{part}.t7")
        return [folder / f"{part}.t7" for part in parts]
    else:
        torch.save(state if layout is None else {"iter": 5, layout: state}, path)
    return [path]


# -------------------------------------------------------------------------------------------------------- cards


@pytest.mark.parametrize("name", BROUGHT)
def test_a_card_says_what_is_known_and_what_is_not(name: str) -> None:
    card = MODELS.get(name)
    assert card.notes[0].startswith("Weights not seen here:")
    assert any("public definition" in note for note in card.notes)
    assert card.files[0].page.startswith("https://")
    if card.task == "va":
        assert card.classes == ("valence", "arousal")
    else:
        assert set(card.classes) <= set(EXPRESSIONS)
        assert len(set(card.classes)) == len(card.classes) in (7, 8)


def test_the_page_of_the_zoo_names_every_card() -> None:
    page = (ROOT / "docs" / "zoo.md").read_text(encoding="utf-8")
    assert [name for name in MODELS.names() if f"`{name}`" not in page] == []


def test_every_card_is_built_here() -> None:
    assert {*ARCHITECTURES, *RELATIVES} == {*BROUGHT, "caf", "elim"}


# ------------------------------------------------------------------------------------------------------- models


def test_logits_are_those_of_the_public_definition(built: tuple[ModelCard, nn.Module]) -> None:
    card, model = built
    with torch.no_grad():
        ours = model(recipe((1, 3, 224, 224)))
    public = torch.tensor(json.loads((GOLDEN / "brought.json").read_text())[card.name])
    torch.testing.assert_close(ours[0], public, rtol=1e-4, atol=1e-5 * float(public.abs().max()))


def test_a_model_takes_gray_and_colour_of_any_size(built: tuple[ModelCard, nn.Module]) -> None:
    card, model = built
    assert sum(parameter.numel() for parameter in model.parameters()) == card.parameters
    assert not any(module.training for module in model.modules())
    gray = recipe((1, 1, 48, 48))
    with torch.no_grad():
        answers = [model(gray), model(gray.expand(-1, 3, -1, -1)), model(recipe((1, 3, 112, 100)))]
    for answer in answers:
        assert answer.shape == (1, len(card.classes))
        assert answer.isfinite().all()
    torch.testing.assert_close(answers[0], answers[1], rtol=1e-3, atol=1e-3)
    assert (answers[0] - answers[2]).abs().max() > 5e-3 * answers[0].abs().max()


def test_one_step_of_pgd(built: tuple[ModelCard, nn.Module]) -> None:
    card, model = built
    images = recipe((1, 3, 40, 36))
    if card.task == "va":
        images.requires_grad_()
        (model(images) - 0.25).square().sum().backward()
        assert images.grad is not None
        assert images.grad.isfinite().all()
        assert (images.grad != 0).any()
        return
    with torch.no_grad():
        label = model(images).argmax(1)
    attack = ATTACKS.get("pgd")  # at a budget at which its random start fools nobody, so that the step is made
    spec = attack.spec({"steps": "1"}, 0.01 / 255)
    result = evaluate_shard(model, Shard(images, label, ("a",)), spec, attack.program, draw_seed=0).result
    assert result.verdicts[0].clean_right
    assert result.backward_rows == 1
    assert (result.zero_gradient_rows, result.bad_gradient_rows) == (0, 0)


def test_clamped_values_stay_in_range_and_keep_their_gradient() -> None:
    values = torch.tensor([[-1.5, 0.25], [1.0, 3e9]], requires_grad=True)
    answers = clamped(values)
    assert answers.tolist() == [[-1.0, 0.25], [1.0, 1.0]]
    answers.square().sum().backward()
    assert values.grad is not None
    assert values.grad.tolist() == [[-2.0, 0.5], [2.0, 2.0]]


@pytest.mark.parametrize("name", RELATIVES)
def test_a_relative_is_built_from_its_own_definition(name: str, tmp_path: Path) -> None:
    card = MODELS.get(name)
    tensors = shapes(RELATIVES[name])
    if name == "ma-net-affectnet8":
        for head in ("fc_1", "fc_2"):
            tensors |= {f"{head}.weight": [8, 512], f"{head}.bias": [8]}
    torch.save(seeded(tensors), tmp_path / "weights.pth")
    model = card.build([tmp_path / "weights.pth"])
    assert sum(parameter.numel() for parameter in model.parameters()) == card.parameters
    with torch.no_grad():
        assert model(recipe((1, 1, 48, 48))).shape == (1, len(card.classes))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_checkpoint_that_does_not_fit_is_refused_in_one_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = ARCHITECTURES[name]
    tensors = shapes(case.definition)
    first, second, *_ = (tensor for tensor in tensors if tensor.endswith(("weight", "bias")))
    tensors[first] = [*tensors[first], 1]
    del tensors[second]
    paths = save(seeded(tensors), case.layout, tmp_path, monkeypatch)
    with pytest.raises(ModelError, match="2 tensors do not fit") as caught:
        MODELS.get(name).build(paths)
    assert "\n" not in str(caught.value)
