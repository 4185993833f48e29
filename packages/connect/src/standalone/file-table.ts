import { open, readFile, rename } from 'node:fs/promises'
import type { KafkaRecord } from '../data/record.ts'
import { ConnectError } from '../errors.ts'
import type { TableTopic } from '../runtime/kafka.ts'

type Entry = readonly [key: string, value: string | null]

/** A table that is gone with the worker. */
export class MemoryTable implements TableTopic {
  protected readonly entries: Map<string, string> = new Map()
  readonly #topic: string
  #onRecord: (record: KafkaRecord) => void = () => {}
  #offset = 0

  constructor(topic: string) {
    this.#topic = topic
  }

  async open(onRecord: (record: KafkaRecord) => void): Promise<void> {
    this.#onRecord = onRecord
    for (const entry of this.entries) this.#give(entry)
  }

  async put(entries: readonly Entry[]): Promise<void> {
    for (const [key, value] of entries)
      if (value === null) this.entries.delete(key)
      else this.entries.set(key, value)
    await this.save()
    for (const entry of entries) this.#give(entry)
  }

  async claim(): Promise<void> {}
  relinquish(): void {}
  putAsLeader(entries: readonly Entry[]): Promise<void> {
    return this.put(entries)
  }
  async refresh(): Promise<void> {}
  async close(): Promise<void> {}

  /** Resolved when the entries are durable. */
  protected async save(): Promise<void> {}

  #give([key, value]: Entry): void {
    this.#onRecord({
      topic: this.#topic,
      partition: 0,
      offset: this.#offset++,
      timestamp: -1,
      key: Buffer.from(key),
      value: value === null ? null : Buffer.from(value),
      headers: [],
    })
  }
}

/** A table in a file (docs/formats/connect-offsets.md), which a worker without a group keeps its offsets in. */
export class FileTable extends MemoryTable {
  readonly #file: string
  #saving: Promise<void> | undefined
  #next: Promise<void> | undefined

  constructor(topic: string, file: string) {
    super(topic)
    this.#file = file
  }

  /** @throws ConnectError `CONNECT_CONFIG` where the file is not what we wrote. */
  override async open(onRecord: (record: KafkaRecord) => void): Promise<void> {
    for (const [key, value] of await this.#read()) this.entries.set(key, value)
    await super.open(onRecord)
  }

  /** One write is under way at a time; who comes meanwhile shares the next. */
  protected override save(): Promise<void> {
    if (!this.#saving) {
      this.#saving = this.#write().finally(() => {
        this.#saving = undefined
      })
      return this.#saving
    }
    this.#next ??= this.#saving
      .catch(() => {})
      .then(() => {
        this.#next = undefined
        return this.save()
      })
    return this.#next
  }

  async #read(): Promise<[string, string][]> {
    let text: string
    try {
      text = await readFile(this.#file, 'utf8')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
      throw error
    }
    try {
      const { format, version, entries } = JSON.parse(text) as Record<string, unknown>
      if (format === formatName && version === 1 && entries !== null)
        return Object.entries(entries as Record<string, string>)
    } catch {
      // Said below.
    }
    throw new ConnectError(
      'CONNECT_CONFIG',
      `${this.#file} is no file of offsets that this version reads; files of Java's workers cannot be taken over`,
    )
  }

  async #write(): Promise<void> {
    const entries = Object.fromEntries(this.entries)
    const text = `${JSON.stringify({ format: formatName, version: 1, entries }, null, 1)}\n`
    const file = await open(`${this.#file}.new`, 'w')
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(`${this.#file}.new`, this.#file)
  }
}

const formatName = 'khlong-connect-offsets'
