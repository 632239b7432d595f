"""Transfer cells: closed form between linear models, what is kept of memory, what is stored, shown and replayed."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch
from observed import TwoWays
from toys import LinearToy, SmallConvToy, toy_card, toy_data, toy_provenance

import fer_bench
from attacks import choose_attacks
from fer_bench.api import replays
from fer_bench.bench.matrix import Entrant, Plan, Summary, run_matrix
from fer_bench.bench.transfer import run_transfer
from fer_bench.core.labels import match
from fer_bench.core.model_card import Loaded
from fer_bench.engine.job import cell_job
from fer_bench.engine.local import strongest_images
from fer_bench.engine.norms import norms
from fer_bench.errors import UsageError
from fer_bench.store.results import ResultStore
from reports.tables.frames import collect
from reports.tables.transfer import stronger_than_white_box, transfer_frame, transfers

PLAN = Plan(torch.device("cpu"), batch_size=5)


def entrant(name: str, build) -> Entrant:
    card = toy_card(name, build)
    return Entrant(card, f"{name:0<64}", lambda: None, lambda: Loaded(build().eval()))


class Blind(LinearToy):
    """The same decisions as the linear toy, but its gradient is exactly zero: only others' images break it."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images.detach() + 0 * images)


def run(entrants, attacks, data, folder):
    with ResultStore(folder) as store:
        summary = run_transfer(entrants, attacks, data, store, PLAN, toy_provenance())
        return summary, collect(store)


def linear():
    return TwoWays().float()


@pytest.mark.slow
def test_images_of_a_twin_break_what_the_closed_form_says_and_those_of_a_stranger_fewer(tmp_path):
    """On a twin the carried image is the strongest in the ball: exactly the samples below eps fall."""
    data = toy_data(24, linear(), (1, 8, 8))
    smallest = linear().smallest(data.images, "Linf")
    eps = float(smallest.sort().values[11:13].mean())  # between two samples: at one of them rounding would decide
    attacks = choose_attacks(f"pgd(steps=30,eps={eps})")
    twins = [entrant("one", linear), entrant("two", linear), entrant("other", lambda: TwoWays(seed=5).float())]
    summary, frames = run(twins, attacks, data, tmp_path)
    assert (summary.ran, summary.failures) == (6, ())
    cells = {(t.source, t.target): frames.by_cell[t.cell.id] for t in transfers(frames)}
    fooled = cells["one", "two"].set_index("sample")["fooled"].loc[list(data.ids)].to_numpy(bool)
    box = (data.images - smallest[:, None, None, None] > 0) & (data.images + smallest[:, None, None, None] < 1)
    free = box.flatten(1).all(1).numpy()  # where the box does not matter the closed form is exact
    assert free.sum() > 8
    assert (fooled[free] == (smallest <= eps).numpy()[free]).all()
    assert cells["one", "other"]["fooled"].sum() <= cells["one", "two"]["fooled"].sum()
    assert (cells["one", "two"]["norm"].dropna() <= eps + 1e-6).all()


def test_a_second_run_makes_nothing_again_and_other_weights_of_the_source_are_other_cells(tmp_path):
    data = toy_data(8, linear(), (1, 8, 8))
    attacks = choose_attacks("fgsm(eps=0.05)")
    built = []

    def counted():
        built.append(1)
        return linear()

    pair = [entrant("one", counted), entrant("two", counted)]
    assert run(pair, attacks, data, tmp_path)[0].ran == 2
    assert len(built) == 4  # each is loaded once to make images and once to judge them
    assert run(pair, attacks, data, tmp_path)[0] == Summary(0, 2, ())
    assert len(built) == 4
    renewed = [Entrant(pair[0].card, "9" * 64, pair[0].fetch, pair[0].load), pair[1]]
    assert run(renewed, attacks, data, tmp_path)[0].ran == 2


@pytest.mark.slow
def test_at_most_two_models_are_in_memory(tmp_path):
    alive: list[weakref.ref] = []
    most = 0

    def watched():
        nonlocal most
        gc.collect()
        model = SmallConvToy()
        alive.append(weakref.ref(model))
        most = max(most, sum(reference() is not None for reference in alive))
        return model

    data = toy_data(4, SmallConvToy(), (1, 16, 16))
    run([entrant(name, watched) for name in ("a", "b", "c", "d")], choose_attacks("fgsm(eps=0.01)"), data, tmp_path)
    assert len(alive) == 4 + 12
    assert most <= 2


def test_a_model_that_hides_its_gradient_is_said_to_be_weaker_against_others_images(tmp_path):
    data = toy_data(20, LinearToy(), (1, 8, 8))
    attacks = choose_attacks("pgd(steps=10,eps=0.1)")
    models = [toy_card("open", LinearToy), toy_card("hidden", Blind)]
    pair = [Entrant(card, card.digest, lambda: None, lambda c=card: Loaded(c.build(()))) for card in models]
    with ResultStore(tmp_path) as store:
        run_matrix(pair, attacks, data, store, PLAN, toy_provenance())
        run_transfer(pair, attacks, data, store, PLAN, toy_provenance())
        frames = collect(store)
    found = {(carried.source, carried.target) for carried, own in stronger_than_white_box(transfers(frames))}
    assert found == {("open", "hidden")}
    table = transfer_frame(transfers(frames)).set_index(["source", "target"])["robust_accuracy"]
    assert table["open", "hidden"] == table["open", "open"] < 0.5
    assert table["hidden", "hidden"] > 0.8  # only the random start moves its images
    assert len(table) == 4


def test_a_source_that_breaks_fails_its_cells_and_the_rest_goes_on(tmp_path):
    class Breaks(LinearToy):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            if images.requires_grad:
                raise RuntimeError("no gradient for you")
            return super().forward(images)

    data = toy_data(6, LinearToy(), (1, 8, 8))
    pair = [entrant("good", LinearToy), entrant("broken", Breaks)]
    summary, frames = run(pair, choose_attacks("pgd(steps=2,eps=0.1)"), data, tmp_path)
    assert [(f.model, "no gradient for you" in f.error) for f in summary.failures] == [("good", True)]
    stored = {cell.cell.model: (cell.status, cell.error) for cell in frames.stored.values()}
    assert stored["broken"][0] == "done"
    assert stored["good"][0] == "failed"
    assert "could not be made on broken" in stored["good"][1]


@pytest.mark.parametrize("attacks", ["cw", "quick(eps=0.1)", "pgd(target=happy,eps=0.1)"])
def test_what_cannot_carry_is_refused(tmp_path, attacks):
    data = toy_data(2, LinearToy(), (1, 8, 8))
    pair = [entrant("a", LinearToy), entrant("b", LinearToy)]
    with pytest.raises(UsageError, match=r"at least two models and one attack that spends a budget"):
        run(pair, choose_attacks(attacks), data, tmp_path)
    with pytest.raises(UsageError, match=r"at least two models"):
        run(pair[:1], choose_attacks("pgd(eps=0.1)"), data, tmp_path)


@pytest.mark.network
def test_transfer_runs_from_one_call_and_its_verdicts_are_replayed(tmp_path):
    board = fer_bench.run("mini-xception,human", "pgd-5", "demo", eps="4/255", n=12, out=tmp_path, transfer=True)
    assert [name for name in board.columns if " from " in name] == []  # the leaderboard is of white-box numbers
    frames = fer_bench.load(tmp_path)
    carried = [t for t in transfers(frames) if t.source != t.target]
    assert len(carried) == 2
    for entry in carried:
        fallen = frames.by_cell[entry.cell.id].query("fooled")
        if len(fallen):
            again = replays.replay(tmp_path, entry.cell.key, fallen["sample"].iloc[0])
            assert again.same, again.differences
    assert sum(len(frames.by_cell[t.cell.id].query("fooled")) for t in carried) > 0


def test_the_images_carried_are_inside_the_budget_and_past_the_sources_boundary():
    model = linear()
    data = toy_data(16, model, (1, 8, 8))
    (attack,) = choose_attacks("pgd(steps=20,eps=0.1)")
    job = cell_job(attack, 0, data, match(data.classes, data.classes), data.classes)
    images = strongest_images(job, model, torch.device("cpu"), 3)
    assert float(norms(images - data.images, "Linf").max()) <= 0.1 + 1e-6
    with torch.no_grad():
        clean, moved = model(data.images), model(images)
    own = clean.gather(1, data.labels[:, None])
    assert bool((moved.gather(1, data.labels[:, None]) < own).all())
    batch = strongest_images(job, model, torch.device("cpu"), 16)
    assert torch.allclose(batch, images, atol=1e-6)
