"""Names of parameters in one program, matched with those in another.

Knows no files and no modules: names and shapes only.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from lthctl.mask import Shapes

WRAPPERS = {"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
"""What torch's wrappers put into names, at any place. No module is called so by itself."""


def without_wrappers(
    names: Collection[str], known: Callable[[str], bool], optional: Collection[str] = ()
) -> dict[str, str]:
    """Name -> the same without what wrappers put before it, such as `module.` or `_orig_mod.`.

    Args:
      names: those of the other program.
      known: whether a name is one of ours.
      optional: those of `names` that need not be ours, and need not share a prefix.

    Returns:
      The renaming with the shortest common prefix left out that makes all names ours. Where none
      does, the names as they are.
    """
    needed = [name for name in names if name not in optional]
    for renamed in _renamings(names, needed):
        if needed and all(known(renamed[name]) for name in needed):
            return renamed
    return {name: name for name in names}


def _renamings(names: Collection[str], needed: Iterable[str]) -> Iterator[dict[str, str]]:
    yield {name: name for name in names}
    plain = {
        name: ".".join(part for part in name.split(".") if part not in WRAPPERS) for name in names
    }
    needed = [plain[name] for name in needed]
    prefix = ""
    while True:
        shorter = {name: text.removeprefix(prefix) for name, text in plain.items()}
        if len(set(shorter.values())) == len(shorter):
            yield shorter
        heads = {text.removeprefix(prefix).partition(".")[0] + "." for text in needed}
        if len(heads) != 1 or not all(text.startswith(prefix + min(heads)) for text in needed):
            return
        prefix += min(heads)


def by_shapes(theirs: Shapes, ours: Shapes) -> dict[str, str] | None:
    """Their modules -> ours, where each fits one of ours and only that.

    A module fits another that has all of its parts, such as `weight`, with the same shapes.

    Args:
      theirs: parameter name -> shape.
      ours: the same.

    Returns:
      Their module's name -> ours; None where a module fits none, or several.
    """
    modules_here, modules_there = _modules(ours), _modules(theirs)
    partners: dict[str, str] = {}
    for module, parts in modules_there.items():
        fitting = [name for name, here in modules_here.items() if parts.items() <= here.items()]
        if len(fitting) != 1 or fitting[0] in partners.values():
            return None
        partners[module] = fitting[0]
    return partners


def renamed_by(names: Iterable[str], modules: Mapping[str, str]) -> dict[str, str]:
    """Parameter name -> its name once its module is renamed; parameters may be named in full."""
    renamed = {}
    for name in names:
        module, _, part = name.rpartition(".")
        renamed[name] = modules.get(name) or _join(modules.get(module, module), part)
    return renamed


def listed(shapes: Shapes) -> str:
    """The first dozen names with their shapes."""
    words = [f"{name[:60]} {tuple(shape)}" for name, shape in shapes.items()]
    return ", ".join(words[:12]) + (f" and {len(words) - 12} more" if len(words) > 12 else "")


def _modules(shapes: Shapes) -> dict[str, dict[str, tuple[int, ...]]]:
    modules: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, shape in shapes.items():
        module, _, part = name.rpartition(".")
        modules.setdefault(module, {})[part] = tuple(shape)
    return modules


def _join(module: str, part: str) -> str:
    return f"{module}.{part}" if module else part
