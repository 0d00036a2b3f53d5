import Disk
import LosslessJSON
import Records
import SystemPackage

/// What a reader hands its records and findings to.
package protocol RecordSink: AnyObject {
  /// Borrows the record for the call.
  func take(_ record: inout Record) throws
  /// Borrows a piece of the store for the call: takes the record that `reading` makes of it, if
  /// any, and notes its findings, now or later, but before those of any piece that comes after.
  func take(_ piece: inout Record, by reading: RecordReading) throws
  /// Waits until `reading` has been asked about every piece taken.
  func catchUp() throws
  func note(_ finding: Finding)
  /// Says where the records to come were before they came into the file that is read, a database of
  /// stores: `path` is that of their file or, of a store of very many files, of the store, as the
  /// user would type it. A store that is new has nothing to do with those before it.
  func begin(_ path: String, isNewStore: Bool) throws
}

extension RecordSink {
  package func begin(_ path: String, isNewStore: Bool) throws {}
}

/// What the person asked of the reading.
package struct ReadOptions: Sendable {
  /// JSON pointer (RFC 6901) of the id within a document; nil: documents are known by line.
  package var idField: JSONPointer?

  package init(idField: JSONPointer? = nil) { self.idField = idField }
}

/// A kind of store: its name, how its content is recognised, and how its records are read.
///
/// A value. The list of kinds is assembled by the command line; a new kind is one more entry.
package struct StoreFormat: Sendable {
  /// As in `--kind` and in manifests.
  package let name: String
  /// One line for `--help`.
  package let summary: String
  /// The kinds of records it may hold.
  package let recordKinds: [RecordKind]
  /// Whether the content is of this kind. Formats are asked in the order of the list.
  package let recognises: @Sendable (any StoreTree) throws -> Bool
  /// Reads all files of the tree as far as they go: every record to the sink, every unreadable
  /// byte range as a finding. Throws only for what the disk or the sink throws.
  package let read: @Sendable (any StoreTree, ReadOptions, any RecordSink) throws -> Void
  /// Begins a store of this kind (see `writer`); nil for kinds that are not written as files.
  package let write: (@Sendable (WriteOptions) throws -> any StoreWriter)?
  /// The kinds of records that a store of this kind may hold when it is made from another kind:
  /// those that its owner has a place for.
  package let writableKinds: [RecordKind]
  /// The store as it is at one moment, for kinds whose owners write in place under locks of
  /// their own; nil for those whose files are read as they lie.
  package var freeze: (@Sendable (DiskTree) throws -> any StoreTree)?
  /// The kind of the stores that the records came from, and whether they were of one file each, for
  /// kinds that keep other stores; nil where they came from stores of several kinds.
  package var origin: (@Sendable (any StoreTree) throws -> (kind: String, isSingleFile: Bool)?)?
  /// The one store that lies in `tree`, as if it were named itself, for kinds that keep other
  /// stores; nil where several lie there that do not make one.
  package var kept: (@Sendable (any StoreTree) throws -> KeptStore?)?
  /// The contexts that records are read of; all where empty.
  package var contexts: [String] = []
  /// The same kind, reading only some contexts, for kinds that can tell them apart themselves.
  package var restrict: (@Sendable ([String]) -> StoreFormat)?

  /// The kind of store that the records of `tree` were made for.
  package func sourceKind(of tree: any StoreTree) throws -> String? {
    guard let origin else { return name }
    return try origin(tree)?.kind
  }

  package init(
    name: String, summary: String, recordKinds: [RecordKind],
    writableKinds: [RecordKind]? = nil,
    recognises: @escaping @Sendable (any StoreTree) throws -> Bool,
    read: @escaping @Sendable (any StoreTree, ReadOptions, any RecordSink) throws -> Void,
    write: (@Sendable (WriteOptions) throws -> any StoreWriter)? = nil
  ) {
    self.name = name
    self.summary = summary
    self.recordKinds = recordKinds
    self.writableKinds = writableKinds ?? recordKinds
    self.recognises = recognises
    self.read = read
    self.write = write
  }

  /// The file kinds of this room, in the order in which detection asks them.
  package static let fileFormats: [StoreFormat] = [
    .contentArchive, .intentSnapshot, .memoryGraph, .taskList, .jsonLines, .json,
  ]
}

/// A store that another one keeps, such as a database that it was migrated to.
package struct KeptStore {
  /// Its files by name; their bytes are to be had from `writeFiles` alone.
  package let tree: any StoreTree
  /// The store's own kind, which reads the records of `tree` from where they are kept.
  package let format: StoreFormat
  /// Writes the files as they were into a directory that exists; returns their names. Nil where
  /// they are no longer to be had, or only a part of them is meant.
  package let writeFiles: ((FilePath) throws -> [FilePath])?

  package init(
    _ tree: any StoreTree, as format: StoreFormat, writeFiles: ((FilePath) throws -> [FilePath])?
  ) {
    (self.tree, self.format, self.writeFiles) = (tree, format, writeFiles)
  }
}

/// A store could not be taken as any kind, or not as the kind that was asked for.
package struct StoreError: Error, Sendable, CustomStringConvertible {
  package enum Code: String, Sendable {
    case unknownKind = "unknown-kind"
    case notFound = "not-found"
    case refused
    case verificationFailed = "verification-failed"
    case usage
  }

  package var code: Code
  package var message: String
  package var path: String?
  /// Line, from 1, and byte offset of the record concerned, in the store that was read.
  package var line: Int?
  package var offset: Int?
  package var hint: String?

  package init(_ code: Code, _ message: String, path: String? = nil, hint: String? = nil) {
    self.code = code
    self.message = message
    self.path = path
    self.hint = hint
  }

  package var description: String { "\(path.map { "\($0): " } ?? "")\(message)" }
}

extension Array where Element == StoreFormat {
  /// The kind called `name`. Throws `unknownKind`, listing those there are.
  package func named(_ name: String) throws(StoreError) -> StoreFormat {
    if let format = first(where: { $0.name == name }) { return format }
    throw StoreError(
      .unknownKind, "there is no kind of store called \(name)",
      hint: "use one of \(map(\.name).joined(separator: ", "))")
  }

  /// The first kind that recognises the content. Throws `unknownKind` if none does.
  package func detect(_ tree: any StoreTree, path: String) throws -> StoreFormat {
    for format in self where try format.recognises(tree) { return format }
    if tree.isSingleFile, tree.files.first?.size == 0 {
      throw StoreError(
        .refused, "is empty", path: path,
        hint: "restore it from a backup, or name its kind with --kind if it is to be empty")
    }
    throw StoreError(
      .unknownKind, "is no store that Holdfast knows", path: path,
      hint: "name its kind with --kind, or a file of it if this is a directory of other things")
  }
}

/// A JSON pointer, RFC 6901: `/meta/id`; empty for the value itself.
package struct JSONPointer: Sendable, Equatable {
  package let steps: [[UInt8]]

  /// Nil for a text that is neither empty nor starts with a slash, or has a bad `~` escape.
  package init?(_ text: String) {
    guard text.isEmpty || text.utf8.first == 0x2F else { return nil }
    var steps: [[UInt8]] = []
    for part in text.utf8.split(separator: 0x2F, omittingEmptySubsequences: false).dropFirst() {
      var step: [UInt8] = []
      var rest = part[...]
      while let byte = rest.popFirst() {
        guard byte == 0x7E else {
          step.append(byte)
          continue
        }
        switch rest.popFirst() {
        case 0x30: step.append(0x7E)
        case 0x31: step.append(0x2F)
        default: return nil
        }
      }
      steps.append(step)
    }
    self.steps = steps
  }

  /// The value it points at, as an id: the inside of a string, the canonical text of anything
  /// else. Nil where there is none, or null.
  package func value(in text: inout JSONText) -> [UInt8]? {
    guard let at = token(in: text), text.kind(at) != .null else { return nil }
    if text.kind(at) == .string { return text.decoded(at) }
    var out = ByteBuffer()
    text.appendCanonical(at, to: &out)
    return out.array
  }

  /// The token of the value it points at; nil where there is none.
  package func token(in text: borrowing JSONText) -> Int? {
    var at = 0
    for step in steps {
      let children = text.children(of: at)
      switch text.kind(at) {
      case .object:
        guard let key = children.last(where: { text.decoded($0) == step }) else { return nil }
        at = key + 1
      case .array:
        guard let index = Int(String(decoding: step, as: UTF8.self)), children.indices ~= index
        else { return nil }
        at = children[index]
      default: return nil
      }
    }
    return at
  }
}
