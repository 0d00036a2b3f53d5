/// By how many bytes the canonical form of a number may exceed the lexeme: 20 zeros written out,
/// or a point and a longer exponent.
let canonicalNumberGrowth = 24

/// Appends the one spelling that all JSON numbers of the same value share; exact, no conversion.
///
/// With the digits stripped of zeros at both ends and their decimal exponent: up to 20 zeros are
/// written out behind an integer and up to 5 behind `0.`; anything beyond stands as
/// `d.ddde±x`, so `1e21` is `1e21`, `100` and `1e2` are `100`. Zero is `0`, negative zero too.
/// - Parameter lexeme: a number that `JSONIndex` has accepted.
package func appendCanonicalNumber(_ lexeme: Span<UInt8>, to out: inout ByteBuffer) {
  var number = DecimalParts(lexeme)
  number.stripZeros()
  if number.digits.isEmpty {
    out.append(0x30)
    return
  }
  if number.isNegative { out.append(0x2D) }
  guard let exponent = number.exponent else {
    appendScientific(number, to: &out)
    return
  }
  let digits = number.digits
  let point = digits.count + exponent
  if exponent >= 0, exponent <= 20 {
    out.append(digits)
    for _ in 0..<exponent { out.append(0x30) }
  } else if exponent < 0, point > 0 {
    out.append(digits.span.extracting(0..<point))
    out.append(0x2E)
    out.append(digits.span.extracting(point..<digits.count))
  } else if exponent < 0, point > -6 {
    out.append("0.")
    for _ in 0..<(-point) { out.append(0x30) }
    out.append(digits)
  } else {
    appendScientific(number, to: &out)
  }
}

private func appendScientific(_ number: DecimalParts, to out: inout ByteBuffer) {
  out.append(number.digits[0])
  if number.digits.count > 1 {
    out.append(0x2E)
    out.append(number.digits.span.extracting(1..<number.digits.count))
  }
  out.append(0x65)
  number.appendExponent(plus: number.digits.count - 1, to: &out)
}

/// A number as sign, digits and decimal exponent: value = ± digits × 10^exponent.
private struct DecimalParts {
  var isNegative = false
  var digits: [UInt8] = []
  /// The written exponent, without leading zeros.
  var exponentDigits: [UInt8] = []
  var exponentIsNegative = false
  /// What the point and the stripped zeros add to the written exponent.
  var shift = 0

  init(_ lexeme: Span<UInt8>) {
    var at = 0
    if lexeme[0] == 0x2D {
      isNegative = true
      at = 1
    }
    var afterPoint = false
    while at < lexeme.count, lexeme[at] | 0x20 != 0x65 {
      if lexeme[at] == 0x2E {
        afterPoint = true
      } else {
        digits.append(lexeme[at])
        if afterPoint { shift -= 1 }
      }
      at += 1
    }
    guard at < lexeme.count else { return }
    at += 1
    if lexeme[at] == 0x2B || lexeme[at] == 0x2D {
      exponentIsNegative = lexeme[at] == 0x2D
      at += 1
    }
    while at < lexeme.count - 1, lexeme[at] == 0x30 { at += 1 }
    exponentDigits = (at..<lexeme.count).map { lexeme[$0] }
  }

  mutating func stripZeros() {
    while digits.last == 0x30 {
      digits.removeLast()
      shift += 1
    }
    digits.removeFirst(digits.prefix { $0 == 0x30 }.count)
  }

  /// The exponent of the last digit, where 18 digits of written exponent suffice.
  var exponent: Int? {
    guard exponentDigits.count <= 18 else { return nil }
    let written = exponentDigits.reduce(0) { $0 * 10 + Int($1 - 0x30) }
    return (exponentIsNegative ? -written : written) + shift
  }

  /// Appends exponent + `extra` in decimal, however many digits the written exponent has.
  func appendExponent(plus extra: Int, to out: inout ByteBuffer) {
    if let exponent {
      out.append(decimal: exponent + extra)
      return
    }
    // More than 18 digits: its magnitude exceeds any count of digits in a text of 1 GiB.
    var magnitude = exponentDigits
    var carry = exponentIsNegative ? -(shift + extra) : shift + extra
    var at = magnitude.count - 1
    while carry != 0, at >= 0 {
      let sum = Int(magnitude[at] - 0x30) + carry
      let digit = ((sum % 10) + 10) % 10
      magnitude[at] = 0x30 + UInt8(digit)
      carry = (sum - digit) / 10
      at -= 1
    }
    if carry > 0 { magnitude.insert(contentsOf: String(carry).utf8, at: 0) }
    if exponentIsNegative { out.append(0x2D) }
    out.append(Array(magnitude.drop { $0 == 0x30 }))
  }
}
