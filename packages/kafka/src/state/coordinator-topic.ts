import type { Logger } from '@khlong/core'
import { ErrorCode } from '@khlong/kafka-protocol'
import { type BatchHeader, batchHeaders } from '@khlong/kafka-protocol/records'
import { KafkaError } from '../errors.ts'
import type { Committer } from '../log/committer.ts'
import { HeldMemory } from '../log/held-memory.ts'
import type { PartitionLog } from '../log/partition-log.ts'

export interface CoordinatorTopicOptions {
  readonly committer: Committer
  readonly logger: Logger
  /** The topic's partitions; makes it where it is missing and `mayCreate` is set. */
  readonly partitions: (
    mayCreate: boolean,
  ) => Promise<readonly (PartitionLog | undefined)[] | undefined>
}

/** The internal topic in which a coordinator keeps its state, by group or by transactional id. */
export class CoordinatorTopic {
  readonly #options: CoordinatorTopicOptions
  #partitions: readonly (PartitionLog | undefined)[] | undefined
  #opening: Promise<void> | undefined

  constructor(options: CoordinatorTopicOptions) {
    this.#options = options
  }

  /** Every partition is there, or the topic was never made. */
  get isWhole(): boolean {
    return this.#partitions?.every((log) => log !== undefined) ?? true
  }

  /**
   * Resolves when state can be kept.
   *
   * @throws KafkaError where the topic cannot be made just now.
   */
  async ready(): Promise<void> {
    if (this.#partitions) return
    this.#opening ??= this.#options
      .partitions(true)
      .then((partitions) => {
        this.#partitions = partitions
      })
      .finally(() => {
        this.#opening = undefined
      })
    await this.#opening
  }

  /** The partition that a key belongs to. */
  partitionOf(key: string): number {
    return partitionOf(key, this.#partitions?.length ?? 1)
  }

  logOf(key: string): PartitionLog | undefined {
    return this.#partitions?.[this.partitionOf(key)]
  }

  /** Appends a batch for a key; resolves to an error code when it is flushed. */
  async append(key: string, batch: Buffer, onAppended?: (offset: number) => void): Promise<number> {
    const log = this.logOf(key)
    if (!log) return ErrorCode.coordinatorNotAvailable
    try {
      const { baseOffset } = log.append(batch, 'broker')
      onAppended?.(baseOffset)
      const round = this.#options.committer.enqueue(log)
      await round.flushed
      return round.failures.has(log) ? ErrorCode.coordinatorNotAvailable : ErrorCode.none
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error
      this.#options.logger.error({ key, err: error }, 'coordinator state could not be written')
      return ErrorCode.coordinatorNotAvailable
    }
  }

  /** Goes over all batches that were kept, where the topic is there already. */
  async load(
    visit: (partition: number, header: BatchHeader, bytes: Buffer) => void,
  ): Promise<void> {
    this.#partitions = await this.#options.partitions(false)
    for (const [partition, log] of this.#partitions?.entries() ?? [])
      for (let offset = log?.logStartOffset ?? 0; log && offset < log.highWatermark; ) {
        const memory = new HeldMemory()
        const bytes = Buffer.concat(await log.read(offset, 1024 * 1024, memory))
        memory.release()
        if (bytes.byteLength === 0) break
        for (const header of batchHeaders(bytes)) {
          offset = header.lastOffset + 1
          visit(partition, header, bytes)
        }
      }
  }

  close(): void {
    this.#partitions = undefined
  }
}

/** Java's `String.hashCode`, made positive, modulo the partitions: where Kafka keeps a key's state. */
export function partitionOf(key: string, partitionCount: number): number {
  let hash = 0
  for (let index = 0; index < key.length; index++)
    hash = (Math.imul(hash, 31) + key.charCodeAt(index)) | 0
  return (hash & 0x7fff_ffff) % partitionCount
}
