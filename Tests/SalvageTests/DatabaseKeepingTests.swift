import Salvage
import TestSupport
import Testing

/// What a recovered database keeps beside its rows: its schema, and what that needs.
struct DatabaseKeepingTests {
  /// A database that uses a collation and a function of its program's. `damage`: nothing, a page of
  /// rows, or the entry of an index.
  private static let ownParts = """
    import sqlite3, sys
    db = sqlite3.connect('a.db')
    db.execute('PRAGMA page_size=1024')
    db.create_collation('backwards', lambda a, b: (a < b) - (a > b))
    db.create_function('fold', 1, str.lower, deterministic=True)
    db.executescript('''
      CREATE TABLE notes(id INTEGER PRIMARY KEY, title TEXT COLLATE backwards);
      CREATE INDEX by_title ON notes(title);
      CREATE TABLE tags(tag TEXT PRIMARY KEY COLLATE backwards, n) WITHOUT ROWID;
      CREATE TABLE names(name TEXT CHECK(fold(name) <> ''));
      CREATE INDEX by_name ON names(fold(name));
      CREATE TABLE plain(id INTEGER PRIMARY KEY, a TEXT);
      ''')
    for i in range(100):
        db.execute('INSERT INTO notes VALUES(?,?)', (i, 'title %d' % i))
        db.execute('INSERT INTO tags VALUES(?,?)', ('tag %d' % i, i))
        db.execute('INSERT INTO names VALUES(?)', ('Name %d' % i,))
        db.execute('INSERT INTO plain VALUES(?,?)', (i, 'text %d' % i))
    db.execute('CREATE INDEX by_a ON plain(a)')
    db.commit()
    db.close()
    data = bytearray(open('a.db', 'rb').read())
    at = data.find(b'text 7') if sys.argv[1] == 'row' else data.rfind(b'text 7')
    if sys.argv[1] == 'row': data[at // 1024 * 1024:at // 1024 * 1024 + 8] = bytes([0xFF] * 8)
    if sys.argv[1] == 'entry': data[at] = ord('n')
    open('damaged.db', 'wb').write(data)
    """

  /// Collations and functions that only its program has are no damage, and a damaged database keeps the
  /// tables that use them; an index that cannot be put in their order is left out.
  @Test(arguments: ["none", "row", "entry"])
  func ownParts(_ damage: String) throws {
    let scratch = try Scratch()
    try scratch.python(Self.ownParts, damage)
    let report = try scratch.salvage()
    #expect(report.isWhole == (damage == "none"), "\(report.inputs[0].notes)")
    let notes = report.inputs[0].notes.map(\.message)
    if damage == "none" {
      #expect(notes.count == 3 && notes.allSatisfy { $0.contains("were not checked") }, "\(notes)")
      #expect(try scratch.read("out/recovered/damaged.db") == scratch.read("a.db"))
      return
    }
    #expect(notes.contains { $0.contains("INDEX by_title") }, "\(notes)")
    #expect(notes.contains { $0.contains("INDEX by_name") }, "\(notes)")
    #expect(notes.contains { $0.contains("a key of its table tags is in the order of bytes") })
    try scratch.python(
      """
      import sqlite3, sys
      db = sqlite3.connect('out/recovered/damaged.db')
      db.create_collation('backwards', lambda a, b: (a < b) - (a > b))
      db.create_function('fold', 1, str.lower, deterministic=True)
      whole = sqlite3.connect('a.db')
      schema = "SELECT sql FROM sqlite_master WHERE type='table' OR name='by_a' ORDER BY 1"
      assert db.execute(schema).fetchall() == whole.execute(schema).fetchall()
      for table in ('notes', 'names', 'plain'):
          found = set(db.execute('SELECT * FROM %s' % table))
          truth = set(whole.execute('SELECT * FROM %s' % table))
          if sys.argv[1] == 'row' and table == 'plain': assert 10 < len(found) < 100 and found < truth, len(found)
          else: assert found == truth, table
      assert sorted(r[1] for r in db.execute('SELECT * FROM tags')) == list(range(100))
      assert db.execute("SELECT id FROM notes WHERE title = 'title 7'").fetchall() == [(7,)]
      """, damage)
  }

  /// No row id is given twice, though the rows that had the last ones are gone; and what is left out,
  /// statistics, is named.
  @Test(arguments: [false, true])
  func rowIDsGiven(_ isFirst: Bool) throws {
    let scratch = try Scratch()
    try scratch.python(
      """
      import sqlite3, sys
      db = sqlite3.connect('a.db')
      db.execute('PRAGMA page_size=1024')
      if sys.argv[1] == 'true':
          # Its table comes before those that it is for.
          db.execute('CREATE TABLE first(id INTEGER PRIMARY KEY AUTOINCREMENT)')
          db.execute('DROP TABLE first')
      db.execute('CREATE TABLE plain(id INTEGER PRIMARY KEY, a TEXT)')
      db.execute('CREATE TABLE some(id INTEGER PRIMARY KEY AUTOINCREMENT, a TEXT)')
      db.execute('CREATE TABLE none(id INTEGER PRIMARY KEY AUTOINCREMENT)')
      for i in range(300): db.execute('INSERT INTO plain VALUES(?,?)', (i, 'text %d' % i))
      for i in range(9): db.execute('INSERT INTO some(a) VALUES(?)', ('x',))
      db.execute('INSERT INTO none VALUES(7)')
      db.execute('DELETE FROM some WHERE id > 4')
      db.execute('DELETE FROM none')
      db.execute('CREATE INDEX by_a ON plain(a)')
      db.execute('ANALYZE')
      db.commit()
      db.close()
      data = bytearray(open('a.db', 'rb').read())
      at = data.find(b'text 150') // 1024 * 1024
      data[at:at + 1024] = bytes(1024)
      open('damaged.db', 'wb').write(data)
      """, "\(isFirst)")
    let report = try scratch.salvage()
    let notes = report.inputs[0].notes.map(\.message)
    #expect(notes.count == 2 && notes[0].contains("sqlite_stat1 is left out"), "\(notes)")
    #expect(!scratch.exists("out/irregular/damaged.db.sql"))
    let said = try scratch.python(
      """
      import sqlite3
      db = sqlite3.connect('out/recovered/damaged.db')
      print(sorted(db.execute('SELECT * FROM sqlite_sequence')))
      print(sorted(r[0] for r in db.execute("SELECT name FROM sqlite_master WHERE type='table'")))
      print(db.execute('INSERT INTO some(a) VALUES(1)').lastrowid)
      print(db.execute('SELECT count(*) FROM plain').fetchone()[0] + 4)
      """)
    let records = report.inputs[0].account[.recovered].records
    #expect(
      said == """
        [('none', 7), ('some', 9)]
        ['none', 'plain', 'some', 'sqlite_sequence']
        10
        \(records)

        """, "\(said)")
  }

  /// A sector that the disk lost within a text: SQLite finds nothing wrong. Blobs may be NULs, and so
  /// may a few bytes of a text; texts in another encoding are no noise, and where most of a column are
  /// noise it is meant.
  @Test(arguments: ["UTF-8", "UTF-16le", "noise"], ["notes", "keyed", "notes+keyed"])
  func lostSectorInAText(_ encoding: String, _ damaged: String) throws {
    let scratch = try Scratch()
    try scratch.python(
      """
      import random, sqlite3, sys
      encoding, damaged = sys.argv[1:]
      isNoise, random = encoding == 'noise', random.Random(17)
      if isNoise: encoding = 'UTF-8'
      db = sqlite3.connect('a.db')
      db.execute('PRAGMA page_size=8192')
      db.execute('PRAGMA encoding="%s"' % encoding)
      db.execute('CREATE TABLE notes(id INTEGER PRIMARY KEY, body TEXT, raw BLOB)')
      db.execute('CREATE TABLE keyed(name TEXT PRIMARY KEY, body TEXT) WITHOUT ROWID')
      for i in range(30):
          body = ('%s-%d ' % ('notes', i)) * 100
          db.execute('INSERT INTO notes VALUES(?,?,?)', (i, body, bytes(700) if i == 3 else None))
          db.execute('INSERT INTO keyed VALUES(?,?)', ('k%d' % i, body.replace('notes', 'keyed')))
      db.execute("INSERT INTO notes(id, body) VALUES(99, 'a' || char(0) || 'b')")
      if isNoise and damaged == 'notes':
          word = 'Съешь ещё этих мягких французских булок. '.encode('cp1251')
          for i in range(8): db.execute('INSERT INTO notes(body) VALUES(CAST(? AS TEXT))', (word * i,))
          db.execute('CREATE TABLE packed(body TEXT)')
          for i in range(8):
              db.execute('INSERT INTO packed VALUES(CAST(? AS TEXT))', (b'x' + random.randbytes(300),))
          db.execute("INSERT INTO packed VALUES('none')")
      db.commit()
      db.close()
      data = bytearray(open('a.db', 'rb').read())
      unit = 'utf-8' if encoding == 'UTF-8' else 'utf-16le'
      for table in damaged.split('+'):
          first = data.find((table + '-17 ').encode(unit))
          at = first + 511 & ~511
          if at % 8192 == 0: at += 512
          data[at:at + 512] = random.randbytes(512) if isNoise else bytes(512)
      open('damaged.db', 'wb').write(data)
      assert sqlite3.connect('damaged.db').execute('PRAGMA integrity_check').fetchall() == [('ok',)]
      """, encoding, damaged)
    let report = try scratch.salvage()
    #expect(!report.isWhole)
    let lost = damaged.split(separator: "+").count
    #expect(report.total(.irregular).records == lost, "\(report.inputs[0].notes)")
    let rows = encoding == "noise" && damaged == "notes" ? 78 : 61
    #expect(report.total(.recovered).records == rows - lost)
    try scratch.python(
      """
      import glob, sqlite3, sys
      (whole, found) = (sqlite3.connect(p) for p in ('a.db', 'out/recovered/damaged.db'))
      whole.text_factory = found.text_factory = lambda text: text.decode('latin-1')
      for (table,) in whole.execute("SELECT name FROM sqlite_schema WHERE sql LIKE 'CREATE TABLE%'").fetchall():
          lost = set(whole.execute('SELECT * FROM ' + table)) - set(found.execute('SELECT * FROM ' + table))
          assert len(lost) == (table in sys.argv[1].split('+')) and all('-17 ' in row[1] for row in lost), (table, len(lost))
          more = set(found.execute('SELECT * FROM ' + table)) - set(whole.execute('SELECT * FROM ' + table))
          assert not more, more
      script = open(glob.glob('out/irregular/*.sql')[0]).read().lower()
      assert '-17 '.encode().hex() in script, script
      """, damaged)
  }

  /// The last page that a row goes on in, zeroed, is sound for SQLite. Without row ids, it may hold very
  /// little of the text.
  @Test(arguments: [(512, 508, ""), (512, 440, ""), (4096, 3580, ""), (512, 70, "WITHOUT ROWID")])
  func lostLastPageOfAText(_ pageSize: Int, _ held: Int, _ options: String) throws {
    let scratch = try Scratch()
    try scratch.python(
      """
      import sqlite3, sys
      size, held = map(int, sys.argv[1:3])
      db = sqlite3.connect('a.db', isolation_level=None)
      db.execute('PRAGMA page_size=%d' % size)
      db.execute('PRAGMA synchronous=OFF')
      db.execute('CREATE TABLE notes(id INTEGER PRIMARY KEY, body TEXT)' + sys.argv[3])
      for i in range(30): db.execute('INSERT INTO notes VALUES(?,?)', (i, 'note-%d ' % i))
      for count in range(2 * size, 4 * size):
          body = ('word, ' * size)[:count - held] + '.' * held
          db.execute('UPDATE notes SET body=? WHERE id=17', (body,))
          data = bytearray(open('a.db', 'rb').read())
          at = data.find(bytes(4) + b'.' * held)
          if at > 0 and at % size == 0: break
      else: raise SystemExit('no such row')
      data[at:at + size] = bytes(size)
      open('damaged.db', 'wb').write(data)
      assert sqlite3.connect('damaged.db').execute('PRAGMA integrity_check').fetchall() == [('ok',)]
      """, "\(pageSize)", "\(held)", options)
    let report = try scratch.salvage()
    #expect(!report.isWhole)
    #expect(report.total(.irregular).records == 1, "\(report.inputs[0].notes)")
    #expect(report.total(.recovered).records == 29)
  }

  /// Texts that are filled up with NULs are what they are while no page is lost, where more are than
  /// pages, and where their rows go on in none.
  @Test(arguments: [(1, 20), (1, 9000), (30, 20), (30, 9000)], ["none", "a blank page of a blob"])
  func textsThatEndInNULs(_ texts: (count: Int, length: Int), _ other: String) throws {
    let scratch = try Scratch()
    try scratch.python(
      """
      import sqlite3, sys
      count, length = int(sys.argv[1]), int(sys.argv[2])
      db = sqlite3.connect('damaged.db')
      db.execute('CREATE TABLE notes(id INTEGER PRIMARY KEY, body TEXT)')
      for i in range(100):
          db.execute('INSERT INTO notes VALUES(?,?)', (i, 'note' * (length // 4) + chr(0) * 20 * (i < count)))
      if sys.argv[3] != 'none':
          db.execute('CREATE TABLE blobs(data BLOB)')
          db.execute('INSERT INTO blobs VALUES(zeroblob(8000))')
      db.commit()
      """, "\(texts.count)", "\(texts.length)", other)
    let report = try scratch.salvage()
    let isDoubtful = texts.count == 1 && texts.length > 4096 && other != "none"
    #expect(report.isWhole != isDoubtful)
    #expect(report.total(.irregular).records == (isDoubtful ? 1 : 0))
  }

  /// Any two bytes are a unit of UTF-16, and SQLite reads what is no text without a word.
  @Test(arguments: ["UTF-16le", "UTF-16be"], 0..<3)
  func noiseInUTF16(_ encoding: String, _ seed: Int) throws {
    let scratch = try Scratch()
    try scratch.python(
      """
      import random, sqlite3, sys
      encoding, r = sys.argv[1], random.Random(sys.argv[2])
      db = sqlite3.connect('sound.db')
      db.execute('PRAGMA encoding="%s"' % encoding)
      db.execute('CREATE TABLE notes(id INTEGER PRIMARY KEY, body TEXT)')
      for i in range(30): db.execute('INSERT INTO notes VALUES(?,?)', (i, ('note-%d \\U0001F600 ' % i) * 300))
      db.commit()
      db.close()
      data = bytearray(open('sound.db', 'rb').read())
      at = data.find('note-17 '.encode(encoding)) + 511 & ~511
      if at % 4096 == 0: at += 512
      data[at:at + 512] = r.randbytes(512)
      open('damaged.db', 'wb').write(data)
      assert sqlite3.connect('damaged.db').execute('PRAGMA integrity_check').fetchall() == [('ok',)]
      """, encoding, "\(seed)")
    #expect(try scratch.salvage("sound.db", to: "whole").isWhole)
    let report = try scratch.salvage()
    #expect(report.total(.irregular).records == 1 && report.total(.recovered).records == 29)
    let ids = try scratch.run("sqlite3 out/recovered/damaged.db 'SELECT id FROM notes'")
    #expect(ids == (0..<30).filter { $0 != 17 }.map { "\($0)\n" }.joined())
  }

  /// Texts with NULs between what they hold, as if written from fields of fixed length, and texts of other
  /// encodings are no damage.
  @Test(arguments: ["padded", "latin-1", "shift_jis"])
  func oddTexts(_ sort: String) throws {
    let scratch = try Scratch()
    try scratch.python(
      """
      import sqlite3, sys
      db = sqlite3.connect('damaged.db')
      db.execute('CREATE TABLE notes(id INTEGER PRIMARY KEY, body TEXT)')
      odd = b'name'.ljust(32, bytes(1)) + b'address'.ljust(32, bytes(1)) + b'x'
      if sys.argv[1] == 'latin-1': odd = ('h\\xe9llo w\\xf6rld, ' * 100).encode('latin-1')
      if sys.argv[1] == 'shift_jis': odd = ('\\u65e5\\u672c\\u8a9e, ' * 100).encode('shift_jis')
      for i in range(400):
          db.execute('INSERT INTO notes VALUES(?, CAST(? AS TEXT))', (i, b'note %d' % i if i % 20 else odd))
      db.commit()
      """, sort)
    let report = try scratch.salvage()
    #expect(report.isWhole && report.total(.recovered).records == 400)
  }

  /// A run that the rules refuse, in a table from which SQLite cannot take it, and a text with a lost
  /// sector in another: both are kept apart once, and what is left is counted once.
  @Test func refusedInTwoTables() throws {
    let scratch = try Scratch()
    try scratch.python(
      """
      import sqlite3
      db = sqlite3.connect('damaged.db')
      db.create_function('fold', 1, str.lower, deterministic=True)
      db.execute('CREATE TABLE notes(id INTEGER PRIMARY KEY, body TEXT)')
      for i in range(10): db.execute('INSERT INTO notes VALUES(?,?)', (i, 'note' + chr(0) * 600 * (i == 3)))
      db.execute('CREATE TABLE runs(run_id TEXT PRIMARY KEY, plan_id TEXT NOT NULL, objective TEXT NOT NULL, '
                 'plan_result TEXT NOT NULL, execution_result TEXT, created_at REAL NOT NULL)')
      db.execute('CREATE INDEX by_fold ON runs(fold(run_id))')
      for i in range(10):
          db.execute('INSERT INTO runs VALUES(?,?,?,?,?,?)',
                     ('run-%d' % i, 'p', 'o', '{' if i == 5 else '{}', None, 1.5 + i))
      db.commit()
      """)
    let report = try scratch.salvage()
    #expect(report.total(.irregular).records == 2, "\(report.inputs[0].notes)")
    #expect(report.total(.recovered).records == 18)
    let script = try scratch.run("cat out/irregular/*.sql")
    #expect(script.split(separator: "INSERT INTO").count == 3, "\(script)")
  }

  /// So in a table from which SQLite cannot take the row: its index needs a function of its program's.
  @Test func lostSectorUnderAnOwnIndex() throws {
    let scratch = try Scratch()
    try scratch.python(
      """
      import sqlite3
      db = sqlite3.connect('a.db')
      db.execute('PRAGMA page_size=8192')
      db.create_function('fold', 1, str.lower, deterministic=True)
      db.execute('CREATE TABLE notes(id INTEGER PRIMARY KEY, body TEXT)')
      db.execute('CREATE INDEX by_fold ON notes(fold(substr(body, 1, 9)))')
      for i in range(30): db.execute('INSERT INTO notes VALUES(?,?)', (i, ('note-%d ' % i) * 200))
      db.commit()
      db.close()
      data = bytearray(open('a.db', 'rb').read())
      at = data.find(b'note-17 note-17 ') + 511 & ~511
      if at % 8192 == 0: at += 512
      data[at:at + 512] = bytes(512)
      open('damaged.db', 'wb').write(data)
      """)
    let report = try scratch.salvage()
    let notes = report.inputs[0].notes.map(\.message)
    #expect(report.total(.irregular).records == 1 && !report.isWhole, "\(notes)")
    #expect(notes.contains { $0.contains("INDEX by_fold") }, "\(notes)")
    try scratch.python(
      """
      import sqlite3
      (whole, found) = (set(sqlite3.connect(p).execute('SELECT * FROM notes'))
                        for p in ('a.db', 'out/recovered/damaged.db'))
      assert found < whole and [row[0] for row in whole - found] == [17], len(found)
      """)
  }

  /// A statement in which a byte is altered is left out, and said so; the rows are all there.
  @Test(arguments: ["virtual", "index"])
  func alteredStatements(_ what: String) throws {
    let scratch = try Scratch()
    try scratch.python(
      """
      import sqlite3, sys
      db = sqlite3.connect('a.db')
      db.execute('CREATE VIRTUAL TABLE found USING fts5(body)')
      db.execute('CREATE TABLE notes(id INTEGER PRIMARY KEY, body TEXT)')
      db.execute('CREATE INDEX by_body ON notes(body)')
      for i in range(600):
          db.execute('INSERT INTO notes VALUES(?,?)', (i, 'word %d' % i))
          db.execute('INSERT INTO found(rowid, body) VALUES(?,?)', (i, 'word %d' % i))
      db.commit()
      page = db.execute("SELECT rootpage FROM sqlite_schema WHERE name='by_body'").fetchone()[0]
      db.close()
      data = bytearray(open('a.db', 'rb').read())
      data[(page - 1) * 4096:page * 4096] = bytes(4096)
      was, now = ((b'found USING', b'found USINK') if sys.argv[1] == 'virtual'
                  else (b'ON notes(body)', b'ON notes(bodz)'))
      at = data.find(was)
      data[at:at + len(was)] = now
      open('damaged.db', 'wb').write(data)
      """, what)
    let notes = try scratch.salvage().inputs[0].notes.map(\.message)
    let told = what == "virtual" ? "found: " : "CREATE INDEX by_body ON notes(bodz)"
    #expect(notes.contains { $0.contains(told) }, "\(notes)")
    try scratch.python(
      """
      import sqlite3, sys
      db = sqlite3.connect('out/recovered/damaged.db')
      names = {row[0] for row in db.execute('SELECT name FROM sqlite_master')}
      assert ('found' in names) == (sys.argv[1] == 'index'), names
      assert ('by_body' in names) == (sys.argv[1] == 'virtual'), names
      truth = set(sqlite3.connect('a.db').execute('SELECT * FROM notes'))
      assert set(db.execute('SELECT * FROM notes')) == truth
      assert db.execute('SELECT count(*) FROM found_content').fetchone() == (600,)
      """, what)
  }

  /// A full-text index is made anew from its texts, be those in a table of its own or in a view: one
  /// that lacks a page finds nothing, and says nothing.
  @Test(arguments: ["_data", "_idx", "_config", "_docsize"], [false, true])
  func fullTextIndexes(_ part: String, _ isOfView: Bool) throws {
    let scratch = try Scratch()
    try scratch.python(
      """
      import sqlite3, sys
      part, of_view = sys.argv[1], sys.argv[2] == 'true'
      db = sqlite3.connect('a.db')
      db.execute('CREATE TABLE notes(id INTEGER PRIMARY KEY, body TEXT)')
      db.execute('CREATE VIEW texts(id, body) AS SELECT id, body FROM notes')
      db.execute('CREATE VIRTUAL TABLE found USING fts5(body%s)'
          % (", content='texts', content_rowid='id'" if of_view else ''))
      for i in range(500):
          db.execute('INSERT INTO notes VALUES(?,?)', (i, 'word number%d' % i))
          db.execute('INSERT INTO found(rowid, body) VALUES(?,?)', (i, 'word number%d' % i))
      db.commit()
      page = db.execute('SELECT rootpage FROM sqlite_schema WHERE name=?', ('found' + part,)).fetchone()[0]
      size = db.execute('PRAGMA page_size').fetchone()[0]
      db.close()
      data = bytearray(open('a.db', 'rb').read())
      data[(page - 1) * size:page * size] = bytes(size)
      open('damaged.db', 'wb').write(data)
      """, part, "\(isOfView)")
    let report = try scratch.salvage()
    #expect(!report.inputs[0].notes.contains { $0.message.contains("full-text") })
    try scratch.python(
      """
      import sqlite3
      db = sqlite3.connect('out/recovered/damaged.db')
      assert db.execute("SELECT count(*) FROM found WHERE found MATCH 'word'").fetchone() == (500,)
      assert db.execute("SELECT rowid FROM found WHERE found MATCH 'number77'").fetchall() == [(77,)]
      db.execute("INSERT INTO found(found) VALUES('integrity-check')")
      assert db.execute('PRAGMA integrity_check').fetchall() == [('ok',)]
      """)
  }

  /// One that has no texts of its own to be made of is told.
  @Test func aFullTextIndexWithoutTexts() throws {
    let scratch = try Scratch()
    try scratch.python(
      """
      import sqlite3
      db = sqlite3.connect('damaged.db')
      db.execute("CREATE VIRTUAL TABLE found USING fts5(body, content='')")
      db.execute('CREATE TABLE notes(body TEXT)')
      for i in range(500): db.execute('INSERT INTO notes VALUES(?)', ('word %d' % i,))
      db.commit()
      db.close()
      data = bytearray(open('damaged.db', 'rb').read())
      at = data.find(b'word 250') // 4096 * 4096
      data[at:at + 4096] = bytes(4096)
      open('damaged.db', 'wb').write(data)
      """)
    let notes = try scratch.salvage().inputs[0].notes
    #expect(notes.contains { $0.message.contains("full-text index found may not") }, "\(notes)")
  }

  /// What lies behind the end of a database is none of it: an older one was written over a newer one,
  /// or a page of an error was put behind it. NULs are what some programs take room with.
  @Test(arguments: ["newer", "text", "room"])
  func behindTheEnd(_ what: String) throws {
    let scratch = try Scratch()
    let end = try scratch.python(
      """
      import sqlite3, sys
      db = sqlite3.connect('a.db')
      db.execute('CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT)')
      def add(first): db.executemany('INSERT INTO t VALUES(?,?)', [(i, 'row %d ' % i * 20) for i in range(first, first + 200)])
      add(0); db.commit(); old = open('a.db', 'rb').read()
      add(200); db.commit(); new = open('a.db', 'rb').read()
      behind = {'newer': new[len(old):], 'text': b'<html>502</html>', 'room': bytes(9000)}
      open('damaged.db', 'wb').write(old + behind[sys.argv[1]])
      print(len(old))
      """, what)
    let report = try scratch.salvage()
    #expect(report.total(.recovered).records == 200)
    #expect(report.isWhole == (what == "room"))
    let start = Int(end.dropLast()) ?? 0
    let lost = try what == "room" ? 0 : scratch.read("damaged.db").count - start
    #expect(report.total(.quarantined).bytes == lost)
    #expect(
      report.inputs[0].notes.contains { $0.message.contains("--deleted") } == (what != "room"))
    let kept = "out/quarantine/damaged.db/*.bin"
    if lost > 0 { try scratch.run("tail -c \(lost) damaged.db | cmp - \(kept)") }
  }

  /// Pages that a transaction had added before it was cut short are known by its journal, also where
  /// the first page is in neither: nothing on them was ever committed.
  @Test func pagesAddedByATransactionThatDidNotEnd() throws {
    let scratch = try Scratch()
    try scratch.python(
      """
      import shutil, sqlite3
      db = sqlite3.connect('a.db')
      db.execute('CREATE TABLE t(id TEXT PRIMARY KEY, a TEXT)')
      def add(first, count, text):
          for i in range(first, first + count): db.execute('INSERT INTO t VALUES(?,?)', ('%05d' % i, text * 60))
      add(0, 40, 'kept ')
      db.commit()
      db.execute('PRAGMA cache_size=3')
      add(100, 80, 'never')
      for end in ('', '-journal'): shutil.copy('a.db' + end, 'damaged.db' + end)
      db.rollback()
      data = bytearray(open('damaged.db', 'rb').read())
      assert b'never' in data
      data[:512] = bytes(512)
      open('damaged.db', 'wb').write(data)
      journal = open('damaged.db-journal', 'rb').read()
      assert bytes([0, 0, 0, 1]) not in [journal[at:at + 4] for at in range(512, len(journal), 4104)]
      """)
    _ = try scratch.salvage()
    try scratch.python(
      """
      import sqlite3
      db = sqlite3.connect('out/recovered/damaged.db')
      name = db.execute("SELECT name FROM sqlite_schema WHERE type='table'").fetchone()[0]
      rows = [row[-1] for row in db.execute('SELECT * FROM ' + name)]
      assert len(rows) == 40 and all(row.startswith('kept') for row in rows), len(rows)
      """)
  }

  /// The log that a database is read with is no file that was left aside; a log alone is no store.
  @Test func logsBesideAndAlone() throws {
    let scratch = try Scratch()
    try scratch.python(
      """
      import os, shutil, sqlite3
      db = sqlite3.connect('x')
      db.execute('PRAGMA journal_mode=wal')
      db.execute('CREATE TABLE t(a TEXT)')
      db.execute('INSERT INTO t VALUES(?)', ('{"steps":[0]}',))
      db.commit()
      os.mkdir('s')
      for name in ('x', 'x-wal', 'x-shm'): shutil.copy(name, 's/a.db' + name[1:])
      """)
    #expect(try scratch.salvage("s", to: "out").total(.recovered).records == 1)
    try scratch.python(
      """
      import glob, os
      assert 'Not looked at' not in open(glob.glob('out/*.log')[0]).read()
      os.remove('s/a.db')
      """)
    for name in ["s", "s/a.db-wal"] {
      let error = #expect(throws: SalvageError.self) { try scratch.salvage(name, to: "none") }
      #expect(error?.code == .refused && error?.hint?.contains("s/a.db (touch)") == true)
    }
    try scratch.python("open('s/a.db', 'w').close()")
    #expect(try scratch.salvage("s", to: "alone").total(.recovered).records == 1)
  }
}
