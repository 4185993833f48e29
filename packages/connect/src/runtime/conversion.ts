import type { Converter } from '../converters/converter.ts'
import type { HeaderConverter } from '../converters/headers.ts'
import type { Header, KafkaHeader, KafkaRecord, SinkRecord, SourceRecord } from '../data/record.ts'
import { ConnectError } from '../errors.ts'
import type { Transform } from '../transforms/transform.ts'
import type { Failure, Stage } from './dead-letters.ts'
import type { OutgoingRecord } from './kafka.ts'

/** What changes a record on its way through a task. */
export interface ConversionOptions {
  readonly keyConverter: Converter
  readonly valueConverter: Converter
  readonly headerConverter: HeaderConverter
  /** Whether anybody looks at the headers of a sink's records. */
  readonly readsHeaders: boolean
  /** The classes, as Java names them: dead letters say which one failed. */
  readonly converterNames: { readonly key: string; readonly value: string; readonly header: string }
  readonly transforms: Transform | undefined
}

/** A record that a converter or a transform could not take, and which of them. */
export class ConversionFailure extends Error implements Failure {
  readonly stage: Stage
  readonly className: string
  readonly error: Error

  constructor(stage: Stage, className: string, error: Error) {
    super(error.message, { cause: error })
    this.stage = stage
    this.className = className
    this.error = error
  }

  /** Whether the same may succeed a while later. */
  get isRetriable(): boolean {
    return this.error instanceof ConnectError && this.error.retriable
  }
}

const noHeaders: readonly Header[] = []
const transformation = 'org.apache.kafka.connect.transforms.Transformation'

/** The converters and transforms of a task: records between Kafka and a connector. */
export class Conversion {
  readonly #options: ConversionOptions

  constructor(options: ConversionOptions) {
    this.#options = options
  }

  /**
   * The record as the sink gets it; undefined where a transform drops it.
   *
   * @throws ConversionFailure
   */
  forSink(record: KafkaRecord): SinkRecord | undefined {
    const { keyConverter, valueConverter, headerConverter, converterNames, transforms } =
      this.#options
    const { topic } = record
    let stage: Stage = 'KEY_CONVERTER'
    let className = converterNames.key
    try {
      const key = keyConverter.toConnect(record.key, topic)
      stage = 'VALUE_CONVERTER'
      className = converterNames.value
      const value = valueConverter.toConnect(record.value, topic)
      stage = 'HEADER_CONVERTER'
      className = converterNames.header
      const headers = this.#options.readsHeaders
        ? record.headers.map((header) => headerConverter.toConnect(header, topic))
        : noHeaders
      const converted: SinkRecord = {
        topic,
        partition: record.partition,
        keySchema: key.schema,
        key: key.value,
        valueSchema: value.schema,
        value: value.value,
        timestampMs: record.timestamp < 0 ? null : record.timestamp,
        headers,
        origin: record,
      }
      if (!transforms) return converted
      stage = 'TRANSFORMATION'
      className = transformation
      return transforms(converted) ?? undefined
    } catch (error) {
      throw new ConversionFailure(stage, className, error as Error)
    }
  }

  /**
   * The record as Kafka gets it; undefined where a transform drops it.
   *
   * @throws ConversionFailure
   */
  fromSource(source: SourceRecord): OutgoingRecord | undefined {
    const { keyConverter, valueConverter, converterNames, transforms } = this.#options
    if (source.error) throw new ConversionFailure('TASK_POLL', 'SourceTask', source.error)
    let stage: Stage = 'TRANSFORMATION'
    let className = transformation
    try {
      const changed = transforms ? transforms(source) : source
      if (!changed) return undefined
      const { topic } = changed
      stage = 'HEADER_CONVERTER'
      className = converterNames.header
      const headers = this.headers(changed)
      stage = 'KEY_CONVERTER'
      className = converterNames.key
      const key = keyConverter.fromConnect(changed.keySchema, changed.key, topic)
      stage = 'VALUE_CONVERTER'
      className = converterNames.value
      const value = valueConverter.fromConnect(changed.valueSchema, changed.value, topic)
      return {
        topic,
        key,
        value,
        headers,
        ...(changed.partition === null ? {} : { partition: changed.partition }),
        ...(changed.timestampMs === null ? {} : { timestamp: changed.timestampMs }),
      }
    } catch (error) {
      throw new ConversionFailure(stage, className, error as Error)
    }
  }

  /** The headers of a source's record as Kafka gets them. */
  headers({ headers, topic }: SourceRecord): KafkaHeader[] {
    const { headerConverter } = this.#options
    return headers.map((header) => [header.key, headerConverter.fromConnect(header, topic)])
  }
}
