"""Regression under attack: the two-logit head against closed forms, batches, the set-level attack, storage, metrics."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from observed import SEED
from regressors import CPU, LinearRegressor, va_card, va_data
from scipy import stats
from torch import nn
from toys import seeded, toy_images, toy_provenance

from attacks import ATTACKS, choose_attacks
from attacks.on_regressors import for_task
from attacks.setwise.ccc import ccc_slopes
from fer_bench.api import benchmark
from fer_bench.bench.matrix import Entrant, Plan, run_matrix
from fer_bench.core.model_card import Loaded
from fer_bench.engine.goals import LOSSES, losses
from fer_bench.engine.job import CellJob, Stage
from fer_bench.engine.judge import evaluate_shard
from fer_bench.engine.local import run_cell
from fer_bench.engine.shard import Shard
from fer_bench.errors import UsageError
from fer_bench.stats import agreement
from fer_bench.store.results import ResultStore
from reports.tables.agreement import measure, va_frame
from reports.tables.frames import collect
from reports.tables.results import Results
from reports.write.terminal import as_text

BOTH = [card.name for card in ATTACKS if card.regressors == "both"]
TOLERANT = [card.name for card in ATTACKS if card.regressors == "tolerance"]


class SmoothRegressor(nn.Module):
    """A small convolutional regressor with tanh outputs; nothing in closed form."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.first = nn.Conv2d(1, 8, 3, stride=2)
        self.last = nn.Linear(8 * 9, 2)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.5)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.last(torch.tanh(self.first(images - 0.5) * 4).flatten(1)))


def shard(n: int = 24, spread: float = 0.1) -> Shard:
    images = toy_images(n).double()
    values = (LinearRegressor()(images) + seeded((n, 2), 5, -spread, spread)).detach().clamp(-1, 1)
    return Shard(images, torch.zeros(n, dtype=torch.int64), tuple(f"{i:03d}" for i in range(n)), values=values)


def spec_of(text: str):
    (chosen,) = for_task(choose_attacks(text), "va")
    return chosen


def judge(text: str, model: nn.Module, part: Shard):
    chosen = spec_of(text)
    return evaluate_shard(model, part, chosen.spec, chosen.program, SEED).result.verdicts


@pytest.mark.parametrize("name", BOTH)
def test_magnitude_reaches_the_largest_directional_error_in_closed_form(name):
    """valence-up on a linear model: the predicted valence rises by eps |w_v|_1 (Linf), eps |w_v|_2 (L2)."""
    model, part = LinearRegressor().double(), shard()
    norm = ATTACKS.get(name).norms[0]
    eps = 0.02 if norm == "Linf" else 0.1
    weight = model.weight.detach()[0]
    rise = eps * float(weight.abs().sum() if norm == "Linf" else weight.square().sum().sqrt())
    verdicts = judge(f"{name}(loss=valence-up,eps={eps})", model, part)
    for i, verdict in enumerate(verdicts):
        assert verdict.fooled
        before = model(part.images[i : i + 1])[0].tolist()
        assert verdict.clean_values == pytest.approx(before, abs=1e-9)
        gained = verdict.attacked_values[0] - verdict.clean_values[0]
        assert gained <= rise * (1 + 1e-5) + 1e-9
        assert gained >= rise * 0.95


def test_each_direction_moves_its_own_dimension_the_right_way():
    model, part = LinearRegressor().double(), shard()
    for dimension, place in (("valence", 0), ("arousal", 1)):
        for direction, sign in (("up", 1), ("down", -1)):
            for verdict in judge(f"pgd-12(loss={dimension}-{direction},eps=0.02)", model, part):
                moved = sign * (verdict.attacked_values[place] - verdict.clean_values[place])
                assert moved == pytest.approx(0.02 * float(model.weight[place].abs().sum()), rel=1e-6)


@pytest.mark.parametrize("name", [*BOTH, *TOLERANT])
def test_tolerance_breaks_exactly_what_the_closed_form_can_push_beyond_it(name):
    """arousal-down, tolerance t: broken iff truth - prediction + eps |w_a| > t; smallest norm: (t - gap) / |w_a|."""
    model, part = LinearRegressor().double(), shard()
    card = ATTACKS.get(name)
    norm, minimum = card.norms[0], card.minimum_norm
    weight = model.weight.detach()[1]
    dual = float(weight.abs().sum() if norm == "Linf" else weight.square().sum().sqrt())
    gap = (part.values - model(part.images)).detach()[:, 1]
    tolerance = 0.12
    smallest = ((tolerance - gap) / dual).tolist()
    eps = float(np.median(smallest))
    extra = ",queries=800" if name == "square" else ",steps=300,c=10" if name == "cw" else ""
    text = f"{name}(loss=arousal-down,tolerance={tolerance}{'' if minimum else f',eps={eps}'}{extra})"
    slack = 1.7 if name == "square" else 1.25
    for verdict, least in zip(judge(text, model, part), smallest, strict=True):
        assert verdict.clean_right
        if minimum:
            assert least * (1 - 1e-5) <= verdict.norm <= least * 1.25
        else:
            assert verdict.fooled or least * slack > eps
            assert not verdict.fooled or least <= eps * (1 + 1e-6)


def test_a_sample_outside_the_tolerance_from_the_start_is_wrong_and_not_attacked():
    model, part = LinearRegressor().double(), shard(12, spread=0.6)
    error = (model(part.images) - part.values).square().mean(1)
    verdicts = judge("pgd-3(tolerance=0.05,eps=0.001)", model, part)
    assert [v.clean_right for v in verdicts] == (error <= 0.05).tolist()
    assert {v.clean_right for v in verdicts} == {True, False}
    assert all(v.forwards == 1 for v in verdicts if not v.clean_right)


@pytest.mark.parametrize("loss", [loss for loss in LOSSES if loss != "ccc"])
def test_magnitude_never_makes_a_loss_smaller_and_batches_change_nothing(loss):
    """One sample at a time or all together, with each sample's own truth: the trap of the two-logit head."""
    model = SmoothRegressor().double()
    part = replace(shard(10), values=seeded((10, 2), 9, -0.9, 0.9))
    chosen = spec_of(f"pgd-6(loss={loss},eps=0.03)")
    job = CellJob((Stage(chosen.spec, chosen.program, SEED),), part)
    runs = []
    for size in (1, 3, 10):
        results = run_cell(job, model, range(10), CPU, size, torch.float64)
        runs.append({v.sample: v for result in results for v in result.verdicts})
    for name in part.ids:
        assert runs[0][name].attacked_values == pytest.approx(runs[2][name].attacked_values, abs=1e-12)
        assert runs[0][name].attacked_values == pytest.approx(runs[1][name].attacked_values, abs=1e-12)
    values = torch.tensor([runs[0][name].clean_values for name in part.ids], dtype=torch.float64)
    moved = torch.tensor([runs[0][name].attacked_values for name in part.ids], dtype=torch.float64)
    before, after = losses(values, part.values, loss), losses(moved, part.values, loss)
    assert bool((after >= before - 1e-12).all())
    assert float((after - before).mean()) > 0.01


def test_the_quadrant_loss_is_the_depth_of_the_crossing():
    outputs = torch.tensor([[0.3, 0.4], [-0.2, 0.5], [0.3, -0.7], [0.1, 0.1]])
    values = torch.tensor([[0.5, 0.5], [0.5, 0.5], [0.5, 0.5], [0.0, -0.5]])
    assert losses(outputs, values, "quadrant").tolist() == pytest.approx([-0.3, 0.2, 0.7, 0.1])


# ------------------------------------------------------------------------------------------------------- concordance


def test_the_slopes_of_ccc_are_its_gradient():
    outputs = seeded((9, 2), 1, -1, 1).requires_grad_()
    values = seeded((9, 2), 2, -1, 1)
    centred, true = outputs - outputs.mean(0), values - values.mean(0)
    spread = centred.square().mean(0) + true.square().mean(0) + (outputs.mean(0) - values.mean(0)).square()
    ccc = 2 * (centred * true).mean(0) / spread
    (gradient,) = torch.autograd.grad(ccc.sum(), outputs)
    found, inverse, pull = ccc_slopes(outputs.detach(), values)
    slope = (2 * inverse * true - 2 * pull * (outputs.detach() - values.mean(0))) / 9
    assert torch.allclose(gradient, slope, atol=1e-12)
    assert torch.allclose(found, ccc.detach())


@pytest.mark.parametrize("batch", [1, 7])
def test_the_concordance_attack_lowers_ccc_below_pgd_and_no_batch_size_changes_it(batch):
    model = SmoothRegressor().double()
    part = replace(shard(30), values=(model(shard(30).images).detach() + seeded((30, 2), 4, -0.2, 0.2)).clamp(-1, 1))
    chosen = spec_of("ccc(eps=0.02)")
    job = CellJob((Stage(chosen.spec, chosen.program, SEED),), part, fit=chosen.fit)

    def run(job: CellJob, size: int) -> np.ndarray:
        verdicts = [v for r in run_cell(job, model, range(30), CPU, size, torch.float64) for v in r.verdicts]
        assert all(v.norm <= 0.02 + 1e-6 for v in verdicts)
        return np.array([v.attacked_values for v in sorted(verdicts, key=lambda v: v.sample)])

    def ccc(predicted: np.ndarray) -> float:
        truth = part.values.numpy()
        return sum(agreement.agreement(truth[:, d], predicted[:, d]).ccc for d in (0, 1)) / 2

    whole = run(job, 30)
    assert np.allclose(run(job, batch), whole, atol=1e-9)
    squared = spec_of("pgd(steps=40,eps=0.02)")
    against = run(CellJob((Stage(squared.spec, squared.program, SEED),), part), 30)
    clean = ccc(model(part.images).detach().numpy())
    assert clean > 0.5
    assert ccc(whole) < ccc(against) - 0.02 < clean


# ----------------------------------------------------------------------------------------------------------- metrics


@given(st.integers(3, 40), st.integers(0, 10_000))
def test_the_measures_are_those_of_scipy_and_of_the_formula(n, seed):
    generator = np.random.default_rng(seed)
    truth, predicted = generator.normal(size=n), generator.normal(size=n) + 0.3
    found = agreement.agreement(truth, predicted)
    assert found.pcc == pytest.approx(stats.pearsonr(truth, predicted).statistic, abs=1e-9)
    # Lin 1989 by way of the bias correction: rho x C_b, C_b = 2 / (v + 1/v + u^2)
    v, u = truth.std() / predicted.std(), (truth.mean() - predicted.mean()) / np.sqrt(truth.std() * predicted.std())
    assert found.ccc == pytest.approx(found.pcc * 2 / (v + 1 / v + u * u), abs=1e-9)
    assert found.rmse == pytest.approx(np.linalg.norm(truth - predicted) / np.sqrt(n))
    assert found.mae == pytest.approx(np.abs(truth - predicted).sum() / n)
    assert -1 <= found.ccc <= 1
    assert abs(found.ccc) <= abs(found.pcc) + 1e-12


def test_measures_at_the_edges():
    assert agreement.agreement([0.5, 0.5], [0.1, 0.3]).pcc is None
    assert agreement.agreement([0.5, 0.5], [0.5, 0.5]).ccc is None
    same = agreement.agreement([-1, 0, 1], [-1, 0, 1])
    assert (same.rmse, same.ccc, same.sagr) == (0, pytest.approx(1), 1)
    assert agreement.agreement([0.0, 0.2, -0.2], [0.5, 0.1, 0.1]).sagr == 0.5  # a truth of exactly 0 has no side
    assert agreement.agreement([0.0], [0.5]).sagr is None
    with pytest.raises(ValueError, match="equally long"):
        agreement.agreement([1.0], [1.0, 2.0])


def test_the_intervals_are_those_of_resampled_images():
    truth = seeded((40,), 1, -1, 1).double().numpy()
    predicted = truth * 0.5 + seeded((40,), 2, -0.3, 0.3).double().numpy()
    found = measure(truth, predicted)
    draws = np.random.default_rng(0).integers(0, 40, (1000, 40))
    again = [agreement.agreement(truth[rows], predicted[rows]) for rows in draws]
    assert found.ccc == pytest.approx(tuple(np.percentile([a.ccc for a in again], [2.5, 97.5])), abs=1e-12)
    assert found.rmse == pytest.approx(tuple(np.percentile([a.rmse for a in again], [2.5, 97.5])), abs=1e-12)
    assert measure(np.full(3, 0.5), np.full(3, 0.5)).ccc is None


def test_a_regressor_goes_through_the_matrix_the_store_and_the_tables(tmp_path):
    data, card = va_data(), va_card()
    chosen = for_task(choose_attacks("pgd-5,pgd-5(tolerance=0.01),ccc", "16/255"), "va")
    entrant = Entrant(card, card.digest, lambda: None, lambda: Loaded(card.build(())))
    with ResultStore(tmp_path) as store:
        done = run_matrix([entrant], chosen, data, store, Plan(CPU, batch_size=5), toy_provenance())
        assert (done.ran, done.failures) == (3, ())
        again = run_matrix([entrant], chosen, data, store, Plan(CPU), toy_provenance())
        assert (again.ran, again.present) == (0, 3)
        results = Results(collect(store))
    table = va_frame(results.regressions).set_index("attack")
    truth, model = data.values.numpy(), LinearRegressor()
    with torch.no_grad():
        predicted = model(data.images).numpy()
    for place, dimension in enumerate(("valence", "arousal")):
        expected = agreement.agreement(truth[:, place], predicted[:, place])
        assert table.loc["pgd-5", f"clean_ccc_{dimension}"] == pytest.approx(expected.ccc, abs=1e-6)
        assert table.loc["pgd-5", f"clean_rmse_{dimension}"] == pytest.approx(expected.rmse, abs=1e-6)
        assert table.loc["pgd-5", f"attacked_rmse_{dimension}"] > expected.rmse
    bounded = table.drop(["pgd-5", "ccc"]).iloc[0]
    assert 0 <= bounded["within_tolerance"] < 1
    assert np.isnan(bounded["attacked_ccc_valence"])  # a tolerance cell stops early: it has no CCC under attack
    assert np.isnan(table.loc["pgd-5", "within_tolerance"])
    mean = [table.loc[name, ["attacked_ccc_valence", "attacked_ccc_arousal"]].mean() for name in ("ccc", "pgd-5")]
    assert mean[0] < mean[1]
    (low, high) = results.regressions[0].clean["valence"].ccc
    assert low < results.regressions[0].clean["valence"].agreement.ccc < high
    shown = as_text(results)
    assert "Valence and arousal, clean -> attacked" in shown
    assert f"{100 * bounded['within_tolerance']:.1f} %" in shown
    assert f"{table.loc['pgd-5', 'clean_ccc_valence']:.3g}->" in shown


@pytest.mark.parametrize(
    ("text", "task", "reason"),
    [
        ("apgd-t(eps=0.1)", "va", r"apgd-t cannot attack valence-arousal regressors; these can: fgsm"),
        ("quick(eps=0.1)", "va", r"a suite cannot attack"),
        ("pgd(target=happy,eps=0.1)", "va", r"a targeted attack cannot attack"),
        ("ccc(eps=0.1)", "expression", r"ccc is for valence-arousal regressors"),
        ("pgd(loss=squared,eps=0.1)", "expression", r"pgd\(loss=\.\.\.\) is for valence-arousal regressors"),
        ("pgd(tolerance=0.1,eps=0.1)", "expression", r"pgd\(tolerance=\.\.\.\) is for"),
    ],
)
def test_attacks_and_tasks_that_do_not_go_together_are_refused(text, task, reason):
    with pytest.raises(UsageError, match=reason):
        for_task(choose_attacks(text), task)


def test_a_loss_and_a_tolerance_are_checked_before_any_work():
    with pytest.raises(UsageError, match=r"loss=sad cannot be used; it is one of squared, valence-up"):
        choose_attacks("pgd(loss=sad,eps=0.1)")
    with pytest.raises(UsageError, match="tolerance is a number from -4 to 4"):
        choose_attacks("pgd(tolerance=9,eps=0.1)")
    with pytest.raises(UsageError, match="unknown parameter of apgd-t 'loss'"):
        choose_attacks("apgd-t(loss=squared,eps=0.1)")


def test_a_classifier_that_is_named_for_regression_data_is_refused_and_all_takes_what_fits(monkeypatch, tmp_path):
    monkeypatch.setattr("fer_bench.api.benchmark.open_data", lambda text, n=None: va_data(4))
    with pytest.raises(UsageError, match="labelled with valence and arousal, and mini-xception does not predict that"):
        benchmark.run_cells("mini-xception", "pgd-2", "toy-va", eps="1/255", out=tmp_path)
    done = benchmark.run_cells([va_card()], "pgd-2", "toy-va", eps="1/255", out=tmp_path)
    assert done.summary.ran == 1
    assert not done.summary.failures
