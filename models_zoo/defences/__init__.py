"""Input transformations in front of a model, and what a model behind one is."""
