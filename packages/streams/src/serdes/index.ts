import { jsonSerde } from './json.ts'
import {
  bigLongSerde,
  booleanSerde,
  bytesSerde,
  doubleSerde,
  floatSerde,
  integerSerde,
  longSerde,
  type Serde,
  shortSerde,
  stringSerde,
} from './serde.ts'
import { sessionWindowedSerde, timeWindowedSerde } from './windowed.ts'

/** The serdes that come with the library; numbers have the layout of Java's. */
export const serdes: {
  readonly string: Serde<string>
  readonly bytes: Serde<Buffer>
  readonly long: Serde<number>
  readonly bigLong: Serde<bigint>
  readonly integer: Serde<number>
  readonly short: Serde<number>
  readonly double: Serde<number>
  readonly float: Serde<number>
  readonly boolean: Serde<boolean>
  readonly json: typeof jsonSerde
  readonly timeWindowed: typeof timeWindowedSerde
  readonly sessionWindowed: typeof sessionWindowedSerde
} = {
  string: stringSerde,
  bytes: bytesSerde,
  long: longSerde,
  bigLong: bigLongSerde,
  integer: integerSerde,
  short: shortSerde,
  double: doubleSerde,
  float: floatSerde,
  boolean: booleanSerde,
  json: jsonSerde,
  timeWindowed: timeWindowedSerde,
  sessionWindowed: sessionWindowedSerde,
}
