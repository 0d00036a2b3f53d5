import Testing

/// The same store at the same SOURCE_DATE_EPOCH gives the same bytes, whatever is around it.
@Suite(.scratch) struct ReproducibleTests {
  private static let settings: [Child.Setting] = [
    Child.Setting(),
    Child.Setting(environment: ["TZ": "Asia/Kathmandu"], umask: "077"),
    Child.Setting(environment: ["LC_ALL": "C", "TZ": "America/St_Johns"], directory: "/"),
    Child.Setting(environment: ["LC_ALL": "tr_TR.UTF-8", "LANG": "de_DE"], umask: "000"),
    Child.Setting(environment: ["USER": "nobody", "TMPDIR": "/nowhere"], directory: "/usr"),
  ]

  @Test(arguments: [SampleStore.contexts, .snapshot11, .archivePair], ["zstd", "gzip", "none"])
  func sameBytes(_ sample: SampleStore, _ compression: String) throws {
    let scratch = try Scratch.here()
    let store = try sample.make(in: scratch)
    var archives: [[UInt8]] = []
    var sidecars: [[UInt8]] = []
    for var setting in Self.settings {
      setting.environment["SOURCE_DATE_EPOCH"] = "1763694900"
      let repository = scratch.fresh("repo")
      let made = try scratch.json(
        "backup", store.path, "--to", repository, "--compression", compression, with: setting)
      let archive = try #require(made["backup"]?.text)
      #expect(archive.contains("-20251121T031500Z."))
      archives.append(try TestFile.read(archive))
      sidecars.append(try TestFile.read(Scratch.sidecar(of: archive)))
    }
    #expect(Set(archives).count == 1)
    #expect(Set(sidecars).count == 1)
  }

  /// A mask that takes away what the owner may do makes no file that its owner cannot open again.
  @Test(arguments: ["backup", "migrate", "salvage"])
  func aMaskOfTheOwnersRights(_ verb: String) throws {
    let scratch = try Scratch.here()
    let store = try SampleStore.graph.make(in: scratch)
    try scratch.directory("made")
    let target = scratch.file(verb == "migrate" ? "made/memory.db" : "made/out")
    let outcome = try scratch.run(
      [Binary.path, verb, store.path, "--to", target], Child.Setting(umask: "0277"))
    #expect(outcome.status == 0, "\(outcome)")
    let locked = try scratch.tool("find", scratch.file("made"), "!", "-perm", "-600").text
    #expect(locked == "")
  }

  /// A second backup of the same second keeps the first, and has its bytes too.
  @Test func sameSecond() throws {
    let scratch = try Scratch.here()
    let store = try SampleStore.graph.make(in: scratch)
    let first = try scratch.backUp(store.path, time: 1_000_000_000)
    let bytes = try TestFile.read(first)
    let second = try scratch.backUp(store.path, time: 1_000_000_000)
    #expect(first.hasSuffix("/memory-20010909T014640Z.tar.zst"))
    #expect(second.hasSuffix("/memory-20010909T014640Z-2.tar.zst"))
    #expect(try TestFile.read(first) == bytes)
    try scratch.holdfast(exit: 0, "verify", scratch.file("repo"))
  }

  @Test(arguments: ["x", "-1", "1e3", "99999999999999999999", "253402300800"])
  func noTime(_ text: String) throws {
    let scratch = try Scratch.here()
    let store = try SampleStore.graph.make(in: scratch)
    let setting = Child.Setting(environment: ["SOURCE_DATE_EPOCH": text])
    try scratch.holdfast(
      exit: 64, "backup", store.path, "--to", scratch.file("repo"), with: setting)
    #expect(!TestFile.exists(scratch.file("repo")))
  }
}
