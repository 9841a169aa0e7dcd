"""What is run: models, method, prompt, and where steps and paths end."""

from __future__ import annotations

from typing import Any, Literal

from tt_scale.config.declare import MODEL, Keys, key

__all__ = ["ModelKeys"]


class ModelKeys(Keys):
    """What is run."""

    model_name: str = key(
        MODEL,
        "Generator: hub name, local folder, `pocket-gen`, `smollm2`, or `simulated`.",
        "Qwen/Qwen2.5-3B-Instruct-AWQ",
    )
    prm_name: str = key(
        MODEL,
        "PRM: hub name, local folder, `pocket-prm`, `judge` (the generator judges its own steps), `confidence` (how "
        "sure it was of its own tokens), `simulated`, `none`; several, with commas between them, score together.",
        "Qwen/Qwen2.5-Math-PRM-7B",
    )
    model_revision: str | None = key(
        MODEL, "Branch, tag or commit of the generator on the hub; unset is the newest of its main branch.", None
    )
    prm_revision: str | None = key(
        MODEL,
        "The same for the PRM; for several PRMs one for all, or one each with commas between them. Unset is "
        "`model_revision` where both are the same model.",
        None,
    )
    prm_combine: Literal["mean", "min", "product", "rank-mean"] = key(
        MODEL, "How the scores of several PRMs become one; rank-mean ranks steps that are scored together.", "mean"
    )
    method: str = key(MODEL, "Search method; `tt-scale list` shows all.", "collective")
    method_args: dict[str, Any] = key(MODEL, "Knobs of a method of another package; `tt-scale list` shows them.", {})
    generator: str = key(
        MODEL, "Generator backend: auto, vllm, huggingface, trie, simulated, or an entry point.", "auto"
    )
    prm: str = key(MODEL, "PRM backend: auto, or a name that `tt-scale list` shows.", "auto")
    prm_adapter: str = key(
        MODEL,
        "How the PRM is asked: auto, a name that `tt-scale list` shows, or module:class of your own; for several PRMs "
        "one for all, or one each with commas between them.",
        "auto",
    )
    prm_args: dict[str, Any] = key(
        MODEL, "Knobs of the PRM, such as its tag; for several PRMs by name, {PRM: knobs}.", {}
    )
    prm_quantization: str | None = key(MODEL, "Weight quantization of the PRM; unset loads it as it is.", None)
    prm_max_model_len: int | None = key(
        MODEL,
        "Most tokens that the PRM reads; unset means its own context, at most twice `max_model_len` or 4096.",
        None,
        ge=16,
    )
    quantization: str | None = key(
        MODEL, "Weight quantization, as the engine names it (vLLM: awq, gptq, fp8; huggingface: bitsandbytes).", None
    )
    max_model_len: int | None = key(
        MODEL,
        "Most tokens of prompt and solution together; the default is lowered for a model that reads less, none takes "
        "the model's own.",
        3072,
        ge=16,
    )
    system_prompt: str = key(
        MODEL,
        "System message; empty for none.",
        r"Please reason step by step, and put your final answer within \boxed{}.",
    )
    stop_tokens: tuple[str, ...] = key(
        MODEL,
        "Delimiters that end a step; none makes a whole solution one step. A line break is \\n: in YAML in double "
        "quotes.",
        ("\n\n",),
    )
    step_tokens: int | None = key(MODEL, "Tokens of a step; unset means that delimiters end it.", None, ge=1)
    final_answer_prefix: str = key(MODEL, "Text before the final answer, beside `\\boxed{}`; empty for none.", "")
    path_end: Literal["eos", "answer"] = key(
        MODEL,
        "What finishes a path: the model's end of sequence, or also the end of a step once a final answer is complete.",
        "eos",
    )
    reasoning_tags: tuple[str, ...] = key(
        MODEL,
        "Opening and closing tags of reasoning blocks, beside <think> and those that the chat template names.",
        (),
    )
    seed: int = key(MODEL, "Of the run; every sample's seed is derived from it.", 79, ge=0)
