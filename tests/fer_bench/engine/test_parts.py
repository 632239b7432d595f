"""The parts of an Observer, each by itself: who is asked, what was found, what is answered; what a query waits for."""

from __future__ import annotations

import pytest
import torch
from observed import SEED, TwoWays, attack, shard_of
from torch.utils._python_dispatch import TorchDispatchMode
from toys import toy_images

from fer_bench.engine.answers import Answers
from fer_bench.engine.draws import key_of
from fer_bench.engine.goals import Goal
from fer_bench.engine.observer import Observer
from fer_bench.engine.recording import Recording, Reply
from fer_bench.engine.rowmap import RowMap

IDS = ("a", "b", "c", "d", "e")


def keys(*names: str) -> list[int]:
    return [key_of(name) for name in names]


def test_rows_are_narrowed_from_the_last_query_and_selected_from_the_call():
    rows = RowMap(IDS, SEED, torch.device("cpu"))
    rows.begin(torch.tensor([4, 2, 1]), "own", "", (4,))
    rows.narrow(torch.tensor([True, False, True]))
    assert (rows.samples.tolist(), rows.draws.keys.tolist()) == ([4, 1], keys("e", "b"))
    rows.select(torch.tensor([1, 2]))
    assert (rows.samples.tolist(), rows.draws.keys.tolist()) == ([2, 1], keys("c", "b"))
    rows.returned()
    assert (rows.samples.tolist(), rows.relation) == ([4, 2, 1], "aligned")


def reply(size: float, margin: float, allowed: bool = True, clear: bool = True) -> Reply:
    """A query about sample 1 of two, whose image is filled with its size."""
    return Reply(
        samples=torch.tensor([1]),
        images=torch.full((1, 1, 2, 2), size),
        sizes=torch.tensor([size], dtype=torch.float64),
        margins=torch.tensor([margin]),
        allowed=torch.tensor([allowed]),
        fooled=torch.tensor([margin < 0]),
        clear=torch.tensor([clear and margin < 0]),
    )


#: What is asked, one query after the other.
REPLIES = (
    reply(0.5, 2.0),
    reply(0.6, -9.0, allowed=False),
    reply(0.4, -1.0, clear=False),
    reply(0.3, -3.0),
    reply(0.2, -2.0, clear=False),
    reply(0.35, -4.0),
)


@pytest.mark.parametrize(
    ("record", "freeze", "kept", "safe", "fallen"),
    [
        ("first", True, 0.3, None, True),  # the first by a clear margin, after which nothing is better
        ("first", False, 0.35, None, False),  # the clearest
        ("largest", False, 0.35, None, False),
        ("smallest", True, 0.2, 0.3, False),
    ],
)
def test_which_image_is_kept(record, freeze, kept, safe, fallen):
    recording = Recording.of_nothing(torch.zeros(2, 1, 2, 2))
    for one in REPLIES:
        recording.forwards[one.samples] += 1
        recording.keep(one, record, freeze and record != "smallest")
    assert recording.found.tolist() == [False, True]
    assert recording.images.amax((1, 2, 3)).tolist() == pytest.approx([0, kept])
    assert recording.sizes.tolist() == pytest.approx([0, kept])
    assert recording.first_query.tolist() == [0, 3]
    assert recording.fallen.tolist() == [False, fallen]
    assert recording.safe_found.tolist() == [False, safe is not None]
    if safe is not None:
        assert recording.safe_images.amax((1, 2, 3)).tolist() == pytest.approx([0, safe])


@pytest.mark.parametrize(("record", "found"), [("first", False), ("largest", True)])
def test_the_nearest_to_success_is_an_image_only_where_the_largest_loss_is_sought(record, found):
    recording = Recording.of_nothing(torch.zeros(2, 1, 2, 2))
    recording.keep(reply(0.5, 2.0), record, freeze=False)
    recording.keep(reply(0.4, 3.0), record, freeze=False)
    assert recording.images.amax((1, 2, 3)).tolist() == [0, 0.5]
    assert recording.found.tolist() == [False, found]


def test_a_fallen_row_is_answered_by_its_latest_logits_which_are_a_constant():
    answers = Answers(3)
    first = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    answers.learn_classes(first)
    assert answers.standing(torch.tensor([False, True, False])) is None  # nothing is cached before it is asked for
    answers.complete(torch.arange(3), None, first)
    answers.from_cache = True
    assert answers.standing(torch.tensor([False, False, False])) is None
    standing = answers.standing(torch.tensor([False, True, False]))
    asked = torch.tensor([[7.0, 8.0], [9.0, 10.0]], requires_grad=True)
    answer = answers.complete(torch.tensor([2, 1, 0]), standing, asked)
    assert answer.tolist() == [[7, 8], [3, 4], [9, 10]]
    answer[1].sum().backward(retain_graph=True)
    assert asked.grad is not None
    assert not asked.grad.any()
    answer.sum().backward()
    assert asked.grad.tolist() == [[1, 1], [1, 1]]
    answers.complete(torch.tensor([1]), None, torch.tensor([[0.0, 0.0]]))
    again = answers.complete(torch.tensor([0, 1, 2]), torch.tensor([1]), torch.tensor([[1.0, 1.0]]))
    assert again.tolist() == [[9, 10], [1, 1], [7, 8]]


class Waits(TorchDispatchMode):
    """Counts what waits for the device: reading a value, and indices of what is true."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket
        if name in (torch.ops.aten._local_scalar_dense, torch.ops.aten.nonzero):
            self.count += 1
        elif name in (torch.ops.aten.index, torch.ops.aten.index_put, torch.ops.aten.index_put_):
            self.count += sum(index is not None and index.dtype == torch.bool for index in args[1])
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("freeze", [True, False])
def test_a_query_waits_for_the_device_six_times_at_most(freeze):
    model = TwoWays()
    shard = shard_of(model, toy_images(32).double())
    spec, _ = attack("pgd", float(model.smallest(shard.images, "Linf").median()) * 1.2)
    observer = Observer(model, shard, Goal(shard.labels), spec, SEED, freeze=freeze)
    direction = (model.weight[1] - model.weight[0]).detach().sign().reshape(1, 8, 8)
    toward = (1 - 2.0 * shard.labels)[:, None, None, None] * direction * spec.threat.eps
    waited = []

    def call(images: torch.Tensor, labels: torch.Tensor) -> None:
        for part in (0.1, 0.95, 1.0, 1.0):
            with Waits() as waits:
                observer((images + part * toward).requires_grad_())
            waited.append(waits.count)

    observer.attack(call)
    assert 3 < int(observer.recording.found.sum()) < 32  # both kinds of row occur
    assert max(waited) <= 6
