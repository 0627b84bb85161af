"""ECR's refusals, with the texts that ECR uses (ECR API reference; the texts as users quote them in public issues)."""

from __future__ import annotations


class EcrError(Exception):
    """An error answer of ECR.

    Attributes:
        code: ECR's name of the error, such as ``ImageNotFoundException``.
        message: the text that a caller sees.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


def describe_image_id(digest: str | None, tag: str | None) -> str:
    """An image id as ECR writes it into its messages."""
    return f"{{imageDigest:'{digest or 'null'}', imageTag:'{tag or 'null'}'}}"


def image_not_found(digest: str | None, tag: str | None, repository: str, registry: str) -> EcrError:
    """No image with that digest or tag in the repository."""
    return EcrError(
        "ImageNotFoundException",
        f"The image with imageId {describe_image_id(digest, tag)} does not exist within the repository with name "
        f"'{repository}' in the registry with id '{registry}'",
    )


def repository_not_found(repository: str, registry: str) -> EcrError:
    """No repository with that name in the registry."""
    return EcrError(
        "RepositoryNotFoundException",
        f"The repository with name '{repository}' does not exist in the registry with id '{registry}'",
    )


def repository_not_empty(repository: str, registry: str) -> EcrError:
    """Only ``force`` deletes a repository with images in it."""
    return EcrError(
        "RepositoryNotEmptyException",
        f"The repository with name '{repository}' in registry with id '{registry}' cannot be deleted because it still "
        "contains images",
    )


def scan_not_found(digest: str, tag: str | None, repository: str, registry: str) -> EcrError:
    """The image was never scanned under the current scan type."""
    return EcrError(
        "ScanNotFoundException",
        f"Image scan does not exist for the image with '{describe_image_id(digest, tag)}' in the repository with name "
        f"'{repository}' in the registry with id '{registry}'",
    )


def limit_exceeded() -> EcrError:
    """The image's or the account's scans of 24 hours are used up; ECR says the same in both cases."""
    return EcrError("LimitExceededException", "The scan quota per image has been exceeded. Wait and try again.")


def unsupported_image_type(media_type: str) -> EcrError:
    """The artifact is an index, a chart, a signature: nothing that can be scanned."""
    return EcrError(
        "UnsupportedImageTypeException",
        f"An artifact with media type '{media_type}' cannot be scanned. For more information, see the Amazon ECR "
        "documentation.",
    )


def image_archived(digest: str, repository: str, registry: str) -> EcrError:
    """The image is in the archive storage class."""
    return EcrError(
        "ImageArchivedException",
        f"The image with imageId {describe_image_id(digest, None)} in the repository with name '{repository}' in the "
        f"registry with id '{registry}' is archived",
    )


def feature_disabled() -> EcrError:
    """Manual scans don't exist under enhanced scanning."""
    return EcrError("ValidationException", "This feature is disabled")


def invalid_parameter(parameter: str, constraint: str) -> EcrError:
    """A request member that ECR does not accept."""
    return EcrError(
        "InvalidParameterException", f"Invalid parameter at '{parameter}' failed to satisfy constraint: '{constraint}'"
    )
