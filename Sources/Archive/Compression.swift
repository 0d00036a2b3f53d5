/// How the content of an archive is compressed.
package enum Compression: Sendable, Equatable, CustomStringConvertible {
  /// Zstandard frames; level -7 to 19, where 0 is the library's own default.
  case zstd(level: Int)
  /// Gzip members; level 1 to 9.
  case gzip(level: Int)
  case none

  package static let defaultZstdLevel = 1
  package static let defaultGzipLevel = 6
  package static let zstdLevels = -7...19
  package static let gzipLevels = 1...9
  package static let `default` = Compression.zstd(level: defaultZstdLevel)

  /// Reads `zstd`, `zstd:N`, `gzip`, `gzip:N` or `none`. Throws `invalidSetting` for all else.
  package init(parsing text: String) throws(ArchiveError) {
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    let level = parts.count == 2 ? String(parts[1]) : nil
    switch parts.first {
    case "zstd":
      self = .zstd(
        level: try Self.level(level, in: Self.zstdLevels, or: Self.defaultZstdLevel, text))
    case "gzip":
      self = .gzip(
        level: try Self.level(level, in: Self.gzipLevels, or: Self.defaultGzipLevel, text))
    case "none" where level == nil: self = .none
    default: throw Self.refusal(text, "is not a compression")
    }
  }

  private static func level(
    _ text: String?, in range: ClosedRange<Int>, or standard: Int, _ whole: String
  ) throws(ArchiveError) -> Int {
    guard let text else { return standard }
    // One spelling a number: no sign, zeros or digits that printing it would not give back.
    guard let level = Int(text), String(level) == text else {
      throw refusal(whole, "has a level that is not a number")
    }
    guard range.contains(level) else {
      throw refusal(whole, "has a level outside \(range.lowerBound) to \(range.upperBound)")
    }
    return level
  }

  private static func refusal(_ text: String, _ reason: String) -> ArchiveError {
    ArchiveError(
      .invalidSetting, "'\(text)' \(reason)",
      hint: "use zstd, zstd:\(zstdLevels.lowerBound) to zstd:\(zstdLevels.upperBound), "
        + "gzip, gzip:\(gzipLevels.lowerBound) to gzip:\(gzipLevels.upperBound), or none")
  }

  /// The form that `init(parsing:)` reads, level included.
  package var description: String {
    switch self {
    case .zstd(let level): "zstd:\(level)"
    case .gzip(let level): "gzip:\(level)"
    case .none: "none"
    }
  }

  /// What follows the name and a dot: `tar.zst`, `tar.gz` or `tar`.
  package var fileExtension: String {
    switch self {
    case .zstd: "tar.zst"
    case .gzip: "tar.gz"
    case .none: "tar"
    }
  }
}
