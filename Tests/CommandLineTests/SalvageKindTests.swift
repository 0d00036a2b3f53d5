import Testing

/// `salvage` of the samples: what comes back of each kind of store, by the digest of the whole.
@Suite(.scratch) struct SalvageKindTests {
  static let samples = Checkout.root + "/samples"

  /// A damaged sample of which every record comes back, and the sound one that it was made from.
  @Test(arguments: [
    ("content-archive/index-missing", "archive", 0),
    ("content-archive/index-truncated", "archive", 3),
    ("content-archive/leftovers", "archive", 0), ("content-archive/orphan", "archive", 0),
    ("content-archive/paths-outside", "archive", 0),
    ("intent-snapshot/garbage.json", "snapshot-v1.1.json", 3),
    ("intent-snapshot/rtfs-destroyed.json", "snapshot-v1.1.json", 3),
    ("memory-graph/s02-join.jsonl", "memory.jsonl", 0),
    ("memory-graph/s04-nul-line.jsonl", "memory.jsonl", 3),
    ("memory-graph/s06-orphan-suffix.jsonl", "memory.jsonl", 3),
    ("memory-graph/s09-utf16.jsonl", nil, 0),
    ("memory-graph/s11-pretty.jsonl", "memory.jsonl", 0),
    ("memory-graph/s11-array.json", "memory.jsonl", 0),
    ("memory-graph/s11-comments.jsonl", "memory.jsonl", 3),
  ])
  func everyRecord(_ damaged: String, _ sound: String?, _ status: Int32) throws {
    let scratch = try Scratch.here()
    let path = "\(Self.samples)/damaged/\(damaged)"
    try scratch.holdfast(exit: status, "salvage", path, "--to", scratch.file("out"))
    guard let sound else { return }
    var recovered = scratch.file("out/recovered")
    if damaged.contains(".json") {
      recovered += "/" + (try TestFile.names(recovered).first ?? "")
    }
    #expect(
      try scratch.digest(recovered) == scratch.digest("\(Self.samples)/intact/\(sound)"))
  }

  /// Sound stores come out as they went in.
  @Test(arguments: [
    "memory.jsonl", "coaia", "snapshot-v1.0.json", "snapshot-v1.1.json", "archive", "events.jsonl",
    "station.json",
  ])
  func soundStores(_ name: String) throws {
    let scratch = try Scratch.here()
    let path = "\(Self.samples)/intact/\(name)"
    try scratch.holdfast(exit: 0, "salvage", path, "--to", scratch.file("out"))
    let isFile = name.contains(".")
    let recovered = scratch.file("out/recovered") + (isFile ? "/\(name)" : "")
    #expect(try scratch.digest(recovered) == scratch.digest(path))
  }

  /// An object whose file holds more than it is proven by the name of the file.
  @Test(arguments: ["behind", "before", "both", "another", "another before"])
  func objectsAmongOtherBytes(_ place: String) throws {
    let scratch = try Scratch.here()
    let sound = "\(Self.samples)/intact/archive"
    let path = scratch.file("archive")
    try scratch.tool("cp", "-r", sound, path)
    let found = try scratch.tool("find", path, "-name", "*.json", "-not", "-name", "index.json")
    let files = found.text.split(separator: "\n").map(String.init).sorted()
    let nuls = [UInt8](repeating: 0, count: 512)
    var extra = 0
    for (number, file) in files.enumerated() {
      let own = try TestFile.read(file)
      let (before, behind): ([UInt8], [UInt8])
      switch place {
      case "behind": (before, behind) = ([], nuls)
      case "before": (before, behind) = (Array(#"": "torn"}"#.utf8), [])
      case "both": (before, behind) = (nuls + Array("{\"a\":".utf8), nuls)
      case "another": (before, behind) = ([], try TestFile.read(files[(number + 1) % files.count]))
      default: (before, behind) = (try TestFile.read(files[(number + 1) % files.count]), [])
      }
      extra += before.count + behind.count
      try TestFile.write(before + own + behind, to: file)
    }
    let report = try scratch.json(exit: 3, "salvage", path, "--to", scratch.file("out"))
    #expect(try scratch.digest(scratch.file("out/recovered")) == scratch.digest(sound))
    let lost = report["inputs"]?.elements.reduce(0) {
      $0 + ($1["quarantined"]?["bytes"]?.integer ?? 0)
    }
    #expect(lost == extra || place.hasPrefix("another"), "\(lost ?? -1) and \(extra)")
  }

  /// An index that is JSON and none is kept apart, and made anew.
  @Test(arguments: ["[]", "7"]) func anIndexThatIsNone(_ text: String) throws {
    let scratch = try Scratch.here()
    let sound = "\(Self.samples)/intact/archive"
    let path = scratch.file("archive")
    try scratch.tool("cp", "-r", sound, path)
    let index = try #require(try scratch.tool("find", path, "-name", "index.json").lines.first)
    try TestFile.write(Array(text.utf8), to: index)
    let told = try scratch.json(exit: 3, "salvage", path, "--to", scratch.file("out"))
    #expect(try scratch.digest(scratch.file("out/recovered")) == scratch.digest(sound))
    let input = told["inputs"]?.elements.first { $0["path"]?.text == index }
    #expect(input?["irregular"]?["records"]?.integer == 1, "\(told)")
    #expect(input?["notes"]?[0]?["message"]?.text == "was made anew from the objects there are")
  }

  /// What writers that were interrupted left: a whole record whose object is not there is one, and
  /// nothing else of it is. The indexes by id stay as they are.
  @Test func unfinishedObjects() throws {
    let scratch = try Scratch.here()
    let store = try SampleStore.archivePair.make(in: scratch).path
    let digest = try scratch.digest(store)
    let intents = store + "/intents"
    try TestFile.remove(intents + "/index.json")
    let found = try scratch.tool("find", intents, "-name", "*.json").lines.sorted()
    let (moved, copied) = (try #require(found.first), try #require(found.last))
    let record = try TestFile.read(moved)
    try scratch.tool("mv", moved, moved.dropLast(8) + ".tmp")
    try scratch.tool("cp", copied, intents + "/same.tmp")
    try scratch.write("{\"x\":1}", to: "store/intents/other.tmp")
    try scratch.write("{\"half\":", to: "store/intents/half.tmp")
    try scratch.write("", to: "store/intents/empty.tmp")
    try scratch.write("{\"a\": [\"b\"]}", to: "store/intents/intent_index.json")
    let out = scratch.file("out")
    let told = try scratch.json(exit: 3, "salvage", store, "--to", out)
    func input(_ name: String) -> JSONValue? {
      told["inputs"]?.elements.first { $0["path"]?.text?.hasSuffix(name) == true }
    }
    #expect(try scratch.digest(out + "/recovered") == digest)
    let again = out + "/recovered" + moved.dropFirst(store.count)
    #expect(try TestFile.read(again) == record)
    let whole = input("\(moved.dropLast(8).split(separator: "/").last ?? "").tmp")
    #expect(whole?["recovered"]?["records"]?.integer == 1, "\(told)")
    #expect(whole?["notes"]?[0]?["message"]?.text?.contains("was complete") == true)
    #expect(input("same.tmp")?["recovered"]?["records"]?.integer == 0)
    #expect(input("other.tmp")?["irregular"]?["records"]?.integer == 1)
    #expect(input("half.tmp")?["quarantined"]?["ranges"]?.integer == 1)
    #expect(input("empty.tmp")?["notes"]?[0]?["severity"]?.text == "note")
    #expect(try TestFile.text(out + "/recovered/intents/intent_index.json") == "{\"a\": [\"b\"]}")
  }

  /// Any path may be an object's: without an index every file is looked at.
  @Test(arguments: [true, false]) func objectsThatNoIndexNames(_ isCut: Bool) throws {
    let scratch = try Scratch.here()
    let store = try SampleStore.archivePair.make(in: scratch).path
    let digest = try scratch.digest(store)
    let index = store + "/intents/index.json"
    let found = try scratch.tool("find", store + "/intents", "-name", "*.json").lines.sorted()
    let object = try #require(found.first { !$0.hasSuffix("index.json") })
    try scratch.write(try TestFile.read(object), to: "store/intents/plain/1.json")
    try TestFile.remove(object)
    if isCut { try scratch.tool("truncate", "-s", "20", index) } else { try TestFile.remove(index) }
    try scratch.write("{\"x\":1}", to: "store/intents/other.json")
    try scratch.write("{\"intent_id\"", to: "store/intents/torn.json")
    // Beside the archives, and no part of them.
    try scratch.write("{\"x\":1}", to: "store/settings.json")
    let told = try scratch.json(exit: 3, "salvage", store, "--to", scratch.file("out"))
    #expect(try scratch.digest(scratch.file("out/recovered")) == digest)
    func input(_ name: String) -> JSONValue? {
      told["inputs"]?.elements.first { $0["path"]?.text?.hasSuffix(name) == true }
    }
    #expect(input("plain/1.json")?["recovered"]?["records"]?.integer == 1, "\(told)")
    #expect(input("other.json")?["irregular"]?["records"]?.integer == 1)
    #expect(input("torn.json")?["quarantined"]?["ranges"]?.integer == 1)
    #expect(input("settings.json") == nil)
  }

  /// Damage at the beginning of a list of tasks, or of its first task, does not hide what it is.
  @Test(arguments: ["first", "head", "nul"], [true, false])
  func tasksBehindDamage(_ damage: String, _ isPretty: Bool) throws {
    let scratch = try Scratch.here()
    let store = scratch.file("tasks.json")
    let count = try scratch.python(
      """
      import json, sys
      path, damage, pretty = sys.argv[1:]
      tasks = [{"id": "3fa85f64-5717-4562-b3fc-2c963f66af%02d" % i, "description": "task %d" % i,
        "completed": False, "created_at": "2026-01-03T00:26:10Z",
        "updated_at": "2026-01-03T00:26:10Z"} for i in range(20)]
      data = json.dumps({"version": "1.0", "tasks": tasks}, indent=2 if pretty == "true" else None)
      data = data.encode()
      at = data.find(b"task 0")
      data = {"first": data[:at] + b"\\xff" + data[at + 1:], "head": data[10:],
        "nul": bytes(12) + data[12:]}[damage]
      open(path, "wb").write(data)
      print(19 if damage == "first" else 20)
      """, store, damage, "\(isPretty)")
    let told = try scratch.json(exit: 3, "salvage", store, "--to", scratch.file("out"))
    let input = told["inputs"]?[0]
    #expect(input?["kind"]?.text == "task-list")
    #expect(input?["recovered"]?["records"]?.integer == Int(count.lines[0]))
  }

  /// Content with a hash that its own name or the index has is whole, whatever else they say of it. Each
  /// is recovered once; what is called wrong is told, and `recover` mends it.
  @Test(arguments: ["key", "path", "swapped", "renamed", "twice"])
  func provenObjects(_ what: String) throws {
    let scratch = try Scratch.here()
    let store = try SampleStore.archivePair.make(in: scratch).path
    let digest = try scratch.digest(store)
    let intents = store + "/intents"
    let edges = try TestFile.read(store + "/edges/index.json")
    try scratch.python(
      """
      import glob, json, os, shutil, sys
      root, what = sys.argv[1:]
      index = json.load(open(root + '/index.json'))
      a, b = sorted(index)[:2]
      one, two = root + '/' + index[a], root + '/' + index[b]
      if what == 'key':
          index[('1' if a[0] == '0' else '0') + a[1:]] = index.pop(a)
      if what == 'path': index[b] = index[a]
      if what == 'swapped':
          os.rename(one, root + '/x')
          os.rename(two, one)
          os.rename(root + '/x', two)
      if what == 'renamed': os.rename(one, os.path.dirname(one) + '/renamed.json')
      if what == 'twice':
          shutil.copy(one, root)
          os.remove(root + '/index.json')
      else: json.dump(index, open(root + '/index.json', 'w'), indent=1)
      """, intents, what)
    let out = scratch.file("out")
    let isTold = ["key", "path", "swapped"].contains(what)
    let told = try scratch.json(exit: isTold ? 3 : 0, "salvage", store, "--to", out)
    #expect(try scratch.digest(out + "/recovered") == digest)
    #expect(try TestFile.read(out + "/recovered/edges/index.json") == edges)
    #expect(!TestFile.exists(out + "/irregular") && !TestFile.exists(out + "/quarantine"))
    let records = told["inputs"]?.elements.map { $0["recovered"]?["records"]?.integer ?? 0 } ?? []
    let counts = ["intent", "edge"].map { told["counts"]?[$0]?.integer ?? 0 }
    #expect(records.reduce(0, +) == counts.reduce(0, +), "\(told)")
    if what == "twice" { return }
    let mended = try scratch.json(exit: 3, "recover", store, "--yes")
    let replaced = mended["replaced"]?.elements.compactMap(\.text) ?? []
    #expect(!replaced.isEmpty && !replaced.contains { $0.contains("/edges/") }, "\(mended)")
    #expect(try scratch.digest(store) == digest)
    try scratch.holdfast(exit: 0, "inspect", store)
    try scratch.holdfast(exit: 0, "recover", store, "--yes")
  }

  /// A content archive is a directory: no file is one, whatever it holds.
  @Test func aFileCalledAnArchive() throws {
    let scratch = try Scratch.here()
    let path = "\(Self.samples)/intact/memory.jsonl"
    let out = scratch.file("out")
    let refused = try scratch.holdfast(
      exit: 13, "salvage", path, "--to", out, "--kind", "content-archive")
    #expect(refused.message.contains("is a file"), "\(refused)")
    #expect(!TestFile.exists(out))
  }

  /// A record that was altered has another hash than the file is named after.
  @Test func alteredObjects() throws {
    let scratch = try Scratch.here()
    let path = "\(Self.samples)/damaged/content-archive/hash-mismatch"
    let found = try scratch.json(exit: 3, "salvage", path, "--to", scratch.file("out"))
    let irregular = found["inputs"]?.elements.reduce(0) {
      $0 + ($1["irregular"]?["records"]?.integer ?? 0)
    }
    #expect(irregular == 1)
    try scratch.holdfast(exit: 0, "inspect", scratch.file("out/recovered"))
  }
}

private enum Checkout {
  static let root: String = {
    let parts = #filePath.split(separator: "/").dropLast(3)
    return "/" + parts.joined(separator: "/")
  }()
}
