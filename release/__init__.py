"""Packs what was built into a release that can be deployed without this checkout."""
