import Glibc
import HoldfastStorage

/// How long the calls of a store take that holds many records.
enum Measure {
  private static func seconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }

  private static func write(_ text: String, to path: String) {
    guard let file = fopen(path, "w") else { fail("cannot write \(path)") }
    fputs(text, file)
    fclose(file)
  }

  private static func intent(_ number: Int) -> StorableIntent {
    var intent = StorableIntent(
      id: "intent-\(number)", goal: "reach hill \(number) before the others do",
      name: "hill \(number)", priority: number % 10, createdAt: 1_700_000_000 + number)
    intent.constraints = ["height": "(> h \(number))", "time": "(< t 90)"]
    intent.metadata = ["owner": "team \(number % 7)", "note": String(repeating: "n", count: 200)]
    return intent
  }

  /// Fills the store at `path` with `count` records, and prints what its calls take, in seconds.
  static func run(_ kind: String, _ place: StorageConfiguration.Place, _ path: String, _ count: Int)
    async throws
  {
    let isGraph = kind == "graph" || kind == "contexts"
    let source = path + ".source"
    var text = isGraph ? "" : "{\n  \"intents\": {"
    for number in 0..<count {
      if isGraph {
        let entity = Entity(
          name: "entity-\(number)", type: "hill",
          observations: ["seen \(number)", String(repeating: "o", count: 200)])
        text += entity.json + "\n"
      } else {
        let intent = intent(number)
        text += "\(number > 0 ? "," : "")\n    \"\(intent.id)\": \(intent.json)"
      }
    }
    if !isGraph { text += "\n  },\n  \"edges\": []\n}\n" }
    write(text, to: source)
    let filled = try StorageFactory.open(StorageConfiguration(place))
    try await StorageFactory.migrateFromFile(source, to: filled)
    unlink(source)
    var results: [(String, Double)] = []
    var start = seconds()
    let storage = try StorageFactory.open(StorageConfiguration(place))
    func read(_ number: Int) async throws -> Bool {
      if isGraph {
        return try await storage.openNodes(["entity-\(number)"], in: "default").entities.count == 1
      }
      return try await storage.intent("intent-\(number)") != nil
    }
    guard try await read(count / 2) else { fail("a record is missing") }
    results.append(("startup", seconds() - start))
    var times: [Double] = []
    for _ in 0..<200 {
      let number = Int.random(in: 0..<count)
      start = seconds()
      guard try await read(number) else { fail("a record is missing") }
      times.append(seconds() - start)
    }
    results += summary("get", times)
    times = []
    for number in count..<count + 40 {
      start = seconds()
      if isGraph {
        try await storage.append(Entity(name: "entity-\(number)", type: "hill"), to: "default")
      } else {
        try await storage.store(intent(number))
      }
      times.append(seconds() - start)
    }
    results += summary("store", times)
    times = []
    for number in 0..<20 {
      start = seconds()
      if isGraph {
        try await storage.addObservations(["new"], to: "entity-\(number)", in: "default")
      } else {
        guard var intent = try await storage.intent("intent-\(number)") else { fail("missing") }
        intent.priority += 1
        start = seconds()
        try await storage.update(intent)
      }
      times.append(seconds() - start)
    }
    results += summary("update", times)
    let numbers = results.map { "\"\($0.0)\": \($0.1)" }.joined(separator: ", ")
    acknowledge("{\"kind\": \"\(kind)\", \"records\": \(count), \(numbers)}")
  }

  private static func summary(_ name: String, _ times: [Double]) -> [(String, Double)] {
    let sorted = times.sorted()
    return [(name, sorted[sorted.count / 2]), ("\(name)_p95", sorted[sorted.count * 95 / 100])]
  }
}
