/** One figure, and what the process spent for it that is measured: a broker, or a client of Node. */
export interface Measured {
  readonly value: number
  readonly cpuSeconds?: number
}

export interface Floor {
  readonly unit: string
  /** The least ratio that is wanted, ours to theirs. */
  readonly atLeast?: number
  readonly atMost?: number
}

/** The same load on ours and on theirs, in alternating runs. */
export interface Comparison extends Floor {
  readonly what: string
  readonly ours: readonly number[]
  readonly theirs: readonly number[]
  /** The median of the rounds' ratios. */
  readonly ratio: number
  /** Of the CPU seconds. */
  readonly cpuRatio?: number
  readonly isMet?: boolean
}

/** Measures both, a round at a time, so that what else the machine does falls on both. */
export async function compare(
  what: string,
  rounds: number,
  ours: (round: number) => Promise<Measured>,
  theirs: (round: number) => Promise<Measured>,
  floor: Floor,
): Promise<Comparison> {
  const pairs: { ours: Measured; theirs: Measured }[] = []
  for (let round = 0; round < rounds; round++) {
    const first = round % 2 === 0
    const before = first ? await ours(round) : await theirs(round)
    const after = first ? await theirs(round) : await ours(round)
    pairs.push(first ? { ours: before, theirs: after } : { ours: after, theirs: before })
  }
  const ratio = median(pairs.map((pair) => pair.ours.value / pair.theirs.value))
  const cpu = pairs.flatMap((pair) =>
    pair.ours.cpuSeconds !== undefined && pair.theirs.cpuSeconds
      ? [pair.ours.cpuSeconds / pair.theirs.cpuSeconds]
      : [],
  )
  const { atLeast, atMost } = floor
  const hasFloor = atLeast !== undefined || atMost !== undefined
  const comparison = {
    what,
    ...floor,
    ours: pairs.map((pair) => Math.round(pair.ours.value)),
    theirs: pairs.map((pair) => Math.round(pair.theirs.value)),
    ratio: rounded(ratio),
    ...(cpu.length > 0 ? { cpuRatio: rounded(median(cpu)) } : {}),
    ...(hasFloor
      ? { isMet: ratio >= (atLeast ?? 0) && ratio <= (atMost ?? Number.POSITIVE_INFINITY) }
      : {}),
  }
  process.stdout.write(`${report(comparison)}\n`)
  return comparison
}

/** `what: 1.23 × (ours … / theirs …), floor 1 ×: met`. */
export function report(comparison: Comparison): string {
  const { what, unit, ours, theirs, ratio, cpuRatio, atLeast, atMost, isMet } = comparison
  const cpu = cpuRatio === undefined ? '' : `; CPU seconds ${cpuRatio} ×`
  const wanted =
    isMet === undefined
      ? ''
      : `; wanted ${atLeast === undefined ? `at most ${atMost}` : `at least ${atLeast}`} ×: ${isMet ? 'met' : 'MISSED'}`
  return `${what}: ${ratio} × (${median(ours)} / ${median(theirs)} ${unit})${cpu}${wanted}`
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}

function rounded(ratio: number): number {
  return Number(ratio.toPrecision(3))
}
