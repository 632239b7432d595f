"""The version, said once: setup.cfg, the command line and the provenance of every result read it here."""

__version__ = "0.1.0"
