"""The gate's statistics: exact McNemar, Holm, power and bootstrap against closed forms and other implementations."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, bootstrap, norm
from scipy.stats import t as student

from fer_bench.stats.bootstrap import changes, concordance, draws_for, expanded, root_mean_square, smallest_p
from fer_bench.stats.paired import can_fail, exceeds, holm, mcnemar, power, smallest_detectable_drop

# ----------------------------------------------------------------------------------------------------------- McNemar


@pytest.mark.parametrize(
    ("fell", "rose", "p"),
    [(0, 0, 1.0), (0, 7, 1.0), (5, 0, 1 / 32), (3, 1, 5 / 16), (1, 3, 15 / 16), (10, 10, 0.588099)],
)
def test_mcnemar_in_closed_form(fell, rose, p):
    """P(X >= fell) among fell + rose fair coins; (10, 10): (1 + C(20, 10) / 2^20) / 2."""
    assert mcnemar([fell], [rose])[0] == pytest.approx(p, abs=1e-6)


@given(st.integers(0, 400), st.integers(0, 400))
def test_mcnemar_is_scipys_binomial_test(fell, rose):
    if fell + rose:
        expected = binomtest(fell, fell + rose, 0.5, alternative="greater").pvalue
        assert mcnemar([fell], [rose])[0] == pytest.approx(expected, rel=1e-9)


# -------------------------------------------------------------------------------------------------------------- Holm


def test_holm_is_what_r_gives():
    """R: p.adjust(c(0.04, 0.01, 0.03, 0.02, 0.05), "holm")."""
    assert holm([0.04, 0.01, 0.03, 0.02, 0.05]).tolist() == pytest.approx([0.09, 0.05, 0.09, 0.08, 0.09])
    assert holm([0.9, 0.8]).tolist() == [1.0, 1.0]
    assert holm([]).tolist() == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.floats(0.001, 0.5))
def test_holm_decides_as_the_step_down_procedure(p, alpha):
    """The definition: from the smallest on, reject while p < alpha / (how many are left)."""
    rejected = set()
    for left, index in zip(range(len(p), 0, -1), sorted(range(len(p)), key=lambda i: p[i]), strict=True):
        if not p[index] * left < alpha:
            break
        rejected.add(index)
    assert {i for i, adjusted in enumerate(holm(p)) if adjusted < alpha} == rejected


# ------------------------------------------------------------------------------------------------- what can be seen


def test_a_drop_of_exactly_the_tolerance_is_no_failure():
    assert exceeds(np.array([5, 6]), 500, 0.01).tolist() == [False, True]
    assert exceeds(np.array([7, 8]), 700, 0.01).tolist() == [False, True]  # 0.01 * 700 is 7.000000000000001
    assert exceeds(np.array([0, 1]), 10, 0.0).tolist() == [False, True]


@pytest.mark.parametrize(
    ("drop", "tolerance", "alpha"), [(0.5, 0.0, 0.2), (0.5, 0.3, 0.2), (0.2, 0.0, 0.07), (0.7, 0.0, 0.125)]
)
def test_power_is_the_sum_over_all_outcomes(drop, tolerance, alpha):
    """Eight samples, each of which falls, rises or stays: all 45 counts, by the multinomial formula."""
    n, noise, comparisons = 8, 0.05, 2
    expected = 0.0
    for fell, rose in itertools.product(range(n + 1), repeat=2):
        if fell + rose > n:
            continue
        tail = sum(math.comb(fell + rose, k) for k in range(fell, fell + rose + 1)) / 2 ** (fell + rose)
        if tail * comparisons < alpha and fell - rose > tolerance * n + 1e-9:
            ways = math.comb(n, fell) * math.comb(n - fell, rose)
            expected += ways * (noise + drop) ** fell * noise**rose * (1 - 2 * noise - drop) ** (n - fell - rose)
    assert power(n, drop, comparisons, tolerance, alpha, noise) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("n", "comparisons"), [(200, 1), (500, 9), (1000, 20), (3589, 40)])
def test_the_smallest_detectable_drop_is_detected_and_a_smaller_one_is_not(n, comparisons):
    drop = smallest_detectable_drop(n, comparisons, 0.01, 0.01)
    assert drop is not None
    assert power(n, drop, comparisons, 0.01, 0.01) >= 0.95 > power(n, drop - 0.001, comparisons, 0.01, 0.01)


def test_too_few_samples_detect_nothing():
    assert smallest_detectable_drop(8, 20, 0.01, 0.01) is None
    with pytest.raises(ValueError, match="noise"):
        power(100, 0.99, 1, 0.01, 0.01)


def test_a_cell_can_fail_where_the_fall_of_all_it_has_is_significant():
    """1 / 2^10 * 9 = 0.0088 is below 0.01, 1 / 2^9 * 9 is not; five of 500 are within a tolerance of 1 %."""
    assert [can_fail(right, 500, 9, 0.01, 0.01) for right in (9, 10)] == [False, True]
    assert [can_fail(right, 500, 9, 0.02, 0.01) for right in (10, 11)] == [False, True]


# ---------------------------------------------------------------------------------------------------------- bootstrap


def values(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth and two predictions of it, the second one worse."""
    generator = np.random.default_rng(seed)
    truth = generator.uniform(-1, 1, n)
    return truth, truth + generator.normal(0, 0.2, n), 0.7 * truth + generator.normal(0.1, 0.4, n)


def lin(truth: np.ndarray, prediction: np.ndarray) -> float:
    """Lin 1989, eq. 1, from numpy's population moments and correlation."""
    correlation = np.corrcoef(truth, prediction)[0, 1]
    spread = truth.var() + prediction.var() + (truth.mean() - prediction.mean()) ** 2
    return float(2 * correlation * truth.std() * prediction.std() / spread)


def column(numbers: np.ndarray) -> np.ndarray:
    return numbers[:, None]


def test_the_measures_of_a_weighted_sample_are_those_of_the_resample():
    """Integer weights are repetitions."""
    truth, prediction, _ = values(30, 1)
    counts = np.random.default_rng(2).multinomial(30, np.full(30, 1 / 30), size=4)
    for row, [ccc], [rmse] in zip(
        counts,
        concordance(counts / 30, column(truth), column(prediction)),
        root_mean_square(counts / 30, column(truth), column(prediction)),
        strict=True,
    ):
        drawn_truth, drawn = np.repeat(truth, row), np.repeat(prediction, row)
        assert ccc == pytest.approx(lin(drawn_truth, drawn))
        assert rmse == pytest.approx(math.sqrt(np.mean((drawn_truth - drawn) ** 2)))


def test_ccc_of_a_perfect_a_mirrored_and_a_constant_prediction():
    weights, truth = np.full((1, 4), 0.25), np.array([-1.0, 0.5, 1.0, -0.5])
    predicted = np.stack([truth, -truth], 1)
    assert concordance(weights, np.stack([truth, truth], 1), predicted)[0] == pytest.approx([1, -1])
    assert concordance(weights, column(truth * 0 + 0.3), column(truth * 0 + 0.3))[0] == 0


def test_the_interval_is_that_of_scipys_paired_bootstrap():
    truth, before, after = values(120, 3)

    def change(t: np.ndarray, b: np.ndarray, a: np.ndarray) -> float:
        return lin(t, a) - lin(t, b)

    expected = bootstrap(
        (truth, before, after), change, paired=True, vectorized=False, n_resamples=2000, method="percentile", rng=4
    )
    [found] = changes(column(truth), column(before), column(after))
    assert (found.ccc.before, found.ccc.after) == pytest.approx((lin(truth, before), lin(truth, after)))
    room = 0.2 * expected.standard_error  # a quantile of 2,000 draws is known to 0.06 of it
    assert found.ccc.low == pytest.approx(expected.confidence_interval.low, abs=room)
    assert found.ccc.high == pytest.approx(expected.confidence_interval.high, abs=room)
    assert (found.ccc.p_worse, found.ccc.p_better) == pytest.approx((smallest_p(120, 10_000), 1))


def test_p_is_that_of_the_normal_law_where_the_error_has_one():
    """A mean square error is a mean. Where it rose by one standard error, p is the normal law's tail beyond 1."""
    step = np.random.default_rng(0).normal(size=4000)
    moved = (step - step.mean()) / step.std() + 1 / math.sqrt(4000)
    truth, before, after = np.zeros(4000), np.ones(4000), np.sqrt(1 + 0.1 * moved)
    [found] = changes(column(truth), column(before), column(after))
    assert found.rmse.p_worse == pytest.approx(norm.sf(1), abs=0.015)  # 10,000 draws know it to 0.004
    assert found.rmse.p_worse + found.rmse.p_better == pytest.approx(1, abs=1e-3)


def test_rmse_that_grows_by_a_factor_does_so_in_every_resample():
    """after - truth = 3 (before - truth): the change is twice the RMSE, resample by resample, and never 0."""
    truth, before, _ = map(column, values(50, 5))
    [found] = changes(truth, before, truth + 3 * (before - truth), draws=999)
    [doubled] = changes(truth, truth, truth + 2 * (before - truth), draws=999)
    assert (found.rmse.low, found.rmse.high) == pytest.approx((doubled.rmse.low, doubled.rmse.high))
    assert found.rmse.after == pytest.approx(3 * found.rmse.before)
    assert (found.rmse.p_worse, found.rmse.p_better) == (smallest_p(50, 999), 1)


def test_columns_are_changes_of_their_own_and_the_seed_decides_the_draws():
    truth, before, after = map(column, values(80, 6))
    [alone] = changes(truth, before, after, draws=500)
    first, second, third = changes(
        np.hstack([truth] * 3), np.hstack([before, before, after]), np.hstack([after, before, before]), draws=500
    )
    assert (first.ccc.low, first.rmse.p_worse) == pytest.approx((alone.ccc.low, alone.rmse.p_worse))
    assert (second.ccc.p_worse, second.ccc.p_better, second.rmse.p_worse, second.rmse.p_better) == (1, 1, 1, 1)
    assert (
        (third.ccc.p_worse, third.ccc.p_better) == (first.ccc.p_better, first.ccc.p_worse) == (1, smallest_p(80, 500))
    )
    assert changes(truth, before, after, seed=1, draws=500) == changes(truth, before, after, seed=1, draws=500)
    assert changes(truth, before, after, seed=1, draws=500) != changes(truth, before, after, seed=2, draws=500)


def test_few_samples_prove_little_however_alike_their_resamples_are():
    """Five samples that all got worse: by chance that is so one time in 32."""
    truth = column(np.linspace(-1, 1, 5))
    [found] = changes(truth, truth, truth + 0.5, draws=500)
    assert found.rmse.p_worse == smallest_p(5, 500) == 1 / 32
    assert smallest_p(1, 500) == 1


def test_p_is_that_of_students_t_where_the_resamples_are_normal():
    """A change by z standard errors of a sample of n, as far as resamples know it: t = z sqrt((n - 1) / n)."""
    p = expanded(norm.sf([1.0, 3.0, -2.0]), 20)
    assert p == pytest.approx(student.sf(np.array([1.0, 3.0, -2.0]) * math.sqrt(19 / 20), 19))
    assert p[1] > 2 * norm.sf(3)
    assert expanded(norm.sf([3.0]), 100_000) == pytest.approx(norm.sf(3), rel=1e-3)
    assert smallest_p(10_000, 500) == pytest.approx(1 / 501, rel=1e-2)


def test_there_are_so_many_resamples_that_holms_hardest_level_can_be_passed():
    assert draws_for(4, 0.01) == 10_000
    assert draws_for(200, 0.01) == 100_000
    assert 200 * 5 / (draws_for(200, 0.01) + 1) < 0.01
    assert draws_for(4, 1e-9) == 1_000_000


def test_unequal_lengths_and_no_sample_are_refused():
    for rows in (2, 0):
        with pytest.raises(ValueError, match="paired"):
            changes(np.zeros((rows, 1)), np.zeros((rows, 1)), np.zeros((3 * (rows > 0), 1)))
