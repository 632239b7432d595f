"""Two models on the same images: counts by hand, and the test against scipy's binomial."""

from __future__ import annotations

import pytest
from scipy.stats import binomtest
from stored_results import NEVER, WRONG, Made, make, pgd

from reports.tables.pairs import pairs
from reports.tables.results import Results

#: Ten images: wrong, two fooled, seven robust; and wrong, wrong, robust, the next six fooled, one robust.
STRONG = [WRONG, 0.01, 0.02, *[NEVER] * 7]
WEAK = [WRONG, WRONG, NEVER, *[0.01] * 6, NEVER]


def test_a_pair_is_counted_image_by_image_under_every_reading(tmp_path):
    table = pairs(Results(make(tmp_path, Made(STRONG, model="strong"), Made(WEAK, model="weak")))).set_index("reading")
    attacked, clean = table.loc["pgd@8/255"], table.loc["clean"]
    assert (attacked["model"], attacked["other"], attacked["images"]) == ("strong", "weak", 10)
    assert (attacked["accuracy"], attacked["other_accuracy"]) == (0.7, 0.2)
    assert (attacked["only_model"], attacked["only_other"]) == (6, 1)
    assert attacked["p"] == pytest.approx(binomtest(6, 7).pvalue)
    assert (clean["accuracy"], clean["other_accuracy"], clean["only_model"], clean["only_other"]) == (0.9, 0.8, 1, 0)


def test_only_pairs_that_share_a_reading_are_compared_and_all_of_them_are_corrected_for(tmp_path):
    table = pairs(
        Results(
            make(
                tmp_path,
                Made(STRONG, model="strong"),
                Made(WEAK, model="weak"),
                Made(WEAK, model="twin"),
                Made(WEAK, pgd(2 / 255), model="twin"),
            )
        )
    )
    own = table[table["reading"] == "pgd@8/255"]
    assert len(own) == 3
    assert set(own.loc[own["only_model"] + own["only_other"] > 0, "p"].round(9)) == {
        round(3 * binomtest(6, 7).pvalue, 9)
    }
    assert table[table["reading"] == "pgd@2/255"].empty
