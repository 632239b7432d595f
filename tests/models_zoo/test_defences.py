"""Input transformations: against Pillow and closed forms, and whether a weak defence is shown to be weak."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from observed import assert_alike
from PIL import Image, ImageFilter
from toys import CLASSES, SmallConvToy, seeded, toy_card, toy_data

from attacks import ATTACKS
from fer_bench.engine import draws
from fer_bench.engine.judge import evaluate_shard
from fer_bench.engine.shard import Shard
from fer_bench.errors import UsageError
from models_zoo.defences import defended as defences
from models_zoo.defences.defended import DEFENCES, Defended, defended, split_defences
from models_zoo.defences.jpeg import compress
from models_zoo.loading import load
from models_zoo.select import find_model

SIDE = 48
WORDS = ("jpeg75", "blur", "bits5", "median3", "randresize")
DATA = toy_data(24, SmallConvToy(SIDE))


def photo(channels: int, height: int = 45, width: int = 50) -> torch.Tensor:
    """A smooth image with noise, of sides that are no multiple of 8, on 8-bit values."""
    coarse = torch.nn.functional.interpolate(seeded((1, channels, 6, 6), 3), (height, width), mode="bicubic")
    noisy = (coarse * 0.9 + seeded((1, channels, height, width), 4) * 0.1).clamp(0, 1)
    return ((noisy * 255).round() / 255).float()


def as_bytes(images: torch.Tensor) -> np.ndarray:
    return (images[0] * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()


def apply(word: str, images: torch.Tensor) -> torch.Tensor:
    known, setting = defences._parse(word)
    return known.make(setting)(images, 0)


# --------------------------------------------------------------------------------------------- what they do to images


@pytest.mark.parametrize("quality", [10, 50, 75, 95])
@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_is_pillows(channels: int, quality: int) -> None:
    """libjpeg transforms in whole numbers: some coefficients round otherwise. Three steps of quality are far."""
    image = photo(channels)
    stream = io.BytesIO()
    plain = as_bytes(image)
    Image.fromarray(plain[..., 0] if channels == 1 else plain).save(stream, "JPEG", quality=quality, subsampling=0)
    pillows = np.asarray(Image.open(stream)).reshape(plain.shape).astype(int)

    def apart(wanted: int) -> float:
        return float(np.abs(as_bytes(compress(image, wanted)).astype(int) - pillows).mean())

    assert apart(quality) < 1
    assert apart(quality) < 0.35 * min(apart(quality - 3), apart(quality + 3))


def test_median_is_pillows_inside() -> None:
    image = photo(1)
    expected = np.asarray(Image.fromarray(as_bytes(image)[..., 0]).filter(ImageFilter.MedianFilter(3)))
    assert (as_bytes(apply("median3", image))[1:-1, 1:-1, 0] == expected[1:-1, 1:-1]).all()


def test_blur_of_a_point_is_its_kernel() -> None:
    point = torch.zeros(1, 1, 5, 5)
    point[0, 0, 2, 2] = 16
    torch.testing.assert_close(apply("blur", point)[0, 0, 1:4, 1:4], torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]))


def test_bits_leaves_so_many_values() -> None:
    values = apply("bits3", torch.linspace(0, 1, 256).view(1, 1, 16, 16)).unique()
    torch.testing.assert_close(values, torch.arange(8) / 7)


def test_a_resized_image_lies_whole_on_its_canvas() -> None:
    """A white image of 48x48 covers between 48x48 and 53x53 of the 53x53 canvas, somewhere else each time."""
    images = torch.ones(40, 1, SIDE, SIDE) * (1 - torch.arange(40).view(-1, 1, 1, 1) / 1000)
    moved = apply("randresize", images)
    assert moved.shape[2:] == (53, 53)
    covered = (moved > 0.45).sum((1, 2, 3)).sqrt()
    assert covered.min() >= 47
    assert covered.max() <= 53
    assert len(covered.round().unique()) > 3
    assert len((moved > 0.45).float().argmax(3).amax((1, 2)).unique()) > 2


# ------------------------------------------------------------------------------------------------------ randomness


def test_draws_depend_on_the_image_and_on_who_asks_but_not_on_the_batch() -> None:
    images = DATA.images[:6]
    together = defences.uniform(images, 0, 3)
    assert torch.equal(torch.cat([defences.uniform(image[None], 0, 3) for image in images]), together)
    assert torch.equal(defences.uniform(images.flip(0), 0, 3).flip(0), together)
    with draws.verdict():
        judged = defences.uniform(images, 0, 3)
    others = [judged, defences.uniform(images, 1, 3), defences.uniform(images + 2**-20, 0, 3)]
    for other in others:
        assert (other != together).float().mean() > 0.9


def test_draws_are_uniform() -> None:
    drawn = defences.uniform(seeded((2000, 1, 4, 4), 0).float(), 0, 3)
    assert drawn.min() >= 0
    assert drawn.max() < 1
    assert (drawn.mean(0) - 0.5).abs().max() < 4 * (1 / 12 / 2000) ** 0.5
    assert torch.corrcoef(drawn.T).triu(1).abs().max() < 4 / 2000**0.5


def test_a_random_variant_answers_with_the_mean_of_its_probabilities() -> None:
    model = SmallConvToy(SIDE)
    variant = Defended(model, [DEFENCES["randresize"].make(0)], True, "expression")
    images = DATA.images[:3]
    with torch.no_grad():
        ours = variant(images).softmax(1)
        each = [model(DEFENCES["randresize"].make(0)(images, draw)).softmax(1) for draw in range(defences.QUERY_DRAWS)]
        with draws.verdict():
            judged = variant(images).softmax(1)
    torch.testing.assert_close(ours, torch.stack(each).mean(0), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(judged, ours, atol=1e-4)


class Listening(SmallConvToy):
    """Remembers, for every query, whether it is being judged and whether a gradient is wanted."""

    def __init__(self) -> None:
        super().__init__(SIDE)
        self.heard: list[tuple[bool, bool]] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.heard.append((draws.judging(), torch.is_grad_enabled()))
        return super().forward(images)


def test_clean_predictions_and_verdicts_are_judged_and_an_attacks_queries_are_not() -> None:
    model = Listening()
    assert fooled(model) > 0
    judged = [number for number, (judging, _) in enumerate(model.heard) if judging]
    last = len(model.heard) - 1
    assert judged[0] == 0
    assert {last, last - 1} <= set(judged)  # the image and its 8-bit form
    assert not any(judging and gradient for judging, gradient in model.heard)
    assert sum(gradient for _, gradient in model.heard) >= 1
    assert not all(judging for judging, _ in model.heard[1:-2])


def test_a_random_variants_verdicts_do_not_depend_on_the_batch() -> None:
    model = load(defended(toy_card(build=lambda: SmallConvToy(SIDE)), ["randresize"])).double()
    images = DATA.images[:5].double()
    with torch.no_grad(), draws.verdict():
        labels = model(images).argmax(1)
    attack = ATTACKS.get("pgd")
    spec = attack.spec({"steps": "3"}, 6 / 255)
    shards = [(0, 5)], [(0, 2), (2, 5)], [(4, 5), (0, 4)]
    outcomes = []
    for split in shards:
        parts = [Shard(images[a:b], labels[a:b], DATA.ids[a:b]) for a, b in split]
        found = [v for part in parts for v in evaluate_shard(model, part, spec, attack.program, 1).result.verdicts]
        outcomes.append(sorted(found, key=lambda verdict: verdict.sample))
    assert_alike(outcomes[0], outcomes[1], rel=1e-9)
    assert_alike(outcomes[0], outcomes[2], rel=1e-9)


# ------------------------------------------------------------------------------------------- weak is shown to be weak


def fooled(model: torch.nn.Module, eps: float = 8 / 255) -> float:
    """Share of the images that PGD fools among those that the model has right."""
    attack = ATTACKS.get("pgd")
    with torch.no_grad(), draws.verdict():
        labels = model.eval()(DATA.images).argmax(1)
    found = evaluate_shard(
        model, Shard(DATA.images, labels, DATA.ids), attack.spec({"steps": "10"}, eps), attack.program, 1
    )
    return sum(v.fooled for v in found.result.verdicts) / len(DATA)


@pytest.mark.parametrize("word", WORDS)
def test_every_defence_passes_gradients_on_and_falls_like_the_bare_model(word: str) -> None:
    """Blur, median and resizing take strength from a small perturbation; none of them stops a larger one."""
    bare = fooled(SmallConvToy(SIDE), 16 / 255)
    assert bare > 0.95
    card = defended(toy_card(build=lambda: SmallConvToy(SIDE)), [word])
    assert fooled(load(card), 16 / 255) > 0.9


@pytest.mark.parametrize("word", ["bits3", "jpeg75"])
def test_without_straight_through_rounding_the_same_defence_would_look_strong(
    word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What BPDA buys: plain rounding has a zero gradient, which PGD mistakes for robustness."""
    shown = fooled(load(defended(toy_card(build=lambda: SmallConvToy(SIDE)), [word])))
    monkeypatch.setattr("models_zoo.defences.defended.straight_round", torch.round)
    monkeypatch.setattr("models_zoo.defences.jpeg.straight_round", torch.round)
    hidden = fooled(load(defended(toy_card(build=lambda: SmallConvToy(SIDE)), [word])))
    assert shown > hidden + 0.3


# ------------------------------------------------------------------------------------------------------------- cards


def test_a_variants_card_says_what_it_is() -> None:
    plain = find_model("mini-xception")
    card = find_model("mini-xception+jpeg75+bits5")
    assert card.name == "mini-xception+jpeg75+bits5"
    assert card.defended
    assert card.accuracy == ()
    assert card.classes == plain.classes
    assert card.setup == ("JPEG, 4:4:4, of quality 75", "5 bits a channel")
    digests = {find_model(f"mini-xception{tail}").digest for tail in ("", "+jpeg75", "+jpeg74", "+jpeg75+bits5")}
    assert len(digests) == 4


def test_the_first_word_is_nearest_to_the_image() -> None:
    card = defended(toy_card(build=lambda: SmallConvToy(SIDE)), ["bits1", "blur"])
    images = DATA.images[:2]
    expected = SmallConvToy(SIDE)(apply("blur", apply("bits1", images)))
    torch.testing.assert_close(load(card)(images), expected)  # the other order is off by 0.4
    assert len(CLASSES) == expected.shape[1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("human", ("human", ())),
        ("human+jpeg75+blur", ("human", ("jpeg75", "blur"))),
        ("C:\\a+b\\x.py:build+bits5", ("C:\\a+b\\x.py:build", ("bits5",))),
        ("/home/a+b/model.onnx", ("/home/a+b/model.onnx", ())),
    ],
)
def test_defences_are_read_off_the_end(text: str, expected: tuple[str, tuple[str, ...]]) -> None:
    assert split_defences(text) == expected


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("jpg75", "unknown defence"),
        ("jpeg0", "from 1 to 100"),
        ("jpeg", "from 1 to 100"),
        ("median4", "odd"),
        ("blur3", "takes no number"),
    ],
)
def test_a_wrong_defence_is_one_line(word: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        find_model(f"human+{word}")
    assert "\n" not in str(caught.value)
