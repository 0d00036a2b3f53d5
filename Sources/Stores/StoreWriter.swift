import Disk
import LosslessJSON
import Records
import SystemPackage

/// Where a record belongs in the store being written, as far as that is known.
package struct WritePlace: Sendable {
  /// The file that the record came from, by its name in the store; writers of one file pass over
  /// it. Nil: the kind's own usual place.
  package var file: FilePath?
  /// The context of a memory graph, where the graph is written as a directory of contexts.
  package var context: [UInt8]?
  /// Permission bits of the file, where this record is the first in it.
  package var mode: Int

  package init(file: FilePath? = nil, context: [UInt8]? = nil, mode: Int = 0o600) {
    self.file = file
    self.context = context
    self.mode = mode
  }
}

/// What a store is to be written as.
package struct WriteOptions: Sendable {
  /// How a memory graph is laid out.
  package enum Layout: String, Sendable {
    /// In the files that `WritePlace` names.
    case files
    /// In one file.
    case oneFile = "one-file"
    /// In a directory of contexts, by `WritePlace.context`.
    case contexts
  }

  /// A directory that exists and is not under its final name yet: the files are made in it, and
  /// what must be put in order first waits in nameless files of its file system.
  package var directory: FilePath
  /// The name of the file, for stores of one; nil: for records of the same kind of store the one
  /// that `WritePlace` names first, else the kind's usual name.
  package var fileName: FilePath?
  /// The kind of the store that the records come from; nil where they come from none.
  package var sourceKind: String?
  package var layout = Layout.files
  /// Unix seconds, for formats that say when they were written.
  package var time = 0

  package init(directory: FilePath) { self.directory = directory }

  /// The name of the one file of a store of the kind `kind`: the one asked for, the source's own
  /// where that is of the same kind, or the kind's usual one.
  func fileName(_ kind: StoreFormat, _ place: WritePlace?, usual: FilePath) -> FilePath {
    fileName ?? (sourceKind == kind.name ? place?.file : nil) ?? usual
  }
}

/// What a writer has made.
package struct WrittenStore: Sendable {
  /// The store: a file in the directory, or the directory itself.
  package var root: FilePath
  /// Files, by name in the directory, in the order in which they were begun.
  package var files: [FilePath]

  package init(root: FilePath, files: [FilePath]) {
    self.root = root
    self.files = files
  }
}

/// Writes records as the files of one kind of store: the reverse of `StoreFormat.read`.
///
/// Files are staged (see `StagedFile`): a writer that is dropped leaves them unfinished in a
/// directory that its owner removes. Nothing is renamed or replaced. Memory does not grow with
/// the number of records, apart from what the format has to have sorted, which is spilled.
package protocol StoreWriter: AnyObject {
  /// Takes the next record, in store order, borrowed for the call; its compact bytes are written
  /// unchanged. Throws `StoreError.refused`, naming the record and the reason, where a store of
  /// this kind could not hold the record such that it reads back with the same canonical hash.
  func write(_ record: inout Record, at place: WritePlace) throws
  /// Ends the files. Call once.
  func finish() throws -> WrittenStore
}

extension StoreFormat {
  /// A writer of this kind. Throws `refused` for a kind that is not written as files.
  package func writer(_ options: WriteOptions) throws -> any StoreWriter {
    guard let write else {
      throw StoreError(
        .refused, "a store of the kind \(name) cannot be written from single records",
        hint: "choose another kind with --as")
    }
    return try write(options)
  }

  /// Why a store of this kind cannot be made of `kinds` from a store of `source`; nil if it can,
  /// as far as the kinds tell. A kind always holds what was read from the same kind.
  package func refusal(of kinds: some Sequence<RecordKind>, from source: String?) -> StoreError? {
    guard write != nil else {
      return StoreError(
        .refused, "a store of the kind \(name) cannot be written from single records",
        hint: "choose another kind with --as")
    }
    guard source != name else { return nil }
    let foreign = kinds.filter { !writableKinds.contains($0) }.sorted()
    guard !foreign.isEmpty else { return nil }
    let held = writableKinds.map(\.plural).joined(separator: ", ")
    return StoreError(
      .refused,
      "a store of the kind \(name) has no place for \(foreign.map(\.plural).joined(separator: ", "))",
      hint: "it holds \(held); choose another kind, or \(StoreError.leavingOut)")
  }

  /// Throws what `refusal` says of a single record.
  func check(_ record: borrowing Record, from source: String?) throws {
    guard let error = refusal(of: CollectionOfOne(record.kind), from: source) else { return }
    throw StoreError.refusal(of: record, error.message, hint: error.hint)
  }
}

extension StoreError {
  /// What to do with records that a kind has no place for, whichever verb met them.
  static let leavingOut = "take what it holds out of a backup with restore --select"

  /// The refusal of one record: named by its label, its line and its offset in its source.
  package static func refusal(
    of record: borrowing Record, _ reason: String, hint: String? = nil
  ) -> StoreError {
    var error = StoreError(.refused, "\(record.label): \(reason)", hint: hint)
    error.line = record.place.line > 0 ? record.place.line : nil
    error.offset = record.place.offset
    return error
  }
}

/// The files that a writer has begun, by name. Few are open at a time, so that a store of many
/// files needs no more descriptors than one of few.
final class StagedFiles {
  private let directory: FilePath
  private var open: [(name: FilePath, file: StagedFile)] = []
  /// In the order in which they were begun.
  private(set) var names: [FilePath] = []
  private var modes: [FilePath: Int] = [:]
  private static let openLimit = 32

  init(in directory: FilePath) { self.directory = directory }

  /// The file called `name`, made if need be. Throws `refused` for a name that leads elsewhere.
  func file(_ name: FilePath, mode: Int) throws -> StagedFile {
    if let last = open.last, last.name == name { return last.file }
    if let index = open.firstIndex(where: { $0.name == name }) {
      let found = open.remove(at: index)
      open.append(found)
      return found.file
    }
    guard name.root == nil, !name.isEmpty, name.components.allSatisfy({ $0.kind == .regular })
    else { throw StoreError(.refused, "the file name \(name) leads out of the store") }
    if open.count == Self.openLimit { try open.removeFirst().file.close() }
    let path = directory.pushing(name)
    let file: StagedFile
    if modes[name] == nil {
      file = try StagedFile(path)
      names.append(name)
      modes[name] = mode
    } else {
      file = try StagedFile(reopening: path)
    }
    open.append((name, file))
    return file
  }

  /// Ends all of them, each with its mode.
  func close() throws {
    for entry in open { try entry.file.close() }
    open = []
    for (name, mode) in modes where mode != 0o600 {
      try Disk.setMode(directory.pushing(name), mode)
    }
  }
}
