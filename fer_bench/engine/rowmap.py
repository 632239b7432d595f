"""Who is asked: which samples the rows of an attack's queries are, and their random draws. It asks nobody."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from fer_bench.core.attack_spec import Rows
from fer_bench.engine.draws import KeyedDraws, key_of, seed_generators
from fer_bench.errors import AttackError


class RowMap:
    """Which samples of the shard the rows of the next query are.

    `samples` `(rows,)`: their positions in the shard, in the order of the rows. `relation`: how rows relate to
    samples in the running call; see `Observer.attack`. `draws`: the random numbers of the rows' samples.
    """

    def __init__(self, ids: Sequence[str], draw_seed: int, device: torch.device) -> None:
        self.relation: Rows = "aligned"
        self.samples = torch.arange(len(ids), device=device)
        self.draws = KeyedDraws(draw_seed)
        self._called = self.samples
        self._keys = torch.tensor([key_of(name) for name in ids], dtype=torch.int64, device=device)

    def begin(self, samples: torch.Tensor, relation: Rows, stream: str, row_draws: tuple[int, ...]) -> None:
        """A call on `samples` begins, whose draws are the stream's; see `Observer.attack`."""
        self.samples, self._called, self.relation = samples, samples, relation
        self.draws.begin(stream, self._keys[samples], row_draws)
        if relation == "single":
            seed_generators(self.draws.seed_of_one())

    def returned(self) -> None:
        """The next query is about what the call returned: one image for each of its samples."""
        self.samples, self.relation = self._called, "aligned"

    def narrow(self, keep: torch.Tensor) -> None:
        """From now on the queries carry only the rows `keep` (boolean) of the last ones, in order."""
        self._move(self.samples[keep])

    def select(self, rows: torch.Tensor) -> None:
        """From now on the queries carry the rows numbered `rows` of the call's samples."""
        self._move(self._called[rows])

    def _move(self, samples: torch.Tensor) -> None:
        self.samples = samples
        self.draws.keys = self._keys[samples]

    def of_query(self, count: int, attack: str) -> torch.Tensor:
        """The samples `(count,)` of a query of `count` rows; AttackError, naming the attack, for a wrong number."""
        if self.relation == "single":
            return self.samples.expand(count)
        if count != len(self.samples):
            raise AttackError(
                f"{attack} asked for {count} rows while {len(self.samples)} samples were being attacked; "
                "its card declares the wrong relation of rows to samples."
            )
        return self.samples
