import ArgumentParser
import Disk
import Dispatch
import HoldfastStorage
import LosslessJSON
import Records
import Stores
import Synchronization
import SystemPackage

/// What the verbs share that read and write single records.
enum StorageVerb {
  /// Carries out asynchronous work, and waits for it.
  static func wait<Value: Sendable>(
    _ body: @escaping @Sendable () async throws -> Value
  ) throws -> Value {
    let result = Mutex<Result<Value, any Error>?>(nil)
    let done = DispatchSemaphore(value: 0)
    Task {
      let value: Result<Value, any Error>
      do { value = .success(try await body()) } catch { value = .failure(error) }
      result.withLock { $0 = value }
      done.signal()
    }
    done.wait()
    guard let value = result.withLock({ $0 }) else {
      throw StorageError(.failed, "the work came to no end")
    }
    return try value.get()
  }

  /// Opens a store for writing; what `otherwise` says is made where nothing is there.
  static func open(
    _ store: String, _ shared: SharedOptions, otherwise: String? = nil, isPlan: Bool = false
  ) throws -> Storage {
    let time = try currentTime()
    return try StorageFactory.open(
      FilePath(store), kind: shared.kind, otherwise: otherwise,
      waitLimit: shared.waitLock.seconds, isPlan: isPlan, now: { Double(time) })
  }

  /// The records of any store or backup, to be read alone: those of one context where it is named.
  static func view(_ store: String, _ shared: SharedOptions, context: String? = nil) throws
    -> Storage
  {
    let contexts = context.map { [$0] } ?? []
    return try StorageFactory.view(
      ReadingOptions.open(store, kind: shared.kind, contexts: contexts))
  }

  /// Tells of what a damaged store could not give, after the rest has been told.
  static func damage(_ findings: [StorageFinding], _ console: Console) -> ExitStatus {
    guard let first = findings.first(where: { $0.severity == .error }) else { return .done }
    console.failure("\(first)")
    return .findings
  }

  /// What `body` finds in a store; where it is not there, the error says whether it may be among what
  /// could not be read.
  static func find<Value: Sendable>(
    in storage: Storage, _ body: @escaping @Sendable (Storage) async throws -> Value
  ) throws -> Value {
    try wait {
      do { return try await body(storage) } catch var error as StorageError
        where error.code == .notFound
      {
        if let first = try await storage.findings.first(where: { $0.severity == .error }) {
          error.message += ", but not all of the store can be read: \(first)"
          error.hint = "holdfast salvage recovers what is left"
        }
        throw error
      }
    }
  }

  /// A text that was given as it is, or in a file as `@FILE`, or on standard input as `-`.
  static func text(_ given: String) throws -> String {
    guard given == "-" || given.hasPrefix("@") else { return given }
    guard given == "-" else {
      let file = try InputFile(opening: FilePath(String(given.dropFirst())))
      return String(decoding: try Disk.contents(of: file).array, as: UTF8.self)
    }
    var bytes: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 64 << 10)
    while true {
      let count = try block.withUnsafeMutableBytes {
        try FileDescriptor.standardInput.read(into: $0)
      }
      if count == 0 { return String(decoding: bytes, as: UTF8.self) }
      bytes += block[0..<count]
    }
  }

  /// `USER` or `USER/PROJECT`.
  static func owner(_ text: String?) -> TaskOwner? {
    guard let text else { return nil }
    guard let slash = text.firstIndex(of: "/") else { return TaskOwner(user: text) }
    return TaskOwner(
      user: String(text[..<slash]), project: String(text[text.index(after: slash)...]))
  }

  /// Tells of a change, planned or made. `--json` has the same members for both.
  static func tell(
    _ verb: String, _ console: Console, isPlan: Bool, _ what: String,
    _ encode: (inout JSONBuilder) -> Void
  ) {
    console.json(verb) { root in
      if isPlan {
        root.member("dry_run", true)
        root.key("plan")
        root.object { encode(&$0) }
      } else {
        encode(&root)
      }
    }
    console.result(printable((isPlan ? "not done yet: " : "") + what))
  }
}
