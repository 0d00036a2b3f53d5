import Records

/// How records are made of the raw pieces of a store, by whoever gets to them.
///
/// A reader that only looks for where pieces end leaves parsing them to other threads: see
/// `RecordSink.take(_:by:)`.
package final class RecordReading: Sendable {
  /// - Parameter record: holds the piece, not parsed yet, and its place; both become the record's.
  /// - Returns: whether the piece is a record. What else is to be said of it is added to `findings`.
  package typealias Body = @Sendable (_ record: inout Record, _ findings: inout [Finding]) -> Bool

  let body: Body

  /// - Parameter body: called on any thread, for several pieces at once, in any order.
  package init(_ body: @escaping Body) { self.body = body }
}

extension RecordSink {
  package func take(_ piece: inout Record, by reading: RecordReading) throws {
    var findings: [Finding] = []
    let isRecord = reading.body(&piece, &findings)
    findings.forEach(note)
    if isRecord { try take(&piece) }
  }

  package func catchUp() throws {}
}
