"""What the benchmarks share: running a command under the clock, tables, ratios, results as JSON.

Every comparison runs all its commands once a round, one after the other, so that a slow moment of
the machine meets all of them; medians count, and ratios are taken round by round.
"""
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
HOLDFAST = os.environ.get("HOLDFAST_BINARY") or os.path.join(HERE, "../.build/release/holdfast")
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "stdin": subprocess.DEVNULL}


def need(*packages):
    """Installs what is missing of (package, the program that it brings)."""
    missing = [p for p, tool in packages if not shutil.which(tool)]
    if missing:
        print("installing", *missing, file=sys.stderr)
        sudo = [] if os.geteuid() == 0 else ["sudo"]
        subprocess.run([*sudo, "apt-get", "update", "-qq"], check=True, **QUIET)
        subprocess.run([*sudo, "apt-get", "install", "-y", "-qq", *missing], check=True, **QUIET)


def environment(scratch, *packages):
    """A Python environment of its own with packages from PyPI; the path of its programs."""
    need(("python3-venv", "python3"))
    place = f"{scratch}/venv"
    subprocess.run([sys.executable, "-m", "venv", place], check=True)
    subprocess.run([f"{place}/bin/pip", "install", "-q", *packages], check=True, **QUIET)
    return f"{place}/bin"


def versions(*commands):
    """The first line of what each command says of its version, by the command's name."""
    found = {}
    for command in commands:
        said = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        found[os.path.basename(command[0])] = said.stdout.split("\n")[0].strip()
    return found


def run(command, env=None, allowed=(0,), cwd=None):
    """Seconds, CPU seconds and peak memory in KiB of one command.

    What the one before has written is on the disk first, so that none pays for another.
    """
    os.sync()
    start = time.monotonic()
    process = subprocess.Popen(command, env={**os.environ, **(env or {})}, cwd=cwd, **QUIET)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in allowed:
        raise SystemExit(f"{command}: exit {process.returncode}")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss


class Comparison:
    """The runs of several commands on the same data."""

    def __init__(self, title, megabytes):
        self.title, self.megabytes, self.rows = title, megabytes, {}

    def measure(self, commands, rounds):
        """`commands`: name to a function that runs it and gives what `run` gives."""
        for _ in range(rounds):
            for name, command in commands.items():
                self.rows.setdefault(name, []).append(command())
        return self

    def median(self, name, part=0):
        return statistics.median(row[part] for row in self.rows[name])

    def peak(self, name):
        """MiB."""
        return max(row[2] for row in self.rows[name]) / 1024

    def ratio(self, top, bottom, part=0):
        """Median, least and greatest of the ratios, round by round."""
        all = [a[part] / b[part] for a, b in zip(self.rows[top], self.rows[bottom])]
        return statistics.median(all), min(all), max(all)

    def table(self):
        print(f"| {self.title} | median s | min to max s | CPU s | MB/s | peak memory |")
        print("|---|---|---|---|---|---|")
        for name, rows in self.rows.items():
            walls = [row[0] for row in rows]
            print(
                f"| {name} | {self.median(name):.2f} | {min(walls):.2f} to {max(walls):.2f} "
                f"| {self.median(name, 1):.2f} | {self.megabytes / self.median(name):.0f} "
                f"| {self.peak(name):.0f} MiB |")
        print()

    def ratios(self, goals):
        """`goals`: (top, bottom, what the ratio should keep to or None, how that is said)."""
        print("| ratio | of wall times | min to max | of CPU times | goal |")
        print("|---|---|---|---|---|")
        for top, bottom, holds, goal in goals:
            median, least, most = self.ratio(top, bottom)
            missed = "" if holds is None or holds(median) else ": missed"
            print(
                f"| {top} / {bottom} | {median:.2f} | {least:.2f} to {most:.2f} "
                f"| {self.ratio(top, bottom, 1)[0]:.2f} | {goal}{missed} |")
        print()

    def as_json(self):
        return {
            "title": self.title, "megabytes": self.megabytes,
            "commands": {
                name: [dict(zip(("seconds", "cpu", "kib"), row)) for row in rows]
                for name, rows in self.rows.items()}}


def exponent(points):
    """The slope of log y over log x, least squares: 1 is linear growth."""
    logs = [(math.log(x), math.log(y)) for x, y in points]
    x, y = (sum(p[i] for p in logs) / len(logs) for i in (0, 1))
    return sum((a - x) * (b - y) for a, b in logs) / sum((a - x) ** 2 for a, _ in logs)


def save(path, comparisons, tools):
    """Writes all runs as JSON to `path`, if one is given."""
    if not path:
        return
    with open(path, "w") as out:
        json.dump(
            {"cores": os.cpu_count(), "versions": tools,
             "comparisons": [c.as_json() for c in comparisons]}, out, indent=1)
        out.write("\n")
