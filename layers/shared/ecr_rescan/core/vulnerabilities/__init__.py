"""The findings themselves as a list: a row for each (configuration, vulnerability, package)."""
