"""The ranks that paired tests leave possible: against cases worked out by hand."""

from __future__ import annotations

import pandas as pd
from scipy.stats import binomtest
from stored_results import Made, make, outcomes, pgd

from reports.tables.ranks import Span, spans
from reports.tables.results import Results


def withstood(robust: int, n: int = 100) -> pd.Series:
    """The first `robust` of `n` samples withstand."""
    return pd.Series([i < robust for i in range(n)], index=[f"{i:03d}" for i in range(n)])


def test_significance_is_not_transitive_and_the_ranges_show_it():
    """60 to 54 and 54 to 48: six samples differ, p = 2 / 2^6, too much after Holm; 60 to 48: p = 2 / 2^12."""
    assert binomtest(6, 6).pvalue * 2 > 0.05 > binomtest(12, 12).pvalue * 3
    found = spans([withstood(60), withstood(54), withstood(48)])
    assert found == (Span(1, 2, 0, 1), Span(1, 3, 0, 0), Span(2, 3, 1, 0))


def test_holm_corrects_over_all_pairs():
    """Seven samples: p = 2 / 2^7 = 0.0156 is below 0.05 alone, and 3 x 0.0156 too; times six it is not."""
    two = spans([withstood(60), withstood(53)])
    assert two == (Span(1, 1, 0, 1), Span(2, 2, 1, 0))
    many = spans([withstood(60), withstood(53), withstood(53), withstood(53)])
    assert many == (Span(1, 4, 0, 0),) * 4


def test_what_was_not_measured_takes_no_part_and_samples_are_paired_by_name():
    shuffled = withstood(53).sample(frac=1, random_state=1)
    assert spans([withstood(60), None, shuffled]) == (Span(1, 1, 0, 1), None, Span(2, 2, 1, 0))
    assert spans([]) == ()
    assert spans([withstood(5)]) == (Span(1, 1, 0, 0),)


def test_the_board_gives_them_for_the_worst_case_it_ranks_by(tmp_path):
    frames = make(
        tmp_path,
        Made(outcomes(), pgd(2 / 255), model="good"),
        Made(outcomes(fell=1), pgd(2 / 255), model="as good"),
        Made(outcomes(), pgd(2 / 255), model="bad"),
        Made(outcomes(fell=30), pgd(2 / 255, "fgsm"), model="bad"),
    )
    [board] = Results(frames).boards
    found = {entry.first.cell.model: span for entry, span in zip(board.entries, board.ranges, strict=True)}
    assert found == {"good": Span(1, 2, 0, 1), "as good": Span(1, 2, 0, 1), "bad": Span(3, 3, 2, 0)}
