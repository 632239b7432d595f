"""The watching model: an attack receives an Observer in place of the model it attacks.

An attack is not trusted to report its own success, and not allowed to waste work. The Observer sees every query. It
records per sample the best image within the budget, answers samples that have fallen from cache (their gradient is
zero, so attacks that treat rows independently leave them in place), ends the attack when none is left, counts the
rows it computes, and notices zero and non-finite gradients. It never decides a verdict: `judge` confirms every
recorded image on the bare model. It must know no particular attack. See docs/design/observer.md.

Its parts: `RowMap` says who is asked, `Budget` what is allowed, `Recording` what was found, `Answers` what is answered,
`GradientWatch` what gradients were taken.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from fer_bench.core.attack_spec import AttackSpec, Rows
from fer_bench.engine.answers import Answers
from fer_bench.engine.budget import Budget
from fer_bench.engine.goals import Goal
from fer_bench.engine.gradients import GradientWatch
from fer_bench.engine.norms import within_region
from fer_bench.engine.recording import Recording, Reply
from fer_bench.engine.rowmap import RowMap
from fer_bench.engine.shard import Shard
from fer_bench.errors import AttackError

#: A row is frozen only when it fooled by a logit margin above FREEZE_MARGIN * (1 + largest absolute logit).
FREEZE_MARGIN = 1e-4

AttackCall = Callable[[torch.Tensor, torch.Tensor], "torch.Tensor | None"]


class _Finished(Exception):  # noqa: N818  (it ends an attack, it is not an error)
    """Raised inside an attack's query when no sample is left to fool."""


class Observer(nn.Module):
    """Stands in for a model while it is attacked on one batch.

    Always in eval mode: torchattacks restores the training flag of whatever it was given, and a wrapper left in
    training mode would switch the model's BatchNorm with it.

    `model`: the model that is attacked.
    `shard`: the samples, whose ids key their random draws. Where it has a mask, every query is put back to the clean
        image outside it before the model sees it, so that any attack stays in the region without knowing of it.
    `goal`: what counts as success on each sample.
    `spec`: the attack's settings.
    `draw_seed`: 63 bits that key the attack's random draws.
    `freeze`: False where nothing is answered from cache, nobody leaves early, and of all images within the budget the
        one nearest to success, or beyond it, is kept (for samples whose recorded image was not confirmed, and for
        transfer).
    """

    def __init__(
        self,
        model: nn.Module,
        shard: Shard,
        goal: Goal,
        spec: AttackSpec,
        draw_seed: int,
        freeze: bool = True,
    ) -> None:
        super().__init__()
        self.model, self.shard, self.goal, self.spec = model, shard, goal, spec
        self.images = shard.images
        self.recording = Recording.of_nothing(shard.images)
        self.gradients = GradientWatch(self.recording.backwards)
        self._freeze = freeze and not spec.minimum_norm
        self._rows = RowMap(shard.ids, draw_seed, shard.images.device)
        self._budget = Budget(spec)
        self._answers = Answers(len(shard.images))
        # torchattacks asks for the device of the first parameter, and a user's model may have none.
        self._anchor = nn.Parameter(torch.zeros((), device=shard.images.device), requires_grad=False)
        self.eval()

    def train(self, mode: bool = True) -> Observer:
        """Refuses training mode, whoever asks for it."""
        return super().train(False)

    # ------------------------------------------------------------------------------------- for attacks' programs

    @property
    def classes(self) -> int:
        """Number of the model's classes; asks the model once, without recording, where it is not known yet."""
        if self._answers.classes is None:
            with torch.no_grad():
                self._ask(self.images[:1], self.goal.at(torch.arange(1, device=self.images.device)))
        assert self._answers.classes is not None
        return self._answers.classes

    @property
    def targets(self) -> torch.Tensor | None:
        """The classes that a targeted attack has to reach, `(n,)`; None for an untargeted one."""
        return self.goal.targets

    def margins(self, logits: torch.Tensor) -> torch.Tensor:
        """How far each row of the last query's kind is from success, `(rows,)`: negative where it is reached."""
        return self.goal.at(self._rows.samples).margins(logits)

    @property
    def clean(self) -> torch.Tensor:
        """The clean images of the rows of the next query."""
        return self.images[self._rows.samples]

    def proposed(self) -> torch.Tensor:
        """What the attack's set-level stage proposes for the rows of this call, shaped as their images."""
        if self.shard.proposals is None:
            raise AttackError(f"{self.spec.name} has no set-level stage, or it did not run.")
        return self.shard.proposals[self._rows.samples]

    def declare(self, sizes: torch.Tensor) -> None:
        """States the size `(rows,)` of what the next query does, for a budget by construction (flow, severity)."""
        self._budget.declare(sizes)

    def standing(self) -> torch.Tensor:
        """Indices of the samples that still have to be attacked: all of them for a minimum-norm attack."""
        return (~self.recording.fallen).nonzero().squeeze(1)

    def narrow(self, keep: torch.Tensor) -> None:
        """From now on the queries of this call carry only the rows `keep` (boolean) of the last ones, in order."""
        self._rows.narrow(keep)

    def select(self, rows: torch.Tensor) -> None:
        """From now on the queries of this call carry the rows numbered `rows` of the images that it was given."""
        self._rows.select(rows)

    def attack(
        self,
        call: AttackCall,
        stream: str = "",
        rows: Rows = "aligned",
        freeze: bool = True,
        row_draws: tuple[int, ...] = (4,),
    ) -> None:
        """Lets `call(images, labels)` attack every standing sample, and scores the images it returns, if any.

        `call`: the attack; `labels` are the true classes, or for a targeted attack those to reach.
        `stream`: names the random draws of this call (a restart, a target class).
        `rows`: "aligned" (row i of every query is sample i), "shrinking" (rows whose margin reached zero leave, the
            rest keep their order), "own" (the call says with `narrow` or `select`) or "single" (one call for each
            sample; all rows of its queries are that sample, and numpy's generator is seeded by it).
        `freeze`: fallen samples may be answered from cache during this call.
        `row_draws`: numbers of dimensions of the random draws that have one entry per row.
        """
        standing = self.standing()
        self._answers.from_cache = freeze and self._freeze
        for samples in standing[:, None] if rows == "single" else (standing,):
            if len(samples):
                self._rows.begin(samples, rows, stream, row_draws)
                self._call(call, samples)

    def _call(self, call: AttackCall, samples: torch.Tensor) -> None:
        try:
            with self._rows.draws:
                returned = call(self.images[samples], self.goal.attack_labels[samples])
            if returned is not None:
                self._rows.returned()
                with torch.no_grad():
                    self(returned)
        except _Finished:
            return

    # ------------------------------------------------------------------------------------------------- a query

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits `(rows, classes)`, in the query's precision, for a query of the running attack.

        The model always computes in its own precision (torchattacks.FAB asks in float32 whatever it was given).
        """
        samples = self._rows.of_query(len(images), self.spec.name)
        precision, images = images.dtype, images.to(self.images.dtype)
        if self.shard.mask is not None:
            images = within_region(images, self.images[samples], self.shard.mask[samples])
        one_image_each = self._rows.relation != "single"
        answer = self._one_each(images, samples) if one_image_each else self._candidates(images, samples)
        return answer.to(precision)

    def _one_each(self, images: torch.Tensor, samples: torch.Tensor) -> torch.Tensor:
        """Logits `(rows, classes)` for one image of each of `samples`; only those that stand are computed."""
        standing = self._answers.standing(self.recording.fallen[samples])
        if standing is None:
            asked, asked_samples = images.view_as(images), samples
        else:
            asked, asked_samples = images[standing], samples[standing]
        goal = self.goal.at(asked_samples)
        logits = self._ask(asked, goal)
        self.recording.forwards[asked_samples] += 1
        sizes = self._budget.sizes(asked.detach(), self.images[asked_samples], standing)
        reply = self._reply(asked_samples, asked.detach(), sizes, goal, logits.detach())
        self.recording.keep(reply, self.spec.record, self._freeze)
        if asked.requires_grad:
            if self._answers.from_cache:
                asked_samples = asked_samples[~self.recording.fallen[asked_samples]]
            self.gradients.watch(asked, asked_samples, reply.fooled)
        self._finish_if_fallen(samples)
        answer = self._answers.complete(samples, standing, logits)
        if self._rows.relation == "shrinking":
            self.narrow(self.margins(answer.detach()) > 0)
        return answer

    def _candidates(self, images: torch.Tensor, samples: torch.Tensor) -> torch.Tensor:
        """Logits `(candidates, classes)` for several images of one sample, each of which counts as a query."""
        goal, one = self.goal.at(samples), self._rows.samples
        with torch.no_grad():
            logits = self._ask(images, goal)
        worth_keeping = goal.reached(logits)
        if not self._freeze and not self.spec.minimum_norm:
            worth_keeping[goal.margins(logits).argmin()] = True
        forwards = self.recording.forwards
        before = forwards[one]
        for i in worth_keeping.nonzero().flatten().tolist():
            forwards[one] = before + i + 1
            sizes = self._budget.sizes(images[i : i + 1], self.images[one], None)
            reply = self._reply(one, images[i : i + 1], sizes, self.goal.at(one), logits[i : i + 1])
            self.recording.keep(reply, self.spec.record, self._freeze)
        forwards[one] = before + len(images)
        self._finish_if_fallen(one)
        return logits

    def _ask(self, images: torch.Tensor, goal: Goal) -> torch.Tensor:
        """The bare model's answer as logits; what the model draws itself is not the attack's and is not keyed."""
        draws = self._rows.draws
        before, draws.paused = draws.paused, True
        try:
            outputs: torch.Tensor = self.model(images)
        finally:
            draws.paused = before
        logits = goal.answer(outputs)
        self._answers.learn_classes(logits)
        return logits

    def _reply(
        self, samples: torch.Tensor, images: torch.Tensor, sizes: torch.Tensor, goal: Goal, logits: torch.Tensor
    ) -> Reply:
        """What came of a query.

        `samples`: whose images they are, `(rows,)`.
        `images`: what was asked about.
        `sizes`: of the perturbations, `(rows,)`.
        `goal`: of these samples.
        `logits`: what the model answered, `(rows, classes)`.
        """
        margins = goal.margins(logits)
        return Reply(
            samples=samples,
            images=images,
            sizes=sizes,
            margins=margins,
            allowed=self._budget.allows(images, sizes),
            fooled=goal.reached(logits),
            clear=margins < -FREEZE_MARGIN * (1 + logits.abs().amax(1)),
        )

    def _finish_if_fallen(self, samples: torch.Tensor) -> None:
        """Ends the attack where all of `samples` have fallen for good."""
        if self._freeze and bool(self.recording.fallen[samples].all()):
            raise _Finished
