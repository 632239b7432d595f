"""Entry point for installers; every fact about the package is in setup.cfg."""

from setuptools import setup

setup()
