import Glibc
import HoldfastStorage

// StorageWorker KIND PATH NAME COUNT: makes COUNT changes to a store, and prints a line once each
// is durable. Intents: adds one to the priority of one of four counters, as a program does that
// knows of no other. Everything else: adds records of its own, named after NAME.
//
// With the NAME `read` it reads instead: the COUNT counters one by one, then all of them, and fails
// where one is not found.

func fail(_ text: String) -> Never {
  let line = Array("\(text)\n".utf8)
  _ = write(2, line, line.count)
  exit(1)
}

func acknowledge(_ text: String) {
  let line = Array("\(text)\n".utf8)
  guard write(1, line, line.count) == line.count else { fail("cannot acknowledge") }
}

/// Saves an intent; the error where it could not be.
func save(_ intent: StorableIntent, in storage: Storage) async -> StorageError? {
  do { try await storage.update(intent) } catch { return error }
  return nil
}

/// Reads a counter, adds one, and saves it; again where another program was quicker.
func increment(_ id: String, in storage: Storage) async throws {
  while true {
    guard var counter = try await storage.intent(id) else { fail("there is no counter \(id)") }
    counter.priority += 1
    guard let error = await save(counter, in: storage) else { return }
    if error.code != .conflict { throw error }
  }
}

let words = CommandLine.arguments
guard words.count == 5, let count = Int(words[4]) else { fail("KIND PATH NAME COUNT") }
let (path, name) = (words[2], words[3])
let place: StorageConfiguration.Place
switch words[1] {
case "snapshot": place = .snapshot(path)
case "archive": place = .archive(path)
case "database": place = .database(path)
case "graph": place = .graph(path)
case "contexts": place = .contexts(path)
case "tasks": place = .tasks(path)
case "runs": place = .runs(path)
default: fail("no such kind: \(words[1])")
}
do {
  if name == "measure" {
    try await Measure.run(words[1], place, path, count)
    exit(0)
  }
  let storage = try StorageFactory.open(StorageConfiguration(place, waitLimit: 600))
  if name == "read" {
    for number in 0..<count {
      guard let counter = try await storage.intent("counter-\(number)") else {
        fail("counter-\(number) is not found")
      }
      acknowledge("\(counter.id) \(counter.priority)")
    }
    let all = try await storage.intents()
    guard all.count == count else { fail("\(all.count) of \(count) are listed") }
    for counter in all { acknowledge("\(counter.id) \(counter.priority)") }
    exit(0)
  }
  for number in 0..<count {
    let own = "\(name)-\(number)"
    switch place {
    case .snapshot, .archive, .database:
      try await increment("counter-\(number % 4)", in: storage)
      acknowledge(own)
    case .graph, .contexts:
      let context = words[1] == "graph" || number.isMultiple(of: 2) ? "default" : "other"
      try await storage.append(Entity(name: own, type: "line", observations: [own]), to: context)
      acknowledge(own)
    case .tasks:
      _ = try await storage.createTask(own)
      acknowledge(own)
    case .runs:
      let plan = PlanResult(planID: own, objective: "test", json: "{}")
      acknowledge(try await storage.saveRun(plan, execution: nil))
    case .memory: fail("memory is not shared")
    }
  }
} catch { fail("\(name): \(error)") }
