"""Reads template.yaml the way CloudFormation does, as far as this project's template goes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ACCOUNT = "123456789012"
REGION = "us-east-1"
STACK = "ecr-rescan"

_NO_VALUE = object()
_PSEUDO_PARAMETERS = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Region": REGION,
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::StackName": STACK,
    "AWS::StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{STACK}/local",
    "AWS::NoValue": _NO_VALUE,
}


class TemplateError(Exception):
    """template.yaml uses something that the local stack does not know; the message says where and what."""


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms (``!Ref``, ``!GetAtt``, ``!Sub`` …) written out."""


def _short_form(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = value.split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)  # type: ignore[arg-type]
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _short_form)


class Template:
    """A template with its parameters at their defaults.

    Args:
        path: the template; paths inside it are relative to its folder.
        endpoint: base URL of the local AWS, for queue URLs.
        parameters: values instead of defaults, by name.
    """

    def __init__(self, path: Path, endpoint: str, parameters: Mapping[str, str] | None = None) -> None:
        document = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a SafeLoader
        self.folder = path.resolve().parent
        self.globals: dict[str, Any] = document.get("Globals", {})
        self._endpoint = endpoint
        self._conditions: dict[str, Any] = document.get("Conditions", {})
        self._parameters = {
            name: self._parameter(name, found, parameters or {})
            for name, found in document.get("Parameters", {}).items()
        }
        self.resources: dict[str, dict[str, Any]] = {
            name: resource
            for name, resource in document["Resources"].items()
            if "Condition" not in resource or self._condition(resource["Condition"])
        }

    @staticmethod
    def _parameter(name: str, parameter: dict[str, Any], given: Mapping[str, str]) -> Any:
        value = given.get(name, parameter.get("Default"))
        if value is None:
            raise TemplateError(f"Parameters.{name}: has no default")
        return str(value).split(",") if parameter["Type"] == "CommaDelimitedList" else str(value)

    def of_type(self, kind: str) -> dict[str, dict[str, Any]]:
        """The properties, resolved, of all resources of a type, by logical id."""
        return {
            name: self.resolve(resource.get("Properties", {}), name)
            for name, resource in self.resources.items()
            if resource["Type"] == kind
        }

    def resolve(self, node: Any, where: str) -> Any:
        """A value with its intrinsic functions answered; ``where`` is for messages."""
        if isinstance(node, list):
            items = (self.resolve(item, where) for item in node)
            return [item for item in items if item is not _NO_VALUE]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            ((name, argument),) = node.items()
            if name == "Ref" or name.startswith("Fn::"):
                return self._call(name, argument, where)
        values = {key: self.resolve(value, f"{where}.{key}") for key, value in node.items()}
        return {key: value for key, value in values.items() if value is not _NO_VALUE}

    def _call(self, name: str, argument: Any, where: str) -> Any:
        match name:
            case "Ref":
                return self._ref(argument, where)
            case "Fn::GetAtt":
                logical_id, attribute = argument
                return self._attribute(logical_id, attribute, where)
            case "Fn::Sub":
                return self._sub(argument, where)
            case "Fn::Join":
                separator, items = argument
                return separator.join(map(str, self.resolve(items, where)))
            case "Fn::Split":
                separator, text = argument
                return str(self.resolve(text, where)).split(separator)
            case "Fn::Select":
                number, items = argument
                return self.resolve(items, where)[int(number)]
            case "Fn::If":
                condition, yes, no = argument
                return self.resolve(yes if self._condition(condition) else no, where)
            case _:
                raise TemplateError(f"{where}: {name} is not known to the local stack")

    def _condition(self, node: Any) -> bool:
        if isinstance(node, str):
            return self._condition(self._conditions[node])
        ((name, argument),) = node.items()
        match name:
            case "Condition":
                return self._condition(argument)
            case "Fn::Equals":
                left, right = (self.resolve(side, "Conditions") for side in argument)
                return bool(left == right)
            case "Fn::Not":
                return not self._condition(argument[0])
            case "Fn::And":
                return all(self._condition(item) for item in argument)
            case "Fn::Or":
                return any(self._condition(item) for item in argument)
            case _:
                raise TemplateError(f"Conditions: {name} is not known to the local stack")

    def _sub(self, argument: Any, where: str) -> str:
        text, extra = argument if isinstance(argument, list) else (argument, {})
        variables = self.resolve(extra, where)

        def value(found: re.Match[str]) -> str:
            name = found.group(1)
            if name.startswith("!"):
                return f"${{{name[1:]}}}"
            if name in variables:
                return str(variables[name])
            logical_id, _, attribute = name.partition(".")
            return str(self._attribute(logical_id, attribute, where) if attribute else self._ref(name, where))

        return re.sub(r"\$\{([^}]+)\}", value, text)

    def _ref(self, name: str, where: str) -> Any:
        if name in _PSEUDO_PARAMETERS:
            return _PSEUDO_PARAMETERS[name]
        if name in self._parameters:
            return self._parameters[name]
        match self._kind(name, where):
            case "AWS::SQS::Queue":
                return f"{self._endpoint}/{ACCOUNT}/{self.name(name)}"
            case "AWS::SNS::Topic":
                return self._attribute(name, "TopicArn", where)
            case "AWS::Serverless::LayerVersion":
                return name
            case _:
                return self.name(name)

    def _attribute(self, logical_id: str, attribute: str, where: str) -> str:
        kind, name = self._kind(logical_id, where), self.name(logical_id)
        arns = {
            "AWS::S3::Bucket": f"arn:aws:s3:::{name}",
            "AWS::SQS::Queue": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}",
            "AWS::SNS::Topic": f"arn:aws:sns:{REGION}:{ACCOUNT}:{name}",
            "AWS::Events::Rule": f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{name}",
            "AWS::Serverless::Function": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}",
            "AWS::Logs::LogGroup": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{name}:*",
            "AWS::IAM::Role": f"arn:aws:iam::{ACCOUNT}:role/{name}",
        }
        if attribute in ("Arn", "TopicArn") and kind in arns:
            return arns[kind]
        if attribute in ("QueueName", "TopicName"):
            return name
        raise TemplateError(f"{where}: {logical_id}.{attribute} ({kind}) is not known to the local stack")

    def _kind(self, logical_id: str, where: str) -> str:
        if logical_id not in self.resources:
            raise TemplateError(f"{where}: there is no parameter or resource {logical_id}")
        kind: str = self.resources[logical_id]["Type"]
        return kind

    def name(self, logical_id: str) -> str:
        """The physical name of a resource: its own if the template gives one, else as CloudFormation makes it."""
        properties = self.resources[logical_id].get("Properties", {})
        for member in ("BucketName", "QueueName", "TopicName", "FunctionName", "RoleName", "LogGroupName"):
            if member in properties:
                return str(self.resolve(properties[member], logical_id))
        made = f"{STACK}-{logical_id}"
        return made.lower() if self.resources[logical_id]["Type"] == "AWS::S3::Bucket" else made
