import Glibc
import Testing

/// `move`: records between the contexts of one store, all or nothing.
@Suite(.scratch) struct MoveTests {
  private static func entity(_ name: String, _ context: String? = nil) -> String {
    let more = context.map { ",\"metadata\":{\"context\":\"\($0)\",\"n\":1.0}" } ?? ""
    return
      "{\"type\":\"entity\",\"name\":\"\(name)\",\"entityType\":\"t\",\"observations\":[]\(more)}"
  }

  private static func relation(_ from: String, _ to: String, _ more: String = "") -> String {
    "{\"type\":\"relation\",\"from\":\"\(from)\",\"to\":\"\(to)\",\"relationType\":\"r\"\(more)}"
  }

  /// Three contexts, with lines that are no records and files that are no contexts among them.
  private func contexts(_ scratch: Scratch, _ name: String = "c") throws -> String {
    try scratch.write(
      [
        "# a comment", Self.entity("a1", "default"), "", "  " + Self.entity("b") + " \r",
        Self.relation("a1", "b"), Self.relation("b", "a1"), Self.relation("x", "a1"),
        "{\"type\":\"beat\",\"n\":1}", Self.entity("a2"),
      ].joined(separator: "\n"), to: "\(name)/charts.jsonl")
    try scratch.write(Self.entity("w", "work"), to: "\(name)/charts-work.jsonl")
    try scratch.write(
      Self.entity("done") + "\n" + Self.relation("done", "a2") + "\n",
      to: "\(name)/completed-charts.jsonl")
    try scratch.write("kept\n", to: "\(name)/notes/readme.txt")
    try scratch.write("an archive", to: "\(name)/.backup/old.tar")
    try scratch.tool("ln", "-s", "charts.jsonl", scratch.file("\(name)/link"))
    try scratch.tool("chmod", "640", scratch.file("\(name)/charts.jsonl"))
    return scratch.file(name)
  }

  @Test func linesMoveAndAllElseStays() throws {
    let scratch = try Scratch.here()
    let store = try contexts(scratch)
    let before = try scratch.listing(store, except: [".backup"])
    let told = try scratch.json("move", store, "--select", "entity:a*", "--into", "work")
    #expect(
      told["moved"]?.elements.map(\.text) == [
        "entity:a1", "relation:a1 -r-> b", "relation:x -r-> a1", "entity:a2",
      ])
    #expect(told["followers"]?.integer == 2 && told["records"]?.integer == 4)
    #expect(
      try TestFile.text(store + "/charts.jsonl")
        == [
          "# a comment", "", "  " + Self.entity("b") + " \r", Self.relation("b", "a1"),
          "{\"type\":\"beat\",\"n\":1}", "",
        ].joined(separator: "\n"))
    #expect(
      try TestFile.text(store + "/charts-work.jsonl")
        == [
          Self.entity("w", "work"), Self.entity("a1", "work"), Self.relation("a1", "b"),
          Self.relation("x", "a1"), Self.entity("a2"), "",
        ].joined(separator: "\n"))
    // What was there is the undo copy; modes, links and the backups are where they were.
    let undo = try #require(told["undo"]?.text)
    #expect(try scratch.listing(undo) == before)
    #expect(try scratch.digest(undo) == told["digest_before"]?.text)
    #expect(try scratch.digest(store) == told["digest"]?.text)
    let names = try TestFile.names(store)
    #expect(names.contains("link") && names.contains(".backup"))
    #expect(try TestFile.text(store + "/.backup/old.tar") == "an archive")
    #expect(try TestFile.text(store + "/notes/readme.txt") == "kept\n")
    let mode = try scratch.tool("stat", "-c", "%a", store + "/charts.jsonl")
    #expect(mode.text == "640\n")
    // Files of the copy are its own: who writes to the store in place leaves it alone.
    let links = try scratch.tool(
      "find", store, undo, "-type", "f", "-links", "+1")
    #expect(links.text == "")
    // Again there is nothing to do, and nothing is made.
    let again = try scratch.json("move", store, "--select", "entity:a*", "--into", "work")
    #expect(again["records"]?.integer == 0 && again["undo"] == nil)
    // Back, with the context that the record names.
    let back = try scratch.json(
      "move", store, "--select", "entity:a*", "--into", "default", "--context", "work")
    #expect(back["digest"] == told["digest_before"])
  }

  /// Where records do not name a context the digest stays; a new context gets a file of its own.
  @Test func newContext() throws {
    let scratch = try Scratch.here()
    let store = try SampleStore.contexts.make(in: scratch).path
    let digest = try scratch.digest(store)
    let told = try scratch.json("move", store, "--select", "entity:node 1*", "--into", "wörk 2")
    #expect(told["file"]?.text == "charts-wörk 2.jsonl" && told["digest"]?.text == digest)
    #expect(try scratch.digest(store) == digest)
    let here = try scratch.json("inspect", store, "--context", "wörk 2")
    #expect(here["records"]?.integer == told["records"]?.integer)
    #expect(here["counts"]?["relation"]?.integer == told["followers"]?.integer)
  }

  /// In one file the context is what the record says.
  @Test func graphOfOneFile() throws {
    let scratch = try Scratch.here()
    let store = try scratch.write(
      [
        Self.entity("a"), " {\"type\":\"entity\",\"name\":\"b\",\"metadata\":null} ",
        Self.relation("a", "b"), Self.relation("b", "a", ",\"metadata\":{\"context\":\"old\"}"),
        "{\"type\":\"entity\",\"data\":{\"name\":\"c\",\"metadata\":{}}}",
      ].joined(separator: "\n"), to: "memory.jsonl")
    let told = try scratch.json(
      "move", store, "--select", "entity:b", "--select", "entity:c", "--into", "w")
    #expect(told["records"]?.integer == 3 && told["followers"]?.integer == 1)
    #expect(
      try TestFile.text(store)
        == [
          Self.entity("a"),
          " {\"type\":\"entity\",\"name\":\"b\",\"metadata\":{\"context\":\"w\"}} ",
          Self.relation("a", "b"), Self.relation("b", "a", ",\"metadata\":{\"context\":\"w\"}"),
          "{\"type\":\"entity\",\"data\":{\"name\":\"c\",\"metadata\":{\"context\":\"w\"}}}",
        ].joined(separator: "\n"))
    #expect(TestFile.exists(told["undo"]?.text ?? ""))
  }

  @Test func refusals() throws {
    let scratch = try Scratch.here()
    let store = try contexts(scratch)
    try scratch.write(Self.entity("a2"), to: "c/charts-home.jsonl")
    let before = try scratch.listing(scratch.path, except: [".captured"])
    func refuse(_ status: Int32, _ word: String, _ words: String...) throws {
      let outcome = try scratch.run([Binary.path, "move"] + words)
      #expect(outcome.status == status && outcome.message.contains(word), "\(outcome)")
    }
    try refuse(10, "entity:zz", store, "--select", "entity:zz", "--into", "work")
    try refuse(13, "another of this name", store, "--select", "entity:a2", "--into", "home")
    try refuse(13, "another of this name", store, "--select", "entity:a2", "--into", "new")
    try refuse(64, "name of a context", store, "--select", "entity:b", "--into", "a/b")
    for name in [".", "..", "", "a\nb", "a\u{7F}"] {
      try refuse(64, "name of a", store, "--select", "entity:b", "--into", name)
    }
    try refuse(64, "", store, "--select", "nonsense", "--into", "work")
    let tasks = try SampleStore.tasks.make(in: scratch, "t").path
    try refuse(13, "no memory graph", tasks, "--select", "task", "--into", "work")
    try scratch.tool("rm", "-r", scratch.file("t"))
    #expect(
      try scratch.listing(scratch.path, except: [".captured"]).dropFirst() == before.dropFirst())
    // A dry run makes nothing; a damaged store is left alone.
    try scratch.holdfast(
      exit: 0, "move", store, "--select", "entity:b", "--into", "new", "--dry-run")
    #expect(try TestFile.names(scratch.path).filter { $0.contains("undo") } == [])
    let torn = try scratch.write(Self.entity("a") + "\n{\"ty", to: "torn/charts.jsonl")
    let outcome = try scratch.holdfast(
      exit: 13, "move", scratch.file("torn"), "--select", "entity:a", "--into", "new")
    #expect(outcome.message.contains("\(torn):2"), "\(outcome)")
    // An array has no lines that could be taken out.
    let array = try scratch.write(
      "[\(Self.entity("a")),\n\(Self.entity("b"))]", to: "g/charts.json")
    let shape = try scratch.holdfast(
      exit: 13, "move", scratch.file("g"), "--select", "entity:a", "--into", "new")
    #expect(shape.message.contains(array) && shape.message.contains("a line each"), "\(shape)")
  }

  /// Killed at one system call after the other, the store is what it was or what it is to be.
  @Test(arguments: [
    "write", "fsync", "rename,renameat2,link,unlink", "openat", "mkdir,rmdir,symlink",
    "fchmod,chmod,utimensat,lchown",
  ])
  func killedAnywhere(_ calls: String) throws {
    let scratch = try Scratch.here()
    let sample = try contexts(scratch, "sample")
    let old = try scratch.digest(sample)
    try scratch.tool("cp", "-a", sample, scratch.file("done"))
    try scratch.holdfast(
      exit: 0, "move", scratch.file("done"), "--select", "entity:a*", "--into", "new", "-q")
    let new = try scratch.digest(scratch.file("done"))
    #expect(old != new)
    var random = SeededRandom()
    var killed = 0
    for round in 0..<12 {
      // The first ones are there for sure.
      let at =
        round < 2 ? round + 1 : Int.random(in: 1..<(calls == "openat" ? 70 : 20), using: &random)
      let parent = scratch.fresh("parent")
      try TestFile.makeDirectory(parent)
      let store = parent + "/c"
      try scratch.tool("cp", "-a", sample, store)
      let outcome = try scratch.run([
        "strace", "-f", "-o", "/dev/null", "-e", "trace=\(calls)", "-e",
        "inject=\(calls):signal=KILL:when=\(at)", Binary.path, "move", store, "--select",
        "entity:a*", "--into", "new",
      ])
      let comment = "\(calls) \(at), seed \(random.seed): \(outcome)"
      let found = try scratch.digest(store)
      #expect(found == old || found == new, "\(comment)")
      if outcome.status == 128 + SIGKILL { killed += 1 }
      if outcome.status == 0 { #expect(found == new, "\(comment)") }
      #expect(try TestFile.text(store + "/.backup/old.tar") == "an archive", "\(comment)")
      if found == old {
        try scratch.tool("diff", "-r", "--no-dereference", sample, store)
      } else {
        let undo = try TestFile.names(parent).first { $0.contains(".undo-") }
        #expect(try scratch.digest(parent + "/" + (undo ?? "none")) == old, "\(comment)")
      }
      try scratch.holdfast(exit: 0, "move", store, "--select", "entity:a*", "--into", "new", "-q")
      #expect(try scratch.digest(store) == new, "\(comment)")
      let left = try TestFile.names(parent).filter { $0.hasPrefix(".holdfast-") }
      #expect(left.isEmpty || found == new, "\(comment): \(left)")
    }
    #expect(killed > 0, "no call of \(calls) was ever hit")
  }

  /// What another program writes meanwhile is never lost: it is in the store, and the store was
  /// not moved under its hands.
  @Test func aWriterMeanwhile() throws {
    let scratch = try Scratch.here()
    var lines: [String] = []
    for number in 0..<3000 { lines.append(Self.entity("n\(number)")) }
    let store = scratch.file("c")
    try scratch.write(lines.joined(separator: "\n") + "\n", to: "c/charts.jsonl")
    let writer = try scratch.start([
      "python3", "-c",
      """
      import sys, time
      number = 0
      while True:
          number += 1
          with open(sys.argv[1], 'a') as file:
              file.write('{"type":"entity","name":"w%d","entityType":"t","observations":[]}\\n' % number)
          with open(sys.argv[2], 'w') as log: log.write(str(number))
          time.sleep(0.01)
      """, store + "/charts-live.jsonl", scratch.file("count"),
    ])
    defer { writer.signal(SIGKILL) }
    while !TestFile.exists(scratch.file("count")) { usleep(1000) }
    for round in 0..<6 {
      let outcome = try scratch.holdfast(
        "move", store, "--select", "entity:n\(round)*", "--into", "r\(round)", "-q")
      #expect([0, 13].contains(outcome.status), "\(outcome)")
      if outcome.status == 13 { #expect(outcome.message.contains("changed"), "\(outcome)") }
    }
    writer.signal(SIGKILL)
    _ = try writer.wait()
    // Every line is there, but for one that was written into the copy in the moment of the step.
    let count = try scratch.python(
      """
      import glob, sys
      print(len({l for p in glob.glob(sys.argv[1] + '*/charts-live.jsonl') for l in open(p)}))
      """, store)
    let written = Int(try TestFile.text(scratch.file("count"))) ?? -1
    #expect((Int(count.text.dropLast()) ?? 0) >= written)
    let entities = try scratch.python(
      """
      import glob, json, sys
      names = [json.loads(l)['name'] for p in glob.glob(sys.argv[1] + '/charts*.jsonl') for l in open(p)]
      print(len([n for n in names if n[0] == 'n']), len({n for n in names if n[0] == 'n'}))
      """, store)
    #expect(entities.text == "3000 3000\n")
  }

  /// All or nothing: a selection that finds nothing stops the move, though others find something.
  @Test func aSelectionThatFindsNothing() throws {
    let scratch = try Scratch.here()
    let line = "{\"type\":\"entity\",\"name\":\"Ada\",\"entityType\":\"t\",\"observations\":[]}"
    let store = try scratch.write(line, to: "m.jsonl")
    let words = ["--select", "entity:Ada", "--select", "entity:Eve", "--into", "w"]
    for more in [["--dry-run"], []] {
      let outcome = try scratch.run([Binary.path, "move", store] + words + more)
      #expect(outcome.status == 10 && outcome.message.contains("entity:Eve"), "\(outcome)")
    }
    #expect(try TestFile.text(store) == line)
  }

  /// Where a record of a graph of one file says its context: all else in it stays.
  @Test(arguments: [
    ("", ",\"metadata\":{\"context\":\"w\"}"),
    (",\"metadata\":null", ",\"metadata\":{\"context\":\"w\"}"),
    (",\"metadata\":{}", ",\"metadata\":{\"context\":\"w\"}"),
    (",\"metadata\":{\"k\":1.0}", ",\"metadata\":{\"k\":1.0,\"context\":\"w\"}"),
    (",\"metadata\":{\"context\":null}", ",\"metadata\":{\"context\":\"w\"}"),
    (",\"metadata\":5", nil), (",\"metadata\":[]", nil),
  ])
  func theNameInARecord(_ before: String, _ after: String?) throws {
    let scratch = try Scratch.here()
    func line(_ more: String) -> String {
      "{\"type\":\"entity\",\"name\":\"a\",\"entityType\":\"t\",\"observations\":[]\(more)}\n"
    }
    // A relation between others does not come along.
    let rest = Self.relation("x", "y") + "\n"
    let store = try scratch.write(line(before) + rest, to: "m.jsonl")
    let outcome = try scratch.holdfast(
      exit: after == nil ? 13 : 0, "move", store, "--select", "entity:a", "--into", "w", "-q")
    #expect(try TestFile.text(store) == line(after ?? before) + rest)
    guard after == nil else { return }
    #expect(
      outcome.message.contains("m.jsonl:1: byte 0: entity:a: has no place for the name"),
      "\(outcome)")
    // In a directory it is the file that says it.
    try scratch.write(line(before) + rest, to: "c/charts.jsonl")
    try scratch.holdfast(
      exit: 0, "move", scratch.file("c"), "--select", "entity:a", "--into", "w", "-q")
    #expect(try TestFile.text(scratch.file("c/charts-w.jsonl")) == line(before))
    #expect(try TestFile.text(scratch.file("c/charts.jsonl")) == rest)
  }

  /// A line that is no object has no place for a name at all.
  @Test func aLineThatIsNoObject() throws {
    let scratch = try Scratch.here()
    let text = Self.entity("a") + "\n[1]\n"
    let store = try scratch.write(text, to: "m.jsonl")
    let outcome = try scratch.holdfast(
      exit: 13, "move", store, "--kind", "memory-graph", "--select", "document:*", "--into", "w")
    #expect(outcome.message.contains("m.jsonl:2: byte"), "\(outcome)")
    #expect(try TestFile.text(store) == text)
  }
}
