"""The budget of an attack's queries: how large a perturbation is, and whether it is allowed. It asks no model."""

from __future__ import annotations

import torch

from fer_bench.core.attack_spec import AttackSpec
from fer_bench.engine.norms import norms
from fer_bench.errors import AttackError


class Budget:
    """Measures perturbations as the attack's threat does, or takes the sizes that the attack declares."""

    def __init__(self, spec: AttackSpec) -> None:
        self._attack, self._threat = spec.name, spec.threat
        self._limit = self._threat.eps + (0.0 if spec.minimum_norm else self._threat.tolerance)
        self._declared: torch.Tensor | None = None

    def declare(self, sizes: torch.Tensor) -> None:
        """States the sizes `(rows,)` of the next query's perturbations, for a budget by construction."""
        self._declared = sizes.detach().to(torch.float64)

    def sizes(self, images: torch.Tensor, clean: torch.Tensor, standing: torch.Tensor | None) -> torch.Tensor:
        """Size of each perturbation, float64 `(rows,)`. `standing`: which rows of the query these are; None: all.

        Raises AttackError where a size has to be declared and was not.
        """
        if not self._threat.by_construction:
            return norms(images - clean, self._threat.norm).to(torch.float64)
        if self._declared is None:
            raise AttackError(f"{self._attack} asked about images without declaring their {self._threat.norm}.")
        declared, self._declared = self._declared, None
        return declared if standing is None else declared[standing]

    def allows(self, images: torch.Tensor, sizes: torch.Tensor) -> torch.Tensor:
        """Rows inside [0, 1] and inside the budget, up to the rounding that `ThreatModel.tolerance` states."""
        flat = images.flatten(1)
        boxed = (flat.amin(1) >= -1e-6) & (flat.amax(1) <= 1 + 1e-6)
        return boxed & (sizes <= self._limit)
