"""Adversarial training of FER networks: FAAT and its baselines. It receives objects; it knows no model and no page."""
