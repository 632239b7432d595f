"""The checkpoints that come with the package: they are what their cards say, small, and known by their content."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import click
import pytest
import torch

from fer_bench.cli.main import main
from fer_bench.cli.train import train
from fer_bench.core.model_card import LocalFile, ModelCard
from fer_bench.data import open_data
from fer_bench.errors import IntegrityError
from fer_bench.files import sha256
from fer_bench.stats.agreement import agreement
from fer_bench.training import inner_maximisation
from fer_bench.training.batches import generator_of
from fer_bench.training.inner_maximisation import Budget
from fer_bench.training.objectives import Expression
from fer_bench.training.recipe import Recipe
from models_zoo import MODELS
from models_zoo.catalogue import weights
from models_zoo.loading import load
from models_zoo.own.card_file import CARD, read_card
from models_zoo.select import choose_models
from models_zoo.trained import bundled

MIB = 2**20
CARDS = pytest.mark.parametrize("card", bundled.CARDS, ids=lambda card: card.name)
EXPRESSIONS, REGRESSORS = (
    pytest.mark.parametrize("card", [c for c in bundled.CARDS if c.task == task], ids=lambda card: card.name)
    for task in ("expression", "va")
)


def file_of(card: ModelCard) -> LocalFile:
    [file] = card.files
    assert isinstance(file, LocalFile)
    return file


def command_of(card: ModelCard) -> list[str]:
    [note] = [note for note in card.notes if note.startswith("command: ")]
    return shlex.split(note.removeprefix("command: "))


def test_the_references_are_there_and_are_among_all_models() -> None:
    names = [card.name for card in bundled.CARDS]
    wanted = ["slim-faat", "slim-faat-no-freq", "slim-faat-random-mask", "slim-pgd-at", "slim-standard", "slim-trades"]
    assert {*wanted, "slim-trades-tuned", "slim-faat-tuned", "slim-va-standard", "slim-va-faat"} == set(names)
    assert set(names) <= {card.name for card in choose_models("all")}
    assert [name for name in names if not MODELS.get(name).defended] == [
        name for name in names if name.endswith("standard")
    ]


@CARDS
def test_a_checkpoint_is_small_half_precision_and_what_its_card_pins(card: ModelCard) -> None:
    file = file_of(card)
    assert file.size == file.path.stat().st_size <= 12 * MIB
    assert sha256(file.path) == file.sha256
    assert file.size < 2.2 * card.parameters
    assert weights(card) == "bundled, on this machine"
    assert card.verified


def test_together_they_keep_the_package_small() -> None:
    assert sum(file_of(card).size for card in bundled.CARDS) <= 60 * MIB


@CARDS
def test_the_command_on_the_card_is_the_training_that_the_card_describes(card: ModelCard) -> None:
    """Parsed by the command line itself, the options give the recipe that the trainer wrote down."""
    program, verb, *words = command_of(card)
    assert (program, verb) == ("ferbench", "train")
    assert isinstance(main, click.Group)
    given = train.make_context("train", words).params
    assert given["name"] == card.name
    recipe = Recipe(**{name: given[name] for name in Recipe.__dataclass_fields__ if name in given})
    [described] = [note for note in card.notes if note.startswith("trained with: ")]
    stated = dict(pair.split("=") for pair in described.removeprefix("trained with: ").split(", "))
    own = dict(pair.split("=") for pair in recipe.describe().split(", "))
    if "stage" not in own:
        stated.pop("stage", None)  # chosen from the network where the command names none
    assert own == stated
    assert recipe.epochs >= 15
    assert recipe.steps == 7


def test_a_damaged_checkpoint_is_refused_and_the_remedy_is_named(tmp_path: Path) -> None:
    card = bundled.CARDS[0]
    shutil.copytree(file_of(card).path.parent, tmp_path / card.name)
    place = tmp_path / card.name / file_of(card).path.name
    content = bytearray(place.read_bytes())
    content[-1] ^= 1
    place.write_bytes(content)
    with pytest.raises(IntegrityError, match="Install fer_bench again"):
        load(read_card(tmp_path / card.name / CARD, bundled=True))


@EXPRESSIONS
@pytest.mark.fer2013
def test_its_accuracy_is_the_stated_one(card: ModelCard, fer2013: Path) -> None:
    data = open_data(f"fer2013:{fer2013}:validation")
    model = load(card)
    with torch.no_grad():
        right = torch.cat([model(images).argmax(1) for images in data.images.split(256)]) == data.labels
    [stated] = card.accuracy
    assert stated.n == len(data.labels)
    assert float(right.float().mean()) == pytest.approx(stated.value, abs=0.002)


@REGRESSORS
@pytest.mark.fer2013
def test_its_agreement_is_the_stated_one_and_is_called_a_proxy(card: ModelCard, fer2013: Path) -> None:
    data = open_data(f"fer2013-va:{fer2013}:validation")
    model = load(card)
    with torch.no_grad():
        answers = torch.cat([model(images) for images in data.images.split(256)])
    assert data.values is not None
    [note] = [note for note in card.notes if note.startswith("measured by this project")]
    assert f"{len(data.labels)} images" in note
    stated = [float(number) for number in re.findall(r"CCC (\d\.\d+) of valence, (\d\.\d+) of arousal", note)[0]]
    found = [agreement(data.values[:, place].numpy(), answers[:, place].numpy()).ccc for place in (0, 1)]
    assert found == pytest.approx(stated, abs=0.003)
    assert bool((answers.abs() <= 1).all())
    assert all("proxy" in text for text in (card.title, card.trained_on, note))


@pytest.mark.fer2013
def test_the_defence_is_worth_eighteen_points_under_pgd(fer2013: Path) -> None:
    """The same network, undefended and FAAT, PGD-20 at 4/255 on 300 images: measured on 1,000, it is 33 points."""
    data = open_data(f"fer2013:{fer2013}:validation", 300)
    robust = {}
    for name in ("slim-standard", "slim-faat"):
        model = load(MODELS.get(name))
        attacked = inner_maximisation.pgd(
            lambda images, model=model: Expression().climb(model(images), data.labels).sum(),  # type: ignore[misc]
            data.images,
            Budget(4 / 255, 1 / 255, 20),
            generator_of(0, "test", 0, torch.device("cpu")),
        )
        with torch.no_grad():
            robust[name] = float((model(attacked).argmax(1) == data.labels).float().mean())
    assert robust["slim-faat"] >= robust["slim-standard"] + 0.18
