import Salvage
import TestSupport
import Testing

/// What one damage to the pages of a database costs, and what it must not cost: made, damaged and read
/// again by SQLite itself.
struct DamagedPageTests {
  private static let make = """
    import sqlite3, struct, sys
    case = sys.argv[1]
    size = 65536 if case.startswith('head') else 4096
    db = sqlite3.connect('a.db', isolation_level=None)
    db.execute('PRAGMA page_size=%d' % size)
    if case.startswith('wide'): db.execute("PRAGMA encoding='UTF-16%s'" % case[-2:])
    rows = range(1, 2001)
    def table(sql): db.execute('CREATE TABLE ' + sql)
    def fill(name, values): db.executemany(
        'INSERT INTO %s VALUES(%s)' % (name, ','.join('?' * len(values[0]))), values)
    def root(name): return db.execute(
        'SELECT rootpage FROM sqlite_master WHERE name=?', (name,)).fetchone()[0]
    zeroed = []
    db.execute('BEGIN')
    if case == 'schema':
        table('t(id INTEGER PRIMARY KEY, a TEXT)')
        for i in range(40): db.execute("CREATE VIEW v%d AS SELECT '%s' FROM t" % (i, 'x' * 300))
        fill('t', [(i, 'row %d' % i) for i in rows])
    elif case.startswith('journal'):
        table('t(id INTEGER PRIMARY KEY, a TEXT)')
        fill('t', [(i, 'kept %d ' % i + 'k' * 60) for i in rows])
    elif case == 'alike':
        for name, start in (('t', 0), ('u', 5000)):
            table(name + '(id INTEGER PRIMARY KEY, a TEXT)')
            fill(name, [(i + start, '%s %d' % (name, i)) for i in rows])
        zeroed = [root('t'), root('u')]
    elif case in ('keyed', 'keyed apart'):
        kind = 'TEXT' if case == 'keyed' else 'INTEGER'
        table('t(id TEXT PRIMARY KEY, a %s) WITHOUT ROWID' % kind)
        db.execute('CREATE INDEX u ON t(a)')
        fill('t', [('k%d' % i, 'v%d' % i if case == 'keyed' else i) for i in rows])
        zeroed = [root('t'), root('u')]
    elif case == 'keyed narrow':
        # Less wide than what is lost.
        table('n(id TEXT PRIMARY KEY, a TEXT) WITHOUT ROWID')
        table('t(id TEXT PRIMARY KEY, a TEXT, b TEXT) WITHOUT ROWID')
        db.execute('CREATE INDEX u ON t(b, a)')
        fill('n', [('n%d' % i, 'x%d' % i) for i in rows])
        fill('t', [('k%d' % i, 'v%d' % i, 'w%d' % i) for i in rows])
        zeroed = [root('t'), root('u')]
    elif case == 'keyed alike':
        for name in 'tu':
            table(name + '(id TEXT PRIMARY KEY, a TEXT) WITHOUT ROWID')
            fill(name, [('%s%d' % (name, i), 'v%d' % i) for i in rows])
        zeroed = [1]
    elif case == 'shared':
        table('t(id INTEGER PRIMARY KEY, a TEXT)')
        fill('t', [(i, ('%03d ' % i) * 2150) for i in range(1, 41)])
    elif case == 'one page over':
        table('t(id INTEGER PRIMARY KEY, a TEXT)')
        fill('t', [(i, 'row %d' % i + 'x' * 8000) for i in range(1, 201)])
    elif case == 'chain':
        table('t(id INTEGER PRIMARY KEY, a TEXT)')
        fill('t', [(i, 'L' * 4500 if i == 20 else 'small %d' % i) for i in range(1, 41)])
    elif case == 'lookalike':
        table('t(id INTEGER PRIMARY KEY, a TEXT)')
        table('b(id INTEGER PRIMARY KEY, x BLOB)')
        fill('t', [(i, 'row %d ' % i * 8) for i in range(1, 501)])
        fill('b', [(1, b''.join(struct.pack('>I', v % 12) for v in range(1, 6000))),
                   (2, b''.join(struct.pack('>II', i % 4 + 1, i % 13 + 3) for i in range(1, 6000)))])
    elif case == 'descending':
        table('t(id INTEGER PRIMARY KEY DESC, a TEXT)')
        fill('t', [(5000 - i, 'row %d' % i) for i in rows])
        zeroed = [root('t')]
    elif case == 'nul':
        table('t(id INTEGER PRIMARY KEY, a TEXT)')
        table('z(a)')
        fill('z', [(1,)])
        fill('t', [(i, 'a\\0b%d' % i if i % 5 == 0 else 'p%d' % i) for i in range(1, 101)])
        zeroed = [root('z')]
    else:
        table('t(id INTEGER PRIMARY KEY, a TEXT)')
        fill('t', [(i, 'row %d ' % i + 'x' * 80) for i in rows])
    db.execute('COMMIT')
    if case.startswith('journal'):
        db.execute('PRAGMA cache_size=5')
        db.execute('BEGIN')
        db.execute("UPDATE t SET a='never' || id WHERE id < 900")
        log = bytearray(open('a.db-journal', 'rb').read())
        # Pages that the database had.
        if case == 'journal count': log[16:20] = struct.pack('>I', 30)
        # The second page in it lacks its last rows.
        if case == 'journal sector': log[8192:8704] = bytes(512)
        # It ends within its fourth page.
        if case == 'journal cut': log = log[:512 + 3 * 4104 + 1000]
        open('damaged.db-journal', 'wb').write(log)
        data = bytearray(open('a.db', 'rb').read())
        last = max(i for i in range(len(data) // size) if b'kept ' in data[i * size:(i + 1) * size])
        zeroed = [last + 1] if case not in ('journal sector', 'journal cut') else []
    if not case.startswith('journal'):
        db.close()
        data = bytearray(open('a.db', 'rb').read())
    def leaves(): return [i for i in range(1, len(data) // size) if data[i * size] == 13]
    for page in zeroed: data[(page - 1) * size:page * size] = bytes(size)
    if case == 'schema':
        page = [i for i in leaves() if b'CREATE TABLE t(' in data[i * size:(i + 1) * size]][0]
        data[page * size:(page + 1) * size] = bytes(size)
    if case == 'shared':
        leaf = leaves()[0] * size
        def pointer(cell):
            at = leaf + struct.unpack('>H', data[leaf + 8 + 2 * cell:leaf + 10 + 2 * cell])[0]
            payload = 4 * 2150 + 5
            least = (4096 - 12) * 32 // 255 - 23
            wanted = least + (payload - least) % 4092
            return at + 3 + (wanted if wanted <= 4061 else least)
        a, b = pointer(0), pointer(1)
        data[a:a + 4] = data[b:b + 4]
    if case == 'chain': del data[-4096:]
    if case == 'one page over': del data[-8192:]
    if case == 'cut': del data[-20:]
    if case in ('lookalike', 'wide le', 'wide be'): data[:100] = bytes(100)
    if case == 'pointers':
        at = next(i for i in range(1, len(data) // size) if data[i * size] == 5) * size + 12
        data[at:at + 4] = data[at + 2:at + 4] + data[at:at + 2]
    leaf = leaves()[1] * size if len(leaves()) > 1 else 0
    if case.startswith('head kind'): data[leaf] = 12
    if case == 'head kind and cell': data[leaf + 8:leaf + 10] = bytes([255] * 2)
    if case == 'head': data[leaf:leaf + 512] = bytes(512)
    if case == 'head count':
        count = struct.unpack('>H', data[leaf + 3:leaf + 5])[0]
        data[leaf + 3:leaf + 5] = struct.pack('>H', count - 8)
    if case == 'head cut': del data[-3000:]
    if case == 'row id':
        at = leaf + struct.unpack('>H', data[leaf + 12:leaf + 14])[0]
        data[at + 1] ^= 0x40
    open('damaged.db', 'wb').write(data)
    """

  private struct Expected {
    /// Rows of the table `t` in the recovered database; none that was not there.
    var rows: String
    /// Rows in `irregular/`.
    var apart = 0
    var note: String?
  }

  private static let cases: [String: Expected] = [
    "schema": Expected(rows: "2000", note: "lost_2"),
    "journal count": Expected(rows: "1959", note: "did not end"),
    "journal": Expected(rows: "1959", note: "did not end"),
    "journal sector": Expected(rows: "1986", apart: 7, note: "journal beside it is damaged"),
    "journal cut": Expected(rows: "2000", note: "journal beside it is damaged"),
    "alike": Expected(rows: "0", note: "may be of t or u are in lost_2"),
    "keyed": Expected(rows: "0", apart: 3984, note: "in irregular/"),
    "keyed apart": Expected(rows: "1993"),
    "keyed narrow": Expected(rows: "0", apart: 3978, note: "in irregular/"),
    "keyed alike": Expected(rows: "4000", note: "the table lost_2 is told from its rows"),
    "shared": Expected(rows: "38", apart: 2, note: "2 rows of it are in irregular/"),
    "chain": Expected(rows: "39", note: "page 2: 1 rows of it cannot be read"),
    "lookalike": Expected(rows: "500", note: "its header is lost"),
    "descending": Expected(rows: "2000"),
    "nul": Expected(rows: "100"),
    "wide le": Expected(rows: "2000", note: "its header is lost"),
    "wide be": Expected(rows: "2000", note: "its header is lost"),
    "head kind": Expected(rows: "2000"),
    "head kind and cell": Expected(rows: "1329", apart: 671, note: "the head of page"),
    "head": Expected(rows: "1329", apart: 671, note: "the head of page"),
    "head count": Expected(rows: "2000", note: "8 were found without"),
    "head cut": Expected(rows: "1968", note: "1 pages are missing"),
    "one page over": Expected(rows: "199", note: "2 pages are missing"),
    "cut": Expected(rows: "1994", apart: 5, note: "1 rows of it cannot be read"),
    "pointers": Expected(rows: "2000", note: "SQLite finds it damaged"),
    "row id": Expected(rows: "1999", apart: 1, note: "1 rows of it are in irregular/"),
  ]

  @Test(arguments: cases.keys.sorted())
  func isReadAsFarAsItGoes(_ name: String) throws {
    let expected = try #require(Self.cases[name])
    let scratch = try Scratch(inMemory: true)
    try scratch.python(Self.make, name)
    let report = try scratch.salvage()
    let notes = report.inputs[0].notes.map(\.message)
    let table = ["schema", "keyed alike"].contains(name) ? "lost_2" : "t"
    let found = try scratch.python(
      """
      import sqlite3, sys
      name, table = sys.argv[1:]
      db = sqlite3.connect('out/recovered/damaged.db')
      assert db.execute('PRAGMA integrity_check').fetchone() == ('ok',)
      rows = set(db.execute('SELECT * FROM ' + table))
      if name == 'schema': rows = set(db.execute('SELECT rowid, c1 FROM lost_2'))
      if name == 'journal cut':
          # Of what it no longer has, nobody can tell.
          assert len([row for row in rows if row[1].startswith('kept')]) > 1100
      elif name.startswith('journal'):
          assert not [row for row in rows if row[1].startswith('never')]
      else:
          truth = set(sqlite3.connect('a.db').execute('SELECT * FROM t'))
          if name == 'keyed alike':
              truth |= set(sqlite3.connect('a.db').execute('SELECT * FROM u'))
          assert not rows - truth, sorted(rows - truth)[:3]
      print(len(rows))
      """, name, table)
    #expect(found == expected.rows + "\n")
    #expect(report.inputs[0].account[.irregular].records == expected.apart, "\(notes)")
    if let note = expected.note { #expect(notes.contains { $0.contains(note) }, "\(notes)") }
    #expect(!report.isWhole)
  }
}
