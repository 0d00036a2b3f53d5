import LosslessJSON
import Testing

@Suite("JSON Parsing Test Suite")
struct ConformanceTests {
  @Test func everyCaseIsHere() {
    #expect(SuiteCase.accepted.count == 95)
    #expect(SuiteCase.refused.count == 188)
    #expect(SuiteCase.undecided.count == 35)
    let names = (SuiteCase.accepted + SuiteCase.refused + SuiteCase.undecided).map(\.name)
    #expect(Set(names).count == names.count)
  }

  @Test(arguments: SuiteCase.accepted)
  func accepts(_ suiteCase: SuiteCase) {
    #expect(refusal(suiteCase.bytes) == nil)
  }

  @Test(arguments: SuiteCase.refused)
  func refuses(_ suiteCase: SuiteCase) {
    let error = refusal(suiteCase.bytes)
    #expect(error != nil)
    #expect((0...suiteCase.bytes.count).contains(error?.offset ?? -1))
  }

  /// The table of `docs/json.md` is the expectation: a case that is missing there fails.
  @Test(arguments: SuiteCase.undecided)
  func doesAsDocumented(_ suiteCase: SuiteCase) throws {
    let row = try #require(try DocumentedCase.read()[suiteCase.name])
    let error = refusal(suiteCase.bytes)
    #expect(row.isAccepted == (error == nil))
    if let error {
      #expect(row.outcome.hasPrefix("refused: \(error.description) at byte \(error.offset)"))
    } else {
      #expect(row.outcome == "accepted")
    }
  }

  @Test func documentsNoOtherCase() throws {
    #expect(try Set(DocumentedCase.read().keys) == Set(SuiteCase.undecided.map(\.name)))
  }

  @Test(arguments: [
    ("", 0), ("[1,]", 3), ("[1 2]", 3), (#"{"a" 1}"#, 5), (#"["\q"]"#, 3), (#"["\u12G4"]"#, 6),
    ("[tru]", 4), ("[01]", 2), ("[1.]", 3), ("[-]", 2), ("{1:2}", 1), ("[] []", 3),
    ("[\"a\n\"]", 3),
    ("[\"a", 3), ("{\"a\":", 5), ("[-", 2), ("[1e", 3), ("tru", 3), ("[\"\\", 3),
  ])
  func namesTheByte(_ text: String, _ offset: Int) {
    #expect(refusal(Array(text.utf8))?.offset == offset)
  }

  private func refusal(_ bytes: [UInt8]) -> JSONError? {
    do throws(JSONError) {
      _ = try JSONText(bytes.span)
      return nil
    } catch {
      return error
    }
  }
}

/// One row of the table of undecided cases in `docs/json.md`.
private struct DocumentedCase {
  let outcome: String
  var isAccepted: Bool { outcome == "accepted" }

  static func read() throws -> [String: DocumentedCase] {
    let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3)
    let page = try TestFile.read((root + ["docs", "json.md"]).joined(separator: "/"))
    var rows: [String: DocumentedCase] = [:]
    for line in String(decoding: page, as: UTF8.self).split(separator: "\n") {
      let cells = line.split(separator: "|").map { trimmed($0) }
      guard cells.count == 2, cells[0].hasPrefix("`i_") else { continue }
      rows[cells[0].filter { $0 != "`" }] = DocumentedCase(outcome: cells[1])
    }
    return rows
  }

  private static func trimmed(_ cell: Substring) -> String {
    var cell = cell.drop { $0 == " " }
    while cell.last == " " { cell.removeLast() }
    return String(cell)
  }
}
