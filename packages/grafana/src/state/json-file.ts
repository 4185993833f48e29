import { mkdir, open, readFile, rename } from 'node:fs/promises'
import path from 'node:path'
import { GrafanaError } from '../errors.ts'

/**
 * Replaces a file as a whole: written beside it, flushed, then renamed, so that a reader or a power
 * loss sees the old text or the new one.
 */
export async function writeJsonFile(file: string, value: unknown): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true })
  const temporary = `${file}.new`
  const handle = await open(temporary, 'w')
  try {
    await handle.writeFile(`${JSON.stringify(value, null, 2)}\n`)
    await handle.datasync()
  } finally {
    await handle.close()
  }
  await rename(temporary, file)
}

/** The parsed file, or undefined where it does not exist. */
export async function readJsonFile(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/**
 * Checks what a file of ours says of itself; one of before there were formats says nothing.
 *
 * @throws GrafanaError `GRAFANA_STATE_NEWER` with the file
 */
export function checkFormat(file: string, found: unknown, version: unknown, known: number): void {
  if (version === undefined || (typeof version === 'number' && version <= known)) return
  throw new GrafanaError(
    'GRAFANA_STATE_NEWER',
    `${file} is ${String(found)} of version ${String(version)}, this Khlong reads ${known}; use the one that wrote it`,
    { fields: { file } },
  )
}
