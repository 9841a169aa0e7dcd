"""What every test needs: `tests` on the path, so that worlds can be shared; the longest files first; other rounding."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from fragile import FragileGenerator

sys.path.insert(0, str(Path(__file__).parent))

# A busy machine is no fault of the code, and the same commit passes or fails everywhere.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--other-rounding", action="store_true", help="Run models as if on a processor that rounds otherwise."
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let files that start an engine come first: of two processes one would else wait for the other's last file."""
    engines = {item.path for item in items if item.get_closest_marker("vllm")}
    items.sort(key=lambda item: item.path not in engines)


@pytest.fixture(autouse=True, scope="session")
def _rounding(request: pytest.FixtureRequest) -> Iterator[None]:
    if not request.config.getoption("--other-rounding"):
        yield
        return
    from rounding import other_rounding

    with other_rounding():
        yield


CHEAP_SEARCHES, CHEAP_TOKENS = 12, 20_000
"""Runs of no more are searched again from their records as soon as they have ended."""


@pytest.fixture(autouse=True)
def _replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Search every small run that a test makes again from its records, and compare: tree, pool, answer, table."""
    from tt_scale.bench.compare import compare_command
    from tt_scale.bench.run import session

    run_plan, run_interleaved = session.run_plan, compare_command.run_interleaved

    async def one(plan: Any, grader: Any, *more: Any) -> None:
        await run_plan(plan, grader, *more)
        await _check_replay(plan, grader)

    async def several(plans: Any, grader: Any, *more: Any) -> None:
        await run_interleaved(plans, grader, *more)
        for plan in plans:
            await _check_replay(plan, grader)

    monkeypatch.setattr(session, "run_plan", one)
    monkeypatch.setattr(compare_command, "run_interleaved", several)


async def _check_replay(plan: Any, grader: Any) -> None:
    from tt_scale.bench.reader.run_data import read_run
    from tt_scale.bench.replay.replay_run import replay_with
    from tt_scale.bench.replay.search_again import ReplayRules

    rows = plan.journal.rows
    if len(rows) > CHEAP_SEARCHES or sum([row.usage.generated_tokens for row in rows]) > CHEAP_TOKENS:
        return
    run, steps = read_run(plan.journal.folder), plan.journal.first_steps
    rules = ReplayRules(plan.config, plan.searcher, grader, steps.scores if steps else ())
    if any("v" in run.record(search) for search in run.by_search):
        replay = await replay_with(rules, run)
        assert replay.confirmed, [*replay.differing, *replay.tables.differences]


@pytest.fixture
def fragile(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[FragileGenerator]]:
    """Let the simulated generator be one that can be slow, hang or die; all that are opened must be closed."""
    from fragile import FragileGenerator

    from tt_scale.registry import BUILT_IN

    names = {**BUILT_IN["generators"], "simulated": "fragile:FragileGenerator"}
    monkeypatch.setattr("tt_scale.registry.BUILT_IN", {**BUILT_IN, "generators": names})
    FragileGenerator.reset()
    yield FragileGenerator
    assert FragileGenerator.running == 0
    assert FragileGenerator.opened == FragileGenerator.closed
