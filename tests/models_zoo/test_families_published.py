"""Families whose weights lie in their authors' repositories: built from files in the public layouts and attacked."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from fixed_images import recipe
from onnx_files import network
from published_checkpoints import GOLDEN, State, seeded, shapes, write_keras
from torch import nn

from attacks import ATTACKS
from fer_bench.core.labels import EXPRESSIONS
from fer_bench.core.model_card import UNSEEN, ModelCard, WebFile
from fer_bench.engine.judge import Shard, evaluate_shard
from fer_bench.errors import ModelError
from models_zoo import MODELS
from models_zoo.weights.onnx_graph import OnnxGraph

pytestmark = pytest.mark.slow

ADDRESSED = [card.name for card in MODELS if any(isinstance(file, WebFile) for file in card.files)]


@dataclass(frozen=True)
class Case:
    """A card, the public definition that its files are held against, and the side of its network's input.

    `gain` keeps the seeded network's answers of ordinary size and dependent on the image. `head`: what the last layer
    is called, where it has another width than the definition's.
    """

    card: str
    definition: str
    side: int
    gain: float
    head: str = ""


CASES = {
    case.card: case
    for case in (
        Case("emonet-8", "emonet-8", 256, 0.6),
        Case("emonet-8-va", "emonet-8", 256, 0.6),
        Case("emonet-5", "emonet-8", 256, 0.6, head="emo_fc_2.3"),
        Case("ddamfn-rafdb", "ddamfn-rafdb", 112, 3),
        Case("ddamfn-affectnet8", "ddamfn-rafdb", 112, 3, head="fc"),
        Case("avce-alexnet", "avce-alexnet", 256, 2),
        Case("avce-resnet18", "avce-resnet18", 256, 2.5),
        Case("libreface-resnet", "libreface-resnet", 224, 4),
        Case("libreface-repvgg", "libreface-repvgg", 224, 2.5),
        Case("ad-corre-rafdb", "ad-corre", 224, 4),
    )
}
ONNX = {"emotieff-b2-7": (260, 7), "emotieff-b0-mtl": (224, 10), "emotieff-mbf-mtl-va": (112, 10)}


def tensors(case: Case) -> dict[str, list[int]]:
    """The names and shapes of the card's checkpoint."""
    found = shapes(case.definition)
    if case.head:
        card = MODELS.get(case.card)
        wide = len(card.classes) + (2 if case.definition.startswith("emonet") else 0)
        for name in (f"{case.head}.weight", f"{case.head}.bias"):
            found[name][0] = wide
        if case.definition.startswith("ddamfn"):  # an unused normalisation of the classes
            found |= {f"bn.{part}": [wide] for part in ("weight", "bias", "running_mean", "running_var")}
    return found


def files(case: Case, folder: Path, state: State | None = None) -> list[Path]:
    """Seeded files in the layouts that the authors' scripts write and read."""
    one = folder / "weights.pth"
    if case.definition == "ad-corre":
        return [write_keras(tensors(case), one, case.gain)]
    state = seeded(tensors(case), case.gain) if state is None else state
    if case.definition.startswith("avce"):
        paths = []
        for part, surplus in (("encoder", {}), ("regressor", {"lin2.weight": torch.zeros(3)})):
            own = {name.removeprefix(f"{part}."): value for name, value in state.items() if name.startswith(part)}
            paths.append(folder / f"{part}.t7")
            torch.save(own | surplus, paths[-1])
        return paths
    content: dict[str, object] = {"model": state}
    if case.definition.startswith("emonet"):
        content = {f"module.{name}": value for name, value in state.items()}
        content["module.temporal"] = torch.zeros(2)  # their scripts load with strict=False
    elif case.definition.startswith("ddamfn"):
        optimiser = {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 0.1, "params": [0]}]}
        content = {"iter": 3, "model_state_dict": state, "optimizer_state_dict": optimiser}
    torch.save(content, one)
    return [one]


@pytest.fixture(scope="module", params=[*CASES, *ONNX])
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[ModelCard, nn.Module]:
    """A card and its model from seeded files."""
    name: str = request.param
    folder = tmp_path_factory.mktemp("weights")
    paths = files(CASES[name], folder) if name in CASES else [network(folder / "n.onnx", *ONNX[name])]
    card = MODELS.get(name)
    model = card.build(paths)
    for path in paths:
        path.unlink()
    return card, model.requires_grad_(False)


# ------------------------------------------------------------------------------------------------------------ cards


@pytest.mark.parametrize("name", ADDRESSED)
def test_a_card_says_what_is_known_and_what_is_not(name: str) -> None:
    card = MODELS.get(name)
    assert card.notes[0].startswith(UNSEEN)
    assert not card.verified
    assert any("with seeded weights" in note or "same seeded weights" in note for note in card.notes)
    for file in card.files:
        assert isinstance(file, WebFile)
        assert re.fullmatch(r"https://raw\.githubusercontent\.com/[^/]+/[^/]+/[0-9a-f]{40}/[\w./%-]+", file.url)
        assert re.fullmatch(r"[0-9a-f]{40}", file.blob)
    if card.task == "va":
        assert card.classes == ("valence", "arousal")
    else:
        assert set(card.classes) <= set(EXPRESSIONS)
        assert len(set(card.classes)) == len(card.classes) in (5, 7, 8)


def test_no_two_files_are_taken_for_one_another() -> None:
    blobs = {(file.url, file.blob) for name in ADDRESSED for file in MODELS.get(name).files}
    assert len({url for url, _ in blobs}) == len({blob for _, blob in blobs}) == len(blobs) == 26


def test_one_network_for_two_tasks_is_one_file_and_two_models() -> None:
    both = {name: MODELS.get(f"{name}-va") for name in ADDRESSED if f"{name}-va" in ADDRESSED}
    assert len(both) == 5
    for name, va in both.items():
        assert va.files == MODELS.get(name).files
        assert va.digest != MODELS.get(name).digest
        assert va.parameters == MODELS.get(name).parameters


def test_what_must_be_said_of_a_family_is_on_its_card() -> None:
    assert any("Dropout is off" in note for note in MODELS.get("avce-resnet18").notes)
    assert MODELS.get("emonet-5").classes[4] == "angry"
    assert any("fear" in note for note in MODELS.get("emonet-5").notes)
    assert [file.member for file in MODELS.get("avce-alexnet").files] == ["encoder.t7", "regressor.t7"]


# ----------------------------------------------------------------------------------------------------------- models


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case.head and name != "ad-corre-rafdb"])
def test_names_and_shapes_are_those_of_the_public_definition(name: str, tmp_path: Path) -> None:
    """Together with `fill`, which refuses a missing tensor: each tensor of the definition is one of ours."""
    case = CASES[name]
    model = MODELS.get(name).build(files(case, tmp_path))
    ours = {key: list(value.shape) for key, value in model.state_dict().items() if "num_batches_tracked" not in key}
    assert ours == shapes(case.definition)


@pytest.mark.parametrize("built", CASES, indirect=True)
def test_answers_are_those_of_the_public_definition(built: tuple[ModelCard, nn.Module]) -> None:
    card, model = built
    known = json.loads((GOLDEN / "addressed.json").read_text())
    side = CASES[card.name].side
    with torch.no_grad():
        ours = model(recipe((1, 3, side, side)))
    torch.testing.assert_close(ours[0], torch.tensor(known[card.name]), rtol=1e-4, atol=2e-5)


def test_a_model_takes_gray_and_colour_of_any_size(built: tuple[ModelCard, nn.Module]) -> None:
    card, model = built
    if card.name in CASES:
        assert sum(parameter.numel() for parameter in model.parameters()) == card.parameters
    assert not any(module.training for module in model.modules())
    gray = recipe((1, 1, 48, 48))
    with torch.no_grad():
        answers = [model(gray), model(gray.expand(-1, 3, -1, -1)), model(recipe((2, 3, 60, 72)))]
    assert [tuple(answer.shape) for answer in answers] == [(n, len(card.classes)) for n in (1, 1, 2)]
    assert all(answer.isfinite().all() for answer in answers)
    torch.testing.assert_close(answers[0], answers[1], rtol=1e-4, atol=1e-4)
    assert (answers[2][0] - answers[2][1]).abs().max() > 1e-5
    if card.task == "va":
        assert all(answer.abs().max() <= 1 for answer in answers)


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
        label = model(images).argmax(dim=1)
    attack = ATTACKS.get("pgd")
    result = evaluate_shard(
        model, Shard(images, label, ("a",)), attack.spec({"steps": "1"}, 8 / 255), attack.program, draw_seed=0
    ).result
    assert result.verdicts[0].clean_right
    assert result.backward_rows == 1
    assert (result.zero_gradient_rows, result.bad_gradient_rows) == (0, 0)


def test_valence_and_arousal_beyond_the_range_keep_their_gradient(tmp_path: Path) -> None:
    case = CASES["avce-alexnet"]
    state = seeded(tensors(case), case.gain)
    state["regressor.va_regressor.bias"] = torch.tensor([5.0, -5.0])
    model = MODELS.get(case.card).build(files(case, tmp_path, state))
    images = recipe((1, 3, 64, 64)).requires_grad_()
    answer = model(images)
    assert answer.tolist() == [[1.0, -1.0]]
    answer.sum().backward()
    assert images.grad is not None
    assert images.grad.abs().max() > 0


@pytest.mark.parametrize(
    ("name", "side", "mean", "std"),
    [
        ("emotieff-b0-mtl", 224, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ("emotieff-mbf-mtl", 112, [0.5] * 3, [0.5] * 3),
    ],
)
def test_an_emotieff_file_sees_prepared_images_and_its_columns_are_two_models(
    name: str, side: int, mean: list[float], std: list[float], tmp_path: Path
) -> None:
    path = network(tmp_path / "n.onnx", side, 10)
    images = recipe((2, 3, side, side))
    prepared = (images - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    whole = OnnxGraph(path)(prepared)
    expression, va = (MODELS.get(card).build([path]) for card in (name, f"{name}-va"))
    torch.testing.assert_close(expression(images), whole[:, :8])
    torch.testing.assert_close(va(images), whole[:, 8:].clamp(-1, 1))


def test_layers_that_keras_numbered_on_are_found_in_their_order(tmp_path: Path) -> None:
    """A second model in one Keras session starts at 'dense_5'; sorted as words, 'dense_10' would come first."""
    case = CASES["ad-corre-rafdb"]
    counted = re.compile(r"^(dense|conv2d|batch_normalization)(?:_(\d+))?/")
    numbered = {
        counted.sub(lambda found: f"{found[1]}_{int(found[2] or 0) + 5}/", name): shape
        for name, shape in tensors(case).items()
    }
    model = MODELS.get(case.card).build([write_keras(numbered, tmp_path / "k.h5", case.gain)])
    with torch.no_grad():
        ours = model(recipe((1, 3, 224, 224)))[0]
    expected = json.loads((GOLDEN / "addressed.json").read_text())[case.card]
    torch.testing.assert_close(ours, torch.tensor(expected), rtol=1e-4, atol=2e-5)


# --------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("name", ["emonet-8", "ddamfn-rafdb", "avce-resnet18", "libreface-repvgg"])
def test_a_checkpoint_that_lacks_a_tensor_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    """Also where surplus tensors are let pass."""
    case = CASES[name]
    state = seeded(tensors(case), case.gain)
    del state[next(reversed([key for key in state if key.endswith("weight")]))]
    with pytest.raises(ModelError, match="1 tensors do not fit") as caught:
        MODELS.get(name).build(files(case, tmp_path, state))
    assert "\n" not in str(caught.value)


def test_a_keras_file_of_another_network_is_refused(tmp_path: Path) -> None:
    path = write_keras({"conv2d_1/kernel": [3, 3, 1, 8]}, tmp_path / "k.h5")
    with pytest.raises(ModelError, match="does not hold the layers of Ad-Corre"):
        MODELS.get("ad-corre-rafdb").build([path])


def test_an_onnx_file_with_other_answers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"answers two images with \(2, 8\); expected \(2, 10\)"):
        MODELS.get("emotieff-b0-mtl").build([network(tmp_path / "n.onnx", 224, 8)])
