"""Requests and responses, as OpenAI's API has them, with the fields that this server adds."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr

__all__ = [
    "ChatRequest",
    "ChatResponse",
    "CompletionRequest",
    "CompletionResponse",
    "ErrorResponse",
    "ModelList",
    "Request",
]

Number = StrictFloat | StrictInt
Text = StrictStr


class TextPart(BaseModel):
    """A part of a message; only text can be searched with."""

    model_config = ConfigDict(extra="allow")
    type: Literal["text"]
    text: Text


class ChatMessage(BaseModel):
    """A turn of the conversation."""

    model_config = ConfigDict(extra="allow")
    role: Literal["system", "developer", "user", "assistant"]
    content: Text | list[TextPart]

    @property
    def text(self) -> str:
        """The text of all parts."""
        return self.content if isinstance(self.content, str) else "".join([part.text for part in self.content])


class StreamOptions(BaseModel):
    """What a stream tells beside the text."""

    model_config = ConfigDict(extra="allow")
    include_usage: StrictBool | None = None


class Request(BaseModel):
    """What both kinds of requests have.

    Every other field is a key of tt_scale's configuration for this request alone (`method`, `tau`, `budget`, `N`, ...),
    and is checked like the configuration.
    """

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)
    model: Text = Field(description="A method, a recipe, or tt-scale; GET /v1/models lists them.")
    n: Annotated[StrictInt, Field(ge=1, le=128)] | None = Field(None, description="Paths of the pool, best first.")
    temperature: Annotated[Number, Field(ge=0, le=2)] | None = None
    top_p: Annotated[Number, Field(gt=0, le=1)] | None = None
    max_tokens: Annotated[StrictInt, Field(ge=1)] | None = Field(None, description="Most tokens of one solution.")
    seed: Annotated[StrictInt, Field(ge=0, lt=2**63)] | None = None
    stop: Text | Annotated[list[Text], Field(max_length=64)] | None = Field(
        None, description="The text ends before the first of these."
    )
    stream: StrictBool | None = None
    stream_options: StreamOptions | None = None
    user: Text | None = None
    problem_id: Annotated[Text, Field(min_length=1, max_length=512)] | None = Field(
        None, description="Seeds are derived from it; unset is question- and a digest of the question."
    )
    timeout_s: Annotated[Number, Field(gt=0, le=1e9)] | None = Field(
        None, description="Seconds after which the best answer so far is returned."
    )


class ChatRequest(Request):
    """A conversation that ends with a question."""

    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=1000)]
    max_completion_tokens: Annotated[StrictInt, Field(ge=1)] | None = None


class CompletionRequest(Request):
    """A prompt that goes to the model as it is, without a chat template."""

    prompt: Text | Annotated[list[Text], Field(min_length=1, max_length=1)]
    echo: StrictBool | None = None


class Extension(BaseModel):
    """What this server adds."""

    model_config = ConfigDict(extra="allow")


class TokenDetails(BaseModel):
    """Parts of a count."""

    model_config = ConfigDict(extra="allow")


class ApiUsage(BaseModel):
    """What was really computed, for all paths of the search."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: TokenDetails
    completion_tokens_details: TokenDetails


class AnswerMessage(BaseModel):
    """The text of a path."""

    role: Literal["assistant"] = "assistant"
    content: str


class ChatChoice(BaseModel):
    """A path of the pool."""

    index: int
    message: AnswerMessage
    finish_reason: Literal["stop", "length"]
    logprobs: None = None
    tt_scale: Extension


class ChatResponse(BaseModel):
    """The paths of a search, the chosen one first."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[ChatChoice]
    usage: ApiUsage
    tt_scale: Extension


class CompletionChoice(BaseModel):
    """A path of the pool."""

    index: int
    text: str
    finish_reason: Literal["stop", "length"]
    logprobs: None = None
    tt_scale: Extension


class CompletionResponse(BaseModel):
    """The paths of a search, the chosen one first."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    choices: list[CompletionChoice]
    usage: ApiUsage
    tt_scale: Extension


class ModelEntry(BaseModel):
    """A method or a recipe, under the name of a model."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str
    description: str


class ModelList(BaseModel):
    """All of them."""

    object: Literal["list"] = "list"
    data: list[ModelEntry]


class ErrorDetail(BaseModel):
    """What is wrong."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorResponse(BaseModel):
    """OpenAI's form of an error."""

    error: ErrorDetail


def given(request: Request) -> dict[str, Any]:
    """The fields of a request that are not in its schema."""
    return dict(request.model_extra or {})
