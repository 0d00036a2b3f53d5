import Salvage
import TestSupport
import Testing

/// Databases that were in use for a while, so that pages are free, or hold the rest of what they held
/// before, with damages by which no page moves.
struct UsedDatabaseTests {
  private static let make = """
    import random, sqlite3, struct, sys
    kind, r = sys.argv[2], random.Random(sys.argv[1])
    size, wide = r.choice([512, 1024, 4096, 4096]), r.random() < .5
    db = sqlite3.connect('a.db', isolation_level=None)
    db.execute('PRAGMA page_size=%d' % size)
    db.execute('PRAGMA secure_delete=%d' % r.choice([0, 0, 1]))
    db.execute('CREATE TABLE t(id %s PRIMARY KEY, n REAL, b BLOB, a TEXT)%s'
        % (('TEXT', ' WITHOUT ROWID') if wide else ('INTEGER', '')))
    count, share, width = r.choice([40, 200, 400]), r.choice([.1, .5, 1]), r.choice([2, 4, 8])
    versions = set()
    def row(id):
        length = r.randrange(size, size * width) if r.random() < share else r.randrange(20, size // 4)
        row = ('k%05d' % id if wide else id, r.choice([0.5, r.random(), 3.0]), r.choice([b'', r.randbytes(9)]),
            ('row %d, ' % id * (length // 6 + 1))[:length])
        versions.add(row)
        return row
    db.execute('BEGIN')
    for id in range(count): db.execute('INSERT INTO t VALUES(?,?,?,?)', row(id))
    db.execute('COMMIT')
    # Without the list of its free pages, which of them are free cannot be told from all others.
    for _ in range(0 if kind == 'cut' else r.choice([0, 0, 5, 60, 300])):
        if r.random() < .2: db.execute('BEGIN')
        for _ in range(r.choice([1, 1, 10])):
            new, what = row(r.randrange(count)), r.random()
            if what < .8: db.execute('DELETE FROM t WHERE id = ?', new[:1])
            if what < .6 or what > .8: db.execute('INSERT OR IGNORE INTO t VALUES(?,?,?,?)', new)
        if db.in_transaction: db.execute('COMMIT')
    rows = {row[0]: row for row in db.execute('SELECT * FROM t')}
    db.close()
    data = open('a.db', 'rb').read()
    def number(at, count): return int.from_bytes(data[at:at + count], 'big')
    def varint(bytes, at):
        value = 0
        for i in range(9):
            value = value << 7 | bytes[at + i] & 127
            if bytes[at + i] < 128: return value, at + i + 1
    # The stretches that each row has, its own page first (sqlite.org/fileformat2.html, 1.6).
    where, ends = {}, []
    def read(at, base, keyed):
        length, start = varint(data, at)
        if not keyed: id, start = varint(data, start)
        most, least = (size - 12) * 64 // 255 - 23 if keyed else size - 35, (size - 12) * 32 // 255 - 23
        local = length
        if length > most:
            local = least + (length - least) % (size - 4)
            if local > most: local = least
        stretches, record = [(base, base + size)], data[start:start + local]
        next = number(start + local, 4) if local < length else 0
        while next:
            at, left = (next - 1) * size, min(size - 4, length - len(record))
            stretches.append((at, at + 4 + left))
            record, next = record + data[at + 4:at + 4 + left], number(at, 4)
        if keyed:
            head, place = varint(record, 0)
            id = record[head:head + (varint(record, place)[0] - 13) // 2].decode()
        where[id] = stretches
        ends.append(stretches[-1] if stretches[1:] else (start, start + local))
    pages = [2]
    while pages:
        at = (pages.pop() - 1) * size
        sort, cells = data[at], number(at + 3, 2)
        inner = sort in (2, 5)
        if inner: pages.append(number(at + 8, 4))
        for cell in range(cells):
            place = at + number(at + (12 if inner else 8) + 2 * cell, 2)
            if inner: pages.append(number(place, 4))
            if sort != 5: read(place + 4 if inner else place, at, sort in (2, 10))
    assert set(where) == set(rows)
    new, hurt = bytearray(data), []
    times = r.choice([1, 2, 5, 20])
    def put(at, bytes):
        # Where a row loses its end alone, nothing tells, nor do a few bytes.
        if any(start < at < end <= at + len(bytes) or 0 < end - at < 16 for start, end in ends): return
        new[at:at + len(bytes)] = bytes
        hurt.append((at, at + len(bytes)))
    for _ in range(times if kind in ('pages', 'noise', 'sectors') else 1):
        at = r.randrange(1, len(data) // size) * size
        if kind == 'pages': put(at, bytes(size))
        if kind == 'noise': put(at, r.randbytes(size))
        if kind == 'sectors': put(at + r.randrange(size // 512) * 512, r.choice([bytes(512), r.randbytes(512)]))
    if kind == 'first': put(0, bytes(size))
    if kind == 'header': put(0, r.randbytes(100))
    if kind == 'hole':
        at = r.randrange(2 * size, len(data)) // 512 * 512
        put(at, bytes(min(len(data) - at, r.randrange(1, size // 64 + 1) * 512)))
    if kind == 'cut':
        at = r.randrange(len(data) // 3, len(data))
        hurt.append((at, len(data)))
        del new[at:]
    open('damaged.db', 'wb').write(new)
    intact = {rows[id] for id, stretches in where.items()
        if not any(start < last and first < end for start, end in stretches for first, last in hurt)}
    open('truth', 'w').write(repr((versions, intact)))
    print(size, wide, kind, len(hurt), len(rows), len(intact))
    """

  /// Each row is one that was there at some time, and those of which nothing is gone come back.
  private static let check = """
    import os, sqlite3
    versions, intact = eval(open('truth').read())
    db = sqlite3.connect('out/recovered/damaged.db')
    assert db.execute('PRAGMA integrity_check').fetchone() == ('ok',)
    found = set()
    for name, in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        for row in db.execute('SELECT rowid, * FROM ' + name if name != 't' else 'SELECT NULL, * FROM t'):
            # The id of a row that is put in no table that is known is its row id.
            found.add(row[1:] if row[1] is not None and len(row) == 5 else (row[0],) + row[2:] if len(row) == 5 else row)
    assert not found - versions, [(row[0], len(row[3])) for row in found - versions]
    apart = ''
    if os.path.exists('out/irregular/damaged.db.sql'): apart = open('out/irregular/damaged.db.sql').read()
    lost = [row[0] for row in intact - found if row[3].replace("'", "''") not in apart]
    assert not lost, sorted(lost)
    """

  @Test(
    arguments: ["pages", "noise", "sectors", "first", "header", "hole", "cut"], 0..<2 * rounds)
  func areRead(_ damage: String, _ round: Int) throws {
    let seed = Seeded().seed % 1_000_000 + UInt64(round)
    try read(seed, damage)
  }

  /// Rows were lost to links of pages that are in no use, or altered.
  @Test(
    arguments: zip(
      [100, 100, 111, 120, 138, 261, 10, 908_850, 40_014, 40_027, 60_025, 874_146] as [UInt64],
      [
        "header", "noise", "cut", "sectors", "header", "first", "sectors", "sectors", "pages",
        "noise", "noise", "cut",
      ]))
  func foundEarlier(_ seed: UInt64, _ damage: String) throws { try read(seed, damage) }

  private func read(_ seed: UInt64, _ damage: String) throws {
    let scratch = try Scratch(inMemory: true)
    let story = try scratch.python(Self.make, "\(seed)", damage)
    let report = try scratch.salvage()
    let account = report.inputs[0].account
    let sum = Fate.allCases.reduce(0) { $0 + account[$1].bytes }
    #expect("\(sum)\n" == (try scratch.run("stat -c %s damaged.db")), "\(seed): \(story)")
    #expect(throws: Never.self, "\(seed): \(story)") { try scratch.python(Self.check) }
  }
}
