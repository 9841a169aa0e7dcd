"""Keys of models, method and prompt, and of where steps and paths end."""

from __future__ import annotations

from typing import Any, Literal

from tt_scale.config.declare import MODEL, Keys, key

__all__ = ["ModelKeys"]


class ModelKeys(Keys):
    """Models, method and prompt."""

    model_name: str = key(
        MODEL,
        "Generator: a name on the Hugging Face Hub, a local folder, `pocket-gen`, `smollm2`, or `simulated`.",
        "Qwen/Qwen2.5-3B-Instruct-AWQ",
    )
    prm_name: str = key(
        MODEL,
        "PRM: a name on the Hub, a local folder, `pocket-prm`, `judge` (the generator judges its own "
        "steps), `confidence` (the generator's own token probabilities), `simulated`, or `none`; "
        "several, separated by commas, are combined.",
        "Qwen/Qwen2.5-Math-PRM-7B",
    )
    model_revision: str | None = key(
        MODEL,
        "Branch, tag or commit of the generator on the Hub; unset uses the newest commit of the main branch.",
        None,
    )
    prm_revision: str | None = key(
        MODEL,
        "Branch, tag or commit of the PRM on the Hub; with several PRMs, one for all or one for each, "
        "separated by commas. Unset uses `model_revision` if both are the same model, else the newest "
        "commit.",
        None,
    )
    prm_combine: Literal["mean", "min", "product", "rank-mean"] = key(
        MODEL,
        "How to combine the scores of several PRMs; rank-mean averages ranks among the steps that are scored together.",
        "mean",
    )
    tokenizer: str | None = key(
        MODEL,
        "Tokenizer of the model at `base_url`: a name on the Hub (name@revision for another revision than "
        "`model_revision`) or a local folder; unset uses that of `model_name`, none leaves chat template and "
        "tokenization to the server.",
        None,
    )
    method: str = key(MODEL, "Search method; `tt-scale list` shows all.", "collective")
    method_args: dict[str, Any] = key(
        MODEL, "Parameters of a method from another package; `tt-scale list` shows them.", {}
    )
    generator: str = key(
        MODEL,
        "Generator backend: auto, vllm, huggingface, trie, openai, recorded (samples from a file), simulated, or an "
        "entry point.",
        "auto",
    )
    prm: str = key(MODEL, "PRM backend: auto, or a name that `tt-scale list` shows.", "auto")
    prm_adapter: str = key(
        MODEL,
        "Adapter that formats the PRM's input: auto, a name that `tt-scale list` shows, or your own "
        "module:class; with several PRMs, one for all or one for each, separated by commas.",
        "auto",
    )
    prm_args: dict[str, Any] = key(
        MODEL, "Parameters of the PRM, such as its tag; with several PRMs, by name: {PRM: parameters}.", {}
    )
    prm_quantization: str | None = key(
        MODEL, "Weight quantization of the PRM; unset loads the weights as they are.", None
    )
    prm_max_model_len: int | None = key(
        MODEL,
        "Context length of the PRM in tokens; unset uses the model's own, limited to twice "
        "`max_model_len` or 4096, whichever is larger.",
        None,
        ge=16,
    )
    quantization: str | None = key(
        MODEL,
        "Weight quantization of the generator, as the engine names it (vLLM: awq, gptq, fp8; "
        "huggingface: bitsandbytes).",
        None,
    )
    max_model_len: int | None = key(
        MODEL,
        "Most tokens of prompt and solution together. The default is lowered for a model with a shorter "
        "context; none uses the model's own context.",
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
        "Delimiters that end a step; none makes a whole solution one step. A line break is \\n, in YAML "
        "within double quotes.",
        ("\n\n",),
    )
    step_tokens: int | None = key(MODEL, "Fixed number of tokens per step; unset ends steps at delimiters.", None, ge=1)
    final_answer_prefix: str = key(
        MODEL, "Text that introduces the final answer, in addition to `\\boxed{}`; empty for none.", ""
    )
    path_end: Literal["eos", "answer"] = key(
        MODEL,
        "What finishes a path: eos, the model's end-of-sequence token; answer, also the end of a step "
        "that contains a complete final answer.",
        "eos",
    )
    reasoning_tags: tuple[str, ...] = key(
        MODEL,
        "Opening and closing tags of reasoning blocks, in addition to <think> and those in the chat template.",
        (),
    )
    seed: int = key(MODEL, "Seed of the run, from which the seed of every sample is derived.", 79, ge=0)
