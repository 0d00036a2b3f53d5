import Records

/// The records that stand together in a store.
struct RecordGroup: Hashable {
  var kind: RecordKind
  var scope: [UInt8]

  init(kind: RecordKind, scope: [UInt8]) {
    self.kind = kind
    self.scope = scope
  }

  init(_ name: RecordName) { self.init(kind: name.kind, scope: name.scope) }
}

/// Values by the names of their records, each kind and scope in the order in which they came.
///
/// A name that comes again keeps its place in the order. Looking one up takes the same time in a
/// list of any length; so does adding one.
struct NamedList<Value> {
  private var slots: [(name: RecordName, value: Value)?] = []
  private var index: [RecordName: Int] = [:]
  /// The slots of each group in order; some may be empty.
  private var groups: [RecordGroup: [Int]] = [:]
  private var groupOrder: [RecordGroup] = []
  private var emptySlots = 0

  var count: Int { slots.count - emptySlots }

  subscript(name: RecordName) -> Value? {
    get { index[name].flatMap { slots[$0]?.value } }
    set {
      if let slot = index[name] {
        if let newValue {
          slots[slot] = (name, newValue)
        } else {
          slots[slot] = nil
          index[name] = nil
          emptySlots += 1
          if emptySlots > 32, emptySlots > slots.count / 2 { pack() }
        }
      } else if let newValue {
        index[name] = append(name, newValue)
      }
    }
  }

  /// Adds a value behind the others of its group, whether or not the name is there already: then
  /// the earlier one is what is found by it.
  @discardableResult
  mutating func append(_ name: RecordName, _ value: Value) -> Int {
    let group = RecordGroup(name)
    if groups[group] == nil { groupOrder.append(group) }
    groups[group, default: []].append(slots.count)
    slots.append((name, value))
    if index[name] == nil { index[name] = slots.count - 1 }
    return slots.count - 1
  }

  /// Those of a kind; nil for the scope: all of them, group by group.
  func elements(of kind: RecordKind, scope: [UInt8]?) -> [(name: RecordName, value: Value)] {
    var found: [(name: RecordName, value: Value)] = []
    for group in groupOrder where group.kind == kind && (scope == nil || group.scope == scope) {
      found += (groups[group] ?? []).compactMap { slots[$0] }
    }
    return found
  }

  /// The last one of a group.
  func last(of group: RecordGroup) -> Value? {
    groups[group]?.last { slots[$0] != nil }.flatMap { slots[$0]?.value }
  }

  /// The scopes in which there is a record of one of `kinds`, in the order in which they came.
  func scopes(of kinds: [RecordKind]) -> [[UInt8]] {
    var found: [[UInt8]] = []
    for group in groupOrder where kinds.contains(group.kind) && !found.contains(group.scope) {
      if groups[group]?.contains(where: { slots[$0] != nil }) ?? false { found.append(group.scope) }
    }
    return found
  }

  mutating func mapValues(_ change: (inout Value) -> Void) {
    for slot in slots.indices where slots[slot] != nil {
      if var entry = slots[slot] {
        change(&entry.value)
        slots[slot] = entry
      }
    }
  }

  private mutating func pack() {
    var packed = Self()
    for group in groupOrder {
      for slot in groups[group] ?? [] {
        if let entry = slots[slot] { packed.append(entry.name, entry.value) }
      }
    }
    self = packed
  }
}
