"""Strings to files and terminals: HTML, Markdown, CSV, JUnit. It computes nothing."""
