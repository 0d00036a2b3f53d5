import Disk
import LosslessJSON
import Records
import Stores
import SystemPackage
import TestSupport

/// What a store came to when it was read.
struct Reading {
  var format: String
  /// `kind:id` and, behind a bar, the scope where there is one; in store order.
  var labels: [String] = []
  var places: [RecordPlace] = []
  var findings: [Finding]
  var digest: Hash256

  /// Severity, code, line, offset and length of each finding, as far as they are known.
  var marks: [String] {
    findings.map { finding in
      let numbers = [finding.line, finding.offset, finding.length].map {
        $0.map(String.init) ?? "-"
      }
      return
        "\(finding.severity.rawValue) \(finding.code.rawValue) \(numbers.joined(separator: " "))"
    }
  }

  init(_ path: FilePath, kind: StoreFormat? = nil, rules: Bool = false) throws {
    let tree = try DiskTree(path)
    let chosen = try kind ?? StoreFormat.fileFormats.detect(tree, path: path.string)
    format = chosen.name
    let survey = Survey(rules: rules, paths: tree.files.indices.map(tree.displayPath))
    var (labels, places): ([String], [RecordPlace]) = ([], [])
    survey.onRecord = { record, _ in
      let scope = String(decoding: record.scope, as: UTF8.self)
      labels.append(record.label + (scope.isEmpty ? "" : " | " + scope))
      places.append(record.place)
    }
    tree.notes.forEach(survey.note)
    try chosen.read(tree, ReadOptions(), survey)
    try survey.finish()
    (self.labels, self.places) = (labels, places)
    findings = survey.log.findings
    digest = survey.digest()
  }

  /// The same for a file of this content.
  static func text(_ text: String, name: String = "store", kind: StoreFormat? = nil) throws -> Self
  {
    try bytes(Array(text.utf8), name: name, kind: kind)
  }

  static func bytes(_ bytes: [UInt8], name: String = "store", kind: StoreFormat? = nil) throws
    -> Self
  {
    let scratch = try Scratch()
    return try Reading(try scratch.write(bytes, to: name), kind: kind)
  }
}
