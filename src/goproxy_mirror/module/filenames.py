"""Names of a module's files: each can stand on every system, and no two would be one where case is folded."""

from __future__ import annotations

from goproxy_mirror.module.letters import fold
from goproxy_mirror.module.path import Kind, element_problem, path_problem


class TreeNames:
    """The names of one tree, as they come, each held against those before it."""

    def __init__(self) -> None:
        self._names: dict[str, tuple[str, bool]] = {}
        self._folders: dict[str, str | None] = {"": None}
        self._well_formed: set[str] = set()

    def problem(self, name: str, *, is_folder: bool = False) -> str | None:
        """Why no module can have the name besides those before it, in the go command's words, or None."""
        problem = self._form_problem(name)
        if problem:
            return problem
        if not is_folder and name != "go.mod" and name.lower() == "go.mod":
            return "go.mod files must have lowercase names"
        return self._collision(name, is_folder=is_folder) or self._folder_problem(parent(name))

    def _form_problem(self, name: str) -> str | None:
        """Why the name cannot stand by itself; of a folder that was well once, only what follows is looked at."""
        if parent(name) in self._well_formed and name.isascii():
            return unclean(name) or element_problem(name.rpartition("/")[2], Kind.FILE)
        problem = unclean(name) or path_problem(name, Kind.FILE)
        folder = parent(name)
        while problem is None and folder not in self._well_formed:
            self._well_formed.add(folder)
            folder = parent(folder)
        return problem

    def _folder_problem(self, folder: str) -> str | None:
        """The first collision of a folder or one above it; each needs to be looked at once only."""
        climbed = []
        problem = None
        while problem is None and folder not in self._folders:
            climbed.append(folder)
            problem = self._collision(folder, is_folder=True)
            folder = parent(folder)
        problem = problem or self._folders[folder]
        self._folders.update((below, problem) for below in climbed)
        return problem

    def _collision(self, name: str, *, is_folder: bool) -> str | None:
        this = (name, is_folder)
        other, other_is_folder = earlier = self._names.setdefault(fold(name), this)
        if earlier is this:
            return None
        if other != name:
            return f"case-insensitive file name collision: {other!a} and {name!a}"
        if other_is_folder != is_folder:
            return f"entry {name!a} is both a file and a directory"
        return None if is_folder else f"multiple entries for file {name!a}"


def parent(name: str) -> str:
    """The folder that a slash-separated name lies in; empty for the root."""
    return name.rpartition("/")[0]


def unclean(name: str) -> str | None:
    """Why a name is not the plain way from the root to a file, or None if it is."""
    if name.startswith("/"):
        return "file path is not relative"
    if name and "//" not in name and "./" not in name and not name.endswith(("/", ".")):
        return None
    elements = name.split("/")
    if "" in elements or "." in elements or ".." in elements[1:]:
        return "file path is not clean"
    return None
