# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep the outputs of notebooks out of git: nbstripout as a filter (gitattributes(5)), run with the Python of its environment.

process          all notebooks of one git command: nbstripout is imported once, not once for each
clean            one notebook, from standard input
textconv FILE    one notebook, as `git diff` compares it

What nbstripout does not understand is never changed. In the index it would be something else than it seems, so git refuses it.
"""

from __future__ import annotations

import contextlib
import io
import sys
import typing as t
from collections.abc import Callable, Iterator
from pathlib import Path

# gitprotocol-common(5): four hexadecimal digits, which count themselves, and at most so much after them.
PACKET = 65516
FLUSH = b"0000"
WAY_OUT = "correct it, or take the filter off in this repository:  echo '*.ipynb !filter !diff' >> .git/info/attributes"


class NoNotebookError(Exception):
    """What nbstripout cannot read."""


class Kept(io.BytesIO):
    """What is written can still be read when nbstripout has closed it."""

    def close(self) -> None:
        pass


def strip(data: bytes) -> bytes:
    """The notebook without its outputs, as the command `nbstripout` makes it, with the settings of git's filter.nbstripout.*."""
    if not data.strip():
        return data
    import nbstripout  # noqa: PLC0415  a checkout has no use for it

    said, made, before = io.StringIO(), Kept(), (sys.argv, sys.stdin, sys.stdout)
    sys.argv, sys.stdin, sys.stdout = ["nbstripout"], io.TextIOWrapper(io.BytesIO(data)), io.TextIOWrapper(made)
    try:
        with contextlib.redirect_stderr(said):
            nbstripout.main()
    except SystemExit:
        raise NoNotebookError(said.getvalue().strip()) from None
    except Exception as error:
        raise NoNotebookError(f"{type(error).__name__}: {error}") from error
    finally:
        sys.argv, sys.stdin, sys.stdout = before
    return made.getvalue()


def complain(name: str, error: Exception) -> None:
    why = " ".join(str(error).split())[:200]
    print(f"{name}: found no notebook ({why}); expected one, to keep its outputs out of git; {WAY_OUT}", file=sys.stderr)


def packets(stream: t.BinaryIO) -> Iterator[bytes]:
    """Up to the next flush, or the end."""
    while True:
        head = stream.read(4)
        if head in (FLUSH, b""):
            return
        yield stream.read(int(head, 16) - 4)


def send(stream: t.BinaryIO, *lines: bytes) -> None:
    """A list of lines or parts, and a flush."""
    for line in lines:
        stream.write(b"%04x%s" % (len(line) + 4, line))
    stream.write(FLUSH)
    stream.flush()


def serve(source: t.BinaryIO, sink: t.BinaryIO, clean: Callable[[bytes], bytes] = strip) -> None:
    """gitattributes(5), "Long Running Filter Process", version 2."""
    list(packets(source))
    send(sink, b"git-filter-server\n", b"version=2\n")
    list(packets(source))
    send(sink, b"capability=clean\n", b"capability=smudge\n")
    while request := dict(line.rstrip(b"\n").partition(b"=")[::2] for line in packets(source)):
        data = b"".join(packets(source))
        try:
            # What git takes out of its store is given as it is.
            made = clean(data) if request[b"command"] == b"clean" else data
        except NoNotebookError as error:
            complain(request[b"pathname"].decode("utf-8", "replace"), error)
            send(sink, b"status=error\n")
            continue
        send(sink, b"status=success\n")
        send(sink, *(made[at : at + PACKET] for at in range(0, len(made), PACKET)))
        # The status is still what it was.
        send(sink)


def main(arguments: list[str]) -> int:
    verb, name = arguments[0], "notebook"
    if verb == "process":
        serve(sys.stdin.buffer, sys.stdout.buffer)
        return 0
    data = Path(arguments[1]).read_bytes() if verb == "textconv" else sys.stdin.buffer.read()
    try:
        made = strip(data)
    except NoNotebookError as error:
        if verb == "clean":
            complain(name, error)
            return 1
        # A difference of what is there is better than none.
        made = data
    sys.stdout.buffer.write(made)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
