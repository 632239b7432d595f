"""Training as a whole: killed and gone on with, judged, held out, and left behind as a model that can be run."""

from __future__ import annotations

import csv
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from places import ROOT
from safetensors.torch import load_file, save_file
from toys import faces, seeded, write_csv

from fer_bench.api.training import train
from fer_bench.data import collect, open_data
from fer_bench.errors import ModelError, UsageError
from fer_bench.files import sha256
from fer_bench.training import batches, loop, methods
from fer_bench.training.loop import learning_rate
from fer_bench.training.methods import Attacked, Setting
from fer_bench.training.recipe import Recipe
from fer_bench.training.state import EpochLog
from fer_bench.training.validation import Scores, warnings
from models_zoo.loading import load
from models_zoo.select import choose_models
from models_zoo.untrained import build

RECIPE = Recipe(
    method="pgd-at", epochs=2, batch_size=8, steps=2, held_out=8, judge_steps=2, awp=0.01, precision="float32"
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Forty images in FER2013's csv."""
    folder = tmp_path_factory.mktemp("fer2013")
    write_csv(folder / "fer2013.csv", faces(40), [i % 7 for i in range(40)], "train")
    return f"fer2013:{folder}"


@pytest.mark.slow
def test_a_killed_training_ends_with_the_same_weights(data: str, tmp_path: Path) -> None:
    """SIGKILL in the middle of an epoch, after a state was written and steps were made that it does not hold."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    train(RECIPE, "slim", data, whole, device="cpu")
    code = f"""
import os, signal
import torch
from fer_bench.training import loop, state
from fer_bench.training.methods import Attacked, Setting
from fer_bench.training.recipe import Recipe
from fer_bench.api.training import train

torch.set_num_threads({torch.get_num_threads()})
loop.train.__defaults__ = ((), 0.0)  # a state after every step
write, made = state.write, []
def after(*given):
    write(*given)
    made.append(1)
state.write = after
step = loop._step
def mortal(*given):
    value = step(*given)
    if len(made) == 4:  # one at the start, one after each of three steps; the fourth step is lost
        os.kill(os.getpid(), signal.SIGKILL)
    return value
loop._step = mortal
train({RECIPE!r}, "slim", {data!r}, {str(killed)!r}, device="cpu")
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not (killed / "model.safetensors").exists()
    train(RECIPE, "slim", data, killed, device="cpu")
    for name in ("state.safetensors", "model.safetensors"):
        one, other = load_file(whole / name), load_file(killed / name)
        assert one.keys() == other.keys()
        # Two processes may round differently; an average that is not resumed is off by 0.01, momentum by 0.2.
        for key, value in one.items():
            torch.testing.assert_close(other[key], value, rtol=0, atol=1e-5, msg=lambda text, key=key: f"{key}: {text}")


def test_a_finished_training_is_a_model(data: str, tmp_path: Path) -> None:
    folder = train(replace(RECIPE, epochs=1, awp=0.0, seed=3), "slim", data, tmp_path / "m", device="cpu").parent
    (card,) = choose_models([str(folder)])
    assert card.classes == ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
    assert load(card)(torch.rand(2, 3, 50, 40)).shape == (2, 7)
    with (folder / "log.csv").open() as stream:
        (line,) = csv.DictReader(stream)
    assert 0 <= float(line["robust"]) <= float(line["clean"]) <= 1
    with pytest.raises(UsageError, match="another recipe"):
        train(replace(RECIPE, seed=4), "slim", data, folder, device="cpu")


@pytest.mark.parametrize(("method", "kept"), [("standard", 2), ("pgd-at", 1)])
def test_the_epoch_kept_is_the_clean_best_of_an_undefended_network_and_the_robust_best_of_another(
    method: str, kept: int, data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Training goes on, clean accuracy rises and robust accuracy falls: which epoch is kept depends on the aim."""
    scores = iter([Scores(0.5, 0.3, 0.3), Scores(0.6, 0.2, 0.1)])
    monkeypatch.setattr(loop, "judge", lambda *given: next(scores))
    card = train(replace(RECIPE, method=method, awp=0.0), "slim", data, tmp_path / "m", device="cpu")
    assert f"epoch {kept} of 2" in card.read_text()
    final = load_file(card.parent / "state.safetensors")
    names = [name.removeprefix("best/") for name in final if name.startswith("best/")]
    assert names
    assert all(torch.equal(final[f"best/{name}"], final[f"mean/{name}"]) for name in names) == (kept == 2)


def test_a_regressor_is_trained_by_the_same_command(data: str, tmp_path: Path) -> None:
    recipe = replace(RECIPE, method="faat", mask="none", epochs=1, awp=0.0, lr=1e-3)
    card = train(recipe, "slim", data.replace("fer2013:", "fer2013-va:"), tmp_path / "va", device="cpu")
    assert "held-out training images (minus the squared error): clean -" in card.read_text()
    weights = load_file(card.parent / "model.safetensors")
    weights["head.bias"] = torch.tensor([3.0, -3.0], dtype=weights["head.bias"].dtype)
    save_file(weights, card.parent / "model.safetensors")
    digest = re.sub('sha256 = ".*"', f'sha256 = "{sha256(card.parent / "model.safetensors")}"', card.read_text())
    card.write_text(digest)
    (found,) = choose_models([str(card.parent)])
    assert found.task == "va"
    images = torch.rand(4, 1, 48, 48, generator=torch.Generator().manual_seed(0)).requires_grad_()
    answers = load(found)(images)
    assert answers.tolist() == [[1.0, -1.0]] * 4  # the head is linear, valence and arousal have a range
    (gradient,) = torch.autograd.grad(answers.sum(), images)
    assert bool((gradient != 0).any((1, 2, 3)).all())  # an attack still sees which way they go


@pytest.mark.network
@pytest.mark.fer2013
def test_faat_attacks_real_faces_where_dlib_finds_their_landmarks(
    fer2013: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real images, real landmarks: on the brightest of its mask the perturbation may be eps, elsewhere the floor's."""
    chosen = open_data(f"fer2013:{fer2013}:validation", 40)
    pixels = (chosen.images[:, 0] * 255).round().to(torch.uint8).numpy()
    write_csv(tmp_path / "fer2013.csv", pixels, chosen.labels.tolist(), "train")
    sizes: list[tuple[torch.Tensor, torch.Tensor]] = []

    def watched(setting: Setting, batch: methods.Batch) -> Attacked:
        found = own(setting, batch)
        assert found.images is not None
        assert batch.masks is not None
        sizes.append(((found.images - batch.images).abs(), batch.masks))
        return found

    own = methods.attack
    monkeypatch.setattr(methods, "attack", watched)
    recipe = replace(RECIPE, method="faat", epochs=1, awp=0.0, floor=0.25)
    card = train(recipe, "slim", f"fer2013:{tmp_path}", tmp_path / "m", device="cpu")
    assert float(re.findall(r"no face found on (\d+) of 32", card.read_text())[0]) <= 3
    moved, mask = (torch.cat(parts) for parts in zip(*sizes, strict=True))
    assert bool((moved <= recipe.eps * (0.25 + 0.75 * mask) + 1e-6).all())
    assert float(moved[mask > 0.95].max()) == pytest.approx(recipe.eps, abs=1e-6)
    assert 0.15 < float(mask.mean()) < 0.5


def test_a_network_of_timm_is_trained_and_left_behind_as_a_model(data: str, tmp_path: Path) -> None:
    recipe = replace(RECIPE, method="faat", mask="none", epochs=1, awp=0.0)
    card = train(recipe, "timm:lcnet_035", data, tmp_path / "m", device="cpu")
    (found,) = choose_models([str(card.parent)])
    assert found.defended
    kept = load_file(card.parent / "state.safetensors")
    fresh = build("timm:lcnet_035", 7).model
    half = {name[5:]: value.half() for name, value in kept.items() if name.startswith("best/")}
    fresh.load_state_dict(half)
    images = torch.rand(4, 3, 48, 48)
    assert torch.allclose(load(found)(images), fresh.eval()(images), rtol=1e-4)


def test_a_training_that_diverges_says_so(data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loss of the third step is not finite; what was reached before stays in the folder."""
    losses = []

    def breaking(setting: Setting, attacked: Attacked) -> torch.Tensor:
        losses.append(own(setting, attacked))
        return losses[-1] * (float("nan") if len(losses) == 3 else 1)

    own = methods.loss
    monkeypatch.setattr(methods, "loss", breaking)
    with pytest.raises(ModelError, match=r"diverged: the loss of step 2 is nan"):
        train(replace(RECIPE, awp=0.0), "slim", data, tmp_path / "d", device="cpu")
    assert not (tmp_path / "d" / "model.safetensors").exists()


def test_held_out_images_occur_once_and_nowhere_else() -> None:
    pixels = list(faces(20))
    pixels += [pixels[0], pixels[1]]
    data = collect.build("toy", "toy", pixels, [0] * 22, ("angry", "happy"))
    avoid = [name for name in data.ids if "#" not in name][-2:]
    part = batches.split(data, 5, avoid)
    held, trained = (
        {data.ids[i].partition("#")[0] for i in indices.tolist()} for indices in (part.held_out, part.train)
    )
    assert len(held) == 5
    assert not held & trained
    assert not (held | trained) & {name.partition("#")[0] for name in avoid}
    assert part.dropped == sum(name.partition("#")[0] in {a.partition("#")[0] for a in avoid} for name in data.ids)
    assert len(part.train) + len(part.held_out) + part.dropped == 22
    assert part.repeated == 4
    with pytest.raises(UsageError, match="held-out 30"):
        batches.split(data, 30)


def test_augmentation_moves_image_and_mask_alike() -> None:
    """Each sample is the image or its mirror, shifted by at most two pixels, with its edges repeated."""
    image = seeded((1, 1, 6, 6), 0).float()
    pair = torch.cat([image, 1 - image], 1).expand(40, -1, -1, -1)
    found = batches.augment(pair, 2, torch.Generator().manual_seed(0))
    torch.testing.assert_close(found[:, 0], 1 - found[:, 1])
    padded = torch.nn.functional.pad(image, (2,) * 4, mode="replicate")[0, 0]
    windows = [padded[y : y + 6, x : x + 6] for y in range(5) for x in range(5)]
    allowed = [*windows, *(window.flip(1) for window in windows)]
    assert all(any(torch.equal(one, window) for window in allowed) for one in found[:, 0])
    assert len({one.numpy().tobytes() for one in found[:, 0]}) > 10


def test_schedules() -> None:
    cosine, cycle = Recipe(lr=1.0), Recipe(lr=1.0, schedule="one-cycle")
    assert learning_rate(cosine, 99, 1999) == pytest.approx(1.0)
    assert learning_rate(cosine, 49, 1999) == pytest.approx(0.5)
    assert learning_rate(cosine, 1049, 1999) == pytest.approx(0.5)
    assert learning_rate(cycle, 799, 1999) == pytest.approx(1.0)
    assert learning_rate(cycle, 1399, 1999) == pytest.approx(0.5)


def test_catastrophic_overfitting_is_noticed() -> None:
    before = EpochLog(0, 1.5, 0.1, 0.5, 0.33, 0.30, 100)
    fell = EpochLog(1, 0.9, 0.1, 0.6, 0.55, 0.05, 100)
    assert "catastrophic" in warnings([before, fell], True)[0]
    both_low = replace(fell, fgsm=0.1)
    assert warnings([before, both_low], True) == [], "FGSM fell too: another ill"
    assert warnings([before], True) == []
