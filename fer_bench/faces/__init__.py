"""Where on the face: its 68 landmarks, its regions as masks, and where a perturbation's energy lies."""
