import Testing

extension Deed {
  /// Every verb that writes, in the ways that take different paths through the program.
  static let all: [Deed] = backups + repositories + stores + databases + records + recoveries

  private static let backups: [Deed] = [
    Deed("backup of a file") { scratch in
      let store = try scratch.graph(12, to: "world/stores/memory.jsonl")
      _ = try scratch.backUp(store, to: scratch.world("repo"), time: Night.first)
      try scratch.graph(13, to: "world/stores/memory.jsonl")
      return Job(
        words: ["backup", store, "--to", scratch.world("repo")], sources: ["stores"],
        repositories: ["repo"])
    },
    Deed("backup of a directory") { scratch in
      let store = try SampleStore.contexts.make(in: scratch, "world/stores/coaia")
      _ = try scratch.backUp(store.path, to: scratch.world("repo"), time: Night.first)
      return Job(
        words: ["backup", store.path, "--to", scratch.world("repo"), "--compression", "gzip"],
        sources: ["stores"], repositories: ["repo"])
    },
    Deed("backup of a database") { scratch in
      try scratch.directory("world/stores")
      let store = scratch.world("stores/runs.db")
      try scratch.runHistory(store, 20)
      return Job(
        words: ["backup", store, "--to", scratch.world("new/repo")], sources: ["stores"],
        repositories: ["new/repo"])
    },
    Deed("backup with a stand-in") { scratch in
      let store = try scratch.graph(12, to: "world/stores/memory.jsonl")
      _ = try scratch.backUp(store, to: scratch.world("repo"), time: Night.first)
      return Job(
        words: [
          "backup", store, "--to", scratch.world("repo"), "--fallback-to", scratch.world("other"),
        ], sources: ["stores"], repositories: ["repo", "other"])
    },
    Deed("run of two series") { scratch in
      try scratch.graph(9, to: "world/stores/a.jsonl")
      try scratch.graph(12, to: "world/stores/b.jsonl")
      try scratch.write(
        """
        repositories.main = "repo"
        retention.last = 1
        textfile = "metrics.prom"
        [series.a]
        store = "stores/a.jsonl"
        [series.b]
        store = "stores/b.jsonl"

        """, to: "world/holdfast.toml")
      let words = ["run", "--config", scratch.world("holdfast.toml")]
      for night in 0..<2 {
        let outcome = try scratch.run([Binary.path] + words, Night.setting(night))
        guard outcome.status == 0 else { throw TestFailure("\(outcome)") }
      }
      return Job(
        words: words, sources: ["stores", "holdfast.toml"], repositories: ["repo"])
    },
  ]

  private static let repositories: [Deed] = [
    Deed("rotate") { scratch in
      try scratch.fill(0..<4)
      return Job(
        words: ["rotate", scratch.world("repo"), "--keep-last", "1"], sources: ["stores"],
        repositories: ["repo"])
    },
    Deed("undelete") { scratch in
      try scratch.fill(0..<4)
      try scratch.holdfast(
        exit: 0, "rotate", scratch.world("repo"), "--keep-last", "1", with: Night.setting(4))
      let names = ["memory-20261101T031500Z", "memory-20261102T031500Z"]
      return Job(
        words: ["undelete", scratch.world("repo")] + names, sources: ["stores"],
        repositories: ["repo"], again: [0, 1, 10])
    },
    Deed("purge") { scratch in
      try scratch.fill(0..<4)
      for (night, count) in [(4, "2"), (5, "1")] {
        try scratch.holdfast(
          exit: 0, "rotate", scratch.world("repo"), "--keep-last", count, with: Night.setting(night)
        )
      }
      return Job(
        words: ["purge", scratch.world("repo"), "--older-than", "1d"], sources: ["stores"],
        repositories: ["repo"], removes: true)
    },
    Deed("restore of a directory") { scratch in
      let store = try SampleStore.contexts.make(in: scratch, "made")
      let archive = try scratch.backUp(store.path, to: scratch.world("repo"), time: Night.first)
      try scratch.write("old", to: "world/target/old.txt")
      return Job(
        words: [
          "restore", archive, "--to", scratch.world("target"), "--overwrite", "always",
        ], sources: ["repo"], places: ["target"])
    },
    Deed("restore to a new place") { scratch in
      let store = try SampleStore.graph.make(in: scratch, "made")
      _ = try scratch.backUp(store.path, to: scratch.world("repo"), time: Night.first)
      return Job(
        words: ["restore", scratch.world("repo"), "--to", scratch.world("new/target")],
        sources: ["repo"], places: ["new/target"], again: [0, 1])
    },
    Deed("restore of what differs") { scratch in
      let store = try SampleStore.contexts.make(in: scratch, "made")
      let archive = try scratch.backUp(store.path, to: scratch.world("repo"), time: Night.first)
      try scratch.tool("cp", "-a", store.path, scratch.world("target"))
      try scratch.write("other", to: "world/target/charts.jsonl")
      return Job(
        words: [
          "restore", archive, "--to", scratch.world("target"), "--overwrite", "if-changed",
        ], sources: ["repo"], places: ["target"])
    },
  ]

  private static let stores: [Deed] = [
    Deed("merge into a file") { scratch in
      let a = try scratch.graph(12, to: "world/stores/a.jsonl")
      let b = try scratch.graph(20, to: "world/stores/b.jsonl")
      let target = try scratch.graph(3, to: "world/target.jsonl")
      return Job(
        words: ["merge", a, b, "--to", target, "--replace"], sources: ["stores"],
        places: ["target.jsonl"])
    },
    Deed("merge into a directory") { scratch in
      let a = try SampleStore.archivePair.make(in: scratch, "world/stores/a")
      let b = try SampleStore.snapshot11.make(in: scratch, "world/stores/b")
      _ = try SampleStore.archive.make(in: scratch, "world/target")
      return Job(
        words: ["merge", a.path, b.path, "--to", scratch.world("target"), "--replace"],
        sources: ["stores"], places: ["target"])
    },
    Deed("move in a file") { scratch in
      let store = try scratch.graph(12, to: "world/memory.jsonl")
      return Job(
        words: ["move", store, "--select", "entity:*1*", "--into", "w"], sources: [],
        places: ["memory.jsonl"], again: [0, 1, 3, 10])
    },
    Deed("move between contexts") { scratch in
      let store = try SampleStore.contexts.make(in: scratch, "world/coaia")
      return Job(
        words: ["move", store.path, "--select", "entity:*1*", "--into", "default"], sources: [],
        places: ["coaia"], again: [0, 1, 3, 10])
    },
    Deed("replay") { scratch in
      let log = try scratch.graph(12, to: "world/stores/log.jsonl")
      let target = try scratch.graph(3, to: "world/target.jsonl")
      return Job(
        words: ["replay", log, "--to", target, "--replace"], sources: ["stores"],
        places: ["target.jsonl"])
    },
    Deed("export as contexts") { scratch in
      let store = try scratch.graph(12, to: "world/stores/memory.jsonl")
      _ = try SampleStore.contexts.make(in: scratch, "world/target")
      return Job(
        words: [
          "export", store, "--as", "contexts", "--to", scratch.world("target"), "--replace",
        ], sources: ["stores"], places: ["target"])
    },
  ]

  private static let databases: [Deed] = [
    Deed("migrate to a new database") { scratch in
      let store = try SampleStore.archive.make(in: scratch, "world/stores/archive")
      return Job(
        words: ["migrate", store.path, "--to", scratch.world("new.db")], sources: ["stores"],
        places: ["new.db"], again: [0, 1])
    },
    Deed("migrate in place of another") { scratch in
      let store = try SampleStore.contexts.make(in: scratch, "world/stores/coaia")
      let old = try scratch.graph(3, to: "old.jsonl")
      try scratch.holdfast(exit: 0, "migrate", old, "--to", scratch.world("store.db"))
      return Job(
        words: ["migrate", store.path, "--to", scratch.world("store.db"), "--replace"],
        sources: ["stores"], places: ["store.db"])
    },
    Deed("export of a database") { scratch in
      let store = try SampleStore.archivePair.make(in: scratch, "made")
      try scratch.directory("world/stores")
      let database = scratch.world("stores/archive.db")
      try scratch.holdfast(exit: 0, "migrate", store.path, "--to", database)
      return Job(
        words: ["export", database, "--to", scratch.world("target")], sources: ["stores"],
        places: ["target"], again: [0, 1])
    },
  ]

  /// In files; `DatabaseFaultTests` has those that are made in databases.
  private static let records: [Deed] = [
    Deed("record put behind the last one") { scratch in
      let store = try scratch.graph(12, to: "world/memory.jsonl")
      let entity = #"{"type":"entity","name":"new","entityType":"t","observations":["a"]}"#
      return Job(
        words: ["record", "put", store, entity], sources: [], places: ["memory.jsonl"],
        removes: true)
    },
    Deed("record put in the place of another") { scratch in
      let store = try SampleStore.snapshot11.make(in: scratch, "world/store")
      let id = try scratch.holdfast(exit: 0, "record", "list", store.path, "intent").lines[0]
      var intent = try scratch.holdfast(exit: 0, "record", "get", store.path, id).lines[0]
      intent.removeLast()
      return Job(
        words: ["record", "put", store.path, intent + #","torture":1}"#], sources: [],
        places: ["store/graph.json"], removes: true)
    },
    Deed("record delete in an archive") { scratch in
      let store = try SampleStore.archive.make(in: scratch, "world/store")
      let id = try scratch.holdfast(exit: 0, "record", "list", store.path, "intent").lines[0]
      return Job(
        words: ["record", "delete", store.path, id], sources: [], places: ["store/index.json"],
        removes: true,
        again: [0, 10])
    },
    Deed("tasks complete") { scratch in
      let store = try SampleStore.tasks.make(in: scratch, "world/tasks")
      let task = try #require(
        try scratch.json("tasks", "list", store.path)["tasks"]?.elements.first {
          $0["completed"]?.isTrue != true
        })
      return Job(
        words: ["tasks", "complete", store.path, try #require(task["id"]?.text)], sources: [],
        places: ["tasks/tasks.json"], removes: true)
    },
  ]

  private static let recoveries: [Deed] = [
    Deed("salvage of a file") { scratch in
      let bytes = SampleRecords.lines(SampleRecords.graph(20), last: "\n")
      try scratch.write(Array(bytes.dropLast(40)), to: "world/stores/memory.jsonl")
      return Job(
        words: [
          "salvage", scratch.world("stores/memory.jsonl"), "--to", scratch.world("salvaged"),
        ], sources: ["stores"], places: ["salvaged"], again: [0, 1, 3])
    },
    Deed("salvage of a database") { scratch in
      try scratch.directory("world/stores")
      let store = scratch.world("stores/runs.db")
      try scratch.runHistory(store, 40)
      var bytes = try TestFile.read(store)
      for index in 0..<100 { bytes[index] = 0 }
      try TestFile.write(bytes, to: store)
      return Job(
        words: ["salvage", store, "--to", scratch.world("salvaged")], sources: ["stores"],
        places: ["salvaged"], again: [0, 1, 3])
    },
    Deed("salvage of a backup") { scratch in
      let store = try SampleStore.contexts.make(in: scratch, "made")
      let archive = try scratch.backUp(store.path, to: scratch.world("repo"), time: Night.first)
      var bytes = try TestFile.read(archive)
      bytes[bytes.count / 2] ^= 0xFF
      try TestFile.write(bytes, to: archive)
      return Job(
        words: ["salvage", archive, "--to", scratch.world("salvaged")], sources: ["repo"],
        places: ["salvaged"], again: [0, 1, 3])
    },
    Deed("recover") { scratch in
      let bytes = SampleRecords.lines(SampleRecords.graph(20), last: "\n")
      let store = try scratch.write(bytes, to: "world/memory.jsonl")
      _ = try scratch.backUp(store, to: scratch.world(".backup"), time: Night.first)
      try scratch.write(Array(bytes.dropLast(400)), to: "world/memory.jsonl")
      return Job(
        words: ["recover", store, "--yes"], sources: [".backup"], places: ["memory.jsonl"],
        again: [0])
    },
  ]
}

extension Scratch {
  /// A path in the directory that a deed is done in.
  func world(_ name: String) -> String { file("world/\(name)") }

  /// A store, and a backup of it for each night.
  fileprivate func fill(_ nights: Range<Int>) throws {
    let store = try graph(10, to: "world/stores/memory.jsonl")
    for night in nights {
      _ = try backUp(store, to: world("repo"), time: Night.first + night * Night.day)
    }
  }

  /// A run history in SQLite.
  func runHistory(_ path: String, _ count: Int) throws {
    try python(
      """
      import sqlite3, sys
      db = sqlite3.connect(sys.argv[1], isolation_level=None)
      db.execute('''CREATE TABLE runs(run_id TEXT PRIMARY KEY, plan_id TEXT NOT NULL,
        objective TEXT NOT NULL, plan_result TEXT NOT NULL, execution_result TEXT,
        created_at REAL NOT NULL, approval_status TEXT DEFAULT 'pending', approval_reason TEXT,
        approved_at REAL, approved_by TEXT)''')
      for i in range(int(sys.argv[2])):
          db.execute("INSERT INTO runs(run_id, plan_id, objective, plan_result, created_at) "
            "VALUES (?,?,?,?,?)", ("run-%04d" % i, "plan", "objective %d" % i, "{}", 1.7e9 + i))
      """, path, String(count))
  }
}
