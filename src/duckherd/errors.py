"""Every error duckherd raises, grouped by what the reader must do.

    DuckherdError
    ├── UsageError                 fix the command line
    │   └── SelectionError         nothing matches: look at the nearest names
    ├── ProjectError               fix prefect.yaml (file, line, column)
    ├── ParameterError             fix a table's parameters
    │   └── CheckError             fix a check: it cannot be judged
    ├── SecretError                fix a secret reference or what it points to
    ├── SourceError                look at the source database
    │   ├── SourceUnreachable      is it up, is the address right? (transient)
    │   ├── SourceDenied           credentials or permissions
    │   ├── TableNotFound          the table, view or schema does not exist
    │   ├── SourceBusy             deadlock, lock or statement timeout (transient)
    │   └── ValueNotCarried        a value has no exact counterpart: choose `as: text`
    ├── LakeError                  look at the lake
    │   ├── LakeDenied             credentials or permissions
    │   ├── LakeUnreachable        the store does not answer (transient)
    │   └── PublishConflict        another run of the table published meanwhile
    ├── ChecksFailed               look at the data: blocking checks failed
    ├── SchemaChanged              accept or refuse the table's new columns
    └── ApiError                   look at the Prefect API
        └── ApiUnreachable         is the server up? (transient)

A message names the object, the value and what is allowed; `hint` is the next
command or change. `transient` errors may succeed when tried again unchanged.
"""

from __future__ import annotations

from typing import ClassVar


class DuckherdError(Exception):
    """Base of all errors with a message meant for the user.

    Args:
        message: what is wrong, naming the object, the value and what is allowed.
        hint: the next command or change, one line; None where there is none.
    """

    transient: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[object, ...]:
        # Errors cross process boundaries (the warm worker); keyword-only
        # arguments would be lost by the default pickling.
        return (_rebuild, (type(self), self.args, self.__dict__))


def _rebuild(
    cls: type[DuckherdError], args: tuple[object, ...], state: dict[str, object]
) -> DuckherdError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class UsageError(DuckherdError):
    """The command line does not make sense."""


class SelectionError(UsageError):
    """A selection matches nothing or cannot be parsed."""


class ProjectError(DuckherdError):
    """`prefect.yaml` cannot be used.

    Args:
        line, column: 1-based position in the file, None where unknown.
    """

    def __init__(
        self,
        message: str,
        *,
        path: str | None = None,
        line: int | None = None,
        column: int | None = None,
        hint: str | None = None,
    ) -> None:
        position = ":".join(str(part) for part in (path, line, column) if part is not None)
        super().__init__(f"{position}: {message}" if position else message, hint=hint)
        self.path = path
        self.line = line
        self.column = column


class ParameterError(DuckherdError):
    """A table's parameters contradict each other or the table."""


class CheckError(ParameterError):
    """A check cannot be judged (unknown column, bad regex, SQL error): never a pass."""


class SecretError(DuckherdError):
    """A secret reference cannot be parsed or resolved."""


class SourceError(DuckherdError):
    """The source database did not do what was asked."""


class SourceUnreachable(SourceError):
    """No connection to the source."""

    transient = True


class SourceDenied(SourceError):
    """The source refused the credentials or a permission."""


class TableNotFound(SourceError):
    """The source has no such table, view or schema."""


class SourceBusy(SourceError):
    """A deadlock, lock timeout or statement timeout at the source."""

    transient = True


class ValueNotCarried(SourceError):
    """A value has no exact counterpart in the lake; nothing was published."""


class LakeError(DuckherdError):
    """The lake did not do what was asked."""


class LakeDenied(LakeError):
    """The lake refused the credentials or a permission."""


class LakeUnreachable(LakeError):
    """The store of the lake does not answer."""

    transient = True


class PublishConflict(LakeError):
    """Another run of the same table published, or is publishing, meanwhile."""


class ChecksFailed(DuckherdError):
    """Checks of severity `error` failed; the lake keeps its last good version."""


class SchemaChanged(DuckherdError):
    """The table's columns changed and `on_schema_change` is `fail`."""


class ApiError(DuckherdError):
    """The Prefect API refused a request.

    Args:
        status: HTTP status code, None where there was no answer.
    """

    def __init__(self, message: str, *, status: int | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class ApiUnreachable(ApiError):
    """The Prefect API does not answer."""

    transient = True
