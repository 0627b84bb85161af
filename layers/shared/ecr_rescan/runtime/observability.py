"""The one logger and the one set of metrics; names and levels come from the POWERTOOLS_ variables of the template."""

from __future__ import annotations

from aws_lambda_powertools import Logger, Metrics

logger = Logger()
metrics = Metrics()
