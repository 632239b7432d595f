"""The sha256 of a plain value, by which cells, cards and sets are told apart."""

from __future__ import annotations

import hashlib
import json


def digest(value: object) -> str:
    """sha256 (hex) of `value` as canonical JSON: sorted keys, no spaces, no NaN."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
