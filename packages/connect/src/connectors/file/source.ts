import { type FileHandle, open } from 'node:fs/promises'
import { StringDecoder } from 'node:string_decoder'
import { type ConfigMap, int, string } from '../../config/fields.ts'
import { ConfigSpec, type ConfigValues } from '../../config/spec.ts'
import type { SourceRecord } from '../../data/record.ts'
import { stringSchema } from '../../data/schema.ts'
import type { SourcePlugin, SourceTask, SourceTaskContext } from '../../plugin.ts'

const fields = {
  file: string('Source filename.', { importance: 'HIGH' }),
  topic: string('The topic to publish data to.', { importance: 'HIGH' }),
  'batch.size': int(
    'The maximum number of records the source task can read from the file each time.',
    {
      default: 2000,
      importance: 'LOW',
    },
  ),
}
const spec = new ConfigSpec(fields, null)

/** `org.apache.kafka.connect.file.FileStreamSourceConnector`: one record for each line. */
export const fileSource: SourcePlugin = {
  kind: 'source',
  className: 'org.apache.kafka.connect.file.FileStreamSourceConnector',
  version: '0.1.0',
  spec,
  describe: (config) => [`file:${spec.parse(config).file}`],
  // Without a file Java's reads standard input, which has no place to go back to.
  isExactlyOnce: (config) => (config.file ?? '') !== '',
  topics: (config) => [spec.parse(config).topic],
  createTask: (config, context) => new FileSourceTask(config, context),
}

const readBytes = 64 * 1024
const idleMs = 1_000

/** Follows a file as it grows; its offset is the position behind the last line that was read. */
class FileSourceTask implements SourceTask {
  readonly #options: ConfigValues<typeof fields>
  readonly #context: SourceTaskContext
  readonly #buffer = Buffer.allocUnsafe(readBytes)
  #file: FileHandle | undefined
  #readPosition = 0
  #linePosition = 0
  #rest = ''
  #decoder = new StringDecoder('utf8')

  constructor(config: ConfigMap, context: SourceTaskContext) {
    this.#options = spec.parse(config)
    this.#context = context
  }

  get note(): string | undefined {
    return this.#file ? undefined : `the file ${this.#options.file} is not there yet`
  }

  get isReady(): boolean {
    return true
  }

  async start(): Promise<void> {
    const offset = this.#context.readOffset(this.#partition)
    const position = offset?.position
    this.#linePosition = typeof position === 'number' ? position : 0
    this.#readPosition = this.#linePosition
  }

  async poll(signal: AbortSignal): Promise<readonly SourceRecord[]> {
    this.#file ??= await open(this.#options.file, 'r').catch(() => undefined)
    const read = await this.#file?.read(this.#buffer, 0, readBytes, this.#readPosition)
    if (!read || read.bytesRead === 0) {
      await this.#pause(signal)
      return []
    }
    this.#readPosition += read.bytesRead
    const text = this.#rest + this.#decoder.write(this.#buffer.subarray(0, read.bytesRead))
    const lines = text.split('\n')
    this.#rest = lines.pop() ?? ''
    return lines.map((line) => this.#record(line))
  }

  commit(): void {
    // The offsets of its records are its place.
  }

  async stop(): Promise<void> {
    await this.#file?.close()
    this.#file = undefined
  }

  get #partition(): { filename: string } {
    return { filename: this.#options.file }
  }

  #record(line: string): SourceRecord {
    this.#linePosition += Buffer.byteLength(line) + 1
    return {
      topic: this.#options.topic,
      partition: null,
      keySchema: undefined,
      key: null,
      valueSchema: stringSchema,
      value: line.endsWith('\r') ? line.slice(0, -1) : line,
      timestampMs: this.#context.clock.nowMs(),
      headers: [],
      sourcePartition: this.#partition,
      sourceOffset: { position: this.#linePosition },
    }
  }

  #pause(signal: AbortSignal): Promise<void> {
    const { clock } = this.#context
    return new Promise((resolve) => {
      const end = (): void => {
        clock.clearTimer(timer)
        signal.removeEventListener('abort', end)
        resolve()
      }
      const timer = clock.setTimer(end, idleMs)
      signal.addEventListener('abort', end, { once: true })
      if (signal.aborted) end()
    })
  }
}
