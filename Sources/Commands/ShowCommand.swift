import ArgumentParser
import Backup
import Disk
import LosslessJSON
import Records
import Snapshot
import Stores
import SystemPackage

struct ShowCommand: Verb {
  static let verb = "show"
  static let onlyReads = true
  static let configuration = CommandConfiguration(
    commandName: "show",
    abstract: "Look inside a backup.",
    discussion: """
      Without an option: what the manifest says, file by file. --rtfs and --snapshot print those \
      encodings whole; --record prints the stored bytes of every record with that id.

      \(ExitStatus.help([.notFound, .verificationFailed]))
      """)

  @Argument(help: "A backup: an archive, REPO, REPO@latest or REPO@TIME.", completion: .file())
  var backup: String

  @Option(
    name: .long, help: ArgumentHelp("The series, in a repository of several.", valueName: "series"))
  var name: String?

  @Flag(name: .long, help: "Print the RTFS snapshot.")
  var rtfs = false

  @Flag(name: .long, help: "Print backup.json.")
  var snapshot = false

  @Option(
    name: .long,
    help: ArgumentHelp("Print one record: entity:Ada, intent:deploy-*.", valueName: "kind:id"))
  var record: String?

  @OptionGroup var shared: SharedOptions

  func validate() throws {
    if [rtfs, snapshot, record != nil].count(where: { $0 }) > 1 {
      throw ValidationError("--rtfs, --snapshot and --record exclude each other")
    }
  }

  func perform(_ console: Console) throws -> ExitStatus {
    let path = try BackupReference(backup, series: name).resolve()
    let file = try BackupFile(opening: path)
    if rtfs {
      guard let text = try file.rtfsText() else {
        throw BackupError(
          .notFound, "the backup was written with --rtfs none", path: path.string)
      }
      try stream(text)
    } else if snapshot, let entry = file.hybridEntry {
      try stream(file.content(entry))
    } else if let record {
      try showRecord(record, file, console)
    } else {
      summarise(file, console)
    }
    return .done
  }

  private func stream(_ text: ByteStream) throws {
    var block = ByteBuffer()
    while try text.read(into: &block, atMost: 64 << 10) > 0 {
      Console.write(block.array, to: .standardOutput)
      if Console.isOutputGone { return }
      block.removeAll()
    }
  }

  private func showRecord(_ wanted: String, _ file: BackupFile, _ console: Console) throws {
    let selection = try Selection([wanted])
    let survey = Survey(rules: false)
    var found: [(label: String, bytes: [UInt8], content: Hash256, canonical: Hash256)] = []
    survey.onRecord = { record, hash in
      guard selection.contains(record) else { return }
      var bytes = ByteBuffer()
      record.text.appendCompact(to: &bytes)
      found.append((record.label, bytes.array, record.contentHash(), hash))
    }
    try file.read(.verbatim, formats: HoldfastCommand.formats, into: survey)
    guard !found.isEmpty else {
      throw BackupError(.notFound, "holds no record \(wanted)", path: file.path.string)
    }
    console.json(Self.verb) { root in
      root.member("backup", file.path.string)
      root.key("records")
      root.array(of: found) { list, entry in
        list.object {
          $0.member("record", entry.label)
          $0.member("content_hash", entry.content.hex)
          $0.member("canonical_hash", entry.canonical.hex)
          $0.key("value")
          $0.raw(entry.bytes.span)
        }
      }
    }
    if !console.isJSON {
      for entry in found { Console.write(entry.bytes + [0x0A], to: .standardOutput) }
    }
  }

  private func summarise(_ file: BackupFile, _ console: Console) {
    let manifest = file.manifest
    console.json(Self.verb) {
      $0.member("backup", file.path.string)
      $0.key("manifest")
      var text = manifest.encoded()
      text.removeLast()
      $0.raw(text.span)
    }
    console.result(file.path.string)
    console.result("  time      \(ISOTime(seconds: manifest.time).text)")
    console.result("  series    \(manifest.series)")
    console.result("  kind      \(manifest.kind)")
    console.result("  records   \(grouped(manifest.recordCount)) (\(describe(manifest.counts)))")
    console.result("  digest    \(manifest.digest.hex)")
    if let parent = manifest.parent { console.result("  parent    \(parent.hex)") }
    if let note = manifest.note { console.result("  note      \(printable(note))") }
    for suspicion in manifest.suspicions { console.result("  suspect   \(suspicion)") }
    for finding in manifest.findings.prefix(10) {
      console.result("  finding   \(FindingsReport.line(finding))")
    }
    console.result("  members")
    for entry in manifest.entries {
      let name = printable(String(decoding: entry.header.path, as: UTF8.self))
      console.result("    \(grouped(entry.header.size).leftPadded(to: 15))  \(name)")
    }
  }
}
