import ArgumentParser
import LosslessJSON
import Records
import Snapshot
import Stores

struct DigestCommand: Verb {
  static let verb = "digest"
  static let onlyReads = true
  static let configuration = CommandConfiguration(
    commandName: "digest",
    abstract: "Print the store digest: equal for equal records, whatever their shape and order.",
    discussion: """
      One line a store, `<digest>  <path>`, as sha256sum does. The digest of a store, of its \
      backup and of what was restored from it are equal. The digest of a damaged store covers \
      what could be read (exit 3); where nothing could be, there is none (exit 13).

      \(ExitStatus.help([.findings, .notFound, .refused]))
      """)

  @Argument(
    help: ArgumentHelp("Stores, or backups of them. \(RoutedStore.help)"), completion: .file())
  var stores: [String] = []

  @OptionGroup var reading: ReadingOptions
  @OptionGroup var shared: SharedOptions

  private struct Outcome {
    var path: String
    var digest: Hash256?
    var kind: String?
    var records = 0
    var findings: [Finding] = []
    var failure: Failure?
    var status: ExitStatus
  }

  func perform(_ console: Console) throws -> ExitStatus {
    let options = try reading.options()
    let stores = try stores.isEmpty ? [RoutedStore.name(nil)] : stores
    var outcomes: [Outcome] = []
    for store in stores {
      let outcome = try outcome(of: store, options)
      if let digest = outcome.digest, !console.isQuiet {
        console.answer(Self.line(digest, store))
      }
      if let failure = outcome.failure {
        console.failure(failure.text)
      } else if outcome.status != .done {
        var log = FindingLog()
        for finding in outcome.findings { log.add(finding) }
        console.failure(FindingsReport.headline(log))
      }
      outcomes.append(outcome)
    }
    console.json(Self.verb) { root in
      root.key("digests")
      root.array(of: outcomes) { list, outcome in
        list.object {
          $0.member("path", outcome.path)
          $0.member("kind", ifPresent: outcome.kind)
          $0.member("digest", ifPresent: outcome.digest?.hex)
          $0.member("records", outcome.records)
          $0.key("findings")
          $0.array(of: outcome.findings) { $1.encode(to: &$0) }
        }
      }
      if let failure = outcomes.compactMap(\.failure).first {
        failure.encode(to: &root)
      } else {
        root.key("findings")
        root.array(of: outcomes.flatMap(\.findings)) { $1.encode(to: &$0) }
      }
    }
    return outcomes.map(\.status).max { $0.rawValue < $1.rawValue } ?? .done
  }

  /// A name that would break the line is escaped and the line marked by a backslash, as
  /// sha256sum does (GNU coreutils).
  private static func line(_ digest: Hash256, _ name: String) -> String {
    var escaped = ""
    for scalar in name.unicodeScalars {
      switch scalar {
      case "\\": escaped += "\\\\"
      case "\n": escaped += "\\n"
      case "\r": escaped += "\\r"
      default: escaped.unicodeScalars.append(scalar)
      }
    }
    let mark = escaped.utf8.count == name.utf8.count ? "" : "\\"
    return "\(mark)\(digest.hex)  \(escaped)"
  }

  private func outcome(of store: String, _ options: ReadOptions) throws -> Outcome {
    do {
      let opened = try reading.open(store, kind: shared.kind)
      let survey = try Survey.read(
        opened.tree, as: opened.format, options: options, rules: false)
      let findings = survey.log.findings.filter { $0.severity == .error }
      let isUnreadable = survey.total == 0 && survey.hasErrors
      return Outcome(
        path: store, digest: isUnreadable ? nil : survey.digest(), kind: opened.format.name,
        records: survey.total, findings: findings,
        status: isUnreadable ? .refused : survey.hasErrors ? .findings : .done)
    } catch let error as ValidationError {
      throw error
    } catch {
      let failure = Failure(error).ofReading
      if ExitStatus.signals.contains(failure.status) { throw error }
      return Outcome(path: store, failure: failure, status: failure.status)
    }
  }
}
