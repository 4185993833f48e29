import type { SourceRecord } from '../data/record.ts'
import { ConnectError } from '../errors.ts'
import type { ConversionFailure } from './conversion.ts'
import type { Failure, Letter } from './dead-letters.ts'
import type { OutgoingRecord, WriteFailure } from './kafka.ts'
import type { RunnerOptions } from './runner-options.ts'

/** What became of one polled record: a record to write, or its dead letter. */
export interface Outgoing {
  readonly source: SourceRecord
  readonly record: OutgoingRecord
  readonly isDeadLetter: boolean
}

/** What a source gave on its way to Kafka: converted, or sent the way of errors. */
export class OutgoingRecords {
  readonly #options: RunnerOptions
  readonly #topics = new Set<string>()

  constructor(options: RunnerOptions) {
    this.#options = options
  }

  /**
   * Undefined: a transform dropped it.
   *
   * @throws ConversionFailure, which is for `convertAgain`.
   */
  convert(source: SourceRecord): Outgoing | undefined {
    return this.#made(source, this.#options.conversion.fromSource(source))
  }

  /**
   * Tries a record again that failed, or sends it the way of errors.
   *
   * @throws ConnectError where nothing is tolerated.
   */
  async convertAgain(
    source: SourceRecord,
    failure: unknown,
    signal: AbortSignal,
  ): Promise<Outgoing | undefined> {
    const { conversion, retries } = this.#options
    try {
      const record = await retries.again(() => conversion.fromSource(source), failure, signal)
      return this.#made(source, record)
    } catch (last) {
      return signal.aborted ? undefined : this.#dead(source, last as ConversionFailure)
    }
  }

  /**
   * A record that Kafka never takes: its head goes to the dead letter topic.
   *
   * @throws ConnectError where nothing is tolerated, or it is a dead letter itself.
   */
  refused(item: Outgoing, refusal: WriteFailure): Outgoing | undefined {
    const error = refusal.isTooLarge
      ? new ConnectError('CONNECT_RECORD_TOO_LARGE', refusal.error.message, {
          cause: refusal.error,
        })
      : refusal.error
    if (item.isDeadLetter)
      throw new ConnectError('CONNECT_FAILED', 'a dead letter could not be written', {
        cause: error,
      })
    const failure: Failure = { stage: 'KAFKA_PRODUCE', className: 'KafkaProducer', error }
    return this.#dead(item.source, failure, item.record)
  }

  /** Counts what is durable. */
  count(item: Outgoing): void {
    const { counters } = this.#options
    if (item.isDeadLetter) counters.deadLetters++
    else counters.recordsOut++
  }

  #made(source: SourceRecord, record: OutgoingRecord | undefined): Outgoing | undefined {
    if (!record) {
      this.#options.counters.skipped++
      return undefined
    }
    if (!this.#topics.has(record.topic)) {
      this.#topics.add(record.topic)
      this.#options.onTopic(record.topic)
    }
    return { source, record, isDeadLetter: false }
  }

  #dead(source: SourceRecord, failure: Failure, written?: OutgoingRecord): Outgoing | undefined {
    const { policy, conversion } = this.#options
    const letter = (): Letter => ({
      key: written?.key ?? null,
      value: written?.value ?? rawOf(source),
      headers: conversion.headers(source),
      topic: source.topic,
    })
    const record = policy.handle(letter, failure)
    return record && { source, record, isDeadLetter: true }
  }
}

/** The bytes of a record that could not be converted: the source's own, or what it says as text. */
function rawOf(source: SourceRecord): Uint8Array | null {
  if (source.raw) return source.raw
  if (source.value instanceof Uint8Array) return source.value
  return source.value === null ? null : Buffer.from(JSON.stringify(source.value) ?? '')
}
