import Backup
import Records
import Stores
import SystemPackage
import TestSupport
import Testing

struct ConfigurationTests {
  private func read(_ text: String, _ scratch: Scratch) throws -> Configuration {
    try Configuration(
      reading: try scratch.write(text, to: "conf/holdfast.toml"), formats: StoreFormat.fileFormats)
  }

  @Test func everyKey() throws {
    let scratch = try Scratch()
    let text = """
      \u{FEFF}# comment
      timezone = "Europe/Berlin" # behind a value
      textfile = 'metrics/h.prom'
      wait_lock = "5m"
      compression = "gzip:3"
      rtfs = "none"
      skip_unchanged = true
      strict = true
      fallback_to = "/other"
      verify = "written"
      purge_after = "30d"\r
      schedule.at = "23:59"
      schedule."every" = "12h"
      [repositories]
      main = "../repo"
      "second one" = "/srv/x"
      [ retention ]
      last = 1_0
      hourly = 2
      daily = 3
      weekly = 4
      monthly = 5
      yearly = +6
      within = "36h"
      [hooks]
      before = "true"
      after = ["/bin/x", "a b",
        "c", # of several lines
      ]
      time_limit = "9s"
      [series.memory]
      store = "m\\u00e9.jsonl"
      repository = "main"
      [series.log]
      store = "/log.jsonl"
      repository = "second one"
      kind = "jsonl"
      contexts = []
      id_field = "/id"
      note = "n"
      allow_empty = true
      every = "2w"
      compression = "none"
      rtfs = "full"
      skip_unchanged = false
      strict = false
      verify = "full"
      fallback_to = "x"
      purge_after = "1d"
      [series.log.retention]
      yearly = 0
      last = 1
      [series.log.hooks]
      failed = "f"
      """
    let all = try read(text, scratch)
    #expect(all.zone.name == "Europe/Berlin")
    #expect(all.textfile == scratch.file("conf/metrics/h.prom"))
    #expect(all.hour == 23 && all.minute == 59 && all.every == 43_200)
    #expect(all.series.map(\.name) == ["memory", "log"])
    let (memory, log) = (all.series[0], all.series[1])
    #expect(memory.request.store == scratch.file("conf/mé.jsonl"))
    #expect(memory.request.repository == scratch.file("repo"))
    #expect(memory.request.lockWait == 300)
    #expect(memory.request.compression.description == "gzip:3")
    #expect(!memory.request.hasRTFS && memory.request.skipUnchanged)
    #expect(memory.request.refusesShrink && memory.request.fallback == "/other")
    #expect(!memory.verifiesFully && memory.purgeAfter == 30 * 86_400 && memory.every == 43_200)
    #expect(
      memory.retention?.counts
        == [.last: 10, .hourly: 2, .daily: 3, .weekly: 4, .monthly: 5, .yearly: 6])
    #expect(memory.retention?.within == 129_600 && memory.retention?.zone.name == "Europe/Berlin")
    #expect(memory.hooks.before?.words == ["/bin/sh", "-c", "true"])
    #expect(memory.hooks.after?.words == ["/bin/x", "a b", "c"])
    #expect(memory.hooks.failed == nil && memory.hooks.timeLimit == 9)
    #expect(log.request.repository == "/srv/x" && log.request.kind == "jsonl")
    #expect(log.request.idField == "/id" && log.request.note == "n" && log.request.allowsEmpty)
    #expect(log.request.hasRTFS && !log.request.skipUnchanged && !log.request.refusesShrink)
    #expect(log.request.fallback == scratch.file("conf/x") && log.purgeAfter == 86_400)
    #expect(log.verifiesFully && log.every == 1_209_600)
    #expect(log.retention?.counts == [.yearly: 0, .last: 1] && log.retention?.within == nil)
    #expect(log.hooks.failed?.words.last == "f" && log.hooks.before == nil)
  }

  /// What is wrong, the line, and the byte in it.
  @Test(arguments: [
    ("retension = 3\n", 1, "retension"),
    ("\n\n[series.a]\nstore = \"x\"\ncolour = \"red\"\n", 5, "series.a.colour"),
    ("[series.a]\nstore = \"x\"\n[series.a.hook]\nbefore = \"x\"\n", 3, "series.a.hook"),
    ("[retention]\ndayly = 3\n", 2, "retention.dayly"), ("[retention]\n", 1, "no rule"),
    ("[retention]\ndaily = 0\n", 1, "no rule"), ("[retention]\ndaily = -1\n", 2, "from 0 up"),
    ("[retention]\ndaily = \"7\"\n", 2, "from 0 up"), ("[retention]\nwithin = \"7\"\n", 2, "span"),
    ("[retention]\nwithin = 7\n", 2, "a string"), ("wait_lock = \"soon\"\n", 1, "span"),
    ("timezone = \"Mars\"\n", 1, "time zone"),
    ("compression = \"lzma\"\n[series.a]\nstore=\"x\"\n", 1, "lzma"),
    ("[schedule]\nat = \"3:15\"\n", 2, "time of day"),
    ("[schedule]\nat = \"24:00\"\n", 2, "time of day"),
    ("[series.a]\nkind = \"jsonl\"\n", 1, "no store"),
    ("[series.a]\nstor = \"x\"\n", 2, "no key series.a.stor"),
    ("[series.a]\nkind = \"jsonl\"\n[series.b]\nstore = \"x\"\nnoet = \"y\"\n", 5, "series.b.noet"),
    ("[series.a]\nstore = \"x\"\nkind = 'x'\n", 3, "no kind of store called x"),
    ("[series.a]\nstore = \"x\"\nid_field = \"id\"\n", 3, "id is no JSON pointer"),
    ("[series.\"a b\"]\nstore = \"x\"\n", 1, "no name"),
    ("[series.a]\nstore = \"\"\n", 2, "empty"), ("[series.a]\nstore = 3\n", 2, "a string"),
    ("[series.a]\nstore = \"x\"\nrepository = \"r\"\n", 3, "no repository r"),
    ("repositories.a = \"x\"\nrepositories.b = \"y\"\n[series.a]\nstore = \"x\"\n", 3, "which of"),
    ("[series.a]\nstore = \"x\"\nskip_unchanged = \"yes\"\n", 3, "true or false"),
    ("[hooks]\nafter = []\n[series.a]\nstore = \"x\"\n", 2, "empty"),
    ("a = 1\na = 2\n", 2, "twice"), ("[a]\n[a]\n", 2, "twice"),
    ("a = 1\n[a.b]\n", 1, "a key and a table"),
    ("a = {b = 1}\n", 1, "inline"), ("a = \"\"\"x\"\"\"\n", 1, "several lines"),
    ("[[a]]\n", 1, "arrays of tables"),
    ("a = 1.5\n", 1, "1.5"), ("a = 2026-01-01\n", 1, "2026"), ("a = 01\n", 1, "01"),
    ("a = x\n", 1, "quotes"),
    ("a = \"x\n", 1, "no end"), ("a = \"\\q\"\n", 1, "escape"), ("a = \"\\ud800\"\n", 1, "escape"),
    ("a =\n", 1, "no value"), ("= 1\n", 1, "key"), ("a 1\n", 1, "="),
    ("a = 1 b = 2\n", 1, "one key a line"),
    ("a = [1,\n2\n", 3, "comma"), ("[a\n", 1, "]"), ("a = \"x\" y\n", 1, "one key a line"),
    ("a = \"\\u0000\"\n", 1, "NUL"), ("", 0, "no series"), ("a = \"\u{1}\"\n", 1, "control"),
    ("a = 1 # \u{7}\n", 1, "control"), ("# \u{7F}\n", 1, "control"),
    ("verify = \"some\"\n[series.a]\nstore = \"x\"\n", 1, "some is none of full, written"),
    ("rtfs = \"some\"\n[series.a]\nstore = \"x\"\n", 1, "some is none of full, none"),
    ("a = 99999999999999999999\n", 1, "no value"), ("a = 1__0\n", 1, "1__0"),
  ])
  func refused(_ text: String, _ line: Int, _ message: String) throws {
    let scratch = try Scratch()
    let error = #expect(throws: BackupError.self) { try read(text, scratch) }
    #expect(error?.code == .usage)
    #expect(error?.line == (line == 0 ? nil : line), "\(error?.message ?? "")")
    #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
    #expect(error?.path?.hasSuffix("holdfast.toml") == true)
    if line > 0 {
      let offset = try #require(error?.offset)
      let before = text.utf8.prefix(offset).count { $0 == 0x0A } + 1
      #expect(before == line, "byte \(offset) is on line \(before)")
    }
  }

  @Test func allUnknownKeysAreNamed() throws {
    let scratch = try Scratch()
    let error = #expect(throws: BackupError.self) {
      try read("x = 1\n[series.a]\nstore = \"x\"\ny = 2\n[z]\nw = 3\n", scratch)
    }
    #expect(error?.line == 1)
    #expect(
      error?.message
        == "there is no key x; nor line 4 key series.a.y, line 5 table z, line 6 key z.w")
  }

  /// Whatever bytes come, there is a configuration or an error.
  @Test func anyBytes() throws {
    let scratch = try Scratch()
    var random = Seeded()
    let base = Array("[series.a]\nstore = \"x\"\nnote = 'y'\ncontexts = [\"a\", \"b\"]\n".utf8)
    for _ in 0..<600 {
      var bytes = base
      for _ in 0...random.below(3) {
        let at = random.below(bytes.count)
        switch random.below(3) {
        case 0: bytes[at] = UInt8(random.below(256))
        case 1: bytes.remove(at: at)
        default: bytes.insert(random.pick(Array("[]{}\"'\\=.#\n\r\0".utf8)), at: at)
        }
      }
      let file = try scratch.write(bytes, to: "f.toml")
      do {
        _ = try Configuration(reading: file, formats: StoreFormat.fileFormats)
      } catch let error as BackupError {
        #expect(error.code == .usage, "seed \(random.seed)")
      }
    }
  }
}
