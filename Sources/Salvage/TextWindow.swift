import Disk
import LosslessJSON

/// A text that is read in pieces: each call gets what was left over and more behind it.
enum TextWindow {
  /// Text is looked at this many bytes at a time.
  static let step = 1 << 20

  /// Feeds `take` until the end; it returns how much it took, all of it once nothing follows.
  static func run(
    _ source: inout TextSource, _ take: (Span<UInt8>, _ isFinal: Bool) throws -> Int
  ) throws {
    var window = ByteBuffer()
    var ended = false
    while true {
      let wanted = window.count + max(step, window.count)
      while !ended, window.count < wanted {
        if try source.read(into: &window, atMost: wanted - window.count) == 0 { ended = true }
      }
      let used = try take(window.span, ended)
      window.removeFirst(used)
      if ended, window.isEmpty || used == 0 { return }
    }
  }
}
