"""Attacks that search the smallest perturbation, in implementations of our own."""
