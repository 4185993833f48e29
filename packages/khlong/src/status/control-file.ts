import { open, readFile, rename, rm } from 'node:fs/promises'
import path from 'node:path'

/** How whoever may read a data folder reaches the process that has it. */
export interface ControlDoor {
  /** Of the platform's door, `host:port`. */
  readonly address: string
  /** Shown there as `Authorization: Bearer`; fresh at each start. */
  readonly token: string
}

const fileName = 'control.json'

/** Writes `control.json` into a data folder, for its owner only. */
export async function writeControlFile(data: string, door: ControlDoor): Promise<void> {
  const file = path.join(data, fileName)
  await rm(`${file}.new`, { force: true })
  const handle = await open(`${file}.new`, 'wx', 0o600)
  await handle.writeFile(`${JSON.stringify({ format: 'khlong-control', version: 1, ...door })}\n`)
  await handle.close()
  await rename(`${file}.new`, file)
}

export async function removeControlFile(data: string): Promise<void> {
  await rm(path.join(data, fileName), { force: true })
}

/** What the running process left; undefined where there is none that can be read. */
export async function readControlFile(data: string): Promise<ControlDoor | undefined> {
  try {
    const json: unknown = JSON.parse(await readFile(path.join(data, fileName), 'utf8'))
    const { address, token } = json as Partial<ControlDoor>
    return typeof address === 'string' && typeof token === 'string' ? { address, token } : undefined
  } catch {
    return undefined
  }
}
