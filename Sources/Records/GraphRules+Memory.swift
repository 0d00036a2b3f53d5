import LosslessJSON

/// Memory graphs: entities by name, relations between them, charts and times in `metadata`.
extension GraphRules {
  mutating func observeEntity(_ record: borrowing Record) {
    let object = record.body
    if require("name", [.string], of: object, record) != nil {
      _ = read("name", of: object, record)
      if !entities.insert(Self.key(scratch.span)).inserted {
        add(
          .warning, .duplicateID, "another entity has the same name", at: record.place,
          record: record.label)
      }
    }
    let type = require("entityType", [.string], of: object, record)
    if let list = require("observations", [.array], of: object, record) {
      checkObservations(list, record)
    }
    guard let metadata = record.text.member("metadata", of: object),
      record.text.kind(metadata) == .object
    else { return }
    checkTimes(metadata, record)
    checkChart(metadata, record, definesOne: type.map { isChart($0, record) } ?? false)
  }

  private func isChart(_ type: Int, _ record: borrowing Record) -> Bool {
    record.text.isString(type, equalTo: "structural_tension_chart")
  }

  private mutating func checkObservations(_ list: Int, _ record: borrowing Record) {
    var at = list + 1
    let tokens = record.text.index.tokens
    while at < Int(tokens[list].next) {
      if tokens[at].kind != .string {
        add(
          .error, .wrongType, "has an observation that is no string (\(tokens[at].kind))",
          at: record.place, record: record.label)
      }
      at = Int(tokens[at].next)
    }
  }

  mutating func observeRelation(_ record: borrowing Record) {
    let object = record.body
    var complete = true
    for key in ["from", "relationType", "to"] as [StaticString]
    where require(key, [.string], of: object, record) == nil {
      complete = false
    }
    if complete {
      scratch.removeAll()
      record.appendID(to: &scratch)
      if !relations.insert(Self.key(scratch.span)).inserted {
        add(
          .warning, .duplicateEdge, "the same relation occurs more than once",
          at: record.place, record: record.label)
      }
    }
    for key in ["from", "to"] as [StaticString] where read(key, of: object, record) {
      let target = Self.key(scratch.span)
      if entities.contains(target) { continue }
      let start = keepScratch()
      openEnds.append(
        openEnd(target, at: record.place, .danglingEnd, isIntent: false, start: start))
    }
    guard let metadata = record.text.member("metadata", of: object),
      record.text.kind(metadata) == .object
    else { return }
    checkTimes(metadata, record)
  }

  mutating func keepScratch() -> Int {
    let text = scratch
    return keep(text.span)
  }

  private mutating func checkTimes(_ metadata: Int, _ record: borrowing Record) {
    var times: [ISOTime?] = []
    for key in ["createdAt", "updatedAt", "dueDate"] as [StaticString] {
      guard read(key, of: metadata, record), !scratch.isEmpty else {
        times.append(nil)
        continue
      }
      let time = ISOTime(scratch.span)
      if time == nil {
        add(
          .warning, .badTime,
          "has a \(key) that is no ISO 8601 time: \(String(decoding: scratch.array, as: UTF8.self))",
          at: record.place, record: record.label)
      }
      times.append(time)
    }
    if let created = times[0], let updated = times[1], updated < created {
      add(
        .warning, .timeOrder, "was updated before it was created", at: record.place,
        record: record.label)
    }
  }

  private mutating func checkChart(
    _ metadata: Int, _ record: borrowing Record, definesOne: Bool
  ) {
    if definesOne, read("chartId", of: metadata, record) {
      charts.insert(Self.key(scratch.span, salt: 1))
    }
    for key in ["chartId", "parentChart"] as [StaticString] {
      guard read(key, of: metadata, record), !scratch.isEmpty else { continue }
      let target = Self.key(scratch.span, salt: 1)
      if charts.contains(target) { continue }
      if namedCharts[target] != nil {
        namedCharts[target]?.count += 1
        continue
      }
      let start = keepScratch()
      namedCharts[target] = openEnd(
        target, at: record.place, .missingChart, isIntent: false, start: start)
    }
  }
}
