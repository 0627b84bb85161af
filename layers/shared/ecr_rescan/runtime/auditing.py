"""Keeps the trail of changes: a line in the log for each, and a copy in the bucket where the deployment wants one."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent

from ecr_rescan.core.audit import Change
from ecr_rescan.core.errors import ConflictError, DocumentError, StoreError
from ecr_rescan.runtime import clock, wiring
from ecr_rescan.runtime.api import source_address
from ecr_rescan.runtime.observability import logger


def audit(event: APIGatewayProxyEvent, action: str, subject: str, **more: Any) -> None:
    """Note a change that was made, by whom and from where; ``more`` is what ``Change`` has besides.

    The change is made already, so that a copy that can't be written fails nothing; the log says so, and has it all.
    """
    context = event["requestContext"]
    change = Change(
        id=str(context.get("requestId") or ""),
        at=clock.now(),
        principal=str((context.get("identity") or {}).get("userArn") or ""),
        address=source_address(event),
        action=action,
        subject=subject,
        **more,
    )
    logger.info("changed", audit=change.to_log())
    if not wiring.config_settings().audit_copies:
        return
    try:
        wiring.documents().put(change.key, change.to_document(), if_none_match=True)
    except (ConflictError, DocumentError, StoreError) as error:
        logger.error("the copy of a change could not be written", key=change.key, problem=str(error))
