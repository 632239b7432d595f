"""The Observer, always through `evaluate_shard`: closed-form verdicts, and controls that must fail."""

from __future__ import annotations

import pytest
import torch
import torchattacks
from observed import SEED, TwoWays, assert_alike, attack, in_batches, judge, shard_of
from torch import nn
from toys import LinearToy, SmallConvToy, toy_images

from fer_bench.core.attack_spec import AttackSpec
from fer_bench.engine import judge as engine_judge
from fer_bench.engine.budget import Budget
from fer_bench.engine.draws import KeyedDraws, key_of
from fer_bench.engine.judge import evaluate_shard
from fer_bench.engine.observer import Observer
from fer_bench.engine.shard import Shard
from fer_bench.errors import AttackError, ModelError


def fgsm_by_hand(model: LinearToy, shard: Shard, eps: float) -> list[bool]:
    """x + eps sign(W' (softmax(z) - onehot)): the gradient of the cross-entropy of a linear model, in closed form."""
    with torch.no_grad():
        error = model(shard.images).softmax(1)
        error[torch.arange(len(error)), shard.labels] -= 1
        step = (error @ model.weight).reshape(shard.images.shape).sign()
        moved = (shard.images + eps * step).clamp(0, 1)
        return (model(moved).argmax(1) != shard.labels).tolist()


@pytest.fixture
def linear() -> LinearToy:
    return TwoWays()


@pytest.fixture
def images() -> torch.Tensor:
    return toy_images(40).double()


def fgsm_matches_closed_form() -> None:
    model = TwoWays()
    shard = shard_of(model, toy_images(40).double())
    eps = float(model.smallest(shard.images, "Linf").median()) * 1.3
    expected = fgsm_by_hand(model, shard, eps)
    assert expected == (model.smallest(shard.images, "Linf") < eps).tolist()
    assert 5 < sum(expected) < 40
    assert [v.fooled for v in judge(model, shard, "fgsm", eps).verdicts] == expected


def pgd_reaches_the_closed_form() -> None:
    model = TwoWays()
    shard = shard_of(model, toy_images(40).double())
    smallest = model.smallest(shard.images, "Linf")
    eps = float(smallest.median()) * 1.25
    fooled = torch.tensor([v.fooled for v in judge(model, shard, "pgd", eps, steps=20).verdicts])
    assert bool(fooled[smallest <= eps / 1.25].all())
    assert not bool(fooled[smallest > eps * (1 + 1e-9)].any())


def an_image_outside_the_budget_is_no_verdict() -> None:
    """An attack that asks about images of twice the budget and then returns the clean ones has found nothing."""
    model = TwoWays()
    shard = shard_of(model, toy_images(40).double())
    eps = float(model.smallest(shard.images, "Linf").min()) * 0.9
    spec, _ = attack("fgsm", eps)

    def overstep(spec: AttackSpec, observer: Observer) -> None:
        def call(images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            for scale in (2, 8, 32):
                error = model(images).softmax(1)
                error[torch.arange(len(error)), labels] -= 1
                observer((images + scale * eps * (error @ model.weight).reshape(images.shape).sign()).clamp(0, 1))
            return images

        observer.attack(call)

    result = evaluate_shard(model, shard, spec, overstep, SEED).result
    assert not any(v.fooled for v in result.verdicts)
    assert result.unconfirmed == 0


def test_fgsm_is_judged_by_the_image_it_returns_which_it_never_queried():
    fgsm_matches_closed_form()


def test_pgd_on_a_linear_model_fools_what_can_be_fooled_and_nothing_else():
    pgd_reaches_the_closed_form()


def test_what_lies_outside_the_budget_does_not_count():
    an_image_outside_the_budget_is_no_verdict()


class _Limitless(Budget):
    def allows(self, images, sizes):
        return torch.ones_like(sizes, dtype=torch.bool)


class _IgnoresTheBudget(Observer):
    def __init__(self, *settings, **more):
        super().__init__(*settings, **more)
        self._budget = _Limitless(self.spec)


class _ForgetsTheReturnedImage(Observer):
    def attack(self, call, stream="", rows="aligned", freeze=True):
        def discard(images, labels):
            call(images, labels)

        super().attack(discard, stream, rows, freeze)


class _AnswersInTheWrongOrder(Observer):
    def forward(self, images):
        return super().forward(images).flip(0)


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (_IgnoresTheBudget, an_image_outside_the_budget_is_no_verdict),
        (_ForgetsTheReturnedImage, fgsm_matches_closed_form),
        (_AnswersInTheWrongOrder, pgd_reaches_the_closed_form),
    ],
)
def test_a_broken_observer_is_caught_through_evaluate(monkeypatch, broken, check):
    check()
    monkeypatch.setattr(engine_judge, "Observer", broken)
    with pytest.raises(AssertionError):
        check()


def test_an_observer_that_ignores_the_budget_still_cannot_make_a_false_verdict(monkeypatch, linear, images):
    """Confirmation projects every recorded image into the budget and asks the bare model."""
    monkeypatch.setattr(engine_judge, "Observer", _IgnoresTheBudget)
    shard = shard_of(linear, images)
    eps = float(linear.smallest(images, "Linf").min()) * 0.9
    spec, _ = attack("fgsm", eps)

    def far_away(spec, observer):
        observer.attack(lambda x, y: torch.rand_like(x))

    result = evaluate_shard(linear, shard, spec, far_away, SEED).result
    assert not any(v.fooled for v in result.verdicts)
    assert result.unconfirmed > 0


# ------------------------------------------------------------------------------------------------ against torchattacks


class _Recorder(nn.Module):
    """A bare model that keeps every query, without draws of its own."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model, self.queries = model, []
        self.eval()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.queries.append(images.detach().clone())
        return self.model(images)


@pytest.mark.parametrize("kind", ["PGD", "MIFGSM", "BIM", "PGDL2"])
def test_standing_rows_take_the_steps_of_plain_torchattacks_and_no_verdict_is_weaker(kind):
    model = SmallConvToy(gain=20).double().requires_grad_(False)
    shard = shard_of(model, toy_images(24, (1, 16, 16)).double())
    name, eps = kind.lower(), (0.05 if kind == "PGDL2" else 0.004)
    settings: dict[str, object] = {"eps": eps, "alpha": eps / 4, "steps": 12}
    extra = {"random_start": True} if kind.startswith("PGD") else {"decay": 1.0} if kind == "MIFGSM" else {}
    if kind == "PGDL2":
        extra["eps_for_division"] = 1e-30
    spec, program = attack(name, eps, steps=12, alpha=eps / 4)

    plain = _Recorder(model)
    draws = KeyedDraws(SEED)
    draws.begin("restart 0" if kind.startswith("PGD") else "", torch.tensor([key_of(i) for i in shard.ids]))
    with draws:
        final = getattr(torchattacks, kind)(plain, **settings, **extra)(shard.images, shard.labels)

    seen: list[tuple[torch.Tensor, torch.Tensor]] = []

    class Watched(Observer):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            seen.append((images.detach().clone(), ~self.recording.fallen))
            return super().forward(images)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine_judge, "Observer", Watched)
        verdicts = evaluate_shard(model, shard, spec, program, SEED).result.verdicts

    fallen = sum(v.fooled for v in verdicts)
    assert 3 < fallen < 24  # both kinds of row occur
    for (ours, standing), theirs in zip(seen, plain.queries, strict=False):
        # Another batch rounds otherwise, and a step without a sign shows it. The start of another sample is 0.004 off.
        torch.testing.assert_close(ours[standing], theirs[standing], rtol=0, atol=1e-13)
    with torch.no_grad():
        plainly = model(final).argmax(1) != shard.labels
    assert all(v.fooled for v, fell in zip(verdicts, plainly.tolist(), strict=True) if fell)


def test_a_wrapper_in_training_mode_never_switches_the_batchnorm():
    """torchattacks puts a model back into the mode it found; a wrapper in training mode would take BatchNorm along."""
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 14 * 14, 7)).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    seen: list[bool] = []
    model[1].register_forward_hook(lambda module, inputs, output: seen.append(module.training))
    images = toy_images(12, (1, 16, 16))
    labels = model.eval()(images).argmax(1)
    seen.clear()
    model.train()
    for name in ("pgd", "fgsm"):
        judge(model, Shard(images, labels, tuple(map(str, range(12)))), name, 0.05)
    assert len(seen) > 10
    assert not any(seen)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(p.requires_grad or p.grad is not None for p in model.parameters())


def test_a_row_that_fell_is_answered_from_cache_and_costs_nothing_more(linear, images):
    shard = shard_of(linear, images)
    eps = float(linear.smallest(images, "Linf").max()) * 2
    result = judge(linear, shard, "pgd", eps, steps=50)
    assert all(v.fooled for v in result.verdicts)
    # the clean image, its own queries up to the first that fooled, the confirmation and the 8-bit image
    exact = [(v.forwards, v.backwards) == (1 + v.first_query + 2, v.first_query - 1) for v in result.verdicts]
    assert sum(exact) >= 38  # one that fell by less than the margin for freezing is asked once more
    assert max(v.forwards for v in result.verdicts) < 10
    assert result.backward_rows >= sum(v.backwards for v in result.verdicts)
    assert result.forward_rows == sum(v.forwards for v in result.verdicts)


def test_samples_that_are_wrong_before_the_attack_are_not_attacked(linear, images):
    result = judge(linear, shard_of(linear, images, wrong=6), "pgd", 0.3)
    for verdict in result.verdicts[:6]:
        assert not verdict.clean_right
        assert (verdict.fooled, verdict.norm, verdict.forwards, verdict.backwards) == (False, None, 1, 0)
        assert verdict.attacked_prediction == verdict.clean_prediction


def test_a_class_that_the_model_lacks_counts_as_wrong(linear, images):
    shard = shard_of(linear, images)
    labels = shard.labels.clone()
    labels[:3] = -1
    result = judge(linear, Shard(images, labels, shard.ids), "pgd", 0.3)
    assert [v.clean_right for v in result.verdicts[:4]] == [False, False, False, True]


def test_verdicts_state_the_size_and_the_prediction_of_the_confirmed_image(linear, images):
    shard = shard_of(linear, images)
    spec, program = attack("pgd", float(linear.smallest(images, "Linf").median()) * 1.5)
    done = evaluate_shard(linear, shard, spec, program, SEED)
    with torch.no_grad():
        predictions = linear(done.images).argmax(1)
    sizes = (done.images - images).abs().flatten(1).amax(1)
    assert float(sizes.max()) <= spec.threat.eps * (1 + 1e-12)
    for i, verdict in enumerate(done.result.verdicts):
        if verdict.fooled:
            assert verdict.attacked_prediction == int(predictions[i]) != verdict.label
            assert verdict.norm == pytest.approx(float(sizes[i]), rel=1e-12)


def test_the_eight_bit_verdict_is_that_of_the_rounded_image_within_the_budget(linear):
    images = (toy_images(40) * 255).round() / 255
    shard = shard_of(linear, images.double())
    spec, program = attack("fgsm", 2 / 255)
    done = evaluate_shard(linear, shard, spec, program, SEED)
    with torch.no_grad():
        rounded = (done.images * 255).round() / 255
        fooled = (linear(rounded).argmax(1) != shard.labels).tolist()
    assert [v.eight_bit for v in done.result.verdicts if v.fooled] == [
        f for f, v in zip(fooled, done.result.verdicts, strict=True) if v.fooled
    ]
    below = judge(linear, shard, "pgd", 0.4 / 255, steps=20)
    assert not any(v.eight_bit for v in below.verdicts)  # less than half a grey level rounds back to the clean image


def test_gradients_that_are_zero_or_not_finite_are_counted(images):
    class Masked(LinearToy):
        def forward(self, given):
            return super().forward(given) * 1e5  # the softmax is exactly one-hot, its gradient exactly 0

    model = Masked().double()
    shard = shard_of(model, images)
    result = judge(model, shard, "pgd", 0.05, steps=5)
    assert result.zero_gradient_rows > 0.9 * result.backward_rows > 0
    assert (
        judge(LinearToy().double(), shard_of(LinearToy().double(), images), "pgd", 0.001, steps=5).zero_gradient_rows
        == 0
    )

    class Broken(LinearToy):
        def forward(self, given):
            return super().forward(given) + (given - given.detach()).flatten(1).sum(1, keepdim=True).abs().sqrt()

    broken = Broken().double()
    assert judge(broken, shard_of(broken, images), "fgsm", 0.001).bad_gradient_rows == len(images)


def test_an_answer_that_does_not_hold_without_the_cache_is_attacked_again_and_flagged(images):
    """A model that depends on its batch: wrong whenever more than one image is asked about."""

    class DependsOnTheBatch(LinearToy):
        calls = 0

        def forward(self, given):
            logits = super().forward(given)
            DependsOnTheBatch.calls += 1
            return logits.flip(1) if DependsOnTheBatch.calls == 2 else logits

    model = DependsOnTheBatch().double()
    shard = shard_of(LinearToy().double(), images)
    result = judge(model, shard, "bim", 1e-6, steps=3)
    assert result.unconfirmed > 0
    assert not any(v.fooled for v in result.verdicts)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "eps", "settings"),
    [
        ("fgsm", 0.01, {}),
        ("bim", 0.01, {}),
        ("mifgsm", 0.01, {}),
        ("pgd", 0.01, {"steps": 12, "restarts": 2}),
        ("pgdl2", 0.1, {"steps": 12}),
        ("apgd-ce", 0.01, {"steps": 12, "restarts": 2}),
        ("apgd-dlr", 0.01, {"steps": 12}),
        ("apgd-ce", 0.1, {"steps": 12, "norm": "L2"}),
        ("apgd-t", 0.01, {"steps": 12}),
        ("square", 0.01, {"queries": 60}),
        ("square", 0.3, {"queries": 60, "norm": "L2"}),
        ("cw", None, {"steps": 30}),
    ],
)
def test_verdicts_do_not_depend_on_the_batch_size(name, eps, settings):
    model = SmallConvToy(gain=20).double()
    shard = shard_of(model, toy_images(20, (1, 16, 16)).double(), wrong=2)
    together = judge(model, shard, name, eps, **settings).verdicts
    assert sum(v.fooled for v in together) > 0
    for size in (1, 7):  # `together` is the batch of 64
        assert_alike(together, in_batches(model, shard, size, name, eps, **settings), rel=1e-9)


def test_errors_of_an_attack_and_of_a_model_are_told_apart_and_in_one_line(linear, images):
    shard = shard_of(linear, images)
    spec, _ = attack("fgsm", 0.1)

    def breaks(spec, observer):
        raise ValueError("no luck")

    with pytest.raises(AttackError, match="fgsm broke: ValueError: no luck"):
        evaluate_shard(linear, shard, spec, breaks, SEED)

    def other_rows(spec, observer):
        observer.attack(lambda x, y: observer(x[:3]) and None)

    with pytest.raises(AttackError, match="asked for 3 rows while 40"):
        evaluate_shard(linear, shard, spec, other_rows, SEED)

    class Wrong(nn.Module):
        def forward(self, given):
            return given.mean()

    with pytest.raises(ModelError, match="logits \\(batch, classes\\) are expected"):
        evaluate_shard(Wrong(), shard, spec, breaks, SEED)
    with pytest.raises(ModelError, match="not finite"):
        evaluate_shard(
            nn.Sequential(nn.Flatten(), nn.Linear(64, 7), nn.Threshold(9, torch.nan)).double(),
            shard,
            spec,
            breaks,
            SEED,
        )
