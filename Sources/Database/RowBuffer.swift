import LosslessJSON
import Records

/// The tables that a migration fills, in the order of their statements.
package enum DataTable: UInt8, CaseIterable, Sendable {
  case records, texts, objects, intents, edges, entities, observations, relations, plans, actions,
    runs, tasks, users, projects

  /// Columns.
  var columnCount: Int {
    switch self {
    case .records, .entities: 11
    case .texts, .plans: 2
    case .objects, .actions, .projects: 4
    case .intents: 12
    case .edges, .relations: 5
    case .observations, .users: 3
    case .runs: 10
    case .tasks: 8
    }
  }

  /// The table for what records of a kind say; documents have none.
  static func of(_ kind: RecordKind) -> DataTable? {
    switch kind {
    case .intent: .intents
    case .edge: .edges
    case .entity: .entities
    case .relation: .relations
    case .plan: .plans
    case .action: .actions
    case .run: .runs
    case .task: .tasks
    case .user: .users
    case .project: .projects
    case .document: nil
    }
  }

  /// What stands for one object, or one run, already keeps its place.
  var sql: String {
    let keepsFirst = self == .objects || self == .runs
    let values = Array(repeating: "?", count: columnCount).joined(separator: ",")
    return "INSERT \(keepsFirst ? "OR IGNORE " : "")INTO \(self) VALUES (\(values))"
  }
}

/// Rows on their way from the threads that make them to the one that writes them: each a byte
/// for its table, then its cells, each a byte for its kind and what that needs.
struct RowBuffer {
  enum Cell: UInt8 {
    case null, integer, real, text, blob
    /// The number that the record gets, and that of its file: known when it is written.
    case record, file
  }

  /// In the place of a table, behind all other rows of a record: two cells follow, the title and
  /// the body that the full-text index has of it.
  static let words = 255

  static func begin(_ table: DataTable, _ out: inout ByteBuffer) { out.append(table.rawValue) }

  static func record(_ out: inout ByteBuffer) { out.append(Cell.record.rawValue) }
  static func file(_ out: inout ByteBuffer) { out.append(Cell.file.rawValue) }
  static func null(_ out: inout ByteBuffer) { out.append(Cell.null.rawValue) }

  static func integer(_ value: Int, _ out: inout ByteBuffer) {
    out.append(Cell.integer.rawValue)
    append(UInt64(bitPattern: Int64(value)), 8, &out)
  }

  static func real(_ value: Double, _ out: inout ByteBuffer) {
    out.append(Cell.real.rawValue)
    append(value.bitPattern, 8, &out)
  }

  static func text(_ bytes: Span<UInt8>, _ out: inout ByteBuffer) {
    out.append(Cell.text.rawValue)
    append(UInt64(bytes.count), 4, &out)
    out.append(bytes)
  }

  static func blob(_ bytes: Span<UInt8>, _ out: inout ByteBuffer) {
    out.append(Cell.blob.rawValue)
    append(UInt64(bytes.count), 4, &out)
    out.append(bytes)
  }

  /// The column of `records` that has the content hash; the canonical hash follows.
  static let contentColumn: Int32 = 9
  /// Bytes of a cell that is a hash, and where in it the hash is.
  static let hashSize = 37
  static func hash(at cell: Int) -> Range<Int> { cell + 5..<cell + hashSize }

  static func hash(_ hash: Hash256, _ out: inout ByteBuffer) {
    out.append(Cell.blob.rawValue)
    append(32, 4, &out)
    for word in [hash.a, hash.b, hash.c, hash.d] { append(word.byteSwapped, 8, &out) }
  }

  /// Appends the lower bytes of a number, the least significant first.
  @inline(__always)
  private static func append(_ value: UInt64, _ count: Int, _ out: inout ByteBuffer) {
    let end = out.count + count
    out.append(bytesOf: value.littleEndian)
    out.truncate(to: end)
  }
}
