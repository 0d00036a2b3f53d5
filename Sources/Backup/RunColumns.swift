import LosslessJSON
import Records
import Stores

/// The columns of several run histories that are merged into one: every column that any of them
/// has. A run has NULL in those that its own history lacks; all other values keep their bytes.
package struct RunColumns: Sendable {
  /// The columns that there will be, in their order: those of the history that has most of them,
  /// then what the others add.
  package let all: [[UInt8]]
  /// The sets of columns that occur, each once; for each store the number of its set.
  private let shapes: [Set<[UInt8]>]
  private let shapeOfStore: [Int?]

  /// Nil where no two of the stores are run histories of different columns.
  init?(_ stores: [OpenedColumns?]) {
    var shapes: [Set<[UInt8]>] = []
    var orders: [[[UInt8]]] = []
    shapeOfStore = stores.map { columns in
      guard let columns else { return nil }
      let set = Set(columns)
      if !orders.contains(columns) { orders.append(columns) }
      if let known = shapes.firstIndex(of: set) { return known }
      shapes.append(set)
      return shapes.count - 1
    }
    guard orders.count > 1 else { return nil }
    var all: [[UInt8]] = []
    for columns in orders.sorted(by: { $0.count > $1.count }) {
      for column in columns where !all.contains(column) { all.append(column) }
    }
    (self.all, self.shapes) = (all, shapes)
  }

  typealias OpenedColumns = [[UInt8]]

  /// The columns that the runs of a store lack.
  package func lacking(_ store: Int) -> [String] {
    guard let shape = shapeOfStore[store] else { return [] }
    return all.filter { !shapes[shape].contains($0) }.map { String(decoding: $0, as: UTF8.self) }
  }

  /// Gives a run all columns, NULL in those that its history lacks.
  func unite(_ record: inout Record) throws {
    guard record.kind == .run else { return }
    try record.text.parse(text(of: record, keeping: nil).span)
  }

  /// What a run that has all columns comes to for histories with fewer: for the number of each set of
  /// columns that is a part of its own, its hash with NULL in all others.
  func narrowed(_ record: borrowing Record, of store: Int) throws -> [MergeIndex.Narrowed] {
    guard record.kind == .run, let own = shapeOfStore[store] else { return [] }
    var found: [MergeIndex.Narrowed] = []
    for (number, shape) in shapes.enumerated() where shape.isStrictSubset(of: shapes[own]) {
      var part = Record()
      part.kind = .run
      part.scope = record.scope
      try part.text.parse(text(of: record, keeping: shape).span)
      found.append(MergeIndex.Narrowed(shape: number, hash: part.canonicalHash()))
    }
    return found
  }

  /// The number of the set of columns that a store's runs have.
  func shape(of store: Int) -> Int { shapeOfStore[store] ?? 0 }

  private func text(of record: borrowing Record, keeping shape: Set<[UInt8]>?) -> ByteBuffer {
    var out = ByteBuffer()
    var values: [[UInt8]: Int] = [:]
    for key in record.text.children(of: 0) { values[record.text.decoded(key)] = key + 1 }
    out.append(0x7B)
    for (index, column) in all.enumerated() {
      if index > 0 { out.append(0x2C) }
      appendJSONString(column.span, to: &out)
      out.append(0x3A)
      if let value = values[column], shape?.contains(column) ?? true {
        record.text.appendCompact(value, to: &out)
      } else {
        out.append("null")
      }
    }
    out.append(0x7D)
    return out
  }
}

extension RunColumns {
  /// The columns of a history's runs, in the order of its table; nil for a store without runs.
  static func columns(of store: OpenedStoreReading) throws -> OpenedColumns? {
    let sink = FirstRun()
    do { try store(sink) } catch is FirstRun.Found {}
    return sink.columns
  }

  /// Reads a store into a sink, as far as that wants it.
  typealias OpenedStoreReading = (any RecordSink) throws -> Void

  private final class FirstRun: RecordSink {
    struct Found: Error {}
    private(set) var columns: OpenedColumns?

    func take(_ record: inout Record) throws {
      if record.kind == .run, record.text.kind() == .object {
        columns = record.text.children(of: 0).map { record.text.decoded($0) }
      }
      throw Found()
    }
    func note(_ finding: Finding) {}
  }
}
