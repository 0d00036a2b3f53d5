import HoldfastStorage
import Synchronization
import TestSupport
import Testing

/// What `RunStorage` and `TaskStorage` promise, on every backend.
struct RunAndTaskConformanceTests {
  private final class Time: Sendable {
    private let seconds = Atomic(1_767_225_600)
    func next() -> Double {
      Double(seconds.add(1, ordering: .relaxed).newValue)
    }
  }

  private func open(_ place: Where, _ scratch: Scratch) throws -> Storage {
    let time = Time()
    return try StorageFactory.open(
      StorageConfiguration(place.place(scratch), now: { time.next() }))
  }

  @Test(arguments: Where.histories) func runsSaved(_ place: Where) async throws {
    let scratch = try Scratch(inMemory: true)
    let storage: any RunStorage = try open(place, scratch)
    var ids: [String] = []
    for number in 0..<105 {
      ids.append(
        try await storage.saveRun(
          PlanResult(planID: "p\(number)", objective: "wash", json: "{\"steps\": [ \(number)]}"),
          execution: number % 2 == 0 ? "{\"success\": true,\n \"took\": 1.50}" : nil))
    }
    let run = try await storage.run(ids[4])
    #expect(run.planResult == "{\"steps\": [ 4]}" && run.planID == "p4")
    #expect(run.executionResult == "{\"success\": true,\n \"took\": 1.50}")
    #expect(run.summary.success)
    #expect(try await storage.run(ids[5]).executionResult == nil)
    #expect(await Storage.code { _ = try await storage.run("none") } == .notFound)
    #expect(try await storage.listRuns().map(\.id) == Array(ids.reversed().prefix(20)))
    #expect(try await storage.listRuns(limit: 1000, offset: 0).count == 100)
    #expect(
      try await storage.listRuns(limit: 10, offset: 100).map(\.planID)
        == ["p4", "p3", "p2", "p1", "p0"])
    #expect(await Storage.code { _ = try await storage.listRuns(limit: 0, offset: 0) } == .invalid)
    let plan = PlanResult(planID: "p", objective: "o", json: "{no")
    #expect(await Storage.code { _ = try await storage.saveRun(plan, execution: nil) } == .invalid)
  }

  @Test(arguments: Where.taskLists) func tasksInAPlainList(_ place: Where) async throws {
    let scratch = try Scratch(inMemory: true)
    let storage = try open(place, scratch)
    let first = try await storage.createTask("Oil the \"gate\"")
    let second = try await storage.createTask("Order seed")
    #expect(first.id != second.id && first.id.count == 36 && !first.completed)
    for blank in ["", " \n"] {
      #expect(await Storage.code { _ = try await storage.createTask(blank) } == .invalid)
    }
    var changed = first
    changed.description = "Oil the door"
    try await storage.update(changed)
    #expect(await Storage.code { try await storage.update(changed) } == .conflict)
    let done = try await storage.completeTask(second.id, owner: nil)
    #expect(done.completed && done.updatedAt > second.updatedAt)
    let again = try place.reopen(storage, scratch)
    #expect(try await again.tasks().map(\.description) == ["Oil the door", "Order seed"])
    #expect(try await again.tasks().map(\.completed) == [false, true])
    try await again.deleteTask(first.id, owner: nil)
    #expect(await Storage.code { try await again.deleteTask("no", owner: nil) } == .notFound)
    #expect(try await place.reopen(again, scratch).tasks().map(\.id) == [second.id])
  }

  @Test(arguments: Where.taskLists) func tasksByOwner(_ place: Where) async throws {
    let scratch = try Scratch(inMemory: true)
    let storage = try open(place, scratch)
    let mira = TaskOwner(user: "mira")
    let tomas = TaskOwner(user: "tomás/x")
    for owner in [mira, tomas, mira] {
      _ = try await storage.createTask("Water", title: "Fig", owner: owner)
    }
    let again = try place.reopen(storage, scratch)
    #expect(try await again.tasks(of: mira).map(\.id) == ["1", "2"])
    #expect(try await again.tasks(of: tomas).map(\.id) == ["1"])
    #expect(try await again.tasks().count == 3)
    #expect(try await again.tasks(of: tomas).first?.owner == tomas)
    #expect(
      await Storage.code { try await again.completeTask("1", owner: nil) } == .conflict)
    try await again.completeTask("1", owner: tomas)
    try await again.completeTask("2", owner: nil)
    let last = try place.reopen(again, scratch)
    #expect(try await last.tasks().filter(\.completed).count == 2)
    #expect(try await last.tasks(of: mira).map(\.completed) == [false, true])
  }
}
