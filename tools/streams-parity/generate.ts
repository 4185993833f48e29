import type { Case, Input, Step } from '../../packages/streams/test/parity/cases.ts'
import { step } from './steps.ts'

/** A generator of numbers from 0 to 1, the same for the same seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** A topology with inputs, made up from a seed; `name` says which. */
export function generateCase(seed: number): Case {
  return new Generator(seed).make(`generated ${seed}`)
}

/** Makes streams and tables of streams and tables, as long as their values are text. */
class Generator {
  readonly #random: () => number
  readonly #steps: Step[] = []
  readonly #streams: string[] = []
  readonly #tables: string[] = []
  #next = 0

  constructor(seed: number) {
    this.#random = seededRandom(seed)
  }

  make(name: string): Case {
    for (const topic of ['in', 'other'])
      if (this.#random() < 0.7) this.#addStream({ op: 'stream', topics: [topic] })
      else this.#addTable({ op: 'table', topic })
    const count = 2 + this.#int(6)
    for (let left = count; left > 0; left--) this.#grow()
    for (const [index, from] of this.#streams.entries())
      this.#steps.push(step('to', { from, topic: `streamed-${index}` }))
    for (const [index, from] of this.#tables.entries())
      this.#steps.push(step('toStream', { from }), step('to', { topic: `tabled-${index}` }))
    // A cache that is full at once loses Java the windows that stream time leaps over; ours gives them.
    const isFinal = this.#steps.some(({ emit }) => emit !== undefined)
    const cacheBytes = this.#pick(isFinal ? [0, 10_485_760] : [0, 1, 10_485_760])
    return { name, steps: this.#steps, inputs: this.#inputs(), cacheBytes }
  }

  #grow(): void {
    const isOfStream =
      this.#tables.length === 0 || (this.#streams.length > 0 && this.#random() < 0.6)
    if (isOfStream) this.#growStream(this.#pick(this.#streams))
    else this.#growTable(this.#pick(this.#tables))
  }

  #growStream(from: string): void {
    const windows = { before: this.#int(8_000), after: this.#int(8_000), grace: this.#int(3_000) }
    const join = this.#pick(['join', 'leftJoin', 'outerJoin'])
    const tableJoin = this.#pick(['join', 'leftJoin'])
    const other = this.#pick(this.#streams)
    const ways: (() => void)[] = [
      () =>
        this.#addStream(
          step('filter', { from, fn: this.#pick(['short', 'has-value', 'has-key']) }),
        ),
      () => this.#addStream(step('mapValues', { from, fn: this.#pick(['tag', 'drop-x']) })),
      () =>
        this.#addStream(
          step('selectKey', { from, fn: this.#pick(['by-letter', 'by-value', 'keep']) }),
        ),
      () => this.#addStream(step('flatMapValues', { from })),
      () => this.#addStream(step('processValues', { from })),
      () => this.#addStream(step('process', { from, fn: this.#pick(['keep', 'by-letter']) })),
      () => this.#addStream(step('repartition', { from })),
      () => {
        if (other !== from) this.#addStream(step('merge', { from, with: other }))
      },
      () => this.#addTable(step('toTable', { from })),
      () => this.#addStream(step(join, { from, with: other, ...windows })),
      () => this.#addStream(step(join, { from, with: other, ...windows })),
      () => {
        if (this.#tables.length === 0) return
        this.#addStream(step(tableJoin, { from, with: this.#pick(this.#tables) }))
      },
      () => {
        this.#group(from)
        this.#addTable(step(this.#pick(['reduce', 'aggregate'])))
      },
      () => {
        this.#group(from)
        this.#windowed(this.#pick(['tumbling', 'hopping', 'sliding', 'sessions']))
      },
    ]
    this.#pick(ways)()
  }

  #group(from: string): void {
    const isByOther = this.#random() < 0.5
    this.#steps.push(
      isByOther ? step('groupBy', { from, fn: 'by-letter' }) : step('groupByKey', { from }),
    )
  }

  #windowed(kind: string): void {
    const size = 2_000 + this.#int(10_000)
    const grace = this.#int(4_000)
    const emit = this.#random() < 0.3 ? { emit: 'on-window-close' } : {}
    const windows =
      kind === 'sliding'
        ? { difference: size }
        : kind === 'sessions'
          ? { gap: size }
          : kind === 'hopping'
            ? { size, advance: Math.ceil(size / 2) }
            : { size }
    this.#steps.push(step('windowedBy', { ...windows, grace, ...emit }))
    this.#steps.push(step(this.#pick(['reduce', 'aggregate']), { isKept: true }))
    if (!emit.emit && this.#random() < 0.3) this.#steps.push(step('suppress'))
    this.#steps.push(step('toStream'))
    this.#addStream(step('selectKey', { fn: 'start' }))
  }

  #growTable(from: string): void {
    const other = this.#pick(this.#tables)
    const keptOr = this.#random() < 0.3 ? { store: `store-${this.#next}` } : {}
    const join = this.#pick(['join', 'leftJoin', 'outerJoin'])
    const ways: (() => void)[] = [
      () => this.#addTable(step('filter', { from, fn: 'short', ...keptOr })),
      () =>
        this.#addTable(step('mapValues', { from, fn: this.#pick(['tag', 'drop-x']), ...keptOr })),
      () => this.#addStream(step('toStream', { from })),
      () => this.#addTable(step(join, { from, with: other, ...keptOr })),
      () => this.#addTable(step(join, { from, with: other })),
      () => this.#addTable(step('suppress', { from, limit: this.#int(10_000) })),
      () => this.#addTable(step('suppress', { from, limit: 100_000, records: 1 + this.#int(3) })),
      () => {
        this.#steps.push(step('groupBy', { from, fn: 'by-letter' }))
        this.#addTable(step(this.#pick(['reduce', 'aggregate'])))
      },
    ]
    this.#pick(ways)()
  }

  #inputs(): Input[] {
    const inputs: Input[] = []
    let timeMs = 1_000
    for (let left = 18; left > 0; left--) {
      timeMs += this.#random() < 0.1 ? 20_000 + this.#int(50_000) : this.#int(4_000)
      const isLate = this.#random() < 0.25
      const key = this.#random() < 0.1 ? null : this.#pick(['a', 'b', 'c'])
      const words = ['one', 'four', 'xray', 'two words', 'six', 'z', 'a', 'bee', 'cat']
      const value = this.#random() < 0.12 ? null : this.#pick(words)
      const topic = this.#pick(['in', 'other'])
      const at = isLate ? Math.max(0, timeMs - this.#int(15_000)) : timeMs
      if (this.#random() < 0.15) inputs.push([topic, key, value, at, [['h', String(left)]]])
      else inputs.push([topic, key, value, at])
    }
    return inputs
  }

  #addStream(one: Step): void {
    this.#streams.push(this.#add(one))
  }

  #addTable(one: Step): void {
    this.#tables.push(this.#add(one))
  }

  #add(one: Step): string {
    const id = `${this.#next++}`
    this.#steps.push({ ...one, id })
    return id
  }

  #int(below: number): number {
    return Math.floor(this.#random() * below)
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#int(list.length)] as T
  }
}
