/// An intent with its RTFS source read: what it is checked against while it is carried out.
///
/// Made from a `StorableIntent` and turned back into one without a byte of its source lost.
public struct RuntimeIntent: Sendable, Hashable, Identifiable {
  /// Source, and what it says.
  public struct Parsed: Sendable, Hashable {
    public let source: String
    public let expression: RTFSExpression

    /// Throws `invalid`, with line and byte in the source.
    public init(_ source: String) throws(StorageError) {
      expression = try RTFSExpression(source)
      self.source = source
    }
  }

  private var stored: StorableIntent
  /// By name.
  public var constraints: [String: Parsed]
  public var preferences: [String: Parsed]
  public var successCriteria: Parsed?

  /// Reads the source of every constraint and preference and of the success criteria. Throws
  /// `invalid`, naming which, with line and byte in that source.
  public init(_ intent: StorableIntent) throws(StorageError) {
    stored = intent
    constraints = try Self.read(intent.constraints, of: intent.id, "constraint")
    preferences = try Self.read(intent.preferences, of: intent.id, "preference")
    if let source = intent.successCriteria {
      successCriteria = try Self.parsed(source, of: intent.id, "success criteria")
    }
  }

  private static func read(_ sources: [String: String], of id: String, _ what: String)
    throws(StorageError) -> [String: Parsed]
  {
    var parsed: [String: Parsed] = [:]
    for (name, source) in sources.sorted(by: { $0.key < $1.key }) {
      parsed[name] = try Self.parsed(source, of: id, "\(what) \(name)")
    }
    return parsed
  }

  private static func parsed(_ source: String, of id: String, _ what: String)
    throws(StorageError) -> Parsed
  {
    do throws(StorageError) { return try Parsed(source) } catch {
      throw StorageError(
        .invalid, "the \(what) of intent \(id) \(error.message)", offset: error.offset,
        line: error.line, cause: error, hint: "correct the source, and store the intent again")
    }
  }

  public var id: String { stored.id }
  public var name: String? {
    get { stored.name }
    set { stored.name = newValue }
  }
  public var goal: String {
    get { stored.goal }
    set { stored.goal = newValue }
  }
  public var status: IntentStatus? {
    get { stored.status }
    set { stored.status = newValue }
  }
  public var priority: Int {
    get { stored.priority }
    set { stored.priority = newValue }
  }

  /// The form that is stored: the source as it was written, and all that this view does not name.
  public var storable: StorableIntent {
    var intent = stored
    intent.constraints = constraints.mapValues(\.source)
    intent.preferences = preferences.mapValues(\.source)
    intent.successCriteria = successCriteria?.source
    return intent
  }
}
