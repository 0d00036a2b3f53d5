import Glibc
import Testing

/// What is printed: nothing when quiet, one object with `--json`, results on stdout alone.
@Suite(.scratch) struct OutputTests {
  /// A store, its backup, and words for every verb that succeed with them.
  private struct House {
    let store: String
    let archive: String
    let repository: String

    init(_ scratch: Scratch) throws {
      let path = try SampleStore.contexts.make(in: scratch).path
      store = path
      archive = try scratch.backUp(path, time: 1_000_000_000)
      repository = scratch.file("repo")
    }

    /// Each with the exit code it has where all is well.
    func verbs(_ scratch: Scratch) -> [(words: [String], status: Int32)] {
      [
        (["inspect", store], 0), (["digest", store], 0),
        (["backup", store, "--to", scratch.fresh("repo")], 0),
        (["backup", store, "--to", repository, "--skip-unchanged"], 0),
        (["backup", store, "--to", repository, "--dry-run"], 0),
        (["list", repository], 0), (["show", archive], 0),
        (["show", archive, "--record", "entity:*"], 0), (["verify", repository], 0),
        (["verify", store], 0), (["restore", archive, "--to", scratch.fresh("t")], 0),
        (["restore", archive, "--to", scratch.fresh("t"), "--dry-run"], 0),
        (["diff", store, archive], 0), (["diff", store, archive, "--stat"], 0),
        (["merge", store, archive, "--to", scratch.fresh("m")], 0),
        (["merge", store, archive, "--to", scratch.fresh("m"), "--dry-run"], 0),
        (["move", store, "--select", "entity", "--into", "new", "--dry-run"], 0),
        (["replay", store + "/charts.jsonl", "--to", scratch.fresh("r")], 0),
      ]
    }

    func failures(_ scratch: Scratch) throws -> [(words: [String], status: Int32)] {
      let damaged = try scratch.write("{}\n{\"a\n{}\n", to: "damaged.jsonl")
      let empty = try scratch.write("", to: "empty.jsonl")
      var bytes = try TestFile.read(archive)
      bytes.removeLast(bytes.count / 2)
      let broken = try scratch.write(bytes, to: "broken/store-20010909T014640Z.tar.zst")
      let other = try scratch.write("{}\n{}\n", to: "other.jsonl")
      return [
        (["inspect", damaged], 3), (["inspect", "/none"], 10), (["inspect", empty], 13),
        (["digest", damaged], 3), (["digest", "/none"], 10),
        (["backup", damaged, "--to", scratch.fresh("repo")], 3), (["backup", "/none"], 10),
        (["backup", empty, "--to", scratch.fresh("repo")], 13), (["list", "/none"], 10),
        (["show", "/none"], 10), (["show", archive, "--record", "entity:zzz"], 10),
        (["verify", broken], 12), (["verify", damaged], 12), (["verify", "/none"], 10),
        (["restore", "/none", "--to", scratch.fresh("t")], 10),
        (["restore", broken, "--to", scratch.fresh("t")], 12),
        (["restore", archive, "--to", scratch.file("broken")], 1), (["diff", store, "/none"], 10),
        (["diff", other, damaged], 3), (["merge", other, damaged, "--to", "/none"], 13),
        (["move", "/none", "--select", "entity", "--into", "new"], 10),
        (["move", store, "--select", "entity:zzz", "--into", "new"], 10),
        (["replay", damaged, "--to", scratch.fresh("r")], 3),
        (["replay", "/none", "--to", scratch.fresh("r")], 10),
      ]
    }
  }

  @Test func quietIsQuiet() throws {
    let scratch = try Scratch.here()
    let house = try House(scratch)
    for (words, status) in house.verbs(scratch) where !words.contains("--record") {
      let outcome = try scratch.run([Binary.path] + words + ["--quiet"])
      #expect(outcome.status == status, "\(outcome)")
      #expect(outcome.output.isEmpty && outcome.errors.isEmpty, "\(outcome)")
    }
  }

  @Test func quietFailsWithOneLine() throws {
    let scratch = try Scratch.here()
    let house = try House(scratch)
    for (words, status) in try house.failures(scratch) {
      let outcome = try scratch.run([Binary.path] + words + ["-q"])
      #expect(outcome.status == status, "\(outcome)")
      #expect(outcome.output.isEmpty, "\(outcome)")
      #expect(outcome.messages.count == 1, "\(outcome)")
      let line = outcome.messages.first ?? ""
      #expect(line.hasPrefix("holdfast: ") && !line.hasSuffix("."), "\(outcome)")
      #expect(words.dropFirst().contains { line.contains($0) }, "names no file: \(outcome)")
    }
  }

  /// One object with `schema`, whatever happens, that other programs read too.
  @Test func jsonIsOneObject() throws {
    let scratch = try Scratch.here()
    let house = try House(scratch)
    var files: [String] = []
    for (words, status) in house.verbs(scratch) + (try house.failures(scratch)) {
      let outcome = try scratch.run([Binary.path] + words + ["--json"])
      #expect(outcome.status == status, "\(outcome)")
      let object = try JSONValue(parsing: outcome.output)
      #expect(object.members.first?.key == "schema", "\(outcome)")
      #expect(object["schema"]?.text == "holdfast.\(words[0])/1", "\(outcome)")
      if [1, 10, 13, 15].contains(status), words[0] != "inspect" || words[1] == "/none" {
        #expect(object["error"]?["exit_code"]?.integer == Int(status), "\(outcome)")
        #expect(object["error"]?["message"]?.text?.isEmpty == false, "\(outcome)")
        #expect(object["error"]?["code"]?.text?.isEmpty == false, "\(outcome)")
      }
      files.append(scratch.fresh("json"))
      try TestFile.write(outcome.output, to: files.last ?? "")
    }
    let check =
      "import json, sys\nfor path in sys.argv[1:]: assert 'schema' in json.load(open(path, encoding='utf-8'))"
    let outcome = try scratch.run(["python3", "-c", check] + files)
    #expect(outcome.status == 0, "\(outcome)")
    let tool = try scratch.run(["python3", "-m", "json.tool", files[0], "/dev/null"])
    #expect(tool.status == 0, "\(tool)")
  }

  /// Wrong words are told as JSON too where `--json` is among them.
  @Test func jsonForUsageErrors() throws {
    let scratch = try Scratch.here()
    for words in [
      ["show", "--json"], ["backup", "x", "--json", "--compression", "lzma"],
      ["restore", "x", "--json"], ["list", "--json", "--nonsense"],
    ] {
      let outcome = try scratch.run([Binary.path] + words)
      #expect(outcome.status == 64, "\(outcome)")
      let object = try? JSONValue(parsing: outcome.output)
      #expect(object?["schema"]?.text == "holdfast.\(words[0])/1", "\(outcome)")
      #expect(object?["error"]?["exit_code"]?.integer == 64, "\(outcome)")
    }
  }

  @Test func jsonKeys() throws {
    let scratch = try Scratch.here()
    let house = try House(scratch)
    let damaged = try scratch.write("{}\n{\"a\n{}\n", to: "damaged.jsonl")
    let other = try scratch.write("{}\n[]\n", to: "other.jsonl")
    _ = try scratch.backUp(damaged, exit: 3, time: 1_000_000_100)
    let first = try scratch.holdfast(exit: 0, "record", "list", house.store, "entity").lines[0]
    let entity = #"{"type":"entity","name":"golden","entityType":"t","observations":[]}"#
    let (runs, tasks) = (scratch.file("runs.db"), scratch.file("tasks.json"))
    let cases: [(String, [String], Int32)] = [
      ("inspect", ["inspect", damaged], 3), ("digest", ["digest", house.store, damaged], 3),
      ("backup", ["backup", damaged, "--to", scratch.file("repo-2"), "--note", "n"], 3),
      (
        "backup-unchanged", ["backup", house.store, "--to", house.repository, "--skip-unchanged"], 0
      ),
      ("backup-plan", ["backup", house.store, "--to", house.repository, "--dry-run"], 0),
      ("list", ["list", house.repository], 0), ("show", ["show", house.archive], 0),
      ("show-record", ["show", house.archive, "--record", "relation:*"], 0),
      ("verify", ["verify", house.archive, damaged], 12),
      ("restore", ["restore", house.archive, "--to", scratch.file("t")], 0),
      ("restore-plan", ["restore", house.archive, "--to", scratch.file("u"), "--dry-run"], 0),
      ("diff", ["diff", damaged, other], 3), ("diff-stat", ["diff", damaged, other, "--stat"], 3),
      ("merge", ["merge", house.store, house.archive, "--to", scratch.file("m")], 0),
      (
        "merge-conflict",
        [
          "merge", try scratch.write("{\"i\":1}\n{\"i\":2}\n", to: "m1.jsonl"),
          try scratch.write("{\"i\":1,\"v\":1}\n{\"i\":3}\n", to: "m2.jsonl"), "--to",
          scratch.file("n"), "--id-field", "/i",
        ], 13
      ),
      ("replay", ["replay", damaged, "--to", scratch.file("r")], 3),
      (
        "move-plan", ["move", house.store, "--select", "entity", "--into", "new", "--dry-run"], 0
      ),
      ("move", ["move", house.store, "--select", "entity", "--into", "new"], 0),
      ("record-list", ["record", "list", house.store], 0),
      ("record-get", ["record", "get", house.store, first], 0),
      ("record-put-plan", ["record", "put", house.store, entity, "--dry-run"], 0),
      ("record-put", ["record", "put", house.store, entity], 0),
      ("record-delete", ["record", "delete", house.store, "entity:golden"], 0),
      ("graph", ["graph", house.store], 0),
      ("graph-neighbours", ["graph", house.store, first], 0),
      (
        "runs-save",
        ["runs", "save", runs, "--plan-id", "p", "--objective", "o", "--plan-result", "{}"], 0
      ),
      ("runs-list", ["runs", "list", runs], 0),
      ("tasks-add", ["tasks", "add", tasks, "water the fig"], 0),
      ("tasks-list", ["tasks", "list", tasks], 0),
      ("error", ["backup", "/none"], 10),
    ]
    for (name, words, status) in cases {
      let outcome = try scratch.run([Binary.path] + words + ["--json"])
      #expect(outcome.status == status, "\(outcome)")
      let shape = try JSONValue(parsing: outcome.output).shape(opaque: ["records[].value", "value"])
      try Golden.compare(shape.joined(separator: "\n") + "\n", with: "json-keys/\(name).txt")
    }
  }

  /// No escape sequences where there is no terminal, and none on one where NO_COLOR is set.
  @Test func colour() throws {
    let scratch = try Scratch.here()
    let damaged = try scratch.write("{}\n{\"a\n{}\n", to: "damaged.jsonl")
    let plain = try scratch.holdfast("inspect", damaged)
    #expect(!plain.output.contains(0x1B) && !plain.errors.contains(0x1B))
    let terminal = """
      import os, pty, subprocess, sys
      def run(**more):
          environment = {name: value for name, value in os.environ.items() if name != 'NO_COLOR'}
          environment.update(more)
          main, side = pty.openpty()
          process = subprocess.Popen(sys.argv[1:], stdout=side, stderr=side, env=environment)
          os.close(side)
          data = b''
          while True:
              try:
                  piece = os.read(main, 65536)
              except OSError:
                  break
              data += piece
          process.wait()
          return data.count(b'\\x1b[')
      print(run(), run(NO_COLOR='1'), run(NO_COLOR=''))
      """
    let printed = try scratch.python(terminal, Binary.path, "inspect", damaged).text
    let counts = printed.split { !$0.isNumber }.compactMap { Int($0) }
    #expect(counts.count == 3 && counts[0] > 0 && counts[1] == 0 && counts[2] > 0, "\(counts)")
  }

  /// Results are absolute paths, on stdout; a store path with a line feed cannot forge a line.
  @Test func printedPaths() throws {
    let scratch = try Scratch.here()
    try scratch.write("{}\n{}\n", to: "a.jsonl")
    let made = try scratch.holdfast(
      exit: 0, "backup", "a.jsonl", "--to", "repo", with: .init(directory: scratch.path))
    #expect(made.lines.first?.hasPrefix(scratch.path + "/repo/a-") == true)
    let restored = try scratch.holdfast(
      exit: 0, "restore", "repo", "--to", "x/../t", with: .init(directory: scratch.path))
    #expect(restored.lines.first == scratch.path + "/t/a.jsonl", "\(restored)")
    let missing = try scratch.holdfast("inspect", "no\nsuch\u{1B}[31mfile")
    #expect(missing.messages.count == 1 && !missing.errors.contains(0x1B))
  }

  /// SIGUSR1 makes one line of status.
  @Test func statusOnRequest() throws {
    let scratch = try Scratch.here()
    let lines = SampleRecords.lines(SampleRecords.graph(3000), last: "\n")
    let store = try scratch.write(
      (0..<60).reduce(into: []) { bytes, _ in bytes += lines }, to: "memory.jsonl")
    let child = try scratch.start(
      [Binary.path, "backup", store, "--to", scratch.file("repo"), "--rtfs", "none"])
    // Before the program listens, a signal would end it; once it holds the lock, it is at work.
    try Child.until { child.hasOpen(scratch.file("repo/.lock")) }
    for _ in 0..<4 where child.isReady(for: SIGUSR1) {
      child.signal(SIGUSR1)
      usleep(20_000)
    }
    let outcome = try child.wait()
    #expect(outcome.status == 0, "\(outcome)")
    #expect(outcome.messages.contains { $0.hasPrefix("backing up  ") && $0.contains("/s") })
    #expect(outcome.messages.count <= 4 && !outcome.errors.contains(0x1B))
  }
}

/// Help and completions.
@Suite(.scratch) struct HelpTests {
  /// In the order of the program's own help. That this lists them all is for its golden file.
  static let verbs: [String] = {
    guard let pipe = popen("'\(Binary.path)' --help", "r") else { return [] }
    defer { pclose(pipe) }
    var block = [UInt8](repeating: 0, count: 1 << 16)
    let count = fread(&block, 1, block.count, pipe)
    let text = String(decoding: block[..<count], as: UTF8.self)
    let lines = text.split(separator: "\n").drop { $0 != "SUBCOMMANDS:" }.dropFirst()
    return lines.filter { $0.hasPrefix("  ") && !$0.hasPrefix("   ") }
      .compactMap { $0.split(separator: " ").first.map(String.init) }.filter { $0 != "See" }
  }()

  @Test(arguments: [""] + verbs)
  func help(_ verb: String) throws {
    let scratch = try Scratch.here()
    let setting = Child.Setting(environment: ["COLUMNS": "100"])
    let words = verb.isEmpty ? ["--help"] : [verb, "--help"]
    let outcome = try scratch.run([Binary.path] + words, setting)
    #expect(outcome.status == 0 && outcome.errors.isEmpty)
    #expect(outcome.text.contains("EXIT CODES"))
    try Golden.compare(outcome.text, with: "help/\(verb.isEmpty ? "holdfast" : verb).txt")
  }

  @Test(arguments: ["bash", "zsh", "fish"])
  func completions(_ shell: String) throws {
    let scratch = try Scratch.here()
    let outcome = try scratch.holdfast(exit: 0, "--generate-completion-script", shell)
    #expect(Self.verbs.count > 15)
    for verb in Self.verbs { #expect(outcome.text.contains(verb)) }
    let path = try scratch.write(outcome.output, to: "completion")
    if shell == "bash" { try scratch.tool("bash", "-n", path) }
  }

  @Test func version() throws {
    let scratch = try Scratch.here()
    let outcome = try scratch.holdfast(exit: 0, "--version")
    #expect(outcome.lines.count == 1 && outcome.text.hasPrefix("holdfast "))
  }

  /// A TMPDIR that is none is made by nobody, and stands in nobody's way.
  @Test(arguments: ["none", "file", ""]) func noTemporaryDirectory(_ name: String) throws {
    let scratch = try Scratch.here()
    let store = try scratch.graph(5)
    let whole = try TestFile.read(store)
    try scratch.write("x", to: "file")
    let place = name.isEmpty ? "" : scratch.file(name)
    let setting = Child.Setting(environment: ["TMPDIR": place], directory: scratch.path)
    try scratch.holdfast(
      exit: 0, "export", store, "--as", "contexts", "--to", "new", "--dry-run", with: setting)
    try TestFile.write(Array(whole.dropLast(9)), to: store)
    try scratch.holdfast(exit: 3, "recover", store, "--dry-run", with: setting)
    let left = try TestFile.names(scratch.path).filter { !$0.hasPrefix(".") }
    #expect(left == ["file", "memory.jsonl"])
  }
}
