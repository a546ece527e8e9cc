"""The version of the platform."""

from importlib.metadata import version

VERSION = version("penstock")
