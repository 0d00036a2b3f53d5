import Salvage
import TestSupport
import Testing

/// Databases with bytes in front of them, and with bytes lost or put in within them: pages of which none
/// lies where its number says.
struct ShiftedPageTests {
  private static let make = """
    import random, sqlite3, struct, sys
    seed = sys.argv[1]
    r = random.Random(seed)
    size = r.choice([512, 1024, 4096, 4096, 16384, 65536])
    db = sqlite3.connect('a.db', isolation_level=None)
    db.execute('PRAGMA page_size=%d' % size)
    db.execute('CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b BLOB, n REAL)')
    db.execute('CREATE INDEX i ON t(n)')
    db.execute('BEGIN')
    pages, id = 0, 0
    share = r.choice([0, 0.02, 0.3, 1])
    while pages < 200:
        id += r.choice([1, 1, 1, 5])
        long = r.random() < share
        count = r.randrange(size, size * r.choice([2, 2, 5])) if long else r.randrange(24, max(30, size // 6))
        text = ('row %d of %s, ' % (id, seed) * (count // 8))[:count]
        blob = bytes(r.randrange(256) for _ in range(r.randrange(30))) if r.random() < .5 else bytes(r.randrange(40))
        db.execute('INSERT INTO t VALUES(?,?,?,?)', (id, text, blob, r.random()))
        pages += (count + 40) / size
    if r.random() < .3: db.execute('DELETE FROM t WHERE id %% %d = 0' % r.choice([3, 50]))
    db.execute('COMMIT')
    db.close()
    data = open('a.db', 'rb').read()
    count = len(data) // size
    def varint(at):
        value = 0
        for i in range(9):
            value = value << 7 | data[at + i] & 127
            if data[at + i] < 128: return value, at + i + 1
    # The pages that each row lies on.
    where, usable = {}, size
    for page in range(count):
        at = page * size
        if page == 0 or data[at] != 13: continue
        for i in range(struct.unpack('>H', data[at + 3:at + 5])[0]):
            cell = at + struct.unpack('>H', data[at + 8 + 2 * i:at + 10 + 2 * i])[0]
            payload, next = varint(cell)
            id, next = varint(next)
            where[id] = [page]
            least = (usable - 12) * 32 // 255 - 23
            local = payload
            if payload > usable - 35:
                local = least + (payload - least) % (usable - 4)
                if local > usable - 35: local = least
                link = struct.unpack('>I', data[next + local:next + local + 4])[0]
                while link:
                    where[id].append(link - 1)
                    link = struct.unpack('>I', data[(link - 1) * size:(link - 1) * size + 4])[0]
    out, breaks, at = b'', [], 0
    kinds = []
    kind = r.choice(['front', 'head', 'none', 'none', 'none'])
    if kind == 'front': out = r.choice([b'\\xef\\xbb\\xbf', b'HTTP/1.1 200 OK\\r\\n\\r\\n', bytes(r.randrange(256) for _ in range(r.randrange(1, 60000)))])
    if kind == 'head': at = 512 * r.randrange(1, max(2, size // 512))
    kinds.append(kind)
    if at >= size: at = 0
    if at: breaks.append(0)
    changes = r.choice([0, 1, 1, 2, 3]) if kind != 'none' else r.choice([1, 1, 2, 3])
    for place in sorted(r.sample(range(2, 9), changes)):
        to = min(len(data) - 2 * size, place * len(data) // 10 + r.randrange(size))
        out += data[at:to]
        breaks.append(to // size)
        if r.random() < .5:
            n = r.choice([1, 2, 512, r.randrange(1, size), r.randrange(1, 3 * size), size])
            out += r.choice([bytes(n), bytes(r.randrange(256) for _ in range(n))])
            at = to
            kinds.append('+%d' % n)
        else:
            n = r.choice([1, 2, 512, r.randrange(1, size), r.randrange(1, 3 * size), size])
            at = to + n
            kinds.append('-%d' % n)
            breaks += range(to // size, at // size + 1)
    out += data[at:]
    open('damaged.db', 'wb').write(out)
    print(size, *kinds)
    must = open('must', 'w')
    near = lambda p: any(abs(p - b) <= 40 for b in breaks)
    for id, on in where.items():
        if not any(p in breaks for p in on) and (len(on) == 1 or not any(map(near, on))): must.write('%d %d\\n' % (id, on[0]))
    """

  /// No row is altered, twice or made up, and those of whole pages are recovered, or kept apart where a
  /// page may have lost its end.
  private static let check = """
    import os, sqlite3
    truth = {row[0]: row for row in sqlite3.connect('a.db').execute('SELECT * FROM t')}
    db = sqlite3.connect('out/recovered/damaged.db')
    assert db.execute('PRAGMA integrity_check').fetchone() == ('ok',)
    rows = []
    for name, in db.execute("SELECT name FROM sqlite_master WHERE type='table'").fetchall():
        rows += db.execute('SELECT * FROM t' if name == 't' else 'SELECT rowid, * FROM ' + name)
    # The table is told from its rows where its statement is lost: then it has a column for the key.
    rows = [row if len(row) == 4 else row[:1] + row[2:] for row in rows]
    assert len(rows) == len({row[0] for row in rows}), 'rows twice'
    made = [row for row in rows if truth.get(row[0]) != row]
    assert not made, made[0]
    apart = ''
    if os.path.exists('out/irregular/damaged.db.sql'): apart = open('out/irregular/damaged.db.sql').read()
    found = {row[0] for row in rows}
    must = {id: page for id, page in (map(int, line.split()) for line in open('must')) if id in truth}
    lost = {must[id] for id in must if id not in found and 'row %d of ' % id not in apart}
    # Pages between two places where some moved may have the numbers of neither side.
    assert len(lost) <= max(6, len(set(must.values())) // 50), lost
    # A few links that hold may hold by chance.
    assert len(must) < 20 or sum(id in found for id in must) * 2 >= len(must)
    """

  @Test(arguments: 0..<12 * rounds)
  func areRead(_ round: Int) throws {
    let seed = Seeded().seed
    try read(seed % 1_000_000 + UInt64(round), "HOLDFAST_SEED=\(seed) round \(round)")
  }

  /// A page that lost its end in front of one that begins with NULs; links that hold by chance, with
  /// numbers out of order.
  @Test(arguments: [307_777, 309, 91_147] as [UInt64])
  func foundEarlier(_ seed: UInt64) throws {
    try read(seed, "\(seed)")
  }

  private func read(_ seed: UInt64, _ round: String) throws {
    let scratch = try Scratch(inMemory: true)
    let what = try scratch.python(Self.make, "\(seed)")
    let story = "\(round): \(what)"
    let before = try scratch.run("sha256sum damaged.db")
    let report = try scratch.salvage()
    let account = report.inputs[0].account
    let size = try scratch.run("stat -c %s damaged.db")
    let sum = Fate.allCases.reduce(0) { $0 + account[$1].bytes }
    #expect("\(sum)\n" == size, "\(story)")
    #expect(try scratch.run("sha256sum damaged.db") == before, "\(story)")
    #expect(throws: Never.self, "\(story)") { try scratch.python(Self.check) }
  }

  /// Bytes lost or put in within the last row of a page: all else on it looks as it should. A row that
  /// fills twenty pages in front of that and one behind come back whole.
  @Test(arguments: [-3, -400, 5, 1000]) func withinTheLastRow(_ change: Int) throws {
    let scratch = try Scratch(inMemory: true)
    try scratch.python(
      """
      import sqlite3, sys
      db = sqlite3.connect('a.db')
      db.execute('CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT)')
      for i in range(2000):
          long = 80_000 if i in (100, 1900) else 600
          db.execute('INSERT INTO t VALUES(?, ?)', (i, ('row %05d, ' % i * 8000)[:long]))
      db.commit()
      data = open('a.db', 'rb').read()
      change = int(sys.argv[1])
      # The first row of a page lies at its end.
      page = data.index(b'row 01000, ') // 4096
      at = (page + 1) * 4096 - 300
      new = data[:at] + b'?' * change + data[at:] if change > 0 else data[:at] + data[at - change:]
      open('damaged.db', 'wb').write(new)
      """, "\(change)")
    let report = try scratch.salvage()
    let account = report.inputs[0].account
    let sum = Fate.allCases.reduce(0) { $0 + account[$1].bytes }
    #expect("\(sum)\n" == (try scratch.run("stat -c %s damaged.db")))
    let lost = try scratch.python(
      """
      import sqlite3
      truth = set(sqlite3.connect('a.db').execute('SELECT * FROM t'))
      rows = sqlite3.connect('out/recovered/damaged.db').execute('SELECT * FROM t').fetchall()
      assert len(rows) == len(set(rows)) and not set(rows) - truth
      assert {100, 1900} <= {row[0] for row in rows}
      print(len(truth) - len(rows))
      """)
    #expect((1...12).contains(Int(lost.dropLast()) ?? 0), "\(lost)")
  }

  /// Where the first pages are lost, nothing says which numbers the others have but what leads from one
  /// to another; by others, each of these rows would go on in the page of another one.
  @Test(arguments: ["", " WITHOUT ROWID"], [20 * 4096, 20 * 4096 + 100, 100 * 4096, 300 * 4096])
  func withoutTheirFirst(_ form: String, _ lost: Int) throws {
    let scratch = try Scratch(inMemory: true)
    for kept in ["0", "2"] {
      let found = try scratch.python(
        """
        import os, random, sqlite3, sys
        for name in 'a.db', 'damaged.db':
            if os.path.exists(name): os.remove(name)
        form, lost, kept = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) * 4096
        db = sqlite3.connect('a.db')
        db.execute('PRAGMA page_size=4096')
        db.execute('CREATE TABLE t(a TEXT PRIMARY KEY, b, c)' + form)
        r = random.Random(1)
        rows = [(('row %06d is here, ' % i * 400)[:r.randrange(4100, 5500)], i, 'end %d' % i)
                for i in range(600)]
        db.executemany('INSERT INTO t VALUES(?, ?, ?)', rows)
        db.commit()
        db.close()
        data = open('a.db', 'rb').read()
        open('damaged.db', 'wb').write(data[:kept] + data[kept + lost:])
        """, form, "\(lost)", kept)
      #expect(found.isEmpty)
      let out = "out\(kept)"
      _ = try scratch.salvage(to: out)
      let recovered = try scratch.python(
        """
        import sqlite3, sys
        db = sqlite3.connect(sys.argv[1] + '/recovered/damaged.db')
        truth = set(sqlite3.connect('a.db').execute('SELECT * FROM t'))
        names = db.execute("SELECT name FROM sqlite_master WHERE type='table'").fetchall()
        rows = [row for name, in names for row in db.execute('SELECT * FROM ' + name)]
        assert not set(rows) - truth, (set(rows) - truth).pop()
        assert len(set(rows)) == len(rows)
        print(len(rows))
        """, out)
      #expect((Int(recovered.prefix { $0 != "\n" }) ?? 0) > 500 - lost / 4096, "\(kept)")
    }
  }

  /// The first page has the schema, however far those behind it have moved.
  @Test(arguments: [1, 2, 5]) func behindTheFirst(_ lost: Int) throws {
    let scratch = try Scratch(inMemory: true)
    try scratch.python(
      """
      import sqlite3, sys
      db = sqlite3.connect('a.db')
      db.execute('PRAGMA page_size=4096')
      db.execute('CREATE TABLE s(x)')
      db.execute("INSERT INTO s VALUES('only')")
      db.execute('CREATE TABLE t(a, b)')
      db.executemany('INSERT INTO t VALUES(?, ?)', [(i, 'row %d ' % i * 10) for i in range(3000)])
      db.commit()
      data = open('a.db', 'rb').read()
      open('damaged.db', 'wb').write(data[:4096] + data[4096 * (1 + int(sys.argv[1])):])
      """, "\(lost)")
    _ = try scratch.salvage()
    let found = try scratch.python(
      """
      import sqlite3
      db = sqlite3.connect('out/recovered/damaged.db')
      rows = set(db.execute('SELECT * FROM t'))
      assert not rows - set(sqlite3.connect('a.db').execute('SELECT * FROM t'))
      print(len(rows))
      """)
    #expect((Int(found.dropLast()) ?? 0) >= 2500)
  }

  /// Two stretches of pages that have changed places, the first of them longer, or shorter.
  @Test(arguments: [200, 140]) func exchangedStretches(_ middle: Int) throws {
    let scratch = try Scratch(inMemory: true)
    try scratch.python(
      """
      import sqlite3, sys
      db = sqlite3.connect('a.db', isolation_level=None)
      db.execute('PRAGMA page_size=1024')
      db.execute('CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT)')
      for id in range(300):
          db.execute('INSERT INTO t VALUES(?, ?)', (id, ('row %d, ' % id * 600)[:3000 + id % 7 * 100]))
      db.close()
      data, middle = open('a.db', 'rb').read(), int(sys.argv[1])
      def pages(first, end): return data[first * 1024:end * 1024]
      exchanged = pages(middle, 240) + pages(100, middle)
      open('damaged.db', 'wb').write(pages(0, 100) + exchanged + data[240 * 1024:])
      """, "\(middle)")
    _ = try scratch.salvage()
    let found = try scratch.python(
      """
      import sqlite3
      whole, found = (set(sqlite3.connect(p).execute('SELECT * FROM t')) for p in ('a.db', 'out/recovered/damaged.db'))
      assert not found - whole
      print(len(found))
      """)
    // Rows that go on in the shorter one, and over the ends of both, are beyond telling.
    #expect((Int(found.dropLast()) ?? 0) >= 279)
  }

  /// Where as many pages are put in as lost, in many places, time grows as the file does: this took more
  /// than two minutes while each place was looked at with all others.
  @Test(.timeLimit(.minutes(1))) func inManyPlaces() throws {
    let scratch = try Scratch(inMemory: true)
    try scratch.python(
      """
      import random, sqlite3
      db = sqlite3.connect('a.db', isolation_level=None)
      db.execute('PRAGMA page_size=512')
      db.execute('CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT)')
      db.execute('BEGIN')
      for id in range(60000): db.execute('INSERT INTO t VALUES(?,?)', (id, ('row %d, ' % id * 300)[:300 + id * 37 % 1400]))
      db.execute('COMMIT')
      db.close()
      data, r = open('a.db', 'rb').read(), random.Random(1)
      with open('damaged.db', 'wb') as out:
          for page in range(len(data) // 512):
              if page > 5 and page % 40 == 20: continue
              if page > 5 and page % 40 == 0: out.write(r.randbytes(512))
              out.write(data[page * 512:page * 512 + 512])
      """)
    #expect(try scratch.salvage().total(.recovered).records > 20_000)
  }
}
