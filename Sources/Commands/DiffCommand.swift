import ArgumentParser
import Backup
import LosslessJSON
import Records
import Snapshot

struct DiffCommand: Verb {
  static let verb = "diff"
  static let configuration = CommandConfiguration(
    commandName: "diff",
    abstract: "Show which records two stores do not share.",
    discussion: """
      Compares by id and canonical hash, so key order, white space, number spelling, file layout \
      and record order make no difference. `+` only in B, `-` only in A, `~` in both with \
      different content. Exit 0: the same records; 3: not.

      \(ExitStatus.help([.findings, .notFound, .verificationFailed, .refused]))
      """)

  @Argument(help: "The first store or backup.", completion: .file())
  var a: String

  @Argument(help: "The second store or backup.", completion: .file())
  var b: String

  @Flag(name: .long, help: "Print only the numbers.")
  var stat = false

  @OptionGroup var reading: ReadingOptions
  @OptionGroup var shared: SharedOptions

  func perform(_ console: Console) throws -> ExitStatus {
    let first = try reading.open(a, kind: shared.kind)
    let second = try reading.open(b, kind: shared.kind)
    let diff = try StoreDiff(first, second, options: reading.options())
    console.json(Self.verb) { root in
      for (name, list) in [
        ("added", diff.added), ("removed", diff.removed), ("changed", diff.changed),
      ] {
        root.key(name)
        root.array(of: list) { $0.value($1) }
      }
      root.member("digest_a", diff.digests.0.hex)
      root.member("digest_b", diff.digests.1.hex)
      root.key("findings")
      root.array(of: diff.findings.findings) { $1.encode(to: &$0) }
    }
    if !stat {
      for (mark, colour, list) in [
        ("-", "31", diff.removed), ("+", "32", diff.added), ("~", "33", diff.changed),
      ] {
        for label in list {
          let line = "\(mark) \(printable(label))"
          console.result(Console.hasColour ? "\u{1B}[\(colour)m\(line)\u{1B}[0m" : line)
        }
      }
    }
    if stat || !diff.isEmpty {
      console.result(
        "\(grouped(diff.added.count)) added, \(grouped(diff.removed.count)) removed, "
          + "\(grouped(diff.changed.count)) changed")
    }
    if diff.findings.errors > 0 { console.failure(FindingsReport.headline(diff.findings)) }
    return diff.isEmpty && diff.findings.errors == 0 ? .done : .findings
  }
}
