"""PRM that runs in the generator's engine, so that the weights are loaded once.

A two-token PRM scores a step by the odds of two next tokens, which any generation engine can return. Each new step is a
prompt that ends at the step's position; the prefix cache holds everything before the step.
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
from tt_scale.prm.adapters.base import ScoringInput, TokenHead
from tt_scale.prm.adapters.lookup import open_adapter
from tt_scale.prm.token_prm import TokenPRM

if TYPE_CHECKING:
    from typing_extensions import Self

    from tt_scale.config import Config

__all__ = ["GeneratorEnginePRM", "two_way_softmax"]


class GeneratorEnginePRM(TokenPRM):
    """A two-token PRM that is the same model as the generator and runs in its engine.

    Args:
        config: configuration of the run; uses `prm_name`, the keys that begin with `prm_`, and `stop_tokens`.
        model: the run's generator.

    Raises:
        ConfigError: the PRM is another model, or is configured with its own quantization or device.
    """

    summary: ClassVar[str] = "the generator's own engine, where one model writes and scores"
    engine: ClassVar[str] = "generator"
    uses_generator: ClassVar[bool] = True

    def __init__(self, config: Config, model: LanguageModel) -> None:
        if not config.one_model:
            raise ConfigError(
                f"prm is 'generator', but prm_name is {_named(config.prm_name, config.prm_revision)} and model_name is "
                f"{_named(config.model_name, config.model_revision)}.",
                "Omit --prm, or give both the same name and revision.",
            )
        for key, value in (("prm_quantization", config.prm_quantization), ("prm_device", config.prm_device)):
            if value is not None:
                raise ConfigError(
                    f"{key} is {value!r}, but the generator's own engine scores; it is loaded once.",
                    f"Omit --{key.replace('_', '-')}, or load a second engine with --prm vllm or huggingface.",
                )
        super().__init__(config)
        self._model = model

    @classmethod
    def from_config(cls, config: Config, generator: Generator) -> Self:
        """Use the run's generator as PRM.

        Raises:
            ConfigError: the generator is not a language model, or not the same model as the PRM.
        """
        if not isinstance(generator, LanguageModel):
            raise ConfigError(
                f"prm is 'generator', which needs a language model; {config.model_name!r} is not one.",
                "Type: --prm-name simulated, or name a real model",
            )
        return cls(config, generator)

    @classmethod
    def weights(cls, config: Config) -> Sequence[Weights]:
        """Return no weights: the generator has loaded them."""
        return ()

    async def start(self) -> None:
        """Open the adapter; the generator's engine is already running.

        Raises:
            PRMError: there is no adapter for the model, or its head is not a two-token head.
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
        await self._model.require_choices()
        self.parameters = self._model.parameters

    async def score_inputs(self, inputs: Sequence[ScoringInput]) -> list[Scores]:
        """Request the log-probabilities of the two tokens at every position, all at once."""
        prompts = [each.ids[: position + 1] for each in inputs for position in each.positions]
        try:
            choices = iter(await self._model.choose(prompts, self._choices))
        except EngineDeadError:
            raise
        except GeneratorError as error:
            raise PRMError(f"The generator's engine did not score: {error.message}", error.hint) from error
        return [self._scores(each, [next(choices) for _ in each.positions]) for each in inputs]

    def _scores(self, scoring_input: ScoringInput, choices: Sequence[Choice]) -> Scores:
        return Scores(
            scoring_input.checked([two_way_softmax(*choice.logprobs) for choice in choices]),
            tokens=sum([position + 1 for position in scoring_input.positions]),
            cached=sum([choice.cached for choice in choices]),
        )


def two_way_softmax(right: float, wrong: float) -> float:
    """Softmax over two log-probabilities, without overflow; NaN if both are minus infinity."""
    return (1 + math.tanh((right - wrong) / 2)) / 2


def _named(name: str, revision: str | None) -> str:
    return repr(name) if revision is None else f"{name!r} at {revision!r}"
