import type { Logger } from '@khlong/core'
import type { CommonValues } from '../config/common.ts'
import { ConnectError } from '../errors.ts'
import { type DeadLetterOptions, deadLetter, type Failure, type Letter } from './dead-letters.ts'
import type { OutgoingRecord } from './kafka.ts'
import type { TaskCounters } from './metrics.ts'

/** What happens to records in error: `errors.tolerance`, `errors.log.*`, the dead letter topic. */
export class ErrorPolicy {
  readonly #options: CommonValues
  readonly #deadLetters: DeadLetterOptions | undefined
  readonly #logger: Logger
  readonly #counters: TaskCounters
  readonly #place: { connector: string; task: number }

  constructor(
    options: CommonValues,
    place: { connector: string; task: number },
    logger: Logger,
    counters: TaskCounters,
  ) {
    const topic = options['errors.deadletterqueue.topic.name']
    this.#options = options
    this.#place = place
    this.#logger = logger
    this.#counters = counters
    this.#deadLetters =
      topic === ''
        ? undefined
        : {
            topic,
            hasHeaders: options['errors.deadletterqueue.context.headers.enable'],
            ...place,
          }
  }

  get deadLetterTopic(): string | undefined {
    return this.#deadLetters?.topic
  }

  /**
   * Decides on a record in error. Gives its dead letter, to be written before the record counts as
   * done, or undefined where it is skipped.
   *
   * @throws ConnectError where nothing is tolerated.
   */
  handle(letter: () => Letter, failure: Failure): OutgoingRecord | undefined {
    this.#counters.errors++
    if (this.#options['errors.log.enable']) this.#log(letter(), failure)
    if (this.#options['errors.tolerance'] === 'none')
      throw new ConnectError('CONNECT_FAILED', 'Tolerance exceeded in error handler', {
        cause: failure.error,
      })
    if (!this.#deadLetters) {
      this.#counters.skipped++
      return undefined
    }
    return deadLetter(letter(), failure, this.#deadLetters)
  }

  #log(
    { topic, partition, offset, timestamp }: Letter,
    { stage, className, error }: Failure,
  ): void {
    const where = this.#options['errors.log.include.messages']
      ? { topic, partition, offset, timestamp }
      : {}
    this.#logger.error(
      { ...this.#place, stage, class: className, ...where, err: error },
      'record in error',
    )
  }
}
