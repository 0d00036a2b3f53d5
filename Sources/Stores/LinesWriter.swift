import Disk
import LosslessJSON
import Records
import SystemPackage

/// Writes documents one a line, all in one file.
final class LinesWriter: StoreWriter {
  private let options: WriteOptions
  private let files: StagedFiles
  private var name: FilePath?
  private var line = ByteBuffer()

  private static let usualName = FilePath("data.jsonl")

  init(_ options: WriteOptions) {
    self.options = options
    files = StagedFiles(in: options.directory)
  }

  func write(_ record: inout Record, at place: WritePlace) throws {
    try StoreFormat.jsonLines.check(record, from: options.sourceKind)
    try record.refuseScope("lines have")
    let name = name ?? options.fileName(.jsonLines, place, usual: Self.usualName)
    self.name = name
    line.removeAll()
    record.text.appendCompact(to: &line)
    line.append(0x0A)
    let text = line
    try files.file(name, mode: place.mode).write(text.span)
  }

  func finish() throws -> WrittenStore {
    let name = name ?? options.fileName(.jsonLines, nil, usual: Self.usualName)
    if self.name == nil { _ = try files.file(name, mode: 0o600) }
    try files.close()
    return WrittenStore(root: options.directory.pushing(name), files: files.names)
  }
}

/// Writes a single document as a file of its own, with the white space that it came with.
final class DocumentWriter: StoreWriter {
  private let options: WriteOptions
  private let files: StagedFiles
  private var name: FilePath?

  init(_ options: WriteOptions) {
    self.options = options
    files = StagedFiles(in: options.directory)
  }

  func write(_ record: inout Record, at place: WritePlace) throws {
    try StoreFormat.json.check(record, from: options.sourceKind)
    try record.refuseScope("a single value has")
    guard name == nil else {
      throw StoreError.refusal(
        of: record, "a store of the kind json holds one value, and this is another",
        hint: "select one of them, or write the kind jsonl")
    }
    let name = options.fileName(.json, place, usual: FilePath("data.json"))
    self.name = name
    let file = try files.file(name, mode: place.mode)
    try file.write(record.text.source())
    try file.write("\n")
  }

  func finish() throws -> WrittenStore {
    guard let name else {
      throw StoreError(.refused, "a store of the kind json holds one value, and there is none")
    }
    try files.close()
    return WrittenStore(root: options.directory.pushing(name), files: files.names)
  }
}

extension Record {
  /// Throws `refused` for a record whose container said more than the record does.
  /// - Parameter form: as in "lines have"; "no place for that" follows.
  borrowing func refuseScope(_ form: String) throws {
    guard !scope.isEmpty else { return }
    let key = String(decoding: scope, as: UTF8.self)
    throw StoreError.refusal(
      of: self, "is stored under the key \(key), and \(form) no place for that",
      hint: "choose another kind, or \(StoreError.leavingOut)")
  }
}
