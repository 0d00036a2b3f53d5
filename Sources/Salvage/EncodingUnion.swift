import Disk
import LosslessJSON
import Records
import Stores
import SystemPackage

/// Puts the records of several encodings of one store together: each as often as the encoding
/// that has it most often.
///
/// Where one encoding is proven whole, by the digest of the store in the manifest, it is the
/// truth, and records of the others that it does not have were altered. Where none is, two that
/// agree on a record outvote the third.
final class EncodingUnion: RecordTaker {
  enum Encoding: Int { case verbatim, json, rtfs }

  private let writer: any StoreWriter
  private let sink: PieceSink?
  var encoding = Encoding.verbatim
  /// Where records go that came without a place.
  var place: FilePath?
  private(set) var filled = FilledRecords()
  private(set) var counts: [RecordKind: Int] = [:]
  /// How often each record was written, here or before.
  private(set) var written: [Hash256: Int]
  /// How often each was seen in the encodings that `seenIn` names.
  private var seen: [Encoding: [Hash256: Int]] = [:]
  private let truth: [Hash256: Int]?
  private let proven: Encoding?
  private let witness: EncodingWitness
  private var ids: [SalvagedID: Hash256] = [:]

  /// - Parameter sink: is told of records that are not taken.
  /// - Parameter proof: what is known to be all of the store.
  /// - Parameter written: records that were written elsewhere, which are left out.
  init(
    _ writer: any StoreWriter, sink: PieceSink?, witness: EncodingWitness,
    proof: EncodingWitness.Proof?, written: [Hash256: Int] = [:]
  ) {
    self.writer = writer
    self.sink = sink
    self.witness = witness
    self.written = written
    truth = proof?.records
    proven = proof?.encoding
  }

  func beginHybrid() { seen = [:] }

  func take(_ record: inout Record, isFromRTFS: Bool) throws {
    encoding = isFromRTFS ? .rtfs : .json
    try take(&record, at: place)
  }

  fileprivate func take(_ record: inout Record, at place: FilePath?) throws {
    let hash = record.canonicalHash()
    let count = (seen[encoding]?[hash] ?? 0) + 1
    seen[encoding, default: [:]][hash] = count
    if count <= written[hash] ?? 0 { return }
    if let truth, truth[hash] ?? 0 < count {
      let what = proven.map { "\(name($0)), proven whole" } ?? "the store, proven whole"
      sink?.note(
        Finding(
          .error, .encodingsDisagree,
          "was altered in \(name(encoding)): \(what) by the digest in the manifest, has no such "
            + "record", record: record.label))
      return
    }
    let id = SalvagedID(&record)
    if truth == nil, encoding == .verbatim, witness.outvotes(id, hash) {
      sink?.note(
        Finding(
          .error, .encodingsDisagree,
          "was altered in \(name(encoding)): the JSON and the RTFS snapshot agree on another one",
          record: record.label))
      return
    }
    if truth == nil, encoding != .verbatim, let other = ids[id], other != hash {
      filled.add(
        FilledRecord(record: record.label, origin: origin, state: .differs), .differs)
      return
    }
    do {
      try writer.write(&record, at: WritePlace(file: place))
    } catch let error as StoreError {
      sink?.note(Finding(.error, .unreadable, error.message, record: record.label))
      return
    }
    if encoding == .verbatim { ids[id] = hash }
    written[hash, default: 0] += 1
    counts[record.kind, default: 0] += 1
    if encoding != .verbatim {
      filled.add(FilledRecord(record: record.label, origin: origin))
    }
  }

  private var origin: String { name(encoding) }

  private func name(_ encoding: Encoding) -> String {
    switch encoding {
    case .verbatim: "the verbatim files"
    case .json: "the JSON snapshot of the same backup"
    case .rtfs: "the RTFS snapshot of the same backup"
    }
  }

  /// A sink for the records of the store's own files, which keep their places.
  func sinkOfFiles(_ tree: DiskTree) -> any RecordSink { FileRecords(self, tree) }

  func finish() throws {
    do { _ = try writer.finish() } catch let error as StoreError {
      // Too little is left to make a store of.
      sink?.note(Finding(.error, .unreadable, error.message))
    }
  }
}

private final class FileRecords: RecordSink {
  private let union: EncodingUnion
  private let tree: DiskTree

  init(_ union: EncodingUnion, _ tree: DiskTree) {
    self.union = union
    self.tree = tree
  }

  func take(_ record: inout Record) throws {
    try union.take(&record, at: tree.files[record.place.file].name)
  }

  func note(_ finding: Finding) {}
}
