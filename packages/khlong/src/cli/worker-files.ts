import { readFileSync } from 'node:fs'
import path from 'node:path'
import { parseProperties, type SettingsSource } from '@khlong/core'
import { KhlongError } from '../errors.ts'

/** What `khlong connect WORKER.properties [CONNECTOR…]` was given, as `connect-distributed` and `connect-standalone` are. */
export interface WorkerFiles {
  readonly settings: Readonly<Record<string, unknown>>
  /** Names file and line of a setting that is wrong. */
  readonly source: SettingsSource
}

/**
 * Reads a worker's properties file; the files behind it are connectors.
 *
 * @throws KhlongError `KHLONG_USAGE` where it cannot be read
 */
export function readWorkerFiles([file, ...connectors]: readonly [
  string,
  ...string[],
]): WorkerFiles {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new KhlongError('KHLONG_USAGE', `cannot read the worker's settings ${file}`, { cause })
  }
  const lines = text.split(/\r\n|\r|\n/)
  return {
    settings: {
      ...parseProperties(text),
      ...(connectors.length === 0
        ? {}
        : { connectors: connectors.map((connector) => path.resolve(connector)) }),
    },
    source: {
      name: file,
      line: ([key]) => {
        const index = lines.findIndex((line) => Object.keys(parseProperties(line))[0] === key)
        return index < 0 ? undefined : index + 1
      },
    },
  }
}
