import LosslessJSON
import Records

/// How merge, move and replay tell of what they are going to do, and of the store that came of it.
struct PlanView {
  let verb: String
  let console: Console
  /// The members of the plan, which `--json` has with `--dry-run` and without.
  let encode: (inout JSONBuilder) -> Void
  /// Its lines of text: what each is, and what it says.
  let rows: [(name: String, text: String)]
  /// Columns that the names of rows take.
  let width: Int

  /// Lists of records and conflicts have as many lines; `--json` has more.
  static let listed = 50

  /// A plan that is not carried out.
  /// - Parameter log: findings, where `--json` is to have some beside the plan.
  func planned(_ title: String, _ log: FindingLog? = nil) {
    console.json(verb) { root in
      root.member("dry_run", true)
      root.key("plan")
      root.object { encode(&$0) }
      root.findings(log)
    }
    show(title)
  }

  /// A store that has been made.
  /// - Parameter member: what `--json` calls its path.
  /// - Parameter counts: its records, where the plan does not count them.
  /// - Parameter nothing: why there was nothing to do, where that is so.
  func made(
    _ member: String, _ root: String, digest: Hash256, counts: [RecordKind: Int]? = nil,
    nothing: String? = nil, _ log: FindingLog? = nil
  ) {
    console.json(verb) {
      $0.member(member, root)
      $0.member("digest", digest.hex)
      if let counts { $0.member("counts", counts) }
      encode(&$0)
      $0.findings(log)
    }
    if let nothing { return console.result(nothing) }
    show(root)
    row("digest", digest.hex)
  }

  private func show(_ title: String) {
    console.result(title)
    for (name, text) in rows { row(name, text) }
  }

  private func row(_ name: String, _ text: String) {
    console.result(name.isEmpty ? "    \(text)" : "  \(name.padded(to: width))\(text)")
  }

  /// The rows of a list: the first of them, and how many more there are.
  static func list(_ lines: [String], of total: Int, _ what: String = "") -> [(
    name: String, text: String
  )] {
    var rows = lines.prefix(listed).map { (name: "", text: printable($0)) }
    if total > listed { rows.append(("", "… and \(grouped(total - listed)) more\(what)")) }
    return rows
  }
}

extension JSONBuilder {
  /// `findings`, where there is a list of them.
  mutating func findings(_ log: FindingLog?) {
    guard let log else { return }
    key("findings")
    array(of: log.findings) { $1.encode(to: &$0) }
  }

  /// How many records there are, by kind.
  mutating func member(_ key: String, _ counts: [RecordKind: Int]) {
    self.key(key)
    object {
      for kind in RecordKind.allCases { $0.member(kind.rawValue, ifPresent: counts[kind]) }
    }
  }
}
