import Disk
import Records
import SystemPackage

/// Writes a store of some kind, and proves it: what was written is read back, and its digest must
/// be that of the records taken.
package final class StoreOutput {
  package let format: StoreFormat
  private let writer: any StoreWriter
  private var hashes = StoreDigest()
  package private(set) var counts: [RecordKind: Int] = [:]

  /// Records taken.
  package var total: Int { hashes.count }

  /// What a store came to.
  package struct Result: Sendable {
    package var store: WrittenStore
    package var digest: Hash256
    package var counts: [RecordKind: Int]
    /// What was found while the records were read, where that is known.
    package var log = FindingLog()
    /// What the new form does not say any more.
    package var losses = FindingLog()
    /// Records written.
    package var total: Int { counts.values.reduce(0, +) }
  }

  package init(_ format: StoreFormat, _ options: WriteOptions) throws {
    self.format = format
    writer = try format.writer(options)
  }

  /// Takes the next record, borrowed for the call. Throws as `StoreWriter.write` does.
  /// - Parameter hash: its canonical hash.
  package func take(_ record: inout Record, _ hash: Hash256, at place: WritePlace) throws {
    try writer.write(&record, at: place)
    hashes.insert(hash)
    counts[record.kind, default: 0] += 1
  }

  /// Ends the files and reads them again. Throws `verificationFailed` where they do not hold
  /// just the records taken. Call once.
  package func finish() throws -> Result {
    let store = try writer.finish()
    let digest = hashes.finish()
    let survey = try Survey.read(DiskTree(store.root), as: format, rules: false)
    guard survey.digest() == digest, survey.total == hashes.count else {
      let first = survey.log.findings.first { $0.severity == .error }
      throw StoreError(
        .verificationFailed,
        "what was written as \(format.name) does not read back as the records it was made of"
          + (first.map { ": \($0.message)" } ?? ""),
        path: store.root.string, hint: "nothing was put in place; choose another kind or layout")
    }
    try checkKind(of: store, digest)
    return Result(store: store, digest: digest, counts: counts)
  }

  /// What was written must be recognised for what it is, or be read as the same records. A file of
  /// values is whatever the values are.
  private func checkKind(of store: WrittenStore, _ digest: Hash256) throws {
    let plain = [StoreFormat.jsonLines.name, StoreFormat.json.name]
    guard hashes.count > 0, !plain.contains(format.name) else { return }
    let tree = try DiskTree(store.root)
    let found: StoreFormat?
    if StoreFormat.fileFormats.contains(where: { $0.name == format.name }) {
      found = try StoreFormat.fileFormats.first { try $0.recognises(tree) }
    } else {
      found = try format.recognises(tree) ? format : nil
    }
    if let found {
      if found.name == format.name { return }
      if try Survey.read(tree, as: found, rules: false).digest() == digest { return }
    }
    let kinds = counts.keys.sorted().map(\.plural).joined(separator: ", ")
    throw StoreError(
      .refused,
      "a store of the kind \(format.name) with only these \(kinds) would not be recognised as one"
        + (tree.isSingleFile ? "" : ": its directory would be read by no command"),
      hint: "nothing was put in place; select more, or write another kind or one file with --as")
  }
}
