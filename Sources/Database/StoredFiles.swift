import Disk
import LosslessJSON
import Records
import Stores
import SystemPackage

/// A store of a database, as it was named when it was migrated.
package struct StoredStore: Sendable {
  package let number: Int
  package let name: String
  package let kind: String
  package let isSingleFile: Bool
  package let idField: String?
  /// Empty once a record has been saved since.
  package let digest: String

  /// Whether its files can be written as they were.
  package var hasItsFiles: Bool { !digest.isEmpty }

  /// All of them. Throws as `StoreDatabase.steps` does.
  package static func all(in connection: borrowing Connection) throws -> [StoredStore] {
    _ = try StoreDatabase.steps(connection)
    let rows = try Statement(
      "SELECT id, name, kind, single_file, id_field, digest FROM stores ORDER BY id",
      on: connection)
    var stores: [StoredStore] = []
    while try rows.step() {
      stores.append(
        StoredStore(
          number: rows.integer(0), name: rows.text(1), kind: rows.text(2),
          isSingleFile: rows.integer(3) != 0,
          idField: rows.kind(4) == .null ? nil : rows.text(4), digest: rows.text(5)))
    }
    return stores
  }
}

/// Writes the files of a migrated store as they were: what lies between the records, and each
/// record in the layout that it had.
package struct StoredFiles {
  private let store: StoredStore
  private let directory: FilePath

  /// - Parameter directory: exists.
  package init(store: StoredStore, directory: FilePath) {
    (self.store, self.directory) = (store, directory)
  }

  private struct File {
    var number: Int
    var name: FilePath
    var sha256: String
    var separator: [UInt8]
  }

  /// Writes them all. Throws `verificationFailed` for a file that does not come out with the hash
  /// that it had. Returns their names.
  package func write(_ connection: borrowing Connection) throws -> [FilePath] {
    let files = try makeDirectories(connection)
    let known = Dictionary(files.map { ($0.number, $0) }) { first, _ in first }
    let gaps = try Statement(
      "SELECT bytes FROM gaps WHERE file = ? AND before = ? ORDER BY part", on: connection)
    let rows = try Statement(
      """
      SELECT r.id, r.file, r.layout, coalesce(r.payload, o.payload), t.bytes
      FROM records AS r
      LEFT JOIN objects AS o ON r.payload IS NULL AND o.hash = lower(hex(r.content_hash))
      LEFT JOIN texts AS t ON t.record = r.id
      WHERE r.file IN (SELECT id FROM files WHERE store = ?)
      ORDER BY r.id
      """, on: connection)
    rows.bind(1, store.number)
    var written: Set<Int> = []
    var current: (file: File, output: Output)?
    while try rows.step() {
      let number = rows.integer(1)
      if current?.file.number != number {
        if let current { try finish(current.file, current.output, gaps) }
        guard let file = known[number] else { continue }
        written.insert(number)
        current = (file, try Output(directory.pushing(file.name)))
      }
      guard let (file, output) = current else { continue }
      if try !append(gaps, number, rows.integer(0), to: output), output.records > 0 {
        try output.append(file.separator.span)
      }
      try append(rows, to: output)
    }
    if let current { try finish(current.file, current.output, gaps) }
    for file in files where !written.contains(file.number) {
      try finish(file, Output(directory.pushing(file.name)), gaps)
    }
    return files.map(\.name)
  }

  /// Makes the directories; returns the files, by number.
  private func makeDirectories(_ connection: borrowing Connection) throws -> [File] {
    let rows = try Statement(
      "SELECT id, name, is_directory, sha256, separator FROM files WHERE store = ? ORDER BY id",
      on: connection)
    rows.bind(1, store.number)
    var files: [File] = []
    while try rows.step() {
      let name = try Self.name(rows.bytes(1), connection)
      if rows.integer(2) != 0 {
        try Disk.makeDirectory(directory.pushing(name), durably: false)
      } else {
        files.append(
          File(
            number: rows.integer(0), name: name, sha256: rows.text(3), separator: rows.bytes(4)))
      }
    }
    return files
  }

  /// The name of a file: one in a database is to be trusted no more than one in an archive.
  static func name(
    _ bytes: [UInt8], _ connection: borrowing Connection
  ) throws(StoreError) -> FilePath {
    guard let name = FilePath(bytes: bytes), name.root == nil, !name.isEmpty,
      name.components.allSatisfy({ $0.kind == .regular })
    else {
      throw StoreError(
        .refused,
        "names a file that leads out of the store: \(String(decoding: bytes, as: UTF8.self))",
        path: connection.path.string)
    }
    return name
  }

  private func append(
    _ gaps: borrowing Statement, _ file: Int, _ before: Int, to output: Output
  ) throws -> Bool {
    gaps.reset()
    gaps.bind(1, file)
    gaps.bind(2, before)
    var isThere = false
    while try gaps.step() {
      isThere = true
      try gaps.withBytes(0) { try output.append($0) }
    }
    return isThere
  }

  private func append(_ rows: borrowing Statement, to output: Output) throws {
    output.records += 1
    guard let layout = RecordLayout(number: rows.integer(2)) else {
      throw StoreError(.refused, "has a record with an unknown layout \(rows.integer(2))")
    }
    if layout == .own {
      try rows.withBytes(4) { try output.append($0) }
    } else {
      try rows.withBytes(3) { bytes in
        layout.append(bytes, to: &output.pending)
        try output.flush(over: Output.limit)
      }
    }
  }

  private func finish(_ file: File, _ output: Output, _ gaps: borrowing Statement) throws {
    _ = try append(gaps, file.number, 0, to: output)
    guard try output.finish().hex == file.sha256 else {
      throw StoreError(
        .verificationFailed, "does not come out with the hash that it had",
        path: file.name.string,
        hint: "nothing was written; export it as another kind, which its records allow")
    }
  }

  /// A file being written, and its hash.
  private final class Output {
    static let limit = 256 << 10
    private let file: StagedFile
    private var hasher = Hasher256()
    var pending = ByteBuffer()
    var records = 0

    init(_ path: FilePath) throws { file = try StagedFile(path) }

    func append(_ bytes: Span<UInt8>) throws {
      pending.append(bytes)
      try flush(over: Self.limit)
    }

    func flush(over limit: Int) throws {
      guard pending.count > limit else { return }
      let bytes = pending
      hasher.update(bytes.span)
      try file.write(bytes.span)
      pending.removeAll()
    }

    func finish() throws -> Hash256 {
      try flush(over: 0)
      try file.close()
      return hasher.finish()
    }
  }
}
