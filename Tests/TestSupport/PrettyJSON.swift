/// JSON as people and their tools write it: over several lines.
package enum PrettyJSON {
  /// The record over several lines, as `indent` spaces deep as it stands in its container.
  package static func text(_ record: [UInt8], indent: Int = 0) -> [UInt8] {
    var out: [UInt8] = []
    var depth = 0
    var isString = false
    var isEscaped = false
    func feed() {
      out.append(0x0A)
      out += [UInt8](repeating: 0x20, count: indent + 2 * depth)
    }
    for byte in record {
      if isString {
        out.append(byte)
        if isEscaped {
          isEscaped = false
        } else if byte == 0x5C {
          isEscaped = true
        } else if byte == 0x22 {
          isString = false
        }
        continue
      }
      let last = out.last ?? 0
      switch byte {
      case 0x7B, 0x5B:
        if last == 0x7B || last == 0x5B { feed() }
        out.append(byte)
        depth += 1
      case 0x7D, 0x5D:
        depth -= 1
        if last != 0x7B, last != 0x5B { feed() }
        out.append(byte)
      case 0x2C:
        out.append(byte)
        feed()
      case 0x3A: out += [byte, 0x20]
      default:
        if last == 0x7B || last == 0x5B { feed() }
        out.append(byte)
        if byte == 0x22 { isString = true }
      }
    }
    return out
  }
}
