import Disk
import LosslessJSON
import Records
import SystemPackage

extension StoreFormat {
  /// `aa/bb/<hash>.json` with or without `index.json`, alone or as `intents/` and `edges/`
  /// (FORMATS: content-archive).
  package static let contentArchive = StoreFormat(
    name: "content-archive",
    summary: "CCOS content-addressed files aa/bb/<hash>.json, alone or as intents/ and edges/",
    recordKinds: [.intent, .edge, .plan, .action, .document],
    writableKinds: [.intent, .edge, .plan, .action],
    recognises: { tree in
      guard !tree.isSingleFile else { return false }
      return try ContentArchive.Layout(tree).roots.contains { root in
        root.objects.count > 0 || root.looksLikeIndex
      }
    },
    read: { tree, _, sink in
      try ContentArchive(tree: tree, sink: sink).read()
    },
    write: { options in ContentArchiveWriter(options) })
}

/// Reads a content archive: by its index where there is one, else every object there is.
package struct ContentArchive {
  let tree: any StoreTree
  let sink: any RecordSink

  /// Where the archives of a store may lie.
  private static let tops = ["", "intents", "edges", "plans", "actions"].map { FilePath($0) }

  /// The names that an index has in a store.
  package static let indexNames = tops.map { $0.appending("index.json") }

  /// Whether the directory `path` is an archive by an index that names objects, without a look at those.
  /// False says nothing: an archive need not have one.
  package static func hasIndex(_ path: FilePath) throws -> Bool {
    try indexNames.contains { name in
      let index = path.pushing(name)
      guard try FileFacts(at: index, following: false)?.isRegular ?? false else { return false }
      return try Layout.isIndex(DiskTree(index), 0)
    }
  }

  /// One archive of a store: a directory with objects, and perhaps an index.
  struct Root {
    var directory: FilePath
    var index: Int?
    var looksLikeIndex = false
    /// Files named after a hash, by position in the tree.
    var objects: [Int] = []
    var leftovers: [Int] = []
    var others: [Int] = []
  }

  /// Which files of a tree are what.
  struct Layout {
    var roots: [Root] = []

    init(_ tree: any StoreTree) throws {
      let tops = ContentArchive.tops
      roots = tops.map { Root(directory: $0) }
      for (position, file) in tree.files.enumerated() where !file.isDirectory {
        var components = file.name.components
        var root = 0
        if let first = components.first, components.count > 1,
          let named = tops.firstIndex(of: FilePath(first.string)), named > 0
        {
          root = named
          components.removeFirst()
        }
        let name = components.last?.string ?? ""
        if components.count == 1, name == "index.json" {
          roots[root].index = position
          roots[root].looksLikeIndex = try Self.isIndex(tree, position)
        } else if ContentArchive.hash(of: name) != nil {
          roots[root].objects.append(position)
        } else if name.hasSuffix(".tmp") {
          roots[root].leftovers.append(position)
        } else {
          roots[root].others.append(position)
        }
      }
    }

    static func isIndex(_ tree: any StoreTree, _ file: Int) throws -> Bool {
      var found = false
      try FileHead(tree, file).forEachTopLevelKey { key, byte in
        found = Hash256(hex: key.span) != nil && byte == 0x22
        return false
      }
      return found
    }
  }

  /// The hash that `<hash>.json` or `<hash>` is named after.
  static func hash(of name: String) -> Hash256? {
    Hash256(hex: name.hasSuffix(".json") ? String(name.dropLast(5)) : name)
  }

  func read() throws {
    let roots = try Layout(tree).roots
    var taken = Set(roots.compactMap(\.index))
    for root in roots { try read(root, &taken) }
  }

  /// - Parameter taken: files that are no objects of this root or have been read: none is opened
  ///   twice, whatever an index says.
  private func read(_ root: Root, _ taken: inout Set<Int>) throws {
    var record = Record()
    guard let index = root.index else {
      noteOthers(root, taken)
      if !root.objects.isEmpty {
        sink.note(
          Finding(
            .warning, .badIndex,
            "has no index.json, so every object is taken: deleted ones may be among them",
            path: display(root.directory)))
      }
      for file in root.objects where taken.insert(file).inserted {
        try readObject(file, &record, expected: [])
      }
      return
    }
    let (named, isDamaged) = try readIndex(index, root, &record)
    for (file, hashes) in named.sorted(by: { $0.key < $1.key }) {
      guard taken.insert(file).inserted else {
        let name = tree.files[file].name
        note(.error, .badIndex, "names \(name), which is an index or in another archive", index)
        continue
      }
      try readObject(file, &record, expected: hashes)
    }
    noteOthers(root, taken)
    for file in root.objects where !taken.contains(file) {
      if isDamaged {
        // What the lost part of the index named cannot be told from what it left out.
        taken.insert(file)
        try readObject(file, &record, expected: [])
      } else {
        note(.note, .orphan, "is not named by the index; kept, but no record", file)
      }
    }
  }

  /// - Parameter taken: files that are objects or indexes, whatever their names.
  private func noteOthers(_ root: Root, _ taken: Set<Int>) {
    for file in root.leftovers where !taken.contains(file) {
      note(.note, .leftover, "is what an interrupted writer left; kept as it is", file)
    }
    for file in root.others where !isSidecar(file) && !taken.contains(file) {
      note(.note, .unknownMember, "is no part of the archive; kept as it is", file)
    }
  }

  private func isSidecar(_ file: Int) -> Bool {
    ["plan_index.json", "intent_index.json"].contains(
      tree.files[file].name.lastComponent?.string ?? "")
  }

  private func display(_ directory: FilePath) -> String? {
    guard let first = tree.files.indices.first(where: { tree.files[$0].name.components.count > 0 })
    else { return nil }
    let path = FilePath(tree.displayPath(first))
    let depth = tree.files[first].name.components.count
    var base = path
    for _ in 0..<depth { base.removeLastComponent() }
    return base.pushing(directory).string
  }

  /// The files that the index names, with the hashes it gives each of them. Entries whose
  /// path leaves the archive, or names nothing, are findings. Also says whether a part of the
  /// index could not be read.
  private func readIndex(
    _ index: Int, _ root: Root, _ record: inout Record
  ) throws -> (entries: [Int: [Hash256]], isDamaged: Bool) {
    var positions: [FilePath: Int] = [:]
    for (position, file) in tree.files.enumerated() where !file.isDirectory {
      positions[file.name] = position
    }
    var entries: [Int: [Hash256]] = [:]
    let container = try ContainerReader(tree: tree, file: index, sink: sink, skipping: 0)
    try container.walk { reader in
      try reader.expect(0x7B, .unexpectedByte)
      var first = true
      while let key = try reader.nextKey(first: first) {
        first = false
        guard try container.element(&reader, &record) else { continue }
        let line = record.place.line
        let shown = String(decoding: key, as: UTF8.self)
        guard let hash = Hash256(hex: key.span), record.text.kind() == .string else {
          note(.error, .badIndex, "the entry \(shown) is no hash with a path", index, line)
          continue
        }
        let bytes = record.text.decoded(0)
        let text = String(decoding: bytes, as: UTF8.self)
        guard let path = FilePath(bytes: bytes), path.root == nil, !path.isEmpty,
          path.components.allSatisfy({ $0.kind == .regular })
        else {
          note(
            .error, .badIndex, "the entry \(shown) leads out of the archive: \(text)", index, line)
          continue
        }
        guard let position = positions[root.directory.pushing(path)] else {
          note(
            .error, .missingFile, "the entry \(shown) names \(text), which does not exist", index,
            line)
          continue
        }
        entries[position, default: []].append(hash)
      }
    }
    return (entries, container.isDamaged)
  }

  private func note(
    _ severity: Finding.Severity, _ code: Finding.Code, _ message: String, _ file: Int,
    _ line: Int? = nil
  ) {
    sink.note(Finding(severity, code, message, path: tree.displayPath(file), line: line))
  }

  /// Reads one object and checks its bytes against the hash it is named after and listed under.
  private func readObject(_ file: Int, _ record: inout Record, expected: [Hash256]) throws {
    if tree.files[file].size == 0 { return note(.error, .empty, "is empty", file) }
    let container = try ContainerReader(tree: tree, file: file, sink: sink, skipping: 0)
    var isWhole = false
    try container.walk { reader in
      isWhole = try container.element(&reader, &record)
    }
    guard isWhole else { return }
    let name = tree.files[file].name.lastComponent?.string ?? ""
    let actual = record.contentHash()
    var claims = expected
    if let named = Self.hash(of: name), !claims.contains(named) { claims.append(named) }
    for claimed in claims where claimed != actual {
      sink.note(
        Finding(
          .error, .hashMismatch, "its content has the hash \(actual.hex), not \(claimed.hex)",
          path: tree.displayPath(file), line: 1, offset: 0, length: tree.files[file].size))
    }
    record.kind = Self.kind(of: record.text)
    try sink.take(&record)
  }

  /// What an object is, by its own id: an action also names the plan and the intent it serves.
  package static func kind(of text: JSONText) -> RecordKind {
    if text.member("action_id") != nil { return .action }
    if text.member("plan_id") != nil { return .plan }
    if text.member("edge_type") != nil { return .edge }
    if text.member("intent_id") != nil { return .intent }
    return .document
  }
}
