import { compareValues } from '../bson/compare.ts'
import {
  addDecimals,
  type Decimal,
  decimalAt,
  decimalOfDoubleRounded,
  decimalValue,
  divideDecimals,
  finite,
} from '../bson/decimal.ts'
import { int32At } from '../bson/element.ts'
import { arrayValue } from '../bson/encode.ts'
import { KeyWriter } from '../bson/key.ts'
import { BsonType } from '../bson/types.ts'
import { doubleValue, entriesOf, intValue, longValue, NULL, Value } from '../bson/value.ts'
import { DocumentWriter } from '../bson/writer.ts'
import { codeError } from '../errors.ts'

/** Takes values one by one and gives one. What is kept is copied. */
export interface Accumulator {
  add(value: Value): void
  result(): Value
  /** What it holds, roughly. */
  readonly bytes?: number
}

/** A value that outlives the document it came from. */
export function owned(value: Value): Value {
  return new Value(value.type, Buffer.from(value.raw), 0)
}

/** A sum in the widest type seen; doubles are added with compensation, as MongoDB does. */
class NumberSum {
  count = 0
  #whole = 0n
  #small = 0
  #double = 0
  #compensation = 0
  #decimal: Decimal | undefined
  #hasLong = false
  #hasDouble = false

  add(value: Value): void {
    switch (value.type) {
      case BsonType.int:
        this.#small += int32At(value.bytes, value.at)
        // Kept in a double while that is exact.
        if (Math.abs(this.#small) > 2 ** 51) {
          this.#whole += BigInt(this.#small)
          this.#small = 0
        }
        break
      case BsonType.long:
        this.#hasLong = true
        this.#whole += value.long
        break
      case BsonType.double: {
        this.#hasDouble = true
        const number = value.bytes.readDoubleLE(value.at)
        const sum = this.#double + number
        if (Number.isFinite(sum))
          this.#compensation +=
            Math.abs(this.#double) >= Math.abs(number)
              ? this.#double - sum + number
              : number - sum + this.#double
        this.#double = sum
        break
      }
      case BsonType.decimal:
        this.#decimal = addDecimals(
          this.#decimal ?? finite(0n, 0),
          decimalAt(value.bytes, value.at),
        )
        break
      default:
        return
    }
    this.count++
  }
  get #wholeSum(): bigint {
    return this.#whole + BigInt(this.#small)
  }
  get #asDecimal(): Decimal {
    const others = this.#hasDouble
      ? addDecimals(finite(this.#wholeSum, 0), decimalOfDoubleRounded(this.#doubleSum))
      : finite(this.#wholeSum, 0)
    return addDecimals(this.#decimal!, others)
  }
  get #doubleSum(): number {
    return Number.isFinite(this.#double) ? this.#double + this.#compensation : this.#double
  }
  sum(): Value {
    if (this.#decimal) return decimalValue(this.#asDecimal)
    const whole = this.#wholeSum
    if (this.#hasDouble) return doubleValue(this.#doubleSum + Number(whole))
    if (!this.#hasLong && BigInt.asIntN(32, whole) === whole) return intValue(Number(whole))
    return BigInt.asIntN(64, whole) === whole ? longValue(whole) : doubleValue(Number(whole))
  }
  average(): Value {
    if (this.count === 0) return NULL
    if (this.#decimal)
      return decimalValue(divideDecimals(this.#asDecimal, finite(BigInt(this.count), 0)))
    return doubleValue((this.#doubleSum + Number(this.#wholeSum)) / this.count)
  }
}

/** Adds numbers, in the widest type seen; all else counts nothing. */
export class SumAccumulator implements Accumulator {
  readonly #sum = new NumberSum()
  add(value: Value): void {
    this.#sum.add(value)
  }
  result(): Value {
    return this.#sum.sum()
  }
}

/** The mean of the numbers, or null where there are none. */
export class AverageAccumulator implements Accumulator {
  readonly #sum = new NumberSum()
  add(value: Value): void {
    this.#sum.add(value)
  }
  result(): Value {
    return this.#sum.average()
  }
}

class BestAccumulator implements Accumulator {
  #best: Value | undefined
  readonly #sign: number
  constructor(sign: 1 | -1) {
    this.#sign = sign
  }
  add(value: Value): void {
    if (value.isNullish) return
    if (!this.#best || compareValues(value, this.#best) * this.#sign > 0) this.#best = owned(value)
  }
  result(): Value {
    return this.#best ?? NULL
  }
}
/** The least value that is not null. */
export class MinAccumulator extends BestAccumulator {
  constructor() {
    super(-1)
  }
}
/** The greatest value that is not null. */
export class MaxAccumulator extends BestAccumulator {
  constructor() {
    super(1)
  }
}

class FirstAccumulator implements Accumulator {
  #first: Value | undefined
  add(value: Value): void {
    this.#first ??= owned(value)
  }
  result(): Value {
    return this.#first?.isMissing === false ? this.#first : NULL
  }
}

class LastAccumulator implements Accumulator {
  #last: Value = NULL
  add(value: Value): void {
    this.#last = owned(value)
  }
  result(): Value {
    return this.#last.isMissing ? NULL : this.#last
  }
}

class PushAccumulator implements Accumulator {
  bytes = 0
  readonly #values: Value[] = []
  add(value: Value): void {
    if (value.isMissing) return
    const copy = owned(value)
    this.bytes += copy.bytes.length + 96
    this.#values.push(copy)
  }
  result(): Value {
    return arrayValue(this.#values)
  }
}

class AddToSetAccumulator implements Accumulator {
  bytes = 0
  readonly #values = new Map<string, Value>()
  readonly #key = new KeyWriter()
  add(value: Value): void {
    if (value.isMissing) return
    const key = this.#key.reset().value(value.bytes, value.type, value.at).takeWhole()
    const text = key.toString('latin1')
    if (this.#values.has(text)) return
    this.bytes += key.length * 2 + 160
    this.#values.set(text, owned(value))
  }
  result(): Value {
    return arrayValue([...this.#values.values()])
  }
}

class MergeAccumulator implements Accumulator {
  readonly #fields = new Map<string, Value>()
  add(value: Value): void {
    if (value.isNullish) return
    if (value.type !== BsonType.object)
      throw codeError('Location40400', '$mergeObjects requires object inputs')
    for (const [name, field] of entriesOf(value)) this.#fields.set(name, owned(field))
  }
  result(): Value {
    const writer = new DocumentWriter().begin()
    for (const [name, value] of this.#fields) writer.value(name, value)
    return new Value(BsonType.object, writer.end().take(), 0)
  }
}

/** Accumulators of `$group` by name. */
export const accumulators: Readonly<Record<string, () => Accumulator>> = {
  $sum: () => new SumAccumulator(),
  $avg: () => new AverageAccumulator(),
  $min: () => new MinAccumulator(),
  $max: () => new MaxAccumulator(),
  $first: () => new FirstAccumulator(),
  $last: () => new LastAccumulator(),
  $push: () => new PushAccumulator(),
  $addToSet: () => new AddToSetAccumulator(),
  $mergeObjects: () => new MergeAccumulator(),
}
