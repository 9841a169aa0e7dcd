"""The models of a command: opened when they are first needed, watched while they are used, closed at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import TYPE_CHECKING, TypeVar

from tt_scale.backends import resolve_generator
from tt_scale.base_classes import PRM, Generator
from tt_scale.bench.run.csv_logs import check_summary, summary_path
from tt_scale.bench.run.events import Reporter, Warned, loading
from tt_scale.bench.run.watch import StalledError, watched
from tt_scale.config import Config
from tt_scale.errors import EngineDeadError
from tt_scale.models import open_models

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Models", "loaded_names", "model_names"]

Result = TypeVar("Result")
Opening = Callable[[Config], AbstractAsyncContextManager[tuple[Generator, "PRM | None"]]]
"""Opens generator and PRM, as `models.open_models` does."""

START_SHARE = 6
"""Times `stall_timeout` that a start may take: weights come from disks and networks, and give no sign of progress."""

CLOSE_SECONDS = 60.0
"""What models may take to close; what still runs then is left behind, and ends with this process."""


class Models:
    """Generator and PRM of a configuration, opened when they are first needed and closed at the end.

    Args:
        config: names them.
        report: is told that they are loaded, and what goes wrong.
        summary: whether a row of the summary will be written, whose file is checked before anything is loaded.
        opening: opens the models, or those of them that are needed.
        names: of the models, for the report; None takes those of the configuration.
    """

    def __init__(
        self,
        config: Config,
        report: Reporter,
        *,
        summary: bool = True,
        opening: Opening = open_models,
        names: str | None = None,
    ) -> None:
        self._summary = summary
        self._open = opening
        self._names = names
        self._config = config
        self._report = report
        self._stack = AsyncExitStack()
        self._opened: tuple[Generator, PRM | None] | None = None
        self._restarted = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *ended: object) -> None:
        await self.close()

    async def get(self) -> tuple[Generator, PRM | None]:
        """Give both, loaded.

        Raises:
            EngineDeadError: they did not start in time.
        """
        if self._opened is None:
            if self._summary:
                check_summary(summary_path(self._config))
            limit = None if self._config.stall_timeout is None else START_SHARE * self._config.stall_timeout
            with loading(self._report, loaded_names(self._config) if self._names is None else self._names):
                opening = self._stack.enter_async_context(self._open(self._config))
                try:
                    self._opened = await asyncio.wait_for(opening, limit)
                except asyncio.TimeoutError:
                    raise EngineDeadError(
                        f"The models did not start within {limit:.0f} s.", "Type: --stall-timeout none"
                    ) from None
        return self._opened

    @property
    def died(self) -> bool:
        """Whether a model that is open has ended."""
        return any(model.died() for model in self._opened or () if model is not None)

    async def use(self, work: Callable[[Generator, PRM | None], Awaitable[Result]]) -> Result:
        """Wait for work that needs the models, while they are watched; at the first stall restart them and work anew.

        Args:
            work: called with both; called again after a restart, when it must go on with what is not done yet.

        Raises:
            EngineDeadError: a model died, or stalled a second time.
        """
        while True:
            generator, prm = await self.get()
            try:
                return await watched(work(generator, prm), (generator, prm), self._config.stall_timeout, self._warn)
            except StalledError as error:
                if self._restarted:
                    raise
                self._restarted = True
                self._warn(f"{error.message} The models are restarted, once; what was in flight is done again.")
                await self.close()

    async def close(self) -> None:
        """Close both; a second call does nothing."""
        stack, self._stack, self._opened = self._stack, AsyncExitStack(), None
        try:
            await asyncio.wait_for(stack.aclose(), CLOSE_SECONDS)
        except asyncio.TimeoutError:
            self._warn(f"The models did not close within {CLOSE_SECONDS:.0f} s; what runs on ends with this process.")

    def _warn(self, text: str) -> None:
        self._report(Warned(text))


def model_names(config: Config) -> str:
    """The generator, and the PRM where there is one, as tables name them."""
    return config.model_name + (f" with {config.prm_name}" if config.has_prm else "")


def loaded_names(config: Config) -> str:
    """What the user waits for while it is loaded; empty where that is nothing."""
    return model_names(config) if resolve_generator(config).weights else ""
