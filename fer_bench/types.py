"""The old place of the cards' nouns, kept for one release: import them from `fer_bench.plugin`."""

from fer_bench.plugin import *  # noqa: F403
