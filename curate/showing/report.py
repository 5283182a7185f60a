"""The report: what score files hold, as one HTML file that opens anywhere."""

from __future__ import annotations

import base64
import hashlib
import os
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import jinja2
from markupsafe import Markup

from curate import errors, remote, reporting, texts
from curate.files import atomic, transfer
from curate.showing import contents, scored_sets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

REPORT_NAME: Final = "report.html"
SUFFIXES: Final = (".html", ".htm")
TEMPLATE: Final = "report.html"
STYLE: Final = "report.css"
SCRIPT: Final = "report.js"


@dataclass(frozen=True, slots=True)
class ReportResult:
    """What `report` wrote.

    Attributes
    ----------
    out : Path
    images : int
        Of all score files, those without a score included.
    bytes : int
    seconds : float
    """

    out: Path
    images: int
    bytes: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return plain values for ``--json``."""
        return asdict(self) | {"out": str(self.out)}


def report(
    scores: Sequence[Path | str],
    *,
    out: Path | str = REPORT_NAME,
    project: Path | str = ".",
    dataset: Path | str | None = None,
    overwrite: bool = False,
    resume: bool = False,
    reporter: reporting.Reporter | None = None,
) -> ReportResult:
    """Show what score files hold in one HTML file, which is there whole or not at all.

    What is seen of the images is kept in the project's folder as it is seen: interrupted, the
    report goes on from there when it is asked for again.

    Parameters
    ----------
    scores : sequence of Path
        Score files of one run, each a data set.
    project : Path
        Folder of curate.toml: where runs are, and where what is seen is kept.
    dataset : Path, optional
        Where the data set of the only score file is now, if it was moved.
    resume : bool
        Leave `out` as it is where an earlier call has made the same report.

    Raises
    ------
    UsageError
        If `out` exists and is not to be overwritten, or is no name for a page.
    StoreError
        If a score file is unfit, they are not of one run, or the disk does not let us write.
    """
    reporter = reporter or reporting.default_reporter()
    started, target = time.monotonic(), remote.as_path(out)
    check_out(target, SUFFIXES, overwrite=overwrite or resume)
    with ExitStack() as stack:
        sets = scored_sets.open_sets(stack, scores, dataset)
        for own in sets.sources:
            reporter.note(f"Scores: {own.describe()}")
        if not sets.is_ok.any():
            msg = (
                f"no image of {sets.sources[0].scores.path} has a score: there is nothing to show. "
                "Its column 'message' says why."
            )
            raise errors.DataError(msg)
        content = write_page(contents.gather(sets, Path(project), reporter)).encode()
        num_images = sets.num_images
    if not overwrite and target.exists() and target.read_bytes() != content:
        msg = f"--out {out} holds another report: replace it with --overwrite, or name another."
        raise errors.UsageError(msg)
    with transfer.staged(target, overwrite=overwrite, resume=resume) as path:
        atomic.write_bytes(path, content)
    return ReportResult(target, num_images, len(content), round(time.monotonic() - started, 2))


def check_out(out: Path, suffixes: Sequence[str], *, overwrite: bool) -> None:
    """Make sure, before the work, that a file can be written.

    Raises
    ------
    UsageError
        If its suffix is another one, or it exists and `overwrite` is not set.
    StoreError
        If its folder cannot be written to.
    """
    if out.suffix.lower() not in suffixes:
        msg = f"--out {out} has to end in {' or '.join(suffixes)}."
        raise errors.UsageError(msg)
    if out.is_dir() or ((out.exists() or os.path.lexists(out)) and not overwrite):
        msg = f"--out {out} exists already: replace it with --overwrite, or name another file."
        raise errors.UsageError(msg)
    if not isinstance(out, remote.RemotePath):
        atomic.check_writable(out.parent)


def write_page(values: Mapping[str, Any]) -> str:
    """Fill the template.

    Everything in `values` is text of strangers: it is escaped for HTML, what cannot be printed is
    spelled out, and the page's policy lets no script run but the one that belongs to it.
    """
    pages = jinja2.Environment(
        loader=jinja2.PackageLoader("curate.showing", "page"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_spell_out,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style, script = (_read_own(pages, name) for name in (STYLE, SCRIPT))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    page = pages.get_template(TEMPLATE)
    return page.render(
        values,
        style=style,
        script=script,
        script_hash=Markup(digest),
        along=_along,
    )


def _read_own(pages: jinja2.Environment, name: str) -> Markup:
    """Read a file of the page that is no template and goes in as it is."""
    assert pages.loader is not None
    source, _, _ = pages.loader.get_source(pages, name)
    return Markup(source.strip())


def _spell_out(value: object) -> object:
    """Spell out control characters of plain text."""
    return texts.printable(value) if type(value) is str else value


def _along(value: float) -> str:
    """Place an AUROC on a line from chance, 0, to 1, which is 100."""
    return f"{100 * min(max(2 * value - 1, 0), 1):.1f}"
