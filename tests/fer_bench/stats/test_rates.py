"""Rates and intervals, against scipy, a published value and closed forms."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, norm

from fer_bench.stats.rates import Z95, Rate, macro, median, wilson

COUNTS = st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(COUNTS)
def test_wilson_is_scipys(counts: tuple[int, int]) -> None:
    k, n = counts
    ours, theirs = wilson(k, n), binomtest(k, n).proportion_ci(0.95, method="wilson")
    assert ours.value == k / n
    assert ours.low == pytest.approx(theirs.low, abs=1e-12)
    assert ours.high == pytest.approx(theirs.high, abs=1e-12)
    assert 0 <= ours.low <= ours.value <= ours.high <= 1


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, method 3 (score without continuity correction).
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_is_newcombes(k: int, n: int, low: float, high: float) -> None:
    found = wilson(k, n)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


def test_the_quantile_is_the_normal_distributions() -> None:
    assert pytest.approx(norm.ppf(0.975), abs=1e-15) == Z95


@given(COUNTS)
def test_wilson_is_symmetric(counts: tuple[int, int]) -> None:
    k, n = counts
    one, other = wilson(k, n), wilson(n - k, n)
    assert one.low == pytest.approx(1 - other.high, abs=1e-12)


def test_wilson_at_the_ends_is_exact() -> None:
    """0 of n has the lower end 0 and n of n the upper end 1, not 1e-18 away, so that a display is not '> 0'."""
    for n in range(1, 400):
        assert wilson(0, n).low == 0.0
        assert wilson(n, n).high == 1.0
        assert wilson(0, n).high == pytest.approx(Z95**2 / (n + Z95**2))


@pytest.mark.parametrize(("k", "n"), [(0, 0), (-1, 5), (6, 5), (1, -1), (math.nan, 5), (1, math.nan)])
def test_what_is_no_rate_is_refused(k: float, n: float) -> None:
    with pytest.raises(ValueError, match="0 <= successes <= n"):
        wilson(k, n)


def test_macro_accuracy_is_sklearns_balanced_accuracy() -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    generator = np.random.default_rng(0)
    truth, answer = generator.integers(0, 7, 300), generator.integers(0, 7, 300)
    right = [int(((truth == c) & (answer == c)).sum()) for c in range(7)]
    totals = [int((truth == c).sum()) for c in range(7)]
    found = macro(right, totals)
    assert found is not None
    assert found.value == pytest.approx(metrics.balanced_accuracy_score(truth, answer))


def test_macro_accuracy_by_hand() -> None:
    """(9/10 + 1/2 + 0/4) / 3; the class without a sample does not count."""
    found = macro([9, 1, 0, 0], [10, 2, 4, 0])
    assert found is not None
    assert found.value == pytest.approx((0.9 + 0.5 + 0.0) / 3)
    assert macro([], []) is None
    assert macro([0, 0], [0, 0]) is None


@given(st.integers(1, 8), st.integers(1, 500), st.data())
def test_macro_accuracy_of_equal_classes_is_accuracy(classes: int, size: int, data: st.DataObject) -> None:
    """With as many samples in every class the effective size is the whole, and the interval the plain one."""
    right = data.draw(st.lists(st.integers(0, size), min_size=classes, max_size=classes))
    found, plain = macro(right, [size] * classes), wilson(sum(right), size * classes)
    assert found is not None
    for name in ("value", "low", "high"):
        assert getattr(found, name) == pytest.approx(getattr(plain, name), abs=1e-9)


@given(st.lists(st.integers(0, 60), min_size=1, max_size=8).filter(any), st.data())
def test_macro_accuracy_stays_a_rate(totals: list[int], data: st.DataObject) -> None:
    right = [data.draw(st.integers(0, n)) for n in totals]
    found = macro(right, totals)
    assert found is not None
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert macro(totals, totals) == Rate(1.0, pytest.approx(macro(totals, totals).low), 1.0)


def test_the_interval_of_macro_accuracy_covers_what_it_says() -> None:
    """Simulated: two classes, 20 and 180 samples, recall 0.7 each; the interval covers 0.7 in about 95 % of draws."""
    generator = np.random.default_rng(1)
    totals = [20, 180]
    covered = 0
    for small, large in zip(generator.binomial(20, 0.7, 2000), generator.binomial(180, 0.7, 2000), strict=True):
        found = macro([int(small), int(large)], totals)
        assert found is not None
        covered += found.low <= 0.7 <= found.high
    assert 0.93 < covered / 2000 < 0.97


@given(st.lists(st.floats(0, 100) | st.just(math.inf), min_size=1))
def test_the_median_is_pythons(values: list[float]) -> None:
    assert median(values) == statistics.median(values)


def test_the_median_counts_samples_that_never_fell() -> None:
    assert median([]) is None
    assert median([0.1, math.inf, 0.3]) == 0.3
    assert median([0.1, math.inf, math.inf, 0.3]) == math.inf
