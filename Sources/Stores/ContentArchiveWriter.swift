import Disk
import LosslessJSON
import Records
import SystemPackage

/// Writes a content archive: an object a file, named after its content hash, and an index for
/// each of its directories (FORMATS: content-archive).
///
/// Objects of another archive keep their names and their white space; others are written as
/// `intents/aa/bb/<hash>.json`, `edges/…` and so on, in compact form.
final class ContentArchiveWriter: StoreWriter {
  private let options: WriteOptions
  private var roots: [FilePath: IndexEntries] = [:]
  private var files: [FilePath] = []
  private var line = ByteBuffer()

  init(_ options: WriteOptions) { self.options = options }

  private var isCopy: Bool { options.sourceKind == StoreFormat.contentArchive.name }

  func write(_ record: inout Record, at place: WritePlace) throws {
    try StoreFormat.contentArchive.check(record, from: options.sourceKind)
    try record.refuseScope("an archive has")
    guard ContentArchive.kind(of: record.text) == record.kind else {
      throw StoreError.refusal(
        of: record, "lacks the field that tells an archive what it is",
        hint: StoreError.leavingOut)
    }
    let hash = record.contentHash()
    let (root, inner) = self.place(of: record, hash, place)
    let name = root.pushing(inner)
    guard name.root == nil, name.components.allSatisfy({ $0.kind == .regular }) else {
      throw StoreError(.refused, "the file name \(name) leads out of the store")
    }
    line.removeAll()
    if isCopy { line.append(record.text.source()) } else { record.text.appendCompact(to: &line) }
    do throws(DiskError) {
      let file = try StagedFile(options.directory.pushing(name), mode: 0o600)
      let text = line
      try file.write(text.span)
      try file.close()
    } catch {
      guard error.code == .exists else { throw error }
      throw StoreError.refusal(
        of: record, "occurs twice with the same content, which an archive holds once",
        hint: "take one of them out, or \(StoreError.leavingOut)")
    }
    if place.mode != 0o600 { try Disk.setMode(options.directory.pushing(name), place.mode) }
    let index = roots[root] ?? IndexEntries(spillingTo: options.directory)
    roots[root] = index
    try index.insert(key: Array(hash.hex.utf8), payload: TreeWalk.bytes(of: inner))
    if files.count < Self.listLimit { files.append(name) }
  }

  /// Files listed in the result: more would not be read by anyone.
  private static let listLimit = 100_000

  /// The archive a record goes to, and its path in that.
  private func place(
    of record: borrowing Record, _ hash: Hash256, _ place: WritePlace
  ) -> (root: FilePath, inner: FilePath) {
    if isCopy, let file = place.file { return ContentArchive.split(file) }
    let hex = hash.hex
    let inner = FilePath("\(hex.prefix(2))/\(hex.dropFirst(2).prefix(2))/\(hex).json")
    return (FilePath(record.kind == .document ? "" : record.kind.plural), inner)
  }

  func finish() throws -> WrittenStore {
    if roots.isEmpty { roots[FilePath("intents")] = IndexEntries(spillingTo: options.directory) }
    for (root, index) in roots.sorted(by: { $0.key.string < $1.key.string }) {
      let name = root.appending("index.json")
      let file = try StagedFile(options.directory.pushing(name))
      var text = ByteBuffer("{")
      var isFirst = true
      try index.drain { hash, path in
        text.append(isFirst ? "\n  " : ",\n  ")
        isFirst = false
        appendJSONString(hash, to: &text)
        text.append(": ")
        var builder = JSONBuilder(pretty: false)
        builder.value(path: (0..<path.count).map { path[$0] })
        text.append(builder.bytes.span)
        try file.write(text.span)
        text.removeAll()
      }
      text.append("\n}\n")
      try file.write(text.span)
      try file.close()
      files.append(name)
    }
    return WrittenStore(root: options.directory, files: files)
  }
}

/// The entries of one index, to be sorted by hash.
private final class IndexEntries {
  private var sorter: RunSorter?

  init(spillingTo directory: FilePath) {
    sorter = RunSorter(spillingTo: directory, runLimit: 4 << 20)
  }

  func insert(key: [UInt8], payload: [UInt8]) throws {
    try sorter?.insert(key: key.span, payload: payload.span)
  }

  func drain(_ body: (Span<UInt8>, Span<UInt8>) throws -> Void) throws {
    try sorter.take()?.drain(body)
  }
}

extension ContentArchive {
  /// The archive of a store that a file lies in, and its path in that.
  static func split(_ name: FilePath) -> (root: FilePath, inner: FilePath) {
    let components = Array(name.components)
    guard components.count > 1, let first = components.first,
      ["intents", "edges", "plans", "actions"].contains(first.string)
    else { return (FilePath(""), name) }
    return (FilePath(root: nil, [first]), FilePath(root: nil, components.dropFirst()))
  }
}
