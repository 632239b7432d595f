"""What stands between an attack and the Observer, each piece on its own, in closed form."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from observed import SEED, TwoWays, attack, shard_of
from toys import LinearToy, seeded, toy_images

from attacks import ATTACKS
from attacks.minimum.jsma import best_pair
from attacks.wrapped.few_pixels import rearranged
from attacks.wrapped.shims import Copies, LookAhead, Once, gaussian, resized_and_padded
from fer_bench.engine.goals import Goal
from fer_bench.engine.observer import Observer


def watching(model: TwoWays, n: int, eps: float, name: str = "pgd") -> Observer:
    shard = shard_of(model, toy_images(n).double())
    card = ATTACKS.get(name)
    return Observer(model, shard, Goal(shard.labels), card.spec({}, None if card.minimum_norm else eps), SEED)


def test_a_point_ahead_is_scored_by_its_projection_and_answered_as_it_is():
    """The iterate of NI-FGSM falls while the point that it asks about lies outside the budget."""
    model = TwoWays()
    smallest = model.smallest(toy_images(6).double(), "Linf")
    observer = watching(model, 6, float(smallest.max()) * 1.1)
    direction = (model.weight[0] - model.weight[1]).sign().reshape(1, 1, 8, 8)
    away = (1 - 2.0 * observer.goal.labels)[:, None, None, None] * direction
    ahead = observer.images - 3 * observer.spec.threat.eps * away

    def call(images: torch.Tensor, labels: torch.Tensor) -> None:
        LookAhead(observer)(ahead)

    observer.attack(call, freeze=False)
    assert bool(observer.recording.found.all())
    assert float(observer.recording.sizes.max()) <= observer.spec.threat.eps * (1 + 1e-9)


def test_copies_of_a_sample_are_answered_in_the_order_in_which_they_stand():
    model = TwoWays()
    observer = watching(model, 3, 1e-9)
    noisy = observer.images[:, None] + seeded((3, 4, 1, 8, 8), 1, -0.1, 0.1)
    seen: list[torch.Tensor] = []

    def call(images: torch.Tensor, labels: torch.Tensor) -> None:
        seen.append(Copies(observer, inner=True)(noisy.flatten(0, 1)))
        seen.append(Copies(observer, inner=False)(noisy.transpose(0, 1).flatten(0, 1)))

    observer.attack(call)
    # The Observer asks in other batches, which round otherwise; copies that change places move logits by 0.4 and more.
    with torch.no_grad():
        torch.testing.assert_close(seen[0], model(noisy.flatten(0, 1)), rtol=0, atol=1e-10)
        torch.testing.assert_close(seen[1], model(noisy.transpose(0, 1).flatten(0, 1)), rtol=0, atol=1e-10)


def test_the_same_question_twice_in_a_row_is_asked_once():
    model = TwoWays()
    observer = watching(model, 1, 0.0, "pixle")

    def call(images: torch.Tensor, labels: torch.Tensor) -> None:
        once = Once(observer)
        for image in (images, images.clone(), images + 0.01, images):
            # The answer to another of the images is off by 0.03.
            torch.testing.assert_close(once(image), model(image), rtol=0, atol=1e-10)

    observer.attack(call, rows="single", freeze=False)
    assert observer.recording.forwards.tolist() == [3]


def test_every_candidate_of_a_single_sample_is_a_query_and_the_first_that_fools_is_kept():
    model = TwoWays()
    observer = watching(model, 4, 0.3)
    own = observer.goal.labels.tolist()
    numbers: list[float] = []

    def call(images: torch.Tensor, labels: torch.Tensor) -> None:
        numbers.append(float(np.random.rand()))
        direction = (model.weight[0] - model.weight[1]).sign().reshape(1, 1, 8, 8) * (1 if int(labels) else -1)
        reach = torch.tensor([0.0, -0.2, 0.3, 0.9, 0.25, 0.0]).double()[:, None, None, None]
        observer((images + reach * direction).clamp(0, 1))

    observer.attack(call, rows="single")
    recording = observer.recording
    assert len(set(own)) == 2
    assert recording.first_query.tolist() == [3] * 4
    assert recording.forwards.tolist() == [6] * 4
    assert recording.sizes.tolist() == pytest.approx([0.3] * 4)
    again = watching(model, 4, 0.3)
    before = list(numbers)
    again.attack(call, rows="single")
    assert numbers[4:] == before
    assert len(set(before)) == 4  # numpy's generator belongs to the sample


def test_the_gaussian_is_one_and_symmetric():
    kernel = gaussian(5, 3, 3, torch.zeros(1, dtype=torch.float64))
    assert kernel.shape == (3, 1, 5, 5)
    assert torch.allclose(kernel.sum((2, 3)), torch.ones(3, 1).double())
    assert torch.allclose(kernel, kernel.transpose(2, 3))
    assert torch.allclose(kernel, kernel.flip(2))
    assert float(kernel[0, 0, 2, 3] / kernel[0, 0, 2, 2]) == pytest.approx(math.exp(-1.125), rel=1e-12)


def test_a_resized_image_keeps_its_shape_and_lies_on_black():
    images = torch.ones(2, 3, 20, 10)
    torch.manual_seed(0)
    shares = []
    for _ in range(40):
        changed = resized_and_padded(images, 0.5, 1.0)
        assert changed.shape == images.shape
        assert set(changed.unique().round(decimals=5).tolist()) <= {0.0, 1.0}
        shares.append(float(changed.mean()))
    assert min(shares) < 0.4
    assert max(shares) > 0.8
    assert torch.equal(resized_and_padded(images, 0.5, 0.0), images)


def test_a_patch_is_written_to_columns_and_rows():
    image = torch.arange(15.0).reshape(1, 1, 3, 5)
    moved = rearranged(image, [3, 1, 2, 1, [0, 2], [4, 0]])  # the two pixels right of (row 1, column 3)
    expected = image.clone()
    expected[0, 0, 2, 0], expected[0, 0, 0, 4] = image[0, 0, 1, 3], image[0, 0, 1, 4]
    assert torch.equal(moved, expected)


def test_the_best_pair_is_that_of_a_search_of_all_pairs(monkeypatch):
    monkeypatch.setattr("attacks.minimum.jsma._BLOCK", 40)  # several blocks
    for seed in range(5):
        towards, away = seeded((23,), seed, -1, 1), seeded((23,), seed + 50, -1, 1)
        free = seeded((23,), seed + 99) > 0.3

        def gain(pair: tuple[int, int], t: torch.Tensor = towards, a: torch.Tensor = away) -> float:
            i, j = pair
            return max(float(t[i] + t[j]), 0) * max(float(a[i] + a[j]), 0)

        pairs = [p for p in itertools.combinations(range(23), 2) if bool(free[list(p)].all())]
        assert best_pair(towards, away, free).tolist() == list(max(pairs, key=gain))
    assert best_pair(-torch.ones(4), torch.ones(4), torch.ones(4, dtype=torch.bool)).tolist() == [-1, -1]


def test_jsma_moves_the_pair_that_raises_the_target_and_lowers_all_others_most():
    asked: list[torch.Tensor] = []

    class Listening(LinearToy):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            asked.append(images.detach().clone())
            return super().forward(images)

    model = Listening().double()
    shard = shard_of(model, toy_images(5).double())
    spec, program = attack("jsma", gamma=2 / 64)
    with torch.no_grad():
        goals = model(shard.images).argsort(1)[:, -2]
    observer = Observer(model, shard, Goal(shard.labels), spec, SEED)
    asked.clear()
    program(spec, observer)
    before, after = asked
    everywhere = torch.ones(64, dtype=torch.bool)
    rest = model.weight.detach().sum(0)
    for first, second, goal in zip(before.flatten(1), after.flatten(1), goals.tolist(), strict=True):
        own = model.weight.detach()[goal]
        pair = best_pair(own, own - rest, everywhere).tolist()
        assert (first != second).nonzero().flatten().tolist() == pair
        assert second[pair].tolist() == [1.0, 1.0]
