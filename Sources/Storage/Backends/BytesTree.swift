import Disk
import LosslessJSON
import Records
import Stores
import SystemPackage

/// One file of a store as it is in memory, for the readers of all kinds of stores.
final class BytesTree: StoreTree {
  private let bytes: ByteBuffer
  private let path: String
  let files: [StoreFile]
  let isSingleFile = true
  let notes: [Finding] = []

  init(_ bytes: ByteBuffer, path: FilePath) {
    self.bytes = bytes
    self.path = path.string
    files = [
      StoreFile(
        name: FilePath(root: nil, [path.lastComponent].compactMap { $0 }), isDirectory: false,
        size: bytes.count, mode: 0o600, modifiedSeconds: 0, modifiedNanoseconds: 0)
    ]
  }

  func displayPath(_ index: Int) -> String { path }

  func open(_ index: Int) -> ByteStream {
    var at = 0
    return ByteStream { [bytes] buffer, limit in
      let count = min(limit, bytes.count - at)
      buffer.append(bytes.span.extracting(at..<at + count))
      at += count
      return count
    }
  }

  func head(_ index: Int, limit: Int) -> ByteBuffer {
    var head = ByteBuffer()
    let bytes = bytes
    head.append(bytes.span.extracting(0..<min(limit, bytes.count)))
    return head
  }
}
