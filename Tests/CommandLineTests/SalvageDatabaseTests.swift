import Testing

/// `salvage` of damaged backups of databases: rows of what survives of the pages.
@Suite(.scratch) struct SalvageDatabaseTests {
  /// Makes a run history of several frames.
  static let make = """
    import json, random, sqlite3, sys
    random.seed(7)
    def words(count): return ''.join(random.choices('abcdefghijklmnopqrstuvwxyz ', k=count))
    made = sqlite3.connect(sys.argv[1])
    made.execute('CREATE TABLE runs (run_id TEXT PRIMARY KEY, plan_id TEXT NOT NULL, '
      'objective TEXT NOT NULL, plan_result TEXT NOT NULL, execution_result TEXT, '
      'created_at REAL NOT NULL)')
    made.execute('CREATE INDEX idx_runs_created_at ON runs (created_at DESC)')
    made.executemany('INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?)', [
      (f'run-{i:05}', f'plan-{i % 5}', words(600), '{}',
       json.dumps({'success': i % 2 == 0}) if i % 3 else None, 1.5 * i) for i in range(4000)])
    made.commit()
    """

  /// Destroys every frame of an archive but some of its database's, and prints which rows of the
  /// original stand in what is left. Words: archive, original, target, what is spared.
  static let spoil = """
    import io, json, re, sqlite3, subprocess, sys, tarfile, zlib
    archive, original, target, spared = sys.argv[1:]
    data = open(archive, 'rb').read()
    if archive.endswith('.zst'):
        starts = [m.start() for m in re.finditer(re.escape(b'\\x28\\xb5\\x2f\\xfd'), data)]
        def content(frame):
            return subprocess.run(['zstd', '-dc'], input=frame, capture_output=True, check=True).stdout
    elif archive.endswith('.gz'):
        starts = [m.start() for m in re.finditer(b'\\x1f\\x8b\\x08\\x00\\x00\\x00\\x00\\x00', data)]
        def content(frame): return zlib.decompress(frame, 31)
    else:
        starts = list(range(0, len(data), 1 << 20))
        def content(frame): return frame
    ends = starts[1:] + [len(data)]
    parts = [content(data[a:b]) for a, b in zip(starts, ends)]
    tar = b''.join(parts)
    with tarfile.open(fileobj=io.BytesIO(tar)) as whole:
        member = next(m for m in whole if m.name.startswith('store/') and m.isfile())
    low, high = member.offset_data, member.offset_data + member.size
    at, kept, broken = 0, [], bytearray(data)
    for number, (a, b, part) in enumerate(zip(starts, ends, parts)):
        inside = at >= low and at < high
        index = (at - low) >> 20
        keep = inside and {'tail': index >= 1, 'odd': index % 2 == 1, 'middle': index == 1}[spared]
        if keep: kept.append((at - low, min(at + len(part), high) - low))
        else: broken[a:b] = bytes(b - a)
        at += len(part)
    open(target, 'wb').write(broken)
    file = open(original, 'rb').read()
    page = int.from_bytes(file[16:18], 'big')
    rows = sqlite3.connect(f'file:{original}?immutable=1', uri=True).execute('SELECT * FROM runs')
    want = []
    for row in rows:
        spot = file.find(row[2].encode()) // page * page
        if any(a <= spot and spot + page <= b for a, b in kept): want.append(row[0])
    print(json.dumps(sorted(want)))
    """

  /// The ids of the rows of a recovered database that are in the original as they are.
  static let compare = """
    import json, sqlite3, sys
    def rows(path):
        made = sqlite3.connect(f'file:{path}?immutable=1', uri=True)
        return set(made.execute('SELECT * FROM runs'))
    original, found = rows(sys.argv[1]), rows(sys.argv[2])
    print(json.dumps(sorted(row[0] for row in found & original)))
    print(len(found - original))
    """

  /// A damaged pointer costs none of the rows that it led to, and a size of pages that the header does
  /// not have right none at all.
  @Test(arguments: [
    "4104:00000000", "4104:00000002", "4104:7fffffff", "4105:40", "4106:40", "8176:40", "8188:40",
    "16:2000", "16:8000", "16:0001", "16:0200", "16:0003",
  ])
  func damagedPointers(_ damage: String) throws {
    let scratch = try Scratch.here()
    let (store, broken) = (scratch.file("runs.db"), scratch.file("broken.db"))
    try scratch.python(Self.plain, store, broken, damage)
    try scratch.holdfast(exit: 3, "salvage", broken, "--to", scratch.file("out"))
    let got = try scratch.python(Self.compare, store, scratch.file("out/recovered/broken.db")).lines
    let ids = try JSONValue(parsing: Array((got.first ?? "").utf8)).elements
    #expect(ids.count == 3000 && got.last == "0", "\(ids.count)")
  }

  /// A history whose table has one interior page, the second of the file, and that with bytes put over
  /// it; a single one is changed by exclusive or.
  static let plain = """
    import sqlite3, sys
    path, broken, damage = sys.argv[1:]
    made = sqlite3.connect(path)
    made.execute('PRAGMA page_size=4096')
    made.execute('''CREATE TABLE runs(run_id TEXT PRIMARY KEY, plan_id TEXT NOT NULL,
      objective TEXT NOT NULL, plan_result TEXT NOT NULL, execution_result TEXT,
      created_at REAL NOT NULL, approval_status TEXT DEFAULT 'pending', approval_reason TEXT,
      approved_at REAL, approved_by TEXT)''')
    made.executemany('INSERT INTO runs(run_id, plan_id, objective, plan_result, created_at) '
      'VALUES (?,?,?,?,?)', [('run-%05d' % i, 'p', 'objective %d' % i, '{}', i) for i in range(3000)])
    made.commit()
    made.close()
    data = bytearray(open(path, 'rb').read())
    assert data[4096] == 5
    at, new = damage.split(':')
    at, new = int(at), bytes.fromhex(new)
    data[at:at + len(new)] = new if len(new) > 1 else bytes([data[at] ^ new[0]])
    open(broken, 'wb').write(data)
    """

  @Test func shorterThanAHeader() throws {
    let scratch = try Scratch.here()
    let store = try scratch.write("S", to: "one.db")
    let told = try scratch.json(exit: 3, "salvage", store, "--to", scratch.file("out"))
    #expect(told["inputs"]?[0]?["quarantined"]?["bytes"]?.integer == 1)
  }

  /// Nothing but pages of the database survives, with and without what says where they belong.
  @Test(
    arguments: ["zstd", "gzip", "none"], ["tail", "odd", "middle"])
  func nothingButPages(_ compression: String, _ spared: String) throws {
    let scratch = try Scratch.here()
    let store = scratch.file("runs.db")
    try scratch.python(Self.make, store)
    let archive = try scratch.backUp(store, ["--compression", compression])
    let ending = compression == "zstd" ? "tar.zst" : compression == "gzip" ? "tar.gz" : "tar"
    for hasSidecar in [true, false] {
      let name = scratch.fresh("alone")
      try TestFile.makeDirectory(name)
      let broken = "\(name)/runs-20260101T000000Z.\(ending)"
      if hasSidecar {
        try scratch.tool(
          "cp", Scratch.sidecar(of: archive), "\(name)/runs-20260101T000000Z.manifest.json")
      }
      let want = try scratch.python(Self.spoil, archive, store, broken, spared).text
      let out = scratch.fresh("out")
      try scratch.holdfast(exit: 3, "salvage", broken, "--to", out)
      let names = try TestFile.names(out + "/recovered").filter { $0.hasSuffix(".db") }
      try #require(names.count == 1, "\(names) \(hasSidecar)")
      let got = try scratch.python(Self.compare, store, "\(out)/recovered/\(names[0])").text
      #expect(want.utf8.count > 1000)
      let lines = got.split(separator: "\n").map(String.init)
      try #require(lines.count == 2)
      #expect(lines[1] == "0", "\(compression) \(spared) \(hasSidecar)")
      func ids(_ text: String) throws -> Set<String> {
        Set(try JSONValue(parsing: Array(text.utf8)).elements.compactMap(\.text))
      }
      let (all, found) = (try ids(want), try ids(lines[0]))
      if compression == "none" {
        // Where no frame tells, a page may be taken for padding.
        #expect(found.count > all.count * 9 / 10, "\(spared) \(hasSidecar)")
      } else {
        #expect(found == all, "\(compression) \(spared) \(hasSidecar)")
      }
      try scratch.holdfast(exit: 0, "inspect", "\(out)/recovered/\(names[0])")
    }
  }

  /// A migrated database comes back as one, from any of the encodings and from its pages.
  @Test(arguments: ["json", "rtfs", "pages"])
  func aMigratedDatabase(_ survivor: String) throws {
    let scratch = try Scratch.here()
    let runs = scratch.file("runs.db")
    try scratch.python(Self.make, runs)
    let store = scratch.file("kept.db")
    try scratch.holdfast(exit: 0, "migrate", runs, "--to", store)
    let archive = try scratch.backUp(store)
    let broken = scratch.file("alone/kept-20260101T000000Z.tar.zst")
    try scratch.directory("alone")
    let out = scratch.file("out")
    if survivor == "pages" {
      try scratch.python(Self.spoil, archive, store, broken, "tail")
    } else {
      // All frames of the other two.
      try scratch.python(
        """
        import json, re, subprocess, sys
        data = bytearray(open(sys.argv[1], 'rb').read())
        starts = [m.start() for m in re.finditer(re.escape(b'\\x28\\xb5\\x2f\\xfd'), bytes(data))]
        text = b''
        for a, b in zip(starts, starts[1:] + [len(data)]):
            part = subprocess.run(
                ['zstd', '-dc'], input=bytes(data[a:b]), capture_output=True, check=True).stdout
            kind = ('pages' if b'SQLite format 3' in part or text == b'pages'
                else 'rtfs' if b'-graph\\\\n' in part or text == b'rtfs'
                else 'json' if part.startswith(b'{"version":') or text == b'json' else '')
            if kind: text = kind.encode()
            if kind and kind != sys.argv[3]: data[a:b] = bytes(b - a)
        open(sys.argv[2], 'wb').write(data)
        """, archive, broken, survivor)
    }
    try scratch.holdfast(exit: 3, "salvage", broken, "--to", out)
    let names = try TestFile.names(out + "/recovered").filter { $0.hasSuffix(".db") }
    try #require(names.count == 1)
    let recovered = "\(out)/recovered/\(names[0])"
    let found = try scratch.json("inspect", recovered)
    #expect(found["kind"]?.text == "sqlite")
    let got = try scratch.python(Self.compare, store, recovered).text.split(separator: "\n")
    #expect(got.last == "0")
    if survivor == "pages" {
      #expect((found["counts"]?["run"]?.integer ?? 0) > 100)
    } else {
      #expect(try scratch.digest(recovered) == scratch.digest(store))
      #expect(
        try TestFile.read(scratch.file("kept.db")).count > 0 && names[0] == "kept.db")
    }
  }

  /// What is left of an archive are the pages of a database with tables that are nobody's, and the
  /// records of another encoding: neither is written over the other.
  @Test func pagesOfNobodyBesideRecords() throws {
    let scratch = try Scratch.here()
    let store = try scratch.write(
      SampleRecords.lines(SampleRecords.graph(60), last: "\n"), to: "memory.jsonl")
    let archive = try scratch.backUp(store)
    let parts = try scratch.directory("parts")
    try scratch.tool("tar", "--zstd", "-xf", archive, "-C", parts, "backup.json")
    try scratch.tool(
      "sqlite3", "\(parts)/a.db",
      "CREATE TABLE notes(a, b); INSERT INTO notes VALUES (1, 'one'), (2, 'two')")
    let broken = scratch.file("memory-20260101T000000Z.tar")
    try scratch.tool("tar", "-cf", broken, "-C", parts, "a.db", "backup.json")
    var bytes = try TestFile.read(broken)
    for place in 0..<512 { bytes[place] = UInt8(truncatingIfNeeded: place &* 31 | 1) }
    try scratch.write(bytes, to: "memory-20260101T000000Z.tar")
    let out = scratch.file("out")
    try scratch.holdfast(exit: 3, "salvage", broken, "--to", out)
    let names = try TestFile.names(out + "/recovered")
    let database = try #require(names.first { $0.hasSuffix(".db") })
    let rows = try scratch.tool(
      "sqlite3", "\(out)/recovered/\(database)", "SELECT b FROM notes ORDER BY a")
    #expect(rows.lines == ["one", "two"])
    let graph = try #require(names.first { $0 != database })
    #expect(try scratch.digest("\(out)/recovered/\(graph)") == scratch.digest(store))
  }

  /// A run with two members that are one column to SQLite costs none of the others.
  @Test func aRunWithOneColumnTwice() throws {
    let scratch = try Scratch.here()
    let store = scratch.file("runs.db")
    try scratch.python(Self.make, store)
    let archive = try scratch.backUp(store)
    let parts = try scratch.directory("parts")
    try scratch.tool("tar", "--zstd", "-xf", archive, "-C", parts, "backup.json")
    try scratch.python(
      """
      import sys
      text = open(sys.argv[1], 'rb').read()
      at = text.index(b'{"run_id"')
      text = text[:at] + b'{"RUN_ID":"x",' + text[at + 1:text.index(b'"rtfs"')]
      open(sys.argv[1], 'wb').write(text)
      """, parts + "/backup.json")
    let broken = scratch.file("runs-20260101T000000Z.tar")
    try scratch.tool("tar", "-cf", broken, "-C", parts, "backup.json")
    let out = scratch.file("out")
    try scratch.holdfast(exit: 3, "salvage", broken, "--to", out)
    let names = try TestFile.names(out + "/recovered")
    let found = try scratch.json("inspect", "\(out)/recovered/\(try #require(names.first))")
    #expect(found["counts"]?["run"]?.integer == 3999)
  }

  /// A record of a migrated database that does not have its hash any more was altered: it is apart,
  /// with all that stood in the tables, and the others are whole.
  @Test func anAlteredRecord() throws {
    let scratch = try Scratch.here()
    let lines = ["one", "two", "three"].map { name in
      #"{"type":"entity","name":"\#(name)","entityType":"t","observations":["seen \#(name)"]}"#
    }
    let file = try scratch.write(lines.joined(separator: "\n"), to: "memory.jsonl")
    let database = scratch.file("memory.db")
    try scratch.holdfast(exit: 0, "migrate", file, "--to", database, "--quiet")
    var bytes = try TestFile.read(database)
    for at in bytes.indices where bytes[at...].starts(with: "seen two".utf8) { bytes[at] = 0x53 }
    try TestFile.write(bytes, to: database)
    let out = scratch.file("out")
    let told = try scratch.json(exit: 3, "salvage", database, "--to", out)
    let notes = told["inputs"]?[0]?["notes"]?.elements ?? []
    #expect(
      notes.contains { $0["code"]?.text == "hash-mismatch" && $0["record"]?.text == "entity:two" })
    #expect(told["counts"]?["entity"]?.integer == 2)
    try scratch.holdfast(
      exit: 0, "export", out + "/recovered/memory.db", "--to", scratch.file("x"), "--as", "jsonl")
    #expect(try TestFile.text(scratch.file("x")) == "\(lines[0])\n\(lines[2])\n")
    #expect(try TestFile.read(out + "/irregular/memory.db").contains("Seen two".utf8))
  }

  /// A database that does not say any more that `migrate` made it, and lacks a column that records
  /// are read from: its rows are as they were found, and it is said that they make no records.
  @Test func noRecordsOfItsTables() throws {
    let scratch = try Scratch.here()
    let lines = SampleRecords.lines(SampleRecords.graph(9), last: "\n")
    let file = try scratch.write(lines, to: "memory.jsonl")
    let database = scratch.file("memory.db")
    try scratch.holdfast(exit: 0, "migrate", file, "--to", database, "--quiet")
    try scratch.python(
      """
      import sys
      path = sys.argv[1]
      data = bytearray(open(path, 'rb').read())
      data[68:72] = bytes(4)
      at = data.index(b'CREATE TABLE records')
      at = data.index(b'key ', data.index(b'kind ', at))
      data[at:at + 3] = b'kez'
      at = data.index(b'CREATE TABLE observations')
      at = data.rindex(b'seen 0')
      data[at // 8192 * 8192:at // 8192 * 8192 + 8] = bytes([255] * 8)
      open(path, 'wb').write(data)
      """, database)
    let out = scratch.file("out")
    let told = try scratch.json(exit: 3, "salvage", database, "--to", out)
    let notes = told["inputs"]?[0]?["notes"]?.elements.compactMap { $0["message"]?.text } ?? []
    #expect(notes.contains { $0.hasPrefix("no records can be made of its tables") }, "\(notes)")
    let rows = try scratch.python(
      """
      import sqlite3, sys
      print(sqlite3.connect(sys.argv[1]).execute('SELECT count(*) FROM records').fetchone()[0])
      """, out + "/recovered/memory.db")
    #expect(rows.text == "9\n")
  }
}
