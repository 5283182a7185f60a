"""Settings written out as commented TOML, from the models that check them."""

from __future__ import annotations

import inspect
import json
import re
import textwrap
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from curate.errors import UsageError

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo


def render_settings(model: type[BaseModel], *, is_active: bool = True) -> str:
    """Write each setting of a table: what it means, its choices, its default.

    Parameters
    ----------
    model : type of BaseModel
        Its docstring explains the fields in a numpydoc section ``Attributes``.
    is_active : bool
        Whether the defaults are written as settings, or as comments that show them. A setting
        without a default value is always a comment.
    """
    meanings = explain(model)
    blocks: list[str] = []
    last_meaning = None
    for name, field in model.model_fields.items():
        meaning = meanings.get(name, "")
        if meaning != last_meaning:
            blocks.append("")
            blocks += comment(meaning + _choices(field.annotation, meaning))
        last_meaning = meaning
        blocks.append(_setting(name, field, is_active=is_active))
    return "\n".join(blocks).strip()


def explain(model: type[BaseModel]) -> dict[str, str]:
    """Read what the fields of a model mean from its docstring, in plain text."""
    docstring = inspect.cleandoc(model.__doc__ or "")
    section = re.search(r"Attributes\n-+\n(.*?)(?:\n\n|\Z)", docstring, re.DOTALL)
    meanings: dict[str, str] = {}
    names: list[str] = []
    for line in section[1].splitlines() if section else []:
        if line.startswith(" "):
            for name in names:
                meanings[name] = f"{meanings.get(name, '')} {line.strip()}".strip()
        else:
            names = [name.strip() for name in line.partition(" : ")[0].split(",")]
    return {
        name: re.sub(r"\bNone\b", "unset", text.replace("`", ""))  # TOML has no None
        for name, text in meanings.items()
    }


def comment(text: str) -> list[str]:
    """Wrap text into comment lines."""
    return textwrap.wrap(text, 96, initial_indent="# ", subsequent_indent="# ")


def to_toml(value: Any) -> str:  # noqa: ANN401
    """Write a string, a number, a truth value or a list of these as TOML.

    Raises
    ------
    UsageError
        If a string cannot be written as UTF-8 (a file name of unknown encoding).
    """
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            msg = f"{value!r} is not valid UTF-8, which curate.toml must be: rename that folder."
            raise UsageError(msg) from error
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(to_toml, value))}]"
    return json.dumps(value)


def _setting(name: str, field: FieldInfo, *, is_active: bool) -> str:
    """Write one line: the setting, or a comment that shows it."""
    if field.default is None:  # TOML knows no null: show a value that may be given
        return f"# {name} = {'0' if int in get_args(field.annotation) else to_toml('')}"
    return f"{'' if is_active else '# '}{name} = {to_toml(field.default)}"


def _choices(annotation: Any, meaning: str) -> str:  # noqa: ANN401
    """List the values that a setting may have, unless its meaning names them all."""
    if get_origin(annotation) is not Literal:
        return ""
    choices = [str(choice) for choice in get_args(annotation)]
    return "" if all(c in meaning for c in choices) else f" One of {', '.join(choices)}."
