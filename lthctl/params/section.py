"""What the sections of params.yaml have in common: frozen, strict, and what of them is identity."""

from collections.abc import Collection
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Frozen; unknown keys are errors."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True
    )

    schema_1: ClassVar[frozenset[str]] = frozenset()
    """The fields that the first schema had. It never changes: a later field is not added here."""

    def identity(self, *, without: Collection[str] = ()) -> dict[str, Any]:
        """What names and files hold of this section, as JSON values.

        A field that the first schema did not have is left out while it stands at its default. So a
        new field costs old tickets, runs and trainings nothing.

        Args:
          without: fields that are left out in any case.

        Example:
          >>> TrainParams(steps=30).identity()["steps"]
          30
        """
        values = self.model_dump(mode="json", exclude=set(without))
        fields = type(self).model_fields
        return {
            name: value
            for name, value in values.items()
            if name in self.schema_1
            or getattr(self, name) != fields[name].get_default(call_default_factory=True)
        }

    @property
    def says_more_than_schema_1(self) -> bool:
        """Whether a field that the first schema did not have stands at another value than its
        default."""
        return not self.identity().keys() <= self.schema_1
