/// A growable run of bytes, kept between uses so that a loop over records allocates once.
///
/// The one place of this room that writes memory without a bounds check: each write goes below
/// `storage.count`, which `reserve` has raised before. A value type, so it may cross threads.
package struct ByteBuffer: Sendable {
  @usableFromInline var storage: [UInt8]
  @usableFromInline var used: Int

  package init() {
    storage = []
    used = 0
  }

  package init(_ bytes: some Collection<UInt8>) {
    storage = Array(bytes)
    used = storage.count
  }

  package init(_ text: StaticString) {
    self.init(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  /// The number of bytes held.
  @inlinable package var count: Int { used }
  @inlinable package var isEmpty: Bool { used == 0 }

  /// The bytes held, in place; borrows the buffer.
  @inlinable @inline(__always) package var span: Span<UInt8> {
    @_lifetime(borrow self)
    borrowing get { storage.span.extracting(first: used) }
  }

  /// A copy of the bytes held.
  package var array: [UInt8] { Array(storage[0..<used]) }

  @inlinable package subscript(index: Int) -> UInt8 {
    precondition(index < used)
    return storage[index]
  }

  /// Forgets the bytes and keeps the memory.
  @inlinable package mutating func removeAll() { used = 0 }

  /// Forgets all bytes after the first `count`.
  @inlinable package mutating func truncate(to count: Int) {
    precondition(count <= used)
    used = count
  }

  /// Makes room for `extra` bytes after those held.
  @inlinable @inline(__always) package mutating func reserve(_ extra: Int) {
    if used + extra > storage.count { grow(extra) }
  }

  @usableFromInline mutating func grow(_ extra: Int) {
    let wanted = max(used + extra, storage.count * 2, 64)
    var larger = [UInt8](unsafeUninitializedCapacity: wanted) { memory, initialized in
      memory.initialize(repeating: 0)
      initialized = wanted
    }
    storage.withUnsafeBytes { source in
      larger.withUnsafeMutableBytes { target in
        target.copyMemory(from: UnsafeRawBufferPointer(rebasing: source[0..<used]))
      }
    }
    storage = larger
  }

  @inlinable @inline(__always) package mutating func append(_ byte: UInt8) {
    reserve(1)
    storage[used] = byte
    used += 1
  }

  @inlinable @inline(__always) package mutating func append(_ bytes: Span<UInt8>) {
    let length = bytes.count
    if length == 0 { return }
    reserve(length)
    let start = used
    storage.withUnsafeMutableBytes { target in
      bytes.withUnsafeBytes { source in
        guard let to = target.baseAddress, let from = source.baseAddress else { return }
        (to + start).copyMemory(from: from, byteCount: length)
      }
    }
    used += length
  }

  /// Appends `first`, then the 8 bytes of `number`, the most significant first.
  @inlinable @inline(__always)
  package mutating func append(_ first: UInt8, bigEndian number: UInt64) {
    reserve(9)
    let start = used
    storage.withUnsafeMutableBytes { target in
      target[start] = first
      target.storeBytes(of: number.bigEndian, toByteOffset: start + 1, as: UInt64.self)
    }
    used += 9
  }

  @inlinable package mutating func append(_ text: StaticString) {
    let length = text.utf8CodeUnitCount
    reserve(length)
    let start = used
    storage.withUnsafeMutableBytes { target in
      guard let to = target.baseAddress else { return }
      (to + start).copyMemory(from: text.utf8Start, byteCount: length)
    }
    used += length
  }

  @inlinable package mutating func append(_ bytes: [UInt8]) { append(bytes.span) }

  /// Appends the bytes of a number as they lie in memory: `value.bigEndian` for the most
  /// significant first.
  @inlinable @inline(__always)
  package mutating func append(bytesOf value: some FixedWidthInteger & BitwiseCopyable) {
    withUnsafeBytes(of: value) { append(Span(_unsafeBytes: $0)) }
  }

  /// The UTF-8 of a string of our own; never for text that comes from a store.
  @inlinable package mutating func append(utf8 text: String) {
    for byte in text.utf8 { append(byte) }
  }

  package mutating func append(decimal value: Int) { append(utf8: String(value)) }

  /// Removes the first `count` bytes; the rest moves to the front.
  package mutating func removeFirst(_ count: Int) {
    precondition(count <= used)
    let rest = used - count
    storage.withUnsafeMutableBytes { memory in
      guard count > 0, rest > 0, let base = memory.baseAddress else { return }
      base.copyMemory(from: base + count, byteCount: rest)
    }
    used = rest
  }

  /// Lets `body` write up to `capacity` bytes behind those held; it returns how many it wrote.
  @inlinable package mutating func append<Failure: Error>(
    atMost capacity: Int,
    _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Int
  ) throws(Failure) -> Int {
    reserve(capacity)
    let start = used
    var written = 0
    var failure: Failure?
    storage.withUnsafeMutableBytes { memory in
      let room = UnsafeMutableRawBufferPointer(rebasing: memory[start..<(start + capacity)])
      do throws(Failure) { written = try body(room) } catch { failure = error }
    }
    if let failure { throw failure }
    precondition(written >= 0 && written <= capacity)
    used += written
    return written
  }
}

/// Writes into room that was reserved before: who owns it is asked once, not at each byte.
/// Every write is checked against the end of that room.
package struct ByteWriter: ~Copyable, ~Escapable {
  private var room: MutableSpan<UInt8>
  /// Where the next byte goes, counted from the start of the buffer.
  package private(set) var end: Int

  @_lifetime(copy room)
  fileprivate init(_ room: consuming MutableSpan<UInt8>, from end: Int) {
    self.room = room
    self.end = end
  }

  @inline(__always)
  package mutating func append(_ byte: UInt8) {
    room[end] = byte
    end &+= 1
  }

  @inline(__always)
  package mutating func append(_ bytes: Span<UInt8>) {
    let length = bytes.count
    precondition(length <= room.count &- end)
    let start = end
    room.withUnsafeMutableBytes { target in
      bytes.withUnsafeBytes { source in
        guard let to = target.baseAddress, let from = source.baseAddress else { return }
        (to + start).copyMemory(from: from, byteCount: length)
      }
    }
    end &+= length
  }
}

extension ByteBuffer {
  /// Writes into room for `capacity` bytes behind those held; `commit` makes what was written
  /// there part of them.
  @_lifetime(&self)
  @inline(__always)
  package mutating func writer(atMost capacity: Int) -> ByteWriter {
    reserve(capacity)
    let end = used
    return ByteWriter(storage.mutableSpan, from: end)
  }

  /// Takes in what a writer has written up to `end`.
  @inline(__always)
  package mutating func commit(to end: Int) {
    precondition(end >= used && end <= storage.count)
    used = end
  }
}

/// Where bytes come from, in order: a file, a member of an archive, a decompressor.
package protocol ByteSource: ~Copyable {
  /// Appends up to `limit` bytes to `buffer` and returns how many; 0 only at the end.
  /// A source that ends before its time throws, so a short read is never taken for the end.
  mutating func read(into buffer: inout ByteBuffer, atMost limit: Int) throws -> Int
}
