/// Releases of SQLite that are known to have damaged databases.
package struct SQLiteRelease: Sendable, Comparable {
  private let parts: [Int]

  /// `3.40.1`; nil for any other form.
  package init?(_ text: String) {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false).map { Int($0) }
    guard parts.count == 3 else { return nil }
    self.parts = parts.compactMap { $0 }
    guard self.parts.count == 3 else { return nil }
  }

  private init(_ major: Int, _ minor: Int, _ patch: Int) { parts = [major, minor, patch] }

  package static func < (a: Self, b: Self) -> Bool { a.parts.lexicographicallyPrecedes(b.parts) }

  /// What is known to be wrong with it, and from which release on it no longer is.
  package var bug: (what: String, fixedIn: String)? {
    // sqlite.org/wal.html, "The WAL-reset bug"; mended in two older branches as well.
    let isMended =
      (self >= Self(3, 44, 6) && self < Self(3, 45, 0))
      || (self >= Self(3, 50, 7) && self < Self(3, 51, 0))
    // sqlite.org/releaselog/3_37_2.html.
    if self >= Self(3, 35, 0), self <= Self(3, 37, 1) {
      return ("a nested transaction that is rolled back can damage a database", "3.37.2")
    }
    if self >= Self(3, 7, 0), self <= Self(3, 51, 2), !isMended {
      return (
        "two programs that write and checkpoint a WAL database at once can damage it", "3.51.3"
      )
    }
    return nil
  }
}
