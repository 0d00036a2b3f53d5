import Database
import Disk
import Glibc
import SystemPackage
import TestSupport
import Testing

/// The steps of the schema: as they lie in `migrations/`, and never changed.
struct SchemaTests {
  /// The root of the checkout.
  static let root = String(#filePath.dropLast("/Tests/DatabaseTests/SchemaTests.swift".count))

  static func file(_ text: [(name: String, sql: String)]) -> String {
    var out = """
      // Written from migrations/ by the test that compares the two; not to be changed by hand.
      // swift-format-ignore-file

      extension SchemaStep {
        /// All steps, in order.
        package static let all: [SchemaStep] = [

      """
    for (index, step) in text.enumerated() {
      out += "    SchemaStep(\n      number: \(index + 1), name: \"\(step.name)\",\n"
      out += "      sql: #\"\"\"\n\(step.sql)\n\"\"\"#),\n"
    }
    return out + "  ]\n}\n"
  }

  @Test func embeddedStepsAreThoseOfTheFiles() throws {
    let names = try TreeWalk.names(in: FilePath("\(Self.root)/migrations")).map(\.string)
      .filter { $0.hasSuffix(".sql") }
    let steps = try names.map { name in
      let bytes = try Scratch.read(FilePath("\(Self.root)/migrations/\(name)"))
      return (name: String(name.dropLast(4)), sql: String(decoding: bytes, as: UTF8.self))
    }
    let place = FilePath("\(Self.root)/Sources/Database/SchemaStep+All.swift")
    let wanted = Self.file(steps)
    let found = String(decoding: try Scratch.read(place), as: UTF8.self)
    if found != wanted, getenv("UPDATE_GOLDEN") != nil {
      var output = try OutputFile(for: place, mode: 0o644)
      try output.write(Array(wanted.utf8).span)
      try output.publish()
    }
    #expect(found == wanted, "run the test again with UPDATE_GOLDEN=1")
    #expect(SchemaStep.all.map(\.number) == Array(1...steps.count))
  }

  /// Steps are append-only: a database in the wild names these.
  @Test func stepsAreNeverChanged() {
    #expect(
      SchemaStep.all.map { "\($0.name) \($0.sha256.hex)" } == [
        "0001-tables 2058b854c48090916826a91e90ec0525899baf97acba538eae425316bbfb33a1",
        "0002-indexes 85d447e662cd0a4192ff6386d322e3e30d6162d5ca2be7148c1835294868d3ec",
        "0003-views a3c43f3538c8e64469446903f27d47c28fd6938249f15f778fe3fab6c463c0ce",
        "0004-search 0ab9a6a52a78f27433f0457cbfee5902951699e7d105ad02d78da4cb87df682c",
      ])
  }
}
