import { type FileHandle, mkdir, open } from 'node:fs/promises'
import path from 'node:path'
import { string } from '../../config/fields.ts'
import { ConfigSpec } from '../../config/spec.ts'
import { javaText } from '../../converters/simple.ts'
import type { SinkRecord } from '../../data/record.ts'
import type { SinkPlugin, SinkTask } from '../../plugin.ts'

const spec = new ConfigSpec(
  {
    file: string('Destination filename. If not specified, the standard output will be used.', {
      optional: true,
      importance: 'HIGH',
    }),
  },
  null,
)

/** `org.apache.kafka.connect.file.FileStreamSinkConnector`: one line for each record. */
export const fileSink: SinkPlugin = {
  kind: 'sink',
  className: 'org.apache.kafka.connect.file.FileStreamSinkConnector',
  version: '0.1.0',
  spec,
  describe: (config) => [`file:${spec.parse(config).file ?? 'stdout'}`],
  createTask: (config) => new FileSinkTask(spec.parse(config).file),
}

/** Lines are written as they come; `flush` makes them durable. */
class FileSinkTask implements SinkTask {
  readonly #path: string | undefined
  #file: FileHandle | undefined
  #isDirty = false

  constructor(filePath: string | undefined) {
    this.#path = filePath
  }

  async start(): Promise<void> {
    if (this.#path === undefined) return
    await mkdir(path.dirname(path.resolve(this.#path)), { recursive: true })
    this.#file = await open(this.#path, 'a')
  }

  async put(records: readonly SinkRecord[]): Promise<void> {
    let text = ''
    for (const record of records) text += `${line(record)}\n`
    if (!this.#file) {
      process.stdout.write(text)
      return
    }
    await this.#file.appendFile(text)
    this.#isDirty = true
  }

  async flush(): Promise<void> {
    if (!this.#isDirty) return
    this.#isDirty = false
    await this.#file?.datasync()
  }

  async stop(): Promise<void> {
    await this.#file?.close()
    this.#file = undefined
  }
}

/** Text and numbers as they are; what JsonConverter made of a record as Java prints it. */
function line(record: SinkRecord): string {
  const { value } = record
  if (value instanceof Uint8Array) return Buffer.from(value).toString()
  return javaText(value, record.valueSchema)
}
