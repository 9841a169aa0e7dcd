"""A generator that is also a PRM: its own engine scores, and no second copy of its weights is loaded.

The verdict of a two-token PRM is the odds of two next tokens, which any engine that writes can be asked for. Each new
step is a prompt that ends where the step is scored; the prefix cache has all but the step.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from tt_scale.base_classes import Generator
from tt_scale.core.records import Scores, Weights
from tt_scale.engines.model_names import resolve_model
from tt_scale.errors import ConfigError, EngineDeadError, GeneratorError, PRMError
from tt_scale.generator.language_model import Choice, LanguageModel
from tt_scale.prm.adapters.base import Reading, TokenHead
from tt_scale.prm.adapters.lookup import open_adapter
from tt_scale.prm.token_prm import RowPRM

if TYPE_CHECKING:
    from typing_extensions import Self

    from tt_scale.config import Config

__all__ = ["OwnEnginePRM"]


class OwnEnginePRM(RowPRM):
    """A two-token PRM in the engine of the generator, which is the same model.

    Args:
        config: of the run; read are `prm_name` and the keys that begin with `prm_`, and `stop_tokens`.
        model: the run's generator.

    Raises:
        ConfigError: the PRM is another model, or shall be loaded in another way.
    """

    summary: ClassVar[str] = "the generator's own engine, where one model writes and scores"
    engine: ClassVar[str] = "generator"
    uses_generator: ClassVar[bool] = True

    def __init__(self, config: Config, model: LanguageModel) -> None:
        if not config.one_model:
            raise ConfigError(
                f"prm is 'generator', but prm_name is {_named(config.prm_name, config.prm_revision)} and model_name is "
                f"{_named(config.model_name, config.model_revision)}.",
                "Leave out --prm, or give both the same name and revision.",
            )
        for key, value in (("prm_quantization", config.prm_quantization), ("prm_device", config.prm_device)):
            if value is not None:
                raise ConfigError(
                    f"{key} is {value!r}, but the generator's own engine scores; it is loaded once.",
                    f"Leave out --{key.replace('_', '-')}, or load a second engine with --prm vllm or huggingface.",
                )
        super().__init__(config)
        self._model = model

    @classmethod
    def from_config(cls, config: Config, generator: Generator) -> Self:
        """Take the run's generator.

        Raises:
            ConfigError: it is no language model, or not the PRM.
        """
        if not isinstance(generator, LanguageModel):
            raise ConfigError(
                f"prm is 'generator', which needs a language model, and {config.model_name!r} is none.",
                "Type: --prm-name simulated, or name a real model",
            )
        return cls(config, generator)

    @classmethod
    def weights(cls, config: Config) -> Sequence[Weights]:
        """None: the generator has loaded them."""
        return ()

    async def start(self) -> None:
        """Look up how the model is asked; its engine runs already.

        Raises:
            PRMError: no adapter is known for the model, or its verdict is not that of two tokens.
        """
        config = self._config
        model = await asyncio.to_thread(resolve_model, config.prm_name)
        self.adapter = await asyncio.to_thread(open_adapter, config, model)
        head = self.adapter.head
        if not isinstance(head, TokenHead):
            raise PRMError(
                f"The PRM {config.prm_name!r} scores with layers of its own, which a generator's engine does not have.",
                "Load it by itself. Type: --prm vllm, or --prm huggingface",
            )
        self._choices = (head.positive, head.negative)
        self.context = min(self.context_of(self.adapter.checkpoint.settings, config), self._model.context - 2)
        self.parameters = self._model.parameters

    async def answers(self, readings: Sequence[Reading]) -> list[Scores]:
        """Ask for the odds at every place, all at once."""
        prompts = [reading.ids[: place + 1] for reading in readings for place in reading.positions]
        try:
            found = iter(await self._model.choose(prompts, self._choices))
        except EngineDeadError:
            raise
        except GeneratorError as error:
            raise PRMError(f"The generator's engine did not score: {error.message}", error.hint) from error
        return [self._scores(reading, [next(found) for _ in reading.positions]) for reading in readings]

    def _scores(self, reading: Reading, choices: Sequence[Choice]) -> Scores:
        return Scores(
            reading.checked([_share(*choice.logprobs) for choice in choices]),
            tokens=sum([place + 1 for place in reading.positions]),
            cached=sum([choice.cached for choice in choices]),
        )


def _share(right: float, wrong: float) -> float:
    """Softmax over two logarithms, without overflow; no number where neither is possible."""
    return (1 + math.tanh((right - wrong) / 2)) / 2


def _named(name: str, revision: str | None) -> str:
    return repr(name) if revision is None else f"{name!r} at {revision!r}"
