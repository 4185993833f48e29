import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs'
import path from 'node:path'
import { KafkaError } from '../errors.ts'

// Kafka's checkpoint files are text: a version line, a count line, then one line per entry.
//
//   recovery-point-offset-checkpoint, log-start-offset-checkpoint…   "topic partition offset"
//   leader-epoch-checkpoint                                          "epoch startOffset"

/** Reads the entries of a checkpoint file as words; an absent file has none. */
export function readCheckpoint(file: string): string[][] {
  const text = readTextIfThere(file)
  if (text === undefined) return []
  const lines = text.split('\n')
  if (lines[0] !== '0')
    throw new KafkaError('KAFKA_FORMAT_UNSUPPORTED', `${file}: version ${lines[0]}, expected 0`, {
      fields: { file },
    })
  const count = Number(lines[1])
  const entries = lines.slice(2, 2 + count).map((line) => line.split(' '))
  if (!Number.isInteger(count) || entries.length !== count || entries.some((e) => e.length < 2))
    throw new KafkaError('KAFKA_CHECKPOINT_DAMAGED', `${file}: expected ${lines[1]} entries`, {
      fields: { file },
    })
  return entries
}

/** A checkpoint file that this process alone writes, as a whole and in one step. */
export class CheckpointFile {
  readonly #file: string
  /** What is durable in it; undefined where a run before this one may not have come to its flush. */
  #durable: string | undefined

  constructor(file: string) {
    this.#file = file
    // An absent file says what one without entries says.
    if (!existsSync(file)) this.#durable = checkpointText([])
  }

  /** The entries are durable when it returns; nothing is written where they are already. */
  write(entries: readonly (readonly unknown[])[]): void {
    const text = checkpointText(entries)
    if (text === this.#durable) return
    this.#durable = undefined
    writeFileDurably(this.#file, text)
    this.#durable = text
  }
}

/** The content of a checkpoint file. */
export function checkpointText(entries: readonly (readonly unknown[])[]): string {
  return `0\n${entries.length}\n${entries.map((entry) => `${entry.join(' ')}\n`).join('')}`
}

/** Offsets by `topic-partition`, as three of Kafka's checkpoint files hold them. */
export function readOffsets(file: string): Map<string, number> {
  const offsets = new Map<string, number>()
  for (const [topic = '', partition = '', offset = ''] of readCheckpoint(file))
    offsets.set(`${topic}-${partition}`, Number(offset))
  return offsets
}

/** Reads `partition.metadata`: the id of the topic that the folder belongs to, in Kafka's base64. */
export function readPartitionMetadata(folder: string): string | undefined {
  const text = readTextIfThere(path.join(folder, 'partition.metadata'))
  return /^topic_id: (\S+)$/m.exec(text ?? '')?.[1]
}

/** The content of `partition.metadata`. */
export function partitionMetadataText(topicId: string): string {
  return `version: 0\ntopic_id: ${topicId}\n`
}

/** Writes beside, flushes, renames over and flushes the folder: after a crash it is the old file or the new. */
export function writeFileDurably(
  file: string,
  content: string | Uint8Array,
  mode: number = 0o666,
): void {
  const temporary = `${file}.tmp`
  const fd = openSync(temporary, 'w', mode)
  try {
    const bytes = typeof content === 'string' ? Buffer.from(content) : content
    let written = 0
    while (written < bytes.byteLength) written += writeSync(fd, bytes, written)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
  renameSync(temporary, file)
  flushFolder(path.dirname(file))
}

/** Makes the names in a folder durable. */
export function flushFolder(folder: string): void {
  // Windows cannot open a folder, and needs no flush of it.
  if (process.platform === 'win32') return
  const fd = openSync(folder, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

function readTextIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
