import ArgumentParser
import Backup
import LosslessJSON
import Records
import SystemPackage

struct ListCommand: Verb {
  static let verb = "list"
  static let configuration = CommandConfiguration(
    commandName: "list",
    abstract: "List the backups of a repository.",
    discussion: """
      Time, series, kind, records, size and state of each backup, oldest first, as the manifests \
      beside the archives tell them; no archive is opened. States: verified (read back when it \
      was written), unverified (--no-verify), suspect (of a damaged, empty or shrunken store), \
      damaged (its manifest or size is not as written).

      \(ExitStatus.help([.notFound]))
      """)

  @Argument(
    help: "The repository, or a directory with one in .backup/.", completion: .directory)
  var repo: String = "."

  @Option(name: .long, help: ArgumentHelp("Only this series.", valueName: "series"))
  var name: String?

  @OptionGroup var shared: SharedOptions

  func perform(_ console: Console) throws -> ExitStatus {
    let repository = try Repository.existing(FilePath(repo))
    let catalog = try Catalog(of: repository, series: name)
    console.json(Self.verb) { root in
      root.member("repository", repository.path.string)
      root.key("backups")
      root.array(of: catalog.entries) { list, entry in
        list.object { encode(entry, to: &$0) }
      }
    }
    if catalog.entries.isEmpty {
      console.result("no backups in \(repository.path)")
      return .done
    }
    let width = catalog.entries.map(\.series.count).max() ?? 0
    console.result(
      "\("TIME".padded(to: 20))  \("SERIES".padded(to: width))  \("STATE".padded(to: 10))  "
        + "\("RECORDS".leftPadded(to: 11))  \("SIZE".leftPadded(to: 10))  NAME")
    for entry in catalog.entries {
      console.result(
        "\(ISOTime(seconds: entry.time).text)  \(entry.series.padded(to: width))  "
          + "\(entry.state.rawValue.padded(to: 10))  "
          + "\((entry.manifest.map { grouped($0.recordCount) } ?? "?").leftPadded(to: 11))  "
          + "\(humanBytes(entry.size).leftPadded(to: 10))  "
          + "\(entry.path.lastComponent?.string ?? "")"
          + (entry.reason.map { "  (\($0))" } ?? ""))
    }
    return .done
  }

  private func encode(_ entry: Catalog.Entry, to object: inout JSONBuilder) {
    object.member("path", entry.path.string)
    object.member("series", entry.series)
    object.member("time", ISOTime(seconds: entry.time).text)
    object.member("state", entry.state.rawValue)
    object.member("reason", ifPresent: entry.reason)
    object.member("kind", ifPresent: entry.manifest?.kind)
    object.key("counts")
    object.object { counts in
      for kind in RecordKind.allCases {
        counts.member(kind.rawValue, ifPresent: entry.manifest?.counts[kind])
      }
    }
    object.member("digest", ifPresent: entry.manifest?.digest.hex)
    object.member("bytes", entry.size)
    object.member("note", ifPresent: entry.manifest?.note)
  }
}
