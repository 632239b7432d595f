"""Writes tested.txt beside it: the version of everything this project needs, as installed where this runs.

`make constraints` runs it, after the suite passed in that environment. What only some platforms have (CUDA's parts) is
left out, and so are tools that happen to be installed but that nothing here asks for.
"""

from __future__ import annotations

import configparser
import platform
import re
import sys
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

HERE = Path(__file__).resolve().parent
PLATFORM = ("nvidia-", "cuda-", "triton")


def canonical(name: str) -> str:
    """A distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def asked(setup: Path) -> list[Requirement]:
    """The requirements of `setup.cfg` and of all its extras that hold for this Python."""
    parser = configparser.ConfigParser()
    parser.read(setup, encoding="utf-8")
    texts = [parser["options"]["install_requires"], *parser["options.extras_require"].values()]
    requirements = [Requirement(line) for text in texts for line in text.splitlines() if line.strip()]
    return [one for one in requirements if one.marker is None or one.marker.evaluate()]


def installed(requirements: list[Requirement]) -> dict[str, str]:
    """The versions of the requirements and of all that they need in turn, by name. Ends the program where one lacks."""
    versions: dict[str, str] = {}
    waiting = [(one, "setup.cfg") for one in requirements]
    while waiting:
        requirement, asker = waiting.pop()
        name = canonical(requirement.name)
        if name.startswith(PLATFORM):
            continue
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            sys.exit(f"{requirement}, which {asker} needs, is not installed here; nothing was written.")
        version = Version(distribution.version)
        if asker == "setup.cfg" and not requirement.specifier.contains(version, prereleases=True):
            sys.exit(f"{name} {version} is installed here, and setup.cfg asks for {requirement}; nothing was written.")
        known = name in versions
        versions[name] = version.public
        for text in () if known and not requirement.extras else distribution.requires or ():
            needed = Requirement(text)
            extras = requirement.extras or {""}
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append((needed, name))
    return versions


def main() -> None:
    """Writes the file and says how many versions it holds."""
    versions = installed(asked(HERE.parent / "setup.cfg"))
    python = ".".join(platform.python_version_tuple()[:2])
    head = (
        f"# Versions with which the suite passed under Python {python}, written by `make constraints`.\n"
        "# An older Python, for which some of them do not exist, takes the newest that it can.\n"
    )
    lines = [f'{name}=={version}; python_version >= "{python}"\n' for name, version in sorted(versions.items())]
    (HERE / "tested.txt").write_text(head + "".join(lines), encoding="utf-8")
    print(f"{len(lines)} versions")


if __name__ == "__main__":
    main()
