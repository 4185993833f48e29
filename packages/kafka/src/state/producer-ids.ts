import type { MetadataStore } from '../metadata/metadata-store.ts'

/** Hands out producer ids from blocks that the metadata store reserves for this broker. */
export class ProducerIds {
  readonly #metadata: MetadataStore
  #next = 0n
  #end = 0n
  #taking: Promise<void> | undefined

  constructor(metadata: MetadataStore) {
    this.#metadata = metadata
  }

  async next(): Promise<bigint> {
    while (this.#next >= this.#end) {
      this.#taking ??= this.#take().finally(() => {
        this.#taking = undefined
      })
      await this.#taking
    }
    return this.#next++
  }

  async #take(): Promise<void> {
    const block = await this.#metadata.nextProducerIds()
    this.#next = block.first
    this.#end = block.first + BigInt(block.count)
  }
}
