// Prometheus remote write 1.0: one protobuf message, in snappy's block format.
//
//   WriteRequest { 1: repeated TimeSeries }   TimeSeries { 1: repeated Label, 2: repeated Sample }
//   Label { 1: string name, 2: string value } Sample { 1: double value, 2: int64 timestamp }

/** One series with some of its samples, in order of time. */
export interface SeriesSamples {
  readonly labels: Readonly<Record<string, string>>
  /** Milliseconds since the epoch, and the value. */
  readonly samples: readonly (readonly [timeMs: number, value: number])[]
}

/** The body of a remote write request. */
export function encodeWriteRequest(series: readonly SeriesSamples[]): Buffer {
  return snappyBlock(Buffer.concat(series.map((one) => field(1, timeSeries(one)))))
}

function timeSeries({ labels, samples }: SeriesSamples): Buffer {
  // Receivers want labels in the order of their names.
  const names = Object.keys(labels).sort((a, b) => (a < b ? -1 : 1))
  return Buffer.concat([
    ...names.map((name) =>
      field(1, Buffer.concat([field(1, Buffer.from(name)), field(2, Buffer.from(labels[name]!))])),
    ),
    ...samples.map(([timeMs, value]) => field(2, sample(timeMs, value))),
  ])
}

function sample(timeMs: number, value: number): Buffer {
  const double = Buffer.alloc(9)
  double[0] = (1 << 3) | 1
  double.writeDoubleLE(value, 1)
  return Buffer.concat([double, Buffer.from([2 << 3]), varint(timeMs)])
}

function field(number: number, bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from([(number << 3) | 2]), varint(bytes.byteLength), bytes])
}

/** Of a number that is not negative and below 2^53. */
function varint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80)
    rest = Math.floor(rest / 0x80)
  }
  bytes.push(rest)
  return Buffer.from(bytes)
}

const literalBytesMax = 65_536

/** Snappy that says everything as it is: loopback and networks of today need no more. */
function snappyBlock(bytes: Buffer): Buffer {
  const parts = [varint(bytes.byteLength)]
  for (let at = 0; at < bytes.byteLength; at += literalBytesMax) {
    const literal = bytes.subarray(at, at + literalBytesMax)
    const tag = Buffer.alloc(3)
    // A literal whose length, less one, follows in two bytes.
    tag[0] = 61 << 2
    tag.writeUInt16LE(literal.byteLength - 1, 1)
    parts.push(tag, literal)
  }
  return Buffer.concat(parts)
}
