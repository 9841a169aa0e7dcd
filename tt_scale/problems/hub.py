r"""Problem sets of the Hugging Face hub, through the `datasets` library.

Rows of HuggingFaceH4/MATH-500 and of openai/gsm8k::

    {"problem": "What is the smallest positive perfect cube that can be written as the sum of three consecutive
                 integers?",
     "solution": "The sum of three consecutive integers takes the form $(k-1)+(k)+(k+1)=3k$ ... $\\boxed{27}$.",
     "answer": "27", "subject": "Number Theory", "level": 2, "unique_id": "test/number_theory/737.json"}

    {"question": "A robe takes 2 bolts of blue fiber and half that much white fiber.  How many bolts in total does it
                  take?",
     "answer": "It takes 2/2=<<2/2=1>>1 bolt of white fiber\nSo the total amount of fabric is 2+1=<<2+1=3>>3 bolts of
                fabric\n#### 3"}

Sets of MathArena have `problem_idx`, `problem`, `answer` and mostly `problem_type`, a list; their texts are not shown
here because their licence is not ours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from tt_scale.engines.hub import hub_access
from tt_scale.engines.model_names import at_revision
from tt_scale.errors import MissingExtraError, ProblemSetError
from tt_scale.problems.rows import RawRow

__all__ = ["HUB_NAME", "read_hub"]

HUB_NAME = re.compile(
    r"(?P<repo>[A-Za-z0-9][\w.-]*/[\w.-]+)(?:@(?P<revision>[\w./-]+))?"
    r"(?::(?P<config>[\w.-]+))?(?::(?P<split>[\w.-]+))?(?:@(?P<last>[\w./-]+))?",
    re.ASCII,
)
"""`owner/name`, `owner/name:configuration` or `owner/name:configuration:split`; `@revision` behind the name or last."""

_BENCHMARK: Mapping[str, tuple[str, str]] = MappingProxyType({"openai/gsm8k": ("main", "test")})
"""Configuration and split of sets whose default is not the benchmark that is reported."""

_LOCAL_HINT = "Check the name and the network, or use a local file: --dataset problems.jsonl"


def read_hub(name: str, split: str) -> list[RawRow]:
    """Read one split of a hub set.

    Args:
        name: matches `HUB_NAME`; a configuration or split in it overrides all defaults.
        split: split to read if the name has none; a set with a single split is read under any name.

    Raises:
        ProblemSetError: no such set, revision or split, no network, or a set that `datasets` cannot read.
        MissingExtraError: `datasets` is not installed.
    """
    parts = HUB_NAME.fullmatch(name)
    assert parts is not None
    repo, config, chosen = parts["repo"], parts["config"], parts["split"]
    if config is None and repo in _BENCHMARK:
        config, chosen = _BENCHMARK[repo]
    if parts["revision"] and parts["last"]:
        raise ProblemSetError(
            f"{name} names two revisions, {parts['revision']} and {parts['last']}.", "Keep one of them."
        )
    splits = _load(repo, config, parts["revision"] or parts["last"])
    if not chosen and len(splits) == 1:
        chosen = next(iter(splits))
    chosen = chosen or split
    if chosen not in splits:
        raise ProblemSetError(
            f"{repo} has no split {chosen!r}; available: {', '.join(sorted(splits))}.",
            f"Type for example: --split {min(splits)}" if splits else "",
        )
    table = splits[chosen]
    labels = _labels(table)
    return [RawRow(f"{repo}, row {number}", _decoded(row, labels)) for number, row in enumerate(table, start=1)]


def _load(repo: str, config: str | None, revision: str | None) -> Mapping[str, Any]:
    try:
        import datasets
    except ImportError:
        raise MissingExtraError(
            "datasets", "hub", f"Reading the problem set {repo!r} from the Hugging Face hub"
        ) from None
    try:
        with hub_access(repo):
            loaded: Mapping[str, Any] = datasets.load_dataset(repo, config, **at_revision(revision))
            return loaded
    except Exception as error:  # noqa: BLE001  the library lets through whatever its HTTP, Arrow and YAML layers raise
        raise _explained(repo, revision, error) from None


def _explained(repo: str, revision: str | None, error: Exception) -> ProblemSetError:
    text = str(error)
    listed = re.search(r"(?:available configs|Available): \[(.*?)\]", text)
    if listed:
        names = listed[1].replace("'", "")
        first = names.partition(",")[0]
        return ProblemSetError(f"{repo} has these configurations: {names}.", f"Name one: --dataset {repo}:{first}")
    if revision is not None and ("revision" in text.lower() or type(error).__name__ == "RevisionNotFoundError"):
        return ProblemSetError(
            f"The problem set {repo!r} has no revision {revision!r}.", "Name a branch, a tag or a commit of it."
        )
    if type(error).__name__ == "DatasetNotFoundError":
        return ProblemSetError(f"The Hugging Face hub has no public problem set {repo!r}.", _LOCAL_HINT)
    reason = (text.splitlines() or [""])[0][:200].rstrip(". ") or type(error).__name__
    return ProblemSetError(f"{repo} cannot be read from the Hugging Face hub: {reason}.", _LOCAL_HINT)


def _labels(table: Any) -> dict[str, list[str]]:
    """Label names of the columns that contain class numbers: number 0 may mean "Level 1"."""
    features = getattr(table, "features", None) or {}
    return {name: feature.names for name, feature in features.items() if hasattr(feature, "names")}


def _decoded(row: Mapping[str, Any], labels: Mapping[str, list[str]]) -> dict[str, Any]:
    named = {name: names[row[name]] for name, names in labels.items() if isinstance(row[name], int) and row[name] >= 0}
    return {**row, **named}
