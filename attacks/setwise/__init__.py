"""Attacks with a stage that sees the whole set: universal perturbations, and the attack on concordance."""
