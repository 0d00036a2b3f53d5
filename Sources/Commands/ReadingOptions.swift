import ArgumentParser
import Backup
import Snapshot
import Stores
import SystemPackage

/// What verbs that read a store take.
struct ReadingOptions: ParsableArguments {
  @Option(
    name: .long,
    help: ArgumentHelp(
      "Where documents have their id, as a JSON pointer such as /meta/id; by default they are "
        + "known by line.", valueName: "pointer"))
  var idField: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Only this context of a memory graph directory; may be repeated.", valueName: "context"))
  var context: [String] = []

  func options() throws -> ReadOptions {
    guard let idField else { return ReadOptions() }
    guard let pointer = JSONPointer(idField) else {
      throw ValidationError("--id-field is no JSON pointer; it looks like /meta/id")
    }
    return ReadOptions(idField: pointer)
  }

  func open(_ path: String, kind: String?) throws -> OpenedStore {
    do {
      return try OpenedStore(
        opening: FilePath(path), formats: HoldfastCommand.formats, kind: kind,
        include: BackupPlan.include(context))
    } catch let error as StoreError where error.code == .unknownKind && kind != nil {
      throw ValidationError("\(error.message); \(error.hint ?? "")")
    }
  }
}
