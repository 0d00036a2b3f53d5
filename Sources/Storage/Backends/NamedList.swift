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

extension RecordKind {
  /// Whether it is kept in objects, under its id: where that stands twice, its owners take the last
  /// one, and the first one of lines and elements.
  var isMember: Bool { self == .intent || self == .user || self == .project }
}

/// Values by the names of their records, each kind and scope in the order in which they came.
///
/// Setting a value by a name that is there keeps its place in the order. Looking one up takes the same
/// time in a list of any length; so does adding one.
struct NamedList<Value> {
  private var slots: [(name: RecordName, value: Value)?] = []
  /// The slot that is found by a name.
  private var index: [RecordName: Int] = [:]
  /// The other slots of a name that stands more than once.
  private var others: [RecordName: [Int]] = [:]
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
          // All that stands under the name: another one would be found in its place.
          for slot in [slot] + (others[name] ?? []) {
            slots[slot] = nil
            emptySlots += 1
          }
          index[name] = nil
          others[name] = nil
          if emptySlots > 32, emptySlots > slots.count / 2 { pack() }
        }
      } else if let newValue {
        append(name, newValue)
      }
    }
  }

  /// Everything that stands under a name, what is found by it first.
  func all(_ name: RecordName) -> [Value] {
    guard let slot = index[name] else { return [] }
    return ([slot] + (others[name] ?? [])).compactMap { slots[$0]?.value }
  }

  /// Adds a value behind the others of its group, whether or not the name is there already.
  /// - Parameter isLatestFound: whether of several it is this one that is found by the name, not the
  ///   first.
  mutating func append(_ name: RecordName, _ value: Value, isLatestFound: Bool = false) {
    let group = RecordGroup(name)
    if groups[group] == nil { groupOrder.append(group) }
    groups[group, default: []].append(slots.count)
    slots.append((name, value))
    let new = slots.count - 1
    guard let known = index[name] else {
      index[name] = new
      return
    }
    others[name, default: []].append(isLatestFound ? known : new)
    if isLatestFound { index[name] = new }
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
        guard let entry = slots[slot] else { continue }
        packed.append(entry.name, entry.value, isLatestFound: index[entry.name] == slot)
      }
    }
    self = packed
  }
}
