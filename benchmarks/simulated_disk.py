"""What a folder holds after a power cut, simulated: what was synced, and no more."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

from irisstn.outputs.records import output_files


@dataclass
class Disk:
    """What a folder surely holds after a power cut: names that were synced with their folder, content that was synced.

    A cut may come at any moment. It leaves of the manifest anything up to what was written, of other files no more than
    what was synced; files that have a name and no synced content are empty. Names may also outlive a cut before they
    were synced: `also_names` lets each cut be noted a second time, with all names of that moment.
    """

    root: Path
    also_names: bool = False
    content: dict[int, bytes] = field(default_factory=dict)  # by inode
    files: dict[int, dict[str, bytes]] = field(default_factory=dict)  # of each folder, by its inode
    folders: dict[int, dict[str, int]] = field(default_factory=dict)  # the inodes of those in each folder
    cuts: list[dict[str, bytes]] = field(default_factory=list)  # what was left at each write to the manifest

    def synced(self, descriptor: int) -> None:
        """Take note of `os.fsync`."""
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        inode = os.fstat(descriptor).st_ino
        if path.is_dir():
            self.files[inode] = {one.name: self._synced_content(one) for one in path.iterdir() if one.is_file()}
            self.folders[inode] = {one.name: one.stat().st_ino for one in path.iterdir() if one.is_dir()}
        else:
            self.content[inode] = path.read_bytes()
            known = self.files.get(path.parent.stat().st_ino, {})
            if path.name in known:
                known[path.name] = self.content[inode]

    def _synced_content(self, path: Path) -> bytes:
        """The content of a file if it was synced, else nothing: its inode may have been that of a removed file."""
        try:
            data = path.read_bytes()
            return data if self.content.get(path.stat().st_ino) == data else b""
        except FileNotFoundError:  # another thread has renamed it
            return b""

    def cut(self) -> None:
        """Take note of what a power cut would leave, with the whole manifest."""
        manifest = self.root / "manifest.jsonl"
        left = {manifest.name: manifest.read_bytes()} if manifest.exists() else {}
        named = dict(left)
        self._collect(self.root.stat().st_ino, "", left)
        self.cuts.append(left)
        if self.also_names:
            for path in self.root.rglob("*"):
                if path.is_file():
                    named.setdefault(path.relative_to(self.root).as_posix(), self._synced_content(path))
            self.cuts.append(named)

    def _collect(self, folder: int, prefix: str, left: dict[str, bytes]) -> None:
        for name, data in self.files.get(folder, {}).items():
            left.setdefault(prefix + name, data)
        for name, inode in self.folders.get(folder, {}).items():
            self._collect(inode, f"{prefix}{name}/", left)


@contextmanager
def watch_syncs(root: Path, *, every_sync: bool = False) -> Iterator[Disk]:
    """Let a `Disk` take note of what this process syncs below `root`, and of what a cut would leave.

    Parameters
    ----------
    root : Path
        The folder; it need not exist.
    every_sync : bool
        Whether to take note of cuts after each sync, with the names that were synced and with all names; else of one
        after each write to the manifest.

    Yields
    ------
    Disk
        With its `cuts` so far.
    """
    disk = Disk(root, also_names=every_sync)
    sync, write = os.fsync, os.write

    def fsync(descriptor: int) -> None:
        sync(descriptor)
        disk.synced(descriptor)
        if every_sync and root.exists():
            disk.cut()

    def write_and_cut(descriptor: int, data: bytes) -> int:
        written = write(descriptor, data)
        if Path(f"/proc/self/fd/{descriptor}").readlink() == root / "manifest.jsonl":
            disk.cut()
        return written

    with patch.object(os, "fsync", fsync), patch.object(os, "write", write_and_cut):
        yield disk


def records_without_files(left: dict[str, bytes]) -> int:
    """Of how many records some file is not there, or has not the size that the record tells."""
    records = [json.loads(line) for line in left.get("manifest.jsonl", b"").splitlines()]
    return sum(
        [len(left.get(name, b"")) for name in output_files(record)] != record["file_sizes"]
        for record in records
        if record["status"] == "ok"
    )


def restore(left: dict[str, bytes], folder: Path) -> None:
    """Write what a cut has left into `folder`."""
    for name, data in left.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
