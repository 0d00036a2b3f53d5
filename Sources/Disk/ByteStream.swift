import LosslessJSON
import Records

/// A source of bytes whose origin does not matter: a file, a member of an archive, a tap on one.
/// Single owner; not for use from two threads.
package final class ByteStream: ByteSource {
  private let pull: (inout ByteBuffer, Int) throws -> Int
  /// Bytes given so far.
  package private(set) var position = 0

  /// - Parameter pull: appends up to the given number of bytes; returns how many, 0 at the end.
  package init(_ pull: @escaping (inout ByteBuffer, Int) throws -> Int) { self.pull = pull }

  package func read(into buffer: inout ByteBuffer, atMost limit: Int) throws -> Int {
    let count = try pull(&buffer, limit)
    position += count
    return count
  }

  /// Reads to the end and forgets the bytes, so that a tap sees all of them.
  package func drain() throws {
    var scrap = ByteBuffer()
    while try read(into: &scrap, atMost: 256 << 10) > 0 { scrap.removeAll() }
  }

  /// The hash of all bytes from here to the end.
  package func hash() throws -> Hash256 {
    var hasher = Hasher256()
    var block = ByteBuffer()
    while try read(into: &block, atMost: 256 << 10) > 0 {
      hasher.update(block.span)
      block.removeAll()
    }
    return hasher.finish()
  }
}
