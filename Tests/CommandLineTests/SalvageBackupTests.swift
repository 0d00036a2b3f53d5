import Testing

/// `salvage` of damaged backups: one damaged region costs no record, sidecar or not.
@Suite(.scratch) struct SalvageBackupTests {
  /// Everything comes back from one damaged stretch, in every compression, of every kind.
  @Test(arguments: ["zstd", "gzip", "none"])
  func oneDamagedRegion(_ compression: String) throws {
    let scratch = try Scratch.here()
    var random = SeededRandom()
    for name in ["memory.jsonl", "coaia", "snapshot-v1.1.json", "archive"] {
      let store = "\(SalvageKindTests.samples)/intact/\(name)"
      let want = try scratch.digest(store)
      let archive = try scratch.backUp(store, ["--compression", compression])
      let whole = try TestFile.read(archive)
      let ending = compression == "zstd" ? "tar.zst" : compression == "gzip" ? "tar.gz" : "tar"
      for round in 0..<4 {
        var bytes = whole
        let length = 1 + Int.random(in: 0..<200, using: &random)
        let start = Int.random(in: 0..<bytes.count - length, using: &random)
        for at in start..<start + length {
          bytes[at] = round % 2 == 0 ? 0 : UInt8.random(in: 0...255, using: &random)
        }
        let broken = try scratch.write(
          bytes,
          to: "alone-\(round)/\(name)-20260101T000000Z.\(ending)")
        let out = scratch.fresh("out")
        let outcome = try scratch.holdfast("salvage", broken, "--to", out)
        #expect([0, 3].contains(outcome.status), "\(outcome)")
        let names = try TestFile.names(out + "/recovered")
        let isFile = names.count == 1 && names[0].hasPrefix(name.prefix { $0 != "." })
        let recovered = out + "/recovered" + (isFile && name.contains(".") ? "/\(names[0])" : "")
        let found = try scratch.holdfast("digest", recovered).text.prefix(64)
        #expect(
          found == want,
          "HOLDFAST_SEED=\(random.seed) \(name) bytes \(start) + \(length)\n\(outcome)")
      }
    }
  }

  /// Its first bytes tell an archive where its name does not.
  @Test(arguments: ["zstd", "gzip", "none"]) func underAnotherName(_ compression: String) throws {
    let scratch = try Scratch.here()
    let store = "\(SalvageKindTests.samples)/intact/memory.jsonl"
    let archive = try scratch.backUp(store, ["--compression", compression])
    let other = try scratch.write(TestFile.read(archive), to: "alone/download")
    let told = try scratch.json(exit: 0, "salvage", other, "--to", scratch.file("out"))
    #expect(told["inputs"]?[0]?["kind"]?.text == "backup")
    #expect(
      try scratch.digest(scratch.file("out/recovered/memory.jsonl")) == scratch.digest(store))
  }

  /// Of a download that stopped half way: what there is, told as a loss.
  @Test func cutOff() throws {
    let scratch = try Scratch.here()
    let store = try scratch.write(
      SampleRecords.lines(SampleRecords.graph(3000), last: "\n"), to: "memory.jsonl")
    let archive = try scratch.backUp(store)
    let whole = try TestFile.read(archive)
    let broken = try scratch.write(
      Array(whole.prefix(whole.count * 6 / 10)), to: "cut/memory-20260101T000000Z.tar.zst")
    let found = try scratch.json(exit: 3, "salvage", broken, "--to", scratch.file("out"))
    #expect((found["counts"]?["entity"]?.integer ?? 0) > 0)
    #expect(found["inputs"]?[0]?["quarantined"]?["ranges"]?.integer == 1)
  }

  /// A record that is gone from all three encodings leaves no proof of the others: two encodings
  /// that agree outvote the verbatim file, and one alone does not.
  @Test(arguments: ["JSON", "verbatim"]) func encodingsThatDisagree(_ altered: String) throws {
    let scratch = try Scratch.here()
    let lines = ["one", "two", "three", "four"].map { name in
      #"{"type":"entity","name":"\#(name)","entityType":"t","observations":["seen \#(name)"]}"#
    }
    let store = try scratch.write(lines.joined(separator: "\n"), to: "memory.jsonl")
    let archive = try scratch.backUp(store, ["--compression", "none"])
    var bytes = try TestFile.read(archive)
    func places(_ word: String) -> [Int] {
      bytes.indices.filter { bytes[$0...].starts(with: word.utf8) }
    }
    // In the JSON, in the RTFS text, in the file.
    let ones = places("seen one")
    try #require(ones.count == 3)
    for place in places("seen four") { bytes[place] = 0 }
    bytes[ones[altered == "JSON" ? 0 : 2]] = 0x53
    let torn = try scratch.write(bytes, to: "torn.tar")
    let out = scratch.file("out")
    let told = try scratch.json(exit: 3, "salvage", torn, "--to", out)
    let recovered = try TestFile.text(out + "/recovered/memory.jsonl")
    #expect(Set(recovered.split(separator: "\n").map(String.init)) == Set(lines.prefix(3)))
    let notes = told["inputs"]?[0]?["notes"]?.elements.compactMap { $0["message"]?.text } ?? []
    let ledger = try JSONValue(parsing: TestFile.read(out + "/ledger.json"))
    let named = ledger["filled"]?[0]
    #expect(named?["record"]?.text == "entity:one", "\(ledger)")
    #expect(named?["origin"]?.text == "the JSON snapshot of the same backup")
    #expect(named?["conflict"]?.isTrue == (altered == "JSON"))
    let outvoted = notes.contains { $0.contains("was altered in the verbatim files") }
    #expect(outvoted == (altered == "verbatim"), "\(notes)")
  }

  /// Archives of others: a name that no file can have, and a size that an extended header tells, or
  /// that none can have.
  @Test(arguments: ["", "-512", "-9223372036854775808"]) func extendedHeaders(_ size: String) throws
  {
    let scratch = try Scratch.here()
    let line = #"{"type":"entity","name":"e","entityType":"t","observations":[]}"# + "\n"
    try scratch.python(
      """
      import io, sys, tarfile
      data = sys.argv[2].encode()
      with tarfile.open(sys.argv[1], 'w', format=tarfile.PAX_FORMAT) as tar:
          size = sys.argv[3] or str(len(data))
          for name, extra in (('n' * 300, {}), ('memory.jsonl', {'size': size})):
              info = tarfile.TarInfo('store/' + name)
              info.size = len(data)
              info.pax_headers = extra
              tar.addfile(info, io.BytesIO(data))
      """, scratch.file("x.tar"), line, size)
    let out = scratch.file("out")
    try scratch.holdfast(exit: 3, "salvage", scratch.file("x.tar"), "--to", out)
    for name in ["memory.jsonl", "recovered-0.jsonl"] {
      #expect(try TestFile.text("\(out)/recovered/\(name)") == line)
    }
  }

  /// An archive of somebody else's that has a member twice: the first is the store's, and the records of
  /// the other are there too.
  @Test func aMemberTwice() throws {
    let scratch = try Scratch.here()
    let lines = ["a", "b"].map {
      #"{"type":"entity","name":"\#($0)","entityType":"t","observations":[]}"# + "\n"
    }
    try pack(lines.map { ("store/memory.jsonl", $0) }, to: scratch.file("x.tar"), scratch)
    let out = scratch.file("out")
    let told = try scratch.json(exit: 3, "salvage", scratch.file("x.tar"), "--to", out)
    let notes = told["inputs"]?[0]?["notes"]?.elements.compactMap { $0["message"]?.text } ?? []
    #expect(
      notes.contains("holds the member store/memory.jsonl more than once: the first is taken"))
    #expect(try TestFile.text(out + "/recovered/memory.jsonl") == lines[0])
    let others = try TestFile.names(out + "/recovered").filter { $0 != "memory.jsonl" }
    #expect(try others.map { try TestFile.text("\(out)/recovered/\($0)") } == [lines[1]])
  }

  /// A damaged name, for which a file lies where the directory of the others has to be.
  @Test(arguments: [["store", "store/memory.jsonl"], ["store/x", "store/x/memory.jsonl"]])
  func aFileInTheWay(_ names: [String]) throws {
    let scratch = try Scratch.here()
    let lines = ["a", "b"].map {
      #"{"type":"entity","name":"\#($0)","entityType":"t","observations":[]}"# + "\n"
    }
    for order in [[0, 1], [1, 0]] {
      let members = order.map { (names[$0], lines[$0]) }
      try pack(members, to: scratch.file("x.tar"), scratch)
      let out = scratch.fresh("out")
      try scratch.holdfast(exit: 3, "salvage", scratch.file("x.tar"), "--to", out)
      let found = try scratch.tool(
        "find", out + "/recovered", "-type", "f", "-exec", "cat", "{}", "+")
      #expect(Set(found.text.split(separator: "\n").map { $0 + "\n" }) == Set(lines))
    }
  }

  /// A member that its digest proves, in a frame whose checksum is wrong, and a file of a damaged name
  /// where its directory has to be: each comes back.
  @Test(arguments: ["store", "store/x"]) func aProvenMemberWithoutRoom(_ damaged: String) throws {
    let scratch = try Scratch.here()
    let out = scratch.file("out")
    try scratch.python(
      """
      import hashlib, io, subprocess, sys, tarfile
      line = '{"type":"entity","name":"%s","entityType":"t","observations":[]}\\n'
      a, b = (line % 'a').encode(), (line % 'b').encode()
      name_b = sys.argv[2] + '/memory.jsonl'
      sums = (hashlib.sha256(b).hexdigest() + '  %s\\n' % name_b).encode()
      with open(sys.argv[1], 'wb') as file:
          for name, content in ((sys.argv[2], a), (name_b, b), ('SHA256SUMS', sums)):
              info = tarfile.TarInfo(name)
              info.size = len(content)
              block = info.tobuf(tarfile.USTAR_FORMAT) + content + bytes(-len(content) % 512)
              if name == 'SHA256SUMS': block += bytes(1024)
              frame = bytearray(subprocess.run(
                  ['zstd', '-c', '--check'], input=block, capture_output=True, check=True).stdout)
              if content == b: frame[-1] ^= 1
              file.write(frame)
      """, scratch.file("x.tar.zst"), damaged)
    try scratch.holdfast(exit: 3, "salvage", scratch.file("x.tar.zst"), "--to", out)
    // Below `store` the other one has no place that is proven.
    let other = damaged == "store" ? "recovered" : "unproven"
    for (name, folder) in [("a", "recovered"), ("b", other)] {
      let found = try scratch.tool("grep", "-rl", "\"name\":\"\(name)\"", "\(out)/\(folder)")
      #expect(!found.text.isEmpty)
    }
  }

  /// Without a manifest the store is what it is said to be, unless that is a database.
  @Test(arguments: [
    (nil, "entity"), ("memory-graph", "entity"), ("jsonl", "document"), ("sqlite", "entity"),
  ])
  func theKindOfAnArchiveWithoutAManifest(_ kind: String?, _ record: String) throws {
    let scratch = try Scratch.here()
    let line = #"{"type":"entity","name":"a","entityType":"t","observations":[]}"# + "\n"
    try pack([("store/memory.jsonl", line)], to: scratch.file("x.tar"), scratch)
    let words = ["salvage", scratch.file("x.tar"), "--to", scratch.file("out"), "--json"]
    let outcome = try scratch.run([Binary.path] + words + (kind.map { ["--kind", $0] } ?? []))
    #expect(outcome.status == 3, "\(outcome)")
    #expect(try JSONValue(parsing: outcome.output)["counts"]?[record]?.integer == 1, "\(outcome)")
    #expect(try TestFile.text(scratch.file("out/recovered/memory.jsonl")) == line)
  }

  /// Writes a plain tar, each member as often as it has contents.
  private func pack(_ members: [(String, String)], to path: String, _ scratch: Scratch) throws {
    let outcome = try scratch.run(
      [
        "python3", "-c",
        """
        import io, sys, tarfile
        with tarfile.open(sys.argv[1], 'w') as tar:
            for name, content in zip(sys.argv[2::2], sys.argv[3::2]):
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content.encode()))
        """, path,
      ] + members.flatMap { [$0.0, $0.1] })
    #expect(outcome.status == 0, "\(outcome)")
  }

  /// A database in frames, and nothing else to take its rows from: the pages behind a lost frame are
  /// put at their places, and every row of them comes back as it was. One of a page that may have lost its
  /// end, since those behind it moved, is kept apart.
  @Test(arguments: [([0], 290), ([2], 290), ([1, 3], 204), ([4], 350)])
  func pagesOfADatabase(_ lost: [Int], _ least: Int) throws {
    let scratch = try Scratch.here()
    let archive = scratch.file("runs.tar.zst")
    try scratch.python(
      """
      import io, os, random, sqlite3, subprocess, sys, tarfile
      path, lost = sys.argv[1], [int(word) for word in sys.argv[2].split(',')]
      os.chdir(os.path.dirname(path))
      rng = random.Random(1)
      db = sqlite3.connect('runs.db')
      db.execute('CREATE TABLE runs(run_id TEXT PRIMARY KEY, plan_id TEXT NOT NULL, '
                 'objective TEXT NOT NULL, plan_result TEXT NOT NULL, execution_result TEXT, '
                 'created_at REAL NOT NULL)')
      for i in range(400):
          db.execute('INSERT INTO runs VALUES(?,?,?,?,?,?)', (
              'run-%d' % i, 'p', 'o', '{"t":"%0999x"}' % rng.getrandbits(3996), None, 1.7e9 + i))
      db.commit()
      db.close()
      out = io.BytesIO()
      with tarfile.open(fileobj=out, mode='w', format=tarfile.USTAR_FORMAT) as tar:
          tar.add('runs.db', 'store/runs.db')
      data = out.getvalue()
      with open(path, 'wb') as file:
          for number, at in enumerate(range(0, len(data), 128 << 10)):
              frame = bytearray(subprocess.run(
                  ['zstd', '-c', '--check'], input=data[at:at + (128 << 10)], capture_output=True,
                  check=True).stdout)
              middle = len(frame) // 2
              if number in lost: frame[middle:middle + 50] = bytes(50)
              file.write(frame)
      os.rename('runs.db', 'whole.db')
      """, archive, lost.map(String.init).joined(separator: ","))
    let out = scratch.file("out")
    let outcome = try scratch.holdfast(exit: 3, "salvage", archive, "--to", out)
    let said = try scratch.python(
      """
      import glob, os, sqlite3, sys
      whole = sqlite3.connect(os.path.dirname(sys.argv[1]) + '/whole.db')
      paths = glob.glob(sys.argv[1] + '/recovered/*.db')
      assert len(paths) == 1, paths
      db = sqlite3.connect(paths[0])
      assert db.execute('PRAGMA integrity_check').fetchone() == ('ok',)
      found = db.execute('SELECT * FROM runs').fetchall()
      assert len(found) == len(set(found)), 'rows twice'
      assert not set(found) - set(whole.execute('SELECT * FROM runs')), 'invented'
      print(len(found))
      """, out)
    #expect((Int(said.text.dropLast()) ?? 0) >= least, "\(said) \(outcome)")
  }

  /// The `backup.json` of a backup by itself: what its JSON lost is in its RTFS text, and where the
  /// two differ the JSON is taken and that is told.
  @Test func theJSONAlone() throws {
    let scratch = try Scratch.here()
    let intents = ["one", "two", "three"].map { name in
      #""\#(name)":{"intent_id":"\#(name)","name":null,"original_request":"r","#
        + #""rtfs_intent_source":"","goal":"goal \#(name)","constraints":{},"preferences":{},"#
        + #""success_criteria":null,"status":"Active","created_at":1,"updated_at":1,"metadata":{}}"#
    }
    let all = "{\"intents\":{\(intents.joined(separator: ","))},\"edges\":[],\"version\":\"1.1\"}"
    let store = try scratch.write(all, to: "graph.json")
    let archive = try scratch.backUp(store)
    var bytes = try scratch.tool("tar", "-xOf", archive, "backup.json").output
    func places(_ word: String) -> [Int] {
      bytes.indices.filter { bytes[$0...].starts(with: word.utf8) }
    }
    try #require(places("goal two").count == 2)
    bytes[places("goal two")[0]] = 0
    bytes[places("goal one")[0]] = 0x67 ^ 0x20
    let alone = try scratch.write(bytes, to: "backup.json")
    let out = scratch.file("out")
    let told = try scratch.json(exit: 3, "salvage", alone, "--to", out)
    let notes = told["inputs"]?[0]?["notes"]?.elements ?? []
    let differs = notes.filter { $0["code"]?.text == "encodings-disagree" }
    #expect(differs.map { $0["record"]?.text } == ["intent:one"], "\(told)")
    let ledger = try JSONValue(parsing: TestFile.read(out + "/ledger.json"))
    #expect(ledger["filled"]?.elements.map { $0["record"]?.text } == ["intent:two"])
    #expect(ledger["filled"]?[0]?["origin"]?.text == "rtfs in the same file")
    let recovered = try TestFile.text(out + "/recovered/backup.json")
    for goal in ["Goal one", "goal two", "goal three"] { #expect(recovered.contains(goal)) }
    #expect(!recovered.contains("goal one"))
  }

  /// An archive that is no backup: none of its bytes counts as recovered.
  @Test(arguments: ["plain.tar", "plain.tar.gz"]) func anArchiveOfSomebodyElse(_ name: String)
    throws
  {
    let scratch = try Scratch.here()
    try scratch.write(
      SampleRecords.lines(SampleRecords.graph(5), last: "\n"), to: "in/memory.jsonl")
    try scratch.tool("tar", "-caf", scratch.file(name), "-C", scratch.file("in"), "memory.jsonl")
    let size = try TestFile.read(scratch.file(name)).count
    let told = try scratch.json(
      exit: 3, "salvage", scratch.file(name), "--to", scratch.file("out"))
    #expect(told["inputs"]?[0]?["quarantined"]?["bytes"]?.integer == size, "\(told)")
    #expect(told["inputs"]?[0]?["recovered"]?["bytes"]?.integer == 0)
  }

  /// A backup of three runs in an uncompressed archive, in a database that holds more than those.
  private func runs(_ scratch: Scratch) throws -> (archive: String, truth: String) {
    let store = scratch.file("runs.db")
    try scratch.python(
      """
      import sqlite3, sys
      made = sqlite3.connect(sys.argv[1])
      made.executescript('''
          CREATE TABLE runs (run_id TEXT PRIMARY KEY, plan_id TEXT NOT NULL, objective TEXT NOT NULL,
              plan_result TEXT NOT NULL, execution_result TEXT, created_at REAL NOT NULL);
          CREATE TABLE notes (n INTEGER PRIMARY KEY, t TEXT);
          CREATE VIEW latest AS SELECT max(created_at) FROM runs;
          CREATE INDEX by_plan ON runs (plan_id);
          CREATE TRIGGER gone AFTER DELETE ON runs BEGIN DELETE FROM notes; END;
          INSERT INTO notes VALUES (1, 'keep me');
          INSERT INTO runs VALUES ('r1', 'p', 'first objective', '{}', NULL, 1.5),
              ('r2', 'p', 'second objective', '{}', '{}', 2.5),
              ('r3', 'p', 'third objective', '{}', '{}', 3.5);
          ''')
      """, store)
    return (
      try scratch.backUp(store, ["--compression", "none"]),
      try scratch.python(Self.look, store).text
    )
  }

  private static let look = """
    import sqlite3, sys
    made = sqlite3.connect(sys.argv[1])
    assert made.execute('PRAGMA integrity_check').fetchall() == [('ok',)]
    print(sorted(made.execute('SELECT type, name, sql FROM sqlite_schema').fetchall()))
    for table in ('notes', 'latest', 'runs ORDER BY run_id'):
        print(made.execute('SELECT * FROM ' + table).fetchall())
    """

  private func messages(_ told: JSONValue) -> [String] {
    told["inputs"]?[0]?["notes"]?.elements.compactMap { $0["message"]?.text } ?? []
  }

  private func places(_ word: String, _ bytes: [UInt8]) -> [Int] {
    bytes.indices.filter { bytes[$0...].starts(with: word.utf8) }
  }

  /// A run that only the RTFS text still has, whose members come in another order there.
  @Test func aRunOfTheRTFSAlone() throws {
    let scratch = try Scratch.here()
    var bytes = try TestFile.read(runs(scratch).archive)
    let database = try #require(places("SQLite format 3", bytes).first)
    for at in database..<database + 16384 { bytes[at] = 0 }
    bytes[try #require(places("second objective", bytes).first)] = 0
    let torn = try scratch.write(bytes, to: "torn/runs.tar")
    let out = scratch.file("out")
    try scratch.holdfast(exit: 3, "salvage", torn, "--to", out)
    let rows = try scratch.python(
      """
      import sqlite3, sys
      for row in sqlite3.connect(sys.argv[1]).execute('SELECT * FROM runs ORDER BY run_id'): print(row)
      """, out + "/recovered/runs.db")
    #expect(
      rows.text == """
        ('r1', 'p', 'first objective', '{}', None, 1.5)
        ('r2', 'p', 'second objective', '{}', '{}', 2.5)
        ('r3', 'p', 'third objective', '{}', '{}', 3.5)

        """)
  }

  /// A byte too few or too many, so that no header stands where it should: what is behind it is
  /// found all the same, and only what is damaged counts as that.
  @Test(arguments: [-700, -1, 1, 300]) func shifted(_ count: Int) throws {
    let scratch = try Scratch.here()
    let (archive, truth) = try runs(scratch)
    var bytes = try TestFile.read(archive)
    let place = try #require(places("second objective", bytes).first)
    if count < 0 {
      bytes.removeSubrange(place..<place - count)
    } else {
      bytes.insert(contentsOf: [UInt8](repeating: 0x78, count: count), at: place)
    }
    let torn = try scratch.write(bytes, to: "torn/runs.tar")
    let out = scratch.file("out")
    let told = try scratch.json(exit: 3, "salvage", torn, "--to", out)
    #expect(try scratch.python(Self.look, out + "/recovered/runs.db").text == truth)
    #expect(messages(told).contains("the member backup.json is damaged"))
    #expect(!messages(told).contains { $0.contains("runs.db") })
    #expect((told["inputs"]?[0]?["recovered"]?["bytes"]?.integer ?? 0) >= 16384)
    #expect((told["inputs"]?[0]?["quarantined"]?["bytes"]?.integer ?? 0) > 0)
  }

  /// One wrong bit in the database of an uncompressed archive: the rest of its pages is read.
  @Test func theOtherTablesOfADamagedDatabase() throws {
    let scratch = try Scratch.here()
    let (archive, truth) = try runs(scratch)
    var bytes = try TestFile.read(archive)
    bytes[try #require(places("second objective", bytes).last)] ^= 4
    let torn = try scratch.write(bytes, to: "torn/runs.tar")
    let out = scratch.file("out")
    let told = try scratch.json(exit: 3, "salvage", torn, "--to", out)
    #expect(try scratch.python(Self.look, out + "/recovered/runs.db").text == truth)
    #expect(messages(told).contains("the member store/runs.db is damaged"))
    #expect((told["inputs"]?[0]?["quarantined"]?["bytes"]?.integer ?? 0) >= 16384)
  }

  /// What no record is lost with is damage as well: headers, what fills blocks, the end.
  @Test(arguments: ["4", "600", "1000", "header", "padding", "manifest", "sums", "end"])
  func damageBesideTheContent(_ what: String) throws {
    let scratch = try Scratch.here()
    let (archive, truth) = try runs(scratch)
    var bytes = try TestFile.read(archive)
    let hybrid = try #require(places("backup.json\0", bytes).first)
    switch what {
    case "header": bytes[try #require(places("store/runs.db\0", bytes).first) + 30] ^= 1
    case "padding": bytes[hybrid - 1] ^= 1
    case "manifest": bytes[512 + 40] ^= 1
    case "sums": bytes[bytes.count - 1536] = bytes[bytes.count - 1536] == 0x31 ? 0x32 : 0x31
    case "end": bytes[bytes.count - 7] ^= 1
    default: for at in 0..<(Int(what) ?? 0) { bytes[at] = 0 }
    }
    let torn = try scratch.write(bytes, to: "torn/runs.tar")
    let out = scratch.file("out")
    let told = try scratch.json(exit: 3, "salvage", torn, "--to", out)
    #expect(try scratch.python(Self.look, out + "/recovered/runs.db").text == truth)
    #expect(messages(told).contains { $0.contains("damaged") || $0.contains("SHA256SUMS") })
    let apart = told["inputs"]?[0]?["quarantined"]?["bytes"]?.integer ?? 0
    #expect(apart > 0 && apart < 4096, "\(told)")
  }

  /// Backups that somebody has put in one file: what any of them has comes back, once.
  @Test(arguments: ["zstd", "gzip", "none"]) func severalInOneFile(_ compression: String) throws {
    let scratch = try Scratch.here()
    func line(_ name: String, _ text: String) -> String {
      #"{"type":"entity","name":"\#(name)","entityType":"t","observations":["\#(text)"]}"# + "\n"
    }
    var all: [UInt8] = []
    let states = [
      line("both", "same") + line("changed", "before"),
      line("both", "same") + line("changed", "after") + line("late", "new"), line("last", "one"),
    ]
    var ending = ""
    for state in states {
      let store = try scratch.write(state, to: "memory.jsonl")
      let archive = try scratch.backUp(store, ["--compression", compression, "--allow-shrink"])
      all += try TestFile.read(archive)
      ending = String(archive.drop { $0 != "." })
      try scratch.tool("rm", "-r", scratch.file("repo"))
    }
    let several = try scratch.write(all, to: "several\(ending)")
    let out = scratch.file("out")
    let told = try scratch.json(exit: 3, "salvage", several, "--to", out)
    let lines = Set(try TestFile.text(out + "/recovered/memory.jsonl").split(separator: "\n"))
    let wanted = states[0] + line("late", "new") + line("last", "one")
    #expect(lines == Set(wanted.split(separator: "\n")))
    #expect(told["counts"]?["entity"]?.integer == 4)
    #expect(told["inputs"]?[0]?["notes"]?[0]?["severity"]?.text == "error")
    #expect(told["filled"]?.integer == 2 && told["conflicts"]?.integer == 1, "\(told)")
    #expect(try TestFile.text(out + "/conflicts/memory.jsonl") == line("changed", "after"))
    #expect(told["inputs"]?[0]?["recovered"]?["bytes"]?.integer == all.count)
    let names = try TestFile.names(out)
    #expect(!names.contains { $0.hasPrefix(".") }, "\(names)")
  }

  /// Without its manifest an uncompressed archive proves nothing of its files: what is damaged in
  /// them comes from the other encodings, and no broken line is taken with them.
  @Test(arguments: ["sums", "no sums"]) func withoutItsManifest(_ what: String) throws {
    let scratch = try Scratch.here()
    let store = try scratch.write(
      SampleRecords.lines(SampleRecords.graph(60), last: "\n"), to: "memory.jsonl")
    let archive = try scratch.backUp(store, ["--compression", "none"])
    var bytes = try TestFile.read(archive)
    for at in 520..<700 { bytes[at] = 0xFF }
    let lines = try TestFile.text(store).split(separator: "\n")
    let middle = try #require(places(String(lines[30]), bytes).last)
    for at in middle + 5..<middle + 20 { bytes[at] = 0x1A }
    if what == "no sums" { for at in bytes.count - 1600..<bytes.count - 1100 { bytes[at] = 0 } }
    let torn = try scratch.write(bytes, to: "torn/memory.tar")
    let out = scratch.file("out")
    let told = try scratch.json(exit: 3, "salvage", torn, "--to", out)
    let found = try TestFile.text(out + "/recovered/memory.jsonl").split(separator: "\n")
    #expect(Set(found) == Set(lines), "\(told)")
    #expect(told["inputs"]?[0]?["recovered"]?["records"]?.integer == 60)
  }

  /// What stands in front of a backup and is none costs it neither its records nor its place.
  @Test func behindSomethingElse() throws {
    let scratch = try Scratch.here()
    let store = try scratch.write(
      SampleRecords.lines(SampleRecords.graph(30), last: "\n"), to: "memory.jsonl")
    let archive = try scratch.backUp(store, ["--compression", "none"])
    let front = Array(repeating: UInt8(0x23), count: 3000)
    let pushed = try scratch.write(front + TestFile.read(archive), to: "pushed.tar")
    let out = scratch.file("out")
    let told = try scratch.json(exit: 3, "salvage", pushed, "--to", out)
    #expect(try TestFile.read(out + "/recovered/memory.jsonl") == TestFile.read(store))
    let counts = ["entity", "relation"].compactMap { told["counts"]?[$0]?.integer }
    #expect(counts.reduce(0, +) == told["inputs"]?[0]?["recovered"]?["records"]?.integer)
    #expect(counts.reduce(0, +) == 30, "\(told)")
    #expect(told["inputs"]?[0]?["quarantined"]?["bytes"]?.integer == front.count)
    #expect(messages(told).contains("holds a backup behind something else"))
  }
}
