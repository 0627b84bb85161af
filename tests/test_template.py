"""The template as CloudFormation gets it: who may call what, what each function may do, and how events reach it."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from typing import Any

import pytest

from local.translate import TEMPLATE, translate

FUNCTIONS = ("Config", "StartScan", "Summary", "Findings")
SIGNED_ROUTES = {
    "/configs": "Config",
    "/configs/{id}": "Config",
    "/configs/{id}/tokens": "Config",
    "/configs/{id}/tokens/{name}": "Config",
    "/dashboard/tokens": "Config",
    "/dashboard/tokens/{name}": "Config",
    "/gate/tokens": "Config",
    "/gate/tokens/{name}": "Config",
    "/gate": "Summary",
    "/summary": "Summary",
    "/summary/{id}": "Summary",
    "/vulnerabilities": "Summary",
    "/vulnerabilities/{id}": "Summary",
    "/health": "Summary",
    "/openapi.json": "Summary",
}
TOKEN_ROUTES = {
    "/dashboard": "Summary",
    "/dashboard/{id}": "Summary",
    "/metrics": "Summary",
    "/gate/ci": "Summary",
    "/findings/{id}": "Findings",
}
ANY = "x-amazon-apigateway-any-method"
BUCKET = "arn:${AWS::Partition}:s3:::${B}"
NAME_OF_BUCKET = {"B": {"Fn::If": ["MakesBucket", {"Ref": "Bucket"}, {"Ref": "ExistingBucket"}]}}
REPOSITORIES = "arn:${AWS::Partition}:ecr:*:${AWS::AccountId}:repository/*"


def keys(*prefixes: str) -> set[str]:
    return {f"{BUCKET}/{prefix}" for prefix in prefixes}


# The column "may touch" of the design's table of functions.
CONFIG_WRITES = keys("configs/*", "tokens/*", "deployment.json")
START_SCAN_WRITES = keys("accounts/*", "images/*", "findings/*", "history/*", "notices/*", "signals/*")
MARKS = keys("used/*")
CREATED_ONCE = {"Null": {"s3:if-none-match": "false"}}
MAY_TOUCH = {
    "Config": {
        "s3:ListBucket": {BUCKET},
        "s3:GetObject": CONFIG_WRITES | keys("accounts/*", "images/*"),
        "s3:PutObject": CONFIG_WRITES,
        "s3:DeleteObject": keys("configs/*", "tokens/*"),
    },
    "StartScan": {
        "s3:ListBucket": {BUCKET},
        "s3:GetObject": START_SCAN_WRITES - keys("history/*") | keys("configs/*", "tokens/*", "deployment.json"),
        "s3:PutObject": START_SCAN_WRITES,
        "s3:DeleteObject": START_SCAN_WRITES - keys("history/*", "signals/*"),
        "ecr:DescribeRepositories": {REPOSITORIES},
        "ecr:DescribeImages": {REPOSITORIES},
        "ecr:BatchGetImage": {REPOSITORIES},
        "ecr:StartImageScan": {REPOSITORIES},
        "ecr:DescribeImageScanFindings": {REPOSITORIES},
        "ecr:GetRegistryScanningConfiguration": {"*"},
        "inspector2:ListCoverage": {"*"},
        "inspector2:ListFindings": {"*"},
        "sqs:SendMessage": {"EventsQueue"},
        "sqs:ReceiveMessage": {"EventsQueue"},
        "sqs:DeleteMessage": {"EventsQueue"},
        "sqs:ChangeMessageVisibility": {"EventsQueue"},
        "sqs:GetQueueAttributes": {"EventsQueue", "DeadLetterQueue"},
        "sns:Publish": {"Topic"},
        "sns:GetTopicAttributes": {"Topic"},
        "sts:AssumeRole": {"AllowedRoles"},
    },
    "Summary": {
        "s3:ListBucket": {BUCKET},
        "s3:GetObject": keys("configs/*", "tokens/*", "accounts/*", "images/*", "findings/*", "history/*", "signals/*"),
        "s3:PutObject": MARKS,
    },
    "Findings": {
        "s3:ListBucket": {BUCKET},
        "s3:GetObject": keys("configs/*", "tokens/*", "accounts/*", "findings/*", "signals/*"),
        "s3:PutObject": MARKS,
    },
}
EVERYWHERE = {
    "BUCKET_NAME",
    "ACCOUNT_ID",
    "PUBLIC_URL",
    "POWERTOOLS_SERVICE_NAME",
    "POWERTOOLS_METRICS_NAMESPACE",
    "POWERTOOLS_LOG_LEVEL",
}
ENVIRONMENT = {
    "Config": EVERYWHERE | {"ALLOWED_ROLES", "AUDIT_COPIES"},
    "StartScan": EVERYWHERE
    | {
        "ALLOWED_ROLES",
        "ROLE_EXTERNAL_ID",
        "QUEUE_URL",
        "TOPIC_ARN",
        "DEAD_LETTERS_URL",
        "SIGNALS_FROM",
        "EPSS_LIKELY",
    },
    "Summary": EVERYWHERE | {"SLA_DAYS", "UNRATED_AS", "SCANNING"},
    "Findings": EVERYWHERE,
}


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    return translate()


@pytest.fixture(scope="module")
def resources(template: dict[str, Any]) -> dict[str, Any]:
    return template["Resources"]


def of_type(resources: dict[str, Any], kind: str) -> dict[str, Any]:
    return {name: each["Properties"] for name, each in resources.items() if each["Type"] == kind}


NOTHING = {"Ref": "AWS::NoValue"}


def named(value: Any) -> str:
    """Return the resource that a Ref or Fn::GetAtt names, the text of an Fn::Sub, or a plain text."""
    match value:
        case {"Fn::Sub": [str(name), names]} if names == NAME_OF_BUCKET:
            return name
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), *_]} | {"Fn::Sub": str(name)} | str(name):
            return name
    raise AssertionError(f"unexpected value {value!r}")


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements(role: dict[str, Any], *conditions: str) -> list[dict[str, Any]]:
    """Return a role's statements where these conditions hold."""
    assert set(role) == {"AssumeRolePolicyDocument", "Policies", "Path", "PermissionsBoundary"}
    every = [each for policy in role["Policies"] for each in policy["PolicyDocument"]["Statement"]]
    taken = [
        each["Fn::If"][1 if each["Fn::If"][0] in conditions else 2] if "Fn::If" in each else each for each in every
    ]
    return [each for each in taken if each != {"Ref": "AWS::NoValue"}]


def test_there_are_exactly_four_functions(resources: dict[str, Any]) -> None:
    """The four functions run alike: arm64, Python 3.13, the shared layer."""
    functions = of_type(resources, "AWS::Lambda::Function")
    assert set(functions) == {f"{name}Function" for name in FUNCTIONS}
    for function in functions.values():
        assert function["Runtime"] == "python3.13"
        assert function["Architectures"] == [{"Ref": "Architecture"}]
        assert function["Handler"] == "app.lambda_handler"
        assert len(function["Layers"]) == 1


def test_the_api_has_the_routes_of_the_design_and_no_others(resources: dict[str, Any]) -> None:
    """Signed routes take every method, so that the functions answer 405; token routes take what their readers send."""
    found = {}
    for path, methods in resources["Api"]["Properties"]["Body"]["paths"].items():
        assert set(methods) == ({ANY} if path in SIGNED_ROUTES else {"get", "head"}), path
        for method in methods.values():
            uri = method["x-amazon-apigateway-integration"]["uri"]
            found[path] = next(name for name in FUNCTIONS if f"${{{name}Function.Arn}}" in uri["Fn::Sub"])
    assert found == SIGNED_ROUTES | TOKEN_ROUTES


@pytest.mark.parametrize("path", SIGNED_ROUTES)
def test_a_signed_route_asks_for_iam(resources: dict[str, Any], path: str) -> None:
    """Nobody reaches these routes without an IAM signature."""
    body = resources["Api"]["Properties"]["Body"]
    assert body["paths"][path][ANY]["security"] == [{"AWS_IAM": []}]
    schemes = body.get("components", body)["securitySchemes" if "components" in body else "securityDefinitions"]
    assert schemes["AWS_IAM"]["x-amazon-apigateway-authtype"] == "awsSigv4"


@pytest.mark.parametrize("path", TOKEN_ROUTES)
def test_a_token_route_leaves_the_check_to_its_function(resources: dict[str, Any], path: str) -> None:
    """Feed readers and browsers can't sign requests."""
    for method in resources["Api"]["Properties"]["Body"]["paths"][path].values():
        assert method["security"] in ([{"NONE": []}], [])


def test_a_browser_s_preflight_is_not_answered(resources: dict[str, Any]) -> None:
    """There is no CORS: with it, SAM adds an OPTIONS method to every path, under the default authorizer."""
    for path, methods in resources["Api"]["Properties"]["Body"]["paths"].items():
        assert "options" not in methods, path


def test_answers_are_compressed_and_bodies_stay_text(resources: dict[str, Any]) -> None:
    """API Gateway compresses; a binary media type of */* would have it encode every request's body in base64."""
    api = resources["Api"]["Properties"]
    assert 0 < api["MinimumCompressionSize"] <= 4096
    assert "BinaryMediaTypes" not in api
    assert "x-amazon-apigateway-binary-media-types" not in api["Body"]


def test_no_route_uses_the_caller_s_credentials(resources: dict[str, Any]) -> None:
    """With SAM's default InvokeRole, callers would need lambda:InvokeFunction and could forge events."""
    assert "credentials" not in json.dumps(resources["Api"]["Properties"]["Body"])


def test_every_method_is_throttled_and_those_open_to_the_world_apart() -> None:
    """Anybody can call the token routes: what junk can cost is bounded, and takes nothing from signed requests."""
    template = translate()
    (stage,) = of_type(template["Resources"], "AWS::ApiGateway::Stage").values()
    parameters = template["Parameters"]
    for setting in stage["MethodSettings"]:
        for name, value in setting.items():
            setting[name] = parameters[value["Ref"]]["Default"] if isinstance(value, dict) else value
    limits = {(unescaped(each["ResourcePath"]), each["HttpMethod"]): each for each in stage["MethodSettings"]}
    assert set(limits) == {("/*", "*")} | {(path, method) for path in TOKEN_ROUTES for method in ("GET", "HEAD")}
    signed = limits.pop(("/*", "*"))
    for limit in limits.values():
        assert limit["ThrottlingRateLimit"] < signed["ThrottlingRateLimit"]
        assert limit["ThrottlingBurstLimit"] < signed["ThrottlingBurstLimit"]
    junk = sum(limit["ThrottlingRateLimit"] for limit in limits.values())
    assert junk <= 30, "a request costs $3.50 per million: 30 a second for a month are $270, and Lambda's share"


def unescaped(path: str) -> str:
    """A path of the method settings as the API has it; there its slashes are ~1 (CloudFormation, MethodSetting)."""
    assert path.count("/") == 1, f"{path}: API Gateway refuses the method setting"
    return path if path == "/*" else path.removeprefix("/").replace("~1", "/")


def test_api_gateway_itself_logs_traces_and_caches_nothing(resources: dict[str, Any]) -> None:
    """Execution logs and data traces hold query strings, and so tokens; a cache serves answers past a revocation."""
    (stage,) = of_type(resources, "AWS::ApiGateway::Stage").values()
    for setting in stage["MethodSettings"]:
        assert set(setting) == {"ResourcePath", "HttpMethod", "ThrottlingRateLimit", "ThrottlingBurstLimit"}
    assert "CacheClusterEnabled" not in stage
    assert not of_type(resources, "AWS::ApiGateway::Account"), "it is the account's, not the stack's"


def test_access_logs_are_asked_for_and_hold_no_tokens(resources: dict[str, Any]) -> None:
    """They need a role for the whole account, so they are off by default; query strings and paths hold secrets."""
    (stage,) = of_type(resources, "AWS::ApiGateway::Stage").values()
    condition, logging, otherwise = stage["AccessLogSetting"]["Fn::If"]
    assert condition == "LogsAccess"
    assert otherwise == {"Ref": "AWS::NoValue"}
    said = set(re.findall(r"\$context\.([A-Za-z.]+)", logging["Format"]))
    assert said == {
        "requestId",
        "requestTimeEpoch",
        "identity.sourceIp",
        "identity.userArn",
        "httpMethod",
        "resourcePath",
        "status",
        "responseLength",
        "responseLatency",
    }
    assert json.loads(logging["Format"]), "one JSON object"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_may_do_what_the_design_says_and_no_more(resources: dict[str, Any], name: str) -> None:
    """Single actions on the narrowest resources, and no policy that is managed elsewhere."""
    role = resources[f"{name}Role"]["Properties"]
    assert named(resources[f"{name}Function"]["Properties"]["Role"]) == f"{name}Role"
    assert role["Path"] == {"Ref": "RolePath"}
    assert role["PermissionsBoundary"] == {"Fn::If": ["HasBoundary", {"Ref": "PermissionsBoundary"}, NOTHING]}
    granted: dict[str, set[str]] = {}
    for statement in map(dict, statements(role, "HasAllowedRoles")):
        if is_marking(statement):
            assert statement.pop("Condition") == CREATED_ONCE
        assert set(statement) == {"Effect", "Action", "Resource"}
        assert statement["Effect"] == "Allow"
        for action in listed(statement["Action"]):
            granted.setdefault(action, set()).update(map(named, listed(statement["Resource"])))
    logs = {"logs:CreateLogStream": {f"{name}Logs"}, "logs:PutLogEvents": {f"{name}Logs"}}
    assert granted == MAY_TOUCH[name] | logs
    assert not any("*" in action for action in granted)


def is_marking(statement: dict[str, Any]) -> bool:
    """Whether it lets a function that faces the internet note that a token was used."""
    return set(map(named, listed(statement["Resource"]))) == MARKS


def test_what_faces_the_internet_can_change_nothing(resources: dict[str, Any]) -> None:
    """All that it can write are marks that a token was used, each once; the condition keeps it from replacing any."""
    reading = {"s3:GetObject", "s3:ListBucket", "logs:CreateLogStream", "logs:PutLogEvents"}
    for name in ("Summary", "Findings"):
        granted = statements(resources[f"{name}Role"]["Properties"])
        (writing,) = [each for each in granted if not set(listed(each["Action"])) <= reading]
        assert (is_marking(writing), writing["Action"], writing["Condition"]) == (True, "s3:PutObject", CREATED_ONCE)


def test_roles_are_assumed_only_where_a_parameter_allows_some(resources: dict[str, Any]) -> None:
    """With AllowedRoles empty, StartScan has no sts:AssumeRole at all."""
    granted = {
        action for each in statements(resources["StartScanRole"]["Properties"]) for action in listed(each["Action"])
    }
    assert "ecr:StartImageScan" in granted
    assert "sts:AssumeRole" not in granted


def test_the_organisation_s_role_is_assumed_in_its_accounts_alone(resources: dict[str, Any]) -> None:
    """A role of that name in any account: the organisation's id is what keeps strangers' accounts out."""
    role = resources["StartScanRole"]["Properties"]
    (more,) = [each for each in statements(role, "HasOrganization") if each not in statements(role)]
    assert more == {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Resource": {"Fn::Sub": "arn:${AWS::Partition}:iam::*:role/${OrganizationRole}"},
        "Condition": {"StringEquals": {"aws:ResourceOrgID": {"Ref": "OrganizationId"}}},
    }


def test_events_come_from_the_organisation_s_forwarding_role_alone(resources: dict[str, Any]) -> None:
    """The bus is the account's default one: what may put events on it could wake others' rules, too."""
    policy = resources["FromOrganization"]
    assert policy["Condition"] == "HasOrganization"
    statement = policy["Properties"]["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Allow", "events:PutEvents")
    assert statement["Condition"] == {
        "StringEquals": {"aws:PrincipalOrgID": {"Ref": "OrganizationId"}},
        "ArnLike": {"aws:PrincipalArn": {"Fn::Sub": "arn:${AWS::Partition}:iam::*:role/${OrganizationRole}-events"}},
    }


@pytest.mark.parametrize("name", FUNCTIONS)
def test_keys_are_used_only_where_parameters_name_them(resources: dict[str, Any], name: str) -> None:
    """All four write something, if only marks: so all make data keys."""
    role = resources[f"{name}Role"]["Properties"]
    both = ["kms:Decrypt", "kms:GenerateDataKey"]
    wanted = [("BucketKeyArn", both)]
    if name == "StartScan":
        wanted += [("QueueKeyArn", both), ("TopicKeyArn", both)]
    more = [
        each
        for each in statements(role, "HasBucketKey", "HasQueueKey", "HasTopicKey", "HasLogsKey")
        if each not in statements(role)
    ]
    assert [(named(each["Resource"]), each["Action"]) for each in more] == wanted


def test_a_paused_service_has_no_ticks_and_misses_none(resources: dict[str, Any]) -> None:
    """Whoever pauses scanning wants no alarm about it; all others go on."""
    assert resources["StartScanFunctionTick"]["Properties"]["State"] == {"Fn::If": ["Scans", "ENABLED", "DISABLED"]}
    missing = resources["TickMissingAlarm"]["Properties"]["TreatMissingData"]
    assert missing == {"Fn::If": ["Scans", "breaching", "notBreaching"]}


def test_copies_of_signals_are_read_only_where_a_parameter_names_their_prefix(resources: dict[str, Any]) -> None:
    """Nothing of any other bucket otherwise, and no more than that prefix."""
    role = resources["StartScanRole"]["Properties"]
    (more,) = [each for each in statements(role, "HasSignalsPrefix") if each not in statements(role)]
    assert (more["Effect"], more["Action"]) == ("Allow", "s3:GetObject")
    pattern, names = more["Resource"]["Fn::Sub"]
    assert pattern == "arn:${AWS::Partition}:s3:::${Prefix}*"
    assert names == {"Prefix": {"Fn::Select": [1, {"Fn::Split": ["s3://", {"Fn::Sub": "${SignalsFrom}s3://"}]}]}}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_traces_are_written_only_where_a_parameter_asks(resources: dict[str, Any], name: str) -> None:
    """X-Ray takes no narrower resource, so the permission comes with the parameter."""
    role = resources[f"{name}Role"]["Properties"]
    (more,) = [each for each in statements(role, "Traces") if each not in statements(role)]
    assert more == {"Effect": "Allow", "Action": ["xray:PutTraceSegments", "xray:PutTelemetryRecords"], "Resource": "*"}
    tracing = resources[f"{name}Function"]["Properties"]["TracingConfig"]["Mode"]
    assert tracing == {"Fn::If": ["Traces", "Active", "PassThrough"]}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_gets_its_environment(resources: dict[str, Any], name: str) -> None:
    """The variables that the settings read, and no function another's."""
    assert set(resources[f"{name}Function"]["Properties"]["Environment"]["Variables"]) == ENVIRONMENT[name]


def test_copies_of_the_trail_can_be_created_and_nothing_else(resources: dict[str, Any]) -> None:
    """Where a parameter asks for them; a write without If-None-Match would replace what is there."""
    role = resources["ConfigRole"]["Properties"]
    (more,) = [each for each in statements(role, "CopiesAudit") if each not in statements(role)]
    assert (more["Effect"], more["Action"], named(more["Resource"])) == ("Allow", "s3:PutObject", *keys("audit/*"))
    assert more["Condition"] == CREATED_ONCE
    for name in FUNCTIONS:
        granted = statements(resources[f"{name}Role"]["Properties"], "CopiesAudit")
        assert [each for each in granted if "audit" in json.dumps(each)] == ([more] if name == "Config" else [])


def test_the_api_s_policy_opens_the_token_routes_alone(resources: dict[str, Any]) -> None:
    """What it allowed of a signed route, every principal of the account could call without a permission of its own."""
    allow, *limits = resources["Api"]["Properties"]["Body"]["x-amazon-apigateway-policy"]["Statement"]
    assert (allow["Effect"], allow["Principal"]) == ("Allow", "*")
    an_id = "0b0e7e4a-9c3e-4e6e-8b1f-0a1b2c3d4e5f"
    for path in SIGNED_ROUTES | TOKEN_ROUTES:
        asked = path.replace("{id}", an_id).replace("{name}", "some-name-of-a-token")
        for method in ("GET", "HEAD", "POST", "PUT", "DELETE"):
            opened = any(fnmatchcase(f"execute-api:/v1/{method}{asked}", one) for one in allow["Resource"])
            assert opened is (path in TOKEN_ROUTES and method in ("GET", "HEAD")), (method, path)
    conditions = {limit["Fn::If"][0]: limit["Fn::If"][1] for limit in limits}
    assert all(limit["Fn::If"][2] == {"Ref": "AWS::NoValue"} for limit in limits)
    assert {(one["Effect"], one["Resource"]) for one in conditions.values()} == {("Deny", "execute-api:/*")}
    assert list(conditions["LimitsAddresses"]["Condition"]) == ["NotIpAddress"]
    assert list(conditions["LimitsVpcEndpoints"]["Condition"]) == ["StringNotEquals"]


def test_the_api_s_own_url_can_be_turned_off(resources: dict[str, Any]) -> None:
    """Behind a custom domain it would be a way around what stands there."""
    assert '{"disableExecuteApiEndpoint": {"Fn::If": ["AnswersExecuteApi", false, true]}}' in json.dumps(
        resources["Api"]["Properties"]["Body"]
    )


def test_no_function_takes_a_share_of_the_account_s_concurrency(resources: dict[str, Any]) -> None:
    """A new account may run ten functions at once, and a reservation must leave a hundred to the rest."""
    for function in of_type(resources, "AWS::Lambda::Function").values():
        assert "ReservedConcurrentExecutions" not in function


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name != "StartScan"])
def test_a_function_of_the_api_ends_when_api_gateway_hangs_up(resources: dict[str, Any], name: str) -> None:
    """API Gateway waits 29 s; what goes on after that is paid for and seen by nobody."""
    assert resources[f"{name}Function"]["Properties"]["Timeout"] <= 29


def test_nothing_is_tied_to_one_partition() -> None:
    """The template's own ARNs and URLs hold in China and GovCloud too. (SAM makes its own where it is run.)"""
    lines = [line for line in TEMPLATE.read_text(encoding="utf-8").splitlines() if "AllowedPattern" not in line]
    assert {found for line in lines for found in re.findall(r"arn:([^:]+):", line)} == {"${AWS"}
    assert {found for line in lines for found in re.findall(r"([\w-]+)\.amazonaws\.com", line)} == {
        *("events", "cloudwatch", "lambda"),
    }


def test_nothing_a_function_is_given_depends_on_the_api(resources: dict[str, Any]) -> None:
    """The API refers to the functions: its URL in their environment would be a circle that fails on deploying."""
    for name in FUNCTIONS:
        given = json.dumps(resources[f"{name}Function"])
        assert '"Api"' not in given
        assert "${Api" not in given


def test_a_tick_comes_every_five_minutes_and_is_not_retried(
    template: dict[str, Any], resources: dict[str, Any]
) -> None:
    """A failed tick that came again at once would run beside the next one."""
    rule = resources["StartScanFunctionTick"]["Properties"]
    assert rule["ScheduleExpression"] == {"Ref": "Schedule"}
    assert template["Parameters"]["Schedule"]["Default"] == "rate(5 minutes)"
    (target,) = rule["Targets"]
    assert named(target["Arn"]) == "StartScanFunction"
    assert target["RetryPolicy"] == {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 300}
    invoke = resources["StartScanFunctionEventInvokeConfig"]["Properties"]
    assert (invoke["MaximumRetryAttempts"], invoke["MaximumEventAgeInSeconds"]) == (0, 300)
    assert resources["StartScanFunction"]["Properties"]["Timeout"] == 240


def test_the_queue_feeds_start_scan_in_large_batches_to_few_workers(resources: dict[str, Any]) -> None:
    """Many workers race for the same documents until messages are dead-lettered."""
    (mapping,) = of_type(resources, "AWS::Lambda::EventSourceMapping").values()
    assert named(mapping["EventSourceArn"]) == "EventsQueue"
    assert named(mapping["FunctionName"]) == "StartScanFunction"
    assert mapping["BatchSize"] == 500
    assert mapping["MaximumBatchingWindowInSeconds"] == 60
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": 2}
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_a_message_is_tried_eight_times_and_then_kept_for_people(resources: dict[str, Any]) -> None:
    """A message is invisible for six timeouts, then goes to a queue whose alarm rings."""
    queue, dead = (resources[name]["Properties"] for name in ("EventsQueue", "DeadLetterQueue"))
    assert queue["VisibilityTimeout"] == 6 * resources["StartScanFunction"]["Properties"]["Timeout"] + 60
    assert queue["RedrivePolicy"]["maxReceiveCount"] == 8
    assert named(queue["RedrivePolicy"]["deadLetterTargetArn"]) == "DeadLetterQueue"
    for each in (queue, dead):
        assert each["SqsManagedSseEnabled"] == {"Fn::If": ["HasQueueKey", NOTHING, True]}
        assert each["KmsMasterKeyId"] == {"Fn::If": ["HasQueueKey", {"Ref": "QueueKeyArn"}, NOTHING]}
    alarm = resources["DeadLettersAlarm"]["Properties"]
    assert [named(each["Value"]) for each in alarm["Dimensions"]] == ["DeadLetterQueue"]


def test_only_our_rules_send_to_the_queue(resources: dict[str, Any]) -> None:
    """EventBridge may send for the two rules of this stack, and for nobody else's."""
    statement, _ = resources["EventsQueuePolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Allow", "sqs:SendMessage")
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    sources = set(map(named, statement["Condition"]["ArnEquals"]["aws:SourceArn"]))
    rules = of_type(resources, "AWS::Events::Rule")
    to_queue = {name for name, rule in rules.items() for each in rule["Targets"] if named(each["Arn"]) == "EventsQueue"}
    assert sources == to_queue == {"ScanCompleteRule", "ImageActionRule"}


@pytest.mark.parametrize("queue", ["EventsQueue", "DeadLetterQueue"])
def test_a_queue_takes_tls_only(resources: dict[str, Any], queue: str) -> None:
    """Each queue has a policy of its own, which names nothing else."""
    policy = resources[f"{queue}Policy"]["Properties"]
    assert list(map(named, policy["Queues"])) == [queue]
    statements_ = policy["PolicyDocument"]["Statement"]
    assert {named(each["Resource"]) for each in statements_} == {queue}
    (deny,) = [each for each in statements_ if each["Effect"] == "Deny"]
    assert (deny["Principal"], deny["Action"]) == ("*", "sqs:*")
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_the_bucket_is_private_encrypted_versioned_and_outlives_the_stack(resources: dict[str, Any]) -> None:
    """All state is in one bucket: deleting the stack must not delete it, but a failed first deployment leaves none."""
    bucket = resources["Bucket"]
    assert (bucket["DeletionPolicy"], bucket["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
    assert set(bucket["Properties"]["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["Properties"]["VersioningConfiguration"] == {"Status": "Enabled"}
    assert "BucketEncryption" in bucket["Properties"]
    (tls,) = resources["BucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert tls["Effect"] == "Deny"
    assert tls["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_every_prefix_s_old_versions_expire(resources: dict[str, Any]) -> None:
    """Versioning covers every write: without an end, the versions would outgrow the documents."""
    rules = resources["Bucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    expiring = {rule["Prefix"] for rule in rules if rule.get("NoncurrentVersionExpiration", {}).get("NoncurrentDays")}
    written = {prefix.partition("}/")[2].removesuffix("*") for prefix in CONFIG_WRITES | START_SCAN_WRITES}
    assert expiring == written | {"audit/", "used/"}
    ending = {rule["Prefix"] for rule in rules if "ExpirationInDays" in rule}
    assert ending == {"history/", "used/"}, "no record ends by itself"
    (remains,) = [rule for rule in rules if "Prefix" not in rule]
    assert remains["ExpiredObjectDeleteMarker"] is True
    assert "AbortIncompleteMultipartUpload" in remains


def test_the_topic_can_be_reached_by_alarms(resources: dict[str, Any]) -> None:
    """CloudWatch can't publish to a topic under the AWS-managed SNS key, and says nothing about it."""
    key = resources["Topic"]["Properties"]["KmsMasterKeyId"]
    assert key == {"Fn::If": ["HasTopicKey", {"Ref": "TopicKeyArn"}, NOTHING]}


def test_every_function_logs_to_a_group_that_forgets(resources: dict[str, Any]) -> None:
    """Log groups have a retention, and belong to one function each."""
    for name in FUNCTIONS:
        assert named(resources[f"{name}Function"]["Properties"]["LoggingConfig"]["LogGroup"]) == f"{name}Logs"
        assert resources[f"{name}Logs"]["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}


def test_every_parameter_is_described_and_grouped(template: dict[str, Any]) -> None:
    """A person who deploys meets each parameter under a heading, with an explanation and a default."""
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert sorted(name for group in groups for name in group["Parameters"]) == sorted(template["Parameters"])
    for parameter in template["Parameters"].values():
        assert {"Description", "Default"} <= set(parameter)
