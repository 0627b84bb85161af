"""Which version of the service this is."""

VERSION = "1.0.0"
"""The changelog tells what is in it."""
