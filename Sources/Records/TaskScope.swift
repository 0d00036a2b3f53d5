import LosslessJSON

/// The scope of a task: the JSON pointer (RFC 6901) of the keys above it, `/user/project`.
package enum TaskScope {
  /// One key as a step of the pointer, with its slash.
  package static func step(_ key: [UInt8]) -> [UInt8] {
    var out = ByteBuffer()
    out.append(pointerStep: key.span)
    return out.array
  }

  /// Appends the keys of a scope as ids show them, without the slash in front: as they are but for
  /// `/`, which is `~1`, and `~` where a `0` or a `1` follows, which is `~0`. So no two scopes look
  /// the same, and a user called `~` is shown as one.
  package static func appendShown(_ scope: [UInt8], to out: inout ByteBuffer) {
    for index in scope.indices.dropFirst() {
      let isMark = scope[index] == 0x30 && scope[index - 1] == 0x7E
      let next = index + 1 < scope.count ? scope[index + 1] : 0x2F
      // The mark of a tilde is wanted only where what follows would be taken for one.
      if isMark, next != 0x30, next != 0x31 { continue }
      out.append(scope[index])
    }
  }

  /// The keys of a scope, user first; nil for one that is no pointer of two steps at most.
  package static func keys(_ scope: [UInt8]) -> [[UInt8]]? {
    if scope.isEmpty { return [] }
    guard scope[0] == 0x2F else { return nil }
    var keys: [[UInt8]] = []
    for part in scope.dropFirst().split(separator: 0x2F, omittingEmptySubsequences: false) {
      var key: [UInt8] = []
      var rest = part
      while let byte = rest.popFirst() {
        guard byte == 0x7E else {
          key.append(byte)
          continue
        }
        guard let mark = rest.popFirst(), mark == 0x30 || mark == 0x31 else { return nil }
        key.append(mark == 0x30 ? 0x7E : 0x2F)
      }
      keys.append(key)
    }
    return keys.count <= 2 ? keys : nil
  }
}
