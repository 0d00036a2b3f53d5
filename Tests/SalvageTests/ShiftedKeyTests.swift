import Salvage
import TestSupport
import Testing

/// Databases whose tables have no row ids, or whose rows nearly all go on in other pages, with long
/// stretches lost or put in: nothing but keys tells there which page is which.
struct ShiftedKeyTests {
  private static let make = """
    import random, sqlite3, sys
    seed, end, equal = sys.argv[1], sys.argv[2] == 'end', sys.argv[2] == 'equal'
    r = random.Random(seed)
    size = r.choice([512, 1024, 4096, 4096, 16384])
    db = sqlite3.connect('a.db', isolation_level=None)
    db.execute('PRAGMA page_size=%d' % size)
    db.execute('CREATE TABLE t(id TEXT PRIMARY KEY, a TEXT, b BLOB, n REAL) WITHOUT ROWID')
    both = r.random() < .3
    if both: db.execute('CREATE TABLE u(id INTEGER PRIMARY KEY, a TEXT, b BLOB, n REAL)')
    db.execute('BEGIN')
    pages, id = 0, 0
    share, width = r.choice([0.3, 1, 1, 1]), r.choice([2, 2, 3, 5])
    shuffled = r.random() < .4
    while pages < (110 if equal else 250):
        id += r.choice([1, 1, 1, 5])
        key = 'k%06d' % (r.randrange(10**6) if shuffled else id)
        long = r.random() < share
        count = r.randrange(size, size * width) if long else r.randrange(24, max(30, size // 6))
        text = ('row %d of %s, ' % (id, seed) * (count // 8))[:count]
        in_u = both and r.random() < .5
        db.execute('INSERT OR IGNORE INTO %s VALUES(?,?,?,?)' % ('u' if in_u else 't'),
            (id if in_u else key, text, r.randbytes(r.randrange(30)), r.random()))
        pages += (count + 40) / size
    if r.random() < .3:
        for row in db.execute('SELECT id FROM t').fetchall():
            if r.randrange(3) == 0: db.execute('DELETE FROM t WHERE id = ?', row)
    db.execute('COMMIT')
    db.close()
    data = open('a.db', 'rb').read()
    out, at, first, kinds = b'', 0, None, []
    if end:
        # Shortly before the end nearly nothing tells.
        at = len(data) - r.randrange(2, 14) * size + r.choice([0, 0, r.randrange(size)])
        n = r.choice([size, size, 2 * size, 3 * size, 512])
        out, first = data[:at], at // size
        kinds.append(-n)
        at += n
    if equal:
        # The file is as long as it was.
        count, last = r.choice([1, 1, 2]), len(data) // size
        lost, put = r.randrange(2, last - 3), r.randrange(2, last - 3)
        rest = data[:lost * size] + data[(lost + count) * size:]
        data = rest[:put * size] + r.randbytes(count * size) + rest[put * size:]
        out, at, first = data, len(data), min(lost, put)
    for place in [] if end or equal else sorted(r.sample(range(2, 18), r.choice([1, 2, 2, 3, 3, 4]))):
        to = min(len(data) - 2 * size, place * len(data) // 20 + r.randrange(size))
        if to < at: continue
        out += data[at:to]
        if first is None: first = to // size
        some, many = r.randrange(1, 30) * size, r.randrange(1, 30 * size)
        n = r.choice([512, size, 2 * size, some, many, many])
        if r.random() < .4:
            out += r.choice([bytes(n), r.randbytes(n), data[:n]])
            at = to
        else:
            at = to + n
        kinds.append(n if at == to else -n)
    open('damaged.db', 'wb').write(out + data[at:])
    open('first', 'w').write(str(first))
    print(size, *kinds)
    """

  /// Each row is one that was there, and most of those come back that lie well in front of the damage.
  private static let check = """
    import re, sqlite3, struct
    def rows(path):
        db = sqlite3.connect(path)
        assert db.execute('PRAGMA integrity_check').fetchone() == ('ok',)
        names = db.execute("SELECT name FROM sqlite_master WHERE type='table'").fetchall()
        # The id of a row that is put in no table that is known is its row id.
        return [((row[0],) + row[2:] if row[1] is None else row[1:])[-4:]
            for name, in names for row in db.execute(
                'SELECT %s, * FROM %s' % ('rowid' if name.startswith('lost_') else '0', name))]
    truth, found = rows('a.db'), rows('out/recovered/damaged.db')
    assert len(found) == len(set(found)), 'rows twice'
    made = set(found) - set(truth)
    assert not made, sorted(re.findall('row [0-9]+', str(made)))[:4]
    data = open('a.db', 'rb').read()
    size = struct.unpack('>H', data[16:18])[0]
    behind = set()
    for page in range(max(0, int(open('first').read()) - 80), len(data) // size):
        behind |= set(re.findall(b'row ([0-9]+) of ', data[page * size:(page + 1) * size]))
    sure = {row for row in truth if row[1].split()[1].encode() not in behind}
    assert len(sure) < 20 or len(sure & set(found)) * 4 >= len(sure) * 3, len(sure & set(found))
    """

  /// Damages of which rows came back that were joined from two.
  @Test(
    arguments: [30, 40, 59, 72, 100, 104, 123, 60120, 70019, 70020, 80025, 80039, 92155] as [UInt64]
  )
  func foundEarlier(_ seed: UInt64) throws { try read(seed) }

  @Test(arguments: [17, 19, 24, 46, 88, 92, 95, 99, 100, 3031, 3135, 3251, 3205] as [UInt64])
  func foundEarlierNearTheEnd(_ seed: UInt64) throws { try read(seed, "end") }

  /// As many pages were put in as lost: nothing but a link or two says that those between have moved.
  @Test(
    arguments: [
      14, 23, 108, 162, 180, 256, 357, 1004, 1050, 1055, 1068, 1109, 1321, 2086, 2272, 2367, 2413,
    ] as [UInt64])
  func foundEarlierBetweenTwoPlaces(_ seed: UInt64) throws { try read(seed, "equal") }

  /// Nothing has moved: of rows that nearly all go on elsewhere, those come back of which nothing is
  /// gone, though few links say so. Damages: the first page, bytes of the end, pages within rows.
  @Test(
    arguments: [
      ("data[:4096] = bytes(4096)", 3, 3), ("data[:4096] = bytes(4096)", 20, 20),
      ("del data[-100:]", 3, 2), ("del data[-4096:]", 3, 2), ("del data[-100:]", 30, 29),
      ("for page in within[10:40:5]: data[page * 4096:page * 4096 + 4096] = bytes(4096)", 40, 34),
      // Rows before and behind would do as well for those that are gone.
      ("data[250 * 4096:330 * 4096] = bytes(80 * 4096)", 99, 81),
    ])
  func whatHasNotMoved(_ damage: String, _ count: Int, _ found: Int) throws {
    let scratch = try Scratch(inMemory: true)
    try scratch.python(
      """
      import sqlite3, sys
      db = sqlite3.connect('a.db')
      db.execute('CREATE TABLE runs(id INTEGER PRIMARY KEY, a TEXT)')
      for id in range(1, int(sys.argv[1]) + 1):
          db.execute('INSERT INTO runs VALUES(?, ?)', (id, ('row %d, ' % id) * 2250))
      db.commit()
      db.close()
      data = bytearray(open('a.db', 'rb').read())
      def next(page): return int.from_bytes(data[page * 4096:page * 4096 + 4], 'big')
      # Pages that another one leads to, and that lead to another.
      within = [page for page in range(3, len(data) // 4096)
          if next(page) == page + 2 and next(page - 1) == page + 1]
      \(damage)
      open('damaged.db', 'wb').write(data)
      """, "\(count)")
    _ = try scratch.salvage()
    let recovered = try scratch.python(
      """
      import sqlite3
      db = sqlite3.connect('out/recovered/damaged.db')
      name, = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchone()
      found = {row[-1] for row in db.execute('SELECT * FROM ' + name)}
      print(sum(('row %d, ' % id) * 2250 in found for id in range(1, 100)), len(found))
      """)
    #expect(recovered == "\(found) \(found)\n")
  }

  /// Of rows that go on in other pages, with every fifth page destroyed: those come back whose pages are
  /// all there.
  @Test(arguments: [(2000, 20000, 2), (9000, 9001, 1)])
  func destroyedHereAndThere(_ least: Int, _ most: Int, _ seed: Int) throws {
    let scratch = try Scratch(inMemory: true)
    try scratch.python(
      """
      import random, sqlite3, sys
      least, most, seed = map(int, sys.argv[1:])
      r = random.Random(seed)
      db = sqlite3.connect('a.db')
      db.execute('CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT) WITHOUT ROWID')
      for id in range(200):
          db.execute('INSERT INTO t VALUES(?, ?)', (id, ('row %d, ' % id * 9000)[:r.randrange(least, most)]))
      db.commit()
      db.close()
      data = bytearray(open('a.db', 'rb').read())
      for page in r.sample(range(1, len(data) // 4096), 100): data[page * 4096:page * 4096 + 4096] = bytes(4096)
      open('damaged.db', 'wb').write(data)
      """, "\(least)", "\(most)", "\(seed)")
    _ = try scratch.salvage()
    try scratch.python(
      """
      import re, sqlite3
      whole, found = (set(sqlite3.connect(p).execute('SELECT * FROM t')) for p in ('a.db', 'out/recovered/damaged.db'))
      old, data = open('a.db', 'rb').read(), open('damaged.db', 'rb').read()
      hurt = set()
      for at in range(0, len(old), 4096):
          if old[at:at + 4096] != data[at:at + 4096]: hurt |= set(re.findall(b'row ([0-9]+), ', old[at:at + 4096]))
      intact = {row for row in whole if str(row[0]).encode() not in hurt}
      assert not found - whole
      assert len(intact) > 70 and len(intact & found) * 20 >= len(intact) * 19, (len(intact), len(intact & found))
      """)
  }

  /// Pages that are free keep the rows that they had, and those go on in pages that others have now.
  @Test(arguments: [2, 5, 25, 36])
  func freePagesKeepTheirLinks(_ seed: Int) throws {
    let scratch = try Scratch(inMemory: true)
    try scratch.python(
      """
      import random, sqlite3, sys
      r = random.Random(int(sys.argv[1]))
      db = sqlite3.connect('a.db', isolation_level=None)
      db.execute('PRAGMA secure_delete=0')
      db.execute('CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT)')
      def put(id, length): db.execute('INSERT INTO t VALUES(?, ?)', (id, ('row %d, ' % id * 3000)[:length]))
      db.execute('BEGIN')
      for id in range(300): put(id, r.choice([60, 900, 5000, 12000]))
      db.execute('COMMIT')
      db.execute('BEGIN')
      for id in r.sample(range(300), 6):
          db.execute('DELETE FROM t WHERE id BETWEEN ? AND ?', (id, id + r.randrange(5, 30)))
      for id in range(300, 320): put(id, 9000)
      db.execute('COMMIT')
      db.close()
      data = bytearray(open('a.db', 'rb').read())
      # As many free pages as there are not: nothing else is wrong.
      data[36:40] = bytes([0, 0, 0, 7])
      open('damaged.db', 'wb').write(data)
      """, "\(seed)")
    _ = try scratch.salvage()
    try scratch.python(
      """
      import sqlite3
      whole, found = (set(sqlite3.connect(p).execute('SELECT * FROM t')) for p in ('a.db', 'out/recovered/damaged.db'))
      assert found == whole, (len(found - whole), len(whole - found))
      """)
  }

  @Test(arguments: 0..<8 * rounds)
  func noneIsMadeOfTwo(_ round: Int) throws {
    try read(Seeded().seed % 1_000_000 + UInt64(round))
  }

  private func read(_ seed: UInt64, _ place: String = "") throws {
    let scratch = try Scratch(inMemory: true)
    let what = try scratch.python(Self.make, "\(seed)", place)
    let report = try scratch.salvage()
    let account = report.inputs[0].account
    let size = try scratch.run("stat -c %s damaged.db")
    #expect("\(Fate.allCases.reduce(0) { $0 + account[$1].bytes })\n" == size, "\(seed): \(what)")
    #expect(throws: Never.self, "\(seed): \(what)") { try scratch.python(Self.check) }
  }
}
