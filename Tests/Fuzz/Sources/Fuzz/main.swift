import CFuzzer
import Glibc

/// `Fuzz TARGET [options and corpus directories of libFuzzer]`.
let arguments = CommandLine.arguments
guard arguments.count > 1, FuzzTarget(rawValue: arguments[1]) != nil else {
  FuzzTarget.fail("usage: Fuzz \(FuzzTarget.allCases.map(\.rawValue).joined(separator: "|")) …")
}

// libFuzzer's driver takes a plain function: which target is meant is in the environment.
setenv("HOLDFAST_FUZZ_TARGET", arguments[1], 1)

var count = Int32(arguments.count - 1)
var texts: [UnsafeMutablePointer<CChar>?] =
  ([arguments[0]] + arguments.dropFirst(2)).map { strdup($0) } + [nil]
let status = texts.withUnsafeMutableBufferPointer { buffer in
  var base = buffer.baseAddress
  return LLVMFuzzerRunDriver(&count, &base) { data, size in
    let bytes = UnsafeBufferPointer(start: data, count: size)
    let name = getenv("HOLDFAST_FUZZ_TARGET").map { String(cString: $0) } ?? ""
    FuzzTarget(rawValue: name)?.run(Array(bytes))
    return 0
  }
}
exit(status)
