"""The cards of the published networks, one file a family: what is known of a model. Reading them imports no torch."""
