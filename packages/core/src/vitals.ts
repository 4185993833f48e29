/** One thing that a part consists of: a topic, a connector, an application, a collection, a job. */
export interface VitalItem {
  readonly kind:
    | 'topic'
    | 'connector'
    | 'application'
    | 'collection'
    | 'job'
    | 'sensor'
    | 'listener'
  readonly name: string
  readonly state: 'running' | 'paused' | 'failed' | 'starting' | 'idle'
  /** Records taken in and given out since the part started. */
  readonly recordsIn: number
  readonly recordsOut: number
  /** Records that wait; left out where waiting means nothing. */
  readonly lag?: number
  readonly deadLetters?: number
  /** Names of what it reads and writes (topics, collections…): the edges of the flow. */
  readonly from?: readonly string[]
  readonly to?: readonly string[]
  /** Why it is failed or behind, in one line. */
  readonly note?: string
}

/** What the live table and the flow page show of a part. Counts run from the part's start. */
export interface Vitals {
  readonly recordsIn: number
  readonly recordsOut: number
  readonly lag?: number
  readonly deadLetters?: number
  /** A few facts with short names, in order of weight: `{clients: 3, queued: 0}`. */
  readonly facts: Readonly<Record<string, number | string>>
  readonly items: readonly VitalItem[]
}
