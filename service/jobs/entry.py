"""The first thing that runs in a job: is this an interpreter that can run the rest? The standard library alone.

It is started by `START`, a few lines of shell: which interpreter that is has to be found first. Ray runs a job's
command in a shell, where `python` is whatever is first on the PATH of the terminal that `ray start` was typed in, and
not the interpreter that Ray itself runs in.
"""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterable
from importlib import metadata

NAME = "isthmus"
LEAST_PYTHON = (3, 11)
WRONG_INPUT = 2
SCRIPT = "start.sh"

# Above the shell are Ray's supervisor of the job and the raylet, whose command line names the interpreter of its
# workers. In an environment that Ray made for the job (`--requirements`) it is that one's.
START = r"""# Run `service.jobs.entry` with the interpreter that this cluster's Ray runs in.
python="" above=$PPID
case "${VIRTUAL_ENV:-}" in
  */runtime_resources/*) python="$VIRTUAL_ENV/bin/python" ;;
esac
while [ -z "$python" ] && [ "${above:-0}" -gt 1 ] && [ -r "/proc/$above/cmdline" ]; do
  python=$(tr '\0' '\n' < "/proc/$above/cmdline" |
    sed -n -e 's/^--python_worker_command="\([^"]*\)" .*/\1/p' -e 's/^--python_worker_command=\([^" ]*\) .*/\1/p')
  above=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$above/status")
done
[ -x "$python" ] || python=$(command -v python || command -v python3)
if [ -z "$python" ]; then
  echo "isthmus: no Python is found on this node; submit with --python and its path there" >&2
  exit 2
fi
exec "$python" -m service.jobs.entry "$@"
"""


def missing(requirements: Iterable[str]) -> list[str]:
    """Requirements that this interpreter does not meet, with the version that it has in place of them."""
    found = []
    for text in requirements:
        requirement, _, marker = text.partition(";")
        if "extra" in marker:
            continue
        name = re.match(r"[A-Za-z0-9._-]+", requirement.strip())
        if name is None:
            continue
        try:
            there = metadata.version(name[0])
        except metadata.PackageNotFoundError:
            found.append(name[0])
            continue
        if not _meets(requirement, there):
            wanted = re.sub(r"^[^<>=!~]*", "", re.sub(r"\[.*\]", "", requirement.strip()))
            found.append(f"{name[0]} {wanted} (it has {there})")
    return found


def _meets(requirement: str, version: str) -> bool:
    try:
        from packaging.requirements import Requirement
    except ImportError:
        return True
    return Requirement(requirement.strip()).specifier.contains(version, prereleases=True)


def trouble() -> str | None:
    """One sentence where this interpreter cannot run a job of ours, else None."""
    where = f"the Python of this job ({sys.executable}, {platform.python_version()})"
    cure = "or name another interpreter of the nodes with --python"
    if sys.version_info < LEAST_PYTHON:
        return f"{where} is older than {'.'.join(map(str, LEAST_PYTHON))}; start Ray from a newer one, {cure}"
    try:
        lacking = missing(metadata.requires(NAME) or ())
    except metadata.PackageNotFoundError:
        return None
    if lacking:
        listed = ", ".join(lacking)
        bring = "bring them along with --requirements FILE (what pip takes)"
        return f"{where} lacks {listed}; install {NAME} on the nodes, {bring}, {cure}"
    return None


def main() -> int:
    """Check, then go on with the supervisor."""
    wrong = trouble()
    if wrong is not None:
        print(f"isthmus: {wrong}", file=sys.stderr)
        return WRONG_INPUT
    import signal

    from service.jobs import inside

    signal.signal(signal.SIGTERM, inside.end)
    return inside.main()


if __name__ == "__main__":
    raise SystemExit(main())
