"""One end of a mailbox: which bundles are in its folder, how those from the other end come into it, and the message that carries them.

A folder holds <run>/to-site/000001.bundle and <run>/from-site/000001.bundle, counted from 1 without a gap. A bundle is written under another
name, renamed, and never changed. Nothing that came in a message is used as part of a path before it has matched NAME.
"""

import fcntl
import os
import re
import shutil
import stat
from dataclasses import dataclass, field
from pathlib import Path

from flwr.app import Array, ArrayRecord, ConfigRecord, RecordDict

NAME = re.compile(r"(?=.{1,64}\Z)[a-z0-9]+(?:-[a-z0-9]+)*", re.ASCII)
FILE = re.compile(r"([0-9]{6})\.bundle", re.ASCII)
MOST_RUNS, MOST_NUMBER, VERSION = 1000, 999_999, 1


class Refused(Exception):
    """What is wrong with a message or a folder, in words that hold no byte of a message."""


def is_name(name: object) -> bool:
    """Whether this is a site's or a run's name as MedRounds defines it: kebab-case, 1 to 64 characters."""
    return isinstance(name, str) and NAME.fullmatch(name) is not None


class Mailbox:
    """The folder at one end. Bundles of the way `sends` are read here, those of `takes` are written here. The coordinator alone opens runs."""

    def __init__(self, folder: Path, sends: str, takes: str, is_site: bool) -> None:
        self.folder, self.sends, self.takes, self.is_site = folder, sends, takes, is_site
        self.unsent = ""  # Which bundle could not be sent, and why.
        if not folder.is_absolute() or not folder.is_dir():
            raise Refused("the mailbox is not the absolute path of a folder that is there")

    def runs(self) -> list[str]:
        """The runs that have a folder here."""
        return sorted(each.name for each in os.scandir(self.folder) if each.is_dir(follow_symlinks=False) and is_name(each.name))[:MOST_RUNS]

    def last_of(self, run: str, way: str) -> int:
        """The last number of a run that is here, 0 where there is none."""
        place = self.folder / run / way
        names = os.listdir(place) if place.is_dir() else []
        return max((int(match[1]) for match in map(FILE.fullmatch, names) if match), default=0)

    def last(self) -> dict[str, int]:
        """The last number by run of what the other end sends."""
        return {run: self.last_of(run, self.takes) for run in self.runs()}

    def outgoing(self, theirs: dict[str, int], limit: int) -> dict[tuple[str, int], bytes]:
        """What the other end, which has `theirs`, lacks: in the order of the numbers, together at most `limit` bytes."""
        found: dict[tuple[str, int], bytes] = {}
        self.unsent, room = "", limit
        for run in [run for run in self.runs() if run in theirs or not self.is_site]:
            for number in range(theirs.get(run, 0) + 1, self.last_of(run, self.sends) + 1):
                data = self._read(run, number, limit, room)
                if data is None:
                    break
                found[run, number] = data
                room -= len(data)
        return found

    def lacks(self, theirs: dict[str, int]) -> bool:
        """Whether the other end lacks bundles that are here."""
        return any(self.last_of(run, self.sends) > theirs.get(run, 0) for run in self.runs())

    def take(self, bundles: dict[tuple[str, int], bytes]) -> int:
        """Writes what came, in the order of the numbers, and leaves what is there already; how many were written."""
        known, written = set(self.runs()), 0
        for (run, number), data in sorted(bundles.items()):
            if not is_name(run) or not 0 < number <= MOST_NUMBER:
                raise Refused("a bundle has no run's name or no number")
            if run not in known:
                if not self.is_site or len(known) >= MOST_RUNS:
                    raise Refused("a bundle is of a run that has no folder here")
                known.add(run)
            written += self._write(run, number, data)
        return written

    def _read(self, run: str, number: int, limit: int, room: int) -> bytes | None:
        name = f"{run}/{self.sends}/{number:06}.bundle"
        try:
            file = os.open(self.folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            self.unsent = f"{name}: {error.strerror}"
            return None
        with os.fdopen(file, "rb") as source:
            about = os.fstat(file)
            if not stat.S_ISREG(about.st_mode) or about.st_size > limit:
                self.unsent = f"{name}: no file, or {about.st_size} bytes, more than {limit}"
                return None
            return source.read() if about.st_size <= room else None

    def _write(self, run: str, number: int, data: bytes) -> bool:
        place = self.folder / run / self.takes
        place.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(place).free < len(data) + (256 << 20):
            raise Refused("the disk of the mailbox is almost full")
        folder = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            last = self.last_of(run, self.takes)
            if number > last + 1:
                raise Refused("a bundle does not go on from the last one that is here")
            if number <= last:
                return False
            with open(part := place / f".{number:06}.part", "wb") as target:
                target.write(data)
                target.flush()
                os.fsync(target.fileno())
            part.rename(place / f"{number:06}.bundle")
            return True
        finally:
            os.close(folder)


@dataclass
class Parcel:
    """What a message says. `last` is the last number by run that the sender has; `room` is how many bytes it takes at once."""

    site: str
    nonce: str
    last: dict[str, int]
    room: int
    bundles: dict[tuple[str, int], bytes] = field(default_factory=dict)

    def records(self) -> RecordDict:
        """The parcel as the records of a message; a bundle is an array of bytes named <run>/<number>."""
        says = ConfigRecord({"version": VERSION, "site": self.site, "nonce": self.nonce, "room": self.room})
        arrays = {f"{run}/{n:06}": Array("uint8", (len(data),), "bundle", data) for (run, n), data in self.bundles.items()}
        return RecordDict({"says": says, "last": ConfigRecord(dict(self.last)), "bundles": ArrayRecord(arrays)})

    @staticmethod
    def read(records: RecordDict, limit: int) -> "Parcel":
        """Reads what came. Raises Refused where a name, a number or the number of bytes is not one that a parcel may have."""
        says, last, arrays = (records.get(key) for key in ("says", "last", "bundles"))
        if not isinstance(says, ConfigRecord) or not isinstance(last, ConfigRecord) or not isinstance(arrays, ArrayRecord):
            raise Refused("a message does not have the three records of a parcel")
        site, nonce, room = says.get("site"), says.get("nonce"), says.get("room")
        if says.get("version") != VERSION or not is_name(site) or not isinstance(nonce, str) or type(room) is not int:
            raise Refused(f"a message does not say version {VERSION}, site, nonce and room")
        if len(last) > MOST_RUNS or len(arrays) > MOST_RUNS:
            raise Refused(f"a message has more than {MOST_RUNS} runs or bundles")
        for run, number in last.items():
            if not is_name(run) or type(number) is not int or not 0 <= number <= MOST_NUMBER:
                raise Refused("a message names a run or a number that cannot be")
        bundles: dict[tuple[str, int], bytes] = {}
        for name, array in arrays.items():
            run, _, digits = name.partition("/")
            if not is_name(run) or len(digits) != 6 or not digits.isascii() or not digits.isdigit():
                raise Refused("a message names a bundle that cannot be")
            bundles[run, int(digits)] = array.data
        if sum(map(len, bundles.values())) > limit:
            raise Refused(f"the bundles of a message have more than {limit} bytes")
        return Parcel(site, nonce, dict(last), room, bundles)
