import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  BSONRegExp,
  Decimal128,
  Double,
  Int32,
  Long,
  MaxKey,
  MinKey,
  ObjectId,
  serialize,
  Timestamp,
  UUID,
} from 'bson'
import fc from 'fast-check'
import { compareValues } from '../src/bson/compare.ts'
import { KeyWriter } from '../src/bson/key.ts'
import { getField, type Value } from '../src/bson/value.ts'

const asValue = (value: unknown): Value =>
  getField(Buffer.from(serialize({ v: value }, { ignoreUndefined: false })), 0, 'v')!
const keyOf = (value: Value, isDescending = false): Buffer =>
  new KeyWriter().value(value.bytes, value.type, value.at, isDescending).takeWhole()

const decimals = fc
  .tuple(fc.bigInt({ min: -(10n ** 33n), max: 10n ** 33n }), fc.integer({ min: -60, max: 60 }))
  .map(([coefficient, exponent]) => Decimal128.fromString(`${coefficient}E${exponent}`))
const longs = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
// Numbers that lie close together and in different types are where order goes wrong.
const numbers = fc.oneof(
  fc.integer().map((value) => new Int32(value)),
  fc.integer({ min: -5, max: 5 }).map((value) => new Int32(value)),
  fc.double().map((value) => new Double(value)),
  fc.integer({ min: -10, max: 10 }).map((value) => new Double(value / 2)),
  longs.map((value) => Long.fromBigInt(value)),
  fc.integer({ min: -9, max: 9 }).map((value) => Long.fromBigInt(2n ** 53n + BigInt(value))),
  fc.integer({ min: -9, max: 9 }).map((value) => new Double(2 ** 53 + value)),
  decimals,
  fc
    .constantFrom(
      '0.1',
      '0.10',
      '-0.1',
      '9007199254740993',
      'NaN',
      'Infinity',
      '-Infinity',
      '1E-6176',
      '-1E-6176',
      '9E6111',
      '0',
    )
    .map((text) => Decimal128.fromString(text)),
  fc
    .constantFrom(0.1, -0.1, 0, -0, Number.NaN, Infinity, -Infinity, 5e-324, Number.MAX_VALUE)
    .map((value) => new Double(value)),
)
const scalars = fc.oneof(
  numbers,
  fc.string({ unit: 'binary' }),
  fc.constantFrom('', 'a', 'a\0', 'a\0b', 'ab', '\uffff', '😀'),
  fc.constantFrom(null, true, false, new MinKey(), new MaxKey(), undefined),
  fc.date({ noInvalidDate: true }),
  fc.uint8Array({ minLength: 12, maxLength: 12 }).map((bytes) => new ObjectId(bytes)),
  fc.uint8Array({ maxLength: 5 }).map((bytes) => Buffer.from(bytes)),
  fc.constant(new UUID()),
  fc.integer({ min: 0, max: 9 }).map((value) => new BSONRegExp(`a${value}`, 'i')),
  fc.integer({ min: 0, max: 2 ** 31 }).map((value) => new Timestamp({ t: value, i: 1 })),
)
const values: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    scalars,
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom('a', 'b', 'c'), tie('value'), { maxKeys: 3 }),
  ),
})).value

test('the order of index keys is the order of the values, ascending and descending', () => {
  fc.assert(
    fc.property(values, values, (left, right) => {
      const [a, b] = [asValue(left), asValue(right)]
      const order = Math.sign(compareValues(a, b))
      assert.equal(Math.sign(Buffer.compare(keyOf(a), keyOf(b))), order)
      assert.equal(
        Math.sign(Buffer.compare(keyOf(a, true), keyOf(b, true))),
        order === 0 ? 0 : -order,
      )
      assert.equal(Math.sign(compareValues(b, a)), order === 0 ? 0 : -order)
    }),
    { numRuns: 3_000 },
  )
})

test('numbers of different types compare by value, exactly', () => {
  fc.assert(
    fc.property(longs, fc.double({ noNaN: true }), (long, double) => {
      const expected = long < double ? -1 : long > double ? 1 : 0
      assert.equal(
        Math.sign(compareValues(asValue(Long.fromBigInt(long)), asValue(new Double(double)))),
        expected,
      )
    }),
  )
  const sorted = [
    new Double(Number.NaN),
    new Double(-Infinity),
    Decimal128.fromString('-1E400'),
    Decimal128.fromString('0.1'),
    new Double(0.1),
    Long.fromBigInt(2n ** 53n),
    Long.fromBigInt(2n ** 53n + 1n),
    new Double(2 ** 53 + 2),
    Decimal128.fromString('9007199254740994.5'),
    Decimal128.fromString('1E400'),
    new Double(Infinity),
  ].map(asValue)
  for (let index = 1; index < sorted.length; index++)
    assert.ok(
      compareValues(sorted[index - 1]!, sorted[index]!) < 0,
      `${index - 1} is before ${index}`,
    )
})

test('types follow one another as in MongoDB', () => {
  const inOrder = [
    new MinKey(),
    null,
    5,
    'text',
    { a: 1 },
    [1],
    Buffer.from('x'),
    new ObjectId(),
    true,
    new Date(),
    new Timestamp({ t: 1, i: 1 }),
    /x/,
    new MaxKey(),
  ].map(asValue)
  for (let index = 1; index < inOrder.length; index++)
    assert.ok(
      compareValues(inOrder[index - 1]!, inOrder[index]!) < 0,
      `${index - 1} is before ${index}`,
    )
})
