extension ByteBuffer {
  /// Appends one key as a step of a JSON pointer (RFC 6901), with the slash before it.
  package mutating func append(pointerStep key: Span<UInt8>) {
    append(0x2F)
    for index in key.indices {
      switch key[index] {
      case 0x7E: append("~0")
      case 0x2F: append("~1")
      case let byte: append(byte)
      }
    }
  }
}
