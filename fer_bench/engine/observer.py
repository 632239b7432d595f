"""The watching model: an attack receives an Observer in place of the model it attacks.

An attack is not trusted to report its own success, and not allowed to waste work. The Observer sees every query. It
records per sample the best image within the budget, answers samples that have fallen from cache (their gradient is
zero, so attacks that treat rows independently leave them in place), ends the attack when none is left, counts the
rows it computes, and notices zero and non-finite gradients. It never decides a verdict: `judge` confirms every
recorded image on the bare model. It must know no particular attack. See docs/design/observer.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from fer_bench.core.attack_spec import AttackSpec, Rows
from fer_bench.engine.draws import KeyedDraws, key_of, seed_generators
from fer_bench.engine.goals import Goal
from fer_bench.engine.norms import norms, within_region
from fer_bench.engine.recording import Recording
from fer_bench.engine.shard import Shard
from fer_bench.errors import AttackError

#: A row is frozen only when it fooled by a logit margin above FREEZE_MARGIN * (1 + largest absolute logit).
FREEZE_MARGIN = 1e-4

AttackCall = Callable[[torch.Tensor, torch.Tensor], "torch.Tensor | None"]


class _Finished(Exception):  # noqa: N818  (it ends an attack, it is not an error)
    """Raised inside an attack's query when no sample is left to fool."""


class Observer(nn.Module):
    """Stands in for `model` while it is attacked on one batch.

    `shard` holds the samples, whose ids key their random draws; `goal` says what counts as success on each. Where the
    shard has a mask, every query is put back to the clean image outside it before the model sees it, so that any
    attack stays in the region without knowing of it. Always in eval mode: torchattacks restores the training flag of
    whatever it was given, and a wrapper left in training mode would switch the model's BatchNorm with it.

    `freeze=False`: nothing is answered from cache, nobody leaves early, and of all images within the budget the one
    nearest to success, or beyond it, is kept (for samples whose recorded image was not confirmed, and for transfer).
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
        images = shard.images
        self.model = model
        self.spec = spec
        self.shard, self.goal = shard, goal
        self.images = images
        self.backward_rows = 0
        self.zero_gradient_rows = torch.zeros((), dtype=torch.int64, device=images.device)
        self.bad_gradient_rows = torch.zeros((), dtype=torch.int64, device=images.device)
        # torchattacks asks for the device of the first parameter, and a user's model may have none.
        self._anchor = nn.Parameter(torch.zeros((), device=images.device), requires_grad=False)
        self._keys = torch.tensor([key_of(name) for name in shard.ids], dtype=torch.int64, device=images.device)
        self._draws = KeyedDraws(draw_seed)
        self._may_freeze = freeze
        count, device = len(images), images.device
        self._safe_norm = torch.full((count,), torch.inf, dtype=torch.float64, device=device)
        self._margin = torch.full((count,), torch.inf, dtype=images.dtype, device=device)
        self._done = torch.zeros(count, dtype=torch.bool, device=device)
        self._cache: torch.Tensor | None = None
        self._queries = torch.zeros(count, dtype=torch.int64, device=device)
        self._rows = torch.arange(count, device=device)
        self._called = self._rows
        self._mode: Rows = "aligned"
        self._answer_from_cache = False
        self._declared: torch.Tensor | None = None
        self.recording = Recording.of_nothing(images)
        self.eval()

    def train(self, mode: bool = True) -> Observer:
        """Refuses training mode, whoever asks for it."""
        return super().train(False)

    # ------------------------------------------------------------------------------------- for attacks' programs

    @property
    def classes(self) -> int:
        """Number of the model's classes; asks the model once, without recording, where it is not known yet."""
        if self._cache is None:
            with torch.no_grad():
                self._remember_width(self._ask(self.images[:1], torch.arange(1, device=self.images.device)))
        assert self._cache is not None
        return self._cache.shape[1]

    @property
    def targets(self) -> torch.Tensor | None:
        """The classes that a targeted attack has to reach, `(n,)`; None for an untargeted one."""
        return self.goal.targets

    def margins(self, logits: torch.Tensor) -> torch.Tensor:
        """How far each row of the last query's kind is from success, `(rows,)`: negative where it is reached."""
        return self.goal.at(self._rows).margins(logits)

    @property
    def clean(self) -> torch.Tensor:
        """The clean images of the rows of the next query."""
        return self.images[self._rows]

    def proposed(self) -> torch.Tensor:
        """What the attack's set-level stage proposes for the rows of this call, shaped as their images."""
        if self.shard.proposals is None:
            raise AttackError(f"{self.spec.name} has no set-level stage, or it did not run.")
        return self.shard.proposals[self._rows]

    def declare(self, sizes: torch.Tensor) -> None:
        """States the size `(rows,)` of what the next query does, for a budget by construction (flow, severity)."""
        self._declared = sizes.detach().to(torch.float64)

    def standing(self) -> torch.Tensor:
        """Indices of the samples that still have to be attacked: all of them for a minimum-norm attack."""
        return (~self._done).nonzero().squeeze(1)

    def attack(
        self,
        call: AttackCall,
        stream: str = "",
        rows: Rows = "aligned",
        freeze: bool = True,
        row_draws: tuple[int, ...] = (4,),
    ) -> None:
        """Lets `call(images, labels)` attack every standing sample, and scores the images it returns, if any.

        `labels` are the true classes, or for a targeted attack those to reach.
        `stream` names the random draws of this call (a restart, a target class). `rows`: "aligned" (row i of every
        query is sample i), "shrinking" (rows whose margin reached zero leave, the rest keep their order), "own" (the
        call says with `narrow` or `select`) or "single" (one call for each sample; all rows of its queries are that
        sample, and numpy's generator is seeded by it). `freeze`: fallen samples may be answered from cache during this
        call. `row_draws`: numbers of dimensions of the random draws that have one entry per row.
        """
        standing = self.standing()
        self._answer_from_cache = freeze and self._may_freeze and not self.spec.minimum_norm
        for part in standing[:, None] if rows == "single" else (standing,):
            if len(part):
                self._call(call, part, stream, rows, row_draws)

    def _call(self, call: AttackCall, part: torch.Tensor, stream: str, rows: Rows, row_draws: tuple[int, ...]) -> None:
        self._rows, self._called, self._mode = part, part, rows
        self._draws.begin(stream, self._keys[part], row_draws)
        if rows == "single":
            seed_generators(self._draws.seed_of_one())
        try:
            with self._draws:
                returned = call(self.images[part], self.goal.given[part])
            if returned is not None:
                self._rows, self._mode = part, "aligned"
                with torch.no_grad():
                    self(returned)
        except _Finished:
            return

    def narrow(self, keep: torch.Tensor) -> None:
        """From now on the queries of this call carry only the rows `keep` (boolean) of the last ones, in order."""
        self._rows = self._rows[keep]
        self._draws.keys = self._keys[self._rows]

    def select(self, rows: torch.Tensor) -> None:
        """From now on the queries of this call carry the rows numbered `rows` of the images that it was given."""
        self._rows = self._called[rows]
        self._draws.keys = self._keys[self._rows]

    # ------------------------------------------------------------------------------------------------- a query

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits `(rows, classes)`, in the query's precision, for a query of the running attack.

        The model always computes in its own precision (torchattacks.FAB asks in float32 whatever it was given).
        """
        if self._mode == "single":
            return self._candidates(images)
        rows = self._rows
        if len(images) != len(rows):
            raise AttackError(
                f"{self.spec.name} asked for {len(images)} rows while {len(rows)} samples were being attacked; "
                "its card declares the wrong relation of rows to samples."
            )
        given, images = images.dtype, images.to(self.images.dtype)
        if self.shard.mask is not None:
            images = within_region(images, self.images[rows], self.shard.mask[rows])
        standing = ~self._done[rows] if self._answer_from_cache else torch.ones_like(rows, dtype=torch.bool)
        asked = images[standing] if not bool(standing.all()) else images.view_as(images)
        asked_rows = rows[standing]
        logits = self._ask(asked, asked_rows)
        seen = logits.detach()
        self._remember_width(seen)
        fooled = self._record(asked.detach(), seen, asked_rows)
        if asked.requires_grad:
            standing_rows = asked_rows[~self._done[asked_rows]] if self._answer_from_cache else asked_rows
            asked.register_hook(self._watch_gradient(standing_rows, fooled))  # type: ignore[no-untyped-call]
        if not self.spec.minimum_norm and bool(self._done[self._rows].all()):
            raise _Finished
        assert self._cache is not None
        if len(asked_rows) == len(rows):
            answer = logits.clone()
        else:
            answer = self._cache[rows].index_put((standing.nonzero().squeeze(1),), logits)
        self._cache[asked_rows] = seen
        if self._mode == "shrinking":
            self.narrow(self.margins(answer.detach()) > 0)
        return answer.to(given)

    def _candidates(self, images: torch.Tensor) -> torch.Tensor:
        """Logits `(candidates, classes)` for several images of one sample, each of which counts as a query."""
        one, many = self._rows, self._rows.expand(len(images))
        given, images = images.dtype, images.to(self.images.dtype)
        if self.shard.mask is not None:
            images = within_region(images, self.images[many], self.shard.mask[many])
        with torch.no_grad():
            logits = self._ask(images, many)
        self._remember_width(logits)
        queries, forwards = int(self._queries[one]), int(self.recording.forwards[one])
        goal = self.goal.at(many)
        wanted = goal.reached(logits)
        if not self._may_freeze:
            wanted[goal.margins(logits).argmin()] = True
        for i in wanted.nonzero().flatten().tolist():
            self._queries[one] = queries + i
            self._record(images[i : i + 1], logits[i : i + 1], one)
        self._queries[one] = queries + len(images)
        self.recording.forwards[one] = forwards + len(images)
        if not self.spec.minimum_norm and bool(self._done[one]):
            raise _Finished
        return logits.to(given)

    def _ask(self, images: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """The bare model's answer as logits; what the model draws itself is not the attack's and is not keyed."""
        before, self._draws.paused = self._draws.paused, True
        try:
            outputs: torch.Tensor = self.model(images)
        finally:
            self._draws.paused = before
        return self.goal.at(rows).answer(outputs)

    def _remember_width(self, logits: torch.Tensor) -> None:
        if self._cache is None:
            self._cache = logits.new_zeros(len(self.images), logits.shape[1])

    def _within_budget(self, images: torch.Tensor, sizes: torch.Tensor) -> torch.Tensor:
        """Rows inside [0, 1] and inside the budget, up to the rounding that `ThreatModel.tolerance` states."""
        flat = images.flatten(1)
        boxed = (flat.amin(1) >= -1e-6) & (flat.amax(1) <= 1 + 1e-6)
        threat = self.spec.threat
        return boxed & (sizes <= threat.eps + (0.0 if self.spec.minimum_norm else threat.tolerance))

    def _record(self, images: torch.Tensor, logits: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Keeps what this query found for the samples `rows`; returns which rows the model got wrong."""
        memory = self.recording
        self._queries[rows] += 1
        memory.forwards[rows] += 1
        goal = self.goal.at(rows)
        margin, fooled = goal.margins(logits), goal.reached(logits)
        sizes = self._sizes(images, rows)
        inside = self._within_budget(images, sizes)
        hit = fooled & inside
        clear = margin < -FREEZE_MARGIN * (1 + logits.abs().amax(1))
        first = hit & (memory.first_query[rows] == 0)
        memory.first_query[rows[first]] = self._queries[rows[first]]
        if self.spec.minimum_norm:
            better = hit & (sizes < memory.sizes[rows].where(memory.found[rows], torch.inf))
            safer = hit & clear & (sizes < self._safe_norm[rows])
            self._safe_norm[rows[safer]] = sizes[safer]
            memory.safe_images[rows[safer]] = images[safer]
            memory.safe_found[rows[safer]] = True
        else:
            better = (hit if self._may_freeze else inside) & (margin < self._margin[rows]) & ~self._done[rows]
            self._margin[rows[better]] = margin[better]
            if self._may_freeze:
                self._done[rows[hit & clear]] = True
        memory.images[rows[better]] = images[better]
        memory.sizes[rows[better]] = sizes[better]
        memory.found[rows[better & (hit if self.spec.record != "largest" else inside)]] = True
        return fooled

    def _sizes(self, images: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Size of each queried row's perturbation: measured, or as declared for this query."""
        if not self.spec.threat.by_construction:
            return norms(images - self.images[rows], self.spec.norm).to(torch.float64)
        if self._declared is None:
            raise AttackError(f"{self.spec.name} asked about images without declaring their {self.spec.norm}.")
        declared, self._declared = self._declared, None
        return declared[torch.isin(self._rows, rows)]

    def _watch_gradient(self, rows: torch.Tensor, fooled: torch.Tensor) -> Callable[[Any], None]:
        def watch(gradient: torch.Tensor) -> None:
            self.backward_rows += len(gradient)
            self.recording.backwards[rows] += 1
            size = gradient.detach().flatten(1).abs().amax(1)
            self.zero_gradient_rows += ((size == 0) & ~fooled).sum()
            self.bad_gradient_rows += (~torch.isfinite(size)).sum()

        return watch
