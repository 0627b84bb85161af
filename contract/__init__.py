"""Builds the API's contract, functions/summary/openapi.json, from the code."""
