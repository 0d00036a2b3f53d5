import Disk
import Records
import Snapshot
import Stores
import SystemPackage

/// A backup as a person names one: its archive, or `REPO`, `REPO@latest`, `REPO@TIME`.
package struct BackupReference: Sendable {
  private let text: String
  private let series: String?

  package init(_ text: String, series: String? = nil) {
    self.text = text
    self.series = series
  }

  /// The archive that is meant: for a repository the newest backup of a sound store, or the newest
  /// one not after TIME. Throws `notFound` where there is none, `usage` where the repository has
  /// several series and none was named.
  package func resolve() throws -> FilePath {
    do { return try find() } catch let error as DiskError { throw error.ofReading }
  }

  private func find() throws -> FilePath {
    let whole = FilePath(text)
    if let facts = try FileFacts(at: whole) {
      return facts.kind == .directory ? try choose(in: whole, notAfter: nil) : whole
    }
    guard let at = text.lastIndex(of: "@") else {
      throw BackupError(
        .notFound, "no such backup or repository", path: text,
        hint: "holdfast list shows what a repository holds")
    }
    let moment = String(text[text.index(after: at)...])
    let repository = FilePath(String(text[..<at]))
    if moment == "latest" { return try choose(in: repository, notAfter: nil) }
    guard let time = MomentText.parse(moment) else {
      throw BackupError(
        .usage, "\(moment) is no time",
        hint: "use latest, 2026-11-20, 2026-11-20T03:15:00Z or 20261120T031500Z")
    }
    return try choose(in: repository, notAfter: time)
  }

  private func choose(in path: FilePath, notAfter time: Int?) throws -> FilePath {
    let repository = try Repository.existing(path)
    let catalog = try Catalog(of: repository, series: series)
    if catalog.seriesNames.count > 1 {
      throw BackupError(
        .usage, "the repository has several series: \(catalog.seriesNames.joined(separator: ", "))",
        path: path.string, hint: "name one with --name")
    }
    func isWanted(_ entry: Catalog.Entry) -> Bool { time.map { entry.time <= $0 } ?? true }
    let eligible = catalog.entries.filter { $0.state != .damaged && isWanted($0) }
    let good = eligible.last { $0.state != .suspect }
    guard let chosen = good ?? eligible.last else {
      if let trouble = RotationPlan.trouble(catalog.troubled.filter(isWanted)) {
        let age = time == nil ? "" : " as old as that"
        throw BackupError(
          .verificationFailed, "holds no backup\(age) that may be relied on: \(trouble.message)",
          path: trouble.path ?? path.string,
          hint: "holdfast verify tells what is left of it; named itself, it is read all the same")
      }
      throw BackupError(
        .notFound, time == nil ? "holds no backup" : "holds no backup as old as that",
        path: path.string, hint: "holdfast list shows what a repository holds")
    }
    return chosen.path
  }
}
