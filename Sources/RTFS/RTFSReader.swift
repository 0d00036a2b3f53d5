import LosslessJSON
import Records

/// Reads the records of a snapshot, in their order: what `RTFSWriter` and `RTFSSnapshot` write,
/// upstream's own snapshots (of which the records have just the fields that stand there), and
/// records without lists around them. Any layout, comments in both forms.
///
/// Holds a window of the text that grows to a few times its longest record; a comment of any
/// length costs nothing.
package struct RTFSReader<Source: ByteSource & ~Copyable>: ~Copyable {
  private var cursor = RTFSCursor()
  private var source: Source
  private let window: Int

  /// - Parameters:
  ///   - window: how many bytes to hold at the least.
  ///   - longest: the length from which on a record may be refused as too long, in bytes, so that
  ///     a string without an end does not fill the memory.
  package init(
    _ source: consuming Source, window: Int = 1 << 18, longest: Int = JSONIndex.maximumLength
  ) {
    self.source = source
    self.window = window
    cursor.longest = longest
  }

  /// Reads the next record: kind, scope, text, and place with offset and length in the text.
  /// Returns false at the end. Throws `RTFSError` where the text is malformed, again at each
  /// further call, and what the source throws.
  package mutating func next(_ record: inout Record) throws -> Bool {
    while true {
      switch try cursor.next(&record) {
      case .record: return true
      case .end: return false
      case .needsMore: try fetch()
      }
    }
  }

  /// At least doubles what is left of the window, so that a long record, begun anew each time,
  /// takes time linear in its length.
  private mutating func fetch() throws {
    cursor.dropRead()
    let wanted = max(window, 2 * cursor.rest, 1)
    while cursor.rest < wanted {
      let count = try source.read(into: &cursor.window, atMost: wanted - cursor.rest)
      if count == 0 {
        cursor.isComplete = true
        return
      }
    }
  }
}
