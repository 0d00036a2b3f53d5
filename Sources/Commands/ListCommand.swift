import ArgumentParser
import Backup
import LosslessJSON
import Records
import SystemPackage

struct ListCommand: Verb {
  static let verb = "list"
  static let onlyReads = true
  static let configuration = CommandConfiguration(
    commandName: "list",
    abstract: "List the backups of a repository.",
    discussion: """
      Time, series, kind, records, size and state of each backup, oldest first, as the manifests \
      beside the archives tell them; no archive is opened. States: verified (read back when it \
      was written), unverified (--no-verify), suspect (of a damaged, empty or shrunken store), \
      damaged (its manifest or size is not as written), missing (only its manifest is left). Tiers: the periods whose newest good \
      backup it is, which is what rotate keeps by. The last line: how much there is, how that grows, \
      and the day on which the disk is full at the present rate, within a hundred years.

      \(ExitStatus.help([.notFound, .locked, .refused]))
      """)

  @Argument(
    help: "The repository, or a directory with one in .backup/.", completion: .directory)
  var repo: String = "."

  @Option(name: .long, help: ArgumentHelp("Only this series.", valueName: "series"))
  var name: String?

  @Flag(name: .long, help: "List what rotate has removed, and when.")
  var trash = false

  @OptionGroup var zone: ZoneOption
  @OptionGroup var shared: SharedOptions

  func perform(_ console: Console) throws -> ExitStatus {
    let zone = try zone.zone()
    let repository = try Repository.existing(FilePath(repo))
    let lock = try repository.readingLock(waitingUpTo: shared.waitLock.seconds)
    defer { withExtendedLifetime(lock) {} }
    if trash {
      listTrash(repository, try Trash(of: repository).items(), console)
      return .done
    }
    let catalog = try Catalog(of: repository, series: name)
    let tiers = catalog.tiers(zone: zone)
    let growth = try Growth(
      of: repository, catalog: name == nil ? catalog : nil, now: try currentTime())
    console.json(Self.verb) { root in
      root.member("repository", repository.path.string)
      root.key("backups")
      root.array(of: catalog.all) { list, entry in
        list.object {
          encode(entry, to: &$0)
          $0.key("tiers")
          $0.array(of: tiers[entry.candidate.name] ?? []) { $0.value($1) }
        }
      }
      root.key("growth")
      root.object {
        $0.member("bytes", growth.bytes)
        $0.member("trash_bytes", growth.trashBytes)
        $0.member("free", growth.free)
        $0.member("bytes_per_day", ifPresent: growth.bytesPerDay)
        $0.member("full_on", ifPresent: growth.fullTime.map(Self.day))
      }
    }
    if catalog.all.isEmpty {
      console.result("no backups in \(repository.path)")
      return .done
    }
    let rows = catalog.all.map { entry in
      let periods = (tiers[entry.candidate.name] ?? []).map { $0.prefix { $0 != " " } }
      return row(entry) + [periods.joined(separator: ","), nameAndReason(entry)]
    }
    table(["TIME", "SERIES", "STATE", "RECORDS", "SIZE", "TIERS", "NAME"], rows, console)
    if let rate = growth.bytesPerDay {
      let trash = growth.trashBytes > 0 ? ", \(humanBytes(growth.trashBytes)) in the trash" : ""
      let sign = rate < 0 ? "-" : ""
      console.result(
        "\(humanBytes(growth.bytes))\(trash), \(sign)\(humanBytes(abs(rate))) a day; "
          + "\(humanBytes(growth.free)) free"
          + (growth.fullTime.map { ", full on \(Self.day($0))" } ?? ""))
    }
    return .done
  }

  private static func day(_ time: Int) -> String {
    String(ISOTime(seconds: time).text.prefix { $0 != "T" })
  }

  private func row(_ entry: Catalog.Entry) -> [String] {
    [
      ISOTime(seconds: entry.time).text, entry.series, entry.state.rawValue,
      entry.manifest.map { grouped($0.recordCount) } ?? "?", humanBytes(entry.size),
    ]
  }

  private func nameAndReason(_ entry: Catalog.Entry) -> String {
    (entry.path.lastComponent?.string ?? "") + (entry.reason.map { "  (\($0))" } ?? "")
  }

  /// Columns as wide as what is in them; records and sizes stand to the right.
  private func table(_ head: [String], _ rows: [[String]], _ console: Console) {
    let widths = head.indices.map { column in
      ([head] + rows).map { $0[column].count }.max() ?? 0
    }
    for row in [head] + rows {
      let cells = row.indices.map { column in
        if column == row.count - 1 { return row[column] }
        return ["RECORDS", "SIZE"].contains(head[column])
          ? row[column].leftPadded(to: widths[column]) : row[column].padded(to: widths[column])
      }
      console.result(printable(cells.joined(separator: "  ")))
    }
  }

  private func listTrash(_ repository: Repository, _ items: [Trash.Item], _ console: Console) {
    let items = items.filter { name == nil || $0.entry.series == name }
    console.json(Self.verb) { root in
      root.member("repository", repository.path.string)
      root.key("trash")
      root.array(of: items) { list, item in
        list.object {
          $0.member("removed", ifPresent: item.removed.map { ISOTime(seconds: $0).text })
          encode(item.entry, to: &$0)
        }
      }
    }
    if items.isEmpty {
      console.result("nothing in the trash of \(repository.path)")
      return
    }
    let rows = items.map { item in
      [item.removed.map { ISOTime(seconds: $0).text } ?? "?"] + row(item.entry)
        + [nameAndReason(item.entry)]
    }
    table(["REMOVED", "TIME", "SERIES", "STATE", "RECORDS", "SIZE", "NAME"], rows, console)
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
