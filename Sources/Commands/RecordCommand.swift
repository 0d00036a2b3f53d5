import ArgumentParser
import HoldfastStorage
import LosslessJSON
import Records
import Stores
import SystemPackage

struct RecordCommand: Verb {
  static let verb = "record"
  static let configuration = CommandConfiguration(
    commandName: "record",
    abstract: "Read and write single records of a store.",
    discussion: """
      get prints a record as it is stored, compact; list names the records of a store; both take \
      any store, database or backup. put saves a record, in the place of the one of its kind and \
      id or behind the last one; delete takes one away, with the edges or relations that start or \
      end at it. What is written is on the disk when the verb ends; all other bytes of the store \
      stay as they are, those included that cannot be read. put and delete take memory graphs, \
      intent snapshots, content archives, task lists, run histories and migrated databases; put \
      makes what --kind says where nothing is there.

      A record is named by its kind and id, as in entity:Ada, intent:i-7 or task:mira/7; an edge or \
      a relation by its ends, as in 'relation:Ada -knows-> Bo'. The id alone will do where one \
      record has it.

      \(ExitStatus.help([.findings, .notFound, .locked, .refused, .notWritable]))
      """)

  enum Action: String, ExpressibleByArgument, CaseIterable, Sendable { case get, put, delete, list }

  @Argument(help: "What is to be done: get, put, delete or list.")
  var action: Action

  @Argument(help: "The store.", completion: .file())
  var store: String

  @Argument(
    help: ArgumentHelp(
      "For get and delete: the record, as kind:id. For put: its JSON, or @FILE, or - for standard "
        + "input. For list: kinds; all by default.", valueName: "record"))
  var words: [String] = []

  @Option(
    name: .long,
    help: ArgumentHelp("The context of a memory graph that is meant.", valueName: "context"))
  var context: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Whose task it is that is put, and of which project.", valueName: "user[/project]"))
  var owner: String?

  @Option(
    name: .long,
    help: ArgumentHelp("list: at most so many records.", valueName: "n"))
  var limit: Int?

  @Flag(name: .long, help: "Show what would be done, and write nothing.")
  var dryRun = false

  @OptionGroup var shared: SharedOptions

  func validate() throws {
    if action != .list, words.count != 1 {
      throw ValidationError("name the store and one record")
    }
    for word in action == .list ? words : [] where RecordKind(rawValue: word) == nil {
      throw ValidationError("there is no kind of record called \(word)")
    }
    if let limit, limit < 1 { throw ValidationError("--limit is a number from 1") }
  }

  func perform(_ console: Console) throws -> ExitStatus {
    switch action {
    case .get: try get(console)
    case .list: try list(console)
    case .put, .delete: try change(console)
    }
  }

  private func get(_ console: Console) throws -> ExitStatus {
    let storage = try StorageVerb.view(store, shared, context: context)
    let word = words[0]
    let record = try StorageVerb.find(in: storage) { try await $0.record(word, context: nil) }
    let text = record.text.bytes
    console.json(Self.verb) {
      $0.member("record", record.name.title)
      $0.member("content_hash", record.text.contentHash)
      $0.key("value")
      $0.raw(text.span)
    }
    console.answer(bytes: (text + [0x0A]).span)
    return .done
  }

  private func list(_ console: Console) throws -> ExitStatus {
    let storage = try StorageVerb.view(store, shared, context: context)
    let kinds = words.compactMap { RecordKind(rawValue: $0) }
    let (records, findings) = try StorageVerb.wait {
      (try await storage.records(kinds, context: nil), try await storage.findings)
    }
    let shown = records.prefix(limit ?? records.count)
    console.json(Self.verb) { root in
      root.member("total", records.count)
      root.key("records")
      root.array(of: shown) { list, record in
        list.object {
          $0.member("record", record.name.title)
          $0.member("content_hash", record.text.contentHash)
        }
      }
    }
    for record in shown { console.result(printable(record.name.title)) }
    return StorageVerb.damage(findings, console)
  }

  /// The context to name to the storage: none where that is a graph of one file. Refuses a record that
  /// is not, or would not be, in the context that was named.
  private func storageContext(putting text: RecordText?) throws -> String? {
    guard let context,
      let router = try StorageFactory.router(FilePath(store), kind: shared.kind)
    else { return self.context }
    if let text {
      let own = router.name(of: text)
      guard own == context else {
        throw StorageError(
          .invalid, "the record is in the context \(own), not in \(context)", path: store,
          hint: "in a graph of one file the metadata.context of a record says where it is")
      }
    } else {
      let part = try StorageVerb.view(store, shared, context: context)
      let word = words[0]
      _ = try StorageVerb.wait { try await part.record(word, context: nil) }
    }
    return nil
  }

  private func change(_ console: Console) throws -> ExitStatus {
    let text = action == .put ? try RecordText(json: StorageVerb.text(words[0])) : nil
    let storage = try StorageVerb.open(
      store, shared, otherwise: action == .put ? shared.kind : nil, isPlan: dryRun)
    let context = try storageContext(putting: text)
    let (word, owner) = (words[0], StorageVerb.owner(owner))
    let isPlan = dryRun
    let plan = try StorageVerb.wait {
      let plan =
        if let text {
          try await storage.plan(putting: text, context: context, owner: owner)
        } else {
          try await storage.plan(deleting: word, context: context)
        }
      if !isPlan { try await storage.carryOut(plan) }
      return plan
    }
    StorageVerb.tell(Self.verb, console, isPlan: dryRun, "\(plan.record) \(plan.outcome.rawValue)")
    {
      root in
      root.member("record", plan.record)
      root.member("outcome", plan.outcome.rawValue)
      root.key("followers")
      root.array(of: plan.followers) { $0.value($1) }
    }
    for follower in plan.followers { console.result(printable("  \(follower) goes with it")) }
    return .done
  }
}
