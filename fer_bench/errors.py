"""The errors that a user can cause or meet; the command line shows each as one line. No other module defines one."""

from __future__ import annotations


class FerBenchError(Exception):
    """Base of every error with a message for the user: what was given, what was expected, what to do."""


class UsageError(FerBenchError):
    """A name, parameter or option that cannot be used as given."""


class DataError(FerBenchError):
    """A data set that is missing, unreadable or not in the stated layout."""


class FetchError(FerBenchError):
    """A download that could not be made: no network, offline mode, unknown package, missing member."""


class IntegrityError(FetchError):
    """A file whose digest is not the pinned one; it is never parsed."""


class ModelError(FerBenchError):
    """A model whose weights or outputs do not fit what its card says."""


class StoreError(FerBenchError):
    """A results folder that cannot be read or written, or that a newer program made."""


class AttackError(FerBenchError):
    """An attack that could not be carried out on a model; stored with its cell, and the matrix goes on."""
