import Backup
import Testing

struct SQLiteReleaseTests {
  @Test(
    arguments: [
      ("3.6.23", nil), ("3.7.0", "3.51.3"), ("3.34.1", "3.51.3"), ("3.35.0", "3.37.2"),
      ("3.37.1", "3.37.2"), ("3.37.2", "3.51.3"), ("3.40.1", "3.51.3"), ("3.44.5", "3.51.3"),
      ("3.44.6", nil), ("3.45.0", "3.51.3"), ("3.50.6", "3.51.3"), ("3.50.7", nil),
      ("3.51.0", "3.51.3"), ("3.51.2", "3.51.3"), ("3.51.3", nil), ("3.53.0", nil), ("4.0.0", nil),
    ] as [(String, String?)])
  func knownBugs(_ version: String, _ fixedIn: String?) {
    #expect(SQLiteRelease(version)?.bug?.fixedIn == fixedIn)
  }

  @Test(arguments: ["", "3", "3.40", "3.40.1.2", "3.x.1", "a.b.c"])
  func noRelease(_ version: String) { #expect(SQLiteRelease(version) == nil) }
}
