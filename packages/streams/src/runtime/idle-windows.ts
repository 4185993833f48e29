import type { Clock, Logger } from '@khlong/core'
import type { Admin, Consumer, KafkaClient, TopicPartition } from '@khlong/kafka-client'
import type { SubTopology } from '../topology/topology.ts'
import { partitionKey } from './group-assignor.ts'
import type { ProducerCollector } from './producer-collector.ts'
import type { RunningTask } from './running-task.ts'
import { upstreamOf } from './task-plan.ts'

export interface IdleWindowsOptions {
  /** `window.close.idle.ms`; 0 closes none. */
  readonly idleMs: number
  readonly subTopologies: readonly SubTopology[]
  readonly realTopic: (topic: string) => string
  readonly client: KafkaClient
  readonly admin: Admin
  readonly consumer: Consumer
  readonly collector: ProducerCollector
  readonly clock: Clock
  readonly logger: Logger
  /** The task here that reads a partition. */
  readonly ownerOf: (partition: TopicPartition) => RunningTask | undefined
  /** Behind the last processed record of a partition that is read here. */
  readonly processedOffset: (partition: TopicPartition) => number | undefined
}

/**
 * Closes windows by the clock. A task's windows close when nothing came to it for the idle time
 * after their end and grace, and all that could still come to them has been read: every partition
 * upstream is at its end, or past the window's end in its own time.
 */
export class IdleWindows {
  readonly #options: IdleWindowsOptions
  #nextLookMs = 0

  constructor(options: IdleWindowsOptions) {
    this.#options = options
  }

  async close(tasks: Iterable<RunningTask>): Promise<void> {
    const { idleMs, clock } = this.#options
    const nowMs = clock.nowMs()
    if (idleMs === 0 || nowMs < this.#nextLookMs) return
    this.#nextLookMs = nowMs + Math.min(1_000, Math.ceil(idleMs / 4))
    const due: { running: RunningTask; closeMs: number }[] = []
    for (const running of tasks) {
      const closeMs = running.task.nextWindowCloseMs()
      if (closeMs !== undefined && nowMs >= Math.max(closeMs, running.lastRecordMs) + idleMs)
        due.push({ running, closeMs })
    }
    for (const { running, closeMs } of due) {
      if (!(await this.#isReadUntil(running, closeMs))) continue
      running.task.closeWindowsUntil(closeMs)
      running.closedUntilMs = Math.max(running.closedUntilMs, closeMs)
      running.isChanged = true
    }
  }

  async #isReadUntil(running: RunningTask, timeMs: number): Promise<boolean> {
    const { admin, consumer, collector, ownerOf, processedOffset } = this.#options
    const behind = this.#partitionsUpstream(running).filter((one) => {
      const owner = ownerOf(one)
      return !owner || owner.task.partitionTimeMs(one.topic) < timeMs
    })
    try {
      await collector.flush()
      const ends = await admin.listOffsets(
        behind.map((one) => ({ ...one, spec: 'latest' as const })),
      )
      const elsewhere = behind.filter((one) => !ownerOf(one))
      const committed = new Map(
        (await consumer.committed(elsewhere)).map((one) => [partitionKey(one), one.offset]),
      )
      return ends.every((end) => {
        const offset = processedOffset(end) ?? committed.get(partitionKey(end)) ?? 0
        return offset >= end.offset
      })
    } catch (error) {
      // Without an answer nothing is known, and the window stays open.
      this.#options.logger.debug({ err: error }, 'windows are not closed by the clock now')
      return false
    }
  }

  #partitionsUpstream({ plan }: RunningTask): TopicPartition[] {
    const { client, realTopic, subTopologies } = this.#options
    const partitions: TopicPartition[] = []
    for (const { sourceTopics } of upstreamOf(plan.subTopology, subTopologies))
      for (const name of sourceTopics) {
        const topic = realTopic(name)
        if (plan.subTopology.sourceTopics.includes(name)) {
          partitions.push({ topic, partition: plan.partition })
          continue
        }
        const count = client.metadata.topic(topic)?.partitions.length ?? 0
        for (let partition = 0; partition < count; partition++)
          partitions.push({ topic, partition })
      }
    return partitions
  }
}
