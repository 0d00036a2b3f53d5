import CZstd
import Glibc
import LosslessJSON

/// What libzstd says is wrong.
struct ZstandardError: Error {
  var message: String

  init(_ code: Int) { message = String(cString: ZSTD_getErrorName(code)) }
  init(_ message: String) { self.message = message }
}

/// The owner of a compression context: one frame at a time, used again for the next.
/// One of the three files of this room that touch raw memory.
struct ZstandardCompressor: ~Copyable {
  private let context: OpaquePointer
  /// Room for the worst case; pages that no frame has needed are never touched.
  private let scratch: UnsafeMutableRawPointer
  private let capacity: Int

  /// For frames of up to `Frame.contentLimit` bytes.
  init(level: Int) throws(ZstandardError) {
    let capacity = ZSTD_compressBound(Frame.contentLimit)
    let context = try Self.context(level: level)
    scratch = try Self.scratch(capacity, for: context)
    self.context = context
    self.capacity = capacity
  }

  private static func scratch(_ capacity: Int, for context: OpaquePointer)
    throws(ZstandardError) -> UnsafeMutableRawPointer
  {
    guard let scratch = malloc(capacity) else {
      ZSTD_freeCCtx(context)
      throw ZstandardError("no memory for a compressor")
    }
    return scratch
  }

  private static func context(level: Int) throws(ZstandardError) -> OpaquePointer {
    guard let context = ZSTD_createCCtx() else {
      throw ZstandardError("no memory for a compressor")
    }
    do throws(ZstandardError) {
      try check(ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, CInt(level)))
      try check(ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1))
      try check(ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 1))
    } catch {
      ZSTD_freeCCtx(context)
      throw error
    }
    return context
  }

  deinit {
    ZSTD_freeCCtx(context)
    free(scratch)
  }

  private static func check(_ result: Int) throws(ZstandardError) {
    if ZSTD_isError(result) != 0 { throw ZstandardError(result) }
  }

  /// Appends one frame with its content size and checksum.
  borrowing func compress(_ content: Span<UInt8>, into output: inout ByteBuffer)
    throws(ZstandardError)
  {
    let count = content.withUnsafeBytes { bytes in
      ZSTD_compress2(context, scratch, capacity, bytes.baseAddress, bytes.count)
    }
    try Self.check(count)
    output.append(Span(_unsafeBytes: UnsafeRawBufferPointer(start: scratch, count: count)))
  }
}

/// The owner of a decompression context.
struct ZstandardDecompressor: ~Copyable {
  private let context: OpaquePointer
  /// Log2 of the most memory that a streamed frame may ask for as its window: 128 MiB.
  private static let windowLimit: CInt = 27

  init() throws(ZstandardError) {
    context = try Self.context()
    // Cannot fail: the limit is within the bounds of every version.
    ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, Self.windowLimit)
  }

  private static func context() throws(ZstandardError) -> OpaquePointer {
    guard let context = ZSTD_createDCtx() else {
      throw ZstandardError("no memory for a decompressor")
    }
    return context
  }

  deinit { ZSTD_freeDCtx(context) }

  /// Appends the content of one whole frame, which must come to `contentSize` bytes exactly.
  /// `output` is as it was before when this throws.
  borrowing func decompress(
    _ frame: Span<UInt8>, contentSize: Int, into output: inout ByteBuffer
  ) throws(ZstandardError) {
    _ = try output.append(atMost: contentSize) { room throws(ZstandardError) -> Int in
      let result = frame.withUnsafeBytes { bytes in
        ZSTD_decompressDCtx(context, room.baseAddress, room.count, bytes.baseAddress, bytes.count)
      }
      if ZSTD_isError(result) != 0 { throw ZstandardError(result) }
      if result != contentSize { throw ZstandardError("content is shorter than the frame says") }
      return result
    }
  }

  /// Forgets a half-read stream.
  borrowing func reset() { ZSTD_DCtx_reset(context, ZSTD_reset_session_only) }

  /// One step of a stream: reads from the front of `input`, appends up to `limit` bytes.
  /// `atEnd` says that a frame is complete and its checksum right.
  borrowing func step(_ input: Span<UInt8>, into output: inout ByteBuffer, atMost limit: Int)
    throws(ZstandardError) -> (consumed: Int, produced: Int, atEnd: Bool)
  {
    var consumed = 0
    var rest = 0
    let produced = try output.append(atMost: limit) { room throws(ZstandardError) -> Int in
      input.withUnsafeBytes { bytes in
        var source = ZSTD_inBuffer(src: bytes.baseAddress, size: bytes.count, pos: 0)
        var target = ZSTD_outBuffer(dst: room.baseAddress, size: room.count, pos: 0)
        rest = ZSTD_decompressStream(context, &target, &source)
        consumed = source.pos
        return target.pos
      }
    }
    if ZSTD_isError(rest) != 0 { throw ZstandardError(rest) }
    return (consumed, produced, rest == 0)
  }
}
