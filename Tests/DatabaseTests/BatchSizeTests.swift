import Database
import Migration
import Stores
import SystemPackage
import TestSupport
import Testing

/// How many records are worked on in one go is no part of what comes of them.
struct BatchSizeTests {
  @Test func theDatabaseIsTheSame() throws {
    let scratch = try Scratch()
    let lines = (0..<700).map { number in
      """
      {"type":"entity","name":"n\(number % 650)","entityType":"t","observations":["word \(number)"]}
      {"type":"relation","from":"n\(number)","to":"n\(number * 7 % 800)","relationType":"r"}

      """
    }
    try scratch.write(lines.joined(), to: "memory.jsonl")
    let tasks = (0..<300).map { "{\"id\":\($0),\"title\":\"t\",\"completed\":false}" }
    try scratch.write(
      "{\"users\":{\"u\":{\"username\":\"u\"}},\"tasks_by_user\":{\"u\":["
        + tasks.joined(separator: ",") + "]}}", to: "tasks.json")
    var first: (bytes: [UInt8], findings: Int)?
    for limit in [RecordBatch.standardLimit, 1, 3, 255, 257, 100_000] {
      let target = scratch.file("\(limit).db")
      var request = MigrationRequest(
        stores: ["memory.jsonl", "tasks.json"].map { scratch.file($0) }, target: target, time: 0)
      request.batchLimit = limit
      let formats = StoreFormat.databaseFormats + StoreFormat.fileFormats
      let result = try MigrationPlan(request, formats: formats).run()
      #expect(result.log.total > 50)
      let bytes = try Array(scratch.read("\(limit).db"))
      if let first {
        #expect(bytes == first.bytes, "batches of \(limit)")
        #expect(result.log.total == first.findings)
      } else {
        first = (bytes, result.log.total)
      }
    }
  }
}
