"""`tt-scale serve`: an OpenAI-compatible server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tt_scale.cli.configs import only, quiet_keys
from tt_scale.cli.options import NumberRange, SolveCommand, flags_of, question_keys
from tt_scale.config import DISTRIBUTED_KEYS, Config
from tt_scale.config.listing import config_keys

if TYPE_CHECKING:
    from tt_scale.bench.run.events import Reporter
    from tt_scale.serve.service import Service
    from tt_scale.serve.settings import ServeSettings

__all__ = ["serve"]

OF_SERVERS = DISTRIBUTED_KEYS | {"concurrency", "distribute"}
"""Keys of runs that apply to a server, too."""


@click.command(cls=SolveCommand)
@click.option("--host", default="127.0.0.1", metavar="ADDRESS", help="Address to listen at. [127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, help="Port; 0 takes a free one. [8000]")
@click.option(
    "--token-file",
    metavar="FILE",
    help="File with the bearer tokens, one a line; unset reads TT_SCALE_SERVE_TOKEN. Needed beyond loopback.",
)
@click.option(
    "--sampling",
    type=click.Choice(["follow", "fixed"]),
    default="follow",
    help="follow takes temperature, top_p, max_tokens and seed of requests; fixed keeps the server's own. [follow]",
)
@click.option(
    "--max-queue", type=click.IntRange(0), default=1024, help="Requests that wait; more are refused with 429. [1024]"
)
@click.option(
    "--max-body", type=click.IntRange(1), default=4 << 20, metavar="BYTES", help="Largest body of a request. [4194304]"
)
@click.option(
    "--max-paths",
    type=click.IntRange(1),
    default=1024,
    help="Paths that one request may ask for, by budget, N or another width. [1024]",
)
@click.option(
    "--drain", type=NumberRange(0), default=30.0, metavar="SECONDS", help="Time for requests under way at the end. [30]"
)
@click.option(
    "--search-timeout",
    type=NumberRange(0, min_open=True),
    metavar="SECONDS",
    help="Time of a search whose request has no timeout_s; then its best so far is the answer. [unset]",
)
@flags_of([key for key in config_keys() if key in question_keys() or key.name in OF_SERVERS])
def serve(config_file: str | None, **values: Any) -> None:
    """Serve searches through OpenAI's API.

    Each method is a model; `extra_body` of a request sets keys of the configuration. Needs the extra serve, and
    ray-serve with --distribute ray.
    """
    import asyncio

    from tt_scale.bench.run.config_warnings import shared_warnings
    from tt_scale.report.console_reporter import ConsoleReporter
    from tt_scale.report.terminal import Terminal
    from tt_scale.serve.settings import ServeSettings, read_tokens, require_serve

    require_serve()

    from tt_scale.serve.largest import check_own_paths

    own = {name: values.pop(name) for name in OWN}
    config = only(config_file, values, "serve")
    check_own_paths(config, own["max_paths"])
    settings = ServeSettings(
        tokens=read_tokens(own["token_file"], own["host"]),
        sampling=own["sampling"],
        concurrency=config.concurrency,
        max_queue=own["max_queue"],
        max_body=own["max_body"],
        max_paths=own["max_paths"],
        default_timeout=own["search_timeout"],
    )
    for warning in shared_warnings([config], quiet_keys(config_file, values)):
        click.echo(f"warning: {warning}", err=True)
    run = _in_this_process if config.distribute == "none" else _on_replicas
    asyncio.run(run(config, settings, own, ConsoleReporter(Terminal(stderr=True))))


async def _in_this_process(config: Config, settings: ServeSettings, own: dict[str, Any], report: Reporter) -> None:
    from tt_scale.serve.run import bind
    from tt_scale.serve.run import serve as run_server

    with bind(own["host"], own["port"]) as taken:

        def ready(service: Service) -> None:
            click.echo(_line(config, own["host"], taken.getsockname()[1], len(service.models)), err=True)

        await run_server(config, settings, taken, own["drain"], report, ready)


async def _on_replicas(config: Config, settings: ServeSettings, own: dict[str, Any], report: Reporter) -> None:
    from tt_scale.serve.replicas import require_ray_serve, serve_replicas

    require_ray_serve()

    def ready(models: int, port: int) -> None:
        count = f"{config.replicas} replica{'s' * (config.replicas > 1)}"
        click.echo(f"{_line(config, own['host'], port, models)}, on {count}", err=True)

    await serve_replicas(config, settings, own["host"], own["port"], own["drain"], report, ready)


OWN = ("host", "port", "token_file", "sampling", "max_queue", "max_body", "max_paths", "drain", "search_timeout")


def _line(config: Config, host: str, port: int, models: int) -> str:
    from tt_scale.bench.run.open_models import model_names

    address = f"[{host}]" if ":" in host else host
    return f"Serving {models} models on {model_names(config)} at http://{address}:{port}/v1"
