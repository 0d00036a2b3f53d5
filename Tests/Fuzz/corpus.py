#!/usr/bin/env python3
"""Writes the inputs that the fuzz targets start from: Tests/Fuzz/corpus.py DIR."""
import gzip
import io
import os
import pathlib
import sqlite3
import subprocess
import sys
import tarfile
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUT = pathlib.Path(sys.argv[1])


def add(target, name, data):
    folder = OUT / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def texts():
    """The first byte of an input of `json` chooses the kind that it is salvaged as."""
    for path in sorted((ROOT / "samples").rglob("*.json*")):
        data = path.read_bytes()
        if len(data) > 20_000:
            continue
        name = str(path.relative_to(ROOT / "samples")).replace("/", "-")
        for kind in (0, 1, 2, 3, 0x81):
            add("json", f"{name}-{kind}", bytes([kind]) + data)


def rtfs():
    import json

    path = ROOT / "samples/intact/snapshot-v1.1.json"
    add("rtfs", "snapshot", json.loads(path.read_text())["rtfs"].encode())
    add("rtfs", "graph", b'''(knowledge-graph
  (entities
    (entity {:name "a" :type "t" :observations ["x" 1 -2.5 nil true {:k "v" "s" [1]}] } :scope "u")
  ) #| note |# ; comment
  (relations
    (relation {:from "a" :to "b" :type "knows" :metadata nil })
  )
)
(document "d" {:x 1.0e21 })
''')


def pages():
    with tempfile.TemporaryDirectory() as scratch:
        for size in (512, 1024):
            path = os.path.join(scratch, f"{size}.db")
            db = sqlite3.connect(path)
            db.execute(f"PRAGMA page_size={size}")
            db.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b BLOB, c REAL)")
            db.execute("CREATE TABLE w(k TEXT, v, PRIMARY KEY(k)) WITHOUT ROWID")
            db.execute("CREATE INDEX i ON t(a)")
            for n in range(40):
                db.execute("INSERT INTO t VALUES(?,?,?,?)", (n, "x" * n * (n % 9), b"y" * n, n / 3))
                db.execute("INSERT INTO w VALUES(?,?)", (f"k{n}", n))
            db.execute("DELETE FROM t WHERE id BETWEEN 5 AND 30")
            db.commit()
            db.close()
            add("pages", f"{size}", pathlib.Path(path).read_bytes())


def frames():
    """The first byte of an input of `frames` chooses the ending of its name."""
    binary = os.environ.get("HOLDFAST_BINARY")
    with tempfile.TemporaryDirectory() as scratch:
        store = os.path.join(scratch, "m.jsonl")
        pathlib.Path(store).write_text(
            '{"type":"entity","name":"a","entityType":"t","observations":["x"]}\n'
            '{"type":"relation","from":"a","to":"a","relationType":"r"}\n')
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as tar:
            tar.add(store, "store/" + "m" * 120 + ".jsonl")
        add("frames", "tar", b"\2" + content.getvalue())
        add("frames", "tar.gz", b"\1" + gzip.compress(content.getvalue()))
        add("frames", "members.gz", b"\1" + b"".join(
            gzip.compress(content.getvalue()[at:at + 512])
            for at in range(0, len(content.getvalue()), 512)))
        if binary and os.path.exists(binary):
            for number, form in ((0, "zstd"), (1, "gzip"), (2, "none")):
                subprocess.run(
                    [binary, "backup", store, "--to", f"{scratch}/{form}", "--compression", form],
                    check=True, stdout=subprocess.DEVNULL)
                for path in pathlib.Path(f"{scratch}/{form}").glob("*.tar*"):
                    add("frames", form, bytes([number]) + path.read_bytes())


for part in (texts, rtfs, pages, frames):
    part()
