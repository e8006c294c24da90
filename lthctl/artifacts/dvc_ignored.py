"""What a `.dvcignore` leaves out, at a cost that is bounded: somebody else may have written it.

DVC makes regular expressions of its patterns. Each star of a pattern multiplies what a long name
costs, so five of them take minutes. A pattern of many stars is passed over, and so is a file of
many patterns. Then more is looked at, and nothing is missed.
"""

import re
from typing import Any

MOST_STARS = 2  # in a pattern; "**" is one

MOST_BYTES = 4096  # of a file


def bounded_filter(files: Any, root: str) -> Any:
    """What DVC asks which paths are ignored.

    Args:
      files: DVC's file system.
      root: of the project.
    """
    from dvc.ignore import DvcIgnore, DvcIgnoreFilter, DvcIgnorePatterns

    class Bounded(DvcIgnoreFilter):  # type: ignore[misc]
        def _update_trie(self, folder: str, patterns: Any) -> None:
            key = self._get_key(folder)
            path = self.fs.join(folder, DvcIgnore.DVCIGNORE_FILE)
            if self.fs.exists(path) and self.fs.size(path) > MOST_BYTES:
                patterns[key] = patterns.longest_prefix(key).value
                return
            super()._update_trie(folder, patterns)
            if (found := patterns.get(key)) is None:
                return
            kept = [one for one in found.pattern_list if is_cheap(one.patterns)]
            if len(kept) < len(found.pattern_list):
                patterns[key] = DvcIgnorePatterns(kept, found.dirname, self.fs.sep)

    return Bounded(files, root)


def is_cheap(pattern: str) -> bool:
    """Whether a pattern has so few stars that no name makes it slow."""
    return len(re.findall(r"\*+", pattern)) <= MOST_STARS
