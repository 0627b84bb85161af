"""Reading a template: parameters, intrinsic functions, conditions, and what it wires together."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from local.template import Template, TemplateError
from local.wiring import Route, read_wiring

ENDPOINT = "http://127.0.0.1:1"
PROJECT = Path(__file__).parent / "project"
OWN = Path(__file__).parents[2] / "template.yaml"

FUNCTION = """
Resources:
  Queue: {{ Type: AWS::SQS::Queue }}
  Api: {{ Type: AWS::Serverless::Api, Properties: {{ StageName: v1 }} }}
  One:
    Type: AWS::Serverless::Function
    Properties: {{ CodeUri: ., Handler: app.lambda_handler, Events: {{ It: {event} }} }}
  Rule: {{ Type: AWS::Events::Rule, Properties: {rule} }}
"""
A_RULE = "{ EventPattern: { source: [aws.ecr] }, Targets: [{ Id: Q, Arn: !GetAtt Queue.Arn }] }"
AN_EVENT = "{ Type: Schedule, Properties: { Schedule: rate(1 hour) } }"


def write(folder: Path, text: str) -> Template:
    """A template of that text."""
    path = folder / "template.yaml"
    path.write_text(text, encoding="utf-8")
    return Template(path, ENDPOINT)


def test_the_wiring_is_the_templates():
    """Functions with their own environment alone, routes with their authorizer, schedule, rules, queue."""
    wiring = read_wiring(Template(PROJECT / "template.yaml", ENDPOINT))
    echo, worker = wiring.functions["Echo"], wiring.functions["Worker"]
    assert echo.environment == {
        "BUCKET_NAME": "ecr-rescan-bucket",
        "COLOUR": "blue",
        "NAMES": "",
        "WHERE": "us-east-1/arn:aws:s3:::ecr-rescan-bucket",
    }
    assert worker.environment["QUEUE_URL"] == f"{ENDPOINT}/123456789012/ecr-rescan-Queue"
    assert (echo.timeout, worker.timeout, echo.memory) == (5, 2, 256)
    assert echo.layers == (PROJECT / "layer",)
    assert wiring.api.routes == (
        Route("/echo", "ANY", "Echo", signed=True),
        Route("/echo/{name}", "ANY", "Echo", signed=True),
        Route("/echo/fixed", "GET", "Echo", signed=False),
    )
    assert [(schedule.function, schedule.every) for schedule in wiring.schedules] == [("Worker", timedelta(minutes=5))]
    (source,) = wiring.sources
    assert (source.function, source.batch_size, source.reports_failures) == ("Worker", 20, True)
    assert {rule.queues for rule in wiring.rules} == {(source.queue,)}
    redrive = wiring.queues["ecr-rescan-Queue"]["RedrivePolicy"]
    assert redrive["deadLetterTargetArn"] == "arn:aws:sqs:us-east-1:123456789012:ecr-rescan-Dead"


def test_parameters_replace_defaults():
    """A list parameter is a list; conditions follow."""
    template = Template(PROJECT / "template.yaml", ENDPOINT, {"Names": "a,b", "Colour": "red"})
    environment = read_wiring_of(template)
    assert (environment["COLOUR"], environment["NAMES"]) == ("red", "a,b")


def read_wiring_of(template: Template) -> dict[str, str]:
    """The environment of Echo, without the resource that can't be resolved once its condition holds."""
    del template.resources["Nobody"]
    return read_wiring(template).functions["Echo"].environment


def test_a_resource_whose_condition_fails_is_not_there():
    """Not even looked at."""
    assert "Nobody" not in Template(PROJECT / "template.yaml", ENDPOINT).resources


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("!Join ['-', [a, !Ref AWS::Region]]", "a-us-east-1"),
        ("!Sub '${AWS::AccountId} ${!Literal} ${Bucket} ${Bucket.Arn}'", "123456789012 ${Literal} b arn:aws:s3:::b"),
        ("!Sub ['${x}', {x: !Ref Bucket}]", "b"),
        ("!If [Same, 1, 2]", 1),
        ("!If [Other, 1, 2]", 2),
        ("[!If [Other, 1, !Ref AWS::NoValue], 3]", [3]),
        ("{ a: !Ref AWS::NoValue, b: {Ref: Bucket} }", {"b": "b"}),
    ],
)
def test_intrinsic_functions(tmp_path, text, value):
    """Those that the project's template uses, short and long."""
    template = write(
        tmp_path,
        f"""
Conditions: {{ Same: !Equals [1, 1], Other: !And [!Condition Same, !Not [!Or [!Condition Same, !Equals [1, 2]]]] }}
Resources:
  Bucket: {{ Type: AWS::S3::Bucket, Properties: {{ BucketName: b }} }}
  Thing: {{ Type: A::B, Properties: {{ value: {text} }} }}
""",
    )
    assert template.of_type("A::B")["Thing"]["value"] == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("!FindInMap [a, b, c]", "Thing.value: Fn::FindInMap is not known to the local stack"),
        ("!Ref Nothing", "Thing.value: there is no parameter or resource Nothing"),
        ("!GetAtt Thing.Colour", r"Thing.value: Thing.Colour \(A::B\) is not known to the local stack"),
    ],
)
def test_what_is_not_known_is_named(tmp_path, text, message):
    """With the place where it stands."""
    template = write(tmp_path, f"Resources: {{ Thing: {{ Type: A::B, Properties: {{ value: {text} }} }} }}")
    with pytest.raises(TemplateError, match=message):
        template.of_type("A::B")


@pytest.mark.parametrize(
    ("event", "rule", "message"),
    [
        ("{ Type: Kinesis }", A_RULE, "One.Events.It: events of type Kinesis are not known"),
        (
            "{ Type: Schedule, Properties: { Schedule: 'cron(0 1 * * ? *)' } }",
            A_RULE,
            "One.Events.It: the schedule 'cron",
        ),
        (
            AN_EVENT,
            "{ ScheduleExpression: rate(1 day), Targets: [] }",
            "Rule: the local stack knows rules with an Event",
        ),
        (AN_EVENT, "{ EventPattern: {}, Targets: [{ Id: Q, Arn: 'arn:aws:sns:x' }] }", "delivers to queues only"),
        (AN_EVENT, "{ EventPattern: {}, Targets: [{ Id: Q, Arn: ':sqs:', InputPath: $ }] }", "InputPath is not known"),
    ],
)
def test_wiring_that_cannot_be_done_is_refused(tmp_path, event, rule, message):
    """Rather than left out silently."""
    with pytest.raises(TemplateError, match=message):
        read_wiring(write(tmp_path, FUNCTION.format(event=event, rule=rule)))


def test_a_parameter_needs_a_default(tmp_path):
    """There is nobody to ask."""
    with pytest.raises(TemplateError, match="Parameters.Name: has no default"):
        write(tmp_path, "Parameters: { Name: { Type: String } }\nResources: {}")


def test_the_projects_own_template_can_be_read():
    """With its four functions, each where its code is."""
    wiring = read_wiring(Template(OWN, ENDPOINT))
    assert len(wiring.functions) == 4
    assert all((function.code / "app.py").is_file() for function in wiring.functions.values())
    assert all(layer.is_dir() for function in wiring.functions.values() for layer in function.layers)
