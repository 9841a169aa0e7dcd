"""`tt-scale export`: a run in the format of another tool."""

from __future__ import annotations

from pathlib import Path

import click

from tt_scale.errors import ConfigError, JournalError

__all__ = ["export"]

FORMATS = ("lm-eval", "inspect", "hf")


@click.command()
@click.argument("folder", metavar="RUN")
@click.option("--format", "form", type=click.Choice(FORMATS), required=True, help="Format to write.")
@click.option("-o", "--output", required=True, metavar="FOLDER", help="New or empty folder for the files.")
def export(folder: str, form: str, output: str) -> int:
    """Write a run in the format of another tool; the run itself is only read.

    RUN is a folder that bench or compare wrote. lm-eval: samples and results of lm-evaluation-harness. inspect: a log
    of inspect_ai, for `inspect view`. hf: a data set of all complete solutions with their step scores, which
    `datasets.load_dataset(FOLDER)` reads.
    """
    from tt_scale.bench.export.hugging_face import write_hugging_face
    from tt_scale.bench.export.inspect_log import write_inspect
    from tt_scale.bench.export.lm_eval import write_lm_eval
    from tt_scale.bench.reader.run_data import read_run
    from tt_scale.report.terminal import Terminal

    run = read_run(folder)
    if not run.rows:
        raise JournalError(f"{folder!r} holds no finished search yet.", "Export it once bench has written some.")
    writers = {"lm-eval": write_lm_eval, "inspect": write_inspect, "hf": write_hugging_face}
    console = Terminal(fixed=True)
    try:
        written = writers[form](run, _new_folder(output))
    except (OSError, ValueError) as error:  # ValueError: no name that the system has
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{output!r} cannot be written: {reason}.", "Give another -o.") from None
    for line in run.damaged:
        console.print(f"Line {line.number} of the journal is damaged and left out.", markup=False, highlight=False)
    if run.partial:
        told = f"The run is not finished: {len(run.rows):,} of {run.wanted:,} searches are exported."
        console.print(told, markup=False, highlight=False)
    for path in written:
        console.print(str(path), markup=False, highlight=False, soft_wrap=True)
    return 0


def _new_folder(output: str) -> Path:
    """Make the folder; files that are there already are never written over."""
    if not output:
        raise ConfigError("--output is empty.", "Type: -o exported")
    path = Path(output).expanduser()
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise ConfigError(f"{output!r} is not an empty folder.", "Give another -o, or delete it.")
    path.mkdir(parents=True, exist_ok=True)
    return path
