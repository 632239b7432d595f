"""Verdicts in and out: one SQLite file a results folder. It runs no model and computes no rate."""
