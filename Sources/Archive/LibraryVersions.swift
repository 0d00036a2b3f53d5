import CLibArchive
import CZstd

/// The releases of the libraries that this program is running with.
package enum LibraryVersions {
  package static var libarchive: String { number(Int(archive_version_number()), 1_000_000) }
  package static var zstd: String { number(Int(ZSTD_versionNumber()), 10_000) }

  /// `3006002` and `10504` as `3.6.2` and `1.5.4`: the two have three and two digits a part.
  private static func number(_ value: Int, _ major: Int) -> String {
    let unit = major == 1_000_000 ? 1000 : 100
    return "\(value / major).\(value / unit % unit).\(value % unit)"
  }
}
