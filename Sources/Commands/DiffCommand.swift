import ArgumentParser
import Backup
import LosslessJSON
import Records
import Snapshot

struct DiffCommand: Verb {
  static let verb = "diff"
  static let onlyReads = true
  static let configuration = CommandConfiguration(
    commandName: "diff",
    abstract: "Show which records two stores do not share.",
    discussion: """
      Compares by id and canonical hash, so key order, white space, number spelling, file layout \
      and record order make no difference. `+` only in B, `-` only in A, `~` in both with \
      different content: below it the fields that changed, each by its JSON pointer, with the old \
      and the new value. Exit 0: the same records; 3: not.

      \(ExitStatus.help([.findings, .notFound, .verificationFailed, .refused]))
      """)

  @Argument(help: "The first store or backup.", completion: .file())
  var a: String

  @Argument(help: "The second store or backup.", completion: .file())
  var b: String

  @Flag(name: .long, help: "Print only the numbers.")
  var stat = false

  @Flag(
    name: .long,
    help: "Print the RTFS snapshots of both, sorted by kind and id, as a unified diff.")
  var rtfs = false

  @OptionGroup var reading: ReadingOptions
  @OptionGroup var shared: SharedOptions

  func perform(_ console: Console) throws -> ExitStatus {
    guard !(stat && rtfs) else { throw ValidationError("--stat and --rtfs do not go together") }
    let first = try reading.open(a, kind: shared.kind)
    let second = try reading.open(b, kind: shared.kind)
    let diff = try StoreDiff(first, second, options: reading.options())
    var text = ByteBuffer()
    if rtfs, !console.isQuiet, !diff.isEmpty {
      try RTFSDiff.write(first, second, names: (a, b), options: reading.options()) {
        if console.isJSON { text.append($0) } else { console.answer(bytes: $0) }
      }
    }
    console.json(Self.verb) { encode(diff, rtfs: text, to: &$0) }
    if !rtfs { show(diff, console) }
    if diff.findings.errors > 0 { console.failure(FindingsReport.headline(diff.findings)) }
    return diff.isEmpty && diff.findings.errors == 0 ? .done : .findings
  }

  private func encode(_ diff: StoreDiff, rtfs text: ByteBuffer, to root: inout JSONBuilder) {
    for (name, list) in [
      ("added", diff.added), ("removed", diff.removed), ("changed", diff.changed),
    ] {
      root.key(name)
      if stat { root.value(list.count) } else { root.array(of: list) { $0.value($1) } }
    }
    if !stat {
      root.key("changes")
      root.array(of: diff.changes) { list, change in
        list.object {
          $0.member("record", change.record)
          if let scopes = change.scopes {
            $0.key("key")
            $0.object {
              $0.key("from")
              $0.value(path: scopes.before)
              $0.key("to")
              $0.value(path: scopes.after)
            }
          }
          $0.key("fields")
          $0.array(of: change.fields) { $1.encode(to: &$0) }
        }
      }
    }
    if rtfs {
      root.key("rtfs")
      root.value(path: text.array)
    }
    root.member("digest_a", diff.digests.0.hex)
    root.member("digest_b", diff.digests.1.hex)
    root.key("findings")
    root.array(of: diff.findings.findings) { $1.encode(to: &$0) }
  }

  private func show(_ diff: StoreDiff, _ console: Console) {
    func line(_ text: String, _ colour: String) {
      let shown = printable(text)
      console.result(Console.hasColour ? "\u{1B}[\(colour)m\(shown)\u{1B}[0m" : shown)
    }
    if !stat {
      for label in diff.removed { line("- \(label)", "31") }
      for label in diff.added { line("+ \(label)", "32") }
      for change in diff.changes {
        line("~ \(change.record)", "33")
        if let scopes = change.scopes {
          let texts = [scopes.before, scopes.after].map { String(decoding: $0, as: UTF8.self) }
          console.result(printable("    stored under \(texts[0]) -> \(texts[1])"))
        }
        for field in change.fields { console.result(ChangedField(field).line) }
      }
    }
    if stat || !diff.isEmpty {
      console.result(
        "\(grouped(diff.added.count)) added, \(grouped(diff.removed.count)) removed, "
          + "\(grouped(diff.changed.count)) changed")
    }
  }
}

extension FieldChange {
  /// `pointer`, and `from` and `to` as far as there are such values.
  func encode(to builder: inout JSONBuilder) {
    builder.object {
      $0.key("pointer")
      $0.value(path: pointer)
      if let before {
        $0.key("from")
        $0.raw(before.span)
      }
      if let after {
        $0.key("to")
        $0.raw(after.span)
      }
    }
  }
}
