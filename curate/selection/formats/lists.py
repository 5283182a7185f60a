"""Two text files with one path a line, for trainers that read lists."""

from __future__ import annotations

from curate import errors
from curate.selection import dialect

IMAGE_LIST = "images.txt"
LABEL_LIST = "labels.txt"


class ListFormat(dialect.Format):
    """``images.txt`` and ``labels.txt``; line n of both is the same image.

    Paths are relative to the folder of the lists. They name the original images; labels are those
    that were written, and the original ones where they stay as they are.
    """

    media = ("symlink", "none")

    def start(self) -> None:
        """Begin with nothing."""
        self._images = Lines()
        self._labels = Lines()

    def add(self, item: dialect.SubsetItem) -> None:
        """Note one image, and write its label if it changes."""
        if self.plan.label_ids.kind == "raw" and item.keep is None:
            label = self.place.way_to(item.original(item.label_path))
        else:
            label = self.write_label(item, f"labels/{item.name}")
        self._images.add(self.place.way_to(item.original(item.image_path)))
        self._labels.add(label)
        self.write_weights(item)

    def finish(self) -> None:
        """Write both lists."""
        self.place.write(IMAGE_LIST, self._images.encode())
        self.place.write(LABEL_LIST, self._labels.encode())


class Lines:
    """A text of one line for each image."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def add(self, line: str) -> None:
        """Append a line.

        Raises
        ------
        StoreError
            If it would be more than one.
        """
        if len(line.splitlines()) != 1:
            msg = (
                f"{line!a} holds a line break, which a list cannot. Rename it, or use another "
                "format."
            )
            raise errors.StoreError(msg)
        self._lines.append(line)

    def encode(self) -> bytes:
        """Return the text in UTF-8."""
        return "".join(f"{line}\n" for line in self._lines).encode("utf-8", "surrogateescape")
