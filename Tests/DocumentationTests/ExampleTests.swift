import Testing

/// The examples of the documents, run as they stand.
struct ExampleTests {
  @Test func examplesOfTheReadmeRun() throws {
    let shell = try Shell(stores: true)
    let blocks = try Markdown("README.md").blocks("sh runnable")
    #expect(blocks.count >= 4)
    for block in blocks {
      let outcome = try shell.run(block.text)
      #expect(outcome.status == 0, "\(block.text)\n\(outcome)")
    }
  }

  /// The members that `--json` prints are those of the example.
  @Test(arguments: [
    ("inspect", "inspect stores/memory.jsonl"),
    ("digest", "digest stores/memory.jsonl"),
    ("backup", "backup stores/memory.jsonl --to backups"),
    ("list", "list backups"),
    ("show", "show backups"),
    ("verify", "verify backups"),
    ("restore", "restore backups --to out"),
    ("diff", "diff stores/memory.jsonl changed.jsonl"),
    ("migrate", "migrate stores/memory.jsonl --to memory.db"),
    ("export", "export stores/memory.jsonl --as jsonl --to again.jsonl"),
    ("search", "search stores/memory.jsonl the"),
  ])
  func membersOfTheJSONAreThese(_ verb: String, _ command: String) throws {
    let blocks = try Markdown("docs/cli.md").blocks("json").filter {
      $0.heading == "\(verb) --json"
    }
    let example = try #require(blocks.first).text
    let shell = try Shell(stores: true)
    let made = try shell.run("holdfast backup --quiet stores/memory.jsonl --to backups")
    #expect(made.status == 0, "\(made)")
    let edit = "sed '1s/\"observations\":[[]\"/&now: /' stores/memory.jsonl > changed.jsonl"
    #expect(try shell.run(edit).status == 0)
    let outcome = try shell.run("holdfast \(command) --json || test $? = 3")
    #expect(outcome.status == 0, "\(outcome)")
    // Both through one program, so that only the names are left to differ: those at the top, and
    // those of the elements of a list.
    let filter = """
      [paths | select(length == 1 or (length == 3 and (.[1] | type) == "number"
      and .[0] != "findings")) | map(strings) | join(".")] | unique
      """
    func members(_ text: String) throws -> String {
      let script = "jq -c '\(filter)' <<'TEXT'\n\(text)\nTEXT"
      let outcome = try shell.run(script)
      #expect(outcome.status == 0, "\(outcome)")
      return outcome.output
    }
    #expect(try members(outcome.output) == members(example))
  }

  /// What the README of the samples says of each is so.
  @Test func samplesAreAsDescribed() throws {
    let text = try Markdown("samples/README.md")
    let shell = try Shell()
    for (heading, count) in [("intact", 7), ("damaged", 50)] {
      let rows = text.rows(under: heading)
      #expect(rows.count >= count)
      for cells in rows {
        let name = cells[0].split(whereSeparator: { "[]".contains($0) }).first.map(String.init)
        let path = "\(Checkout.root)/samples/\(heading)/\(try #require(name))"
        let outcome = try shell.run("holdfast inspect '\(path)'")
        #expect(outcome.status == Int32(try #require(cells.last)), "\(path)\n\(outcome)")
        guard heading == "intact" else { continue }
        #expect(outcome.output.contains("\n  kind      \(cells[1])\n"), "\(outcome)")
        #expect(!outcome.output.contains("error") && !outcome.output.contains("warning"))
      }
    }
  }

  /// Every sample is described.
  @Test func samplesAreAllDescribed() throws {
    let told = Set(try Markdown("samples/README.md").links)
    let samples = "\(Checkout.root)/samples"
    let outcome = try Shell().run(
      "cd '\(samples)' && find intact damaged -type f -o -type l | LC_ALL=C sort")
    let files = outcome.output.split(separator: "\n").map(String.init)
    #expect(files.count > 100)
    let left = files.filter { file in
      !told.contains { $0 == file || ($0.hasSuffix("/") && file.hasPrefix($0)) }
    }
    #expect(
      left == [
        "damaged/intent-snapshot/leftover/snapshot.json.tmp",
        "damaged/run-history/wal-left/runs.db-wal",
      ])
  }

  @Test func oneStoreInTwoShapesHasOneDigest() throws {
    let text = try Markdown("samples/README.md")
    let told = try #require(text.blocks.first { $0.info.isEmpty }).text
    let shell = try Shell()
    let outcome = try shell.run(
      "ln -s '\(Checkout.root)/samples' samples; \(try #require(text.blocks("sh").first).text)")
    #expect(outcome.output == told)
    let digests = told.split(separator: "\n").map { $0.prefix(64) }
    #expect(digests.count == 2 && digests[0] == digests[1])
  }

  @Test func theDemoRunsToItsEnd() throws {
    let shell = try Shell()
    let outcome = try shell.run(
      "HOLDFAST_BINARY='\(Checkout.binary)' '\(Checkout.root)/samples/demo.sh'")
    #expect(outcome.status == 0, "\(outcome)")
    #expect(outcome.output.hasSuffix("demo: everything was as expected\n"))
  }
}
