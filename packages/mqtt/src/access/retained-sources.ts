import type { Identity, TopicAccess } from './topic-access.ts'

const rememberedMax = 1_000

/** What the publishers of retained messages may do now, wherever they are (`check_retain_source`). */
export class RetainedSources {
  readonly #accessOf: (identity: Identity, clientId: string) => TopicAccess | undefined
  readonly #remembered = new Map<string, TopicAccess | undefined>()

  constructor(accessOf: (identity: Identity, clientId: string) => TopicAccess | undefined) {
    this.#accessOf = accessOf
  }

  /** The rules have changed. */
  forget(): void {
    this.#remembered.clear()
  }

  /** Whether a message could be published by its source now. */
  mayWrite(topic: string, source: Identity | undefined, clientId: string): boolean {
    if (source === undefined) return true
    const key = `${source.realm}\0${source.username === undefined ? '' : `=${source.username}`}\0${clientId}`
    if (!this.#remembered.has(key)) {
      if (this.#remembered.size >= rememberedMax) this.#remembered.clear()
      this.#remembered.set(key, this.#accessOf(source, clientId))
    }
    return this.#remembered.get(key)?.mayWrite(topic) ?? true
  }
}
