/** The type byte of each BSON value, named as MongoDB's `$type` names it. */
export const BsonType = {
  /** Not on the wire: what is found where there is no field. */
  missing: 0,
  double: 1,
  string: 2,
  object: 3,
  array: 4,
  binData: 5,
  undefined: 6,
  objectId: 7,
  bool: 8,
  date: 9,
  null: 10,
  regex: 11,
  dbPointer: 12,
  javascript: 13,
  symbol: 14,
  javascriptWithScope: 15,
  int: 16,
  timestamp: 17,
  long: 18,
  decimal: 19,
  maxKey: 127,
  minKey: 255,
} as const

const aliases: Readonly<Record<number, string>> = {
  [BsonType.missing]: 'missing',
  [BsonType.double]: 'double',
  [BsonType.string]: 'string',
  [BsonType.object]: 'object',
  [BsonType.array]: 'array',
  [BsonType.binData]: 'binData',
  [BsonType.undefined]: 'undefined',
  [BsonType.objectId]: 'objectId',
  [BsonType.bool]: 'bool',
  [BsonType.date]: 'date',
  [BsonType.null]: 'null',
  [BsonType.regex]: 'regex',
  [BsonType.dbPointer]: 'dbPointer',
  [BsonType.javascript]: 'javascript',
  [BsonType.symbol]: 'symbol',
  [BsonType.javascriptWithScope]: 'javascriptWithScope',
  [BsonType.int]: 'int',
  [BsonType.timestamp]: 'timestamp',
  [BsonType.long]: 'long',
  [BsonType.decimal]: 'decimal',
  [BsonType.maxKey]: 'maxKey',
  [BsonType.minKey]: 'minKey',
}

/** The name of a type as `$type` gives it: `int`, `objectId`, `missing`… */
export function typeName(type: number): string {
  return aliases[type] ?? `unknown(${type})`
}

/** The type byte of a name as `$type` takes it, or undefined. */
export function typeOfName(name: string): number | undefined {
  for (const type in aliases) if (aliases[type] === name && type !== '0') return Number(type)
  return undefined
}

// Position of each type byte in MongoDB's order of types; 255 where the byte is no type.
const ranks = new Uint8Array(256).fill(255)
const rankList: readonly (readonly [number, number])[] = [
  [BsonType.minKey, 1],
  [BsonType.missing, 5],
  [BsonType.undefined, 5],
  [BsonType.null, 10],
  [BsonType.double, 15],
  [BsonType.int, 15],
  [BsonType.long, 15],
  [BsonType.decimal, 15],
  [BsonType.string, 20],
  [BsonType.symbol, 20],
  [BsonType.object, 25],
  [BsonType.array, 30],
  [BsonType.binData, 35],
  [BsonType.objectId, 40],
  [BsonType.bool, 45],
  [BsonType.date, 50],
  [BsonType.timestamp, 52],
  [BsonType.regex, 55],
  [BsonType.dbPointer, 60],
  [BsonType.javascript, 65],
  [BsonType.javascriptWithScope, 70],
  [BsonType.maxKey, 250],
]
for (const [type, rank] of rankList) ranks[type] = rank

/** Where values of this type stand among the others: MinKey < null < numbers < strings … MaxKey. */
export function typeRank(type: number): number {
  return ranks[type]!
}

/** The rank that int32, int64, double and Decimal128 share. */
export const NUMBER_RANK = 15

/** Whether a type is one of the four numeric ones. */
export function isNumber(type: number): boolean {
  return ranks[type] === NUMBER_RANK
}
