import type { Logger, Part } from '@khlong/core'
import type { PartName } from '../config/part-names.ts'
import { makePart } from '../parts/load.ts'
import type { PartThread, ThreadReport } from './part-thread.ts'

/** Marks messages of settings errors until the main thread puts file and line in its place. */
export const settingsSourceMark = '@'

/** Runs parts in the thread that it is made in. */
export class LocalThread implements PartThread {
  readonly #parts = new Map<PartName, Part>()
  readonly #logger: Logger
  readonly #onPartFailure: (name: PartName, error: unknown) => void

  constructor(logger: Logger, onPartFailure: (name: PartName, error: unknown) => void) {
    this.#logger = logger
    this.#onPartFailure = onPartFailure
  }

  async make(name: PartName, settings: Record<string, unknown>): Promise<void> {
    const part = await makePart(
      name,
      settings,
      { name: settingsSourceMark },
      { logger: this.#logger, onFailure: (error) => this.#onPartFailure(name, error) },
    )
    this.#parts.set(name, part)
  }

  async start(name: PartName): Promise<Record<string, string>> {
    const part = this.#part(name)
    await part.start()
    return { ...part.addresses }
  }

  async stop(name: PartName, deadlineMs: number): Promise<void> {
    const part = this.#parts.get(name)
    if (!part) return
    await part.stop({ deadlineMs })
    this.#parts.delete(name)
  }

  async call(name: PartName, method: string, ...given: readonly unknown[]): Promise<unknown> {
    const part = this.#part(name) as unknown as Record<string, unknown>
    const callable = part[method]
    if (typeof callable !== 'function') throw new Error(`part ${name} has no method ${method}`)
    return callable.apply(part, [...given])
  }

  async metrics(name: PartName): Promise<string> {
    return this.#part(name).metrics()
  }

  async report(): Promise<ThreadReport> {
    const { heapTotal, external } = process.memoryUsage()
    return {
      parts: [...this.#parts].map(([name, part]) => ({
        name,
        status: part.status,
        addresses: { ...part.addresses },
        vitals: part.status === 'ready' ? part.vitals() : undefined,
      })),
      memoryBytes: heapTotal + external,
    }
  }

  async end(): Promise<void> {
    await Promise.allSettled([...this.#parts.keys()].map((name) => this.stop(name, 0)))
  }

  #part(name: PartName): Part {
    const part = this.#parts.get(name)
    if (!part) throw new Error(`part ${name} is not running`)
    return part
  }
}
