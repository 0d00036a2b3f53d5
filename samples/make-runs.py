# Writes the run histories of the samples, byte for byte the same each time.
import json, os, shutil, sqlite3, struct, sys, tempfile

root = os.path.dirname(os.path.abspath(__file__))
intact, damaged = root + "/intact", root + "/damaged/run-history"
os.makedirs(damaged, exist_ok=True)
LATER = ["approval_status TEXT DEFAULT 'pending'", "approval_reason TEXT", "approved_at REAL",
         "approved_by TEXT"]
GOALS = ["Wash the bottles", "Fill the feeders", "Count the visitors", "Order new seed",
         "Mend the north hide", "Write the weekly note", "Clean the cameras", "Ring the nestlings"]

def make(path, later=4, runs=24, broken=None, without=()):
    for ending in ("", "-wal", "-shm", "-journal"):
        if os.path.exists(path + ending): os.remove(path + ending)
    db = sqlite3.connect(path)
    db.execute("PRAGMA page_size=1024")
    columns = ["run_id TEXT PRIMARY KEY", "plan_id TEXT NOT NULL", "objective TEXT NOT NULL",
               "plan_result TEXT NOT NULL",
               "execution_result TEXT" + ("" if later else " NOT NULL"),
               "created_at REAL NOT NULL"] + LATER[:later]
    columns = [c for c in columns if c.split()[0] not in without]
    db.execute("CREATE TABLE runs (\n  " + ",\n  ".join(columns) + "\n)")
    db.execute("CREATE INDEX idx_runs_created_at ON runs (created_at DESC)")
    names = [c.split()[0] for c in columns]
    for i in range(runs):
        goal = GOALS[i % len(GOALS)]
        plan = json.dumps({"plan": goal, "steps": ["look", "do", "look again"][: i % 3 + 1]},
                          indent=2 if i % 4 == 0 else None)
        done = json.dumps({"success": i % 5 != 3, "took_s": i * 0.1, "note": "naïve ☂"},
                          ensure_ascii=i % 2 == 0)
        row = {"run_id": "run-%04d" % i, "plan_id": "plan-%d" % (i % 8), "objective": goal,
               "plan_result": plan, "execution_result": done if i % 6 != 5 or not later else None,
               "created_at": 1767225600 + i * 86400 / 7, "approval_status": "pending",
               "approval_reason": None, "approved_at": None, "approved_by": None}
        if i % 3 == 0:
            row.update(approval_status="approved", approval_reason="as every week",
                       approved_at=1767225600.25 + i * 86400 / 7, approved_by="warden")
        if broken: broken(i, row)
        values = [row[n] for n in names]
        db.execute("INSERT INTO runs VALUES (%s)" % ",".join("?" * len(values)), values)
    db.commit()
    db.close()

def patch(path, change):
    data = bytearray(open(path, "rb").read())
    data = change(data) or data
    open(path, "wb").write(data)

make(intact + "/runs.db")
make(intact + "/runs-first-version.db", later=0, runs=6)

def bad_json(i, row):
    if i == 4: row["plan_result"] = row["plan_result"][:20]
    if i == 9: row["execution_result"] = "None"
make(damaged + "/bad-json.db", broken=bad_json)
make(damaged + "/missing-column.db", without=("objective", "approval_reason"))
make(damaged + "/page-zeroed.db")
def zero(data):
    # The third leaf of the table: a page that starts with 0x0D, cells of several columns.
    leaves = [p for p in range(1, len(data) // 1024) if data[p * 1024] == 0x0D]
    data[leaves[2] * 1024:(leaves[2] + 1) * 1024] = bytes(1024)
patch(damaged + "/page-zeroed.db", zero)
make(damaged + "/truncated.db")
patch(damaged + "/truncated.db", lambda d: d[: len(d) * 6 // 10 // 1024 * 1024])
make(damaged + "/header-zeroed.db")
def header(data): data[:100] = bytes(100)
patch(damaged + "/header-zeroed.db", header)

# The last writes are in the WAL, and its index is gone.
os.makedirs(damaged + "/wal-left", exist_ok=True)
target = damaged + "/wal-left/runs.db"
scratch = tempfile.mkdtemp()

make(scratch + "/runs.db", runs=10)
db = sqlite3.connect(scratch + "/runs.db", isolation_level=None)
db.execute("PRAGMA journal_mode=WAL")
for i in range(10, 16):
    db.execute("INSERT INTO runs VALUES (?,?,?,?,?,?,?,?,?,?)", (
        "run-%04d" % i, "plan-%d" % (i % 8), GOALS[i % 8], "{}", None, 1767225600.5 + i, "pending",
        None, None, None))
shutil.copyfile(scratch + "/runs.db", target)
shutil.copyfile(scratch + "/runs.db-wal", target + "-wal")
db.close()
# The salts and checksums of a WAL are random: set them, so that the bytes are always the same.
wal = bytearray(open(target + "-wal", "rb").read())
def checksum(data, s=(0, 0)):
    a, b = s
    for x, y in struct.iter_unpack("<II", data):
        a = (a + x + b) & 0xFFFFFFFF; b = (b + y + a) & 0xFFFFFFFF
    return a, b
struct.pack_into(">I", wal, 0, 0x377F0682)
struct.pack_into(">II", wal, 16, 0x5EED0001, 0x5EED0002)
s = checksum(bytes(wal[:24])); struct.pack_into(">II", wal, 24, *s)
at = 32
while at < len(wal):
    struct.pack_into(">II", wal, at + 8, 0x5EED0001, 0x5EED0002)
    s = checksum(bytes(wal[at:at + 8]) + bytes(wal[at + 24:at + 24 + 1024]), s)
    struct.pack_into(">II", wal, at + 16, *s); at += 24 + 1024
open(target + "-wal", "wb").write(wal)
shutil.rmtree(scratch)
