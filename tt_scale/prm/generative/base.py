"""PRMs that argue before they judge: a language model writes about a step, then its verdict is one token.

Every step is judged by reading question and steps again, with a chain of thought of its own. What a chain costs is all
that the model was given and all that it wrote. Its seeds come from what it is about, so that the same steps get the
same chain, however the search came to them.
"""

from __future__ import annotations

import asyncio
import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

from tt_scale.base_classes import PRM, Generator
from tt_scale.core.concurrency import gather_or_cancel
from tt_scale.core.path import Path
from tt_scale.core.records import Problem, Sampling, Scores
from tt_scale.core.segmentation import step_texts
from tt_scale.engines.model_names import resolve_model
from tt_scale.errors import ConfigError, GeneratorError, PRMError
from tt_scale.generator.language_model import LanguageModel
from tt_scale.prm.adapters.base import Checkpoint
from tt_scale.prm.adapters.lookup import check_knobs, settings_of
from tt_scale.prm.adapters.plain_text import Part, PlainText
from tt_scale.prm.generative.chain_of_thought import VERDICT_ROOM, Chain, NoRoomError

if TYPE_CHECKING:
    from typing_extensions import Self

    from tt_scale.config import Config

__all__ = ["GenerativePRM"]


class GenerativePRM(PRM):
    """A language model that writes before it judges.

    Args:
        config: of the run; read are `prm_name` and the keys that begin with `prm_`, `seed`, `stop_tokens`, and how to
            load a model.
        generator: of the run; a model of its own runs on the same engine, and where `prm_name` is `model_name` the
            generator itself is asked.
        samples: chains about each step, whose verdicts are averaged; at least 1.
        temperature: of the chains, in [0, 2].
        chain_tokens: most tokens that are written at a time, at least 1; None is the family's own.

    Attributes:
        own_chain_tokens: what `chain_tokens` is where it is not given.

    Raises:
        ConfigError: a knob out of range, or the generator is no language model.
    """

    engine: ClassVar[str] = "generator"
    config_keys: ClassVar[frozenset[str]] = PRM.config_keys - {"prm_adapter"}
    causal: ClassVar[bool] = False
    knobs: ClassVar[tuple[str, ...]] = ("samples", "temperature", "chain_tokens")
    top_p: ClassVar[float] = 1.0
    top_k: ClassVar[int] = 0
    own_chain_tokens: ClassVar[int]

    def __init__(
        self,
        config: Config,
        generator: Generator,
        *,
        samples: int = 1,
        temperature: float = 0.6,
        chain_tokens: int | None = None,
    ) -> None:
        chain_tokens = self.own_chain_tokens if chain_tokens is None else chain_tokens
        if samples < 1 or chain_tokens < 1 or not 0 <= temperature <= 2 or (samples > 1 and temperature == 0):
            raise ConfigError(
                f"prm_args: samples is {samples} (1 or more), chain_tokens {chain_tokens} (1 or more), temperature "
                f"{temperature} (0 to 2; above 0 where there are several samples)."
            )
        if not isinstance(generator, LanguageModel):
            raise ConfigError(
                f"The PRM {config.prm_name!r} writes, and runs on the generator's engine; {config.model_name!r} is no "
                "language model.",
                "Name a real model.",
            )
        if config.prm_device is not None:
            raise ConfigError(
                f"prm_device is {config.prm_device!r}; a PRM that writes runs where the generator runs.",
                "Leave out --prm-device.",
            )
        self._config = config
        self._engine = type(generator)
        self._model: LanguageModel = generator
        self._own = bool(self.weights(config))
        self._samples = samples
        self._sampling = Sampling(temperature, self.top_p, self.top_k)
        self._chain_tokens = chain_tokens
        self._started = False

    @classmethod
    def from_config(cls, config: Config, generator: Generator) -> Self:
        """Make one as a configuration says, with the knobs in `prm_args`; nothing is loaded before `start`.

        Raises:
            ConfigError: a knob that it has not or that is out of range, or the generator is no language model.
        """
        check_knobs(cls.knobs, config.prm_args)
        try:
            return cls(config, generator, **config.prm_args)
        except TypeError as error:
            raise ConfigError(f"prm_args do not fit the PRM: {error}.") from None

    async def start(self) -> None:
        """Load the model if it is not the run's own generator.

        Raises:
            PRMError: it cannot write, or has no chat template, or lacks the tokens of the protocol.
            GeneratorError: it cannot be loaded.
        """
        model = await asyncio.to_thread(resolve_model, self._config.prm_name)
        settings = await asyncio.to_thread(settings_of, self._config.prm_name, model, self._config.prm_revision)
        kinds = settings.get("architectures") or []
        if kinds and not any(kind.endswith(("ForCausalLM", "ForConditionalGeneration")) for kind in kinds):
            raise PRMError(
                f"The PRM {self._config.prm_name!r} is a {', '.join(kinds)}, which scores and cannot write.",
                "Leave out --prm: its name or its architecture says how it is asked.",
            )
        if self._own:
            self._model = self._engine.from_config(self._config_of_model(settings))
            self._started = True
            await self._model.start()
        self.parameters = self._model.parameters
        self._text = PlainText(self._model.tokens)
        self._begin(Checkpoint(self._config.prm_name, self._model.tokens, settings, self._config.stop_tokens))

    def _config_of_model(self, settings: dict[str, Any]) -> Config:
        """How the model is loaded."""
        config = self._config
        return config.model_copy(
            update={
                "model_name": config.prm_name,
                "model_revision": config.prm_revision,
                "quantization": config.prm_quantization,
                "gpu_mem_util": config.prm_gpu_mem_util,
                "max_model_len": self.context_of(settings, config, self._chain_tokens),
            }
        )

    @classmethod
    def context_of(cls, settings: Mapping[str, Any], config: Config, chain_tokens: int | None = None) -> int:
        """Context that the model is loaded with: what it can read, and no more than its chains about a path can need.

        Args:
            settings: its config.json.
            config: of the run.
            chain_tokens: as of the class; None is what `prm_args` says.
        """
        chain = chain_tokens or config.prm_args.get("chain_tokens") or cls.own_chain_tokens
        wanted = config.prm_max_model_len or config.context + 2 * chain + VERDICT_ROOM
        return min(int(settings.get("max_position_embeddings") or wanted), wanted)

    async def close(self) -> None:
        """Close the model if it was started here; a second call does nothing."""
        if self._started:
            await self._model.close()

    async def score(self, problem: Problem, paths: Sequence[Path]) -> list[Scores]:
        """Write about every step that has no score yet, all paths at once.

        A path is too long where the context has no room for a chain of `chain_tokens` about one of its steps.

        Raises:
            PRMError: the model failed.
            EngineDeadError: it is gone.
        """
        try:
            return await gather_or_cancel([self._score(problem.question, path) for path in paths])
        except PRMError:
            raise
        except GeneratorError as error:
            if type(error) is not GeneratorError:  # the engine is dead
                raise
            raise PRMError(error.message, error.hint) from error

    async def _score(self, question: str, path: Path) -> Scores:
        texts = step_texts(path.steps, self._config.stop_tokens)
        chains: list[Chain] = []
        values: tuple[float, ...] | None = None
        with suppress(NoRoomError):
            samples = await gather_or_cancel(
                [self._verdicts(question, texts, len(path.scores), each, chains) for each in range(self._samples)]
            )
            values = tuple([math.fsum(each) / self._samples for each in zip(*samples, strict=True)])
        tokens, cached = sum([chain.tokens for chain in chains]), sum([chain.cached for chain in chains])
        return Scores(values or (), tokens, cached, too_long=values is None)

    def _chain(self, question: str, texts: Sequence[str], sample: int, earlier: Sequence[str] = ()) -> Chain:
        """Begin a chain about the last of some steps; arguments as of `_opening`."""
        return Chain(
            self._model,
            self._text,
            self._opening(question, texts, earlier),
            self._sampling,
            about="\x1f".join([question, *texts]),
            seed=self._config.seed,
            sample=sample,
        )

    def _token(self, word: str) -> int:
        try:
            return self._model.tokens.id_of(word)
        except GeneratorError:
            raise PRMError(
                f"The tokenizer of {self._config.prm_name!r} knows no single token {word!r}, which its verdict is.",
                "Use the tokenizer that came with the PRM.",
            ) from None

    @abstractmethod
    def _begin(self, checkpoint: Checkpoint) -> None:
        """Look up what the protocol needs of template and vocabulary."""

    @abstractmethod
    def _opening(self, question: str, texts: Sequence[str], earlier: Sequence[str]) -> list[Part]:
        """Say what a chain about the last of some steps is given first.

        Args:
            question: of the problem.
            texts: of the steps [steps].
            earlier: what was written about each step before the last, where the protocol shows it [steps - 1].
        """

    @abstractmethod
    async def _verdicts(
        self, question: str, texts: Sequence[str], known: int, sample: int, chains: list[Chain]
    ) -> list[float]:
        """Judge the steps from number `known` on [new steps]; every chain is put into `chains`, to be counted."""
