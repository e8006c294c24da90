"""Tickets that differ in their seed only, for controls that take the mask of another seed."""

from collections.abc import Hashable, Mapping
from typing import TypeVar

from lthctl.artifacts.ticket_document import TicketSpecification
from lthctl.canonical import canonical_json

Key = TypeVar("Key", bound=Hashable)


def kind_of(specification: TicketSpecification) -> bytes:
    """The same for tickets that were found in the same way, whatever their seeds. With images held
    out, their seeds choose other images of one dataset."""
    values = {**specification.to_json(), "seed": None}
    return canonical_json({**values, "data": {**(values["data"] or {}), "digest": None}})


def siblings_of(tickets: Mapping[Key, TicketSpecification]) -> dict[Key, Key]:
    """For every ticket the one of the seed before that was found in the same way; for that of the
    first seed the one of the second. So seeds that are added later change nothing for those that
    are there. A ticket that is the only one of its kind has none.

    Args:
      tickets: whatever they are known by -> what they are.
    """
    kinds: dict[bytes, dict[int, Key]] = {}
    for key, specification in tickets.items():
        kinds.setdefault(kind_of(specification), {}).setdefault(specification.seed, key)
    found: dict[Key, Key] = {}
    for key, specification in tickets.items():
        by_seed = kinds[kind_of(specification)]
        earlier = [seed for seed in by_seed if seed < specification.seed]
        first, *later = sorted(by_seed)
        seed = max(earlier, default=later[0] if later else first)
        if seed != specification.seed:
            found[key] = by_seed[seed]
    return found


def no_sibling(specification: TicketSpecification, control: str) -> str:
    """What to say where a ticket has none."""
    name, seed = specification.name, specification.seed
    missing = f"{name.removesuffix(f'-s{seed}')}-s{seed + 1}"
    return (
        f"{name}: control {control} needs the mask that another seed found, such as {missing}, and "
        "there is none among the tickets given; find it, and give it too"
    )
