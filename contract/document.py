"""The contract as a document, and the file that it is kept in."""

from __future__ import annotations

import json

from contract import gate, vulnerabilities
from contract.paths import paths
from contract.schemas import PROBLEM, schemas
from local.functions import PROJECT

FILE = PROJECT / "functions" / "summary" / "openapi.json"


def to_text() -> str:
    """OpenAPI 3.1; the same code gives the same text."""
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "ecr-rescan",
            "version": "1",
            "description": "Keeps re-scanning container images in Amazon ECR. HEAD is answered wherever GET is, and a "
            "method that a path does not have with 405 and Allow. Trailing slashes do no harm.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths(),
        "components": {
            "schemas": schemas() | {"Verdict": gate.verdict(), "Vulnerabilities": vulnerabilities.listing(PROBLEM)},
            "securitySchemes": {
                "sigv4": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "AWS Signature Version 4, service execute-api.",
                },
                "token": {"type": "apiKey", "in": "query", "name": "token"},
                "basic": {"type": "http", "scheme": "basic", "description": "The token as the password."},
            },
        },
    }
    return json.dumps(document, indent=1, sort_keys=False) + "\n"
