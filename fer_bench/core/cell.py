"""Cell: one number of the matrix, exactly what can change it; its key names it in every store."""

from __future__ import annotations

from dataclasses import dataclass

from fer_bench.core.attack_spec import AttackSpec
from fer_bench.core.digest import digest


@dataclass(frozen=True)
class Cell:
    """One number of the matrix: exactly what can change it, and nothing else."""

    #: The model's name.
    model: str
    #: sha256 over its weights, revision and setup.
    model_digest: str
    #: What is done to it.
    attack: AttackSpec
    #: The data set's name; it is not part of the key.
    data: str
    #: sha256 over its samples, labels and classes.
    data_digest: str
    #: Samples.
    n: int
    #: The user's seed.
    seed: int

    @property
    def key(self) -> str:
        """The cell's identity, 16 hex digits of a sha256."""
        attack = self.attack
        return digest(
            {
                "model": [self.model, self.model_digest],
                "attack": [attack.name, attack.norm, attack.key_params(), attack.version],
                "data": [self.data_digest, self.n],
                "seed": self.seed,
            }
        )[:16]

    @property
    def draw_seed(self) -> int:
        """Seed of the cell's random draws."""
        return draw_seed(self.seed, self.attack)


def draw_seed(seed: int, attack: AttackSpec) -> int:
    """Seed (63 bits) of every random draw: the user's seed and the attack, so that n does not change a draw."""
    return int(digest([seed, attack.name, attack.norm, attack.key_params(), attack.version])[:15], 16)
