import Crypto
import LosslessJSON

/// Where a record or a finding lies in a store.
package struct RecordPlace: Sendable, Equatable {
  /// Index of the file in the store's list of files.
  package var file: Int {
    get { Int(fileNumber) }
    set { fileNumber = UInt32(clamping: newValue) }
  }
  /// Byte offset in that file.
  package var offset: Int
  /// Bytes.
  package var length: Int {
    get { Int(byteCount) }
    set { byteCount = UInt32(clamping: newValue) }
  }
  /// Counted from 1; 0 where lines mean nothing.
  package var line: Int {
    get { Int(lineNumber) }
    set { lineNumber = UInt32(clamping: newValue) }
  }
  /// Narrow, for the rules keep a place for each name that is still open.
  private var fileNumber: UInt32
  private var byteCount: UInt32
  private var lineNumber: UInt32

  package init(file: Int = 0, offset: Int = 0, length: Int = 0, line: Int = 0) {
    self.offset = offset
    fileNumber = UInt32(clamping: file)
    byteCount = UInt32(clamping: length)
    lineNumber = UInt32(clamping: line)
  }
}

/// One record: its kind, its exact bytes with their tokens, and where it came from.
///
/// Readers fill one and lend it for each record in turn; copy what must outlive the call.
package struct Record: Sendable {
  package var kind: RecordKind = .document
  /// What the container says of the record and the record itself does not: the key of a map
  /// where it differs from the id. Nearly always empty. Part of the canonical hash.
  package var scope: [UInt8] = []
  package var text = JSONText()
  package var place = RecordPlace()
  /// For documents: the id taken from `--id-field`. Otherwise the line number serves.
  package var documentID: [UInt8]?
  /// Whether that is the text of a string: `"1"` and `1` are two ids.
  package var documentIDIsText = true
  private var scratch = ByteBuffer()
  private var hasher = RecordHasher()

  package init() {}

  /// The token of the object that carries the fields: the record itself or, in the older nested
  /// form `{"type":"entity","data":{…}}`, what lies under `data`.
  package var body: Int {
    switch kind {
    case .entity, .relation:
      let name: StaticString = kind == .entity ? "name" : "from"
      if text.member(name) == nil, let data = text.member("data"), text.kind(data) == .object {
        return data
      }
      return 0
    default: return 0
    }
  }

  /// SHA-256 of the compact bytes: whitespace outside strings removed, all else as stored.
  package mutating func contentHash() -> Hash256 {
    scratch.removeAll()
    text.appendCompact(to: &scratch)
    return Hash256(of: scratch.span)
  }

  /// SHA-256 of kind, LF, scope, LF, canonical form: the record's identity across tools that
  /// shuffle keys or reformat numbers.
  package mutating func canonicalHash() -> Hash256 {
    var hasher = RecordHasher()
    swap(&hasher, &self.hasher)
    defer { swap(&hasher, &self.hasher) }
    return hasher.canonicalHash(of: &self)
  }

  /// Appends the id as DESIGN's table of kinds has it, UTF-8: the name, the key field,
  /// `from -type-> to`, or `user/project/id` as far as a task has them (see `TaskScope`); a number
  /// in canonical form. Documents without an id field, and records that lack theirs, are `line N`, or where
  /// several may share a line `byte N`, and rows of a table nothing at all.
  /// Returns whether the record had an id of its own.
  @discardableResult
  package func appendID(to out: inout ByteBuffer) -> Bool {
    let object = body
    let start = out.count
    func append(_ key: StaticString) -> Bool {
      guard let token = text.member(key, of: object) else { return false }
      switch text.kind(token) {
      case .string: text.appendDecoded(token, to: &out)
      case .number: appendCanonicalNumber(text.source(of: token), to: &out)
      default: return false
      }
      return true
    }
    func appendEnds(_ type: StaticString) -> Bool {
      guard append("from") else { return false }
      out.append(" -")
      guard append(type) else { return false }
      out.append("-> ")
      return append("to")
    }
    let found: Bool
    switch kind {
    case .entity: found = append("name")
    case .relation: found = appendEnds("relationType")
    case .intent: found = append("intent_id")
    case .edge: found = appendEnds("edge_type")
    case .plan: found = append("plan_id")
    case .action: found = append("action_id")
    case .run: found = append("run_id")
    case .project: found = append("id")
    case .task:
      if !scope.isEmpty {
        TaskScope.appendShown(scope, to: &out)
        out.append(0x2F)
      }
      found = append("id")
    case .user: found = append("username")
    case .document:
      if let documentID { out.append(documentID) }
      found = documentID != nil
    }
    if !found {
      out.truncate(to: start)
      if !scope.isEmpty, kind != .task {
        out.append(scope)
      } else if isLine {
        out.append("line ")
        out.append(decimal: place.line)
      } else if kind == .run {
        out.append("without an id")
      } else {
        out.append("byte ")
        out.append(decimal: place.offset)
      }
    }
    return found
  }

  /// Whether records of this kind lie a line each.
  private var isLine: Bool { [.document, .entity, .relation].contains(kind) }

  /// Whether the record is a document or a task whose id is no string: `1` is another id than `"1"`.
  package var hasValueID: Bool {
    if kind == .task { return text.member("id").map { text.kind($0) == .number } ?? false }
    return kind == .document && documentID != nil && !documentIDIsText
  }

  /// The id for a person to read, as in `entity:Ada`; bytes that are no UTF-8 are shown as U+FFFD.
  package var label: String {
    var out = ByteBuffer()
    out.append(kind.word)
    out.append(0x3A)
    appendID(to: &out)
    return String(decoding: out.array, as: UTF8.self)
  }
}

/// What hashing needs beside the record. Several records that are hashed in turn may share one:
/// it costs memory once, and stays in the processor's caches.
package struct RecordHasher: Sendable {
  private var writer = CanonicalWriter()
  private var scratch = ByteBuffer()

  package init() {}

  /// See `Record.canonicalHash`. The record is lent for writing only so that it is not copied.
  package mutating func canonicalHash(of record: inout Record) -> Hash256 {
    scratch.removeAll()
    scratch.append(record.kind.word)
    scratch.append(0x0A)
    if !record.scope.isEmpty { scratch.append(record.scope) }
    scratch.append(0x0A)
    record.text.appendCanonical(with: &writer, to: &scratch)
    return Hash256(of: scratch.span)
  }
}

extension RecordKind {
  /// The raw value, without a string being made.
  package var word: StaticString {
    switch self {
    case .intent: "intent"
    case .edge: "edge"
    case .entity: "entity"
    case .relation: "relation"
    case .plan: "plan"
    case .action: "action"
    case .run: "run"
    case .task: "task"
    case .user: "user"
    case .project: "project"
    case .document: "document"
    }
  }
}
