import { createHash } from 'node:crypto'
import { readdir, readFile, rename, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describeError, type Logger, parseProperties } from '@khlong/core'
import type { ConfigMap } from './config/fields.ts'
import { ConnectError } from './errors.ts'
import { readConfig } from './rest/bodies.ts'

/** A file of the connectors folder that could not be applied. */
export interface FileProblem {
  readonly file: string
  readonly name: string
  readonly problem: string
}

/** Where connectors of files go. */
export interface ConnectorTarget {
  /** What a connector is configured with now; undefined where it is not there. */
  config(name: string): ConfigMap | undefined
  /** Makes or changes a connector. @throws ConnectError where it is refused. */
  put(name: string, config: ConfigMap): Promise<unknown>
}

const digestFileName = 'connector-files.json'

/**
 * Applies the `*.json` and `*.properties` files of a folder, or the files themselves: a connector that is missing is made; one whose file changed
 * since it was last applied here gets the file's configuration; otherwise what was changed over REST stays.
 * Subfolders are not looked at.
 */
export async function applyConnectorFiles(
  places: string | readonly string[],
  dataFolder: string,
  connectors: ConnectorTarget,
  logger: Logger,
): Promise<FileProblem[]> {
  const problems: FileProblem[] = []
  const digestFile = path.join(dataFolder, digestFileName)
  const digests = await readDigests(digestFile)
  // All at once: the workers then share them out once, and not after each.
  const apply = async (file: string): Promise<void> => {
    let name = path.basename(file, path.extname(file))
    try {
      const text = await readFile(file, 'utf8')
      const connector = file.endsWith('.properties')
        ? connectorOf(parseProperties(text), name)
        : readConnector(text, name)
      name = connector.name
      const digest = digestOf(connector.config)
      const present = connectors.config(name)
      // A worker that is new among others finds what they have applied, and has nothing to change.
      const isSame =
        present !== undefined && digestOf(present) === digestOf({ ...connector.config, name })
      if (!isSame && (present === undefined || digests[name] !== digest)) {
        await connectors.put(name, connector.config)
        logger.info({ connector: name, file }, present ? 'connector changed' : 'connector made')
      }
      digests[name] = digest
    } catch (error) {
      problems.push({ file, name, problem: `${path.basename(file)}: ${describeError(error)}` })
      logger.error({ file, err: error }, 'connector file cannot be applied')
    }
  }
  await Promise.all((await filesOf(places, logger)).map(apply))
  await writeFile(`${digestFile}.new`, `${JSON.stringify({ version: 1, digests }, null, 2)}\n`)
  await rename(`${digestFile}.new`, digestFile)
  return problems.sort((a, b) => (a.file < b.file ? -1 : 1))
}

/**
 * Reads `{"name": …, "config": {…}}`, or the flat form of `connect-standalone`. Without a name it is
 * the file's.
 *
 * @throws ConnectError `CONNECT_CONFIG`
 */
export function readConnector(text: string, fileName: string): { name: string; config: ConfigMap } {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    throw new ConnectError('CONNECT_CONFIG', `not JSON: ${(error as Error).message}`)
  }
  const { name, config } = (json ?? {}) as { name?: unknown; config?: unknown }
  const flat = readConfig(config !== null && typeof config === 'object' ? config : json)
  return typeof name === 'string' ? { name, config: flat } : connectorOf(flat, fileName)
}

function connectorOf(config: ConfigMap, name: string): { name: string; config: ConfigMap } {
  return { name: config.name ?? name, config }
}

async function filesOf(places: string | readonly string[], logger: Logger): Promise<string[]> {
  // Files that were named one by one keep their order, as those of connect-standalone do.
  if (typeof places !== 'string') return [...places]
  const entries = await readdir(places, { withFileTypes: true }).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    logger.warn({ folder: places }, 'the folder of connector files is not there')
    return []
  })
  return entries
    .filter((entry) => entry.isFile() && /\.(json|properties)$/.test(entry.name))
    .map((entry) => path.join(places, entry.name))
    .sort()
}

function digestOf(config: ConfigMap): string {
  const entries = Object.entries(config).sort(([a], [b]) => (a < b ? -1 : 1))
  return createHash('sha256').update(JSON.stringify(entries)).digest('hex')
}

async function readDigests(file: string): Promise<Record<string, string>> {
  try {
    const { version, digests } = JSON.parse(await readFile(file, 'utf8')) as {
      version: number
      digests: Record<string, string>
    }
    return version === 1 ? digests : {}
  } catch {
    // Without it every file counts as changed, which only puts its own configuration back.
    return {}
  }
}
