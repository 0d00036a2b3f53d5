import Glibc

/// How many times the usual number of random cases is run: HOLDFAST_ROUNDS where it is set.
let rounds: Int = getenv("HOLDFAST_ROUNDS").flatMap { Int(String(cString: $0)) } ?? 1
