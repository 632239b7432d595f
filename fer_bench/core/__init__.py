"""The nouns of the benchmark: frozen, without I/O, and without knowledge of any model, attack or page."""
