"""How the help of a command looks."""

from typing import Any

from typer.core import TyperCommand


class Command(TyperCommand):
    """A command whose help names an argument as people do: "PATH", and not "PATH <list[str]>"."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for parameter in self.params:
            if parameter.param_type_name == "argument":
                parameter.display_type_rich = lambda ctx: None  # type: ignore[attr-defined]
