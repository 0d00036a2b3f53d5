import LosslessJSON

/// The scope of a task: the JSON pointer (RFC 6901) of the keys above it, `/user/project`.
package enum TaskScope {
  /// One key as a step of the pointer, with its slash.
  package static func step(_ key: [UInt8]) -> [UInt8] {
    var out = ByteBuffer()
    out.append(pointerStep: key.span)
    return out.array
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
