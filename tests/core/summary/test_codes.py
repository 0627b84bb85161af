"""What the holder of a configuration's token is told of AWS's errors."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ecr_rescan.core.summary.as_csv import to_csv
from ecr_rescan.core.summary.as_text import to_text
from ecr_rescan.core.summary.codes import codes_alone
from ecr_rescan.core.summary.summary import Problem, Summary
from tests.summary_records import complete, configuration, everything, ledger

SECRET = "User: arn:aws:sts::123456789012:assumed-role/secret-role/x is not authorized to perform: secret"


def summary() -> Summary:
    """With AWS's words in every place that has some."""
    whole = everything([configuration()], ledger({"1": complete()}))
    (one,) = whole.configurations
    (image, *_) = one.images
    told = replace(image, status=replace(image.status, reason=f"AccessDeniedException: {SECRET}"))
    problems = (f"registry 123456789012 in us-east-1: AccessDenied: {SECRET}", "team/app: repository not found")
    one = replace(one, images=(told,), problems=problems)
    return replace(
        whole, configurations=(one,), problems=(Problem("accounts/x.json", "is odd arn:aws:iam::1:role/secret"),)
    )


@pytest.mark.parametrize("form", [to_text, to_csv, repr])
def test_the_code_is_told_and_the_message_is_not(form: object) -> None:
    """Messages name roles, accounts and policies; the code says what to do all the same."""
    assert callable(form)
    assert "secret" in form(summary())
    told = form(codes_alone(summary()))
    assert "AccessDenied" in told
    assert "secret" not in told
    assert "arn:" not in told


def test_our_own_words_stay() -> None:
    """They say what is missing."""
    (one,) = codes_alone(summary()).configurations
    assert one.problems == ("registry 123456789012 in us-east-1: AccessDenied", "team/app: repository not found")
