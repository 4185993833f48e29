/** A topology as data, with its inputs: built and run by Java's library and by ours. */
export interface Case {
  readonly name: string
  readonly steps: readonly Step[]
  /** Records, and numbers of milliseconds by which the wall clock moves on. */
  readonly inputs: readonly Input[]
  readonly cacheBytes?: number
}

/** An operator. It follows the step before, or the one called `from`. */
export interface Step {
  readonly op: string
  readonly id?: string
  readonly from?: string
  readonly with?: string | readonly string[]
  readonly fn?: string
  readonly name?: string
  readonly store?: string
  /** Says how a table is kept without naming its store. */
  readonly isKept?: boolean
  /** Says that its store holds nothing back. */
  readonly isUncached?: boolean
  readonly topic?: string
  readonly topics?: readonly string[]
  readonly key?: string
  readonly value?: string
  readonly rest?: string
  readonly partitions?: number
  readonly before?: number
  readonly after?: number
  readonly grace?: number
  readonly size?: number
  readonly advance?: number
  readonly difference?: number
  readonly gap?: number
  readonly emit?: string
  readonly limit?: number
  readonly records?: number
  readonly bytes?: number
  readonly whenFull?: string
}

export type Input =
  | number
  | readonly [
      topic: string,
      key: string | null,
      value: string | null,
      timestampMs: number,
      headers?: readonly (readonly [string, string])[],
    ]

/** Bytes are written as Latin-1. */
export type Output = readonly [
  topic: string,
  key: string | null,
  value: string | null,
  timestampMs: number | null,
  headers?: readonly (readonly [string, string | null])[],
]

/** What a library makes of a case. */
export interface Result {
  readonly name: string
  readonly describe: string
  readonly outputs: readonly (readonly Output[])[]
  /** What ended it early. */
  readonly error?: string
}

/** What Java's library made of the cases of one topology. */
export interface Golden {
  readonly steps: readonly Step[]
  readonly describe: string
  readonly runs: readonly (Omit<Case, 'steps'> & Omit<Result, 'describe'>)[]
}
