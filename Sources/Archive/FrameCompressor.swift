import LosslessJSON

/// Makes frames, one after the other; owned by one thread at a time.
struct FrameCompressor: ~Copyable {
  private let compression: Compression
  private var zstandard: ZstandardCompressor?

  init(_ compression: Compression) throws(ArchiveError) {
    self.compression = compression
    guard case .zstd(let level) = compression else {
      zstandard = nil
      return
    }
    do throws(ZstandardError) {
      zstandard = try ZstandardCompressor(level: level)
    } catch { throw FrameCompressor.failure(error) }
  }

  private static func failure(_ error: ZstandardError) -> ArchiveError {
    ArchiveError(.failed, "cannot compress: \(error.message)")
  }

  /// The frame that holds `content`: at least one byte, at most `Frame.contentLimit`.
  mutating func compress(_ content: Span<UInt8>) throws(ArchiveError) -> ByteBuffer {
    var output = ByteBuffer()
    switch compression {
    case .zstd:
      do throws(ZstandardError) {
        try zstandard?.compress(content, into: &output)
      } catch { throw FrameCompressor.failure(error) }
    case .gzip(let level): try LibArchive.gzipMember(content, level: level, into: &output)
    case .none: output.append(content)
    }
    return output
  }
}
