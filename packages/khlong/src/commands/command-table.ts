import type { Consumer } from '@khlong/kafka-client'
import { type CommandState, readState, statesTopic } from './command.ts'
import type { CommandLogOptions } from './command-log.ts'

/** More are not kept in memory; the oldest go. */
const statesMax = 10_000
const caughtUpWithinMs = 10_000
const retryMs = 1_000

interface Following {
  readonly consumer: Consumer
  readonly caughtUp: Promise<void>
  readonly done: Promise<void>
}

/** The states of commands, read from their topic from its beginning, and followed from then on. */
export class CommandTable {
  readonly #options: CommandLogOptions
  readonly #states = new Map<string, CommandState>()
  #following: Promise<Following | undefined> | undefined
  #isClosed = false

  constructor(options: CommandLogOptions) {
    this.#options = options
  }

  async list(options: { device?: string | undefined; limit: number }): Promise<CommandState[]> {
    await this.#caughtUp()
    const wanted = [...this.#states.values()].filter(
      ({ device }) => options.device === undefined || device === options.device,
    )
    return wanted
      .sort((a, b) => b.timestamp - a.timestamp || (a.id < b.id ? 1 : -1))
      .slice(0, options.limit)
  }

  async find(id: string): Promise<CommandState | undefined> {
    await this.#caughtUp()
    return this.#states.get(id)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    const following = await this.#following?.catch(() => undefined)
    following?.consumer.wakeUp()
    await following?.done
  }

  /** Resolved when all that was there at first has been read; no topic yet means no commands. */
  async #caughtUp(): Promise<void> {
    this.#following ??= this.#follow()
    try {
      const following = await this.#following
      if (!following) this.#following = undefined
      else await withDeadline(following.caughtUp)
    } catch (error) {
      if (!(await this.#following?.catch(() => undefined))) this.#following = undefined
      throw error
    }
  }

  async #follow(): Promise<Following | undefined> {
    const { Admin, Consumer } = await import('@khlong/kafka-client')
    const client = {
      ...this.#options.security,
      'bootstrap.servers': this.#options.bootstrapServers,
      hosts: this.#options.hosts ?? {},
      'client.id': 'khlong-commands',
      'default.api.timeout.ms': 5_000,
    }
    await using admin = new Admin(client)
    const names = await admin.listTopics({ internal: true })
    if (!names.includes(statesTopic)) return undefined
    const [topic] = await admin.describeTopics([statesTopic])
    const partitions = (topic?.partitions ?? []).map(({ partition }) => ({
      topic: statesTopic,
      partition,
    }))
    const ends = await admin.listOffsets(
      partitions.map((one) => ({ ...one, spec: 'latest' as const })),
      { isCommitted: true },
    )
    if (this.#isClosed) return undefined
    const consumer = new Consumer({ ...client, 'isolation.level': 'read_committed' })
    consumer.assign(partitions.map((one) => ({ ...one, offset: 'earliest' as const })))
    const left = new Map(ends.map(({ partition, offset }) => [partition, offset]))
    for (const [partition, offset] of left) if (offset <= 0) left.delete(partition)
    const caughtUp = Promise.withResolvers<void>()
    const done = this.#read(consumer, left, caughtUp.resolve).finally(() => consumer.close())
    return { consumer, caughtUp: caughtUp.promise, done }
  }

  /** Goes on until it is closed. */
  async #read(
    consumer: Consumer,
    left: Map<number, number>,
    onCaughtUp: () => void,
  ): Promise<void> {
    if (left.size === 0) onCaughtUp()
    while (!this.#isClosed)
      try {
        for (const { partition, records, nextOffset } of await consumer.poll()) {
          for (const { key, value } of records) this.#apply(String(key), value)
          if (nextOffset >= (left.get(partition) ?? Number.POSITIVE_INFINITY)) {
            left.delete(partition)
            if (left.size === 0) onCaughtUp()
          }
        }
      } catch {
        // Kafka is away: its client tries again, and what is known stays.
        if (!this.#isClosed) await new Promise((resolve) => setTimeout(resolve, retryMs).unref())
      }
  }

  #apply(key: string, value: Buffer | null): void {
    const state = value === null ? undefined : readState(value.toString())
    this.#states.delete(key)
    if (!state) return
    this.#states.set(key, state)
    if (this.#states.size <= statesMax) return
    for (const oldest of this.#states.keys()) {
      this.#states.delete(oldest)
      break
    }
  }
}

/** @throws Error where it takes too long */
async function withDeadline(promise: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`the states of commands were not read within ${caughtUpWithinMs} ms`))
    }, caughtUpWithinMs)
  })
  try {
    await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
