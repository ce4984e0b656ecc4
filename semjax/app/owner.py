"""Who owns a work directory: a process on a machine, told apart from a later one that has the same number.

A process is named by its machine (host name, boot, process namespace: what must agree for process numbers to mean the
same), its number, and the time it was started, in the kernel's own units.
"""

import dataclasses
import datetime
import json
import os
import pathlib
import socket
import subprocess
import uuid

DEAD_STATES = ("Z", "X")
"""Of a process that has ended and waits for its parent to notice."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Owner:
    """What a lock file says.

    Attributes:
      token: of this lock alone.
      host: the machine's name, for people.
      machine: where `pid` means something.
      pid: process number.
      started: when the process was started, "" if the system does not tell.
      since: when the lock was taken, for people.
    """

    token: str
    host: str
    machine: str
    pid: int
    started: str
    since: str

    def to_json(self) -> str:
        """As a lock file has it."""
        return json.dumps(dataclasses.asdict(self), indent=1) + "\n"

    def here(self) -> bool:
        """Whether its process number can be looked up from here."""
        return self.machine == machine()

    def lives(self) -> bool:
        """Whether its process is still there; only meaningful where `here`."""
        try:
            os.kill(self.pid, 0)
        except (ProcessLookupError, OverflowError):
            return False
        except PermissionError:
            pass  # somebody else's process
        state, started = _process(self.pid)
        return state not in DEAD_STATES and (not started or not self.started or started == self.started)


def this_process() -> Owner:
    """This process, with a new token."""
    return Owner(
        token=uuid.uuid4().hex,
        host=socket.gethostname(),
        machine=machine(),
        pid=os.getpid(),
        started=_process(os.getpid())[1],
        since=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )


def read(path: pathlib.Path) -> Owner | None:
    """The owner that a lock file names, None if there is no file.

    A file that is not a lock's, or is still being written, gives an owner of no known machine.
    """
    try:
        found = Owner(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (TypeError, ValueError):
        token = f"unreadable-{path.stat().st_ino}-{path.stat().st_mtime_ns}"
        return Owner(token=token, host="an unknown host", machine="", pid=0, started="", since="an unknown time")
    return found


def machine() -> str:
    """Host name, boot and process namespace."""
    boot = _text(pathlib.Path("/proc/sys/kernel/random/boot_id"))
    try:
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:  # not Linux
        namespace = ""
    return f"{socket.gethostname()} {boot} {namespace}".strip()


def _process(pid: int) -> tuple[str, str]:
    """State letter and start time of a process, "" where the system does not tell."""
    stat = _text(pathlib.Path(f"/proc/{pid}/stat"))
    if stat:  # "PID (NAME) STATE ..." where NAME may hold blanks and brackets; the start is field 22
        fields = stat.rpartition(")")[2].split()
        return fields[0], fields[19]
    try:
        command = ["ps", "-o", "state=,lstart=", "-p", str(pid)]
        told = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False).stdout.split(maxsplit=1)
    except (OSError, subprocess.SubprocessError):
        return "", ""
    return (told[0][0], told[1].strip()) if len(told) == 2 else ("", "")


def _text(path: pathlib.Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
