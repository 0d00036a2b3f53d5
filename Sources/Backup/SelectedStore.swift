import Disk
import LosslessJSON
import Records
import Snapshot
import Stores
import SystemPackage

/// Writes a part of a store as a store of the same kind, under the same file names.
struct SelectedStore {
  let tree: BackupTree
  let format: StoreFormat
  let selection: Selection

  /// Writes the selected records into the directory `target`; returns their digest and number.
  func write(to target: FilePath) throws -> (digest: Hash256, count: Int) {
    switch format.name {
    case StoreFormat.contentArchive.name: return try writeArchive(to: target)
    case StoreFormat.intentSnapshot.name: return try writeSnapshot(to: target)
    default: return try writeLines(to: target)
    }
  }

  private var options: ReadOptions {
    ReadOptions(idField: tree.backup.manifest.idField.flatMap(JSONPointer.init))
  }

  /// Calls `body` for each selected record, in store order.
  private func read(_ body: @escaping (inout Record) throws -> Void) throws -> Survey {
    let chosen = Survey(rules: false)
    let all = Survey(rules: false)
    let selection = selection
    all.onRecord = { record, _ in
      guard selection.contains(record) else { return }
      try body(&record)
      try chosen.take(&record)
    }
    try format.read(tree, options, all)
    try all.finish()
    try chosen.finish()
    return chosen
  }

  /// The compact bytes of each record on a line of its own, in the file it came from.
  private func writeLines(to target: FilePath) throws -> (Hash256, Int) {
    var file: (index: Int, output: StagedFile)?
    var line = ByteBuffer()
    let chosen = try read { record in
      if file?.index != record.place.file {
        try file?.output.close()
        let path = target.pushing(tree.files[record.place.file].name)
        file = (record.place.file, try StagedFile(path, mode: tree.files[record.place.file].mode))
      }
      line.removeAll()
      record.text.appendCompact(to: &line)
      line.append(0x0A)
      let text = line
      try file?.output.write(text.span)
    }
    try file?.output.close()
    return (chosen.digest(), chosen.total)
  }

  /// A snapshot of version 1.1 that upstream opens: intents by key, edges, no manifest.
  private func writeSnapshot(to target: FilePath) throws -> (Hash256, Int) {
    let name = tree.files.first { !$0.isDirectory }?.name ?? FilePath("snapshot.json")
    let mode = tree.files.first { !$0.isDirectory }?.mode ?? 0o600
    let file = try StagedFile(target.pushing(name), mode: mode)
    var section: RecordKind?
    var line = ByteBuffer("{\"version\":\"1.1\",\"timestamp\":")
    line.append(decimal: tree.backup.manifest.time)
    line.append(",\n\"intents\":{")
    try file.write(ByteBuffer(line.array).span)
    var sections: [RecordKind: [[UInt8]]] = [:]
    let chosen = try read { record in
      line.removeAll()
      if record.kind == .intent {
        ScopedRecord.appendIntent(record, to: &line)
        try file.write(ByteBuffer(section == nil ? "\n" : ",\n").span)
        section = .intent
        let text = line
        try file.write(text.span)
      } else {
        ScopedRecord.append(record, to: &line)
        sections[record.kind, default: []].append(line.array)
      }
    }
    try file.write(ByteBuffer("\n},\n\"edges\":[").span)
    for kind in RecordKind.allCases where kind == .edge || sections[kind] != nil {
      guard kind != .intent else { continue }
      if kind != .edge { try file.write(Array(",\n\"\(kind.plural)\":[".utf8).span) }
      for (index, element) in (sections[kind] ?? []).enumerated() {
        try file.write(ByteBuffer(index == 0 ? "\n" : ",\n").span)
        try file.write(element.span)
      }
      try file.write(ByteBuffer("\n]").span)
    }
    try file.write(ByteBuffer(",\n\"manifest\":null,\n\"rtfs\":null\n}\n").span)
    try file.close()
    return (chosen.digest(), chosen.total)
  }

  /// The objects as they are, and an index of just these.
  private func writeArchive(to target: FilePath) throws -> (Hash256, Int) {
    var wanted: [(file: Int, hash: Hash256)] = []
    let chosen = try read { record in
      wanted.append((record.place.file, record.contentHash()))
    }
    var indexes: [FilePath: JSONBuilder] = [:]
    var entries: [FilePath: [(String, [UInt8])]] = [:]
    for (file, hash) in wanted {
      let name = tree.files[file].name
      let stream = try tree.open(file)
      let output = try StagedFile(target.pushing(name), mode: tree.files[file].mode)
      var block = ByteBuffer()
      while try stream.read(into: &block, atMost: 256 << 10) > 0 {
        try output.write(block.span)
        block.removeAll()
      }
      try output.close()
      let top = name.components.first?.string ?? ""
      let isNested = ["intents", "edges", "plans", "actions"].contains(top)
      let root = isNested ? FilePath(top) : FilePath("")
      let inner = FilePath(
        root: nil, isNested ? Array(name.components.dropFirst()) : Array(name.components))
      entries[root, default: []].append((hash.hex, TreeWalk.bytes(of: inner)))
    }
    for (root, list) in entries {
      var builder = JSONBuilder(pretty: true)
      builder.object {
        for (hash, path) in list.sorted(by: { $0.0 < $1.0 }) {
          $0.key(hash)
          $0.value(path: path)
        }
      }
      indexes[root] = builder
      let output = try StagedFile(target.pushing(root).appending("index.json"))
      try output.write(builder.bytes.span)
      try output.close()
    }
    return (chosen.digest(), chosen.total)
  }
}
