import LosslessJSON

/// Turns content into frames: zstd frames, gzip members, or itself.
///
/// Frames are compressed on background threads while the caller produces the next; the output
/// comes in order, on the caller's thread, during `write`, `cut` and `finish`. The bytes depend
/// on the content, the cuts and the compression only, never on the number of workers.
///
/// Memory: a content buffer of 4 MiB for each worker and two more, or many small ones together, one compressed frame for each
/// worker and one more, and what the level itself takes (libzstd: about 1 MiB a worker at level
/// 1, 50 MiB at level 19). With 2 workers that is 16 MiB of content.
///
/// One owner, one thread. After the first error every call throws that error again. A writer
/// that is dropped without `finish` has not written all of its content.
package final class FrameWriter {
  /// Content bytes taken in so far.
  package private(set) var contentSize = 0
  /// Compressed bytes handed to the output so far.
  package private(set) var compressedSize = 0
  /// The frames handed to the output so far; offsets count from the writer's first byte. For
  /// `Compression.none` these are the same stretches, as they are.
  package private(set) var frames: [Frame] = []

  private let output: (Span<UInt8>) throws -> Void
  /// Nil where nothing is compressed.
  private let pool: CompressionPool?
  private let limit: Int
  private let contentLimit: Int
  private var filling = ByteBuffer()
  private var plainCount = 0
  private var jobs: [FrameJob] = []
  /// Bytes of content in `jobs`.
  private var waiting = 0
  private var spares: [ByteBuffer] = []
  private var delivered = 0
  private var failure: (any Error)?

  /// Throws `failed` where there is no memory for the compressors, `invalidSetting` for a level
  /// out of range.
  package convenience init(
    _ compression: Compression, workers: Int = 2,
    output: @escaping (Span<UInt8>) throws -> Void
  ) throws(ArchiveError) {
    let pool = try CompressionPool(compression, workers: workers)
    self.init(pool, output: output)
  }

  /// Writes through a pool that several writers share, for the memory of one.
  /// - Parameter contentLimit: the most content a frame holds; at most `Frame.contentLimit`.
  package init(
    _ pool: CompressionPool, contentLimit: Int = Frame.contentLimit,
    output: @escaping (Span<UInt8>) throws -> Void
  ) {
    self.output = output
    self.pool = pool.compression == .none ? nil : pool
    self.contentLimit = min(contentLimit, Frame.contentLimit)
    limit = pool.workers + 1
  }

  /// Takes in content. What `output` throws comes out as it is.
  package func write(_ bytes: Span<UInt8>) throws {
    try guarded {
      var start = 0
      while start < bytes.count {
        let held = pool == nil ? plainCount : filling.count
        let end = min(bytes.count, start + contentLimit - held)
        let piece = bytes.extracting(start..<end)
        if pool == nil { try pass(piece) } else { take(piece) }
        contentSize += piece.count
        start = end
        if held + piece.count == contentLimit { try close() }
      }
    }
  }

  package func write(_ bytes: [UInt8]) throws { try write(bytes.span) }

  /// Takes in the whole content of a frame, `Frame.contentLimit` bytes at most, without copying it.
  /// What was written before ends in a frame of its own. Returns an empty buffer for the next one.
  package func write(frame content: ByteBuffer) throws -> ByteBuffer {
    precondition(content.count <= Frame.contentLimit)
    try cut()
    if content.isEmpty { return content }
    contentSize += content.count
    guard pool != nil else {
      try guarded { try pass(content.span) }
      return ByteBuffer()
    }
    try guarded { try submit(content) }
    return spares.popLast() ?? ByteBuffer()
  }

  /// Ends the frame: the next byte starts a new one. Nothing happens where nothing was written
  /// since the last cut.
  package func cut() throws { try guarded { try close() } }

  /// Ends the last frame and waits until all output is delivered. Flushes nothing of the
  /// caller's. May be called again, to no effect.
  package func finish() throws {
    try guarded {
      try close()
      while !jobs.isEmpty { try deliver() }
      spares = []
    }
  }

  private func guarded(_ body: () throws -> Void) throws {
    if let failure { throw failure }
    do { try body() } catch {
      failure = error
      throw error
    }
  }

  private func take(_ piece: Span<UInt8>) {
    // Doubling would overshoot the limit; a buffer that is not small gets all of its room at once.
    if filling.count + piece.count > 256 << 10 {
      filling.reserve(contentLimit - filling.count)
    }
    filling.append(piece)
  }

  private func pass(_ piece: Span<UInt8>) throws {
    try output(piece)
    plainCount += piece.count
    compressedSize += piece.count
  }

  private func close() throws {
    if pool == nil {
      if plainCount > 0 { record(contentSize: plainCount, length: plainCount) }
      plainCount = 0
      return
    }
    if filling.isEmpty { return }
    try submit(filling)
    filling = spares.popLast() ?? ByteBuffer()
  }

  private func submit(_ content: ByteBuffer) throws {
    while let first = jobs.first, isFull || first.isDone { try deliver() }
    if let pool {
      waiting += content.count
      jobs.append(pool.submit(content))
    }
  }

  /// Whether as many frames are on their way as there is memory for. Small ones may queue: to wait
  /// for each of them would cost more than it takes.
  private var isFull: Bool {
    jobs.count >= limit && (waiting >= Self.smallQueue || jobs.count >= 32 * limit)
  }

  private static let smallQueue = 256 << 10

  private func deliver() throws {
    let job = jobs.removeFirst()
    waiting -= job.contentSize
    if !job.isDone { pool?.help() }
    let (frame, spare) = try job.wait()
    if spares.count < limit { spares.append(spare) }
    try output(frame.span)
    compressedSize += frame.count
    record(contentSize: job.contentSize, length: frame.count)
  }

  private func record(contentSize: Int, length: Int) {
    frames.append(
      Frame(
        offset: compressedSize - length, length: length, contentOffset: delivered,
        contentSize: contentSize))
    delivered += contentSize
  }
}
